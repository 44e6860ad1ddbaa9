// SPDX-License-Identifier: Apache-2.0
/* Between lines and records: what is told of a table, and what a record becomes in another one. */
#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "lines.h"
#include "tests/seed.h"

#define FLOWS   256
#define DEVICES 64
#define NOW     1000000
#define TCP     6

static const struct settings settings = {.hash_seed = SEED(7),
	.half_open_ms = 5000,
	.established_ms = 60000,
	.closing_ms = 3000,
	.udp_ms = 30000,
	.icmp_ms = 30000,
	.device_ms = 600000};

/* Two gateways' tables. */
struct gateway {
	struct line flow_lines[FLOWS], device_lines[DEVICES];
	struct flow_table flows, devices;
	struct lines lines;
};
static struct gateway one __attribute__((aligned(64))), other __attribute__((aligned(64)));

static void begin(struct gateway *gateway)
{
	memset(gateway, 0, sizeof(*gateway));
	gateway->flows = (struct flow_table){.lines = gateway->flow_lines, .count = FLOWS};
	gateway->devices = (struct flow_table){.lines = gateway->device_lines, .count = DEVICES};
	gateway->lines = (struct lines){&gateway->flows, &gateway->devices, &settings};
}

static void both_begin(void)
{
	begin(&one);
	begin(&other);
}

/* As the programs would leave it. */
static void put(struct line *line, uint8_t source, uint8_t protocol, enum line_state state, uint64_t home)
{
	*line = (struct line){.tag = TAG(source, state), .home = home, .stamp = 1000 + source};
	line->key.source[15] = source;
	line->key.protocol = protocol;
}

static bool reads(uint32_t table, uint32_t line, struct array_record *record)
{
	const struct change change = {table, line};

	return lines_read(&one.lines, &change, NOW, record);
}

static size_t walk_all(const struct lines *lines, struct array_record *records, size_t room)
{
	uint64_t line = 0, end = lines_count(lines);
	size_t count = 0;

	while (line < end) {
		uint64_t before = line;

		count += lines_walk(lines, &line, end, records + count, room - count, NOW);
		CU_ASSERT_FATAL(line > before);
	}
	return count;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void reads_a_line(void)
{
	struct array_record record;

	both_begin();
	put(&one.flow_lines[9], 5, TCP, LINE_ESTABLISHED, HOME(NOW - 700, 101, 1, 2));
	CU_ASSERT_TRUE_FATAL(reads(CHANGE_FLOW, 9, &record));
	CU_ASSERT(record.key.source[15] == 5 && record.key.protocol == TCP);
	CU_ASSERT_EQUAL(record.state, LINE_ESTABLISHED);
	CU_ASSERT_EQUAL(record.tunnel, 101);
	CU_ASSERT_EQUAL(record.gateway, 1);
	CU_ASSERT_EQUAL(record.owner, 2);
	CU_ASSERT_EQUAL(record.idle_ms, 700);
	CU_ASSERT_EQUAL(record.stamp, 1005);
	CU_ASSERT_FALSE(reads(CHANGE_DEVICE, 9, &record));
}

static void tells_only_what_others_want(void)
{
	static const struct {
		enum line_state state;
		uint64_t home;
		bool told;
	} rows[] = {
		{LINE_ESTABLISHED, HOME(NOW, 101, 1, 1), true},
		{LINE_CLOSING, HOME(NOW, 101, 1, 1), true},
		{LINE_HALF_OPEN, HOME(NOW, 101, 1, 1), false},
		{LINE_CLAIMED, HOME(NOW, 101, 1, 1), false},
		{LINE_DEAD, HOME(NOW, 101, 1, 1), false},
		{LINE_FREE, 0, false},
		{LINE_ESTABLISHED, HOME(NOW, 0, 0, 1), false}, /* opened here, no way known yet */
		{LINE_ESTABLISHED, HOME(NOW - 60000, 101, 1, 1), true},
		{LINE_ESTABLISHED, HOME(NOW - 60001, 101, 1, 1), false},
		{LINE_CLOSING, HOME(NOW - 3001, 101, 1, 1), false},
	};
	struct array_record record;

	both_begin();
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		put(&one.flow_lines[i], 1, TCP, rows[i].state, rows[i].home);
		CU_ASSERT_EQUAL(reads(CHANGE_FLOW, i, &record), rows[i].told);
	}
}

