// SPDX-License-Identifier: Apache-2.0
/* Gateways that share what they know, over a network that does its worst: their tables are equal in the end. */
#include "array_world.h"

static void tells_a_change_at_once(void)
{
	struct world *world = world_new(2, 1);
	struct array_status status;

	world_start(world);
	run(world, 100);
	CU_ASSERT_EQUAL(world->nodes[0].states[2], MEMBER_ALIVE);
	CU_ASSERT(world->nodes[0].servings[2]);
	for (size_t i = 0; i < 100; i++)
		node_learn(&world->nodes[i % 2], i, true);
	run(world, 5);
	expect_equal(world, 100);
	status = status_of(&world->nodes[1], 1);
	CU_ASSERT_EQUAL(status.state, MEMBER_ALIVE);
	CU_ASSERT_EQUAL(status.counts.records_received, 50);
	CU_ASSERT(status.lag_p99_us < 5000);
	CU_ASSERT_EQUAL(status.counts.batches_missing, 0);
	world_free(world);
}

static void torment(unsigned nodes, unsigned loss, unsigned doubled, unsigned delay_us, uint64_t seed)
{
	struct world *world = world_new(nodes, seed);
	uint64_t asked = 0;

	world->loss = loss;
	world->doubled = doubled;
	world->delay_us = delay_us;
	world_start(world);
	run(world, 4000);
	live(world, 2000, 20);
	run(world, 6000);
	expect_equal(world, LINES / 2);
	for (unsigned i = 1; i < nodes; i++)
		asked += status_of(&world->nodes[0], (uint8_t)(i + 1)).counts.batches_asked;
	CU_ASSERT(loss == 0 || asked > 0);
	world_free(world);
}

static void survives_loss_doubles_and_disorder(void)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		torment(2, 30, 10, 20000, seed);
		torment(4, 30, 10, 20000, seed);
		torment(4, 0, 30, 50000, seed);
	}
}

/* The last batch is lost, and nothing follows it but heartbeats. */
static void misses_the_last_batch_too(void)
{
	struct world *world = world_new(2, 3);

	world_start(world);
	run(world, 200);
	world->cut[1][2] = true;
	node_learn(&world->nodes[0], 7, true);
	run(world, 10);
	CU_ASSERT_EQUAL(differences(world), 1);
	world->cut[1][2] = false;
	run(world, 300);
	expect_equal(world, 1);
	CU_ASSERT_EQUAL(status_of(&world->nodes[1], 1).counts.batches_asked, 1);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 2).counts.batches_resent, 1);
	world_free(world);
}

static void heals_after_a_partition(void)
{
	struct world *world = world_new(4, 4);

	world_start(world);
	run(world, 500);
	for (unsigned a = 1; a <= 2; a++)
		for (unsigned b = 3; b <= 4; b++)
			world->cut[a][b] = world->cut[b][a] = true;
	live(world, 1000, 5);
	CU_ASSERT_EQUAL(world->nodes[0].states[2], MEMBER_ALIVE);
	CU_ASSERT_EQUAL(world->nodes[0].states[3], MEMBER_SUSPECT);
	CU_ASSERT(differences(world) > 0);
	run(world, 3000);
	CU_ASSERT_EQUAL(world->nodes[0].states[3], MEMBER_DEAD);
	memset(world->cut, 0, sizeof(world->cut));
	run(world, 3000);
	CU_ASSERT_EQUAL(world->nodes[0].states[3], MEMBER_ALIVE);
	expect_equal(world, LINES / 2);
	world_free(world);
}

/* More than a sender keeps: what is its own is read again. */
static void heals_after_a_long_partition(void)
{
	struct world *world = world_new(2, 5);
	struct array_status status;

	world_start(world);
	run(world, 500);
	world->cut[1][2] = world->cut[2][1] = true;
	live(world, 9000, 2);
	world->cut[1][2] = world->cut[2][1] = false;
	run(world, 3000);
	expect_equal(world, LINES / 2);
	status = status_of(&world->nodes[0], 2);
	CU_ASSERT(status.counts.batches_lost > 0);
	CU_ASSERT(status.counts.snapshots_read >= 2);
	CU_ASSERT_EQUAL(status.missing, 0);
	world_free(world);
}

/* ---- Starting ---------------------------------------------------------------------------------------------------------- */

