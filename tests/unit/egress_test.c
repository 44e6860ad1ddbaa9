// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "health/egress.h"

#define HOLD 1000

static struct tunnel tunnels[] = {
	{.name = "one", .number = 1}, {.name = "two", .number = 2}, {.name = "three", .number = 3}};
static struct egress_link links[] = {{&tunnels[0], 1}, {&tunnels[1], 1}, {&tunnels[2], 2}};
static struct egress_group groups[] = {
	{.name = "platform", .number = 1, .links = links, .link_count = 3, .hold_ms = HOLD}};
static const struct model model = {
	.tunnels = tunnels, .tunnel_count = 3, .egress = groups, .egress_count = 1};

enum event { UP, DOWN, LEAVES, LESS, LEAST, FROZEN, TICK, SWITCH, ADOPT, ADOPT_COMMANDED };

/* A time table: what happens when to which tunnel, and which links are in then: a bit each. */
struct row {
	uint64_t at;
	enum event event;
	uint16_t tunnel;
	uint32_t in;
	const char *cause; /* of the tunnel's link; NULL: is not asked */
};

static uint32_t links_in(const struct egress *egress)
{
	const struct egress_group_state *state = egress_states(egress);
	uint32_t in = 0;

	for (size_t i = 0; i < 3; i++)
		in |= (uint32_t)state->links[i].in << i;
	return in;
}

static void hear(struct egress *egress, uint16_t tunnel, enum event event, uint64_t at)
{
	static const enum announces announces[] = {[UP] = ANNOUNCES_ALL,
		[DOWN] = ANNOUNCES_NOTHING,
		[LEAVES] = ANNOUNCES_LEAVING,
		[LESS] = ANNOUNCES_SOME + 1,
		[LEAST] = ANNOUNCES_SOME,
		[FROZEN] = ANNOUNCES_UNKNOWN};

	egress_report(egress,
		&(struct egress_news){.tunnel = tunnel,
			.usable = event != DOWN,
			.announces = announces[event],
			.why = "BFD down"},
		at);
}

/* And nothing else with it. */
static void report(struct egress *egress, uint16_t tunnel, enum event event, uint64_t at)
{
	hear(egress, tunnel, event, at);
	egress_tick(egress, at);
}

static int happen(struct egress *egress, const struct row *row)
{
	switch (row->event) {
	case UP:
	case DOWN:
	case LEAVES:
	case LESS:
	case LEAST:
	case FROZEN:
		report(egress, row->tunnel, row->event, row->at);
		return 0;
	case TICK:
		egress_tick(egress, row->at);
		return 0;
	case SWITCH:
		return egress_switch(egress, groups, &tunnels[row->tunnel - 1], row->at);
	default:
		egress_adopt(egress, row->tunnel, row->event == ADOPT_COMMANDED);
		return 0;
	}
}

static struct egress *begin(enum egress_mode mode, bool preempt)
{
	groups[0].mode = mode;
	groups[0].preempt = preempt;
	return egress_new(&model, 0);
}

static void free_egress(struct egress **egress)
{
	egress_free(*egress);
}

#define _cleanup_egress_ _cleanup_(free_egress)

static void follow_on(struct egress *egress, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];

		CU_ASSERT_EQUAL(happen(egress, row), 0);
		if (links_in(egress) != row->in)
			printf("FAIL egress: row %zu: in %x, not %x\n", i, links_in(egress), row->in);
		CU_ASSERT_EQUAL(links_in(egress), row->in);
		if (row->cause)
			CU_ASSERT_STRING_EQUAL(
				egress_states(egress)->links[row->tunnel - 1].cause, row->cause);
	}
}

#define FOLLOW(mode, preempt, ...)                                              \
	do {                                                                    \
		static const struct row rows[] = {__VA_ARGS__};                 \
		_cleanup_egress_ struct egress *egress_ = begin(mode, preempt); \
		CU_ASSERT_PTR_NOT_NULL_FATAL(egress_);                          \
		follow_on(egress_, rows, sizeof(rows) / sizeof(rows[0]));       \
	} while (0)

