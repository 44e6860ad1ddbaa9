/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WireGuard: one code path above two drivers, the kernel's (generic netlink) and wireguard-go (a child in user
 * space, spoken to by its UAPI socket). Everything above `struct wireguard_driver` is the same for both; which one
 * a tunnel has is seen from its interface.
 *
 * AllowedIPs are always 0.0.0.0/0 and ::/0: an interface has one peer, and what a source may be is decided, and
 * counted, by the data plane. Private keys live in files and in the drivers; here they pass through and are
 * overwritten.
 */
#ifndef APPLY_WIREGUARD_H
#define APPLY_WIREGUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/child.h"
#include "apply/link.h"
#include "plan/plan.h"

#define WIREGUARD_KEY_SIZE 32

struct wireguard_settings {
	bool has_private_key; /* false: leave the device's as it is */
	uint8_t private_key[WIREGUARD_KEY_SIZE];
	uint16_t listen_port, keepalive_s;
	bool has_peer, new_peer; /* new: forget all others; else its session goes on */
	uint8_t peer[WIREGUARD_KEY_SIZE];
	bool has_endpoint;
	struct address endpoint_address;
	uint16_t endpoint_port;
};

struct wireguard_state {
	uint8_t private_key[WIREGUARD_KEY_SIZE]; /* zeros: none */
	uint16_t listen_port, keepalive_s;
	unsigned peers;
	uint8_t peer[WIREGUARD_KEY_SIZE]; /* the last one listed */
	bool has_endpoint;
	struct address endpoint_address;
	uint16_t endpoint_port;
	int64_t handshake_s; /* CLOCK_REALTIME; 0: never */
};

struct wireguard_driver {
	const char *name;
	const char *link_kind; /* what the kernel calls its interfaces */
	/* -EOPNOTSUPP: this machine has no such driver. The interface is marked as ours. */
	int (*create)(
		struct netlink *netlink, struct children *children, const char *name, struct error *error);
	/* Ends whatever serves the interface, and it. */
	int (*remove)(
		struct netlink *netlink, struct children *children, const char *name, struct error *error);
	/* Watches the process that serves the interface, if an earlier gwd started it. NULL: there is none. */
	int (*adopt)(struct children *children, const char *name, struct error *error);
	/* The interface was set up. NULL: that is all. */
	void (*opened)(const char *name);
	int (*set)(const char *name, const struct wireguard_settings *settings, struct error *error);
	int (*get)(const char *name, struct wireguard_state *state, struct error *error);
};

extern const struct wireguard_driver wireguard_kernel, wireguard_go;

/* NULL: an interface of another kind. */
const struct wireguard_driver *wireguard_driver_of(const struct link *link);

int wireguard_create(
	struct netlink *netlink, struct children *children, const char *name, struct error *error);
int wireguard_adopt(struct children *children, const struct link *link, struct error *error);
/* Sets the interface up, and has whoever serves it take packets. */
int wireguard_open(struct netlink *netlink, const char *name, struct error *error);
int wireguard_remove(
	struct netlink *netlink, struct children *children, const char *name, struct error *error);
/* The item's key file is read, used and forgotten; without one the device keeps its key. */
int wireguard_configure(struct netlink *netlink, const struct item *item, struct error *error);
/*
 * All that the device is set to, and: set it to that again, whatever was set meanwhile. The settings hold the
 * private key: the caller wipes them (sodium_memzero).
 */
int wireguard_remember(
	struct netlink *netlink, const char *name, struct wireguard_settings *settings, struct error *error);
int wireguard_restore(struct netlink *netlink, const char *name, const struct wireguard_settings *remembered,
	struct error *error);
/*
 * What the device is set to, as an item. `wanted` (or NULL) is the tunnel of the model: the item bears its key file's
 * name when the device holds that file's key.
 */
int wireguard_observe(
	const struct link *link, const struct tunnel *wanted, struct item *item, struct error *error);
/* Milliseconds since the last handshake, UINT64_MAX: never, or not to be had. */
uint64_t wireguard_handshake_age(const struct link *link);

#endif
