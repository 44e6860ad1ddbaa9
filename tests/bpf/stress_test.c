// SPDX-License-Identifier: Apache-2.0
/*
 * The one-line table under real CPUs: programs on two of them, by BPF_PROG_TEST_RUN, and gwd's sweep, flush and merges on the
 * mapped table, all at once, while somebody looks on. The table is small and there are twice as many flows as lines, so that
 * lines are claimed, given up, retired and buried all the time; every other packet is of a flow that both CPUs begin with at once. What must
 * hold (race.c has it in slow motion, in all orders that it is led to):
 *
 *  - a line in service holds the key that its tag is of, and a way home that somebody wrote;
 *  - no flow has two lines in service;
 *  - a connection that is established and alive keeps its line, whatever comes;
 *  - no line becomes free again;
 *
 * and when all are done no claim is left, and any flow can have a line, but one.
 * For STRESS_SECONDS (6) with the cold counters, and as long without.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "bpf/table.h"
#include "flow/flow.h"
#include "flow/merge.h"
#include "tests/bpf/owned.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress", "return_egress");

#define LINES     512
#define FLOWS     1024
#define RESIDENTS 64   /* the first of them: connections that stay */
#define SPINS     5000 /* so long one CPU waits for the other */
#define FIRST     1000 /* the first flow's port */

/* What a flow's packets can be. Of UDP there are the first and the last. */
enum step { OPEN, ACKNOWLEDGE, END, ANSWER, STEPS };

static struct packet_of {
	uint8_t bytes[128];
	size_t length;
} packets[FLOWS][STEPS];

static atomic_bool over;
static _Atomic(const char *) trouble; /* the first */
static atomic_uint runs, merged, merge_refused, buried, killed, passes;

static void must(bool holds, const char *what)
{
	const char *none = NULL;

	if (!holds)
		atomic_compare_exchange_strong(&trouble, &none, what);
}

/* ---- Flows ------------------------------------------------------------------------------------------------------- */

static bool is_tcp(unsigned flow)
{
	return flow < RESIDENTS || flow / 2 % 2;
}

static enum family family_of(unsigned flow)
{
	return flow % 2 ? V6 : V4;
}

static struct line_key key_of(unsigned flow)
{
	struct line_key key = {.source_port = htons((uint16_t)(FIRST + flow)),
		.destination_port = htons(is_tcp(flow) ? 7547 : 5060),
		.protocol = is_tcp(flow) ? 6 : 17};

	address_of(DEVICE, family_of(flow), key.source);
	address_of(LOOPBACK, family_of(flow), key.destination);
	return key;
}

static struct shape shape_of(unsigned flow, enum step step)
{
	static const uint8_t flags[] = {SYN, ACK, FIN | ACK, SYN | ACK};
	uint16_t device = (uint16_t)(FIRST + flow), service = is_tcp(flow) ? 7547 : 5060;
	struct shape shape = {.kind = is_tcp(flow) ? TCP : UDP,
		.from = step == ANSWER ? LOOPBACK : DEVICE,
		.to = step == ANSWER ? DEVICE : LOOPBACK,
		.from_port = step == ANSWER ? service : device,
		.to_port = step == ANSWER ? device : service};

	if (!is_tcp(flow))
		return shape;
	shape.flags = flags[step];
	shape.sequence = step == ANSWER ? 1000 : 7;
	shape.acknowledgement = step == ANSWER ? 8 : 1001;
	return shape;
}

static void build_packets(void)
{
	uint8_t packet[PACKET_MAX];

	for (unsigned flow = 0; flow < FLOWS; flow++)
		for (enum step step = 0; step < STEPS; step++) {
			struct packet_of *to = &packets[flow][step];
			struct shape shape = shape_of(flow, step);

			to->length = packet_build(&shape, family_of(flow), step == ANSWER, packet);
			memcpy(to->bytes, packet, sizeof(to->bytes));
		}
}

static void play(unsigned flow, enum step step)
{
	const struct bpf_program *program =
		step == ANSWER ? scene.gateway->progs.return_egress : scene.gateway->progs.tunnel_ingress;
	struct outcome outcome = scene_run(program, packets[flow][step].bytes, packets[flow][step].length, 0);

	must(outcome.error == 0, "a program does not run");
	must(outcome.reason != REASON_internal && outcome.reason != REASON_unknown_tunnel,
		"a program finds no map");
	atomic_fetch_add(&runs, 1);
}

/* ---- Who is at work ---------------------------------------------------------------------------------------------- */

/* Numbers of a thread's own, repeatable. */
static uint32_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33);
}

static unsigned draw_flow(uint64_t *state)
{
	return RESIDENTS + draw(state) % (FLOWS - RESIDENTS);
}

