/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one-line table: open addressing in a window of TABLE_WINDOW lines from the hash's home, a line a
 * cache line. Written by programs on all CPUs at once and by gwd through its mapping, without a lock. This
 * is the protocol.
 *
 *	          claim              publish                    evict, flush, sweep
 *	  free ─────────► claimed ───────────► in service ─────────────────────────► dead ──┐
 *	                     ▲                 (half-open, established, closing)            │ claim, after its grace
 *	                     └──────────────────────────────────────────────────────────────┘
 *
 * Every arrow is one compare-and-swap of the tag, which holds hash and state, so of several writers one
 * wins and a writer that comes too late, when the line holds another flow, loses by the hash.
 *
 *  - FREE means never used: no flow whose window reaches over a free line stands behind it, so a search
 *    stops there. A line never becomes free again.
 *  - CLAIMED belongs to the one who claimed it: it alone writes key, home and stamp. Nobody reads them,
 *    nobody waits. A program cannot die in between.
 *  - Two CPUs that insert one flow at once must not make two lines. So each, once it has claimed, looks
 *    through the whole window again for the same hash, claimed or in service; if it finds one it gives its
 *    own claim up. The claims are full barriers: whoever claims later sees the earlier claim. Both may give
 *    up; the flow's next packet succeeds.
 *  - In service: the home word is changed by compare-and-swap, and only a change of way or owner, or a second
 *    gone by, is written. Who changed way, owner or state raises the stamp after it, and whoever is told of the
 *    change (abi.h) is told after that: so a reader who is told sees a stamp that is of the change, or newer.
 *  - A line idle for longer than its lifetime (abi.h) is dead since that moment, whether or not somebody
 *    wrote so: it is not found, and after the grace it is claimed like any dead line. Of a dead line the
 *    home word says since when. Whoever gives its flow another line writes so first: else longer lifetimes,
 *    of another configuration, would bring it back to life beside its successor.
 *  - The grace (DEAD_GRACE_MS) is there for those who found the line when it lived: they are done long
 *    before it is over. Half-open lines are evicted without one, or a flood would close the table for a
 *    second: whoever writes through an old finding then loses by the hash in the tag, and a way home read
 *    too late is caught by the exit check (home.h).
 *  - A window without a line to claim gives up a half-open line of its crowd, else takes a closing one out of service,
 *    the longest idle first. An established line is never given up: the new flow goes without an entry, and
 *    that is counted. Two exceptions have the width of an insert: a flow that comes back to its own expired
 *    line, in the same state, just when another is claiming that line, loses it, and so does one that finds
 *    its expired line while gwd's sweep has written since when it is dead, and not yet that it is. Their
 *    next packets get one.
 *  - The crowd of a full window is the tunnel that has more than half of its half-open lines, the new one counted; where
 *    none has, the one that the new one comes by; and where that has none to give, all that have two or more. So whoever
 *    floods the table, by however many tunnels, turns over his own half-open lines, a tunnel that has none gets one, and
 *    the handshakes of others outlive the flood, but for some that lie close together, which it gets its share of: without
 *    a counter that all CPUs write, and alike at each gateway, since tunnels' numbers are the array's.
 *  - What a flood does not turn over it may fill up: established is what UDP and ICMP had answered, whatever its source is, and so are
 *    devices from the first. Their lines go when they expire; until then a full table takes no new ones.
 *
 * A record of another gateway is merged by gwd, by the rule that every gateway of the array follows: the newest
 * stamp wins, of two the same the higher gateway of the way home. A TCP line that is half-open has the stamp of its SYN,
 * also behind what the device must acknowledge (abi.h); nobody here has proved anything of the flow yet, so it yields to
 * any record that is newer, but what is not is of the connection before. Only a line that nobody owns yields to all.
 * Home, state and stamp are changed in this order, each by one compare-and-swap from what was judged, so a
 * packet that comes in between finds a line that serves its flow by the old way or the new one; when a swap is lost
 * to a packet, all is judged again. One that changes the way between judgement and stamp may lose to the record:
 * the flow's next packet repeats it.
 * Whoever writes a stamp swaps it for a later one, so however late a writer is, no line's time goes back. One that comes
 * too late to say what the device must acknowledge, since the line is half-open no more, stamps it once again.
 * gwd inserts as programs do, but it can die with a claim in its hand, as a program cannot: a claim that stands for
 * seconds is nobody's, and gwd's sweep buries it.
 *
 * tests/model has all this as a model, and checks it in every order; tests/fuzz/race.c runs the code in orders that it is led to,
 * tests/bpf/stress_test.c on real CPUs.
 *
 * Window and load, tried with what comes from consecutive devices, seven ports each, into a million lines that are never
 * given up: of the flows that come when so much of the table is taken, so many find no line (per cent):
 *
 *	window     50 %    60 %    70 %    80 %    90 %    95 % taken
 *	     8      3.0     8.1    18.5    34.9    57.9    75.4
 *	    16      0.3     1.8     7.4    19.9    44.8    66.1
 *	    32      0.0     0.2     1.9     9.2    30.3    54.1
 *
 * So a table is to be twice as large as what it holds, or a little less; it costs 64 bytes a line. Twice the window would be
 * good for two thirds, and lets whoever finds nothing look at twice the lines: that is every packet of a flood.
 *
 * The hash (hash.h) has a secret: nobody knows which flows are neighbours, nor can choose any that are.
 *
 * To read: tag, key, home, and the tag again; a finding is true of one moment. The tag's hash is compared
 * before the 40 bytes of the key, so a search touches one cache line as a rule. A home's index is a
 * function of the hash in the tag alone, so a table can be moved into another one of a different size line
 * by line.
 */
