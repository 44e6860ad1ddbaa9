// SPDX-License-Identifier: Apache-2.0
#include "ctl/drops.h"

#include "ctl/rows.h"

void drops_report(struct drops *drops, const struct reason_count totals[REASON_COUNT], uint64_t now_ms)
{
	for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
		bool rose = drops->known && totals[reason].packets > drops->packets[reason];
		uint64_t last = drops->last_ms[reason];

		drops->packets[reason] = totals[reason].packets;
		if (!rose || !reason_is_drop(reason))
			continue;
		drops->news[reason] |= last == 0 || now_ms - last > DROPS_QUIET_MS;
		drops->last_ms[reason] = now_ms;
	}
	drops->known = true;
}

unsigned drops_next_news(struct drops *drops)
{
	for (unsigned reason = 0; reason < REASON_COUNT; reason++)
		if (drops->news[reason]) {
			drops->news[reason] = false;
			return reason;
		}
	return REASON_COUNT;
}
