// SPDX-License-Identifier: Apache-2.0
/* Keys and seals: what is forged, cut, recorded or meant for others changes nothing, and is counted under its name. */
#include "array_world.h"

#include <errno.h>

#include "array/private.h"

/* ---- Keys ------------------------------------------------------------------------------------------------------------ */

static void reads_key_files(void)
{
	struct array_keys keys = keys_of("# ours\n7 " KEY_A "\n\n255 " KEY_B);
	static const char *const wrong[] = {"", "\n", "# nothing\n", "0 " KEY_A, "256 " KEY_A, "1" KEY_A,
		KEY_A, "1  " KEY_A, " 1 " KEY_A, "1 " KEY_A " ", "1 AAEC", "01 " KEY_A, "-1 " KEY_A,
		"1 " KEY_A "\n1 " KEY_B, "1 " KEY_A "\n2 " KEY_B "\n3 " KEY_A, "1 " KEY_A "AAAA",
		"1 " KEY_A KEY_A KEY_A "\n"};

	CU_ASSERT_EQUAL(keys.count, 2);
	CU_ASSERT_EQUAL(keys.keys[0].id, 7);
	CU_ASSERT_EQUAL(keys.keys[0].bytes[31], 31);
	CU_ASSERT_EQUAL(keys.keys[1].id, 255);
	CU_ASSERT_EQUAL(keys.keys[1].bytes[0], 0xff);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct error error = {0};

		CU_ASSERT_EQUAL(array_keys_parse(wrong[i], &keys, &error), -EINVAL);
		CU_ASSERT(error.text[0] != 0);
		CU_ASSERT_PTR_NULL(strstr(error.text, "AAEC"));
		CU_ASSERT_EQUAL(keys.count, 0);
		CU_ASSERT_EQUAL(keys.keys[0].bytes[31], 0);
	}
}

static void derives_a_relay_key_of_each(void)
{
	struct array_keys keys = keys_of("1 " KEY_A "\n2 " KEY_B);
	uint8_t one[ARRAY_RELAY_KEY_SIZE], again[ARRAY_RELAY_KEY_SIZE], other[ARRAY_RELAY_KEY_SIZE];

	array_relay_key(&keys.keys[0], one);
	array_relay_key(&keys.keys[0], again);
	array_relay_key(&keys.keys[1], other);
	CU_ASSERT_EQUAL(memcmp(one, again, sizeof(one)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one, other, sizeof(one)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(one, keys.keys[0].bytes, sizeof(one)), 0);
}

static void takes_each_number_once(void)
{
	struct replay_window window = {0};

	CU_ASSERT(replay_take(&window, 1));
	CU_ASSERT(!replay_take(&window, 1));
	CU_ASSERT(replay_take(&window, 1000));
	CU_ASSERT(replay_take(&window, 2));
	CU_ASSERT(!replay_take(&window, 2));
	CU_ASSERT(replay_take(&window, 2 * REPLAY_BITS));
	CU_ASSERT(!replay_take(&window, REPLAY_BITS));
	CU_ASSERT(replay_take(&window, REPLAY_BITS + 1));
	CU_ASSERT(!replay_take(&window, REPLAY_BITS + 1));
	CU_ASSERT(replay_take(&window, 100 * REPLAY_BITS));
	CU_ASSERT(replay_take(&window, 99 * REPLAY_BITS + 1));
	CU_ASSERT(!replay_take(&window, 1000));
}

/* ---- Datagrams ------------------------------------------------------------------------------------------------------- */

static uint64_t refusals(const struct node *node)
{
	const uint64_t *nobody = array_refused(node->core);
	uint64_t sum = 0;

	for (unsigned r = 0; r < ARRAY_REFUSAL_COUNT; r++) {
		sum += nobody[r];
		for (unsigned i = 0; i < node->world->count; i++)
			if (node->world->nodes[i].number != node->number)
				sum += status_of(node, node->world->nodes[i].number).counts.refused[r];
	}
	return sum;
}

/* Two that have talked of everything there is to talk of, all of it on tape. */
static struct world *talk(uint64_t seed)
{
	static struct array_tunnel tunnels[40];
	struct world *world = world_new(2, seed);

	for (size_t i = 0; i < 40; i++)
		tunnels[i] = (struct array_tunnel){(uint16_t)(i + 1), true, "acme"};
	world->taping = true;
	world_start(world);
	array_set_tunnels(world->nodes[0].core, tunnels, 40, time_of(&world->nodes[0]));
	run(world, 300);
	live(world, 200, 2);
	world->cut[1][2] = true;
	node_learn(&world->nodes[0], 0, true);
	run(world, 10);
	world->cut[1][2] = false;
	node_learn(&world->nodes[0], 10, true);
	run(world, 200);
	world->taping = false;
	expect_equal(world, 100);
	return world;
}

static void expect_all_kinds(const struct world *world)
{
	bool seen[MESSAGE_COUNT] = {false};

	for (size_t i = 0; i < world->taped; i++)
		seen[world->tape[i].bytes[3]] = true;
	for (unsigned kind = MESSAGE_HELLO; kind < MESSAGE_COUNT; kind++)
		if (kind != MESSAGE_GONE)
			CU_ASSERT(seen[kind]);
}

/* Once more all that was said, to whom it was said. */
static void play(struct world *world)
{
	for (size_t i = 0; i < world->taped; i++) {
		struct flight *flight = &world->tape[i];
		struct node *node = &world->nodes[flight->to - 1];

		array_receive(node->core, flight->bytes, flight->size, time_of(node));
	}
}

static void recordings_change_nothing(void)
{
	struct world *world = talk(21);
	struct node *nodes = world->nodes;
	uint64_t merged = nodes[0].merged + nodes[1].merged, replayed;

	expect_all_kinds(world);
	replayed = status_of(&nodes[1], 1).counts.refused[ARRAY_REFUSED_replayed];
	play(world);
	CU_ASSERT_EQUAL(nodes[0].merged + nodes[1].merged, merged);
	CU_ASSERT(status_of(&nodes[1], 1).counts.refused[ARRAY_REFUSED_replayed] > replayed + 100);
	CU_ASSERT_EQUAL(status_of(&nodes[1], 1).state, MEMBER_ALIVE);
	run(world, 1000);
	expect_equal(world, 100);
	world_free(world);
}

/* The receiver is another one, with a table that it forgot: nothing of what was said before can fill it. */
static void recordings_change_nothing_after_a_restart(void)
{
	struct world *world = talk(22);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	node_stop(one);
	node_stop(other);
	run(world, 1000);
	node_forget(other);
	node_start(other);
	node_start(one);
	world->cut[1][2] = world->cut[2][1] = true;
	one->merged = other->merged = 0;
	for (int again = 0; again < 3; again++) {
		play(world);
		run(world, 500);
	}
	CU_ASSERT_EQUAL(one->merged + other->merged, 0);
	CU_ASSERT_EQUAL(lines_used(other), 0);
	CU_ASSERT(!status_of(other, 1).session);
	CU_ASSERT_EQUAL(status_of(other, 1).state, MEMBER_SUSPECT);
	CU_ASSERT_EQUAL(other->tunnel_counts[1], 40); /* the world's own memory of before */
	CU_ASSERT(status_of(other, 1).counts.refused[ARRAY_REFUSED_old_session] > 100);
	memset(world->cut, 0, sizeof(world->cut));
	run(world, 2000);
	expect_equal(world, 100);
	world_free(world);
}

/* One life is recorded, then only its speaker restarts: the listener, who was there, is not brought back to it. */
static void recordings_do_not_bring_a_session_back(void)
{
	struct world *world = talk(23);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];
	uint64_t merged;

	node_stop(one);
	run(world, 1000);
	node_start(one);
	run(world, 1000);
	rest(world);
	run(world, 10000);
	merged = other->merged;
	for (int again = 0; again < 20; again++) {
		play(world);
		run(world, 100);
		CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
		CU_ASSERT_EQUAL(other->states[1], MEMBER_ALIVE);
	}
	CU_ASSERT_EQUAL(other->merged, merged);
	node_learn(one, 3, true);
	run(world, 100);
	expect_equal(world, 100);
	world_free(world);
}