static void the_first_usable_link_is_active(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {10, UP, 1, 1, "the first usable link"}, {20, UP, 2, 1},
		{2000, TICK, 0, 1}, {3000, DOWN, 1, 2, "BFD down"}, {3100, DOWN, 2, 0}, {3200, UP, 3, 4});
}

static void a_better_link_comes_back_after_hold(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, DOWN, 1, 2},
		{6000, UP, 1, 2}, {6500, DOWN, 1, 2}, {6600, UP, 1, 2}, {7599, TICK, 1, 2, "BFD down"},
		{7600, TICK, 1, 1, "the better link was usable for long enough"});
}

static void without_preemption_the_link_stays(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, DOWN, 1, 2},
		{6000, UP, 1, 2}, {60000, TICK, 0, 2}, {60001, DOWN, 2, 1});
}

static void the_first_link_is_waited_for_once(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {10, UP, 2, 0}, {500, UP, 1, 1});
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {10, UP, 2, 0}, {1009, TICK, 2, 0},
		{1010, TICK, 2, 2, "the first link did not become usable in time"}, {2000, DOWN, 2, 0},
		{2100, UP, 2, 2});
}

static void an_operator_switches_over(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1},
		{5000, SWITCH, 2, 2, "an operator switched over"}, {60000, TICK, 0, 2}, {61000, DOWN, 2, 1},
		{62000, UP, 2, 1}, {90000, TICK, 0, 1});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, SWITCH, 2, 2},
		{6000, SWITCH, 1, 1}, {7000, DOWN, 1, 2}, {7001, UP, 1, 2}, {8001, TICK, 0, 1});
}

static void what_cannot_be_switched_is_refused(void)
{
	static struct tunnel stranger = {.name = "stranger", .number = 9};
	_cleanup_egress_ struct egress *egress = begin(EGRESS_ACTIVE_STANDBY, true);

	report(egress, 1, UP, 0);
	CU_ASSERT_EQUAL(egress_switch(egress, groups, &tunnels[1], 10), -ENETDOWN);
	CU_ASSERT_EQUAL(egress_switch(egress, groups, &stranger, 10), -ENOENT);
	report(egress, 2, LEAVES, 20);
	CU_ASSERT_EQUAL(egress_switch(egress, groups, &tunnels[1], 30), -EBUSY);
	groups[0].mode = EGRESS_LOAD_SHARING;
	CU_ASSERT_EQUAL(egress_switch(egress, groups, &tunnels[0], 10), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(links_in(egress), 1);
}

static void all_usable_links_share_the_load(void)
{
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, UP, 1, 1, "no other link carried traffic"}, {10, UP, 2, 1},
		{1009, TICK, 2, 1}, {1010, TICK, 2, 3, "it was usable for long enough"}, {2000, UP, 3, 3},
		{3000, TICK, 3, 7}, {4000, DOWN, 1, 6, "BFD down"}, {4001, UP, 1, 6}, {5000, TICK, 1, 6},
		{5001, TICK, 1, 7});
}

static void the_last_ones_are_not_waited_for(void)
{
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, UP, 1, 1}, {100, UP, 2, 1}, {110, UP, 3, 1}, {200, DOWN, 1, 6});
}

static void what_was_in_goes_on(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {0, ADOPT, 2, 2}, {1, UP, 2, 2}, {2, UP, 1, 2},
		{9000, TICK, 0, 2});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, ADOPT, 2, 2}, {1, UP, 2, 2}, {2, UP, 1, 2},
		{1002, TICK, 0, 1});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, ADOPT_COMMANDED, 2, 2}, {1, UP, 2, 2}, {2, UP, 1, 2},
		{9000, TICK, 0, 2});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, ADOPT, 2, 2}, {1, UP, 1, 2}, {2, DOWN, 2, 1});
}