#ifndef HOMEWARD_TABLE_H
#define HOMEWARD_TABLE_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/abi.h"
#include "bpf/hash.h"

/* A way home that stays the same is written at most so often. */
#define TOUCH_MS 1000

struct table {
	void *lines; /* the map; in user space the first line */
	__u32 mask;
	const struct settings *settings;
	__u64 now_ns;
};

/* What was found in a line, at one moment. */
struct finding {
	struct line *line;
	__u32 index;
	__u64 tag, home;
};

enum inserted {
	INSERTED,
	INSERT_TOOK,     /* in the place of another flow, which was half-open */
	INSERT_RIVALLED, /* another CPU is inserting the same flow */
	INSERT_REFUSED,  /* the window is full of lines that are not to be given up */
};

/* ---- What differs in user space: how a line is reached, and how a word is read ---------------------------- */

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __always_inline struct line *line_at(const struct table *table, __u32 index)
{
	return bpf_map_lookup_elem(table->lines, &index);
}

static __always_inline __u64 peek(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

static __always_inline void read_before(void)
{
}

/* Zero, which the verifier takes for any number: what is counted from here it does not go through sum by sum. */
static __always_inline __u32 count_from_zero(const struct table *table)
{
	__u64 zero = table->now_ns, same = zero;

	asm volatile("%0 -= %1" : "+r"(zero) : "r"(same));
	return zero;
}
#else
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef AT_EACH_LOOK
#define AT_EACH_LOOK() ((void)0) /* a test's own: here another CPU may be faster */
#endif

static __always_inline struct line *line_at(const struct table *table, __u32 index)
{
	AT_EACH_LOOK();
	return (struct line *)table->lines + index;
}

static __always_inline __u64 peek(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static __always_inline __u32 count_from_zero(const struct table *table)
{
	(void)table;
	return 0;
}

/* What was read before this is not read after it. */
static __always_inline void read_before(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}
#endif

static __always_inline __u32 table_now(const struct table *table)
{
	return table->now_ns / 1000000;
}

static __always_inline bool swap_word(__u64 *word, __u64 old, __u64 new)
{
	return __sync_val_compare_and_swap(word, old, new) == old;
}

/* 1 if it is zero, else 0. Without a branch: the verifier would go both ways, at each line of each window. */
static __always_inline __u32 is_zero(__u64 word)
{
	return 1 - (__u32)((word | -word) >> 63);
}

static __always_inline bool same_key(const struct line_key *a, const struct line_key *b)
{
	const key_word *x = (const key_word *)a, *y = (const key_word *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4];
}

static __always_inline struct line *table_line(
	const struct table *table, __u64 hash, __u32 step, __u32 *index)
{
	*index = (hash + step) & table->mask;
	return line_at(table, *index);
}

/* Who writes may have looked at the clock later than who reads. */
static __always_inline __u32 ms_since(__u32 seen, __u32 now)
{
	__u32 idle = now - seen;

	return idle > -(__u32)CLOCK_AHEAD_MS ? 0 : idle;
}

static __always_inline __u32 idle_ms(__u64 home, __u32 now)
{
	return ms_since(HOME_SEEN(home), now);
}

static __always_inline bool expired(const struct table *table, __u64 tag, __u64 home, __u8 protocol)
{
	return idle_ms(home, table_now(table)) > line_lifetime_ms(table->settings, TAG_STATE(tag), protocol);
}

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

static __always_inline bool table_find(
	const struct table *table, const struct line_key *key, __u64 hash, struct finding *found)
{
	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		struct line *line = table_line(table, hash, step, &found->index);

		if (!line)
			break;
		found->tag = peek(&line->tag);
		if (TAG_STATE(found->tag) == LINE_FREE)
			break;
		if (TAG_HASH(found->tag) != hash || !IN_SERVICE(found->tag) || !same_key(&line->key, key))
			continue;
		found->home = peek(&line->home);
		read_before();
		if (peek(&line->tag) != found->tag || expired(table, found->tag, found->home, key->protocol))
			continue;
		found->line = line;
		return true;
	}
	found->line = NULL;
	return false;
}

/* ---- Inserting --------------------------------------------------------------------------------------------------- */

#define ANY_TUNNEL (~0U)

/* How readily a line gives its place to another flow. Dead before free: searches stay short. */
enum rank { RANK_NEVER, RANK_CLOSING, RANK_HALF_OPEN, RANK_FREE, RANK_DEAD };

/* Half-open lines have no rank of their own: they are looked at when there is no better one. */
static __always_inline enum rank line_rank(
	const struct table *table, const struct line *line, __u64 tag, __u32 idle)
{
	__u32 lifetime = 0;

	if (TAG_STATE(tag) == LINE_FREE)
		return RANK_FREE;
	if (TAG_STATE(tag) == LINE_CLAIMED)
		return RANK_NEVER;
	if (TAG_STATE(tag) != LINE_DEAD)
		lifetime = line_lifetime_ms(table->settings, TAG_STATE(tag), line->key.protocol);
	if (idle > lifetime && idle - lifetime > DEAD_GRACE_MS)
		return RANK_DEAD;
	return TAG_STATE(tag) == LINE_CLOSING ? RANK_CLOSING : RANK_NEVER;
}

/* The best line of the window that is not half-open, by rank, then by idleness. Behind a free line there is nothing. */
static __always_inline enum rank best_line(const struct table *table, __u64 hash, struct finding *chosen)
{
	__u64 best = 0;

	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index;
		struct line *line = table_line(table, hash, step, &index);
		__u64 tag, home, score;
		__u32 idle;

		if (!line)
			break;
		tag = peek(&line->tag);
		home = peek(&line->home);
		idle = idle_ms(home, table_now(table));
		score = (__u64)line_rank(table, line, tag, idle) << 32 | idle;
		if (score >> 32 && score >= best) {
			best = score;
			chosen->index = index;
			chosen->tag = tag;
		}
		if (TAG_STATE(tag) == LINE_FREE)
			break;
	}
	return best >> 32;
}

