/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to one `struct packet`, whatever the family: v4 addresses are mapped into v6, an echo's id
 * stands where ports stand, extension headers are walked and forgotten. Everything behind this file has one
 * path for both families.
 *
 * A packet is PARSED only if all its headers are there, whole, within the length that its IP header claims,
 * and that length within what arrived: nobody behind this file checks a length again. The packet that an ICMP
 * error quotes (RFC 792, RFC 4443) is parsed by the same code into the same shape; of it only the first 8
 * bytes behind the IP header are sure to be there, so its TCP flags and numbers stay zero.
 *
 * The version nibble decides, not the ethertype: a tunnel has none. Bytes are read by load_bytes(), which
 * also reads packets that are not linear; it is the only thing that ties this file to the kernel, and a test
 * in user space brings its own.
 */
#ifndef HOMEWARD_PARSE_H
#define HOMEWARD_PARSE_H

#include <linux/types.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>

#include "bpf/abi.h"

/*
 * A function that the verifier looks at once, by itself, instead of again for every state in which it is
 * called: the sum of what it has to go through instead of the product. It knows nothing of the caller's, so
 * pointers may be NULL.
 */
#define SUBPROGRAM __attribute__((weak, noinline))

#ifdef __bpf__
#include "bpf/hook.h"

/*
 * Headers are in the linear part of a packet as a rule, and there they are read without a call: a call's
 * return is what costs where the CPU is guarded against speculation.
 */
static __always_inline int load_bytes(struct __sk_buff *skb, __u32 offset, void *to, __u32 length)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (offset > LINEAR_MAX || start + offset + length > end)
		return load_beyond(skb, offset, to, length);
	__builtin_memcpy(to, __builtin_assume_aligned(start + offset, 2), length);
	return 0;
}
#else
struct __sk_buff; /* whatever the test's load_bytes() takes it for */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Only what RFC 8200 names is walked, and nobody sends more of it than this. */
#ifndef EXTENSION_HEADERS_MAX
#define EXTENSION_HEADERS_MAX 6
#endif

enum parsed { PARSED, PARSED_NOT_IP, PARSED_MALFORMED };