static void a_newcomer_reads_all_first(void)
{
	struct world *world = world_new(3, 6);
	struct node *late = &world->nodes[2];

	world->loss = 30;
	world->doubled = 10;
	world->delay_us = 5000;
	node_start(&world->nodes[0]);
	node_start(&world->nodes[1]);
	run(world, 4000);
	CU_ASSERT(array_ready(world->nodes[0].core));
	live(world, 1000, 5);
	node_start(late);
	CU_ASSERT(!array_ready(late->core));
	for (unsigned i = 0; i < 3000 && !array_ready(late->core); i++)
		live(world, 1, 1);
	CU_ASSERT(array_ready(late->core));
	CU_ASSERT(lines_used(late) >= LINES / 2);
	run(world, 4000);
	expect_equal(world, LINES / 2);
	world_free(world);
}

/* Its own flows are in nobody's table but the others': one of them is read whole. */
static void reads_one_whole_and_of_the_others_their_own(void)
{
	struct world *world = world_new(4, 7);
	struct node *late = &world->nodes[0];
	uint64_t received = 0;

	world_start(world);
	run(world, 500);
	for (size_t i = 0; i < LINES; i++)
		node_learn(&world->nodes[i % 4], i, true);
	run(world, 500);
	expect_equal(world, LINES);
	rest(world);
	node_stop(late);
	node_forget(late);
	run(world, 1000);
	node_start(late);
	run(world, 3000);
	CU_ASSERT(array_ready(late->core));
	expect_equal(world, LINES);
	for (uint8_t member = 2; member <= 4; member++)
		received += status_of(late, member).counts.records_received;
	CU_ASSERT_EQUAL(received, LINES + 2 * LINES / 4);
	world_free(world);
}

static void all_boot_at_once(void)
{
	struct world *world = world_new(4, 8);

	world_start(world);
	run(world, 500);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT(array_ready(world->nodes[i].core));
	world_free(world);
}

static void waits_for_a_bounded_time(void)
{
	struct world *world = world_new(2, 9);
	struct node *alone = &world->nodes[0];

	node_start(alone);
	run(world, ARRAY_WAIT_MS - 100);
	CU_ASSERT(!array_ready(alone->core));
	run(world, 300);
	CU_ASSERT(array_ready(alone->core));
	CU_ASSERT_EQUAL(status_of(alone, 2).state, MEMBER_SUSPECT);
	world_free(world);
}

/* Its source dies while it is read: another one will do. */
static void another_source_when_one_goes(void)
{
	struct world *world = world_new(3, 10);
	struct node *late = &world->nodes[2];

	node_start(&world->nodes[0]);
	node_start(&world->nodes[1]);
	run(world, 4000);
	for (size_t i = 0; i < LINES; i++)
		node_learn(&world->nodes[i % 2], i, true);
	run(world, 500);
	world->loss = 60;
	node_start(late);
	for (unsigned i = 0; i < 10000 && lines_used(late) < 50; i++)
		run(world, 1);
	CU_ASSERT(!array_ready(late->core));
	node_stop(&world->nodes[0]);
	world->loss = 0;
	run(world, 2000);
	CU_ASSERT(array_ready(late->core));
	CU_ASSERT_EQUAL(lines_used(late), LINES);
	world_free(world);
}

/* Who is read may become ready meanwhile, who is ready may be met second: nobody waits for what does not come. */
static void is_ready_whoever_starts_when(void)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world *world = world_new(3, seed * 77);
		unsigned started = 0;

		world->loss = 70;
		world->delay_us = 5000;
		node_start(&world->nodes[started++]);
		for (size_t i = 0; i < LINES; i++)
			node_learn(&world->nodes[0], i, false);
		while (started < 3) {
			run(world, (unsigned)(draw(world) % 3500));
			node_start(&world->nodes[started++]);
		}
		run(world, 1000);
		world->loss = 0;
		run(world, 4000);
		for (unsigned i = 0; i < 3; i++)
			CU_ASSERT(array_ready(world->nodes[i].core));
		expect_equal(world, LINES);
		world_free(world);
	}
}

/* ---- Members ------------------------------------------------------------------------------------------------------------- */

static void tells_alive_suspect_and_dead(void)
{
	struct world *world = world_new(2, 11);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	node_start(one);
	run(world, 10000);
	CU_ASSERT_EQUAL(status_of(one, 2).state, MEMBER_SUSPECT); /* never heard: see array_silence_test.c */
	node_start(other);
	run(world, 500);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
	node_stop(other);
	run(world, 400);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
	run(world, 300);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT);
	one->relay_silent_ms = 100;
	run(world, 5000);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_SUSPECT); /* its relays come: its data plane lives */
	one->relay_silent_ms = ARRAY_DEAD_MS;
	run(world, 200);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_DEAD);
	node_start(other);
	run(world, 500);
	CU_ASSERT_EQUAL(one->states[2], MEMBER_ALIVE);
	world_free(world);
}

