// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "health/probe.h"

enum event { GOOD, BAD, MAINTAIN, RESUME };

/* A time table: what happens when, what the probe is then, and whether that is told. */
struct row {
	uint64_t at;
	enum event event;
	const char *phase;
	bool news;
	const char *cause;
};

static const struct probe_rule rule = {.rise = 2, .fall = 3};

static void happen(struct probe_state *state, const struct row *row)
{
	const struct probe_result good = {true, 700, "HTTP 200"}, bad = {false, 900, "HTTP 503"};

	if (row->event == MAINTAIN || row->event == RESUME)
		probe_maintain(state, row->event == MAINTAIN);
	else
		probe_heard(state, &rule, row->event == GOOD ? &good : &bad, row->at);
}

static void follow(struct probe_state *state, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool news;

		happen(state, &rows[i]);
		news = probe_news(state);
		if (news != rows[i].news || strcmp(probe_phase_name(state->phase), rows[i].phase) != 0 ||
			strcmp(probe_cause(state), rows[i].cause) != 0)
			printf("row %zu: at %lu %s, %s%s\n", i, rows[i].at, probe_phase_name(state->phase),
				news ? "told: " : "", probe_cause(state));
		CU_ASSERT_STRING_EQUAL(probe_phase_name(state->phase), rows[i].phase);
		CU_ASSERT_EQUAL(news, rows[i].news);
		CU_ASSERT_STRING_EQUAL(probe_cause(state), rows[i].cause);
	}
}

#define FOLLOW(state, ...)                                      \
	do {                                                    \
		static const struct row rows[] = {__VA_ARGS__}; \
		follow(state, rows, ARRAY_SIZE(rows));          \
	} while (0)

#define UP    "succeeded: HTTP 200"
#define DOWN  "failed 3 times: HTTP 503"
#define QUIET false
#define TOLD  true

static struct probe_state fresh(void)
{
	struct probe_state state;

	probe_start(&state, 0);
	return state;
}

static void the_first_round_decides(void)
{
	struct probe_state lives = fresh(), dead = fresh(), late = fresh();

	CU_ASSERT_STRING_EQUAL(probe_phase_name(lives.phase), "starting");
	CU_ASSERT_FALSE(probe_news(&lives));
	FOLLOW(&lives, {10, GOOD, "up", TOLD, UP}, {20, GOOD, "up", QUIET, UP});
	FOLLOW(&dead, {10, BAD, "starting", QUIET, ""}, {20, BAD, "starting", QUIET, ""},
		{30, BAD, "down", TOLD, DOWN}, {40, BAD, "down", QUIET, DOWN});
	FOLLOW(&late, {10, BAD, "starting", QUIET, ""}, {20, BAD, "starting", QUIET, ""},
		{30, GOOD, "up", TOLD, UP});
	CU_ASSERT_EQUAL(lives.since_ms, 10);
	CU_ASSERT_EQUAL(dead.since_ms, 30);
	CU_ASSERT_TRUE(lives.was_up && late.was_up && !dead.was_up);
}

static void it_rises_and_falls_by_results_in_a_row(void)
{
	struct probe_state state = fresh();

	FOLLOW(&state, {1, GOOD, "up", TOLD, UP}, {2, BAD, "up", QUIET, UP}, {3, BAD, "up", QUIET, UP},
		{4, GOOD, "up", QUIET, UP}, {5, BAD, "up", QUIET, UP}, {6, BAD, "up", QUIET, UP},
		{7, BAD, "down", TOLD, DOWN}, {8, GOOD, "down", QUIET, DOWN}, {9, BAD, "down", QUIET, DOWN},
		{10, GOOD, "down", QUIET, DOWN}, {11, GOOD, "up", TOLD, UP});
	CU_ASSERT_EQUAL(state.attempts, 11);
	CU_ASSERT_EQUAL(state.failed, 6);
	CU_ASSERT_EQUAL(state.last_took_us, 700);
	CU_ASSERT_STRING_EQUAL(state.last_words, "HTTP 200");
}

static void one_failure_can_be_enough(void)
{
	const struct probe_rule strict = {.rise = 1, .fall = 1};
	const struct probe_result bad = {false, 0, "connection refused"};
	struct probe_state state = fresh();

	probe_heard(&state, &strict, &bad, 5);
	CU_ASSERT_EQUAL(state.phase, PROBE_DOWN);
	CU_ASSERT_STRING_EQUAL(probe_cause(&state), "failed: connection refused");
}

