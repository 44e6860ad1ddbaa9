/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of a table at any moment, looked at from outside while programs and gwd write it:
 *
 *     lines MAPS_FOLDER                reads the pinned flow and device tables in place
 *     lines MAPS_FOLDER plant FAULT    breaks it on purpose: twice, outside, hash, claimed
 *
 *  - a line in service has the hash of its key in its tag, and stands in the window of that hash;
 *  - no line that was never used lies before it in its window: a search would stop there;
 *  - a key has one line in service that has not expired;
 *  - no line stays claimed.
 *
 * A line says what it says at one moment only, so whatever looks wrong is looked at again CALM_MS later, and counts when
 * it is the same still. A line of words for each fault and status 1; else "flows F of N, devices D of N".
 */
#include "tests/lab/tools/tables.h"

#include <time.h>

#define CALM_MS   300
#define CLAIMED_S 2 /* nobody needs so long to write 56 bytes */

struct seen {
	struct line line;
	__u32 index;
};

static struct settings settings;
static struct line *lines;
static __u32 mask;
static unsigned faults;

static void pause_ms(long milliseconds)
{
	nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

static __u32 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (__u32)((__u64)now.tv_sec * 1000 + (__u64)now.tv_nsec / 1000000);
}

/* ---- Maps --------------------------------------------------------------------------------------------------------- */

static void open_table(const char *folder, const char *name)
{
	struct pinned_table table = table_open(folder, name);

	lines = table.lines;
	mask = table.mask;
}

static void close_table(void)
{
	munmap(lines, ((size_t)mask + 1) * sizeof(*lines));
}

/* ---- A line, as it stands at one moment ---------------------------------------------------------------------------- */

static bool in_service(__u32 index, struct line *copy)
{
	copy->tag = peek(&lines[index].tag);
	if (!IN_SERVICE(copy->tag))
		return false;
	copy->key = *(volatile struct line_key *)&lines[index].key;
	copy->home = peek(&lines[index].home);
	__sync_synchronize();
	return peek(&lines[index].tag) == copy->tag &&
	       idle_ms(copy->home, now_ms()) <=
		       line_lifetime_ms(&settings, TAG_STATE(copy->tag), copy->key.protocol);
}

static bool has_its_hash(const struct line *line)
{
	return TAG_HASH(line->tag) == hash_of(&line->key, settings.hash_seed);
}

static bool in_its_window(const struct line *line, __u32 index)
{
	return ((index - (__u32)TAG_HASH(line->tag)) & mask) < TABLE_WINDOW;
}

static bool is_reached(const struct line *line, __u32 index)
{
	for (__u32 i = TAG_HASH(line->tag) & mask; i != index; i = (i + 1) & mask)
		if (TAG_STATE(peek(&lines[i].tag)) == LINE_FREE)
			return false;
	return true;
}

static const char *fault_of(__u32 index)
{
	struct line line;

	if (!in_service(index, &line))
		return NULL;
	if (!has_its_hash(&line))
		return "its tag has not the hash of its key";
	if (!in_its_window(&line, index))
		return "it stands outside its window";
	return is_reached(&line, index) ? NULL : "a line never used lies before it in its window";
}

static void fault(const char *table, __u32 index, const char *words)
{
	printf("%s: line %u: %s\n", table, index, words);
	faults++;
}

/* ---- All lines ---------------------------------------------------------------------------------------------------- */

static void check_each(const char *table)
{
	for (__u32 index = 0; index <= mask; index++) {
		const char *words = fault_of(index);

		if (!words)
			continue;
		pause_ms(CALM_MS);
		words = fault_of(index);
		if (words)
			fault(table, index, words);
	}
}

static bool stays_claimed(__u32 index)
{
	__u64 tag = peek(&lines[index].tag);

	for (int tenths = 0; tenths < CLAIMED_S * 10; tenths++) {
		if (TAG_STATE(tag) != LINE_CLAIMED || peek(&lines[index].tag) != tag)
			return false;
		pause_ms(100);
	}
	return true;
}

static void check_claimed(const char *table)
{
	for (__u32 index = 0; index <= mask; index++)
		if (stays_claimed(index))
			fault(table, index, "it stays claimed");
}

static int by_key(const void *one, const void *other)
{
	return memcmp(&((const struct seen *)one)->line.key, &((const struct seen *)other)->line.key,
		sizeof(struct line_key));
}

static bool both_serve(const struct seen *one, const struct seen *other)
{
	struct line a, b;

	return in_service(one->index, &a) && in_service(other->index, &b) && same_key(&a.key, &b.key);
}

static void check_once(const char *table, struct seen *all, __u32 count)
{
	qsort(all, count, sizeof(*all), by_key);
	for (__u32 i = 1; i < count; i++) {
		if (by_key(&all[i - 1], &all[i]) != 0 || !both_serve(&all[i - 1], &all[i]))
			continue;
		pause_ms(CALM_MS);
		if (both_serve(&all[i - 1], &all[i]))
			fault(table, all[i].index, "another line in service has its key");
	}
}

static void check_table(const char *folder, const char *name)
{
	struct seen *all;
	__u32 count = 0;

	open_table(folder, name);
	all = calloc((size_t)mask + 1, sizeof(*all));
	if (!all)
		die(name);
	check_each(name);
	check_claimed(name);
	for (__u32 index = 0; index <= mask; index++) {
		all[count].index = index;
		count += in_service(index, &all[count].line);
	}
	check_once(name, all, count);
	printf("%s %u of %u\n", name, count, mask + 1);
	free(all);
	close_table();
}

/* ---- Faults made on purpose: to see that they are found ------------------------------------------------------------- */

static void plant(const char *folder, const char *what)
{
	__u32 index = 0, to;
	struct line line;

	open_table(folder, MAP_FLOWS);
	while (index <= mask && !in_service(index, &line))
		index++;
	if (index > mask) {
		fprintf(stderr, "lines: no flow is in service\n");
		exit(2);
	}
	to = strcmp(what, "outside") == 0 ? index + TABLE_WINDOW : index + 1;
	lines[to & mask] = lines[index];
	if (strcmp(what, "twice") != 0)
		lines[index].tag = TAG(TAG_HASH(line.tag), LINE_DEAD);
	if (strcmp(what, "hash") == 0)
		lines[to & mask].tag ^= 1ULL << 60;
	if (strcmp(what, "claimed") == 0)
		lines[to & mask].tag = TAG(TAG_HASH(line.tag), LINE_CLAIMED);
	close_table();
}

int main(int argc, char **argv)
{
	if (argc != 2 && (argc != 4 || strcmp(argv[2], "plant") != 0)) {
		fprintf(stderr, "usage: lines MAPS_FOLDER [plant twice|outside|hash|claimed]\n");
		return 2;
	}
	settings = settings_of(argv[1]);
	if (argc == 4) {
		plant(argv[1], argv[3]);
		return 0;
	}
	check_table(argv[1], MAP_FLOWS);
	check_table(argv[1], MAP_DEVICES);
	return faults != 0;
}
