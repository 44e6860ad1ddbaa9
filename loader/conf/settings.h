/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of settings: which keys there are, where each stands in the model, and how its value is read and written.
 * A setting is a scalar or a section (a mapping), and either one of it or a list.
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model.h"

struct section {
	const struct setting *settings;
	size_t count;
};

struct choice {
	const char *name;
	int value;
};

struct setting {
	const char *key;
	const char *meaning; /* told when a required key is missing, and of every key in gateway.yaml(5) */
	bool required;
	bool list;
	bool unique;             /* no two of the same list may have one value */
	bool has_flag;           /* a section that may be absent: a bool of the model says that it is there */
	size_t at_least;         /* a list's fewest items */
	const struct type *type; /* a scalar's, else NULL */
	const struct section *section; /* a section's, else NULL */
	const char *fallback;      /* the default, as one would write it; NULL: none, the field stays zero */
	uint32_t minimum, maximum; /* as the type takes them */
	const struct choice *choices; /* ends with a NULL name */
	/* Where in the structure of the section around it: */
	size_t offset;
	size_t size;         /* of one item */
	size_t count_offset; /* a list's number of items, a size_t */
	size_t flag_offset;
};

/* A scalar being read. */
struct scalar {
	const struct setting *setting;
	const char *text;
	const struct model *model; /* what has been read before it */
	struct error *error;
};

#define SHOWN_SIZE 64

struct type {
	/* Into the field of the model. 0, or -EINVAL and what is wrong with it; nothing is written then. */
	int (*read)(const struct scalar *scalar, void *field);
	/* The canonical text, in `buffer` (SHOWN_SIZE) or elsewhere; NULL: not set. */
	const char *(*show)(const struct setting *setting, const void *field, char *buffer);
	const char *words; /* what one writes, for gateway.yaml(5) */
};

/* What libcyaml fills: a section is as many slots as it has settings. */
struct slot {
	union {
		char *text;           /* one scalar */
		char **texts;         /* a list of them */
		struct slot *section; /* one section, or the sections of a list, one behind the other */
	};
	unsigned count; /* items of a list */
};

extern const struct section settings;

static inline const struct slot *slot_of_section(
	const struct setting *setting, const struct slot *slot, size_t index)
{
	return slot->section + index * setting->section->count;
}

/* A field in the structure at `base`, and how many items a list has there. */
static inline void *setting_field(const struct setting *setting, const void *base)
{
	return (char *)base + setting->offset;
}

static inline size_t *setting_count(const struct setting *setting, const void *base)
{
	return (size_t *)((char *)base + setting->count_offset);
}

static inline bool *setting_flag(const struct setting *setting, const void *base)
{
	return (bool *)((char *)base + setting->flag_offset);
}

#endif