static void cut_at_every_length(void)
{
	struct world *world = talk(24);
	uint64_t merged = world->nodes[0].merged + world->nodes[1].merged;
	bool done[MESSAGE_COUNT] = {false};

	for (size_t i = 0; i < world->taped; i++) {
		struct flight *flight = &world->tape[i];
		struct node *node = &world->nodes[flight->to - 1];
		uint64_t before = refusals(node);

		if (done[flight->bytes[3]])
			continue;
		done[flight->bytes[3]] = true;
		for (size_t size = 0; size < flight->size; size++) {
			uint8_t *exact = malloc(size + 1);

			memcpy(exact, flight->bytes, size);
			array_receive(node->core, exact, size, time_of(node));
			CU_ASSERT_EQUAL(refusals(node), ++before);
			free(exact);
		}
	}
	CU_ASSERT_EQUAL(world->nodes[0].merged + world->nodes[1].merged, merged);
	world_free(world);
}

/* Any byte that is another: nothing opens. The sequence is new, so it is the seal that refuses it. */
static void forged_at_every_byte(void)
{
	struct world *world = talk(25);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];
	struct flight *flight = world->tape;
	uint64_t merged;

	world->taped = 0;
	world->taping = true;
	world->cut[1][2] = true;
	node_learn(one, 20, true);
	run(world, 2);
	world->taping = false;
	CU_ASSERT_EQUAL_FATAL(flight->bytes[3], MESSAGE_BATCH);
	merged = other->merged;
	for (size_t i = 0; i < flight->size; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			uint64_t before = refusals(other);

			flight->bytes[i] ^= 1U << bit;
			array_receive(other->core, flight->bytes, flight->size, time_of(other));
			CU_ASSERT_EQUAL(refusals(other), before + 1);
			flight->bytes[i] ^= 1U << bit;
		}
	CU_ASSERT_EQUAL(other->merged, merged);
	CU_ASSERT(status_of(other, 1).counts.refused[ARRAY_REFUSED_forged] > 100);
	CU_ASSERT(status_of(other, 1).counts.refused[ARRAY_REFUSED_old_session] == 32);
	CU_ASSERT(array_refused(other->core)[ARRAY_REFUSED_version] == 24);
	CU_ASSERT(array_refused(other->core)[ARRAY_REFUSED_stranger] == 16);
	array_receive(other->core, flight->bytes, flight->size, time_of(other));
	CU_ASSERT_EQUAL(other->merged, merged + 1);
	world_free(world);
}

