// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "flow/flow.h"

#define LINES 1024

static struct flow_table table;

static const struct settings settings = {.half_open_ms = 100,
	.established_ms = 1000,
	.closing_ms = 200,
	.udp_ms = 300,
	.icmp_ms = 50,
	.device_ms = 2000};

/* A real mapping through a descriptor, as a pinned map gives it. */
static void open_table(void)
{
	_cleanup_close_ int lines = memfd_create("lines", 0), counters = memfd_create("counters", 0);
	struct error error;

	CU_ASSERT_FATAL(ftruncate(lines, LINES * sizeof(struct line)) == 0);
	CU_ASSERT_FATAL(ftruncate(counters, LINES * sizeof(struct line_counters)) == 0);
	CU_ASSERT_EQUAL_FATAL(flow_table_open(lines, counters, LINES, &table, &error), 0);
}

static struct line line_of(const char *source, uint8_t protocol, enum line_state state, uint32_t seen_ms)
{
	struct line line = {.tag = TAG(77, state),
		.key = {.source_port = htons(40000), .destination_port = htons(80), .protocol = protocol},
		.home = HOME(seen_ms, 101, 1, 2)};
	struct address address, loopback;

	address_parse(source, &address);
	address_parse("192.0.2.1", &loopback);
	memcpy(line.key.source, address.bytes, 16);
	memcpy(line.key.destination, loopback.bytes, 16);
	return line;
}

static void lines_out_of_service_are_not_read(void)
{
	struct line copy;

	open_table();
	for (enum line_state state = LINE_FREE; state < LINE_STATES; state++) {
		bool serves = state == LINE_HALF_OPEN || state == LINE_ESTABLISHED || state == LINE_CLOSING;

		table.lines[state] = line_of("100.64.1.5", IPPROTO_TCP, state, 5);
		CU_ASSERT_EQUAL(flow_read(&table, state, &copy), serves);
	}
	CU_ASSERT(flow_read(&table, LINE_ESTABLISHED, &copy));
	CU_ASSERT_EQUAL(memcmp(&copy, &table.lines[LINE_ESTABLISHED], sizeof(copy)), 0);
	flow_table_close(&table);
}

static void an_unmappable_table_is_an_error_in_words(void)
{
	struct flow_table none = {0};
	struct error error;

	CU_ASSERT_EQUAL(flow_table_open(-1, -1, LINES, &none, &error), -EBADF);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "cannot map"));
	CU_ASSERT_PTR_NULL(none.lines);
}

static void filters_narrow_down(void)
{
	struct prefix prefixes[2];
	const struct {
		struct flow_filter filter;
		bool matches;
	} rows[] = {
		{{0}, true},
		{{.tunnel = 101}, true},
		{{.tunnel = 102}, false},
		{{.gateway = 1}, true},
		{{.gateway = 2}, false}, /* the owner is no way home */
		{{.state = LINE_ESTABLISHED}, true},
		{{.state = LINE_CLOSING}, false},
		{{.protocol = IPPROTO_UDP}, false},
		{{.has_zone = true, .zone = 0}, true},
		{{.has_zone = true, .zone = 3}, false},
		{{.port = 40000}, true},
		{{.port = 80}, true},
		{{.port = 81}, false},
		{{.has_prefixes = true, .prefixes = prefixes, .prefix_count = 1}, true},
		{{.has_prefixes = true, .prefixes = prefixes + 1, .prefix_count = 1}, false},
		{{.has_prefixes = true}, false}, /* a provider without prefixes has nothing */
		{{.tunnel = 101, .port = 81}, false},
	};
	struct line line = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, 5);
	struct flow_filter by_address = {.has_address = true};

	prefix_parse("100.64.0.0/10", &prefixes[0]);
	prefix_parse("2001:db8::/32", &prefixes[1]);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_EQUAL(flow_matches(&rows[i].filter, &line), rows[i].matches);
	prefix_parse("192.0.2.1/32", &by_address.address);
	CU_ASSERT(flow_matches(&by_address, &line));
	prefix_parse("100.64.2.0/24", &by_address.address);
	CU_ASSERT_FALSE(flow_matches(&by_address, &line));
}

static void age_matters_where_lifetimes_are_given(void)
{
	struct line line = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, 5000);
	struct flow_filter filter = {.lifetimes = &settings, .now_ms = 6000};

	CU_ASSERT(flow_matches(&filter, &line));
	filter.now_ms = 6001;
	CU_ASSERT_FALSE(flow_matches(&filter, &line));
	filter.lifetimes = NULL;
	CU_ASSERT(flow_matches(&filter, &line));
}

