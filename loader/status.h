/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status: what *is*, as the model is what is wanted. main fills it from what apply, health and bird
 * report; ctl shows it. Nobody else writes. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

enum session_state { SESSION_OFF, SESSION_DOWN, SESSION_UP }; /* off: not configured */

struct tunnel_status {
	const struct tunnel *tunnel;
	uint32_t ifindex;   /* 0: there is no such interface now */
	const char *driver; /* "wireguard" (the kernel's), "wireguard-go" */
	bool usable;        /* responses may leave here */
	uint64_t usable_since_ms;
	enum session_state bfd, bgp;
	char bgp_text[48]; /* the daemon's own word: "Established", "Active", … */
	uint64_t bgp_since_ms;
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	uint64_t handshake_age_ms; /* UINT64_MAX: never */
};

struct loopback_status {
	const struct loopback *loopback;
	bool announced;
};

struct status {
	const struct model *model;
	uint64_t started_ms;
	bool bird_running;
	const char *attach; /* "tcx" or "clsact": how return_egress is attached to home0; NULL: not */
	const char *xdp;    /* "native", "generic" or "none" */
	struct tunnel_status *tunnels;     /* model->tunnel_count, in the model's order */
	struct loopback_status *loopbacks; /* model->loopback_count, in the model's order */
};

#endif