/* What a member with the key may write wrongly is refused whole. */
static void sealed_rightly_and_written_wrongly(void)
{
	struct world *world = talk(26);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];
	uint64_t merged = other->merged, before = refusals(other), count = 0;
	uint8_t text[TEXT_MAX];

	memset(text, 0xa5, sizeof(text));
	for (unsigned kind = 0; kind < 256; kind++) {
		if (kind == MESSAGE_HELLO)
			continue;
		for (size_t size = 0; size < 200; size += kind < MESSAGE_COUNT ? 1 : 50) {
			struct writer writer = {text, text + size, text + size, false};

			if ((kind == MESSAGE_MISSING && size % 10 == 0) || /* a range that is nowhere */
				(kind == MESSAGE_INVENTORY_ASK && size == 0) ||
				(kind == MESSAGE_GONE && size == 8))
				continue;
			send_sealed(one->core, one->core->by_number[2], (enum message)kind, &writer);
			count++;
		}
	}
	run(world, 1);
	CU_ASSERT_EQUAL(refusals(other), before + count);
	CU_ASSERT_EQUAL(other->merged, merged);
	CU_ASSERT_EQUAL(status_of(other, 1).counts.refused[ARRAY_REFUSED_malformed], count);
	world_free(world);
}

static void another_array_beside_it(void)
{
	struct world *world = world_new(4, 27);

	/* 1 and 2 have one key, 3 and 4 another one of the same number; all believe to be four. */
	world->nodes[2].keys = world->nodes[3].keys = keys_of("1 " KEY_B);
	world_start(world);
	run(world, 4000);
	for (size_t i = 0; i < 100; i++)
		node_learn(&world->nodes[i % 4], i, true);
	run(world, 1000);
	for (unsigned n = 0; n < 4; n++) {
		CU_ASSERT_EQUAL(lines_used(&world->nodes[n]), 50);
		for (unsigned other = 0; other < 4; other++)
			if (other != n)
				CU_ASSERT_EQUAL(status_of(&world->nodes[n], (uint8_t)(other + 1)).session,
					n / 2 == other / 2);
	}
	CU_ASSERT(status_of(&world->nodes[0], 3).counts.refused[ARRAY_REFUSED_forged] > 10);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 2).counts.refused[ARRAY_REFUSED_forged], 0);
	world_free(world);
}

static void set_keys(struct world *world, unsigned n, const char *text)
{
	world->nodes[n].keys = keys_of(text);
	array_set_keys(world->nodes[n].core, &world->nodes[n].keys);
}

/* The second is made known everywhere, then it is the first, then the old one goes: one gateway after the other. */
static void keys_change_under_traffic(void)
{
	static const char *const steps[] = {"1 " KEY_A "\n2 " KEY_B, "2 " KEY_B "\n1 " KEY_A, "2 " KEY_B};
	struct world *world = world_new(4, 28);

	world_start(world);
	run(world, 500);
	for (unsigned step = 0; step < 3; step++)
		for (unsigned n = 0; n < 4; n++) {
			set_keys(world, n, steps[step]);
			live(world, 100, 5);
		}
	run(world, 100);
	expect_equal(world, LINES / 2);
	for (unsigned n = 0; n < 4; n++)
		CU_ASSERT_EQUAL(refusals(&world->nodes[n]), 0);
	node_stop(&world->nodes[1]);
	node_start(&world->nodes[1]);
	run(world, 2000);
	CU_ASSERT_EQUAL(world->nodes[0].states[2], MEMBER_ALIVE);
	set_keys(world, 0, "1 " KEY_A);
	run(world, 1000);
	CU_ASSERT_EQUAL(world->nodes[0].states[2], MEMBER_SUSPECT);
	CU_ASSERT(status_of(&world->nodes[0], 2).counts.refused[ARRAY_REFUSED_unknown_key] > 0);
	world_free(world);
}

UNIT_TESTS("array seal", {"reads key files", reads_key_files},
	{"derives a relay key of each", derives_a_relay_key_of_each},
	{"takes each number once", takes_each_number_once},
	{"recordings change nothing", recordings_change_nothing},
	{"recordings change nothing after a restart", recordings_change_nothing_after_a_restart},
	{"recordings do not bring a session back", recordings_do_not_bring_a_session_back},
	{"cut at every length", cut_at_every_length}, {"forged at every byte", forged_at_every_byte},
	{"sealed rightly and written wrongly", sealed_rightly_and_written_wrongly},
	{"another array beside it", another_array_beside_it},
	{"keys change under traffic", keys_change_under_traffic})
