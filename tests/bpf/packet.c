// SPDX-License-Identifier: Apache-2.0
/* Shapes to bytes. */
#include "tests/bpf/packet.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const addresses[WHO_COUNT][2] = {
	[NOBODY] = {"0.0.0.0", "::"},
	[DEVICE] = {"100.64.1.5", "2001:db8:100::5"},
	[DEVICE_TOO] = {"100.64.1.6", "2001:db8:100::6"},
	[OTHER_DEVICE] = {"100.127.0.9", "2001:db8:200::9"},
	[STRANGER] = {"203.0.113.7", "2001:db8:dead::7"},
	[IMPOSTOR] = {"203.0.113.8", "2001:db8:dead::ffff:100.64.1.5"},
	[LOOPBACK] = {"192.0.2.1", "2001:db8::1"},
	[LOOPBACK_ZONE_1] = {"192.0.2.2", "2001:db8::2"},
	[TUNNEL_101] = {"169.254.1.1", "fd00:1::1"},
	[TUNNEL_102] = {"169.254.2.1", "fd00:2::1"},
	[NEIGHBOUR_101] = {"169.254.1.2", "fd00:1::2"},
	[NEIGHBOUR_102] = {"169.254.2.2", "fd00:2::2"},
	[INSIDE] = {"10.0.7.7", "fd00:10::7"},
	[UNDERLAY] = {"10.0.0.11", "fd00:10::11"},
	[MEMBER] = {"10.0.0.12", "fd00:10::12"},
	[MULTICAST] = {"224.0.0.5", "ff02::5"},
	[LINK_LOCAL] = {"169.254.77.1", "fe80::1"},
};

void address_of(enum who who, enum family family, uint8_t address[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == V6) {
		inet_pton(AF_INET6, addresses[who][1], address);
		return;
	}
	memcpy(address, mapped, sizeof(mapped));
	inet_pton(AF_INET, addresses[who][0], address + 12);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

uint32_t packet_sum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	return sum;
}

uint16_t packet_checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static bool is_icmp(enum kind kind)
{
	return kind >= ECHO_REQUEST && kind <= TIMESTAMP;
}