/* By how many the tunnel's half-open lines of the window are more than those of all others. */
static __always_inline __s32 lead_of(const struct table *table, __u64 hash, __u16 tunnel)
{
	__s32 lead = count_from_zero(table);

	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index;
		struct line *line = table_line(table, hash, step, &index);

		if (!line)
			break;
		lead += (__s32)is_zero(TAG_STATE(peek(&line->tag)) ^ LINE_HALF_OPEN) *
			(2 * (__s32)is_zero(HOME_TUNNEL(peek(&line->home)) ^ tunnel) - 1);
	}
	return lead;
}

/* The tunnel with more than half of them and the new one, found by Boyer and Moore's vote; if none has, the newcomer's. */
static __always_inline __u16 find_crowd(const struct table *table, __u64 hash, __u16 newcomer)
{
	__u32 votes = count_from_zero(table);
	__u16 crowd = newcomer;

	votes++;
	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index;
		struct line *line = table_line(table, hash, step, &index);
		__u16 tunnel;

		if (!line)
			break;
		if (TAG_STATE(peek(&line->tag)) != LINE_HALF_OPEN)
			continue;
		tunnel = HOME_TUNNEL(peek(&line->home));
		if (!votes)
			crowd = tunnel;
		votes += crowd == tunnel ? 1 : -1;
	}
	return lead_of(table, hash, crowd) > 1 ? crowd : newcomer;
}