/* Who slept for ten seconds has heard nobody, and says of nobody that he is dead. */
static void does_not_blame_others_for_its_own_sleep(void)
{
	struct world *world = world_new(2, 12);
	struct node *sleeper = &world->nodes[0];

	world_start(world);
	run(world, 500);
	sleeper->on = false;
	run(world, 10000);
	CU_ASSERT_EQUAL(world->nodes[1].states[1], MEMBER_DEAD);
	sleeper->on = true;
	array_tick(sleeper->core, time_of(sleeper));
	CU_ASSERT_EQUAL(sleeper->states[2], MEMBER_ALIVE);
	run(world, 500);
	CU_ASSERT_EQUAL(sleeper->states[2], MEMBER_ALIVE);
	CU_ASSERT_EQUAL(world->nodes[1].states[1], MEMBER_ALIVE);
	world_free(world);
}

static void tells_at_once_that_it_drains(void)
{
	struct world *world = world_new(2, 13);

	world_start(world);
	run(world, 510);
	CU_ASSERT(world->nodes[1].servings[1]);
	array_set_serving(world->nodes[0].core, false, time_of(&world->nodes[0]));
	run(world, 2);
	CU_ASSERT(!world->nodes[1].servings[1]);
	CU_ASSERT_EQUAL(world->nodes[1].states[1], MEMBER_ALIVE);
	world_free(world);
}

/* Who drains comes back after a silence, who stops does not. */
static void tells_at_once_that_it_stops(void)
{
	struct world *world = world_new(2, 13);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	world_start(world);
	run(world, 510);
	array_set_serving(one->core, false, time_of(one));
	run(world, 2);
	CU_ASSERT(!status_of(other, 1).stops);
	array_stop(one->core, time_of(one));
	run(world, 2);
	CU_ASSERT(status_of(other, 1).stops);
	CU_ASSERT(!other->servings[1]);
	node_stop(one);
	node_start(one);
	run(world, 1000);
	CU_ASSERT(!status_of(other, 1).stops);
	CU_ASSERT(other->servings[1]);
	world_free(world);
}

/* How late changes were an hour ago says nothing of now. */
static void forgets_lags_that_are_old(void)
{
	struct world *world = world_new(2, 15);

	world_start(world);
	run(world, 1000);
	node_learn(&world->nodes[1], 1, true);
	rest(world);
	run(world, 55000);
	CU_ASSERT_NOT_EQUAL(status_of(&world->nodes[0], 2).lag_p50_us, ARRAY_LAG_UNKNOWN);
	run(world, 6000);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 2).lag_p50_us, ARRAY_LAG_UNKNOWN);
	world_free(world);
}

/* A lag by a clock that is not that any more is none. */
static void forgets_lags_with_the_clock(void)
{
	struct world *world = world_new(2, 14);

	world_start(world);
	run(world, 1000);
	node_learn(&world->nodes[1], 1, true);
	run(world, 100);
	CU_ASSERT_NOT_EQUAL(status_of(&world->nodes[0], 2).lag_p50_us, ARRAY_LAG_UNKNOWN);
	world->nodes[1].clock_ns = -5 * 1000000000LL;
	run(world, 1000);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 2).lag_p50_us, ARRAY_LAG_UNKNOWN);
	world_free(world);
}

static void measures_the_clocks(void)
{
	struct world *world = world_new(3, 14);

	world->nodes[1].clock_ns = -5 * 1000000000LL;
	world->nodes[2].clock_ns = 60 * 1000000000LL;
	world->delay_us = 2000;
	world_start(world);
	run(world, 1000);
	CU_ASSERT(llabs(status_of(&world->nodes[0], 2).skew_ns + 5 * 1000000000LL) < 3000000);
	CU_ASSERT(llabs(status_of(&world->nodes[0], 3).skew_ns - 60 * 1000000000LL) < 3000000);
	for (size_t i = 0; i < 30; i++)
		node_learn(&world->nodes[1 + i % 2], i, true);
	run(world, 100);
	CU_ASSERT_EQUAL(lines_used(&world->nodes[0]), 15);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 2).counts.records_ahead, 0);
	CU_ASSERT_EQUAL(status_of(&world->nodes[0], 3).counts.records_ahead, 15);
	world_free(world);
}

