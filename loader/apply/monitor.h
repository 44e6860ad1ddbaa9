/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel tells without being asked: that BFD lost or found a neighbour (marker routes, base/marker.h), that an
 * interface went, came or has other addresses. One descriptor for main's event loop; the callbacks run inside monitor_read(). When the kernel had to
 * drop messages, everything is read anew, so no change is ever missed, only its moment.
 */
#ifndef APPLY_MONITOR_H
#define APPLY_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct monitor;

struct monitor_callbacks {
	void *self;
	/* The neighbour behind the tunnel of this number has BFD up or down. Only changes are told. */
	void (*bfd)(void *self, uint16_t tunnel, bool up);
	/* This interface went down or is gone; NULL: something may have, look at all. */
	void (*link_lost)(void *self, const char *interface);
	/* This interface is up, or has other addresses than before; maybe it was so already. */
	void (*link_changed)(void *self, const char *interface);
};

/* Markers that stand already are told before this returns. */
int monitor_open(const struct monitor_callbacks *callbacks, struct monitor **monitor, struct error *error);
void monitor_close(struct monitor *monitor);

/*
 * The tunnel's interface went, and its marker with it: of a v4 route that goes with its interface the kernel says nothing.
 * Tells of BFD down, if it was up.
 */
void monitor_link_lost(struct monitor *monitor, uint16_t tunnel);

/* Readable: call monitor_read(). */
int monitor_descriptor(const struct monitor *monitor);
/* Reads what there is, without waiting. */
int monitor_read(struct monitor *monitor, struct error *error);

static inline void monitor_close_pointer(struct monitor **monitor)
{
	monitor_close(*monitor);
}

#endif
