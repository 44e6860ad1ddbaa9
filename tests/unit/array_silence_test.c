// SPDX-License-Identifier: Apache-2.0
/* Who hears nobody asks first whether it is he: the rule by itself, and how members live and die by it. */
#include "array/private.h"
#include "array_world.h"

/* ---- The rule -------------------------------------------------------------------------------------------------------- */

static void tells_whose_silence_it_is(void)
{
	static const struct {
		const char *what;
		struct silence silence;
		bool carrier, ours;
	} rows[] = {
		{"somebody is heard", {false, 0, NEVER, 0}, true, false},
		{"somebody is heard, by what way ever", {false, 1, 600, 600}, false, false},
		{"the only other one, and we could hear it", {true, 1, 600, 600}, true, false},
		{"the only other one, and we have no carrier", {true, 1, 600, 600}, false, true},
		{"two at the same time", {true, 2, 520, 610}, true, true},
		{"two at the same time, as near as heartbeats tell", {true, 2, 500, 1000}, true, true},
		{"two, one after the other", {true, 2, 500, 1001}, true, false},
		{"many, of whom one was silent before", {true, 5, 600, 2900}, true, false},
		{"the last one, after all others had died", {true, 1, 600, 600}, true, false},
		{"nobody was ever heard", {true, 0, NEVER, 0}, true, false},
		{"nobody was ever heard, nor could be", {true, 0, NEVER, 0}, false, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (silence_is_ours(&rows[i].silence, rows[i].carrier) != rows[i].ours)
			CU_FAIL(rows[i].what);
}

static void bears_for_longer_what_may_be_its_own(void)
{
	CU_ASSERT_EQUAL(silence_most_ms(true, false), ARRAY_DEAD_MS);
	CU_ASSERT_EQUAL(silence_most_ms(true, true), ARRAY_DOUBT_MS);
	CU_ASSERT_EQUAL(silence_most_ms(false, false), ARRAY_DOUBT_MS);
	CU_ASSERT_EQUAL(silence_most_ms(false, true), ARRAY_DOUBT_MS);
}

/* ---- In an array ----------------------------------------------------------------------------------------------------- */

static void cut_off(struct world *world, unsigned number, bool cut)
{
	for (unsigned other = 1; other <= world->count; other++)
		world->cut[number][other] = world->cut[other][number] = cut;
}

static struct world *array_of(unsigned count, uint64_t seed)
{
	struct world *world = world_new(count, seed);

	world_start(world);
	run(world, 1000);
	return world;
}

static void of_two_the_one_without_carrier_is_isolated(void)
{
	struct world *world = array_of(2, 101);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	cut_off(world, 1, true);
	array_set_carrier(one->core, false, time_of(one));
	CU_ASSERT(!array_isolated(one->core)); /* a moment ago it was heard */
	run(world, ARRAY_DEAD_MS + 1000);
	CU_ASSERT(array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT);
	CU_ASSERT(!array_isolated(other->core));
	CU_ASSERT_EQUAL(other->states[1], MEMBER_DEAD);
	cut_off(world, 1, false);
	array_set_carrier(one->core, true, time_of(one));
	run(world, 1000);
	CU_ASSERT(!array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
	CU_ASSERT_EQUAL(one->deaths, 0);
	world_free(world);
}

static void of_two_the_one_with_a_carrier_knows_a_death(void)
{
	struct world *world = array_of(2, 102);
	struct node *one = &world->nodes[0];

	node_stop(&world->nodes[1]);
	run(world, ARRAY_DEAD_MS + 200);
	CU_ASSERT(!array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	/* What is lost afterwards makes nobody alive. */
	array_set_carrier(one->core, false, time_of(one));
	run(world, 1000);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	world_free(world);
}

/* A port of a switch takes long to forward: the carrier is back before anybody is heard. */
static void a_carrier_that_has_just_come_is_no_proof(void)
{
	struct world *world = array_of(2, 103);
	struct node *one = &world->nodes[0];

	cut_off(world, 1, true);
	array_set_carrier(one->core, false, time_of(one));
	run(world, 1000);
	array_set_carrier(one->core, true, time_of(one));
	run(world, 20000);
	CU_ASSERT(array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT);
	cut_off(world, 1, false);
	run(world, 1000);
	CU_ASSERT(!array_isolated(one->core));
	CU_ASSERT_EQUAL(one->deaths, 0);
	world_free(world);
}

/* Once a member was heard by it, it is one, and the next silence is the member's. */
static void a_carrier_that_was_heard_by_is_trusted(void)
{
	struct world *world = array_of(2, 112);
	struct node *one = &world->nodes[0];

	array_set_carrier(one->core, false, time_of(one));
	run(world, 10);
	array_set_carrier(one->core, true, time_of(one));
	run(world, 1000);
	node_stop(&world->nodes[1]);
	run(world, ARRAY_DEAD_MS + 200);
	CU_ASSERT(!array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	world_free(world);
}

static void does_not_doubt_for_ever(void)
{
	struct world *world = array_of(2, 104);
	struct node *one = &world->nodes[0];

	node_stop(&world->nodes[1]);
	array_set_carrier(one->core, false, time_of(one));
	run(world, ARRAY_DOUBT_MS - 1000);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT);
	run(world, 2000);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	world_free(world);
}

/* A silent uplink, whose carrier stays: of four the one that hears nobody is alone, and the others miss only that one. */
static void of_many_the_one_that_hears_nobody_is_isolated(void)
{
	struct world *world = array_of(4, 105);
	struct node *alone = &world->nodes[3];

	cut_off(world, 4, true);
	run(world, ARRAY_DEAD_MS + 5000);
	CU_ASSERT(array_isolated(alone->core));
	for (unsigned other = 1; other <= 3; other++) {
		CU_ASSERT_EQUAL(alone->states[other], MEMBER_SUSPECT);
		CU_ASSERT(!array_isolated(world->nodes[other - 1].core));
		CU_ASSERT_EQUAL(world->nodes[other - 1].states[4], MEMBER_DEAD);
	}
	cut_off(world, 4, false);
	run(world, 1000);
	CU_ASSERT(!array_isolated(alone->core));
	CU_ASSERT_EQUAL(alone->deaths, 0);
	world_free(world);
}

static void who_die_one_after_the_other_are_dead(void)
{
	struct world *world = array_of(3, 106);
	struct node *last = &world->nodes[2];

	node_stop(&world->nodes[0]);
	run(world, 1500);
	node_stop(&world->nodes[1]);
	run(world, ARRAY_DEAD_MS + 200);
	CU_ASSERT(!array_isolated(last->core));
	CU_ASSERT_EQUAL(last->states[1], MEMBER_DEAD);
	CU_ASSERT_EQUAL(last->states[2], MEMBER_DEAD);
	world_free(world);
}

static void who_say_that_they_stop_are_no_riddle(void)
{
	struct world *world = array_of(3, 107);

	for (unsigned i = 0; i < 2; i++)
		array_stop(world->nodes[i].core, time_of(&world->nodes[i]));
	run(world, 10);
	node_stop(&world->nodes[0]);
	node_stop(&world->nodes[1]);
	run(world, ARRAY_DEAD_MS + 200);
	CU_ASSERT(!array_isolated(world->nodes[2].core));
	CU_ASSERT_EQUAL(world->nodes[2].deaths, 2);
	world_free(world);
}

/* Neither hears the other's heartbeats, but relays come: nobody is isolated. */
static void a_relay_is_heard_too(void)
{
	struct world *world = array_of(3, 108);
	struct node *one = &world->nodes[0];

	one->relay_silent_ms = 1000;
	cut_off(world, 1, true);
	run(world, 10000);
	CU_ASSERT(!array_isolated(one->core));
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT);
	world_free(world);
}

static struct world *array_out_of_step(void)
{
	struct world *world = world_new(4, 113);

	for (unsigned i = 0; i < 4; i++) {
		node_start(&world->nodes[i]);
		run(world, 24);
	}
	run(world, 2000);
	return world;
}

/* What was relayed last does not hide for how long all have been silent: nobody is taken for dead meanwhile. */
static void the_last_relay_hides_no_isolation(void)
{
	struct world *world = array_out_of_step();
	struct node *alone = &world->nodes[3];

	cut_off(world, 4, true);
	alone->relayed_ms[1] = time_of(alone).ms;
	run(world, ARRAY_DEAD_MS + 5000);
	CU_ASSERT(array_isolated(alone->core));
	CU_ASSERT_EQUAL(alone->deaths, 0);
	world_free(world);
}

/* The first that is heard again speaks for all: the others have time to follow. */
static void nobody_is_dead_for_being_heard_second(void)
{
	struct world *world = array_out_of_step();
	struct node *alone = &world->nodes[3];

	cut_off(world, 4, true);
	run(world, 10000);
	cut_off(world, 4, false);
	run(world, 1000);
	CU_ASSERT(!array_isolated(alone->core));
	CU_ASSERT_EQUAL(alone->deaths, 0);
	cut_off(world, 4, true);
	run(world, 10000);
	for (unsigned other = 1; other <= 3; other++)
		world->cut[2][other] = world->cut[other][2] = true;
	world->cut[1][4] = world->cut[4][1] = false;
	run(world, 1000);
	CU_ASSERT_EQUAL(alone->deaths, 0);
	run(world, ARRAY_DEAD_MS);
	CU_ASSERT_EQUAL(alone->states[2], MEMBER_DEAD); /* but not for ever */
	world_free(world);
}

/* ---- Who was never heard ----------------------------------------------------------------------------------------------- */

static void who_never_comes_is_dead_at_last(void)
{
	struct world *world = world_new(2, 109);
	struct node *one = &world->nodes[0];

	node_start(one);
	run(world, ARRAY_DOUBT_MS - 100);
	CU_ASSERT_EQUAL(status_of(one, 2).state, MEMBER_SUSPECT);
	run(world, 300);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	CU_ASSERT(!array_isolated(one->core));
	node_start(&world->nodes[1]);
	run(world, 500);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
	world_free(world);
}

static void who_boot_together_take_nobody_for_dead(void)
{
	struct world *world = world_new(3, 110);

	for (unsigned i = 0; i < 3; i++) {
		node_start(&world->nodes[i]);
		run(world, 12000);
	}
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(world->nodes[i].deaths, 0);
	world_free(world);
}

/* Whoever joins behind our last look at the clock did not wait for us yet. */
static void who_joined_in_a_long_pause_is_waited_for(void)
{
	static const uint8_t both[] = {2, 3};
	struct world *world = array_of(2, 114);
	struct node *one = &world->nodes[0];
	struct array_time late = time_of(one);

	late.ms += 400;
	CU_ASSERT_EQUAL(array_set_members(one->core, both, 2, late), 0);
	late.ms += 10;
	array_tick(one->core, late);
	CU_ASSERT_EQUAL(status_of(one, 3).state, MEMBER_SUSPECT);
	CU_ASSERT_EQUAL(one->deaths, 0);
	world_free(world);
}

/* Who joins the configuration has as long as who joins the start. */
static void a_new_member_is_waited_for_too(void)
{
	static const uint8_t both[] = {2, 3};
	struct world *world = array_of(2, 111);
	struct node *one = &world->nodes[0];

	run(world, 2 * ARRAY_DOUBT_MS);
	CU_ASSERT_EQUAL(array_set_members(one->core, both, 2, time_of(one)), 0);
	run(world, ARRAY_DOUBT_MS - 100);
	CU_ASSERT_EQUAL(status_of(one, 3).state, MEMBER_SUSPECT);
	run(world, 300);
	CU_ASSERT_EQUAL(one->states[3], MEMBER_DEAD);
	world_free(world);
}

UNIT_TESTS("array silence", {"tells whose silence it is", tells_whose_silence_it_is},
	{"bears for longer what may be its own", bears_for_longer_what_may_be_its_own},
	{"of two the one without carrier is isolated", of_two_the_one_without_carrier_is_isolated},
	{"of two the one with a carrier knows a death", of_two_the_one_with_a_carrier_knows_a_death},
	{"a carrier that has just come is no proof", a_carrier_that_has_just_come_is_no_proof},
	{"a carrier that was heard by is trusted", a_carrier_that_was_heard_by_is_trusted},
	{"does not doubt for ever", does_not_doubt_for_ever},
	{"of many the one that hears nobody is isolated", of_many_the_one_that_hears_nobody_is_isolated},
	{"who die one after the other are dead", who_die_one_after_the_other_are_dead},
	{"who say that they stop are no riddle", who_say_that_they_stop_are_no_riddle},
	{"a relay is heard too", a_relay_is_heard_too},
	{"the last relay hides no isolation", the_last_relay_hides_no_isolation},
	{"nobody is dead for being heard second", nobody_is_dead_for_being_heard_second},
	{"who never comes is dead at last", who_never_comes_is_dead_at_last},
	{"who boot together take nobody for dead", who_boot_together_take_nobody_for_dead},
	{"who joined in a long pause is waited for", who_joined_in_a_long_pause_is_waited_for},
	{"a new member is waited for too", a_new_member_is_waited_for_too})
