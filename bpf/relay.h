/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The relay's way out: a packet leaves for another gateway of the array over the underlay, in Geneve (abi.h says how
 * it looks, claim.h what vouches for it). From a tunnel, which has no MAC header, and from Ethernet, from our stack and
 * from an uplink it goes the same way: make room, write the outer headers, let the kernel resolve the neighbour.
 *
 * A GSO packet stays one; the kernel cuts it when it leaves, and writes lengths and inner checksums anew.
 */
#ifndef HOMEWARD_RELAY_H
#define HOMEWARD_RELAY_H

#include <linux/if_ether.h>

#include "bpf/outer.h"
#include "bpf/verdict.h"

/* The member is reached, as far as the kernel knows: it asks for a neighbour itself, and its MTU is what we look at. */
static __always_inline bool leads(const struct route_entry *route)
{
	return route &&
	       (route->result == BPF_FIB_LKUP_RET_SUCCESS || route->result == BPF_FIB_LKUP_RET_NO_NEIGH ||
		       route->result == BPF_FIB_LKUP_RET_FRAG_NEEDED);
}

/*
 * Tells the kernel where the packet will go when the program is done, and answers the verdict that says so;
 * TC_ACT_UNSPEC: the uplink does not carry an IP packet of `length` with a relay's headers (the kernel says its MTU when it
 * knows the neighbour). Before the packet is made
 * ready: the memory that this takes is free again when that is done.
 */
SUBPROGRAM int aim(struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 length)
{
	const struct bpf_fib_lookup *fib;
	struct bpf_redir_neigh neighbour = {};
	struct route_entry *route;
	__u32 overhead;

	if (!config)
		return TC_ACT_SHOT;
	route = find_route(skb, config, gateway, bpf_ktime_get_coarse_ns());
	if (!leads(route))
		return TC_ACT_SHOT;
	fib = fib_of(route);
	overhead = is_underlay_v4(config) ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6;
	if (fib->mtu_result && length + overhead > fib->mtu_result) {
		skb->cb[DECISION_FITS] = fib->mtu_result - overhead;
		return TC_ACT_UNSPEC;
	}
	neighbour.nh_family = fib->family;
	__builtin_memcpy(neighbour.ipv6_nh, fib->ipv6_dst, 16);
	return bpf_redirect_neigh(fib->ifindex, &neighbour, sizeof(neighbour), 0);
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

/* ---- Relaying ---------------------------------------------------------------------------------------------------- */

SUBPROGRAM int relay_out(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 to)
{
	__u32 outer;
	int verdict;
	bool v4;

	if (!config || !packet)
		return TC_ACT_SHOT;
	verdict = aim(skb, config, RELAY_TO_GATEWAY(to), segment_length(skb, packet));
	if (verdict != TC_ACT_REDIRECT)
		return verdict;
	v4 = is_underlay_v4(config);
	outer = outer_of(skb, packet);
	if (make_room(skb, v4, packet->network) || write_headers(skb, config, to, outer, v4))
		return TC_ACT_SHOT;
	return TC_ACT_REDIRECT;
}

/*
 * Sends the packet to the member `gateway`, saying `kind` and `tunnel`, and answers the verdict. It works wherever a
 * packet of ours is: `packet->network` tells a tunnel's from Ethernet's. Afterwards nobody may look into it.
 *
 * A response must fit into every tunnel. A request came through one, maybe a larger one of the provider's, and only has to
 * fit into the uplink.
 */
static __always_inline int relay(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u8 gateway, __u16 tunnel, __u8 kind)
{
	__u32 packets = packets_in(skb), bytes = skb->len;
	enum reason reason = kind == RELAY_REQUEST ? REASON_relayed_request : REASON_relayed_response;
	int verdict;

	if (config->relay == RELAY_OFF)
		return drop(skb, REASON_way_elsewhere);
	if (kind != RELAY_REQUEST && segment_length(skb, packet) > config->mtu)
		return drop_too_big(skb, config->mtu);
	verdict = relay_out(skb, config, packet, RELAY_TO(gateway, tunnel, kind));
	if (verdict == TC_ACT_UNSPEC)
		return drop(skb, REASON_too_big); /* aim() said what fits */
	if (verdict != TC_ACT_REDIRECT)
		reason = REASON_relay_unreachable;
	decide_counted(skb, reason, tunnel, packets, bytes);
	return verdict;
}

/* ---- Asking all whose it is -------------------------------------------------------------------------------------- */

/* What became of a copy. */
#define COPY_LEFT    0
#define COPY_LOST    -1
#define COPY_TOO_BIG 1

/*
 * A copy leaves as it stands, so its Ethernet header must be there: heartbeats keep the neighbours' addresses known, and
 * where one is not, the copy is lost like any packet may be. An uplink without Ethernet takes the header off. Nobody but
 * us sees to it that `length`, the longest IP packet's, is not more than the uplink carries.
 */
SUBPROGRAM int send_copy(struct __sk_buff *skb, const struct settings *config, __u32 gateway, __u32 length)
{
	const struct bpf_fib_lookup *fib;
	struct ethhdr ethernet = {};
	struct route_entry *route;

	if (!config)
		return COPY_LOST;
	route = find_route(skb, config, gateway, bpf_ktime_get_coarse_ns());
	if (!leads(route))
		return COPY_LOST;
	fib = fib_of(route);
	if (fib->mtu_result && length > fib->mtu_result)
		return COPY_TOO_BIG;
	__builtin_memcpy(ethernet.h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, fib->smac, ETH_ALEN);
	ethernet.h_proto = bpf_htons(is_underlay_v4(config) ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0))
		return COPY_LOST;
	return bpf_clone_redirect(skb, fib->ifindex, 0) ? COPY_LOST : COPY_LEFT;
}

