// SPDX-License-Identifier: Apache-2.0
/*
 * The one-line table under several CPUs at once. Each CPU is a coroutine that runs the programs' code
 * (bpf/table.h), one more runs gwd's (flow/table.c, and table_merge()); before each look at a line and each compare-and-swap it gives
 * way, and the input says who goes on. So orders of events that real CPUs meet once a month are met here in
 * seconds, and again from the same input. At each turn:
 *
 *  - no flow has two lines in service, be one of them expired, and a line in service holds the key that its tag is of;
 *  - no insert took a line that was established and alive when it began (table.h says what may happen to a younger
 *    one),
 *    and no line became free again;
 *  - who changed a state changed it in a line of its own flow;
 *
 *  - a line's time never goes back while it is in service, whoever stamps it;
 *
 * and when all are done no claim is left, every stamp that should be a time is one, the next packet of any flow is not
 * refused because of a rival, and a newer record of another gateway is what stands there in the end.
 */
#include <stdbool.h>
#include <ucontext.h>

static void give_way(void);

#define AT_EACH_LOOK() give_way()
#include "tests/bpf/user_space.h"

#define __sync_val_compare_and_swap(word, old, new) (give_way(), __sync_val_compare_and_swap(word, old, new))
#include "bpf/table.h"

#define __atomic_load_n(word, order)     (give_way(), __atomic_load_n(word, order))
#define __atomic_compare_exchange_n(...) (give_way(), __atomic_compare_exchange_n(__VA_ARGS__))
#include "flow/table.c"

#include "tests/fuzz/fuzz.h"

#define LINES      TABLE_WINDOW
#define KEYS       24
#define CPUS       4 /* the last is gwd's */
#define GWD        (CPUS - 1)
#define STACK_SIZE (256 * 1024)

static const struct settings settings = {.flow_mask = LINES - 1,
	.half_open_ms = 5000,
	.established_ms = 20000,
	.closing_ms = 3000,
	.udp_ms = 10000};

static struct line lines[LINES], before[LINES];
static struct flow_table flows = {lines, NULL, LINES};
static unsigned turns, published[LINES]; /* in which turn a line's flow got it */
static uint64_t now_ns;

struct cpu {
	ucontext_t context;
	char *stack;
	bool busy;
	uint8_t what, argument; /* the operation in work */
	unsigned begun;         /* in which turn */
};

static struct cpu cpus[CPUS], *running; /* NULL: the scheduler itself, who asks nobody */
static ucontext_t scheduler;

static void give_way(void)
{
	struct cpu *cpu = running;

	if (cpu)
		swapcontext(&cpu->context, &scheduler);
}

static struct line_key key_of(unsigned number)
{
	struct line_key key = {.protocol = number % 2 ? 6 : 17, .source_port = (uint16_t)number};

	memset(key.source, (int)number, sizeof(key.source));
	return key;
}

static uint64_t hash_by(unsigned number)
{
	return number % 4 | (uint64_t)number << 8; /* four homes: all windows meet */
}

static struct table table(void)
{
	return (struct table){lines, LINES - 1, &settings, now_ns};
}

/* ---- What a CPU does --------------------------------------------------------------------------------------------- */

static enum inserted request(unsigned number, uint16_t tunnel, enum line_state first)
{
	struct finding found = {.tag = first};
	struct line_key key = key_of(number);
	struct table in = table();

	if (table_find(&in, &key, hash_by(number), &found)) {
		if (line_touch(&in, &found, HOME_WAY(HOME(0, tunnel, 1, 1))) &&
			!is_unproved(TAG_STATE(found.tag), key.protocol))
			line_stamp(found.line, now_ns);
		return INSERTED;
	}
	found.tag = first;
	found.home = HOME(table_now(&in), tunnel, 1, 1);
	return table_insert(&in, &key, hash_by(number), now_ns, &found);
}

static void advance(unsigned number, enum line_state state)
{
	struct line_key key = key_of(number);
	struct finding found = {0};
	struct table in = table();

	if (!table_find(&in, &key, hash_by(number), &found))
		return;
	if (is_unproved(state, key.protocol))
		line_reopen(&found, now_ns);
	else if (line_become(&found, state))
		line_stamp(found.line, now_ns);
}

