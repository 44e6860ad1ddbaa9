// SPDX-License-Identifier: Apache-2.0
/*
 * The one-line table beside HASH and LRU_HASH: finding a flow and inserting one, by BPF_PROG_TEST_RUN, and what each
 * takes of memory. The table is of gwd's default size, or has room for two million flows and is half full with one; the
 * kernel's maps are made for as many flows as fill it to the half, which takes about as much memory. `floor` makes the key,
 * and is in each.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/rows.h"
#include "tests/bench/world.h"
#include "tests/seed.h"

#include "bench/tables.skel.h" /* which knows the types above */

#define RIVALS 4

static struct tables_bpf *tables;
static struct line *lines;

struct rival {
	const char *name;
	const struct bpf_program *find, *insert;
	const struct bpf_map *map;
};

static double ns_of(const struct bpf_program *program, uint32_t repeat)
{
	static const uint8_t packet[GENERATED];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
		.repeat = (int)repeat);

	need(bpf_prog_test_run_opts(bpf_program__fd(program), &options), bpf_program__name(program));
	return options.duration;
}

static size_t size_of_lines(void)
{
	return (size_t)bpf_map__max_entries(tables->maps.lines) * sizeof(*lines);
}

static void forget_all(uint32_t flows)
{
	memset(lines, 0, size_of_lines());
	tables->bss->recipe.next = 0;
	tables->bss->recipe.at_random = 0;
	ns_of(tables->progs.forget, flows);
}

/* Into an empty table, one after the other. */
static void insert_all(struct row *row, const struct rival *rival, uint32_t flows)
{
	tables->bss->recipe.next = 0;
	tables->bss->recipe.at_random = 0;
	tables->bss->inserted = 0;
	row_add(row, ns_of(rival->insert, flows));
	if (tables->bss->inserted < flows - flows / 100)
		row_spoil(
			row, "only %" PRIu64 " of %u were inserted", (uint64_t)tables->bss->inserted, flows);
}

static void find_some(struct row *row, const struct rival *rival, uint32_t packets)
{
	tables->bss->recipe.next = 0;
	tables->bss->recipe.at_random = 1;
	tables->bss->found = 0;
	row_add(row, ns_of(rival->find, packets));
	if (tables->bss->found < packets - packets / 100)
		row_spoil(row, "only %" PRIu64 " of %u were found", (uint64_t)tables->bss->found, packets);
}

static void name_rows(struct row rows[RIVALS], const char *of, const struct rival *rivals, enum family family,
	uint32_t flows)
{
	for (int i = 0; i < RIVALS; i++)
		rows[i] = (struct row){.part = "tables",
			.of = of,
			.rival = rivals[i].name,
			.unit = "ns",
			.family = family,
			.flows = flows};
}

static void print_rows(const struct row rows[RIVALS])
{
	for (int i = 0; i < RIVALS; i++)
		if (rows[i].count)
			row_print(&rows[i]);
}

/* With one flow there is nothing to be inserted but that. */
static void measure(const struct rival *rivals, enum family family, uint32_t flows, struct effort effort)
{
	struct row finding[RIVALS], inserting[RIVALS];
	struct recipe none = {0};

	tables->bss->recipe = (struct recipe){.flows = flows};
	tables->bss->like = flow_of(&none, family, 0);
	name_rows(finding, "find", rivals, family, flows);
	name_rows(inserting, "insert", rivals, family, flows);
	for (unsigned i = 0; i < effort.repeats; i++) {
		forget_all(flows);
		for (int rival = 1; rival < RIVALS; rival++)
			insert_all(&inserting[rival], &rivals[rival], flows);
		for (int rival = 0; rival < RIVALS; rival++)
			find_some(&finding[rival], &rivals[rival], effort.packets);
	}
	print_rows(finding);
	if (flows > 1)
		print_rows(inserting);
}

static void print_memory(const char *rival, double bytes)
{
	struct row row = {.part = "tables", .of = "memory", .rival = rival, .unit = "bytes"};

	row_add(&row, bytes);
	row_print(&row);
}

/* What the kernel says that a map takes, for each of the flows that it is made for. */
static double memory_of(const struct bpf_map *map)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	file = fopen(path, "re");
	if (!file)
		need(-1, path);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %" SCNu64, &bytes);
	fclose(file);
	return bytes / (bpf_map__max_entries(tables->maps.lines) / 2.0);
}

/* Of conntrack what its slabs take, without buckets. 0: nobody says so. */
static double memory_of_conntrack(void)
{
	unsigned bytes, objects, pages;
	double found = 0;
	char line[256];
	FILE *file = fopen("/proc/slabinfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "nf_conntrack %*u %*u %u %u %u", &bytes, &objects, &pages) == 3)
			found = (double)pages * sysconf(_SC_PAGESIZE) / objects;
	fclose(file);
	return found;
}

static void print_memories(const struct rival *rivals)
{
	double conntrack = memory_of_conntrack();

	for (int i = 1; i < RIVALS; i++)
		print_memory(rivals[i].name, memory_of(rivals[i].map));
	print_memory("ours, counters", memory_of(tables->maps.lines) + 2 * sizeof(struct line_counters));
	if (conntrack > 0)
		print_memory("conntrack", conntrack);
}

static void open_tables(uint32_t count)
{
	tables = tables_bpf__open();
	if (!tables)
		need(-1, "the tables' programs");
	bpf_map__set_max_entries(tables->maps.lines, count);
	bpf_map__set_max_entries(tables->maps.hash, count / 2);
	bpf_map__set_max_entries(tables->maps.lru, count / 2);
	need(tables_bpf__load(tables) ? -1 : 0, "loading the tables' programs");
	lines = mmap(NULL, size_of_lines(), PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(tables->maps.lines), 0);
	if (lines == MAP_FAILED)
		need(-1, "the lines");
	tables->bss->config =
		(struct settings){.flow_mask = count - 1, .hash_seed = SEED(0x5eed), .udp_ms = 3600000};
}

static void close_tables(void)
{
	munmap(lines, size_of_lines());
	tables_bpf__destroy(tables);
}

/* In tables of so many lines, with so many flows. */
static void measure_size(uint32_t count, enum family family, uint32_t flows, struct effort wanted)
{
	open_tables(count);
	const struct rival rivals[RIVALS] = {
		{"floor", tables->progs.key_alone},
		{"ours", tables->progs.find_line, tables->progs.insert_line, tables->maps.lines},
		{"HASH", tables->progs.find_hash, tables->progs.insert_hash, tables->maps.hash},
		{"LRU_HASH", tables->progs.find_lru, tables->progs.insert_lru, tables->maps.lru},
	};

	measure(rivals, family, flows, wanted);
	if (family == V4 && flows == 1)
		print_memories(rivals);
	close_tables();
}

int main(void)
{
	static const uint32_t sizes[] = {1, 10000, 1 << 17, 1 << 20};
	struct effort wanted = effort();

	keep_to_one_core();
	for (enum family family = V4; family <= V6; family += V6 - V4)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] <= wanted.flows; i++)
			measure_size(sizes[i] > LINES_DEFAULT / 2 ? WORLD_LINES : LINES_DEFAULT, family,
				sizes[i], wanted);
	return 0;
}
