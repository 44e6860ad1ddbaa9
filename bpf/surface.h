/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What surfaces at an uplink: is it a response of ours, is it a relay, or is it the stack's? By addresses alone, so
 * that `explain` can ask the same without a packet.
 */
#ifndef HOMEWARD_SURFACE_H
#define HOMEWARD_SURFACE_H

#include "bpf/maps.h"
#include "bpf/parse.h"

static __always_inline bool is_loopback(const __u8 address[16], __u16 *zone)
{
	const struct local_entry *local = local_by_address(address);

	if (!local || local->kind != LOCAL_LOOPBACK)
		return false;
	*zone = local->which;
	return true;
}

static __always_inline bool is_underlay(const __u8 address[16])
{
	const struct local_entry *local = local_by_address(address);

	return local && local->kind == LOCAL_UNDERLAY;
}

/* Multicast, and what does not leave a link. */
static __always_inline bool stays_on_link(const struct packet *packet)
{
	const __u8 *address = packet->destination;

	if (packet->version == 4)
		return address[12] >= 224 || (address[12] == 169 && address[13] == 254);
	return address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
}

static __always_inline bool is_for_us_or_inside(const struct packet *packet)
{
	return stays_on_link(packet) || local_by_address(packet->destination) ||
	       holder_of(SPACE_INSIDE, 0, packet->destination);
}

#endif
