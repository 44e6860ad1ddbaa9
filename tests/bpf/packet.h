/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for tests. A shape says what matters and names its ends by who they are in the scene (scene.h);
 * from one shape come the bytes of either family, checksums right. A row's expected packet is built the
 * same way, so that every byte of what a program did is compared with what another implementation of it
 * says.
 */
#ifndef TESTS_BPF_PACKET_H
#define TESTS_BPF_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX      4096
#define ETHERNET_LENGTH 14

enum family { V4 = 4, V6 = 6 };

enum who {
	NOBODY,
	DEVICE,          /* acme's, zone 0 */
	DEVICE_TOO,      /* another one */
	OTHER_DEVICE,    /* of the provider other, zone 0 */
	STRANGER,        /* nobody holds it */
	IMPOSTOR,        /* nor this, though of IPv6 its second half is that of a device's of IPv4 */
	LOOPBACK,        /* of zone 0 */
	LOOPBACK_ZONE_1, /* its provider overlaps with acme */
	TUNNEL_101,      /* our end of acme's first tunnel */
	TUNNEL_102,
	NEIGHBOUR_101, /* the other end of it */
	NEIGHBOUR_102,
	INSIDE,
	UNDERLAY,
	MEMBER, /* gateway 2's underlay */
	MULTICAST,
	LINK_LOCAL,
	WHO_COUNT
};

enum kind { TCP, UDP, ECHO_REQUEST, ECHO_REPLY, UNREACHABLE, TOO_BIG, TIMESTAMP, OTHER_PROTOCOL };

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

struct shape {
	enum kind kind;
	enum who from, to;
	uint16_t from_port, to_port; /* an echo's id is from_port */
	uint8_t flags;
	uint32_t sequence, acknowledgement;
	uint16_t mss;               /* TCP: an MSS option */
	uint8_t nops;               /* so many NOPs before it */
	uint16_t payload;           /* bytes */
	uint8_t hops;               /* 0: 64 */
	const struct shape *quotes; /* by an ICMP error */
	uint16_t quoted;            /* so many bytes of it; 0: headers and 8 bytes */
	uint16_t fragment_offset;   /* in bytes */
	bool more_fragments;
	bool dont_fragment; /* v4 */
	uint32_t fragment_id;
	uint8_t extensions; /* v6: so many destination options headers; v4: so many 4-byte groups of NOP options */
};

/* The bytes of an address; v4 mapped into v6. */
void address_of(enum who who, enum family family, uint8_t address[16]);

/* Writes the packet, behind an Ethernet header if asked, and answers its length. */
size_t packet_build(const struct shape *shape, enum family family, bool ethernet, uint8_t packet[PACKET_MAX]);

/* How much of it is headers, IP's and the one behind it: cut shorter, it is malformed. */
size_t packet_headers(const struct shape *shape, enum family family);

/* Makes the IP header claim `length` bytes, as a packet that was cut on its way would not. */
void packet_claim(uint8_t *packet, enum family family, size_t length);

/* The Internet checksum (RFC 1071): the sum of big-endian words on top of `sum`, and what stands in a header for it. */
uint32_t packet_sum(const uint8_t *bytes, size_t length, uint32_t sum);
uint16_t packet_checksum(uint32_t sum);

#endif
