// SPDX-License-Identifier: Apache-2.0
/*
 * Slots to model, by the table of settings: each scalar through its type's reader, defaults where nothing stands.
 */
#include "conf/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* A value that nobody else may have: in which list of settings, what, and where it stands. */
struct claim {
	const struct setting *setting;
	size_t order;
	char value[SHOWN_SIZE];
	char key[KEY_PATH_SIZE];
};

struct reading {
	struct review *review;
	struct model *model;
	struct key_path path;
	struct claim *claims;
	size_t claim_count, claim_room;
};

static void read_section(
	struct reading *reading, const struct section *section, const struct slot *slots, void *base);

/* ---- Values that must be unique --------------------------------------------------------------------------------- */

static void claim(struct reading *reading, const struct setting *setting, const void *field)
{
	char buffer[SHOWN_SIZE];
	struct claim *claims = reading->claims, *added;

	if (reading->claim_count == reading->claim_room) {
		reading->claim_room = reading->claim_room ? 2 * reading->claim_room : 16;
		claims = reallocarray(claims, reading->claim_room, sizeof(*claims));
		if (!claims) {
			reading->review->error = -ENOMEM;
			reading->claim_room = reading->claim_count;
			return;
		}
		reading->claims = claims;
	}
	added = &claims[reading->claim_count];
	*added = (struct claim){.setting = setting, .order = reading->claim_count++};
	snprintf(added->value, sizeof(added->value), "%s", setting->type->show(setting, field, buffer));
	snprintf(added->key, sizeof(added->key), "%s", reading->path.text);
}

static int compare_values(const struct claim *one, const struct claim *other)
{
	if (one->setting != other->setting)
		return one->setting < other->setting ? -1 : 1;
	return strcmp(one->value, other->value);
}

static int compare_claims(const void *one, const void *other)
{
	const struct claim *a = one, *b = other;

	return compare_values(a, b) ?: (a->order < b->order ? -1 : a->order > b->order);
}

/* After sorting, those with one value stand together, in the file's order: each but the first is one too many. */
static void report_repeats(struct reading *reading)
{
	struct claim *claims = reading->claims, *first = claims;

	if (reading->claim_count)
		qsort(claims, reading->claim_count, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < reading->claim_count; i++) {
		if (compare_values(first, &claims[i]) != 0)
			first = &claims[i];
		else
			review_problem(reading->review, claims[i].key,
				"%s is taken already, by %s on line %u: choose another", claims[i].value,
				first->key, review_line(reading->review, first->key));
	}
	free(claims);
}

/* ---- Values and sections ---------------------------------------------------------------------------------------- */

/* An empty text is what yaml.c left in the place of something it has reported. */
static void read_scalar(struct reading *reading, const struct setting *setting, const char *text, void *field)
{
	struct error error;
	struct scalar scalar = {.setting = setting, .text = text, .model = reading->model, .error = &error};
	int r;

	if (!text || !*text)
		return;
	r = setting->type->read(&scalar, field);
	if (r == -ENOMEM)
		reading->review->error = r;
	else if (r < 0)
		review_problem(reading->review, reading->path.text, "%s", error.text);
	else if (setting->unique)
		claim(reading, setting, field);
}

static void read_list(
	struct reading *reading, const struct setting *setting, const struct slot *slot, void *base)
{
	size_t count = slot ? slot->count : 0, length;
	char *items = review_allocate(reading->review, count, setting->size);

	*(void **)setting_field(setting, base) = items;
	*setting_count(setting, base) = items ? count : 0;
	for (size_t i = 0; items && i < count; i++) {
		length = key_path_push_index(&reading->path, i);
		if (setting->section)
			read_section(reading, setting->section, slot_of_section(setting, slot, i),
				items + i * setting->size);
		else
			read_scalar(reading, setting, slot->texts[i], items + i * setting->size);
		key_path_pop(&reading->path, length);
	}
}

static void read_one(
	struct reading *reading, const struct setting *setting, const struct slot *slot, void *base)
{
	void *field = setting_field(setting, base);

	if (!setting->section) {
		read_scalar(reading, setting, slot && slot->text ? slot->text : setting->fallback, field);
		return;
	}
	if (setting->has_flag)
		*setting_flag(setting, base) = slot && slot->section;
	read_section(reading, setting->section, slot ? slot->section : NULL, field);
}

/* Without slots, the section is absent: its settings get their defaults. */
static void read_section(
	struct reading *reading, const struct section *section, const struct slot *slots, void *base)
{
	const struct setting *setting;
	size_t length;

	for (size_t i = 0; i < section->count; i++) {
		setting = &section->settings[i];
		length = key_path_push(&reading->path, setting->key);
		if (setting->list)
			read_list(reading, setting, slots ? &slots[i] : NULL, base);
		else
			read_one(reading, setting, slots ? &slots[i] : NULL, base);
		key_path_pop(&reading->path, length);
	}
}

int read_model(struct review *review, const struct slot *top, struct model *model)
{
	struct reading reading = {.review = review, .model = model};

	read_section(&reading, &settings, top, model);
	report_repeats(&reading);
	return review->error;
}
