// SPDX-License-Identifier: Apache-2.0
/* Whoever is asked much, and has much to do, says no later that it lives, and hears the others no later. */
#include "array/private.h"
#include "array_world.h"

static enum message kind_of(const struct flight *flight)
{
	return flight->bytes[3];
}

/* From now on only what is sent from now on stands on the tape. */
static void rewind_tape(struct world *world)
{
	world->taping = true;
	world->taped = 0;
}

static size_t taped_to(const struct world *world, uint8_t to, enum message kind)
{
	size_t count = 0;

	for (size_t i = 0; i < world->taped; i++)
		count += world->tape[i].to == to && kind_of(&world->tape[i]) == kind;
	return count;
}

/* Gateway 1 knows everything, and all others have asked it for that: what they asked stands on the tape, unheard. */
static struct world *asked_by_all(void)
{
	struct world *world = world_new(NODES, 201);

	node_start(&world->nodes[0]);
	run(world, 4000);
	for (unsigned i = 1; i < NODES; i++)
		node_start(&world->nodes[i]);
	for (unsigned i = 0; i < 1000 && world->nodes[0].states[NODES] != MEMBER_ALIVE; i++)
		run(world, 1);
	run(world, 500);
	for (size_t i = 0; i < LINES; i++)
		node_learn(&world->nodes[0], i, false);
	for (unsigned i = 2; i <= NODES; i++)
		world->cut[i][1] = true;
	array_lost_change(world->nodes[0].core);
	rewind_tape(world);
	run(world, 250);
	return world;
}

/* What they asked comes, some of it again and again; no time passes for gateway 1's timers. Answers how much it was. */
static size_t deliver_askings(struct world *world)
{
	struct node *one = &world->nodes[0];
	size_t count = 0, taped = world->taped;

	for (size_t i = 0; i < taped; i++)
		if (world->tape[i].to == 1 && kind_of(&world->tape[i]) == MESSAGE_SNAPSHOT_ASK) {
			array_receive(one->core, world->tape[i].bytes, world->tape[i].size, time_of(one));
			count++;
		}
	return count;
}

static void gives_one_member_at_a_time(void)
{
	struct world *world = asked_by_all();
	struct node *one = &world->nodes[0];
	size_t askings = deliver_askings(world), given = 0;

	CU_ASSERT(askings > NODES - 1); /* more than one of a member */
	rewind_tape(world);
	for (unsigned turn = 1; turn < NODES; turn++) {
		size_t members = 0;

		CU_ASSERT(array_deadline(one->core) <= time_of(one).ms);
		world->taped = 0;
		array_tick(one->core, time_of(one));
		for (uint8_t to = 2; to <= NODES; to++)
			members += taped_to(world, to, MESSAGE_SNAPSHOT_PART) > 0;
		CU_ASSERT_EQUAL(members, 1);
		given += members;
	}
	CU_ASSERT_EQUAL(given, NODES - 1);
	world->taped = 0;
	array_tick(one->core, time_of(one));
	CU_ASSERT(array_deadline(one->core) > time_of(one).ms);
	for (uint8_t to = 2; to <= NODES; to++)
		CU_ASSERT_EQUAL(taped_to(world, to, MESSAGE_SNAPSHOT_PART), 0); /* asked twice, given once */
	world_free(world);
}

static void gives_nothing_while_it_listens(void)
{
	struct world *world = asked_by_all();
	size_t before = world->sent;

	CU_ASSERT(deliver_askings(world) > 0);
	CU_ASSERT_EQUAL(world->sent, before);
	world_free(world);
}

/* It has been busy, and a heartbeat is due: that goes before what came meanwhile is looked at. */
static void a_heartbeat_goes_first(void)
{
	struct world *world = asked_by_all();
	size_t askings = world->taped;

	world->now_us += 150000;
	CU_ASSERT(deliver_askings(world) > 0);
	CU_ASSERT_FATAL(world->taped >= askings + NODES - 1);
	for (size_t i = askings; i < askings + NODES - 1; i++)
		CU_ASSERT_EQUAL(kind_of(&world->tape[i]), MESSAGE_HEARTBEAT);
	world_free(world);
}

/* Before its own batches too. */
static void a_heartbeat_goes_before_changes(void)
{
	struct world *world = world_new(2, 202);
	struct node *one = &world->nodes[0];

	world_start(world);
	run(world, 1000);
	for (size_t i = 0; i < LINES; i++)
		node_learn(one, i, false);
	array_change(one->core, &one->lines[1], time_of(one));
	rewind_tape(world);
	world->now_us += 150000;
	array_tick(one->core, time_of(one));
	CU_ASSERT_FATAL(world->taped > 1);
	CU_ASSERT_EQUAL(kind_of(&world->tape[0]), MESSAGE_HEARTBEAT);
	CU_ASSERT_EQUAL(taped_to(world, 2, MESSAGE_BATCH), 1);
	world_free(world);
}

UNIT_TESTS("array asked", {"gives one member at a time", gives_one_member_at_a_time},
	{"gives nothing while it listens", gives_nothing_while_it_listens},
	{"a heartbeat goes first", a_heartbeat_goes_first},
	{"a heartbeat goes before changes", a_heartbeat_goes_before_changes})
