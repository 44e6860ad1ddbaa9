// SPDX-License-Identifier: Apache-2.0
/*
 * The one-line table: sequences of what programs (bpf/table.h) and gwd (flow/) do to one array of lines, beside a model
 * that knows of each key whether it has a line, where, and what must stand in it. After every step:
 *
 *  - a key has one line in service at most, be it expired, and it is found when the model says so, by the way home that
 *    was last written;
 *  - what was established and is neither expired nor flushed is there still, whoever came meanwhile;
 *  - a step changes no line but its own, and retires the expired one of its key; an insert takes a line of the best rank that there is, and none before its
 *    grace;
 *  - of a line and a record of another gateway the newer one stands there afterwards;
 *  - no line becomes free again, and a line's tag has its key's hash.
 *
 * The table is two windows long, so windows are full, overlap and wrap; the clock starts a little before it wraps.
 */
#include "tests/bpf/user_space.h"

#include "bpf/table.h"
#include "flow/flow.h"
#include "tests/fuzz/fuzz.h"

#define LINES       (2 * TABLE_WINDOW)
#define KEYS        64
#define GATEWAY     1
#define CHANGE_NONE (-1)
#define TUNNELS     128 /* more than the highest number */

static const struct settings settings = {.flow_mask = LINES - 1,
	.half_open_ms = 5000,
	.established_ms = 20000,
	.closing_ms = 3000,
	.udp_ms = 10000,
	.icmp_ms = 4000,
	.device_ms = 15000};

static struct line lines[LINES], before[LINES];
static struct flow_table flows = {lines, NULL, LINES};
static uint64_t now_ns;

/* What is known of a key: `index` counts while it has a line. */
static struct known {
	bool has_line;
	uint32_t index;
	enum line_state state;
	uint64_t home;
	uint64_t since; /* the time in its stamp, when that says what is wanted too */
} known[KEYS];

static struct line_key key_of(unsigned number)
{
	static const uint8_t protocols[] = {6, 17, 1, 0};
	struct line_key key = {.protocol = protocols[number % 4], .source_port = (uint16_t)number};

	memset(key.source, (int)number, sizeof(key.source));
	return key;
}

/* Two keys for each home, and the last two share all of their hash. */
static uint64_t hash_by(unsigned number)
{
	return number == KEYS - 1 ? hash_by(LINES - 1) : number % LINES | (uint64_t)number << 8;
}

static struct table table(void)
{
	return (struct table){lines, LINES - 1, &settings, now_ns};
}

static uint32_t now_ms(void)
{
	return (uint32_t)(now_ns / 1000000);
}

static uint32_t idle_of(uint64_t home)
{
	int32_t idle = (int32_t)(now_ms() - HOME_SEEN(home));

	return idle < 0 ? 0 : (uint32_t)idle;
}

static bool is_served(const struct line *line)
{
	uint8_t state = TAG_STATE(line->tag);

	return state != LINE_FREE && state != LINE_CLAIMED && state != LINE_DEAD;
}

static uint32_t lifetime_of(const struct line *line)
{
	return is_served(line) ? line_lifetime_ms(&settings, TAG_STATE(line->tag), line->key.protocol) : 0;
}

static bool is_alive(unsigned number)
{
	const struct known *is = &known[number];

	return is->has_line &&
	       idle_of(is->home) <= line_lifetime_ms(&settings, is->state, key_of(number).protocol);
}

static bool find(unsigned number, struct finding *found)
{
	struct line_key key = key_of(number);
	struct table in = table();

	return table_find(&in, &key, hash_by(number), found);
}

/* ---- What must hold ---------------------------------------------------------------------------------------------- */

/* By key: its lines in service. */
static void count_lines(unsigned counts[KEYS])
{
	memset(counts, 0, KEYS * sizeof(*counts));
	for (int i = 0; i < LINES; i++)
		if (is_served(&lines[i]))
			counts[lines[i].key.source_port]++;
}

