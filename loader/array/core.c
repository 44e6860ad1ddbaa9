// SPDX-License-Identifier: Apache-2.0
/* The core: its life, what comes to which part, when whose time is. */
#include "array/private.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/cleanup.h"

/* ---- Members --------------------------------------------------------------------------------------------------------- */

static void peer_free(struct peer *peer)
{
	inventory_reset(peer);
	sodium_memzero(peer, sizeof(*peer));
	free(peer);
}

static struct peer *peer_new(struct array_core *core, uint8_t number, struct array_time now)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->number = number;
	peer->state = MEMBER_SUSPECT;
	peer->since_ms = now.ms;
	peer->told_slots = SLOTS_UNTOLD;
	stream_reset(peer, 0);
	session_begin(core, peer, now);
	return peer;
}

static bool is_among(const uint8_t *members, size_t count, uint8_t number)
{
	return count > 0 && memchr(members, number, count);
}

/* Who is new gets a place; nobody is lost when there is no memory for all. */
static int make_places(struct array_core *core, const uint8_t *members, size_t count, struct peer **places,
	struct array_time now)
{
	for (size_t i = 0; i < count; i++) {
		struct peer *known = core->by_number[members[i]];

		places[i] = known ? known : peer_new(core, members[i], now);
		if (places[i])
			continue;
		while (i-- > 0)
			if (places[i] != core->by_number[members[i]])
				peer_free(places[i]);
		return -ENOMEM;
	}
	return 0;
}

