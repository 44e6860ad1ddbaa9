/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When is a drop news? Not each one: a spoofer makes thousands. A reason is told of when packets are dropped for it
 * after DROPS_QUIET_MS without one. Pure: main brings the counters and the time, every second or so.
 */
#ifndef CTL_DROPS_H
#define CTL_DROPS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"

#define DROPS_QUIET_MS 60000

struct drops {
	bool known; /* false: the first counters are what an earlier daemon saw, and no news */
	uint64_t packets[REASON_COUNT];
	uint64_t last_ms[REASON_COUNT]; /* when it was seen to rise last; 0: never */
	bool news[REASON_COUNT];
};

/* New counters. Whether a reason is news, and of how many packets: drops_next_news(). */
void drops_report(struct drops *drops, const struct reason_count totals[REASON_COUNT], uint64_t now_ms);
/* The next reason that is news, once; REASON_COUNT: no more. */
unsigned drops_next_news(struct drops *drops);

#endif
