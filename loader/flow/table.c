// SPDX-License-Identifier: Apache-2.0
/* Mapping a table, and reading and killing single lines while the BPF programs write them: the rules of
 * flow.h. */
#include "flow/flow.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"

#define READ_ATTEMPTS 4

static int map_array(int fd, size_t size, const char *what, void **memory, struct error *error)
{
	void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mapped == MAP_FAILED)
		return error_errno(error, -errno, "cannot map %zu bytes of %s", size, what);
	*memory = mapped;
	return 0;
}

int flow_table_open(
	int lines_fd, int counters_fd, uint32_t count, struct flow_table *table, struct error *error)
{
	struct flow_table opened = {.count = count};
	int r = map_array(
		lines_fd, count * sizeof(struct line), "the table's lines", (void **)&opened.lines, error);

	if (r < 0)
		return r;
	if (counters_fd >= 0)
		r = map_array(counters_fd, count * sizeof(struct line_counters), "the lines' counters",
			(void **)&opened.counters, error);
	if (r < 0) {
		flow_table_close(&opened);
		return r;
	}
	*table = opened;
	return 0;
}

void flow_table_close(struct flow_table *table)
{
	if (table->lines)
		munmap(table->lines, table->count * sizeof(struct line));
	if (table->counters)
		munmap(table->counters, table->count * sizeof(struct line_counters));
	*table = (struct flow_table){0};
}

/* The clock of the programs' bpf_ktime_get_coarse_ns(), in the lines' 32 bits: not base/clock.h's, which is ahead of it. */
uint32_t flow_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* Word by word: each is written whole by the other side, so no word is ever torn. */
static void copy_line(const struct line *line, struct line *copy)
{
	const uint64_t *from = (const uint64_t *)&line->key;
	uint64_t key[KEY_WORDS] = {0};

	for (size_t i = 0; i < KEY_WORDS; i++)
		key[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	memcpy(&copy->key, key, sizeof(key));
	copy->home = __atomic_load_n(&line->home, __ATOMIC_RELAXED);
	copy->stamp = __atomic_load_n(&line->stamp, __ATOMIC_RELAXED);
}

bool flow_read(const struct flow_table *table, uint32_t index, struct line *copy)
{
	const struct line *line = &table->lines[index];

	for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
		uint64_t tag = __atomic_load_n(&line->tag, __ATOMIC_ACQUIRE);

		if (!IN_SERVICE(tag))
			return false;
		copy_line(line, copy);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&line->tag, __ATOMIC_RELAXED) == tag) {
			copy->tag = tag;
			return true;
		}
	}
	return false;
}

struct line_counters flow_counters(const struct flow_table *table, uint32_t index)
{
	return table->counters ? table->counters[index] : (struct line_counters){0};
}

uint32_t flow_idle_ms(const struct line *line, uint32_t now_ms)
{
	uint32_t idle = now_ms - HOME_SEEN(line->home);

	return idle > -(uint32_t)CLOCK_AHEAD_MS ? 0 : idle;
}

struct address flow_source(const struct line *line)
{
	struct address address;

	memcpy(address.bytes, line->key.source, sizeof(address.bytes));
	return address;
}

struct address flow_destination(const struct line *line)
{
	struct address address;

	memcpy(address.bytes, line->key.destination, sizeof(address.bytes));
	return address;
}

bool flow_kill(struct flow_table *table, uint32_t index, const struct line *seen, uint32_t now_ms)
{
	struct line *line = &table->lines[index];
	__u64 home = seen->home, tag = seen->tag;
	__u64 dead_since = (home & UINT32_MAX) | (__u64)now_ms << 32;

	return __atomic_compare_exchange_n(
		       &line->home, &home, dead_since, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED) &&
	       __atomic_compare_exchange_n(&line->tag, &tag, TAG(TAG_HASH(tag), LINE_DEAD), false,
		       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

bool flow_bury(struct flow_table *table, uint32_t index, const struct line *seen)
{
	__u64 tag = seen->tag;

	return __atomic_compare_exchange_n(&table->lines[index].tag, &tag, TAG(TAG_HASH(tag), LINE_DEAD),
		false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
