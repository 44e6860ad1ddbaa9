// SPDX-License-Identifier: Apache-2.0
/* Records of other gateways merged into a table: alone, and by several at once. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/merge.h"
#include "tests/seed.h"

#define LINES      1024
#define TCP        6
#define UDP        17
#define NOW        1000000
#define OURS       1
#define THEIRS     2
#define THREADS    4
#define KEYS       200
#define GENERATION 8 /* records a key */

static const struct settings settings = {.hash_seed = SEED(7),
	.half_open_ms = 5000,
	.established_ms = 60000,
	.closing_ms = 3000,
	.udp_ms = 30000,
	.icmp_ms = 30000,
	.device_ms = 600000};

static struct line lines[LINES] __attribute__((aligned(64)));
static struct flow_table table = {.lines = lines, .count = LINES};

static struct line record(unsigned number, enum line_state state, uint64_t home, uint64_t stamp)
{
	struct line line = {.tag = TAG(0, state), .home = home, .stamp = stamp};

	memcpy(line.key.source, &number, sizeof(number));
	line.key.protocol = number % 2 ? TCP : UDP;
	return line;
}

/* The lines in service that hold this key: how many, and one of them. */
static unsigned find(unsigned number, struct line *found)
{
	struct line wanted = record(number, LINE_FREE, 0, 0), line;
	unsigned count = 0;

	for (uint32_t i = 0; i < table.count; i++)
		if (flow_read(&table, i, &line) && memcmp(&line.key, &wanted.key, sizeof(line.key)) == 0) {
			*found = line;
			count++;
		}
	return count;
}

static enum flow_merged merge(struct line line)
{
	return flow_merge(&table, &settings, &line, NOW);
}

static void clear(void)
{
	memset(lines, 0, sizeof(lines));
}

/* ---- Alone ------------------------------------------------------------------------------------------------------- */

static void makes_a_line(void)
{
	struct line line;

	clear();
	CU_ASSERT_EQUAL(
		merge(record(1, LINE_ESTABLISHED, HOME(NOW - 500, 102, THEIRS, THEIRS), 77)), FLOW_MERGED);
	CU_ASSERT_EQUAL_FATAL(find(1, &line), 1);
	CU_ASSERT_EQUAL(TAG_STATE(line.tag), LINE_ESTABLISHED);
	CU_ASSERT_EQUAL(line.home, HOME(NOW - 500, 102, THEIRS, THEIRS));
	CU_ASSERT_EQUAL(line.stamp, 77);
	CU_ASSERT_EQUAL(flow_idle_ms(&line, NOW), 500);
}

static void the_newest_wins(void)
{
	struct line line;

	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 100));
	CU_ASSERT_EQUAL(merge(record(1, LINE_CLOSING, HOME(NOW, 102, THEIRS, OURS), 101)), FLOW_MERGED);
	CU_ASSERT_EQUAL(merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 100)), FLOW_KNOWN);
	CU_ASSERT_EQUAL_FATAL(find(1, &line), 1);
	CU_ASSERT_EQUAL(TAG_STATE(line.tag), LINE_CLOSING);
	CU_ASSERT_EQUAL(line.home, HOME(NOW, 102, THEIRS, OURS));
	CU_ASSERT_EQUAL(line.stamp, 101);
}

static void of_two_the_same_the_higher_gateway_wins(void)
{
	struct line line;

	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW, 102, THEIRS, OURS), 100));
	CU_ASSERT_EQUAL(merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 100)), FLOW_KNOWN);
	find(1, &line);
	CU_ASSERT_EQUAL(HOME_GATEWAY(line.home), THEIRS);
	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 100));
	CU_ASSERT_EQUAL(merge(record(1, LINE_ESTABLISHED, HOME(NOW, 102, THEIRS, OURS), 100)), FLOW_MERGED);
	find(1, &line);
	CU_ASSERT_EQUAL(HOME_GATEWAY(line.home), THEIRS);
}

