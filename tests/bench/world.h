/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway of the bench knows: the programs with maps that are pinned nowhere, tables of the size that gwd gives
 * them, or one that is half full with a million flows, and as many lines for devices, a provider for each tunnel, and a member behind the uplink. Tunnel
 * and provider n + 1 are of interface first + n. Each flow is of UDP, between port 40000 of a device of its own and port
 * 7547 of the loopback.
 */
#ifndef TESTS_BENCH_WORLD_H
#define TESTS_BENCH_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/gateway.skel.h"
#include "bpf/uplink_xdp.skel.h"
#include "tests/bench/generate.h"
#include "tests/bpf/packet.h"

#define LINES_DEFAULT (1U << 18) /* of flows, as gwd has if nothing is said */
#define WORLD_LINES   (1U << 21)
#define WORLD_GATEWAY 1
#define WORLD_MEMBER  2
#define WORLD_MAC     "02:00:00:00:00:11" /* of the uplink */
#define WORLD_HOME_MAC                             \
	{                                          \
		0x02, 0x68, 0x6f, 0x6d, 0x65, 0x30 \
	}

struct world {
	struct gateway_bpf *gateway;
	struct uplink_xdp_bpf *xdp;
	struct settings settings; /* change, then world_settings() */
	struct line *flows, *devices;
	struct line_counters *counters;
};

extern struct world world;

/* `home`: home0's interface. */
void world_open(uint32_t home);
void world_settings(void);
/* 2 to the power of `bits` tunnels; the member has as many of the same providers', behind them by number. */
void world_tunnels(unsigned bits, uint32_t first_interface);
/*
 * All flows are forgotten, and the numbers below `flows` known, whose way home is `gateway`'s. How many of them found no
 * line: these go by their devices.
 */
uint32_t world_flows(const struct recipe *recipe, enum family family, uint32_t flows, uint8_t gateway);
/* Whether the flow has a line in service. */
bool world_knows(const struct line_key *flow);
/* XDP may send by this uplink. */
void world_turning(uint32_t uplink, bool may);
uint64_t world_count(enum reason reason);
/* What is told of changes is read, as gwd does. */
void world_hear_changes(void);

/* A recipe's packets: from the device to the loopback, or back; behind Ethernet or not. */
enum direction_of_packet { REQUEST, RESPONSE };
void recipe_write(
	struct recipe *recipe, enum direction_of_packet direction, enum family family, bool ethernet);
/* From as many hosts to a port of the machine's own address. */
void recipe_flood(struct recipe *recipe, enum family family, uint16_t port);
/* The flow of a number. */
struct line_key flow_of(const struct recipe *recipe, enum family family, uint32_t number);

#endif