/* The flow that both CPUs begin with at one moment, if the other one comes in time. */
static unsigned meet(unsigned cpu)
{
	static atomic_uint turns[2];
	unsigned other = turns[!cpu], turn = turns[cpu] + 1;

	turn = other > turn ? other : turn;
	turns[cpu] = turn;
	for (int i = 0; i < SPINS && turns[!cpu] < turn; i++)
		;
	return RESIDENTS + turn * 37 % (FLOWS - RESIDENTS);
}

static void pin_to(unsigned which)
{
	cpu_set_t all, one;
	int count, cpu = -1;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(all), &all);
	count = CPU_COUNT(&all);
	for (int left = (int)which % count; left >= 0; left--)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &all));
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* Mostly new flows: a line that was proved is dead for a second before another flow has it, and they would all be. */
static enum step draw_step(uint64_t *state, unsigned flow)
{
	uint32_t what = draw(state) % 64;

	if (what == 0)
		return ACKNOWLEDGE;
	if (what <= 2)
		return is_tcp(flow) ? END : ANSWER;
	return what <= 10 && is_tcp(flow) ? ANSWER : OPEN;
}

/* Packets, on one CPU. Residents are used, and no more than that. */
static void *send_packets(void *number)
{
	unsigned cpu = (unsigned)(uintptr_t)number;
	uint64_t state = cpu;

	pin_to(cpu);
	while (!over) {
		unsigned flow = draw_flow(&state);

		play(meet(cpu), OPEN);
		play(flow, draw_step(&state, flow));
		if (draw(&state) % 8 == 0)
			play(draw(&state) % RESIDENTS, ACKNOWLEDGE);
	}
	return NULL;
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* What gateway 2 would say of a flow; newer than all that is here, or a little older. */
static enum flow_merged merge(
	struct flow_table *table, unsigned flow, enum line_state state, int64_t ahead_ns)
{
	struct line record = {.tag = TAG(0, state),
		.key = key_of(flow),
		.home = HOME(flow_now_ms(), 103, SCENE_MEMBER, SCENE_MEMBER),
		.stamp = wall_ns() + (uint64_t)ahead_ns};

	return flow_merge(table, &scene.settings, &record, flow_now_ms());
}

/* gwd's thread: one at a time, as in its loop. */
static void *keep_house(void *mapped)
{
	struct flow_table *table = mapped;
	struct flow_filter datagrams = {.protocol = 17};
	struct flow_sweep sweep = {0};
	uint64_t state = 99;

	while (!over) {
		uint32_t index = draw(&state) % LINES;
		unsigned flow = draw_flow(&state);
		enum flow_merged how = merge(table, flow, is_tcp(flow) ? LINE_CLOSING : LINE_ESTABLISHED,
			(int32_t)draw(&state) % 1000 - 500);

		atomic_fetch_add(how == FLOW_REFUSED ? &merge_refused : &merged, 1);
		atomic_fetch_add(&buried, flow_sweep(table, &sweep, 64, &scene.settings, flow_now_ms()));
		if (draw(&state) % 16 == 0)
			atomic_fetch_add(&killed, flow_flush(table, &index, 8, &datagrams, flow_now_ms()));
		usleep(200);
	}
	return NULL;
}

/* ---- Who looks on ------------------------------------------------------------------------------------------------ */

static uint64_t tag_at(uint32_t index)
{
	return __atomic_load_n(&scene.flows[index].tag, __ATOMIC_ACQUIRE);
}

static bool is_way(uint64_t home)
{
	uint16_t tunnel = HOME_TUNNEL(home);

	return tunnel == 0 || (tunnel >= 101 && tunnel <= 103);
}

/* Both lines for as long as it takes to look a hundred times: else it was one behind the other. */
static bool are_two(uint32_t one, uint64_t tag_of_one, uint32_t other, uint64_t tag_of_other)
{
	for (int i = 0; i < 100; i++)
		if (tag_at(one) != tag_of_one || tag_at(other) != tag_of_other)
			return false;
	return true;
}

static void look_at_lines(const struct flow_table *table, bool used[LINES])
{
	static struct {
		uint32_t line; /* + 1; 0: none */
		uint64_t tag;
	} has[FLOWS];

	memset(has, 0, sizeof(has));
	for (uint32_t i = 0; i < LINES; i++) {
		struct line line;
		struct line_key key;
		unsigned flow;

		must(!used[i] || TAG_STATE(tag_at(i)) != LINE_FREE, "a line is free again");
		used[i] = TAG_STATE(tag_at(i)) != LINE_FREE;
		if (!flow_read(table, i, &line))
			continue;
		flow = ntohs(line.key.source_port) - FIRST;
		must(flow < FLOWS, "a line of no flow");
		if (flow >= FLOWS)
			continue;
		key = key_of(flow);
		must(memcmp(&line.key, &key, sizeof(key)) == 0, "a line's key is no flow's");
		must(TAG_HASH(line.tag) == hash_of(&key, scene.settings.hash_seed),
			"a line's tag is of another key");
		must(is_way(line.home), "a way home that nobody wrote");
		must(!has[flow].line || !are_two(has[flow].line - 1, has[flow].tag, i, line.tag),
			"a flow has two lines");
		has[flow].line = i + 1;
		has[flow].tag = line.tag;
	}
}

static void look_at_residents(const uint32_t lines[RESIDENTS])
{
	for (unsigned flow = 0; flow < RESIDENTS; flow++) {
		struct line_key key = key_of(flow);

		must(tag_at(lines[flow]) == TAG(hash_of(&key, scene.settings.hash_seed), LINE_ESTABLISHED),
			"a connection has lost its line");
	}
}

/* ---- A round ----------------------------------------------------------------------------------------------------- */

static void begin_round(bool counters)
{
	scene_reset();
	array_with(MEMBER_ALIVE, 0, V4);
	scene.settings.counters = counters;
	scene.settings.half_open_ms = 400;
	scene.settings.udp_ms = 300;
	scene.settings.closing_ms = 100;
	scene_settings();
	listen_to_changes();
	over = false;
	trouble = NULL;
	runs = merged = merge_refused = buried = killed = passes = 0;
}

static void settle_residents(uint32_t lines[RESIDENTS])
{
	for (unsigned flow = 0; flow < RESIDENTS; flow++) {
		struct line_key key = key_of(flow);

		play(flow, OPEN);
		play(flow, ANSWER);
		play(flow, ACKNOWLEDGE);
		for (lines[flow] = 0; lines[flow] < LINES - 1; lines[flow]++)
			if (memcmp(&scene.flows[lines[flow]].key, &key, sizeof(key)) == 0)
				break;
	}
	look_at_residents(lines);
}

/* All at once, while devices move from tunnel to tunnel and the changes are read. */
static void run_all(struct flow_table *table, unsigned seconds)
{
	static uint32_t residents[RESIDENTS];
	bool used[LINES] = {0};
	pthread_t threads[3];
	time_t end = time(NULL) + seconds;

	settle_residents(residents);
	for (uintptr_t cpu = 0; cpu < 2; cpu++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[cpu], NULL, send_packets, (void *)cpu), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[2], NULL, keep_house, table), 0);
	for (; time(NULL) < end && !trouble; passes++) {
		look_at_lines(table, used);
		look_at_residents(residents);
		if (passes % 64 == 0) {
			scene_arrive_by(passes / 64 % 2 ? 102 : 101);
			hear_changes();
		}
	}
	over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	look_at_lines(table, used);
	look_at_residents(residents);
}

