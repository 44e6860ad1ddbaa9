// SPDX-License-Identifier: Apache-2.0
/*
 * Whose silence is it? Who hears nobody may be the one that is cut off, and then it is he who is gone, to the others. To
 * take them for dead would end connections that live, so silence that may be our own doing is borne for longer:
 *
 *  - A member that was never heard: we have only just begun, or it, or what is between us.
 *  - None is heard, and our uplinks have no carrier, or had none a moment ago.
 *  - None is heard, and several fell silent at the same time: the likelier cause is one, here, than several there.
 *
 * Not for ever: when ARRAY_DOUBT_MS are over it counts as everybody's. Routers had that long to leave us, since who is
 * isolated says that it leaves; what comes by us still has nowhere else to go, and an answer, if only a reset, is more
 * than none. In an array of two a silent member and a silent uplink whose carrier stays look the same: that is taken for
 * the member's death.
 */
#include "array/private.h"

/*
 * A relay says that we are heard for half the time after which silence is death: else whoever relayed last would hide from
 * us that we are cut off until the others are dead. Less would not do: what a kernel whose gwd is away refuses comes once a
 * second.
 */
#define RELAY_HEARD_MS (ARRAY_DEAD_MS / 2)

bool silence_is_ours(const struct silence *silence, bool carrier)
{
	bool at_once =
		silence->fell_silent > 1 && silence->longest_ms - silence->shortest_ms <= ARRAY_SUSPECT_MS;

	return silence->total && (!carrier || at_once);
}

uint64_t silence_most_ms(bool was_heard, bool is_ours)
{
	return was_heard && !is_ours ? ARRAY_DEAD_MS : ARRAY_DOUBT_MS;
}

static uint64_t sooner(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static uint64_t later(uint64_t one, uint64_t other)
{
	return one > other ? one : other;
}

static bool is_heard(const struct peer *peer, struct array_time now)
{
	return peer->heard_ms != 0 && now.ms - peer->heard_ms < ARRAY_SUSPECT_MS;
}

static bool is_any_heard(const struct array_core *core, struct array_time now)
{
	FOR_EACH_PEER (core, peer)
		if (is_heard(peer, now))
			return true;
	FOR_EACH_PEER (core, peer)
		if (core->effects.relay_silent_ms(core->effects.self, peer->number) < RELAY_HEARD_MS)
			return true;
	return false;
}

/* A death that is known, and an end that was told, are no riddle. */
static void add(struct silence *silence, const struct peer *peer, struct array_time now)
{
	uint64_t silent_ms = now.ms - peer->heard_ms;

	if (peer->heard_ms == 0 || peer->state == MEMBER_DEAD || peer->stops)
		return;
	silence->fell_silent++;
	silence->shortest_ms = sooner(silence->shortest_ms, silent_ms);
	silence->longest_ms = later(silence->longest_ms, silent_ms);
}

/* Somebody is heard again: whoever is there too has as long to show it as anybody who is heard. */
static void rejoin(struct array_core *core, struct array_time now)
{
	if (core->isolated)
		core->rejoined_ms = now.ms;
	core->isolated = false;
}

void silence_judge(struct array_core *core, struct array_time now)
{
	struct silence silence = {.shortest_ms = NEVER};
	bool carrier = core->carrier && now.ms >= core->trust_carrier_ms;

	silence.total = core->peer_count > 0 && !is_any_heard(core, now);
	FOR_EACH_PEER (core, peer)
		add(&silence, peer, now);
	if (!silence.total)
		rejoin(core, now);
	else
		core->isolated = silence_is_ours(&silence, carrier);
}

void silence_broken(struct array_core *core, struct array_time now)
{
	rejoin(core, now);
	core->trust_carrier_ms = 0; /* it has proved itself */
}

void array_set_carrier(struct array_core *core, bool carrier, struct array_time now)
{
	if (core->carrier == carrier)
		return;
	core->carrier = carrier;
	core->trust_carrier_ms = now.ms + ARRAY_DOUBT_MS;
	silence_judge(core, now);
}

bool array_isolated(const struct array_core *core)
{
	return core->isolated;
}
