/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The relay's way out: a packet leaves for another gateway of the array over the underlay, in Geneve (abi.h says how
 * it looks, claim.h what vouches for it). From a tunnel, which has no MAC header, and from Ethernet, from our stack and
 * from an uplink it goes the same way: make room, write the outer headers, let the kernel resolve the neighbour.
 *
 * The outer UDP checksum is 0: nobody then merges relayed packets on their way (GRO), and the inner packet has its own.
 * A GSO packet stays one; the kernel cuts it when it leaves, and writes lengths and inner checksums anew.
 */
#ifndef HOMEWARD_RELAY_H
#define HOMEWARD_RELAY_H

#include <linux/if_ether.h>

#include "bpf/claim.h"
#include "bpf/verdict.h"

#define RELAY_HOPS        64
#define IPV4_FRAGMENT_NOT 0x4000

/* Of <sys/socket.h>, which programs do not see. */
#define FAMILY_V4 2
#define FAMILY_V6 10

/* Routed as a packet that came in by home0: gwd switches forwarding on there, which the kernel asks for. */
static __always_inline bool find_route(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, struct bpf_fib_lookup *fib)
{
	const struct member_entry *theirs = member_by_number(gateway),
				  *ours = member_by_number(config->gateway);
	long result;

	if (!ours || !theirs || theirs->state == MEMBER_NONE ||
		is_mapped(ours->address) != is_mapped(theirs->address))
		return false;
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
	result = bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
	return result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       result == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/*
 * Tells the kernel where the packet will go when the program is done, and answers the verdict that says so. Before the
 * packet is made ready: the memory that this takes is free again when that is done.
 */
SUBPROGRAM int aim(struct __sk_buff *skb, const struct settings *config, __u32 gateway)
{
	struct bpf_fib_lookup fib = {};
	struct bpf_redir_neigh neighbour = {};

	if (!config || !find_route(skb, config, gateway, &fib))
		return TC_ACT_SHOT;
	neighbour.nh_family = fib.family;
	__builtin_memcpy(neighbour.ipv6_nh, fib.ipv6_dst, 16);
	return bpf_redirect_neigh(fib.ifindex, &neighbour, sizeof(neighbour), 0);
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

/* `service` in the upper 16 bits, the length of UDP in the lower ones. */
SUBPROGRAM int write_outer_v4(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 service)
{
	const struct member_entry *ours, *theirs = member_by_number(gateway);
	struct ipv4_header ip = {.version_length = 0x45,
		.service = service >> 16,
		.length = bpf_htons((service & 0xffff) + sizeof(ip)),
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
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

SUBPROGRAM int write_outer_v6(
	struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 service)
{
	const struct member_entry *ours, *theirs = member_by_number(gateway);
	struct ipv6_header ip = {.version_class_flow = bpf_htonl(6 << 28 | (service >> 16) << 20),
		.payload_length = bpf_htons(service & 0xffff),
		.next_header = IPPROTO_UDP,
		.hop_limit = RELAY_HOPS};

	if (!config || !theirs)
		return -1;
	ours = member_by_number(config->gateway);
	if (!ours)
		return -1;
	__builtin_memcpy(ip.source, ours->address, 16);
	__builtin_memcpy(ip.destination, theirs->address, 16);
	return bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0);
}

/* Room for the outer headers, behind an Ethernet header, which a tunnel's packet does not bring. */
static __always_inline long make_room(struct __sk_buff *skb, bool v4, bool ethernet)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	long result;

	if (v4)
		result = bpf_skb_adjust_room(
			skb, RELAY_OVERHEAD_V4, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
	else
		result = bpf_skb_adjust_room(
			skb, RELAY_OVERHEAD_V6, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
	return result || ethernet ? result : bpf_skb_change_head(skb, ETH_HLEN, 0);
}

/* The outer headers but Ethernet's, in the room that is there. The verifier wants constant lengths. */
static __always_inline long write_headers(struct __sk_buff *skb, const struct settings *config, __u32 gateway,
	bool v4, __u32 service, const struct relay_header *header)
{
	if (v4)
		return write_outer_v4(skb, config, gateway, service)
			       ?: bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(struct ipv4_header), header,
					  sizeof(*header), 0);
	return write_outer_v6(skb, config, gateway, service)
		       ?: bpf_skb_store_bytes(
				  skb, ETH_HLEN + sizeof(struct ipv6_header), header, sizeof(*header), 0);
}

/* ---- Relaying ---------------------------------------------------------------------------------------------------- */

/* `to` is RELAY_TO(). 0: the packet is ready for its uplink; else it is none of any use any more. */
static __always_inline long encapsulate(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 to)
{
	const struct member_entry *ours = member_by_number(config->gateway);
	struct relay_header header = {};
	__u32 service;
	bool v4;

	if (!ours || !seal(skb, config, packet->network, to, &header))
		return -1;
	v4 = is_mapped(ours->address);
	service = service_of(skb, packet) << 16 | (__u16)(packet->length + sizeof(header));
	header.length = bpf_htons(service);
	return make_room(skb, v4, packet->network)
		       ?: write_headers(skb, config, RELAY_TO_GATEWAY(to), v4, service, &header);
}

SUBPROGRAM int relay_out(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 to)
{
	int verdict;

	if (!config || !packet)
		return TC_ACT_SHOT;
	verdict = aim(skb, config, RELAY_TO_GATEWAY(to));
	return verdict != TC_ACT_REDIRECT || encapsulate(skb, config, packet, to) ? TC_ACT_SHOT : verdict;
}

/*
 * Sends the packet to the member `gateway`, saying `kind` and `tunnel`, and answers the verdict. It works wherever a
 * packet of ours is: `packet->network` tells a tunnel's from Ethernet's. Afterwards nobody may look into it.
 */
static __always_inline int relay(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u8 gateway, __u16 tunnel, __u8 kind)
{
	__u32 packets = skb->gso_segs ?: 1, bytes = skb->len;
	enum reason reason = kind == RELAY_REQUEST ? REASON_relayed_request : REASON_relayed_response;
	int verdict;

	if (config->relay == RELAY_OFF)
		return drop(skb, REASON_way_elsewhere);
	if (segment_length(skb, packet) > config->mtu)
		return drop(skb, REASON_too_big);
	verdict = relay_out(skb, config, packet, RELAY_TO(gateway, tunnel, kind));
	if (verdict != TC_ACT_REDIRECT)
		reason = REASON_relay_unreachable;
	decide_counted(skb, reason, tunnel, packets, bytes);
	return verdict;
}

#endif