static void iteration_finds_all_and_ends(void)
{
	static const struct flow_filter any;
	uint32_t index = 0, found = 0;
	struct line copy;

	open_table();
	for (uint32_t i = 0; i < LINES; i += 3)
		table.lines[i] = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, 5);
	while (flow_next(&table, &index, LINES, &any, &copy))
		found++;
	CU_ASSERT_EQUAL(found, (LINES + 2) / 3);
	CU_ASSERT_EQUAL(index, LINES);
	flow_table_close(&table);
}

/* Also across the wrap of the 32-bit clock, and with a time that another CPU wrote a moment ahead of ours. */
static void the_sweep_takes_the_expired_only(void)
{
	static const uint32_t nows[] = {50000, 500, 0};

	for (size_t i = 0; i < ARRAY_SIZE(nows); i++) {
		struct flow_sweep sweep = {0};
		uint32_t now = nows[i];

		open_table();
		table.lines[0] =
			line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, now - 1001 - DEAD_GRACE_MS);
		table.lines[1] =
			line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, now - 1000 - DEAD_GRACE_MS);
		table.lines[2] = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, now + 4);
		table.lines[3] = line_of("100.64.1.5", IPPROTO_TCP, LINE_DEAD, now - 9999);
		CU_ASSERT_EQUAL(flow_sweep(&table, &sweep, LINES, &settings, now), 1);
		CU_ASSERT_EQUAL(table.lines[0].tag, TAG(77, LINE_DEAD));
		CU_ASSERT_EQUAL(HOME_SEEN(table.lines[0].home), now - 1001 - DEAD_GRACE_MS);
		CU_ASSERT_EQUAL(HOME_TUNNEL(table.lines[0].home), 101);
		CU_ASSERT_EQUAL(TAG_STATE(table.lines[1].tag), LINE_ESTABLISHED);
		CU_ASSERT_EQUAL(TAG_STATE(table.lines[2].tag), LINE_ESTABLISHED);
		CU_ASSERT_EQUAL(HOME_SEEN(table.lines[3].home), now - 9999);
		flow_table_close(&table);
	}
}

/* The same claim, that is: of two flows that are being entered there, one after the other, neither is. */
static void a_claim_that_stands_is_buried(void)
{
	struct flow_sweep sweep = {0};
	uint32_t now = (uint32_t)-2000; /* the clock wraps meanwhile */

	open_table();
	table.lines[7].tag = TAG(77, LINE_CLAIMED);
	table.lines[8].tag = TAG(78, LINE_CLAIMED);
	CU_ASSERT_EQUAL(flow_sweep(&table, &sweep, LINES, &settings, now), 0);
	CU_ASSERT_EQUAL(flow_sweep(&table, &sweep, LINES, &settings, now + CLAIM_STALE_MS - 1), 0);
	table.lines[8].tag = TAG(79, LINE_CLAIMED); /* for another flow */
	CU_ASSERT_EQUAL(flow_sweep(&table, &sweep, LINES, &settings, now + CLAIM_STALE_MS), 1);
	CU_ASSERT_EQUAL(table.lines[7].tag, TAG(77, LINE_DEAD));
	CU_ASSERT_EQUAL(table.lines[8].tag, TAG(79, LINE_CLAIMED));
	CU_ASSERT_EQUAL(flow_sweep(&table, &sweep, LINES, &settings, now + 2 * CLAIM_STALE_MS), 1);
	CU_ASSERT_EQUAL(table.lines[8].tag, TAG(79, LINE_DEAD));
	flow_table_close(&table);
}

/* Also more of them than are watched at a time, and in slices. */
static void all_claims_are_buried_at_last(void)
{
	struct flow_sweep sweep = {0};
	uint32_t buried = 0;

	open_table();
	for (uint32_t i = 0; i < LINES; i += 30)
		table.lines[i].tag = TAG(i, LINE_CLAIMED);
	for (uint32_t now = 0; now < 100000; now += 100)
		buried += flow_sweep(&table, &sweep, LINES / 3, &settings, now);
	CU_ASSERT_EQUAL(buried, (LINES + 29) / 30);
	flow_table_close(&table);
}

