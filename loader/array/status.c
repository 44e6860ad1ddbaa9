// SPDX-License-Identifier: Apache-2.0
/* What can be seen of a member. */
#include "array/private.h"

#include <stdlib.h>

const struct array_refusal_words array_refusals[ARRAY_REFUSAL_COUNT] = {
#define X(name, words) {#name, words},
	ARRAY_REFUSALS(X)
#undef X
};

static int by_lag(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return (a > b) - (a < b);
}

/* Of the last minute, by the core's last look at the clock. */
static size_t recent_lags(const struct array_core *core, const struct peer *peer, uint32_t lags[LAGS_KEPT])
{
	size_t kept = peer->lag_count < LAGS_KEPT ? peer->lag_count : LAGS_KEPT, count = 0;

	for (size_t i = 0; i < kept; i++)
		if (core->seen_ms - peer->lags[i].at_ms < LAG_AGE_MS)
			lags[count++] = peer->lags[i].us;
	return count;
}

static void show_lags(const struct array_core *core, const struct peer *peer, struct array_status *status)
{
	uint32_t lags[LAGS_KEPT];
	size_t count = recent_lags(core, peer, lags);

	status->lag_p50_us = status->lag_p99_us = status->lag_most_us = ARRAY_LAG_UNKNOWN;
	if (count == 0)
		return;
	qsort(lags, count, sizeof(*lags), by_lag);
	status->lag_p50_us = lags[(count - 1) / 2];
	status->lag_p99_us = lags[(count - 1) * 99 / 100];
	status->lag_most_us = lags[count - 1];
}

bool array_status(const struct array_core *core, uint8_t member, struct array_status *status)
{
	const struct peer *peer = core->by_number[member];

	if (!peer)
		return false;
	*status = (struct array_status){
		.state = peer->state,
		.session = peer->session.stands,
		.serving = peer->serving,
		.ready = peer->ready,
		.stops = peer->stops,
		.flows = peer->flows,
		.heard_ms = peer->heard_ms,
		.since_ms = peer->since_ms,
		.skew_ns = member_skew(peer),
		.clock_slots = (int16_t)(peer->told_slots == SLOTS_UNTOLD ? 0 : peer->told_slots),
		.reading = peer->reading.scope != SCOPE_NONE,
		.missing = stream_missing(peer),
		.counts = peer->counts,
	};
	show_lags(core, peer, status);
	return true;
}

const uint64_t *array_refused(const struct array_core *core)
{
	return core->refused;
}