static void check_key(unsigned number)
{
	const struct known *is = &known[number];
	struct finding found = {0};

	MUST(find(number, &found) == is_alive(number));
	if (!is_alive(number))
		return;
	MUST(found.index == is->index && found.line == &lines[is->index]);
	MUST(TAG_STATE(found.tag) == is->state);
	MUST(found.home == is->home);
}

static void check_keys(void)
{
	unsigned counts[KEYS];

	count_lines(counts);
	for (unsigned number = 0; number < KEYS; number++) {
		MUST(counts[number] <= 1 && counts[number] >= is_alive(number));
		check_key(number);
	}
}

static void check_served(const struct line *line)
{
	struct line_key key = key_of(line->key.source_port);

	MUST(line->key.source_port < KEYS && memcmp(&line->key, &key, sizeof(key)) == 0);
	MUST(TAG_HASH(line->tag) == hash_by(line->key.source_port));
}

static void check_lines(void)
{
	for (int i = 0; i < LINES; i++) {
		MUST(TAG_STATE(lines[i].tag) < LINE_STATES && TAG_STATE(lines[i].tag) != LINE_CLAIMED);
		MUST(TAG_STATE(lines[i].tag) != LINE_FREE || TAG_STATE(before[i].tag) == LINE_FREE);
		if (is_served(&lines[i]))
			check_served(&lines[i]);
	}
}