enum fragment { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

enum icmp_kind { ICMP_KIND_OTHER, ICMP_KIND_ECHO, ICMP_KIND_ERROR };

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct packet {
	__u8 source[16] __attribute__((aligned(8)));
	__u8 destination[16];
	__be16 source_port; /* ICMP echo: the id; a later fragment: 0 */
	__be16 destination_port;
	__u32 network;   /* where the IP header starts */
	__u32 transport; /* where the header behind IP's starts */
	__u32 payload;   /* where that one ends */
	__u32 length;    /* of the IP packet, by its header */
	__u32 fragment_id;
	__u32 sequence; /* TCP */
	__u32 acknowledgement;
	__u8 version;  /* 4 or 6 */
	__u8 protocol; /* behind all extension headers */
	__u8 hop_limit;
	__u8 tcp_flags;
	__u8 fragment; /* enum fragment */
	__u8 icmp;     /* enum icmp_kind */
	__u8 quoted;   /* stands in an ICMP error */
	__u8 echo_reply;
};

struct ipv4_header {
	__u8 version_length;
	__u8 service;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 hop_limit;
	__u8 protocol;
	__sum16 checksum;
	__u8 source[4];
	__u8 destination[4];
};

struct ipv6_header {
	__be32 version_class_flow;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 source[16];
	__u8 destination[16];
};

/* The first 8 bytes of any extension header; of a fragment header they are all. */
struct extension_header {
	__u8 next_header;
	__u8 length; /* in units of 8 bytes, without the first 8 */
	__be16 fragment;
	__be32 id;
};

struct tcp_header {
	__be16 source_port;
	__be16 destination_port;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 length; /* in the upper 4 bits, in units of 4 bytes */
	__u8 flags;
	__be16 window;
	__sum16 checksum;
	__be16 urgent;
};

struct udp_header {
	__be16 source_port;
	__be16 destination_port;
	__be16 length;
	__sum16 checksum;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be16 id;
	__be16 sequence;
};

#define IPV4_FRAGMENT_NOT    0x4000
#define IPV4_FRAGMENT_MORE   0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_MORE   0x0001
#define IPV6_FRAGMENT_OFFSET 0xfff8

static __always_inline void map_address(__u8 address[16], const __u8 v4[4])
{
	__builtin_memset(address, 0, 10);
	address[10] = address[11] = 0xff;
	__builtin_memcpy(address + 12, v4, 4);
}

/* An IPv6 "atomic" fragment (RFC 6946) is whole. */
static __always_inline __u8 fragment_kind(bool offset, bool more)
{
	return offset ? FRAGMENT_LATER : more ? FRAGMENT_FIRST : FRAGMENT_NONE;
}

/* Quoted packets are cut: their length says what they were. `end` is where the bytes to be read end. */
static __always_inline enum parsed set_length(struct packet *packet, __u32 length, __u32 *end)
{
	packet->length = length;
	if (packet->quoted)
		return PARSED;
	if (packet->network + length > *end)
		return PARSED_MALFORMED;
	*end = packet->network + length; /* what stands behind is Ethernet's padding */
	return PARSED;
}

static __always_inline enum parsed parse_ipv4(struct __sk_buff *skb, struct packet *packet, __u32 *end)
{
	struct ipv4_header ip;
	__u16 fragment;
	__u32 header;

	if (packet->network + sizeof(ip) > *end || load_bytes(skb, packet->network, &ip, sizeof(ip)))
		return PARSED_MALFORMED;
	header = (ip.version_length & 0xf) * 4;
	if (header < sizeof(ip) || bpf_ntohs(ip.length) < header || ip.protocol == 0)
		return PARSED_MALFORMED;
	map_address(packet->source, ip.source);
	map_address(packet->destination, ip.destination);
	fragment = bpf_ntohs(ip.fragment);
	packet->fragment = fragment_kind(fragment & IPV4_FRAGMENT_OFFSET, fragment & IPV4_FRAGMENT_MORE);
	packet->fragment_id = bpf_ntohs(ip.id);
	packet->protocol = ip.protocol;
	packet->hop_limit = ip.hop_limit;
	packet->transport = packet->network + header;
	return set_length(packet, bpf_ntohs(ip.length), end);
}

static __always_inline bool is_extension(__u8 header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING || header == IPPROTO_FRAGMENT ||
	       header == IPPROTO_DSTOPTS;
}

static __always_inline enum parsed walk_extensions(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	struct extension_header extension;
	__u16 fragment;

	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		if (!is_extension(packet->protocol) || packet->fragment == FRAGMENT_LATER)
			return PARSED;
		if (packet->transport + sizeof(extension) > end ||
			load_bytes(skb, packet->transport, &extension, sizeof(extension)))
			return PARSED_MALFORMED;
		packet->transport += sizeof(extension);
		if (packet->protocol == IPPROTO_FRAGMENT) {
			fragment = bpf_ntohs(extension.fragment);
			packet->fragment =
				fragment_kind(fragment & IPV6_FRAGMENT_OFFSET, fragment & IPV6_FRAGMENT_MORE);
			packet->fragment_id = bpf_ntohl(extension.id);
		} else {
			packet->transport += extension.length * 8;
		}
		packet->protocol = extension.next_header;
	}
	return is_extension(packet->protocol) ? PARSED_MALFORMED : PARSED;
}

