/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of tunnels: one set of functions each, chosen by what is wanted (the role of a plan's item) or by what is there
 * (the interface). Nobody above asks for a kind by its name; what a kind's settings are, only its own item knows.
 */
#ifndef APPLY_TUNNEL_H
#define APPLY_TUNNEL_H

#include "apply/apply.h"
#include "apply/link.h"

struct tunnel_kind {
	enum link_role role;
	bool (*serves)(const struct link *link);
	/* The interface is made, and marked as ours; whoever serves it may have to be started. */
	int (*create)(struct apply *apply, const char *name, struct error *error);
	/* Ends whatever serves the interface, and it. */
	int (*remove)(struct apply *apply, const char *name, struct error *error);
	/* Watches the process that serves the interface, if an earlier gwd started it. */
	int (*adopt)(struct apply *apply, const struct link *link, struct error *error);
	/* Sets the interface up, and has whoever serves it take packets. */
	int (*open)(struct apply *apply, const char *name, struct error *error);
	/* What it is set to; negative: nothing that could be right. `wanted`: the tunnel of the model, or NULL. */
	int (*observe)(
		struct apply *apply, const struct link *link, const struct tunnel *wanted, struct item *item);
	/* Its driver's name, handshake and more. */
	void (*refresh)(struct apply *apply, const struct link *link, struct tunnel_status *status);
};

/* Of an item that is a tunnel; and of an interface: NULL when it is no tunnel. */
const struct tunnel_kind *tunnel_kind(enum link_role role);
const struct tunnel_kind *tunnel_kind_of(const struct link *link);
/* By the interface's name. */
int tunnel_open(struct apply *apply, const char *name, struct error *error);

#endif