/* The packet that lies in a relay's room already goes to one more member. `length`: of its longest segment. */
SUBPROGRAM int ask_member(
	struct __sk_buff *skb, const struct settings *config, __u32 to, __u32 outer, __u32 length)
{
	bool v4;

	if (!config)
		return COPY_LOST;
	v4 = is_underlay_v4(config);
	if (write_headers(skb, config, to, outer, v4))
		return COPY_LOST;
	return send_copy(
		skb, config, RELAY_TO_GATEWAY(to), length + (v4 ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6));
}

/* COPY_LEFT to every member that may live, or what became of one that did not leave. */
SUBPROGRAM int ask_members(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 tunnel)
{
	int all = COPY_LEFT, one;
	__u32 outer, length;

	if (!config || !packet)
		return COPY_LOST;
	outer = outer_of(skb, packet);
	length = segment_length(skb, packet);
	if (make_room(skb, is_underlay_v4(config), packet->network))
		return COPY_LEFT; /* no memory: as if it had been lost on its way */
	for (__u32 gateway = 1; gateway < GATEWAY_NUMBERS; gateway++) {
		if (!is_living(gateway))
			continue;
		one = ask_member(skb, config, RELAY_TO(gateway, tunnel, RELAY_ASK), outer, length);
		all = one ?: all;
	}
	return all;
}

static __always_inline enum reason reason_of_asking(int copies)
{
	if (copies == COPY_LEFT)
		return REASON_asked_members;
	return copies == COPY_TOO_BIG ? REASON_too_big : REASON_relay_unreachable;
}

/*
 * Each member that may live gets a copy of a request that came in by `tunnel`, and takes it if the flow is its; the
 * packet itself is dropped. Answers that verdict.
 */
static __always_inline int relay_ask(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 tunnel)
{
	__u32 packets = packets_in(skb), bytes = skb->len;
	int copies;

	if (config->relay == RELAY_OFF)
		return drop(skb, REASON_way_elsewhere);
	copies = ask_members(skb, config, packet, tunnel);
	decide_counted(skb, reason_of_asking(copies), 0, packets, bytes);
	return TC_ACT_SHOT;
}

#endif
