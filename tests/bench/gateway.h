/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway of a measured array: the daemon's own parts (core, channel, lines, tables) without its event loop, its ring
 * buffer and its maps. Gateway n is a process of its own and has the address 127.0.0.n. Whatever cannot be done ends it.
 */
#ifndef BENCH_GATEWAY_H
#define BENCH_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "array/array.h"
#include "channel.h"
#include "lines.h"

#define GATEWAYS_MAX 64
#define LINES        (1 << 21)

struct gateway {
	uint8_t number, count; /* of how many */
	struct flow_table flows, devices;
	struct lines lines;
	struct channel *channel;
	struct array_core *core;
	uint64_t datagrams, bytes; /* sent; bytes are those of IPv4 */
};

/* Its tables, in memory from the start, and none else of it. */
void gateway_make(struct gateway *gateway, uint8_t number, uint8_t count);
/* It opens its channel and begins to talk to the others. */
void gateway_join(struct gateway *gateway);
/* One turn of what the daemon's event loop does; waits for a millisecond at most. */
void gateway_turn(struct gateway *gateway);
/* The n-th flow: into its table, as the programs would, and, when it has joined, to the others. */
void gateway_learn(struct gateway *gateway, uint32_t n);

uint32_t gateway_flows(const struct gateway *gateway);

/* What the process has used until now. */
struct usage {
	double cpu_seconds;
	double memory_mib; /* at most, without the tables */
};
struct usage gateway_usage(void);

#endif
