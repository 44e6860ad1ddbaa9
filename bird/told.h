/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tunnels' neighbours announce of egress groups' destinations, gathered row by row from two replies of BIRD: all such
 * routes, and then those of them that come with GRACEFUL_SHUTDOWN (RFC 8326). A route that began to leave between the two
 * is leaving, and one that came between them is heard of by the next reply. Pure.
 */
#ifndef BIRD_TOLD_H
#define BIRD_TOLD_H

#include "base/announcement.h"
#include "bird/reply.h"

/* Starts as all zeros; told_free() at the end. */
struct told {
	struct told_route *routes;
	size_t count, room;
	size_t marked; /* where the last leaving one stood: the second reply has the first one's order, mostly */
	struct prefix net; /* of the row before */
};

/* The first reply begins: nothing is known. The second does. */
void told_begin(struct told *told);
void told_begin_leaving(struct told *told);
/* A line of that reply; one that is no row of a tunnel's session is passed over. */
void told_add(struct told *told, const struct bird_line *line);
void told_mark_leaving(struct told *told, const struct bird_line *line);
void told_free(struct told *told);

#endif
