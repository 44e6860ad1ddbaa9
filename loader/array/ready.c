// SPDX-License-Identifier: Apache-2.0
/*
 * When do we know what the array knows? A ready member has it all: who reads its whole table is ready too, and needs of
 * the others only what is theirs. Where nobody is ready, all boot at once, or the array was cut to pieces: then it is
 * known when every member's table has been read. What each of them says is "I am empty too" in most cases.
 */
#include "array/private.h"

static bool is_read_whole(const struct peer *peer)
{
	return peer->reading.scope == SCOPE_ALL || peer->reading.done == SCOPE_ALL;
}

/* It was ready when the reading of all began: that it became so meanwhile says nothing of what we read before. */
static bool is_source(const struct peer *peer)
{
	return peer->state == MEMBER_ALIVE &&
	       (peer->reading.done_ready || (peer->reading.scope == SCOPE_ALL && peer->reading.from_ready));
}

static bool have_source(const struct array_core *core)
{
	FOR_EACH_PEER (core, peer)
		if (is_source(peer))
			return true;
	return false;
}

enum scope ready_scope(const struct array_core *core, const struct peer *peer)
{
	return core->ready || (peer->ready && have_source(core)) ? SCOPE_OWN : SCOPE_ALL;
}

/* The source may have gone meanwhile: another one, or, while nobody is ready, everybody. */
static void find_source(struct array_core *core)
{
	if (have_source(core))
		return;
	FOR_EACH_PEER (core, peer) {
		if (peer->state != MEMBER_ALIVE || !peer->incoming.begun)
			continue;
		if (peer->ready) {
			reading_begin(peer, SCOPE_ALL);
			return;
		}
		if (!is_read_whole(peer))
			reading_begin(peer, SCOPE_ALL);
	}
}

static bool judge(const struct array_core *core, uint64_t waited_ms)
{
	size_t alive = 0, read = 0;

	FOR_EACH_PEER (core, peer) {
		if (peer->reading.done_ready)
			return true;
		alive += peer->state == MEMBER_ALIVE;
		read += peer->state == MEMBER_ALIVE && peer->reading.done == SCOPE_ALL;
	}
	if (alive == core->peer_count || waited_ms >= ARRAY_WAIT_MS)
		return read == alive || waited_ms >= ARRAY_WAIT_MOST_MS;
	return false;
}

void ready_judge(struct array_core *core, struct array_time now)
{
	if (core->ready)
		return;
	core->ready = judge(core, now.ms - core->born_ms);
	if (!core->ready)
		find_source(core);
}

bool array_ready(const struct array_core *core)
{
	return core->ready;
}