#define LEFT  "its neighbor says that it leaves, and another link is there"
#define FEWER "another link's neighbor announces more of the destinations"

static void one_that_leaves_is_the_last_choice(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, LEAVES, 1, 2, LEFT},
		{6000, LEAVES, 2, 2}, {6500, TICK, 0, 2}, {7000, UP, 2, 2}, {8000, UP, 1, 2},
		{8999, TICK, 0, 2}, {9000, TICK, 0, 1});
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, LEAVES, 1, 2},
		{5001, LEAVES, 1, 2}, {8000, DOWN, 1, 2}, {9000, UP, 1, 2}, {60000, TICK, 0, 2});
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {1000, TICK, 0, 3},
		{2000, LEAVES, 2, 1, LEFT}, {9000, TICK, 0, 1}, {9001, DOWN, 1, 2}, {9002, UP, 1, 1});
}

static void one_that_takes_some_back_is_left(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {5000, LESS, 1, 2, FEWER},
		{6000, LESS, 2, 1}, {7000, LEAST, 1, 2, FEWER}, {8000, DOWN, 2, 1});
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {0, UP, 3, 1}, {1000, TICK, 0, 7},
		{2000, LESS, 3, 3, FEWER}, {3000, LEAST, 2, 1, FEWER}, {4000, LEAST, 1, 4}, {5000, UP, 1, 4},
		{5999, TICK, 0, 4}, {6000, TICK, 0, 1});
}

/* A new destination comes by one link after the other, or by one alone and again and again. */
static void one_that_announces_more_must_do_so_for_hold(void)
{
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, LESS, 1, 1}, {0, LESS, 2, 1}, {1000, TICK, 0, 3},
		{2000, UP, 1, 3}, {2900, UP, 2, 3}, {3000, TICK, 0, 3}, {9000, TICK, 0, 3});
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, LESS, 1, 1}, {0, LESS, 2, 1}, {1000, TICK, 0, 3},
		{2000, UP, 1, 3}, {2999, TICK, 0, 3}, {3000, TICK, 2, 1, FEWER}, {4000, UP, 2, 1},
		{4999, TICK, 0, 1}, {5000, TICK, 0, 3});
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, LESS, 1, 1}, {0, LESS, 2, 1}, {1000, TICK, 0, 3},
		{2000, UP, 1, 3}, {2900, LESS, 1, 3}, {2910, UP, 1, 3}, {3800, LESS, 1, 3},
		{9000, TICK, 0, 3});
	FOLLOW(EGRESS_LOAD_SHARING, true, {0, LESS, 1, 1}, {5000, UP, 2, 1}, {5999, TICK, 0, 1},
		{6000, TICK, 0, 2});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, LESS, 1, 1}, {0, LESS, 2, 1}, {5000, UP, 2, 1},
		{5999, TICK, 0, 1}, {6000, TICK, 1, 2, FEWER}, {6500, UP, 1, 2}, {7499, TICK, 0, 2},
		{7500, TICK, 0, 1});
}

/* To go back to where fewer are announced, only to come again, would be no gain. */
static void nobody_preempts_who_announces_more(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, LESS, 1, 1}, {0, LESS, 2, 1}, {1000, DOWN, 1, 2},
		{2000, LESS, 1, 2}, {2900, UP, 2, 2}, {3000, TICK, 0, 2}, {9000, TICK, 0, 2},
		{9001, UP, 1, 2}, {10000, TICK, 0, 2}, {10001, TICK, 0, 1});
}

/* One reply lowers both. */
static void what_is_heard_together_is_judged_together(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_ACTIVE_STANDBY, false);

	report(egress, 1, UP, 0);
	report(egress, 2, UP, 0);
	hear(egress, 1, LESS, 5000);
	hear(egress, 2, LESS, 5000);
	egress_tick(egress, 5000);
	CU_ASSERT_EQUAL(links_in(egress), 1);
	hear(egress, 1, LEAVES, 6000);
	hear(egress, 2, LEAVES, 6000);
	egress_tick(egress, 6000);
	CU_ASSERT_EQUAL(links_in(egress), 1);
}

