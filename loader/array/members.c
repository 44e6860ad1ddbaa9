// SPDX-License-Identifier: Apache-2.0
/* Heartbeats, and what they say of a member: whether it lives, whether it serves, how far its clock is from ours. */
#include "array/private.h"

#include <stdlib.h>

#define HEARTBEAT_TEXT_MAX 64
#define SKEW_STEP_NS       1000000000LL
#define SKEW_MOST_NS       (INT64_MAX / 4) /* whatever a member says: 73 years */
#define DEAF_MS            300             /* our own timers are never that far apart while we run */

enum heartbeat_flags { FLAG_SERVING = 1, FLAG_READY = 2, FLAG_STOPS = 4 };

void heartbeat_send(struct array_core *core, struct peer *peer, struct array_time now)
{
	uint8_t text[HEARTBEAT_TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text));

	put_u64(&writer, now.wall_ns);
	put_u64(&writer, core->outgoing.newest);
	put_u64(&writer, core->flows);
	put_u32(&writer, core->walks);
	put_u32(&writer, core->tunnels_version);
	put_u8(&writer, (core->serving ? FLAG_SERVING : 0) | (core->ready ? FLAG_READY : 0) |
				(core->stops ? FLAG_STOPS : 0));
	send_sealed(core, peer, MESSAGE_HEARTBEAT, &writer);
}

/* ---- Clocks ---------------------------------------------------------------------------------------------------------- */

/* The way of a heartbeat makes its clock seem slow: the one that seemed least so was the quickest. */
int64_t member_skew(const struct peer *peer)
{
	size_t count = peer->skew_count < SKEWS_KEPT ? peer->skew_count : SKEWS_KEPT;
	int64_t skew = count > 0 ? peer->skews[0] : 0;

	for (size_t i = 1; i < count; i++)
		if (peer->skews[i] > skew)
			skew = peer->skews[i];
	return skew;
}

/* A clock that was set makes what was measured before worth nothing. */
static void note_skew(struct peer *peer, int64_t skew)
{
	if (skew > SKEW_MOST_NS)
		skew = SKEW_MOST_NS;
	if (skew < -SKEW_MOST_NS)
		skew = -SKEW_MOST_NS;
	if (llabs(skew - member_skew(peer)) > SKEW_STEP_NS)
		peer->skew_count = peer->lag_count = 0;
	peer->skews[peer->skew_count++ % SKEWS_KEPT] = skew;
}

/* To the nearest: then sender and receiver agree but for one slot, which relays are allowed. */
static int16_t slots_of(int64_t skew)
{
	int64_t slots = (skew + (1LL << (RELAY_SLOT_SHIFT - 1))) >> RELAY_SLOT_SHIFT;

	if (slots > INT16_MAX)
		return INT16_MAX;
	return slots < INT16_MIN ? INT16_MIN : (int16_t)slots;
}

static void tell_slots(struct array_core *core, struct peer *peer)
{
	int16_t slots = slots_of(member_skew(peer));

	if (slots == peer->told_slots || !core->effects.clock_changed)
		return;
	peer->told_slots = slots;
	core->effects.clock_changed(core->effects.self, peer->number, slots);
}

/* What was refused since our clock was behind, or its ahead, is read again when they agree. */
static void read_refused(struct peer *peer, uint64_t wall_ns, struct array_time now)
{
	int64_t ahead_ns = (int64_t)(wall_ns - now.wall_ns);

	if (!peer->ahead || now.ms < peer->again_ms || ahead_ns > ARRAY_AHEAD_MOST_MS * 1000000LL)
		return;
	peer->ahead = false;
	peer->again_ms = now.ms + ARRAY_AHEAD_MOST_MS;
	reading_begin(peer, SCOPE_OWN);
}

/* ---- Heartbeats that come -------------------------------------------------------------------------------------------- */

bool take_heartbeat(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	uint64_t wall_ns = get_u64(reader), newest = get_u64(reader), flows = get_u64(reader);
	uint32_t walks = get_u32(reader), version = get_u32(reader);
	uint8_t flags = get_u8(reader);
	bool begun = peer->incoming.begun;

	if (!read_whole(reader) || newest > NUMBER_MOST)
		return false;
	note_skew(peer, (int64_t)(wall_ns - now.wall_ns));
	tell_slots(core, peer);
	peer->flows = flows;
	peer->serving = flags & FLAG_SERVING;
	peer->ready = flags & FLAG_READY;
	peer->stops = flags & FLAG_STOPS;
	stream_newest(core, peer, newest, now);
	if (begun && walks != peer->walks)
		reading_begin(peer, SCOPE_OWN);
	peer->walks = walks;
	read_refused(peer, wall_ns, now);
	inventory_version(core, peer, version);
	return true;
}

void array_set_serving(struct array_core *core, bool serving, struct array_time now)
{
	if (core->serving == serving)
		return;
	core->serving = serving;
	FOR_EACH_PEER (core, peer)
		heartbeat_send(core, peer, now);
}

void array_stop(struct array_core *core, struct array_time now)
{
	core->stops = true;
	core->serving = false;
	FOR_EACH_PEER (core, peer)
		heartbeat_send(core, peer, now);
}

void array_lost_change(struct array_core *core)
{
	core->walks++;
}

/* ---- Alive, suspect, dead ---------------------------------------------------------------------------------------------- */

static enum member_state state_of(
	const struct array_core *core, const struct peer *peer, struct array_time now)
{
	bool was_heard = peer->heard_ms != 0;
	uint64_t heard_ms = was_heard ? peer->heard_ms : peer->since_ms;
	uint64_t silent_ms = now.ms - (heard_ms > core->rejoined_ms ? heard_ms : core->rejoined_ms);
	uint64_t most_ms = silence_most_ms(was_heard, core->isolated);

	if (was_heard && peer->session.stands && now.ms - heard_ms < ARRAY_SUSPECT_MS)
		return MEMBER_ALIVE;
	if ((peer->state != MEMBER_DEAD && silent_ms < most_ms) ||
		core->effects.relay_silent_ms(core->effects.self, peer->number) < ARRAY_DEAD_MS)
		return MEMBER_SUSPECT;
	return MEMBER_DEAD;
}

void member_judge(struct array_core *core, struct peer *peer, struct array_time now)
{
	enum member_state state = state_of(core, peer, now);

	if (state == peer->state && peer->serving == peer->told_serving)
		return;
	peer->state = state;
	peer->told_serving = peer->serving;
	core->effects.member_changed(core->effects.self, peer->number, state, peer->serving);
}

void member_heard(struct array_core *core, struct peer *peer, struct array_time now)
{
	peer->heard_ms = now.ms;
	silence_broken(core, now);
	member_judge(core, peer, now);
}

static uint64_t moved(uint64_t moment_ms, uint64_t gap_ms, struct array_time now)
{
	return moment_ms + gap_ms < now.ms ? moment_ms + gap_ms : now.ms;
}

void members_awake(struct array_core *core, struct array_time now)
{
	uint64_t gap_ms = now.ms - core->seen_ms;

	core->seen_ms = now.ms;
	if (gap_ms < DEAF_MS)
		return;
	FOR_EACH_PEER (core, peer) {
		peer->since_ms = moved(peer->since_ms, gap_ms, now);
		if (peer->heard_ms != 0)
			peer->heard_ms = moved(peer->heard_ms, gap_ms, now);
	}
}