/* The one line that is not as it was before the step, or CHANGE_NONE. */
static int changed_line(void)
{
	int changed = CHANGE_NONE;

	for (int i = 0; i < LINES; i++)
		if (memcmp(&lines[i], &before[i], sizeof(lines[i])) != 0) {
			MUST(changed == CHANGE_NONE);
			changed = i;
		}
	return changed;
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

/* Who has more than half of the half-open lines of the key's window, a new one by `newcomer` counted; else the newcomer. */
static uint16_t crowd_of(unsigned number, uint16_t newcomer)
{
	unsigned counts[TUNNELS] = {0};
	unsigned sum = 1;

	counts[newcomer] = 1;
	for (uint32_t step = 0; step < TABLE_WINDOW; step++) {
		const struct line *line = &before[(hash_by(number) + step) % LINES];

		counts[HOME_TUNNEL(line->home)] += TAG_STATE(line->tag) == LINE_HALF_OPEN;
		sum += TAG_STATE(line->tag) == LINE_HALF_OPEN;
	}
	for (unsigned tunnel = 0; tunnel < TUNNELS; tunnel++)
		if (2 * counts[tunnel] > sum)
			return (uint16_t)tunnel;
	return newcomer;
}

/* The half-open lines of the tunnel in the key's window. */
static unsigned half_open_of(unsigned number, uint16_t tunnel)
{
	unsigned count = 0;

	for (uint32_t step = 0; step < TABLE_WINDOW; step++) {
		const struct line *line = &before[(hash_by(number) + step) % LINES];

		count += TAG_STATE(line->tag) == LINE_HALF_OPEN && HOME_TUNNEL(line->home) == tunnel;
	}
	return count;
}

/* How readily a line of the key's window is to be given up, said once more: table.h, in the words of its essay. 0: not at all. */
static int rank_of(const struct line *line, unsigned number, uint16_t crowd)
{
	uint32_t idle = idle_of(line->home), lifetime = lifetime_of(line);

	if (TAG_STATE(line->tag) == LINE_FREE)
		return 4;
	if (idle > lifetime && idle - lifetime > DEAD_GRACE_MS)
		return 5;
	if (TAG_STATE(line->tag) == LINE_HALF_OPEN && key_of(number).protocol == 0)
		return 0; /* where devices are, none is */
	if (TAG_STATE(line->tag) == LINE_HALF_OPEN && HOME_TUNNEL(line->home) == crowd)
		return 3;
	if (TAG_STATE(line->tag) == LINE_HALF_OPEN && half_open_of(number, HOME_TUNNEL(line->home)) > 1)
		return 2;
	return TAG_STATE(line->tag) == LINE_CLOSING;
}

/* Of the window before the step, as far as a search goes. */
static int best_rank(unsigned number, uint16_t crowd)
{
	int best = 0;

	for (uint32_t step = 0; step < TABLE_WINDOW; step++) {
		const struct line *line = &before[(hash_by(number) + step) % LINES];
		int rank = rank_of(line, number, crowd);

		best = rank > best ? rank : best;
		if (TAG_STATE(line->tag) == LINE_FREE)
			break;
	}
	return best;
}

/* Whoever had the line has it no more. */
static void forget_line(int index)
{
	for (int i = 0; i < KEYS; i++)
		if (known[i].has_line && known[i].index == (uint32_t)index)
			known[i].has_line = false;
}

/* The key's expired lines are out of service, but for the one that it got again; that change is accounted for. */
static void note_retired(unsigned number)
{
	for (int i = 0; i < LINES; i++) {
		if (!is_served(&before[i]) || before[i].key.source_port != number || is_served(&lines[i]))
			continue;
		MUST(TAG_STATE(lines[i].tag) == LINE_DEAD && HOME_SEEN(lines[i].home) == now_ms());
		before[i] = lines[i];
	}
}

/* What came of giving the key a line: it took the best one that there was, or there was none to be had. */
static void note_insert(unsigned number, bool inserted, enum line_state state, uint64_t home)
{
	uint16_t crowd = crowd_of(number, HOME_TUNNEL(home));
	int best = best_rank(number, crowd), changed;

	if (inserted)
		note_retired(number);
	changed = changed_line();
	MUST(inserted == (best > 1));
	MUST((changed == CHANGE_NONE) == (best == 0));
	if (changed == CHANGE_NONE)
		return;
	MUST(rank_of(&before[changed], number, crowd) == best);
	MUST(((uint32_t)changed - (uint32_t)hash_by(number)) % LINES < TABLE_WINDOW);
	forget_line(changed);
	if (inserted) {
		known[number] = (struct known){true, (uint32_t)changed, state, home};
	} else {
		MUST(TAG_STATE(lines[changed].tag) == LINE_DEAD);
		MUST(HOME_SEEN(lines[changed].home) == now_ms());
	}
}

static void insert(unsigned number, enum line_state state, uint64_t home)
{
	struct finding new = {.tag = state, .home = home};
	struct line_key key = key_of(number);
	struct table in = table();
	enum inserted inserted = table_insert(&in, &key, hash_by(number), now_ns, &new);

	MUST(inserted != INSERT_RIVALLED); /* nobody else is here */
	note_insert(number, inserted != INSERT_REFUSED, state, home);
	MUST(inserted == INSERT_REFUSED || known[number].index == new.index);
	MUST(inserted != INSERT_TOOK || is_served(&before[new.index]));
}

/* As learn.h does: what is found is touched, what is not gets a line. */
static void request(unsigned number, uint16_t tunnel, enum line_state first)
{
	struct finding found = {0};
	struct table in = table();
	uint64_t home = HOME(now_ms(), tunnel, GATEWAY, GATEWAY);

	if (!find(number, &found)) {
		known[number].has_line = false; /* expired */
		insert(number, first, home);
		return;
	}
	if (line_touch(&in, &found, HOME_WAY(home)))
		line_stamp(found.line, now_ns);
	if (HOME_WAY(known[number].home) != HOME_WAY(home) || idle_of(known[number].home) >= TOUCH_MS)
		known[number].home = home;
	MUST(found.home == known[number].home);
	changed_line();
}

static bool is_no_time(unsigned number, enum line_state state)
{
	return state == LINE_HALF_OPEN && key_of(number).protocol == 6;
}

/*
 * Another CPU found the line a while ago and changes its state now; a line that serves another flow it must not
 * change.
 */
static struct {
	struct finding found;
	unsigned number;
} held;

static void become(unsigned number, struct finding found, enum line_state state)
{
	struct known *is = &known[number];
	bool same = is->has_line && is->index == found.index && is->state == TAG_STATE(found.tag) &&
		    TAG_STATE(lines[found.index].tag) != LINE_DEAD;

	if (line_become(&found, state))
		line_stamp(found.line, now_ns);
	MUST(changed_line() == CHANGE_NONE || same);
	if (same)
		is->state = state;
}

static void advance(unsigned number, enum line_state state)
{
	struct finding found = {0};

	if (find(number, &found))
		become(number, found, state);
}

/* Our SYN-ACK was seen: the time of the SYN stays, behind what that wants. */
static void want(unsigned number, uint32_t acknowledgement)
{
	struct finding found = {0};

	if (!find(number, &found) || !is_no_time(number, TAG_STATE(found.tag)))
		return;
	if (STAMP_IS_TIME(found.line->stamp))
		known[number].since = found.line->stamp;
	line_want(&found, now_ns, acknowledgement);
	MUST(STAMP_IS_WANTED(found.line->stamp) && (uint32_t)found.line->stamp == acknowledgement);
	changed_line();
}

static void hold(unsigned number)
{
	if (number != KEYS - 1 && number != LINES - 1 &&
		find(number, &held.found)) /* those two share a hash */
		held.number = number;
	else
		held.found.line = NULL;
}

static void advance_held(enum line_state state)
{
	if (held.found.line)
		become(held.number, held.found, state);
	held.found.line = NULL;
}

/* ---- Records of another gateway ---------------------------------------------------------------------------------- */

/* The rule, said once more: table.h, in the words of its essay. */
static bool record_wins(unsigned number, uint64_t home, uint64_t stamp)
{
	const struct line *line = &before[known[number].index];

	if (STAMP_IS_WANTED(line->stamp))
		return stamp > ((known[number].since >> STAMP_UNIT_SHIFT) + 1) << STAMP_UNIT_SHIFT;
	if (is_no_time(number, known[number].state) || stamp != line->stamp)
		return stamp > line->stamp;
	return HOME_GATEWAY(home) > HOME_GATEWAY(line->home);
}

static void note_merge(
	unsigned number, enum merged merged, enum line_state state, uint64_t home, uint64_t stamp)
{
	struct known *is = &known[number];
	uint64_t old_stamp = before[is->index].stamp;
	uint32_t seen = idle_of(home) < idle_of(is->home) ? HOME_SEEN(home) : HOME_SEEN(is->home);
	bool wins = record_wins(number, home, stamp);
	bool same = !wins && !is_no_time(number, is->state) && stamp == old_stamp &&
		    (uint32_t)home == (uint32_t)is->home;

	MUST(merged == (wins ? MERGED : MERGE_KNOWN));
	changed_line();
	if (wins || same)
		is->home = (uint64_t)seen << 32 | (uint32_t)home;
	if (wins)
		is->state = state;
	MUST(lines[is->index].stamp == (wins ? stamp : old_stamp));
}

/* A record as old as `ago` says; its stamp is as old, or next to that of the line that it meets. */
static void merge(unsigned number, enum line_state state, uint8_t ago, uint8_t stamped, uint8_t gateway)
{
	struct line_key key = key_of(number);
	struct table in = table();
	uint64_t home = HOME(now_ms() - ago * 100U, 101 + gateway, gateway, gateway);
	uint64_t stamp = now_ns - ago * 100000000ULL;
	bool too_old = ago * 100U > line_lifetime_ms(&settings, state, key.protocol);
	enum merged merged;

	if (known[number].has_line && stamped % 4) /* no record bears a stamp that is wanted */
		stamp = stamp_time(lines[known[number].index].stamp, now_ns) + stamped % 4 - 2;
	merged = table_merge(&in, &key, hash_by(number), state, home, stamp);
	MUST(merged != MERGE_RIVALLED); /* nobody else is here */
	if (too_old || state == LINE_HALF_OPEN) {
		MUST(merged == MERGE_KNOWN && changed_line() == CHANGE_NONE);
	} else if (is_alive(number)) {
		note_merge(number, merged, state, home, stamp);
	} else {
		known[number].has_line = false;
		MUST(merged == MERGED || merged == MERGE_REFUSED);
		note_insert(number, merged == MERGED, state, home);
	}
}

/* ---- What gwd does ----------------------------------------------------------------------------------------------- */

/* Lines that are out of service now and were not: gone from the model, if they were `meant`. */
static uint32_t note_dead(bool (*meant)(const struct line *line, const void *how), const void *how)
{
	uint32_t count = 0;

	for (int i = 0; i < LINES; i++) {
		if (!is_served(&before[i]))
			continue;
		MUST(is_served(&lines[i]) == !meant(&before[i], how));
		if (is_served(&lines[i]))
			continue;
		forget_line(i);
		count++;
	}
	return count;
}

static bool is_over(const struct line *line, const void *how)
{
	(void)how;
	return idle_of(line->home) > lifetime_of(line) + DEAD_GRACE_MS;
}

static bool is_of_tunnel(const struct line *line, const void *tunnel)
{
	return HOME_TUNNEL(line->home) == *(const uint16_t *)tunnel;
}

static void sweep(void)
{
	struct flow_sweep sweep = {0};
	uint32_t killed = flow_sweep(&flows, &sweep, LINES, &settings, now_ms());

	MUST(sweep.index == LINES && sweep.claim_count == 0 && note_dead(is_over, NULL) == killed);
}

static void flush(uint16_t tunnel)
{
	struct flow_filter filter = {.tunnel = tunnel};
	uint32_t index = 0;
	uint32_t killed = flow_flush(&flows, &index, LINES, &filter, now_ms());

	MUST(index == LINES && note_dead(is_of_tunnel, &tunnel) == killed);
}

/* ---- A sequence -------------------------------------------------------------------------------------------------- */

/* Steps that a clock takes: within the grace, about a lifetime, past all of them. */
static void wait_for(uint8_t how_long)
{
	now_ns += (uint64_t)(how_long < 128 ? how_long * 10 : (how_long - 127) * 250) * 1000000;
	held.found.line = how_long == 0 ? held.found.line : NULL; /* the grace is all the time that it has */
}

static void step(struct input *input)
{
	static const enum line_state states[] = {
		LINE_HALF_OPEN, LINE_ESTABLISHED, LINE_CLOSING, LINE_ESTABLISHED};
	uint8_t what = take_byte(input), argument = take_byte(input);
	unsigned number = argument % KEYS;
	uint16_t tunnel = 101 + argument / KEYS;

	switch (what % 10) {
	case 0:
		return wait_for(argument);
	case 1:
		return request(number, tunnel, LINE_HALF_OPEN);
	case 2:
		return request(number, tunnel, LINE_ESTABLISHED);
	case 3:
	case 4:
		return advance(number, states[what / 10 % 4]);
	case 5:
		return hold(number);
	case 6:
		return advance_held(states[argument % 4]);
	case 7:
		return merge(number, states[what / 10 % 4], take_byte(input), take_byte(input),
			1 + argument / KEYS);
	case 8:
		return want(number, take_byte(input));
	default:
		return argument % 4 ? sweep() : flush(tunnel);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, size};

	memset(lines, 0, sizeof(lines));
	memset(known, 0, sizeof(known));
	held.found.line = NULL;
	now_ns = ((1ULL << 32) - take_byte(&input) * 100) * 1000000;
	while (input.size > 0) {
		memcpy(before, lines, sizeof(lines));
		step(&input);
		check_lines();
		check_keys();
	}
	return 0;
}
