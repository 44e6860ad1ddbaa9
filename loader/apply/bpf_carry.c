// SPDX-License-Identifier: Apache-2.0
/*
 * What a generation of programs knows, carried over to the maps of the next one. The tables are moved line by line, each
 * with a new tag, since another build may have hashed otherwise; but the hash's secret is carried over too, and flows of egress
 * groups keep their slots. The rules are those of bpf/table.h, for both tables may be in use meanwhile.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "apply/bpf_generation.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/abi.h"
#include "bpf/hash.h"

static bool get_information(int map, struct bpf_map_info *information)
{
	uint32_t size = sizeof(*information);

	memset(information, 0, sizeof(*information));
	return map >= 0 && bpf_obj_get_info_by_fd(map, information, &size) == 0;
}

static int open_map(const char *directory, const char *name, struct bpf_map_info *information)
{
	struct pin pin = pin_in(directory, name);
	_cleanup_close_ int map = pin_open(&pin, NULL);

	return get_information(map, information) ? TAKE_FD(map) : -ENOENT;
}

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

struct table {
	struct line *lines;
	struct line_counters *counters; /* NULL: none */
	uint32_t count, id;
};

static void *map_memory(int map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* By what names a table and its counters are pinned, and were by builds with another hash. NULL: none. */
struct names {
	const char *lines, *counters;
};

static bool open_table(const char *directory, const struct names *names, struct table *table)
{
	struct bpf_map_info information, cold;
	_cleanup_close_ int map = open_map(directory, names->lines, &information);
	_cleanup_close_ int beside = names->counters ? open_map(directory, names->counters, &cold) : -1;

	memset(table, 0, sizeof(*table));
	if (map < 0 || information.value_size != sizeof(struct line))
		return false;
	table->id = information.id;
	table->count = information.max_entries;
	table->lines = map_memory(map, table->count * sizeof(struct line));
	if (beside >= 0 && cold.max_entries == table->count &&
		cold.value_size == sizeof(struct line_counters))
		table->counters = map_memory(beside, table->count * sizeof(struct line_counters));
	return table->lines;
}

static void close_table(struct table *table)
{
	if (table->lines)
		munmap(table->lines, table->count * sizeof(struct line));
	if (table->counters)
		munmap(table->counters, table->count * sizeof(struct line_counters));
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool swap(uint64_t *word, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/*
 * As flow_read() does in flow/, which apply does not know, but once: a line that changes under our eyes is seen again
 * when the old generation is settled. The key cannot be torn while the tag stays; the other words are read whole.
 */
static bool read_line(const struct line *line, struct line *copy)
{
	uint64_t tag = load((const uint64_t *)&line->tag);

	if (!IN_SERVICE(tag))
		return false;
	*copy = (struct line){.tag = tag,
		.key = line->key,
		.home = load((const uint64_t *)&line->home),
		.stamp = load((const uint64_t *)&line->stamp)};
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load((const uint64_t *)&line->tag) == tag;
}

static bool same_flow(const struct line *line, uint64_t tag, const struct line *other)
{
	return IN_SERVICE(tag) && TAG_HASH(tag) == TAG_HASH(other->tag) &&
	       memcmp(&line->key, &other->key, sizeof(line->key)) == 0;
}

static struct line *window_line(const struct table *table, uint64_t tag, uint32_t step)
{
	return &table->lines[(TAG_HASH(tag) + step) & (table->count - 1)];
}

/* The flow came in by itself meanwhile: what is newer counts. */
static void renew(struct line *line, const struct line *from)
{
	uint64_t home = load((uint64_t *)&line->home), tag = load((uint64_t *)&line->tag);

	if ((int32_t)(HOME_SEEN(from->home) - HOME_SEEN(home)) > 0)
		swap((uint64_t *)&line->home, home, from->home);
	if (!same_flow(line, tag, from) || TAG_STATE(from->tag) <= TAG_STATE(tag))
		return;
	if (swap((uint64_t *)&line->tag, tag, from->tag))
		line->stamp = from->stamp;
}

/* A line of the flow that is there, or one that is claimed for it: which of the two, its tag tells. NULL: neither. */
static struct line *find_or_claim(const struct table *table, const struct line *from)
{
	for (uint32_t step = 0; step < TABLE_WINDOW; step++) {
		struct line *line = window_line(table, from->tag, step);
		uint64_t tag = load((uint64_t *)&line->tag);

		if (same_flow(line, tag, from))
			return line;
		if (TAG_STATE(tag) == LINE_FREE &&
			swap((uint64_t *)&line->tag, tag, TAG(TAG_HASH(from->tag), LINE_CLAIMED)))
			return line;
	}
	return NULL;
}

static bool has_rival(const struct table *table, const struct line *from, const struct line *ours)
{
	for (uint32_t step = 0; step < TABLE_WINDOW; step++) {
		const struct line *line = window_line(table, from->tag, step);
		uint64_t tag = load((const uint64_t *)&line->tag);

		if (line != ours &&
			(same_flow(line, tag, from) || tag == TAG(TAG_HASH(from->tag), LINE_CLAIMED)))
			return true;
	}
	return false;
}

static void publish(const struct table *table, struct line *line, const struct line *from)
{
	uint64_t claimed = TAG(TAG_HASH(from->tag), LINE_CLAIMED);
	bool rival = has_rival(table, from, line);

	line->key = from->key;
	line->home = from->home;
	line->stamp = from->stamp;
	swap((uint64_t *)&line->tag, claimed,
		rival ? TAG(TAG_HASH(from->tag), LINE_DEAD) : (uint64_t)from->tag);
}

/* How many lines found no place. */
static uint32_t carry_lines(const struct table *from, struct table *to, const __u64 seed[HASH_SEED_WORDS])
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < from->count; i++) {
		struct line copy, *line;

		if (!read_line(&from->lines[i], &copy))
			continue;
		copy.tag = TAG(hash_of(&copy.key, seed), TAG_STATE(copy.tag));
		line = find_or_claim(to, &copy);
		if (!line) {
			refused++;
		} else if (TAG_STATE(load((uint64_t *)&line->tag)) != LINE_CLAIMED) {
			renew(line, &copy);
		} else {
			if (from->counters && to->counters)
				to->counters[line - to->lines] = from->counters[i];
			publish(to, line, &copy);
		}
	}
	return refused;
}

static const struct {
	struct names now, before;
} tables[] = {{{MAP_FLOWS, MAP_FLOW_COUNTERS}, {"flows_1", "flow_counters_1"}},
	{{MAP_DEVICES, NULL}, {"devices_1", NULL}}};

/* Of another build's settings, which have another layout, there is no secret that we could use. */
static int read_settings(int map, const struct bpf_map_info *information, struct settings *settings)
{
	uint32_t zero = 0;

	if (map < 0)
		return map;
	if (information->value_size != sizeof(*settings))
		return -EINVAL;
	return bpf_map_lookup_elem(map, &zero, settings) < 0 ? -errno : 0;
}

int carry_tables(const char *from, const char *to, struct error *error)
{
	struct bpf_map_info information;
	_cleanup_close_ int map = open_map(to, MAP_SETTINGS, &information);
	struct settings settings;

	(void)error;
	if (read_settings(map, &information, &settings) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct table old, new;
		uint32_t refused = 0;

		if ((open_table(from, &tables[i].now, &old) || open_table(from, &tables[i].before, &old)) &&
			open_table(to, &tables[i].now, &new)) {
			if (old.id != new.id)
				refused = carry_lines(&old, &new, settings.hash_seed);
			close_table(&new);
		}
		if (refused)
			log_warning("%u lines of %s found no place in the new table", refused,
				tables[i].now.lines);
		close_table(&old);
	}
	return 0;
}

/* ---- Other maps -------------------------------------------------------------------------------------------------- */

static bool is_table(const char *name)
{
	return strcmp(name, MAP_FLOWS) == 0 || strcmp(name, MAP_DEVICES) == 0 ||
	       strcmp(name, MAP_FLOW_COUNTERS) == 0;
}

static size_t value_room(const struct bpf_map_info *information)
{
	bool per_processor = information->type == BPF_MAP_TYPE_PERCPU_ARRAY;
	size_t processors = per_processor ? (size_t)libbpf_num_possible_cpus() : 1;

	return processors * ((information->value_size + 7) & ~7U);
}

/* Entry by entry, as far as both have them. A value that grew has zeros behind what is known. */
static int copy_array(int from, const struct bpf_map_info *old, int to, const struct bpf_map_info *new)
{
	uint32_t entries = old->max_entries < new->max_entries ? old->max_entries : new->max_entries;
	size_t room = value_room(old) > value_room(new) ? value_room(old) : value_room(new);
	_cleanup_free_ void *value = calloc(1, room);

	for (uint32_t key = 0; value && key < entries; key++)
		if (bpf_map_lookup_elem(from, &key, value) < 0 ||
			bpf_map_update_elem(to, &key, value, BPF_ANY) < 0)
			return -errno;
	return value ? 0 : -ENOMEM;
}

/* Reasons are known by their place, and another build that has more of them may have put them anywhere. */
static bool means_the_same(const char *name, const struct bpf_map_info *old, const struct bpf_map_info *new)
{
	return strcmp(name, MAP_REASONS) != 0 || old->max_entries == new->max_entries;
}

/* Hashes and prefixes are written anew from the model; fragments live for seconds. */
static int carry_map(const char *from, const char *to, const char *name, struct error *error)
{
	struct bpf_map_info old, new;
	_cleanup_close_ int old_map = open_map(from, name, &old), new_map = open_map(to, name, &new);
	int result;

	if (old_map < 0 || new_map < 0 || old.id == new.id || is_table(name) || old.type != new.type ||
		(old.type != BPF_MAP_TYPE_ARRAY && old.type != BPF_MAP_TYPE_PERCPU_ARRAY) ||
		(old.type == BPF_MAP_TYPE_PERCPU_ARRAY && old.value_size != new.value_size) ||
		!means_the_same(name, &old, &new))
		return 0;
	result = copy_array(old_map, &old, new_map, &new);
	return result < 0 ? error_errno(error, result, "carrying the map %s over", name) : 0;
}

/* The hash has its secret before the first line is in a table. */
static int draw_seed(const char *directory, struct error *error)
{
	static const uint8_t none[sizeof(((struct settings *)0)->hash_seed)];
	struct bpf_map_info information;
	_cleanup_close_ int map = open_map(directory, MAP_SETTINGS, &information);
	struct settings settings;
	uint32_t zero = 0;
	int result = read_settings(map, &information, &settings);

	if (result == 0 && memcmp(settings.hash_seed, none, sizeof(none)) == 0) {
		randombytes_buf(settings.hash_seed, sizeof(settings.hash_seed));
		result = bpf_map_update_elem(map, &zero, &settings, BPF_ANY) < 0 ? -errno : 0;
	}
	return result < 0 ? error_errno(error, result, "drawing the secret of the tables' hash") : 0;
}

int carry_maps(const char *from, const char *to, struct error *error)
{
	static const char *const arrays[] = {MAP_SETTINGS, MAP_TUNNELS, MAP_USABLE, MAP_REASONS};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(arrays) && result == 0; i++)
		result = carry_map(from, to, arrays[i], error);
	if (result == 0)
		result = draw_seed(to, error);
	return result < 0 ? result : carry_tables(from, to, error);
}