static void the_deadline_is_when_more_is_proven(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_LOAD_SHARING, true);

	report(egress, 1, LESS, 0);
	report(egress, 2, LESS, 0);
	egress_tick(egress, HOLD);
	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
	report(egress, 1, UP, 5000);
	CU_ASSERT_EQUAL(egress_deadline(egress), 5000 + HOLD);
	egress_tick(egress, 5000 + HOLD);
	CU_ASSERT_EQUAL(links_in(egress), 1);
	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
}

/* The first link's neighbour says it route by route. */
static void the_first_link_is_waited_for_to_the_last_route(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, false, {10, UP, 2, 0}, {20, LESS, 1, 0}, {21, UP, 1, 1});
}

static void nobody_is_left_for_what_is_not_known(void)
{
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, UP, 1, 1}, {0, UP, 2, 1}, {10, FROZEN, 1, 1},
		{10, FROZEN, 2, 1}, {20, LEAVES, 1, 2}, {30, FROZEN, 1, 2});
	FOLLOW(EGRESS_ACTIVE_STANDBY, true, {0, ADOPT, 2, 2}, {1, FROZEN, 2, 2}, {1, FROZEN, 1, 2},
		{9000, TICK, 0, 2}, {9001, UP, 1, 2}, {10001, TICK, 0, 1});
}

static void nothing_waits_for_the_last_choice(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_LOAD_SHARING, true);

	report(egress, 1, UP, 0);
	report(egress, 2, LEAVES, 10);
	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
	CU_ASSERT_EQUAL(links_in(egress), 1);
}

static void changes_are_told_once(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_ACTIVE_STANDBY, true);
	uint32_t came, went;
	size_t group;

	CU_ASSERT_FALSE(egress_next_change(egress, &group, &came, &went));
	report(egress, 1, UP, 0);
	report(egress, 2, UP, 0);
	CU_ASSERT_TRUE_FATAL(egress_next_change(egress, &group, &came, &went));
	CU_ASSERT(group == 0 && came == 1 && went == 0);
	CU_ASSERT_FALSE(egress_next_change(egress, &group, &came, &went));
	report(egress, 1, DOWN, 10);
	CU_ASSERT_TRUE_FATAL(egress_next_change(egress, &group, &came, &went));
	CU_ASSERT(came == 2 && went == 1);
}

static void the_deadline_is_when_a_hold_ends(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_ACTIVE_STANDBY, true);

	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
	report(egress, 2, UP, 100);
	CU_ASSERT_EQUAL(egress_deadline(egress), 100 + HOLD);
	egress_tick(egress, 100 + HOLD);
	CU_ASSERT_EQUAL(links_in(egress), 2);
	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
	report(egress, 3, UP, 2000);
	CU_ASSERT_EQUAL(egress_deadline(egress), UINT64_MAX);
	report(egress, 1, UP, 3000);
	CU_ASSERT_EQUAL(egress_deadline(egress), 3000 + HOLD);
}

static void the_table_names_tunnels(void)
{
	_cleanup_egress_ struct egress *egress = begin(EGRESS_LOAD_SHARING, true);
	static uint16_t table[SHARE_SLOTS];
	unsigned counts[4] = {0};

	egress_table(egress_states(egress), table);
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		CU_ASSERT_EQUAL_FATAL(table[i], 0);
	for (uint16_t tunnel = 1; tunnel <= 3; tunnel++)
		report(egress, tunnel, UP, 0);
	egress_tick(egress, HOLD);
	egress_table(egress_states(egress), table);
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		counts[table[i] & 3]++;
	CU_ASSERT(counts[0] == 0 && counts[1] == 1024 && counts[2] == 1024 && counts[3] == 2048);
	CU_ASSERT_EQUAL(egress_states(egress)->links[2].slots, 2048);
	report(egress, 2, DOWN, HOLD);
	egress_list_in(egress_states(egress), table);
	CU_ASSERT(table[0] == 1 && table[1] == 3 && table[2] == 0 && table[EGRESS_LINKS_MAX - 1] == 0);
}