/* Another gateway says something of a flow. Stamps that differ by little, in both directions. */
static enum merged merge(unsigned number, enum line_state state, uint8_t how)
{
	struct line_key key = key_of(number);
	struct table in = table();
	uint64_t home = HOME(table_now(&in), 201 + how % 3, 2, 2);

	return table_merge(&in, &key, hash_by(number), state, home, now_ns + how % 5 - 2);
}

static void want(unsigned number, uint32_t acknowledgement)
{
	struct line_key key = key_of(number);
	struct finding found = {0};
	struct table in = table();

	if (is_unproved(LINE_HALF_OPEN, key.protocol) && table_find(&in, &key, hash_by(number), &found) &&
		TAG_STATE(found.tag) == LINE_HALF_OPEN)
		line_want(&found, now_ns, acknowledgement);
}

/* As the sweep and a flush do: what has expired is not flushed, and not buried before its grace is over. */
static void flush_or_sweep(uint32_t index, bool sweeps)
{
	uint32_t now_ms = (uint32_t)(now_ns / 1000000), lifetime;
	struct line line;
	struct line_key key;

	if (!flow_read(&flows, index, &line))
		return;
	key = key_of(line.key.source_port);
	MUST(memcmp(&line.key, &key, sizeof(key)) == 0 &&
		TAG_HASH(line.tag) == hash_by(line.key.source_port));
	lifetime = line_lifetime_ms(&settings, TAG_STATE(line.tag), key.protocol);
	if (sweeps && flow_idle_ms(&line, now_ms) > lifetime + DEAD_GRACE_MS)
		flow_bury(&flows, index, &line);
	else if (!sweeps && flow_idle_ms(&line, now_ms) <= lifetime)
		flow_kill(&flows, index, &line, now_ms);
}

static void operate(struct cpu *cpu)
{
	static const enum line_state states[] = {
		LINE_HALF_OPEN, LINE_ESTABLISHED, LINE_CLOSING, LINE_ESTABLISHED};
	unsigned number = cpu->argument % KEYS;

	if (cpu == &cpus[GWD] && cpu->what % 2)
		merge(number, states[cpu->what / 2 % 4], cpu->argument / KEYS + cpu->what / 8);
	else if (cpu == &cpus[GWD])
		flush_or_sweep(cpu->argument % LINES, cpu->what / 2 % 2);
	else if (cpu->what % 8 == 7)
		want(number, cpu->argument);
	else if (cpu->what % 4 < 2)
		request(number, 101 + cpu->argument / KEYS,
			cpu->what % 4 ? LINE_ESTABLISHED : LINE_HALF_OPEN);
	else
		advance(number, states[cpu->what / 4 % 4]);
}

/* A coroutine's life: one operation after the other, begun by the scheduler. */
static void live(void)
{
	for (;;) {
		struct cpu *cpu = running;

		operate(cpu);
		cpu->busy = false;
		give_way();
	}
}

/* ---- What must hold ---------------------------------------------------------------------------------------------- */

static bool is_alive(const struct line *line)
{
	uint8_t state = TAG_STATE(line->tag);

	return IN_SERVICE(line->tag) && idle_ms(line->home, (uint32_t)(now_ns / 1000000)) <=
						line_lifetime_ms(&settings, state, line->key.protocol);
}

/*
 * A change of state, at the turn that made it: a turn later, a line made half-open may have been evicted already and be
 * another flow's.
 */
static void check_state(int index, const struct cpu *cpu)
{
	uint64_t is = lines[index].tag, was = before[index].tag;

	if (cpu && is != was && IN_SERVICE(is) && IN_SERVICE(was)) {
		MUST(TAG_HASH(is) == TAG_HASH(was));
		MUST(TAG_HASH(is) == hash_by(cpu->argument % KEYS));
	}
}