/* A bit a tunnel, or for 64 of them: those that have two half-open lines in the window, or more. */
static __always_inline __u64 find_crowds(const struct table *table, __u64 hash)
{
	__u64 once = count_from_zero(table), twice = once;

	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index;
		struct line *line = table_line(table, hash, step, &index);
		__u64 bit;

		if (!line)
			break;
		bit = (__u64)is_zero(TAG_STATE(peek(&line->tag)) ^ LINE_HALF_OPEN)
		      << (HOME_TUNNEL(peek(&line->home)) & 63);
		twice |= once & bit;
		once |= bit;
	}
	return twice;
}

/* The longest idle half-open line of a tunnel that has its bit in `crowds`, and this number; ANY_TUNNEL: whatever number. */
static __always_inline bool choose_half_open(
	const struct table *table, __u64 hash, __u64 crowds, __u32 number, struct finding *chosen)
{
	__u32 longest = 0;
	bool any = false;

	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index, idle;
		struct line *line = table_line(table, hash, step, &index);
		__u64 tag, home;

		if (!line)
			break;
		tag = peek(&line->tag);
		home = peek(&line->home);
		idle = idle_ms(home, table_now(table));
		if (TAG_STATE(tag) != LINE_HALF_OPEN || idle < longest)
			continue;
		if (!(crowds >> (HOME_TUNNEL(home) & 63) & 1) ||
			(number != ANY_TUNNEL && HOME_TUNNEL(home) != number))
			continue;
		longest = idle;
		chosen->index = index;
		chosen->tag = tag;
		any = true;
	}
	return any;
}

/* Devices are never half-open. */
static __always_inline enum rank choose_line(const struct table *table, const struct line_key *key,
	__u64 hash, __u16 newcomer, struct finding *chosen)
{
	enum rank rank = best_line(table, hash, chosen);

	if (rank >= RANK_FREE || !key->protocol)
		return rank;
	if (choose_half_open(table, hash, ~0ULL, find_crowd(table, hash, newcomer), chosen) ||
		choose_half_open(table, hash, find_crowds(table, hash), ANY_TUNNEL, chosen))
		return RANK_HALF_OPEN;
	return rank;
}

/* Takes an expired line out of service for good. False: somebody else changes its state. */
static __always_inline bool retire(const struct table *table, struct line *line, __u64 tag, __u64 home)
{
	if (!swap_word(&line->tag, tag, TAG(TAG_HASH(tag), LINE_DEAD)))
		return false;
	swap_word(&line->home, home, HOME(table_now(table), 0, 0, 0));
	return true;
}

/* Whether the flow has, or is about to have, a line besides the one we claimed. What has expired is retired. */
static __always_inline bool has_rival(
	const struct table *table, const struct line_key *key, __u64 hash, __u32 ours)
{
	for (__u32 step = 0; step < TABLE_WINDOW; step++) {
		__u32 index;
		struct line *line = table_line(table, hash, step, &index);
		__u64 tag, home;

		if (!line)
			return false;
		tag = peek(&line->tag);
		if (TAG_STATE(tag) == LINE_FREE)
			return false;
		if (index == ours || TAG_HASH(tag) != hash)
			continue;
		if (TAG_STATE(tag) == LINE_CLAIMED)
			return true;
		if (!IN_SERVICE(tag) || !same_key(&line->key, key))
			continue;
		home = peek(&line->home);
		if (!expired(table, tag, home, key->protocol) || !retire(table, line, tag, home))
			return true;
	}
	return false;
}

/* Takes a claimed line out of service, as of now. */
static __always_inline void bury(const struct table *table, struct line *line, __u64 claimed)
{
	line->home = HOME(table_now(table), 0, 0, 0);
	swap_word(&line->tag, claimed, TAG(TAG_HASH(claimed), LINE_DEAD));
}

