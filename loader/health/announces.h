/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the neighbour at the other end of a link announces of the destinations of its egress group, as far as it is imported.
 * A destination is announced by a route that holds it, or that lies in it: who wants to know of each part writes the parts.
 *
 * Who says of any that it is about to take it back (RFC 8326) leaves: where another link is, that is the better one for all.
 * They are counted, not compared: of two links whose neighbours announce as many, but others, neither is the better one.
 *
 * Pure.
 */
#ifndef HEALTH_ANNOUNCES_H
#define HEALTH_ANNOUNCES_H

#include <limits.h>
#include <stddef.h>

#include "base/announcement.h"
#include "model.h"

/* The more the better. */
enum announces {
	ANNOUNCES_UNKNOWN, /* nobody could say just now */
	ANNOUNCES_NOTHING,
	ANNOUNCES_LEAVING,
	ANNOUNCES_SOME, /* one destination; each further one counts one more */
	ANNOUNCES_ALL = INT_MAX
};

enum announces announces_of(
	const struct egress_group *group, uint16_t tunnel, const struct told_route *routes, size_t count);
/* "unknown", "nothing", "leaving", "some", "all". */
const char *announces_name(enum announces announces);

#endif