/* A refresh changes nothing but the time, and that only forwards. */
static void a_refresh_keeps_it_alive(void)
{
	struct line line;

	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW - 50000, 102, THEIRS, THEIRS), 77));
	CU_ASSERT_EQUAL(
		merge(record(1, LINE_ESTABLISHED, HOME(NOW - 10, 102, THEIRS, THEIRS), 77)), FLOW_KNOWN);
	find(1, &line);
	CU_ASSERT_EQUAL(flow_idle_ms(&line, NOW), 10);
	merge(record(1, LINE_ESTABLISHED, HOME(NOW - 9000, 102, THEIRS, THEIRS), 77));
	find(1, &line);
	CU_ASSERT_EQUAL(flow_idle_ms(&line, NOW), 10);
	CU_ASSERT_EQUAL(line.stamp, 77);
}

/* Whatever lifetimes another configuration brings: none of them may revive the old line beside the new one. */
static void a_line_that_expired_is_retired_by_its_successor(void)
{
	const uint32_t later = NOW + settings.established_ms + DEAD_GRACE_MS / 2;
	struct line successor = record(1, LINE_ESTABLISHED, HOME(later, 102, THEIRS, THEIRS), 100), line;

	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 77));
	CU_ASSERT_EQUAL(flow_merge(&table, &settings, &successor, later), FLOW_MERGED);
	CU_ASSERT_EQUAL(find(1, &line), 1);
	CU_ASSERT_EQUAL(line.home, successor.home);
}

static void takes_nothing_that_is_dead_by_now(void)
{
	struct line line;

	clear();
	CU_ASSERT_EQUAL(
		merge(record(1, LINE_ESTABLISHED, HOME(NOW - 60001, 102, THEIRS, THEIRS), 77)), FLOW_KNOWN);
	CU_ASSERT_EQUAL(
		merge(record(2, LINE_CLOSING, HOME(NOW - 3001, 102, THEIRS, THEIRS), 77)), FLOW_KNOWN);
	CU_ASSERT_EQUAL(find(1, &line), 0);
	CU_ASSERT_EQUAL(find(2, &line), 0);
}

#define SYN_TIME (1700000000ULL * 1000000000 + 123456789)
#define UNIT     (1ULL << STAMP_UNIT_SHIFT)

/* The line of a connection whose SYN came in here, and whatever its stamp says of it. */
static void half_open(uint64_t stamp)
{
	struct line line;

	clear();
	merge(record(1, LINE_ESTABLISHED, HOME(NOW, 101, OURS, OURS), 1));
	find(1, &line);
	for (uint32_t i = 0; i < table.count; i++)
		if (lines[i].tag == line.tag) {
			lines[i].tag = TAG(TAG_HASH(line.tag), LINE_HALF_OPEN);
			lines[i].stamp = stamp;
		}
}

static void expect_half_open_after(uint64_t stamp, uint64_t told, enum flow_merged merged)
{
	struct line line;

	half_open(stamp);
	CU_ASSERT_EQUAL(merge(record(1, LINE_CLOSING, HOME(NOW, 102, THEIRS, THEIRS), told)), merged);
	CU_ASSERT_EQUAL_FATAL(find(1, &line), 1);
	CU_ASSERT_EQUAL(TAG_STATE(line.tag), merged == FLOW_MERGED ? LINE_CLOSING : LINE_HALF_OPEN);
	CU_ASSERT_EQUAL(HOME_OWNER(line.home), merged == FLOW_MERGED ? THEIRS : OURS);
	CU_ASSERT_EQUAL(line.stamp, merged == FLOW_MERGED ? told : stamp);
}

/* What is no newer than the SYN is of the connection before, also once our SYN-ACK was seen. */
static void a_half_open_line_yields_to_what_is_newer(void)
{
	const uint64_t wanted = STAMP_WANTED(SYN_TIME, ~0U), hour = 3600ULL * 1000000000;

	expect_half_open_after(SYN_TIME, SYN_TIME - hour, FLOW_KNOWN);
	expect_half_open_after(SYN_TIME, SYN_TIME, FLOW_KNOWN);
	expect_half_open_after(SYN_TIME, SYN_TIME + 1, FLOW_MERGED);
	expect_half_open_after(wanted, SYN_TIME - hour, FLOW_KNOWN);
	expect_half_open_after(wanted, SYN_TIME, FLOW_KNOWN);
	expect_half_open_after(wanted, SYN_TIME + UNIT, FLOW_MERGED);
	expect_half_open_after(wanted, SYN_TIME + hour, FLOW_MERGED);
	expect_half_open_after(STAMP_ASKED(NOW), SYN_TIME - hour, FLOW_MERGED);
	expect_half_open_after(STAMP_ASKED_AGAIN(NOW), SYN_TIME - hour, FLOW_MERGED);
}