static void check_line(int index, const struct cpu *cpu)
{
	const struct line *is = &lines[index], *was = &before[index];
	uint8_t state = TAG_STATE(is->tag);
	bool old = cpu && published[index] < cpu->begun;

	MUST(state != LINE_FREE || TAG_STATE(was->tag) == LINE_FREE);
	if (state == LINE_CLAIMED && TAG_STATE(was->tag) == LINE_ESTABLISHED)
		MUST(!is_alive(was) || !old);
	if (TAG_STATE(was->tag) == LINE_CLAIMED)
		published[index] = turns;
	if (IN_SERVICE(is->tag)) {
		struct line_key key = key_of(is->key.source_port);

		MUST(memcmp(&is->key, &key, sizeof(key)) == 0);
		MUST(TAG_HASH(is->tag) == hash_by(is->key.source_port));
	}
}

static bool is_proved(const struct line *line)
{
	return IN_SERVICE(line->tag) && !is_unproved(TAG_STATE(line->tag), line->key.protocol);
}

static void check_stamp(int index)
{
	const struct line *is = &lines[index], *was = &before[index];

	if (IN_SERVICE(is->tag) && IN_SERVICE(was->tag) && TAG_HASH(is->tag) == TAG_HASH(was->tag))
		MUST(stamp_time(is->stamp, now_ns) >= stamp_time(was->stamp, now_ns));
}

/* After a turn of `cpu`. */
static void check(const struct cpu *cpu)
{
	bool has_line[KEYS] = {0};

	for (int i = 0; i < LINES; i++) {
		check_line(i, cpu);
		check_state(i, cpu);
		check_stamp(i);
		if (!IN_SERVICE(lines[i].tag))
			continue;
		MUST(!has_line[lines[i].key.source_port]);
		has_line[lines[i].key.source_port] = true;
	}
}

/* ---- Turns ------------------------------------------------------------------------------------------------------- */

static void turn(struct cpu *cpu)
{
	memcpy(before, lines, sizeof(lines));
	turns++;
	running = cpu;
	swapcontext(&scheduler, &cpu->context);
	running = NULL;
	check(cpu);
}

static void finish_all(void)
{
	for (int i = 0; i < CPUS; i++)
		while (cpus[i].busy)
			turn(&cpus[i]);
	for (int i = 0; i < LINES; i++) {
		MUST(TAG_STATE(lines[i].tag) != LINE_CLAIMED);
		MUST(!is_proved(&lines[i]) || STAMP_IS_TIME(lines[i].stamp));
	}
}

/* A turn for one CPU, which begins something when it has nothing to do; or all come to an end, and time goes by. */
static void step(struct input *input)
{
	uint8_t byte = take_byte(input);
	struct cpu *cpu = &cpus[byte % CPUS];

	if (byte >= 240) {
		finish_all();
		now_ns += take_byte(input) * 100000000ULL;
		return;
	}
	if (!cpu->busy) {
		cpu->what = byte / CPUS;
		cpu->argument = take_byte(input);
		cpu->begun = turns;
		cpu->busy = true;
	}
	turn(cpu);
}

static void make_cpus(void)
{
	for (int i = 0; i < CPUS; i++) {
		cpus[i].stack = cpus[i].stack ?: malloc(STACK_SIZE);
		MUST(cpus[i].stack && getcontext(&cpus[i].context) == 0);
		cpus[i].context.uc_stack.ss_sp = cpus[i].stack;
		cpus[i].context.uc_stack.ss_size = STACK_SIZE;
		makecontext(&cpus[i].context, live, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, size};

	if (!cpus[0].stack)
		make_cpus();
	memset(lines, 0, sizeof(lines));
	memset(published, 0, sizeof(published));
	turns = 0;
	now_ns = 1ULL << 40;
	while (input.size > 0)
		step(&input);
	finish_all();
	memcpy(before, lines, sizeof(lines));
	for (unsigned number = 0; number < KEYS; number++)
		MUST(request(number, 101, LINE_HALF_OPEN) != INSERT_RIVALLED);
	check(NULL);
	now_ns += 1000000000;
	for (unsigned number = 0; number < KEYS; number++)
		MUST(merge(number, LINE_CLOSING, 0) != MERGE_KNOWN &&
			merge(number, LINE_CLOSING, 0) != MERGED);
	return 0;
}