/* The same group with its links in another order, one of them gone. */
static void another_model_takes_over(void)
{
	static struct egress_link others[] = {{&tunnels[1], 1}, {&tunnels[0], 1}};
	static struct egress_group changed[] = {
		{.name = "new"}, {.name = "platform", .links = others, .link_count = 2, .hold_ms = HOLD}};
	static const struct model next = {.egress = changed, .egress_count = 2};
	_cleanup_egress_ struct egress *old = begin(EGRESS_ACTIVE_STANDBY, false), *new = NULL;
	uint32_t came, went;
	size_t group;

	report(old, 1, UP, 0);
	report(old, 2, UP, 0);
	CU_ASSERT_TRUE(egress_next_change(old, &group, &came, &went));
	new = egress_new(&next, 500);
	egress_carry(new, old, 500);
	CU_ASSERT_TRUE(egress_states(new)[1].links[1].in && !egress_states(new)[1].links[0].in);
	CU_ASSERT_FALSE(egress_next_change(new, &group, &came, &went));
	report(new, 1, DOWN, 600);
	CU_ASSERT_TRUE(egress_next_change(new, &group, &came, &went));
	CU_ASSERT(group == 1 && came == 1 && went == 2);
}

/* While the other model is prepared, and before it is in force. */
static void what_was_told_meanwhile_is_not_told_again(void)
{
	static struct egress_link others[] = {{&tunnels[1], 1}, {&tunnels[0], 1}};
	static struct egress_group changed[] = {
		{.name = "platform", .links = others, .link_count = 2, .hold_ms = HOLD}};
	static const struct model next = {.egress = changed, .egress_count = 1};
	_cleanup_egress_ struct egress *old = begin(EGRESS_ACTIVE_STANDBY, false), *new = NULL;
	uint32_t came, went;
	size_t group;

	report(old, 1, UP, 0);
	report(old, 2, UP, 0);
	CU_ASSERT_TRUE(egress_next_change(old, &group, &came, &went));
	new = egress_new(&next, 500);
	egress_carry(new, old, 500);
	report(old, 1, DOWN, 600);
	report(new, 1, DOWN, 600);
	CU_ASSERT_TRUE(egress_next_change(old, &group, &came, &went));
	report(old, 1, UP, 700);
	report(old, 2, DOWN, 700); /* heard last of all, and not told yet */
	report(new, 1, UP, 700);
	report(new, 2, DOWN, 700);
	egress_carry_told(new, old);
	CU_ASSERT_TRUE(egress_next_change(new, &group, &came, &went));
	CU_ASSERT(group == 0 && came == 2 && went == 1);
	CU_ASSERT_FALSE(egress_next_change(new, &group, &came, &went));
	report(new, 2, UP, 800);
	CU_ASSERT_TRUE(egress_next_change(old, &group, &came, &went));
	egress_carry_told(new, old);
	CU_ASSERT_FALSE(egress_next_change(new, &group, &came, &went));
}