/* A change may be of a table that has been replaced by a smaller one. */
static void looks_behind_no_end(void)
{
	struct array_record record;

	both_begin();
	CU_ASSERT_FALSE(reads(CHANGE_FLOW, FLOWS, &record));
	CU_ASSERT_FALSE(reads(CHANGE_DEVICE, DEVICES, &record));
	CU_ASSERT_FALSE(reads(CHANGE_FLOW, UINT32_MAX, &record));
}

static void walks_through_both_tables(void)
{
	struct array_record records[8];

	both_begin();
	put(&one.flow_lines[0], 1, TCP, LINE_ESTABLISHED, HOME(NOW, 101, 1, 1));
	put(&one.flow_lines[7], 2, TCP, LINE_HALF_OPEN, HOME(NOW, 101, 1, 1));
	put(&one.flow_lines[FLOWS - 1], 3, TCP, LINE_CLOSING, HOME(NOW, 101, 1, 1));
	put(&one.device_lines[0], 4, 0, LINE_ESTABLISHED, HOME(NOW, 101, 1, 1));
	put(&one.device_lines[DEVICES - 1], 5, 0, LINE_ESTABLISHED, HOME(NOW, 101, 1, 1));
	CU_ASSERT_EQUAL(lines_count(&one.lines), FLOWS + DEVICES);
	CU_ASSERT_EQUAL_FATAL(walk_all(&one.lines, records, 8), 4);
	CU_ASSERT(records[0].key.source[15] == 1 && records[1].key.source[15] == 3);
	CU_ASSERT(records[2].key.source[15] == 4 && records[3].key.source[15] == 5);
}

static void stops_where_there_is_no_room(void)
{
	struct array_record records[2];
	uint64_t line = 0;

	both_begin();
	for (uint8_t i = 0; i < 5; i++)
		put(&one.flow_lines[i], i, TCP, LINE_ESTABLISHED, HOME(NOW, 101, 1, 1));
	CU_ASSERT_EQUAL(lines_walk(&one.lines, &line, FLOWS, records, 2, NOW), 2);
	CU_ASSERT_EQUAL(line, 2);
	CU_ASSERT_EQUAL(lines_walk(&one.lines, &line, 3, records, 2, NOW), 1);
	CU_ASSERT_EQUAL(line, 3);
	CU_ASSERT_EQUAL(lines_walk(&one.lines, &line, FLOWS, records, 2, NOW), 2);
	CU_ASSERT_EQUAL(records[1].key.source[15], 4);
}

static bool same(const struct array_record *a, const struct array_record *b)
{
	return a->state == b->state && a->gateway == b->gateway && a->owner == b->owner &&
	       a->tunnel == b->tunnel && a->idle_ms == b->idle_ms && a->stamp == b->stamp;
}

/* Another machine's clock started at another time. */
static void is_the_same_elsewhere(void)
{
	const uint32_t their_now = 77;
	struct array_record records[8], again[8];
	size_t count;

	both_begin();
	put(&one.flow_lines[3], 1, TCP, LINE_ESTABLISHED, HOME(NOW - 400, 101, 1, 2));
	put(&one.flow_lines[4], 2, TCP, LINE_CLOSING, HOME(NOW - 30, 201, 2, 2));
	put(&one.device_lines[5], 3, 0, LINE_ESTABLISHED, HOME(NOW - 5000, 101, 1, 0));
	count = walk_all(&one.lines, records, 8);
	CU_ASSERT_EQUAL_FATAL(count, 3);
	for (size_t i = 0; i < count; i++)
		CU_ASSERT_EQUAL(lines_merge(&other.lines, &records[i], their_now), FLOW_MERGED);
	for (uint64_t line = 0, got = 0; line < FLOWS + DEVICES;) {
		struct array_record *record = &again[got];

		if (lines_walk(&other.lines, &line, FLOWS + DEVICES, record, 1, their_now) == 0)
			continue;
		for (size_t i = 0; i < count; i++)
			if (memcmp(&records[i].key, &record->key, sizeof(record->key)) == 0)
				CU_ASSERT_TRUE(same(&records[i], record));
		CU_ASSERT_FATAL(++got <= count);
	}
	CU_ASSERT_EQUAL(lines_merge(&other.lines, &records[0], their_now), FLOW_KNOWN);
}

UNIT_TESTS("lines", {"reads a line that changed", reads_a_line},
	{"tells only what others want to know", tells_only_what_others_want},
	{"looks behind no table's end", looks_behind_no_end},
	{"walks through both tables", walks_through_both_tables},
	{"stops where there is no room, and goes on there", stops_where_there_is_no_room},
	{"a line is the same elsewhere, by another clock", is_the_same_elsewhere})
