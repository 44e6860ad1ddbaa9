/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One review of one document, passed through all passes: the problems found, and the place (line) of every key, which
 * yaml.c records and later passes, who know keys alone, look up. Lack of memory is sticky and ends in the answer.
 */
#ifndef CONF_REVIEW_H
#define CONF_REVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define KEY_PATH_SIZE 128 /* the deepest path with its indices, and an unknown key's first bytes */

struct review {
	struct conf_problems *problems;
	struct place {
		char *key;
		unsigned line;
	} * places;
	size_t place_count;
	int error; /* 0, or -ENOMEM */
};

/* A path under way: "tunnels[1]" and then ".name". Pushing answers the length to return to. */
struct key_path {
	char text[KEY_PATH_SIZE];
	size_t length;
};
size_t key_path_push(struct key_path *path, const char *key);
size_t key_path_push_index(struct key_path *path, size_t index);
void key_path_pop(struct key_path *path, size_t length);

void review_place(struct review *review, const char *key, unsigned line);
/* After the last place, before the first look-up. */
void review_sort_places(struct review *review);
/* Whether the document has this very key. */
bool review_has(const struct review *review, const char *key);
/* The line of a key, else of the nearest one around it, else 1. */
unsigned review_line(const struct review *review, const char *key);

/* The first with the line of the key's place; the second where the place is not a key's. */
void review_problem(struct review *review, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void review_problem_at(struct review *review, unsigned line, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Something has been said of this very key: what depends on it is not to be judged. */
bool review_blames(const struct review *review, const char *key);

/* Sorts the problems by line and releases the places. */
void review_end(struct review *review);

/* calloc() for `count` items of `size`; without memory NULL, and the review says so. NULL for none, too. */
void *review_allocate(struct review *review, size_t count, size_t size);

#endif