/*
 * Gives the flow a line, after it was looked for and not found. `new` brings state (in its tag) and home,
 * and takes the finding.
 */
static __always_inline enum inserted table_insert(
	const struct table *table, const struct line_key *key, __u64 hash, __u64 stamp, struct finding *new)
{
	struct finding chosen = {};
	enum rank rank = choose_line(table, key, hash, HOME_TUNNEL(new->home), &chosen);
	__u64 claimed = TAG(hash, LINE_CLAIMED);
	struct line *line;

	if (rank == RANK_NEVER)
		return INSERT_REFUSED;
	line = line_at(table, chosen.index);
	if (!line)
		return INSERT_REFUSED;
	if (!swap_word(&line->tag, chosen.tag, claimed))
		return INSERT_RIVALLED;
	if (rank == RANK_CLOSING) {
		bury(table, line, claimed);
		return INSERT_REFUSED;
	}
	if (has_rival(table, key, hash, chosen.index)) {
		bury(table, line, claimed);
		return INSERT_RIVALLED;
	}
	line->key = *key;
	line->home = new->home;
	line->stamp = stamp;
	new->line = line;
	new->index = chosen.index;
	new->tag = TAG(hash, TAG_STATE(new->tag));
	swap_word(&line->tag, claimed, new->tag);
	return rank == RANK_HALF_OPEN ? INSERT_TOOK : INSERTED;
}

/* ---- Changing a line in service ---------------------------------------------------------------------------------- */

/* Way home and owner: the home word without its time. */
#define HOME_WAY(home) ((__u32)(home))

/* Notes that the line was used, and its way home and owner. True: these are others than before. */
static __always_inline bool line_touch(const struct table *table, struct finding *found, __u32 way)
{
	bool other = HOME_WAY(found->home) != way;
	__u64 home = (__u64)table_now(table) << 32 | way;

	if (!other && idle_ms(found->home, table_now(table)) < TOUCH_MS)
		return false;
	if (!swap_word(&found->line->home, found->home, home))
		return false;
	found->home = home;
	return other;
}

/* The time in a stamp, and that is the stamp, but for one that is wanted: that one's is within half a year of `about`. */
static __always_inline __u64 stamp_time(__u64 stamp, __u64 about)
{
	__u64 units = about >> STAMP_UNIT_SHIFT;

	if (!STAMP_IS_WANTED(stamp))
		return stamp;
	units += (__s32)(((__u32)(stamp >> 32) - (__u32)units) << 1) >> 1;
	return units << STAMP_UNIT_SHIFT;
}

/* The stamp of a change made now: later than the one that stands there. */
static __always_inline __u64 stamp_after(__u64 stamp, __u64 now)
{
	__u64 old = stamp_time(stamp, now);

	return old < now ? now : old + 1;
}

/*
 * A swap lost to another change is none: that one's stamp is as new. One lost to a late line_want() is tried again, and
 * whoever wants even later sees to it himself.
 */
static __always_inline void line_stamp(struct line *line, __u64 now)
{
	for (int i = 0; i < 2; i++) {
		__u64 old = peek(&line->stamp);

		if (swap_word(&line->stamp, old, stamp_after(old, now)))
			return;
	}
}

/* Moves the line to another state. False: somebody else took it from the state it was found in. */
static __always_inline bool line_become(struct finding *found, enum line_state state)
{
	__u64 tag = TAG(TAG_HASH(found->tag), state);

	if (!swap_word(&found->line->tag, found->tag, tag))
		return false;
	found->tag = tag;
	return true;
}

/* A closing line of TCP serves another connection, as of now. What its SYN-ACK wants is not written over. */
static __always_inline void line_reopen(struct finding *found, __u64 now)
{
	__u64 stamp = peek(&found->line->stamp);

	if (line_become(found, LINE_HALF_OPEN))
		swap_word(&found->line->stamp, stamp, stamp_after(stamp, now));
}

/* The stamp with what the device must acknowledge: the time in it stays. */
static __always_inline __u64 wanted_of(__u64 stamp, __u64 now, __u32 acknowledgement)
{
	if (STAMP_IS_WANTED(stamp))
		return (stamp & ~(__u64)~0U) | acknowledgement;
	return STAMP_WANTED(stamp < STAMP_TIMES ? now : stamp, acknowledgement);
}