/* Whose clock was set, there or here, is judged by it from the next heartbeat on: it takes no 16 of them. */
static void follows_a_clock_that_is_set(void)
{
	static const struct {
		int64_t seconds;
		int16_t slots;
	} rows[] = {{0, 0}, {4, 0}, {-4, 0}, {5, 1}, {-5, -1}, {12, 1}, {14, 2}, {-3600, -419}, {3600, 419},
		{1LL << 31, INT16_MAX}, {-(1LL << 31), INT16_MIN}};
	struct world *world = world_new(2, 21);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	world_start(world);
	run(world, 5000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		other->clock_ns = rows[i].seconds * 1000000000LL;
		run(world, ARRAY_HEARTBEAT_MS + 50);
		CU_ASSERT_EQUAL(one->slots[2], rows[i].slots);
		CU_ASSERT(llabs(status_of(one, 2).skew_ns - other->clock_ns) < 3000000);
	}
	CU_ASSERT_EQUAL(other->slots[1], INT16_MAX);
	other->clock_ns = 0;
	one->clock_ns = 60 * 1000000000LL;
	run(world, ARRAY_HEARTBEAT_MS + 50);
	CU_ASSERT_EQUAL(one->slots[2], -7);
	CU_ASSERT_EQUAL(other->slots[1], 7);
	world_free(world);
}

/* Our clock was behind, so what others said seemed to come from the future; nobody says it twice. */
static void reads_again_when_the_clocks_agree(void)
{
	struct world *world = world_new(2, 19);
	struct node *one = &world->nodes[0];

	one->clock_ns = -3600 * 1000000000LL;
	world_start(world);
	run(world, 1000);
	for (size_t i = 0; i < 30; i++)
		node_learn(&world->nodes[1], i, true);
	run(world, 1000);
	CU_ASSERT_EQUAL(lines_used(one), 0);
	one->clock_ns = 0;
	run(world, 1000);
	expect_equal(world, 30);
	world_free(world);
}

static void makes_tunnels(struct array_tunnel *tunnels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		tunnels[i] = (struct array_tunnel){.number = (uint16_t)(count - i), .usable = i % 2};
		snprintf(tunnels[i].provider, sizeof(tunnels[i].provider),
			"a-provider-whose-name-is-as-long-as-names-may-be-in-homeward-%zu", i % 10);
	}
}

static void tells_its_tunnels(void)
{
	static struct array_tunnel tunnels[ARRAY_TUNNELS_MAX];
	struct world *world = world_new(2, 15);
	struct node *one = &world->nodes[0], *other = &world->nodes[1];

	world->loss = 30;
	world->delay_us = 5000;
	world->doubled = 10;
	world_start(world);
	makes_tunnels(tunnels, ARRAY_TUNNELS_MAX);
	CU_ASSERT_EQUAL(array_set_tunnels(one->core, tunnels, ARRAY_TUNNELS_MAX, time_of(one)), 0);
	run(world, 5000);
	CU_ASSERT_EQUAL_FATAL(other->tunnel_counts[1], ARRAY_TUNNELS_MAX);
	for (size_t i = 0; i < ARRAY_TUNNELS_MAX; i++) {
		const struct array_tunnel *expected = &tunnels[ARRAY_TUNNELS_MAX - 1 - i];

		CU_ASSERT_EQUAL(other->tunnels[1][i].number, i + 1);
		CU_ASSERT_EQUAL(other->tunnels[1][i].usable, expected->usable);
		CU_ASSERT_STRING_EQUAL(other->tunnels[1][i].provider, expected->provider);
	}
	world->loss = world->doubled = world->delay_us = 0;
	run(world, 100);
	tunnels[0].usable = !tunnels[0].usable;
	CU_ASSERT_EQUAL(array_set_tunnels(one->core, tunnels, 64, time_of(one)), 0);
	run(world, 2);
	CU_ASSERT_EQUAL(other->tunnel_counts[1], 64);
	CU_ASSERT_EQUAL(other->tunnels[1][63].usable, tunnels[0].usable);
	CU_ASSERT_EQUAL(array_set_tunnels(one->core, tunnels, 0, time_of(one)), 0);
	run(world, 2);
	CU_ASSERT_EQUAL(other->tunnel_counts[1], 0);
	CU_ASSERT(array_set_tunnels(one->core, tunnels, ARRAY_TUNNELS_MAX + 1, time_of(one)) < 0);
	world_free(world);
}

