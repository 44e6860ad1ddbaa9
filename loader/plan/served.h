/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration says that is served at an uplink, and by whom it may be asked for: what its filter lets in beside
 * what sockets of this machine wait for (bpf/serve.h).
 *
 * A tunnel's port takes packets from its peer, where the configuration has its address, else from anybody, since whoever
 * roams may come from anywhere. The inside, the gateways and the routers are let in whatever they send: they are ours, and
 * an ICMP error or a RST that we owe them must be theirs (members hear by it that a gwd is away; array/silence.h).
 *
 * Pure: no I/O, no memory.
 */
#ifndef PLAN_SERVED_H
#define PLAN_SERVED_H

#include "model.h"

enum served_kind {
	SERVED_PORT,     /* a port of TCP and UDP, though there be no socket */
	SERVED_PROTOCOL, /* a protocol beside TCP, UDP and ICMP */
	SERVED_TUNNEL,   /* a tunnel's port, whoever sends there */
	SERVED_PEERS,    /* a tunnel's port, whose peers are told of each: */
	SERVED_PEER,
	SERVED_TRUSTED /* whatever comes from there */
};

struct served {
	enum served_kind kind;
	uint16_t which;     /* the port, the protocol; else 0 */
	struct prefix from; /* of a peer and of who is trusted; else ::/0 */
};

typedef void (*served_callback)(const struct served *served, void *context);

/* Whether a filter judges what goes to the interface's addresses, as the machine's own: uplinks' and lo's, where one is. */
bool plan_filters_addresses_of(const struct model *model, const char *interface);

/* Calls for each; for none where no uplink has a filter. */
void plan_served(const struct model *model, served_callback callback, void *context);

#endif