static void slices_meet_at_their_ends(void)
{
	static const struct flow_filter any;
	uint32_t index = 0, killed = 0, slices = 0;

	open_table();
	for (uint32_t i = 0; i < LINES; i++)
		table.lines[i] = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, 5);
	for (; index < table.count; slices++)
		killed += flow_flush(&table, &index, 100, &any, 9);
	CU_ASSERT_EQUAL(killed, LINES);
	CU_ASSERT_EQUAL(slices, (LINES + 99) / 100);
	CU_ASSERT_EQUAL(flow_flush(&table, &index, 100, &any, 9), 0);
	flow_table_close(&table);
}

static void a_line_that_was_used_meanwhile_lives_on(void)
{
	struct line seen;

	open_table();
	table.lines[0] = line_of("100.64.1.5", IPPROTO_TCP, LINE_ESTABLISHED, 5);
	CU_ASSERT(flow_read(&table, 0, &seen));
	table.lines[0].home = HOME(6000, 102, 1, 2);
	CU_ASSERT_FALSE(flow_kill(&table, 0, &seen, 7000));
	CU_ASSERT_EQUAL(table.lines[0].home, HOME(6000, 102, 1, 2));
	CU_ASSERT_EQUAL(TAG_STATE(table.lines[0].tag), LINE_ESTABLISHED);
	CU_ASSERT(flow_read(&table, 0, &seen));
	table.lines[0].tag = TAG(78, LINE_ESTABLISHED);
	CU_ASSERT_FALSE(flow_kill(&table, 0, &seen, 7000));
	CU_ASSERT_EQUAL(table.lines[0].tag, TAG(78, LINE_ESTABLISHED));
	flow_table_close(&table);
}

/* ---- A writer beside the reader: each life of the line carries one number in every word of its key ------------- */

static atomic_bool writing;

static void write_word(void *to, uint64_t value)
{
	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELAXED);
}

static void *write_lives(void *unused)
{
	struct line *line = &table.lines[0];

	for (uint64_t life = 1; atomic_load(&writing); life++) {
		__atomic_store_n(&line->tag, TAG(life, LINE_CLAIMED), __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_RELEASE);
		for (size_t word = 0; word < sizeof(line->key) / 8; word++)
			write_word((uint64_t *)&line->key + word, life);
		write_word(&line->home, life);
		__atomic_store_n(&line->tag, TAG(life, LINE_ESTABLISHED), __ATOMIC_RELEASE);
		__atomic_store_n(&line->tag, TAG(life, LINE_CLOSING), __ATOMIC_RELEASE);
	}
	return unused;
}

static bool is_of_one_life(const struct line *line)
{
	uint64_t words[sizeof(line->key) / 8];

	memcpy(words, &line->key, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] != TAG_HASH(line->tag))
			return false;
	return line->home == TAG_HASH(line->tag);
}

/* As many as are enough to meet the writer at every step, on a machine that may be busy with others. */
#define COPIES     200000
#define PATIENCE_S 20

static void a_copy_is_never_torn(void)
{
	uint32_t copies = 0, torn = 0;
	time_t end = time(NULL) + PATIENCE_S;
	pthread_t writer;
	struct line copy;

	open_table();
	atomic_store(&writing, true);
	CU_ASSERT_FATAL(pthread_create(&writer, NULL, write_lives, NULL) == 0);
	while (copies < COPIES && time(NULL) < end) {
		if (!flow_read(&table, 0, &copy)) {
			sched_yield();
			continue;
		}
		copies++;
		torn += !is_of_one_life(&copy);
	}
	atomic_store(&writing, false);
	pthread_join(writer, NULL);
	CU_ASSERT(copies > COPIES / 100);
	CU_ASSERT_EQUAL(torn, 0);
	flow_table_close(&table);
}

UNIT_TESTS("flow", {"lines out of service are not read", lines_out_of_service_are_not_read},
	{"an unmappable table is an error in words", an_unmappable_table_is_an_error_in_words},
	{"filters narrow down", filters_narrow_down},
	{"age matters where lifetimes are given", age_matters_where_lifetimes_are_given},
	{"iteration finds all and ends", iteration_finds_all_and_ends},
	{"the sweep takes the expired only", the_sweep_takes_the_expired_only},
	{"a claim that stands is buried", a_claim_that_stands_is_buried},
	{"all claims are buried at last", all_claims_are_buried_at_last},
	{"slices meet at their ends", slices_meet_at_their_ends},
	{"a line that was used meanwhile lives on", a_line_that_was_used_meanwhile_lives_on},
	{"a copy is never torn while a writer writes", a_copy_is_never_torn})