static void takes_members_in_and_lets_them_go(void)
{
	struct world *world = world_new(3, 16);
	struct node *one = &world->nodes[0];
	struct array_status status;

	world_start(world);
	run(world, 500);
	CU_ASSERT_EQUAL(array_set_members(one->core, (uint8_t[]){2}, 1, time_of(one)), 0);
	run(world, 500);
	CU_ASSERT(!array_status(one->core, 3, &status));
	CU_ASSERT(array_refused(one->core)[ARRAY_REFUSED_stranger] > 0);
	CU_ASSERT_EQUAL(status_of(one, 2).state, MEMBER_ALIVE);
	node_learn(&world->nodes[2], 1, true);
	run(world, 100);
	CU_ASSERT(!one->used[1]);
	CU_ASSERT_EQUAL(array_set_members(one->core, (uint8_t[]){2, 3}, 2, time_of(one)), 0);
	run(world, 2000);
	CU_ASSERT_EQUAL(status_of(one, 3).state, MEMBER_ALIVE);
	expect_equal(world, 1);
	world_free(world);
}

/* ---- Telling again --------------------------------------------------------------------------------------------------------- */

static void a_lost_change_is_walked_for(void)
{
	struct world *world = world_new(3, 17);

	world_start(world);
	run(world, 500);
	node_learn(&world->nodes[0], 5, false);
	run(world, 1000);
	CU_ASSERT(differences(world) > 0);
	array_lost_change(world->nodes[0].core);
	run(world, 500);
	expect_equal(world, 1);
	world_free(world);
}

/* Each line that is used is told once a quarter of its life, and no more; which are not, not at all. */
static void refreshes_what_is_used(void)
{
	struct world *world = world_new(2, 18);
	struct node *one = &world->nodes[0];
	uint64_t before;
	size_t udp = 0;

	world_start(world);
	run(world, 500);
	for (size_t i = 0; i < LINES; i++) {
		node_learn(one, i, true);
		udp += one->lines[i].key.protocol == 17;
	}
	run(world, 500);
	CU_ASSERT_EQUAL(status_of(&world->nodes[1], 1).flows, 0);
	before = world->nodes[1].merged;
	run(world, 7500);
	CU_ASSERT(world->nodes[1].merged - before >= udp);
	CU_ASSERT(world->nodes[1].merged - before < udp + (LINES - udp) / 10);
	rest(world);
	run(world, 7500);
	CU_ASSERT_EQUAL(status_of(&world->nodes[1], 1).flows, LINES - LINES / 10); /* but for the devices */
	CU_ASSERT_EQUAL(status_of(one, 2).flows, 0);
	before = world->nodes[1].merged;
	run(world, 7500);
	CU_ASSERT_EQUAL(world->nodes[1].merged, before);
	world_free(world);
}

UNIT_TESTS("array", {"tells a change at once", tells_a_change_at_once},
	{"survives loss, doubles and disorder", survives_loss_doubles_and_disorder},
	{"misses the last batch too", misses_the_last_batch_too},
	{"heals after a partition", heals_after_a_partition},
	{"heals after a long partition", heals_after_a_long_partition},
	{"a newcomer reads all first", a_newcomer_reads_all_first},
	{"reads one whole and of the others their own", reads_one_whole_and_of_the_others_their_own},
	{"all boot at once", all_boot_at_once}, {"waits for a bounded time", waits_for_a_bounded_time},
	{"another source when one goes", another_source_when_one_goes},
	{"is ready whoever starts when", is_ready_whoever_starts_when},
	{"tells alive, suspect and dead", tells_alive_suspect_and_dead},
	{"does not blame others for its own sleep", does_not_blame_others_for_its_own_sleep},
	{"tells at once that it drains", tells_at_once_that_it_drains},
	{"tells at once that it stops", tells_at_once_that_it_stops},
	{"forgets lags with the clock", forgets_lags_with_the_clock},
	{"forgets lags that are old", forgets_lags_that_are_old},
	{"measures the clocks", measures_the_clocks},
	{"follows a clock that is set", follows_a_clock_that_is_set},
	{"reads again when the clocks agree", reads_again_when_the_clocks_agree},
	{"tells its tunnels", tells_its_tunnels},
	{"takes members in and lets them go", takes_members_in_and_lets_them_go},
	{"a lost change is walked for", a_lost_change_is_walked_for},
	{"refreshes what is used", refreshes_what_is_used})
