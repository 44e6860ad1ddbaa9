// SPDX-License-Identifier: Apache-2.0
#include "conf/review.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- Paths ---------------------------------------------------------------------------------------------------- */

/* The length up to which a text cut off at `length` has whole characters of UTF-8. */
static size_t whole_characters(const char *text, size_t length)
{
	while (length && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
		length--;
	return length && (unsigned char)text[length - 1] >= 0xc0 ? length - 1 : length;
}

static size_t push(struct key_path *path, const char *before, const char *text, const char *after)
{
	size_t length = path->length;
	int added = snprintf(path->text + length, sizeof(path->text) - length, "%s%s%s", before, text, after);

	path->length = length + (size_t)added;
	if (path->length >= sizeof(path->text))
		key_path_pop(path, whole_characters(path->text, sizeof(path->text) - 1));
	return length;
}

size_t key_path_push(struct key_path *path, const char *key)
{
	return push(path, path->length ? "." : "", key, "");
}

size_t key_path_push_index(struct key_path *path, size_t index)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%zu", index);
	return push(path, "[", digits, "]");
}

void key_path_pop(struct key_path *path, size_t length)
{
	path->length = length;
	path->text[length] = '\0';
}

/* ---- Places --------------------------------------------------------------------------------------------------- */

/* Makes room for one more item in an array whose room doubles: at 0, 1, 2, 4, … items it is full. */
static void *room_for_one(struct review *review, void *items, size_t count, size_t size)
{
	void *larger;

	if (count & (count - 1))
		return items;
	larger = reallocarray(items, count ? 2 * count : 1, size);
	if (!larger)
		review->error = -ENOMEM;
	return larger;
}

void review_place(struct review *review, const char *key, unsigned line)
{
	struct place *places = room_for_one(review, review->places, review->place_count, sizeof(*places));
	char *copy = strdup(key);

	if (places)
		review->places = places;
	if (!places || !copy) {
		review->error = -ENOMEM;
		free(copy);
		return;
	}
	places[review->place_count++] = (struct place){.key = copy, .line = line};
}

static int compare_places(const void *one, const void *other)
{
	return strcmp(((const struct place *)one)->key, ((const struct place *)other)->key);
}

void review_sort_places(struct review *review)
{
	if (review->place_count)
		qsort(review->places, review->place_count, sizeof(struct place), compare_places);
}

/* "tunnels[1].name" → "tunnels[1]" → "tunnels" → "". */
static void cut_last_step(char *key)
{
	size_t length = strlen(key);

	while (length && key[length] != '.' && key[length] != '[')
		length--;
	key[length] = '\0';
}

bool review_has(const struct review *review, const char *key)
{
	for (size_t i = 0; i < review->place_count; i++)
		if (strcmp(review->places[i].key, key) == 0)
			return true;
	return false;
}

unsigned review_line(const struct review *review, const char *key)
{
	char around[KEY_PATH_SIZE];
	struct place wanted = {.key = around};
	const struct place *found;

	snprintf(around, sizeof(around), "%s", key);
	for (; review->place_count && *around; cut_last_step(around)) {
		found = bsearch(&wanted, review->places, review->place_count, sizeof(wanted), compare_places);
		if (found)
			return found->line;
	}
	return 1;
}

/* ---- Problems ------------------------------------------------------------------------------------------------- */

static void add_problem(
	struct review *review, unsigned line, const char *key, const char *format, va_list arguments)
{
	struct conf_problems *problems = review->problems;
	struct conf_problem *items = room_for_one(review, problems->items, problems->count, sizeof(*items));
	char *copy = strdup(key), *text = NULL;

	if (items)
		problems->items = items;
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	if (!items || !copy || !text) {
		review->error = -ENOMEM;
		free(copy);
		free(text);
		return;
	}
	items[problems->count++] = (struct conf_problem){.line = line, .key = copy, .text = text};
}

void review_problem(struct review *review, const char *key, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_problem(review, review_line(review, key), key, format, arguments);
	va_end(arguments);
}

void review_problem_at(struct review *review, unsigned line, const char *key, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_problem(review, line, key, format, arguments);
	va_end(arguments);
}

bool review_blames(const struct review *review, const char *key)
{
	for (size_t i = 0; i < review->problems->count; i++)
		if (strcmp(review->problems->items[i].key, key) == 0)
			return true;
	return false;
}

static int compare_problems(const void *one, const void *other)
{
	const struct conf_problem *a = one, *b = other;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return strverscmp(a->key, b->key) ?: strcmp(a->text, b->text);
}

void review_end(struct review *review)
{
	if (review->problems->count)
		qsort(review->problems->items, review->problems->count, sizeof(struct conf_problem),
			compare_problems);
	for (size_t i = 0; i < review->place_count; i++)
		free(review->places[i].key);
	free(review->places);
	review->places = NULL;
	review->place_count = 0;
}

void *review_allocate(struct review *review, size_t count, size_t size)
{
	void *memory = count ? calloc(count, size) : NULL;

	if (count && !memory)
		review->error = -ENOMEM;
	return memory;
}

static void print_problem(const struct conf_problems *problems, const struct conf_problem *problem, FILE *out)
{
	fputs(problems->file ?: "?", out);
	if (problem->line)
		fprintf(out, ":%u", problem->line);
	if (*problem->key)
		fprintf(out, ": %s", problem->key);
	fprintf(out, ": %s\n", problem->text);
}

void conf_problems_print(const struct conf_problems *problems, FILE *out)
{
	for (size_t i = 0; i < problems->count; i++)
		print_problem(problems, &problems->items[i], out);
}

void conf_problems_free(struct conf_problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->items[i].key);
		free(problems->items[i].text);
	}
	free(problems->items);
	free(problems->file);
	*problems = (struct conf_problems){0};
}