/* It works for a second and fails for a second, asked every 100 ms: how often it is up, and for how long. */
static void one_that_flaps_is_held_down_for_longer_and_longer(void)
{
	const struct probe_result good = {true, 1, "fine"}, bad = {false, 1, "not so"};
	struct probe_state state = fresh();
	uint64_t down_since = 0, downs[16] = {0};
	size_t count = 0;

	for (uint64_t at = 0; at < 600000; at += 100) {
		enum probe_phase before = state.phase;

		probe_heard(&state, &rule, at / 1000 % 2 ? &bad : &good, at);
		if (before == PROBE_UP && state.phase == PROBE_DOWN)
			down_since = at;
		if (before == PROBE_DOWN && state.phase == PROBE_UP && count < ARRAY_SIZE(downs))
			downs[count++] = at - down_since;
	}
	CU_ASSERT(count > 6 && count < 16);
	CU_ASSERT(downs[0] < 2000); /* the first fall costs nothing but `rise` successes */
	for (size_t i = 1; i < count; i++)
		CU_ASSERT(downs[i] + 2000 >= downs[i - 1]);
	CU_ASSERT(downs[count - 1] >= PROBE_HELD_MOST_MS);
	CU_ASSERT(downs[count - 1] < PROBE_HELD_MOST_MS + 3000);
}

static void the_delay_is_told_and_kept(void)
{
	struct probe_state state = fresh();

	FOLLOW(&state, {0, GOOD, "up", TOLD, UP}, {1, BAD, "up", QUIET, UP}, {2, BAD, "up", QUIET, UP},
		{3, BAD, "down", TOLD, DOWN}, {4, GOOD, "down", QUIET, DOWN}, {5, GOOD, "up", TOLD, UP},
		{6, BAD, "up", QUIET, UP}, {7, BAD, "up", QUIET, UP},
		{8, BAD, "down", TOLD, DOWN "; its fall number 2, so held down for 1 s"});
	CU_ASSERT_EQUAL(state.held_until_ms, 1008);
#define HELD DOWN "; its fall number 2, so held down for 1 s"
	FOLLOW(&state, {9, GOOD, "down", QUIET, HELD}, {10, GOOD, "down", QUIET, HELD},
		{1007, GOOD, "down", QUIET, HELD}, {1008, GOOD, "up", TOLD, UP});
	/* When the time is over it must succeed then, in a row. */
	FOLLOW(&state, {1009, BAD, "up", QUIET, UP}, {1010, BAD, "up", QUIET, UP},
		{1011, BAD, "down", TOLD, DOWN "; its fall number 3, so held down for 2 s"});
#define HELD_LONGER DOWN "; its fall number 3, so held down for 2 s"
	FOLLOW(&state, {2000, GOOD, "down", QUIET, HELD_LONGER}, {3000, BAD, "down", QUIET, HELD_LONGER},
		{3100, GOOD, "down", QUIET, HELD_LONGER}, {3200, GOOD, "up", TOLD, UP});
}

static void a_calm_time_is_forgotten_for(void)
{
	struct probe_state state = fresh();

	FOLLOW(&state, {0, GOOD, "up", TOLD, UP}, {1, BAD, "up", QUIET, UP}, {2, BAD, "up", QUIET, UP},
		{3, BAD, "down", TOLD, DOWN}, {4, GOOD, "down", QUIET, DOWN}, {5, GOOD, "up", TOLD, UP},
		{PROBE_CALM_MS + 3, BAD, "up", QUIET, UP}, {PROBE_CALM_MS + 4, BAD, "up", QUIET, UP},
		{PROBE_CALM_MS + 5, BAD, "down", TOLD, DOWN});
	CU_ASSERT_EQUAL(state.flaps, 1);
}

/* What is drained may be stopped and started as one likes. */
static void maintenance_is_quiet(void)
{
	struct probe_state state = fresh(), other = fresh();

	FOLLOW(&state, {0, GOOD, "up", TOLD, UP}, {1, MAINTAIN, "up", QUIET, UP}, {2, BAD, "up", QUIET, UP},
		{3, BAD, "up", QUIET, UP}, {4, BAD, "down", QUIET, DOWN}, {5, GOOD, "down", QUIET, DOWN},
		{6, GOOD, "up", QUIET, UP}, {7, RESUME, "up", QUIET, UP});
	CU_ASSERT_EQUAL(state.flaps, 0);
	FOLLOW(&other, {0, GOOD, "up", TOLD, UP}, {1, MAINTAIN, "up", QUIET, UP}, {2, BAD, "up", QUIET, UP},
		{3, BAD, "up", QUIET, UP}, {4, BAD, "down", QUIET, DOWN}, {5, RESUME, "down", TOLD, DOWN},
		{6, GOOD, "down", QUIET, DOWN}, {7, GOOD, "up", TOLD, UP});
	CU_ASSERT_EQUAL(other.flaps, 0);
}

/* An earlier daemon told that it is up: that is no news then, and its first round decides as any. */
static void what_was_told_before_is_no_news(void)
{
	struct probe_state state = fresh(), gone = fresh(), back = fresh();

	probe_resume(&state, true, false, PROBE_UP);
	FOLLOW(&state, {110, GOOD, "up", QUIET, UP});
	probe_resume(&back, true, false, PROBE_DOWN);
	FOLLOW(&back, {110, GOOD, "up", TOLD, UP});
	probe_resume(&gone, true, false, PROBE_UP);
	FOLLOW(&gone, {110, BAD, "starting", QUIET, ""}, {120, BAD, "starting", QUIET, ""},
		{130, BAD, "down", TOLD, DOWN});
}