int array_set_members(struct array_core *core, const uint8_t *members, size_t count, struct array_time now)
{
	struct peer **places = calloc(count + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	if (make_places(core, members, count, places, now) < 0) {
		free(places);
		return -ENOMEM;
	}
	FOR_EACH_PEER (core, peer)
		if (!is_among(members, count, peer->number)) {
			core->by_number[peer->number] = NULL;
			peer_free(peer);
		}
	free(core->peers);
	core->peers = places;
	core->peer_count = count;
	for (size_t i = 0; i < count; i++)
		core->by_number[members[i]] = places[i];
	return 0;
}

/* ---- Life ------------------------------------------------------------------------------------------------------------- */

void array_set_keys(struct array_core *core, const struct array_keys *keys)
{
	core->keys = *keys;
	for (size_t i = 0; i < keys->count; i++)
		key_derive(
			keys->keys[i].bytes, "homeward hello 1", "", 0, core->hello_keys[i], ARRAY_KEY_SIZE);
	FOR_EACH_PEER (core, peer)
		session_derive(core, peer);
}

void array_set_tables(struct array_core *core, uint64_t lines, const struct settings *lifetimes)
{
	if (lines != core->lines)
		core->refresh.line = core->refresh.flows = 0;
	core->lines = lines;
	core->lifetimes = *lifetimes;
}

/* Written to, so that the memory is ours from the start and does not grow with the traffic. */
static struct batch *make_batches(void)
{
	struct batch *batches = malloc(BATCHES_KEPT * sizeof(*batches));

	for (size_t i = 0; batches && i < BATCHES_KEPT; i++)
		batches[i].number = batches[i].size = 0;
	return batches;
}

struct array_core *array_new(uint8_t gateway, const struct array_keys *keys,
	const struct array_effects *effects, struct array_time now)
{
	struct array_core *core = calloc(1, sizeof(*core));

	if (!core || sodium_init() < 0) {
		free(core);
		return NULL;
	}
	core->gateway = gateway;
	core->effects = *effects;
	core->born_ms = core->seen_ms = core->heartbeat_ms = core->refresh.began_ms = now.ms;
	core->carrier = true;
	core->outgoing.flush_ms = NEVER;
	core->outgoing.kept = make_batches();
	if (!core->outgoing.kept) {
		array_free(core);
		return NULL;
	}
	effects->random(effects->self, &core->outgoing.stream, sizeof(core->outgoing.stream));
	core->outgoing.stream |= 1; /* 0 says that it is not known */
	array_set_keys(core, keys);
	return core;
}

void array_free(struct array_core *core)
{
	if (!core)
		return;
	FOR_EACH_PEER (core, peer)
		peer_free(peer);
	free(core->peers);
	free(core->tunnels);
	free(core->outgoing.kept);
	sodium_memzero(core, sizeof(*core));
	free(core);
}

/* ---- Heartbeats ---------------------------------------------------------------------------------------------------- */

/* Before all else that is to be done: whatever that takes, we are heard. */
static void heartbeats(struct array_core *core, struct array_time now)
{
	if (now.ms < core->heartbeat_ms)
		return;
	core->heartbeat_ms = now.ms + ARRAY_HEARTBEAT_MS;
	FOR_EACH_PEER (core, peer)
		heartbeat_send(core, peer, now);
}

/* ---- Datagrams ---------------------------------------------------------------------------------------------------------- */

typedef bool take(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);

static take *const takes[MESSAGE_COUNT] = {
	[MESSAGE_HEARTBEAT] = take_heartbeat,
	[MESSAGE_BATCH] = take_batch,
	[MESSAGE_MISSING] = take_missing,
	[MESSAGE_GONE] = take_gone,
	[MESSAGE_SNAPSHOT_ASK] = take_snapshot_ask,
	[MESSAGE_SNAPSHOT_PART] = take_snapshot_part,
	[MESSAGE_INVENTORY_ASK] = take_inventory_ask,
	[MESSAGE_INVENTORY] = take_inventory,
};

static void receive_sealed(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, struct array_time now)
{
	uint8_t text[TEXT_MAX];
	int opened = open_sealed(core, peer, header, datagram, size, text);
	struct reader reader = reader_of(text, opened < 0 ? 0 : (size_t)opened);

	if (opened == -ESTALE)
		session_answer(core, peer, now);
	if (opened < 0)
		return;
	if (header->type >= MESSAGE_COUNT || !takes[header->type] ||
		!takes[header->type](core, peer, &reader, now)) {
		refuse(core, peer, ARRAY_REFUSED_malformed);
		return;
	}
	peer->counts.datagrams_received++;
	member_heard(core, peer, now);
}

void array_receive(struct array_core *core, const void *datagram, size_t size, struct array_time now)
{
	struct header header;
	struct peer *peer;

	members_awake(core, now);
	heartbeats(core, now);
	if (header_read(core, datagram, size, &header) < 0)
		return;
	peer = core->by_number[header.sender];
	if (header.type == MESSAGE_HELLO)
		session_hear(core, peer, &header, datagram, size, now);
	else
		receive_sealed(core, peer, &header, datagram, size, now);
	ready_judge(core, now);
}

/* ---- Time ------------------------------------------------------------------------------------------------------------------ */

void array_tick(struct array_core *core, struct array_time now)
{
	members_awake(core, now);
	heartbeats(core, now);
	refresh_tick(core, now);
	if (now.ms >= core->outgoing.flush_ms)
		stream_flush(core, now);
	silence_judge(core, now);
	FOR_EACH_PEER (core, peer) {
		session_tick(core, peer, now);
		member_judge(core, peer, now);
		stream_tick(core, peer, now);
		reading_tick(core, peer, now);
	}
	giving_tick(core);
	ready_judge(core, now);
}

static uint64_t sooner(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

static uint64_t peer_deadline(const struct peer *peer)
{
	uint64_t deadline = peer->session.stands ? NEVER : peer->session.hello_ms;

	if (peer->asked.range_count > 0)
		return 0;
	if (peer->state != MEMBER_ALIVE)
		return deadline;
	deadline = sooner(deadline, peer->heard_ms + ARRAY_SUSPECT_MS);
	return sooner(deadline, sooner(peer->incoming.ask_ms, peer->reading.ask_ms));
}

uint64_t array_deadline(const struct array_core *core)
{
	uint64_t deadline = sooner(core->heartbeat_ms, core->outgoing.flush_ms);

	if (core->lines > 0)
		deadline = sooner(deadline, core->refresh.due_ms);
	FOR_EACH_PEER (core, peer)
		deadline = sooner(deadline, peer_deadline(peer));
	return deadline;
}