static void nobody_tells_what_is_half_open(void)
{
	struct line line;

	clear();
	CU_ASSERT_EQUAL(merge(record(1, LINE_HALF_OPEN, HOME(NOW, 102, THEIRS, THEIRS), 77)), FLOW_KNOWN);
	CU_ASSERT_EQUAL(find(1, &line), 0);
}

static void is_refused_by_a_full_table(void)
{
	struct line small[TABLE_WINDOW] __attribute__((aligned(64))) = {0};
	const struct flow_table full = {.lines = small, .count = TABLE_WINDOW};
	unsigned refused = 0;

	for (unsigned i = 0; i < TABLE_WINDOW + 5; i++) {
		struct line line = record(i, LINE_ESTABLISHED, HOME(NOW, 102, THEIRS, THEIRS), 1);

		refused += flow_merge(&full, &settings, &line, NOW) == FLOW_REFUSED;
	}
	CU_ASSERT_EQUAL(refused, 5);
}

static void is_refused_without_a_table(void)
{
	static const struct flow_table none;
	struct line line = record(1, LINE_ESTABLISHED, HOME(NOW, 102, THEIRS, THEIRS), 1);

	CU_ASSERT_EQUAL(flow_merge(&none, &settings, &line, NOW), FLOW_REFUSED);
}

/* The tables' milliseconds wrap after 49 days. */
static void goes_on_when_the_clock_wraps(void)
{
	struct line line = record(1, LINE_ESTABLISHED, HOME(UINT32_MAX - 9, 102, THEIRS, THEIRS), 1);

	clear();
	CU_ASSERT_EQUAL(flow_merge(&table, &settings, &line, 10), FLOW_MERGED);
	CU_ASSERT_EQUAL_FATAL(find(1, &line), 1);
	CU_ASSERT_EQUAL(flow_idle_ms(&line, 10), 20);
}

/* ---- Several at once --------------------------------------------------------------------------------------------- */

static struct line nth(unsigned i)
{
	unsigned number = i % KEYS, generation = i / KEYS;

	return record(number, LINE_ESTABLISHED, HOME(NOW, 100 + generation, 1 + generation % 3, 1),
		1000 + generation);
}

/* Each in an order of its own. What was rivalled is tried again, as the array does. */
static void *merge_all(void *seed)
{
	unsigned state = (unsigned)(uintptr_t)seed, order[KEYS * GENERATION];

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		unsigned j = (unsigned)rand_r(&state) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		while (merge(nth(order[i])) == FLOW_RIVALLED)
			;
	return NULL;
}

static void several_at_once_agree_on_the_newest(void)
{
	pthread_t threads[THREADS];
	struct line line;

	clear();
	for (uintptr_t i = 0; i < THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, merge_all, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned number = 0; number < KEYS; number++) {
		struct line newest = nth((GENERATION - 1) * KEYS + number);

		CU_ASSERT_EQUAL_FATAL(find(number, &line), 1);
		CU_ASSERT_EQUAL(line.stamp, newest.stamp);
		CU_ASSERT_EQUAL(line.home, newest.home);
	}
}

UNIT_TESTS("flow merge", {"makes a line", makes_a_line}, {"the newest stamp wins", the_newest_wins},
	{"of two the same the higher gateway wins", of_two_the_same_the_higher_gateway_wins},
	{"a refresh keeps a line alive, and changes nothing", a_refresh_keeps_it_alive},
	{"a line that expired is retired by its successor", a_line_that_expired_is_retired_by_its_successor},
	{"takes nothing that is dead by now", takes_nothing_that_is_dead_by_now},
	{"a half-open line yields to what is newer", a_half_open_line_yields_to_what_is_newer},
	{"nobody tells what is half-open", nobody_tells_what_is_half_open},
	{"is refused by a full table", is_refused_by_a_full_table},
	{"is refused without a table", is_refused_without_a_table},
	{"goes on when the clock wraps", goes_on_when_the_clock_wraps},
	{"several at once agree on the newest", several_at_once_agree_on_the_newest})