static struct probe_state in(enum probe_phase phase, bool was_up)
{
	return (struct probe_state){.phase = phase, .was_up = was_up};
}

static void one_that_never_was_up_tears_nothing(void)
{
	const struct probe_state up = in(PROBE_UP, true), starting = in(PROBE_STARTING, true),
				 down = in(PROBE_DOWN, true), never = in(PROBE_DOWN, false),
				 excused = {.phase = PROBE_DOWN, .excused = true};
	const struct {
		const struct probe_state *states[3];
		size_t count;
		enum probe_verdict verdict;
		size_t cause;
	} rows[] = {
		{{&up}, 1, PROBES_GOOD, 9},
		{{&up, &up, &up}, 3, PROBES_GOOD, 9},
		{{&up, &starting}, 2, PROBES_UNDECIDED, 1},
		{{&never, &up}, 2, PROBES_UNDECIDED, 0},
		{{&up, &starting, &down}, 3, PROBES_BAD, 2},
		{{&never, &down}, 2, PROBES_BAD, 1},
		{{&excused, &up}, 2, PROBES_GOOD, 9},
		{{&excused, &starting}, 2, PROBES_UNDECIDED, 1},
		{{&excused, &down}, 2, PROBES_BAD, 1},
		{{&excused, &never}, 2, PROBES_UNDECIDED, 1},
		{{NULL}, 0, PROBES_GOOD, 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t cause = 9;

		CU_ASSERT_EQUAL(probes_verdict(rows[i].states, rows[i].count, &cause), rows[i].verdict);
		CU_ASSERT_EQUAL(cause, rows[i].cause);
	}
}

/* It was not up while another one worked alone: that one's fall and return are as if it were not there. */
static void one_that_never_was_up_is_no_trap(void)
{
	const struct probe_rule quick = {1, 1};
	const struct probe_result good = {true, 1, "fine"}, bad = {false, 1, "no"};
	struct probe_state works = in(PROBE_UP, true), never = in(PROBE_DOWN, false);
	const struct probe_state *const both[] = {&works, &never};

	probe_excuse(&works);
	probe_excuse(&never);
	CU_ASSERT_EQUAL(probes_verdict(both, 2, NULL), PROBES_GOOD);
	probe_heard(&works, &quick, &bad, 1);
	CU_ASSERT_EQUAL(probes_verdict(both, 2, NULL), PROBES_BAD);
	probe_heard(&works, &quick, &good, 2);
	CU_ASSERT_EQUAL(probes_verdict(both, 2, NULL), PROBES_GOOD);
	probe_heard(&never, &quick, &good, 3); /* from now on it counts */
	probe_heard(&never, &quick, &bad, 4);
	CU_ASSERT_EQUAL(probes_verdict(both, 2, NULL), PROBES_BAD);
}

static void the_newest_transitions_are_known(void)
{
	const struct probe_rule quick = {1, 1};
	const struct probe_result good = {true, 1, "fine"}, bad = {false, 1, "no"};
	struct probe_state state = fresh();

	CU_ASSERT_PTR_NULL(probe_transition(&state, 0));
	for (uint64_t at = 0; at < 10; at++)
		probe_heard(&state, &quick, at % 2 ? &bad : &good, at * 100000);
	CU_ASSERT_EQUAL(state.transition_count, 10);
	CU_ASSERT_EQUAL(probe_transition(&state, 0)->at_ms, 900000);
	CU_ASSERT_EQUAL(probe_transition(&state, 0)->phase, PROBE_DOWN);
	CU_ASSERT_EQUAL(probe_transition(&state, 7)->at_ms, 200000);
	CU_ASSERT_PTR_NULL(probe_transition(&state, 8));
}

static void starts_are_spread_over_a_second(void)
{
	CU_ASSERT_EQUAL(probe_first_ms(3600000, 3599999, 50), 1049);
	CU_ASSERT_EQUAL(probe_first_ms(200, 999, 50), 249);
	CU_ASSERT_EQUAL(probe_first_ms(1000, 0, 50), 50);
	CU_ASSERT_EQUAL(probe_first_ms(1000, 999, 50), 1049);
	CU_ASSERT_EQUAL(probe_first_ms(1000, 4000000123u, 50), 173);
}

UNIT_TESTS("probe", {"the first round decides", the_first_round_decides},
	{"it rises and falls by results in a row", it_rises_and_falls_by_results_in_a_row},
	{"one failure can be enough", one_failure_can_be_enough},
	{"one that flaps is held down for longer and longer",
		one_that_flaps_is_held_down_for_longer_and_longer},
	{"the delay is told and kept", the_delay_is_told_and_kept},
	{"a calm time is forgotten for", a_calm_time_is_forgotten_for},
	{"maintenance is quiet", maintenance_is_quiet},
	{"what was told before is no news", what_was_told_before_is_no_news},
	{"one that never was up tears nothing", one_that_never_was_up_tears_nothing},
	{"one that never was up is no trap", one_that_never_was_up_is_no_trap},
	{"the newest transitions are known", the_newest_transitions_are_known},
	{"starts are spread over a second", starts_are_spread_over_a_second})
