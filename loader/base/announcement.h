/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is announced just now, and by which tunnels: health decides it, bird/ tells it to the neighbours; and what they
 * announce to us.
 */
#ifndef BASE_ANNOUNCEMENT_H
#define BASE_ANNOUNCEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

/* An operator takes a tunnel out of service: what is announced there is leaving for a moment, then there is nothing. */
enum voice { VOICE_SPEAKS, VOICE_LEAVES, VOICE_SILENT };

/* In the order of the model's loopbacks and tunnels. */
struct announcement {
	const bool *loopbacks;
	const enum voice *tunnels;
	bool leaving;   /* everywhere: the gateway is about to withdraw, or hears no member */
	bool withdrawn; /* nothing at all: routers hear no more of what tunnels import either */
	/* A tunnel each: probes through it fail, so what comes by it is told to no router. */
	const bool *unproven;
};

/* What the neighbour at the other end of a tunnel announces, of what is imported. */
struct told_route {
	uint16_t tunnel; /* its number */
	struct prefix prefix;
	bool leaving; /* it says that it is about to take it back (RFC 8326) */
};

#endif