static uint8_t protocol_of(const struct shape *shape, enum family family)
{
	if (shape->kind == TCP)
		return IPPROTO_TCP;
	if (shape->kind == UDP)
		return IPPROTO_UDP;
	if (shape->kind == OTHER_PROTOCOL)
		return 47;
	return family == V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static uint8_t icmp_type(enum kind kind, enum family family)
{
	switch (kind) {
	case ECHO_REQUEST:
		return family == V4 ? 8 : 128;
	case ECHO_REPLY:
		return family == V4 ? 0 : 129;
	case UNREACHABLE:
		return family == V4 ? 3 : 1;
	case TOO_BIG:
		return family == V4 ? 3 : 2;
	default:
		return family == V4 ? 13 : 139;
	}
}

/* ---- Behind the IP header ------------------------------------------------------------------------------- */

static size_t tcp_header_length(const struct shape *shape)
{
	return 20 + (shape->nops + (shape->mss ? 4 : 0) + 3) / 4 * 4;
}

static size_t transport_header_length(const struct shape *shape)
{
	if (shape->fragment_offset || shape->kind == OTHER_PROTOCOL)
		return 0;
	return shape->kind == TCP ? tcp_header_length(shape) : 8;
}

static size_t put_tcp(const struct shape *shape, uint8_t *at)
{
	size_t length = tcp_header_length(shape);

	put16(at, shape->from_port);
	put16(at + 2, shape->to_port);
	put32(at + 4, shape->sequence);
	put32(at + 8, shape->acknowledgement);
	at[12] = length / 4 << 4;
	at[13] = shape->flags;
	put16(at + 14, 65000);
	memset(at + 20, 1, shape->nops);
	if (shape->mss) {
		at[20 + shape->nops] = 2;
		at[21 + shape->nops] = 4;
		put16(at + 22 + shape->nops, shape->mss);
	}
	return length;
}

static size_t put_quoted(const struct shape *shape, enum family family, uint8_t *at)
{
	uint8_t quoted[PACKET_MAX];
	size_t whole, length = shape->quoted;

	if (!shape->quotes)
		return 0;
	whole = packet_build(shape->quotes, family, false, quoted);
	if (!length)
		length = packet_headers(shape->quotes, family) - transport_header_length(shape->quotes) + 8;
	if (length > whole)
		length = whole;
	memcpy(at, quoted, length);
	return length;
}

static size_t put_icmp(const struct shape *shape, enum family family, uint8_t *at)
{
	at[0] = icmp_type(shape->kind, family);
	at[1] = shape->kind == TOO_BIG && family == V4 ? 4 : 0;
	if (shape->kind == TOO_BIG)
		put32(at + 4, 1280);
	else if (shape->kind == ECHO_REQUEST || shape->kind == ECHO_REPLY)
		put16(at + 4, shape->from_port);
	return 8 + put_quoted(shape, family, at + 8);
}

static size_t put_transport(const struct shape *shape, enum family family, uint8_t *at)
{
	size_t length = 0;

	if (shape->fragment_offset == 0) {
		if (shape->kind == TCP)
			length = put_tcp(shape, at);
		else if (is_icmp(shape->kind))
			length = put_icmp(shape, family, at);
		else if (shape->kind == UDP)
			length = 8;
	}
	for (size_t i = 0; i < shape->payload; i++)
		at[length + i] = i * 7;
	length += shape->payload;
	if (shape->fragment_offset == 0 && shape->kind == UDP) {
		put16(at, shape->from_port);
		put16(at + 2, shape->to_port);
		put16(at + 4, shape->more_fragments ? length + 1000 : length);
	}
	return length;
}

static void put_checksum(const struct shape *shape, enum family family, uint8_t *at, size_t length)
{
	uint8_t ends[32];
	uint32_t sum = 0;
	uint8_t *field = at + (shape->kind == TCP ? 16 : shape->kind == UDP ? 6 : 2);

	if (shape->fragment_offset || shape->kind == OTHER_PROTOCOL)
		return;
	if (family == V6 || !is_icmp(shape->kind)) {
		address_of(shape->from, family, ends);
		address_of(shape->to, family, ends + 16);
		if (family == V4) { /* without the mapping's ff:ff */
			memset(ends, 0, 12);
			memset(ends + 16, 0, 12);
		}
		sum = packet_sum(ends, sizeof(ends), length + protocol_of(shape, family));
	}
	put16(field, packet_checksum(packet_sum(at, length, sum)));
}

/* ---- IP ------------------------------------------------------------------------------------------------- */

static bool is_fragment(const struct shape *shape)
{
	return shape->fragment_offset || shape->more_fragments;
}

static size_t network_header_length(const struct shape *shape, enum family family)
{
	if (family == V4)
		return 20 + 4 * shape->extensions;
	return 40 + 8 * shape->extensions + (is_fragment(shape) ? 8 : 0);
}

static void put_ipv4(const struct shape *shape, uint8_t *at, size_t length)
{
	size_t header = network_header_length(shape, V4);
	uint8_t address[16];

	at[0] = 0x40 | header / 4;
	put16(at + 2, length);
	put16(at + 4, shape->fragment_id);
	put16(at + 6, shape->fragment_offset / 8 | (shape->more_fragments ? 0x2000 : 0) |
			      (shape->dont_fragment ? 0x4000 : 0));
	at[8] = shape->hops ? shape->hops : 64;
	at[9] = protocol_of(shape, V4);
	address_of(shape->from, V4, address);
	memcpy(at + 12, address + 12, 4);
	address_of(shape->to, V4, address);
	memcpy(at + 16, address + 12, 4);
	memset(at + 20, 1, header - 20);
	put16(at + 10, packet_checksum(packet_sum(at, header, 0)));
}

static void put_ipv6(const struct shape *shape, uint8_t *at, size_t length)
{
	uint8_t *next = at + 6, *extension = at + 40;

	at[0] = 0x60;
	put16(at + 4, length - 40);
	at[7] = shape->hops ? shape->hops : 64;
	address_of(shape->from, V6, at + 8);
	address_of(shape->to, V6, at + 24);
	for (int i = 0; i < shape->extensions; i++, next = extension, extension += 8) {
		*next = 60;
		extension[2] = 1; /* PadN of 6 bytes */
		extension[3] = 4;
	}
	if (is_fragment(shape)) {
		*next = 44;
		put16(extension + 2, shape->fragment_offset | shape->more_fragments);
		put32(extension + 4, shape->fragment_id);
		next = extension;
	}
	*next = protocol_of(shape, V6);
}

size_t packet_headers(const struct shape *shape, enum family family)
{
	return network_header_length(shape, family) + transport_header_length(shape);
}

size_t packet_build(const struct shape *shape, enum family family, bool ethernet, uint8_t packet[PACKET_MAX])
{
	uint8_t *ip = packet + (ethernet ? ETHERNET_LENGTH : 0);
	size_t header = network_header_length(shape, family), length;

	memset(packet, 0, PACKET_MAX);
	if (ethernet)
		put16(packet + 12, family == V4 ? 0x0800 : 0x86dd);
	length = put_transport(shape, family, ip + header);
	put_checksum(shape, family, ip + header, length);
	if (family == V4)
		put_ipv4(shape, ip, header + length);
	else
		put_ipv6(shape, ip, header + length);
	return ip - packet + header + length;
}

void packet_claim(uint8_t *packet, enum family family, size_t length)
{
	if (family == V4)
		put16(packet + 2, length);
	else
		put16(packet + 4, length < 40 ? 0 : length - 40);
}