/* ::ffff:0:0/96 is where v4 addresses live here; on the wire it has no place (RFC 4291, 2.5.5.2). */
static __always_inline bool is_mapped(const __u8 address[16])
{
	const __u32 *words = (const __u32 *)address;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline enum parsed parse_ipv6(struct __sk_buff *skb, struct packet *packet, __u32 *end)
{
	struct ipv6_header ip;
	enum parsed parsed;

	if (packet->network + sizeof(ip) > *end || load_bytes(skb, packet->network, &ip, sizeof(ip)))
		return PARSED_MALFORMED;
	__builtin_memcpy(packet->source, ip.source, 16);
	__builtin_memcpy(packet->destination, ip.destination, 16);
	if (is_mapped(packet->source) || is_mapped(packet->destination))
		return PARSED_MALFORMED;
	packet->protocol = ip.next_header;
	packet->hop_limit = ip.hop_limit;
	packet->transport = packet->network + sizeof(ip);
	parsed = set_length(packet, sizeof(ip) + bpf_ntohs(ip.payload_length), end);
	return parsed == PARSED ? walk_extensions(skb, packet, *end) : parsed;
}

/* A quoted TCP header may be cut behind its first 8 bytes, which look like UDP's. */
static __always_inline enum parsed parse_tcp(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	struct tcp_header tcp;
	__u32 header;

	if (packet->transport + sizeof(tcp) > end || load_bytes(skb, packet->transport, &tcp, sizeof(tcp)))
		return PARSED_MALFORMED;
	header = (tcp.length >> 4) * 4;
	if (header < sizeof(tcp) || packet->transport + header > end)
		return PARSED_MALFORMED;
	packet->source_port = tcp.source_port;
	packet->destination_port = tcp.destination_port;
	packet->sequence = bpf_ntohl(tcp.sequence);
	packet->acknowledgement = bpf_ntohl(tcp.acknowledgement);
	packet->tcp_flags = tcp.flags;
	packet->payload = packet->transport + header;
	return PARSED;
}

static __always_inline enum parsed parse_udp(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	struct udp_header udp;
	__u32 length;

	if (packet->transport + sizeof(udp) > end || load_bytes(skb, packet->transport, &udp, sizeof(udp)))
		return PARSED_MALFORMED;
	packet->source_port = udp.source_port;
	packet->destination_port = udp.destination_port;
	packet->payload = packet->transport + sizeof(udp);
	if (packet->quoted)
		return PARSED;
	length = bpf_ntohs(udp.length);
	if (length < sizeof(udp) || (packet->fragment == FRAGMENT_NONE && packet->transport + length > end))
		return PARSED_MALFORMED;
	return PARSED;
}

static __always_inline __u8 icmp_kind(__u8 version, __u8 type)
{
	if (version == 4) {
		if (type == 0 || type == 8)
			return ICMP_KIND_ECHO;
		return type == 3 || type == 11 || type == 12 ? ICMP_KIND_ERROR : ICMP_KIND_OTHER;
	}
	if (type == 128 || type == 129)
		return ICMP_KIND_ECHO;
	return type >= 1 && type <= 4 ? ICMP_KIND_ERROR : ICMP_KIND_OTHER;
}

static __always_inline enum parsed parse_icmp(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	struct icmp_header icmp;

	if (packet->transport + sizeof(icmp) > end || load_bytes(skb, packet->transport, &icmp, sizeof(icmp)))
		return PARSED_MALFORMED;
	packet->icmp = icmp_kind(packet->version, icmp.type);
	if (packet->icmp == ICMP_KIND_ECHO) {
		packet->source_port = icmp.id;
		packet->echo_reply = icmp.type == (packet->version == 4 ? 0 : 129);
	}
	packet->payload = packet->transport + sizeof(icmp);
	return PARSED;
}

static __always_inline enum parsed parse_transport(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	packet->payload = packet->transport;
	if (packet->fragment == FRAGMENT_LATER)
		return packet->transport <= end ? PARSED : PARSED_MALFORMED;
	if (packet->protocol == IPPROTO_TCP && !packet->quoted)
		return parse_tcp(skb, packet, end);
	if (packet->protocol == IPPROTO_UDP || packet->protocol == IPPROTO_TCP)
		return parse_udp(skb, packet, end);
	if (packet->protocol == (packet->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return parse_icmp(skb, packet, end);
	return packet->transport <= end ? PARSED : PARSED_MALFORMED;
}

/* Reads the headers of the packet that starts at `packet->network`, out of bytes that end at `end`. */
SUBPROGRAM int parse_headers(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	enum parsed parsed;
	__u8 version;

	if (!packet || packet->network >= end || load_bytes(skb, packet->network, &version, 1))
		return PARSED_MALFORMED;
	packet->version = version >> 4;
	if (packet->version == 4)
		parsed = parse_ipv4(skb, packet, &end);
	else if (packet->version == 6)
		parsed = parse_ipv6(skb, packet, &end);
	else
		return PARSED_NOT_IP;
	return parsed == PARSED ? parse_transport(skb, packet, end) : parsed;
}

/* The packet whose IP header starts at `network`; `end` is the number of bytes that there are. */
static __always_inline enum parsed parse_packet(
	struct __sk_buff *skb, __u32 network, __u32 end, struct packet *packet)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->network = network;
	return parse_headers(skb, packet, end);
}

/* The packet that an ICMP error quotes. */
static __always_inline enum parsed parse_quoted(
	struct __sk_buff *skb, const struct packet *error, struct packet *packet)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->network = error->payload;
	packet->quoted = 1;
	return parse_headers(skb, packet, error->network + error->length);
}

static __always_inline bool same_address(const __u8 a[16], const __u8 b[16])
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1];
}

/* The flow that a packet from a device belongs to. */
static __always_inline void key_of_request(struct line_key *key, const struct packet *packet, __u16 zone)
{
	__builtin_memcpy(key->source, packet->source, 16);
	__builtin_memcpy(key->destination, packet->destination, 16);
	key->source_port = packet->source_port;
	key->destination_port = packet->destination_port;
	key->protocol = packet->protocol;
	key->reserved = 0;
	key->zone = zone;
}

/* The flow that a packet to a device belongs to. An echo's id does not change sides. */
static __always_inline void key_of_response(struct line_key *key, const struct packet *packet, __u16 zone)
{
	bool echo = packet->icmp == ICMP_KIND_ECHO;

	__builtin_memcpy(key->source, packet->destination, 16);
	__builtin_memcpy(key->destination, packet->source, 16);
	key->source_port = echo ? packet->source_port : packet->destination_port;
	key->destination_port = echo ? 0 : packet->source_port;
	key->protocol = packet->protocol;
	key->reserved = 0;
	key->zone = zone;
}

#endif
