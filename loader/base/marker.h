/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marker routes: how BIRD tells us within a millisecond that BFD lost a neighbour.
 *
 * BIRD's control socket would have to be polled for BFD; the kernel's routing tables tell by themselves. So
 * for every tunnel with BFD, BIRD holds one static route through the neighbour that exists only while its BFD
 * session is up, and exports it to a kernel table that no rule ever asks. RTM_NEWROUTE then means "up",
 * RTM_DELROUTE "down". bird/ renders the routes, apply/ listens for them, and here is what the two must agree
 * on: the table, and which destination is which tunnel's. The destination's family is the neighbour's:
 * 198.18.0.0/15 (RFC 2544, benchmarking) or 100::/64 (RFC 6666, discard), each plus the tunnel's number.
 * Nothing is ever sent there.
 */
#ifndef BASE_MARKER_H
#define BASE_MARKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/address.h"

#define MARKER_TABLE 7777

static const uint8_t marker_base_v4[4] = {198, 18, 0, 0};
static const uint8_t marker_base_v6[16] = {0x01, 0x00};

/* The destination, a single address, of the marker of `tunnel` when its neighbour is of `family`. */
static inline struct address marker_address(int family, uint16_t tunnel)
{
	struct address address =
		address_from_wire(family, family == AF_INET ? marker_base_v4 : marker_base_v6);

	address.bytes[14] = (uint8_t)(tunnel >> 8);
	address.bytes[15] = (uint8_t)tunnel;
	return address;
}

/* The tunnel that a destination seen in MARKER_TABLE stands for; false when it is no marker. */
static inline bool marker_tunnel(const struct address *address, uint16_t *tunnel)
{
	uint16_t number = (uint16_t)(address->bytes[14] << 8 | address->bytes[15]);
	struct address marker = marker_address(address_family(address), number);

	if (number == 0 || !address_equal(&marker, address))
		return false;
	*tunnel = number;
	return true;
}

#endif
