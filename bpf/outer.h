/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What stands before a packet that leaves for another gateway, and where it leaves: the outer headers and the route, the
 * same at both hooks (hook.h). Behind traffic control relay.h makes the room and sends, in XDP turn.h does.
 *
 * The outer UDP checksum is 0: nobody then merges relayed packets on their way (GRO), and the inner packet has its own.
 *
 * What a relay costs in XDP, by perf before routes were kept: the kernel's route 22 per cent, the code 16, the headers 11, which
 * four calls stored. Now the kernel is asked once a tick, and XDP stores without a call; behind traffic control the calls are
 * what makes a packet writable.
 */
#ifndef HOMEWARD_OUTER_H
#define HOMEWARD_OUTER_H

#include <linux/if_ether.h>

#include "bpf/claim.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

_Static_assert(sizeof(struct bpf_fib_lookup) == sizeof(((struct route_entry *)0)->fib), "");

#define RELAY_HOPS 64

/* Of <sys/socket.h>, which programs do not see. */
#define FAMILY_V4 2
#define FAMILY_V6 10

static __always_inline struct bpf_fib_lookup *fib_of(struct route_entry *route)
{
	return (struct bpf_fib_lookup *)route->fib;
}

/*
 * Asks the kernel. Routed as a packet that came in by home0: gwd switches forwarding on there, which the kernel asks for.
 * No length is told: it answers with an MTU, where it can, and whoever asked compares.
 */
#define NO_ROUTE (-1)
static __always_inline long ask_route(struct __sk_buff *skb, const struct settings *config,
	const struct member_entry *theirs, struct bpf_fib_lookup *fib)
{
	const struct member_entry *ours = member_by_number(config->gateway);

	if (!ours || is_mapped(ours->address) != is_mapped(theirs->address))
		return NO_ROUTE;
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = config->home_ifindex;
	if (is_mapped(theirs->address)) {
		fib->family = FAMILY_V4;
		__builtin_memcpy(&fib->ipv4_src, ours->address + 12, 4);
		__builtin_memcpy(&fib->ipv4_dst, theirs->address + 12, 4);
	} else {
		fib->family = FAMILY_V6;
		__builtin_memcpy(fib->ipv6_src, ours->address, 16);
		__builtin_memcpy(fib->ipv6_dst, theirs->address, 16);
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
}

/*
 * How the member is reached, now; NULL: it is no member. What stands in `result` is BPF_FIB_LKUP_RET_*, or NO_ROUTE. The
 * kernel is asked once a tick of the coarse clock, which is some milliseconds, since its answer costs a fifth of what a relay
 * does: a route or neighbour that changes is followed so much later. Where an underlay is named nothing leaves by another
 * interface, whatever the routes say while it is away: it was named for what it hides.
 */
static __always_inline struct route_entry *find_route(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u64 now_ns)
{
	const struct member_entry *theirs = member_by_number(gateway);
	__u32 slot = gateway + ROUTES_OF_HOOK;
	struct route_entry *route = bpf_map_lookup_elem(&routes, &slot);

	if (!route || !theirs || theirs->state == MEMBER_NONE)
		return NULL;
	if (route->at_ns != now_ns) {
		route->result = ask_route(skb, config, theirs, fib_of(route));
		route->at_ns = now_ns;
	}
	if (config->underlay_ifindex && fib_of(route)->ifindex != config->underlay_ifindex)
		return NULL;
	return route;
}

/* ---- The outer headers ------------------------------------------------------------------------------------------- */

static __always_inline __sum16 checksum_of_ipv4(const struct ipv4_header *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;

	for (__u32 i = 0; i < sizeof(*ip) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* The inner packet's DSCP counts on the underlay too. Not its ECN: nobody would carry a mark back inside. */
static __always_inline __u8 service_of(struct __sk_buff *skb, const struct packet *packet)
{
	__be16 start;

	if (load_bytes(skb, packet->network, &start, sizeof(start)))
		return 0;
	return (packet->version == 4 ? bpf_ntohs(start) : bpf_ntohs(start) >> 4) & 0xfc;
}

/* `outer`: the service in the upper 16 bits, the length of UDP in the lower ones. */
SUBPROGRAM int write_outer_v4(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 outer)
{
	const struct member_entry *ours, *theirs = member_by_number(gateway);
	struct ipv4_header ip = {.version_length = 0x45,
		.service = outer >> 16,
		.length = bpf_htons((outer & 0xffff) + sizeof(ip)),
		.fragment = bpf_htons(IPV4_FRAGMENT_NOT),
		.hop_limit = RELAY_HOPS,
		.protocol = IPPROTO_UDP};

	if (!config || !theirs)
		return -1;
	ours = member_by_number(config->gateway);
	if (!ours)
		return -1;
	__builtin_memcpy(ip.source, ours->address + 12, 4);
	__builtin_memcpy(ip.destination, theirs->address + 12, 4);
	ip.checksum = checksum_of_ipv4(&ip);
	return store_bytes(skb, ETH_HLEN, &ip, sizeof(ip));
}

SUBPROGRAM int write_outer_v6(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 outer)
{
	const struct member_entry *ours, *theirs = member_by_number(gateway);
	struct ipv6_header ip = {.version_class_flow = bpf_htonl(6 << 28 | (outer >> 16) << 20),
		.payload_length = bpf_htons(outer & 0xffff),
		.next_header = IPPROTO_UDP,
		.hop_limit = RELAY_HOPS};

	if (!config || !theirs)
		return -1;
	ours = member_by_number(config->gateway);
	if (!ours)
		return -1;
	__builtin_memcpy(ip.source, ours->address, 16);
	__builtin_memcpy(ip.destination, theirs->address, 16);
	return store_bytes(skb, ETH_HLEN, &ip, sizeof(ip));
}

/* Where the packet stands behind its outer headers; one of two constants, or Linux 6.1 knows no bound of it. */
static __always_inline __u32 inner_behind(bool v4)
{
	return v4 ? ETH_HLEN + RELAY_OVERHEAD_V4 : ETH_HLEN + RELAY_OVERHEAD_V6;
}

/* Claim and code before the inner packet. By itself, since the hash takes a good part of the memory there is. */
SUBPROGRAM int write_claim(
	struct __sk_buff *skb, const struct settings *config, __u32 to, __u32 length, __u32 v4)
{
	struct relay_header header = {};

	if (!config || !seal(skb, config, inner_behind(v4), to, length, &header))
		return -1;
	return store_bytes(skb, inner_behind(v4) - sizeof(header), &header, sizeof(header));
}

/* All outer headers but Ethernet's, in the room that was made. `outer` is as write_outer_v4() takes it, `to` RELAY_TO(). */
static __always_inline long write_headers(
	struct __sk_buff *skb, const struct settings *config, __u32 to, __u32 outer, bool v4)
{
	if (write_claim(skb, config, to, outer & 0xffff, v4))
		return -1;
	return v4 ? write_outer_v4(skb, config, RELAY_TO_GATEWAY(to), outer)
		  : write_outer_v6(skb, config, RELAY_TO_GATEWAY(to), outer);
}

static __always_inline __u32 outer_of(struct __sk_buff *skb, const struct packet *packet)
{
	return service_of(skb, packet) << 16 | (__u16)(packet->length + sizeof(struct relay_header));
}

static __always_inline bool is_underlay_v4(const struct settings *config)
{
	const struct member_entry *ours = member_by_number(config->gateway);

	return ours && is_mapped(ours->address);
}

#endif