/* Tunnel 1 is another one now: that the old one carried traffic says nothing of it. */
static void a_number_given_away_takes_nothing_along(void)
{
	static struct tunnel other = {.name = "other", .number = 1};
	static struct egress_link others[] = {
		{.tunnel = &other, .weight = 1}, {.tunnel = &tunnels[1], .weight = 1}};
	static struct egress_group changed[] = {
		{.name = "platform", .links = others, .link_count = 2, .preempt = true, .hold_ms = HOLD}};
	static const struct model next = {.egress = changed, .egress_count = 1};
	_cleanup_egress_ struct egress *old = begin(EGRESS_ACTIVE_STANDBY, true), *new = NULL;
	uint32_t came, went;
	size_t group;

	report(old, 1, UP, 0);
	report(old, 2, UP, 0);
	CU_ASSERT_EQUAL(egress_switch(old, groups, &tunnels[0], 10), 0);
	CU_ASSERT_TRUE(egress_next_change(old, &group, &came, &went));
	new = egress_new(&next, 500);
	egress_carry(new, old, 500);
	CU_ASSERT_FALSE(egress_states(new)->links[0].in || egress_states(new)->links[0].usable);
	CU_ASSERT_TRUE(egress_states(new)->links[1].in);
	CU_ASSERT_EQUAL(egress_states(new)->commanded, 0);
	CU_ASSERT_TRUE(egress_next_change(new, &group, &came, &went));
	CU_ASSERT(came == 2 && went == 0);
}

/* Preemption would wait for its death for ever. */
static void a_command_goes_with_its_link(void)
{
	static struct egress_link others[] = {{&tunnels[0], 1}, {&tunnels[1], 1}};
	static struct egress_group changed[] = {
		{.name = "platform", .links = others, .link_count = 2, .preempt = true, .hold_ms = HOLD}};
	static const struct model next = {.egress = changed, .egress_count = 1};
	_cleanup_egress_ struct egress *old = begin(EGRESS_ACTIVE_STANDBY, true), *new = NULL;

	for (uint16_t tunnel = 1; tunnel <= 3; tunnel++)
		report(old, tunnel, UP, 0);
	CU_ASSERT_EQUAL(egress_switch(old, groups, &tunnels[2], 10), 0);
	report(old, 1, DOWN, 20);
	new = egress_new(&next, 500);
	egress_carry(new, old, 500);
	CU_ASSERT_EQUAL(egress_states(new)->commanded, 0);
	CU_ASSERT_TRUE(egress_states(new)->links[1].in);
	report(new, 1, UP, 600);
	egress_tick(new, 600 + HOLD);
	CU_ASSERT_TRUE(egress_states(new)->links[0].in);
}

UNIT_TESTS("egress", {"the first usable link is active", the_first_usable_link_is_active},
	{"a better link comes back after hold", a_better_link_comes_back_after_hold},
	{"without preemption the link stays", without_preemption_the_link_stays},
	{"the first link is waited for, once", the_first_link_is_waited_for_once},
	{"an operator switches over", an_operator_switches_over},
	{"what cannot be switched is refused", what_cannot_be_switched_is_refused},
	{"all usable links share the load", all_usable_links_share_the_load},
	{"the last ones are not waited for", the_last_ones_are_not_waited_for},
	{"one that leaves is the last choice", one_that_leaves_is_the_last_choice},
	{"one that takes some back is left", one_that_takes_some_back_is_left},
	{"one that announces more must do so for hold", one_that_announces_more_must_do_so_for_hold},
	{"nobody preempts who announces more", nobody_preempts_who_announces_more},
	{"what is heard together is judged together", what_is_heard_together_is_judged_together},
	{"the deadline is when more is proven", the_deadline_is_when_more_is_proven},
	{"the first link is waited for to the last route", the_first_link_is_waited_for_to_the_last_route},
	{"nobody is left for what is not known", nobody_is_left_for_what_is_not_known},
	{"nothing waits for the last choice", nothing_waits_for_the_last_choice},
	{"what was in goes on", what_was_in_goes_on}, {"changes are told once", changes_are_told_once},
	{"the deadline is when a hold ends", the_deadline_is_when_a_hold_ends},
	{"the table names tunnels", the_table_names_tunnels},
	{"another model takes over", another_model_takes_over},
	{"what was told meanwhile is not told again", what_was_told_meanwhile_is_not_told_again},
	{"a number given away takes nothing along", a_number_given_away_takes_nothing_along},
	{"a command goes with its link", a_command_goes_with_its_link})