/* Nobody else is at work: whoever has no line gets one, or there is none to be had, and has no other. */
static void look_at_the_end(struct flow_table *table)
{
	for (uint32_t i = 0; i < LINES; i++)
		must(TAG_STATE(tag_at(i)) != LINE_CLAIMED, "a claim is left");
	for (unsigned flow = RESIDENTS; flow < FLOWS; flow++) {
		enum flow_merged first = merge(table, flow, LINE_ESTABLISHED, 1000000000);

		must(first == FLOW_MERGED || first == FLOW_REFUSED, "the newest record is not taken");
		must(first != FLOW_MERGED || merge(table, flow, LINE_ESTABLISHED, 0) == FLOW_KNOWN,
			"an older record is taken");
	}
	look_at_lines(table, (bool[LINES]){0});
}

static void play_round(bool counters)
{
	const char *seconds = getenv("STRESS_SECONDS");
	struct flow_table table = {scene.flows, scene.counters, LINES};
	uint64_t taken, refused;

	begin_round(counters);
	run_all(&table, seconds ? (unsigned)strtoul(seconds, NULL, 10) : 6);
	taken = scene_count(REASON_entry_taken);
	refused = scene_count(REASON_entry_refused);
	look_at_the_end(&table);
	printf("counters %d: %u packets (%lu took a line, %lu got none), %u records (%u got none), %u lines "
	       "buried, %u "
	       "flushed, %u looks at all lines\n",
		counters, runs, taken, refused, merged + merge_refused, merge_refused, buried, killed,
		passes);
	if (trouble)
		printf("%s\n", trouble);
	CU_ASSERT_PTR_NULL(trouble);
	CU_ASSERT(runs > 1000 && taken > 100 && merged > 100 && killed > 0);
}

static void all_at_once(void)
{
	play_round(true);
}

static void all_at_once_without_counters(void)
{
	play_round(false);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"all at once", all_at_once},
		{"all at once, without counters", all_at_once_without_counters},
	};
	int failed;

	build_packets();
	scene_open_of(LINES);
	failed = unit_run("bpf stress", tests, sizeof(tests) / sizeof(tests[0]));
	scene_close();
	return failed;
}