static __always_inline void line_want(struct finding *found, __u64 now, __u32 acknowledgement)
{
	__u64 stamp = peek(&found->line->stamp);

	if (peek(&found->line->tag) == found->tag &&
		swap_word(&found->line->stamp, stamp, wanted_of(stamp, now, acknowledgement)) &&
		peek(&found->line->tag) != found->tag)
		line_stamp(found->line, now);
}

/* ---- Merging what another gateway says ----------------------------------------------------------------------- */

#define MERGE_ATTEMPTS 4

enum merged {
	MERGED,
	MERGE_KNOWN, /* the line says so already, or something newer; or the record is too old to be kept */
	MERGE_RIVALLED, /* packets were faster, again and again: the next record will do */
	MERGE_REFUSED,  /* the flow has no line, and none was to be had */
};

/* In this state the stamp is of no change that was told. */
static __always_inline bool is_unproved(__u8 state, __u8 protocol)
{
	enum { NUMBER_TCP = 6 }; /* as in abi.h */

	return state == LINE_HALF_OPEN && protocol == NUMBER_TCP;
}

/* The two home words differ by their time at most: the later one. */
static __always_inline __u64 later_home(__u64 home, __u64 other, __u32 now)
{
	return idle_ms(home, now) <= idle_ms(other, now) ? home : other;
}

/* Swaps a word of a line, unless it says so already. */
static __always_inline bool swap_if_other(__u64 *word, __u64 old, __u64 new)
{
	return old == new || swap_word(word, old, new);
}

static __always_inline enum merged line_merge(
	const struct table *table, struct finding *found, __u8 protocol, __u8 state, __u64 home, __u64 stamp)
{
	__u64 *stamped = &found->line->stamp, old = peek(stamped), since = stamp_time(old, stamp);
	bool unproved = is_unproved(TAG_STATE(found->tag), protocol);
	__u64 seen = later_home(found->home, home, table_now(table)) & ~(__u64)~0U;

	if (!unproved && stamp == old && HOME_WAY(home) == HOME_WAY(found->home))
		return swap_if_other(&found->line->home, found->home, seen | HOME_WAY(home)) ? MERGE_KNOWN
											     : MERGE_RIVALLED;
	if (stamp < since)
		return MERGE_KNOWN;
	if (stamp == since && (unproved || HOME_GATEWAY(home) <= HOME_GATEWAY(found->home)))
		return MERGE_KNOWN;
	if (!swap_if_other(&found->line->home, found->home, seen | HOME_WAY(home)))
		return MERGE_RIVALLED;
	if (state != TAG_STATE(found->tag) && !line_become(found, state))
		return MERGE_RIVALLED;
	if (swap_if_other(stamped, old, stamp))
		return MERGED;
	if (unproved) /* a line_want() came in between: what it waits for is not waited for any more */
		line_stamp(found->line, stamp);
	return MERGE_RIVALLED;
}

/*
 * What another gateway says of a flow or device: its state, established or closing, since what is half-open nobody tells;
 * its way home, owner and when it was last seen, in a home word by our clock; and its stamp.
 */
static __always_inline enum merged table_merge(const struct table *table, const struct line_key *key,
	__u64 hash, __u8 state, __u64 home, __u64 stamp)
{
	enum merged merged = MERGE_RIVALLED;

	if (state == LINE_HALF_OPEN || expired(table, TAG(hash, state), home, key->protocol))
		return MERGE_KNOWN;
	for (int i = 0; i < MERGE_ATTEMPTS && merged == MERGE_RIVALLED; i++) {
		struct finding found = {};

		if (table_find(table, key, hash, &found)) {
			merged = line_merge(table, &found, key->protocol, state, home, stamp);
			continue;
		}
		found.tag = state;
		found.home = home;
		switch (table_insert(table, key, hash, stamp, &found)) {
		case INSERTED:
		case INSERT_TOOK:
			return MERGED;
		case INSERT_REFUSED:
			return MERGE_REFUSED;
		case INSERT_RIVALLED:
			break;
		}
	}
	return merged;
}

#endif
