/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter of an uplink: what comes to an address of this machine and nobody here serves ends before there is an skb, and
 * before the kernel would answer it. Two of its three questions the kernel answers itself, so that no list can be wrong: is
 * there a socket for a segment, for a datagram? A service is let in as soon as it listens, what we began for as long as we
 * wait for its answer, and nobody has to name ports. The third, who may speak to a tunnel's port or to a loopback, gwd has
 * written down from the configuration (plan/served.c), with what has no socket: whom the operator trusts, ports that are
 * redirected, other protocols.
 *
 * Let in unasked, in this order: what is no IP; what goes to nobody in `own` (multicast, link-local, what the machine
 * forwards, responses that surface); and to an address of the machine's what cannot be read, which the stack reads anyhow,
 * later fragments, whose first one is judged, all ICMP, since neighbours and path MTUs are found by it, and DHCP; and whoever
 * is trusted: the inside, members, routers. The filter believes source addresses, but for our own.
 */
#ifndef HOMEWARD_SERVE_H
#define HOMEWARD_SERVE_H

#include <linux/if_ether.h>

#include "bpf/maps.h"
#include "bpf/owner.h"
#include "bpf/parse.h"

/* Where a client of DHCP hears, before its socket does: it may read frames. */
#define DHCP_CLIENT   68
#define DHCPV6_CLIENT 546

static __always_inline bool is_ours(const __u64 address[2], enum own_kind *kind)
{
	const __u32 *entry = bpf_map_lookup_elem(&own, address);

	if (entry)
		*kind = *entry;
	return entry;
}

/* Out of the fixed header, so that what is not for us costs no more than that. */
static __always_inline bool goes_to_us(struct xdp_md *context, enum own_kind *kind)
{
	__u8 address[16] __attribute__((aligned(8)));
	__be16 protocol;
	__u8 v4[4];

	if (load_bytes(context, offsetof(struct ethhdr, h_proto), &protocol, sizeof(protocol)))
		return false;
	if (protocol == bpf_htons(ETH_P_IP)) {
		if (load_bytes(context, ETH_HLEN + offsetof(struct ipv4_header, destination), v4, sizeof(v4)))
			return false;
		map_address(address, v4);
	} else if (load_bytes(context, ETH_HLEN + offsetof(struct ipv6_header, destination), address,
			   sizeof(address))) {
		return false;
	}
	return is_ours((const __u64 *)address, kind);
}

SUBPROGRAM int has_udp_socket(struct xdp_md *context, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size;

	if (!packet)
		return false;
	size = tuple_of(packet, &tuple);
	socket = bpf_sk_lookup_udp(context, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

static __always_inline bool is_dhcp(const struct packet *packet)
{
	return packet->destination_port ==
	       (packet->version == 4 ? bpf_htons(DHCP_CLIENT) : bpf_htons(DHCPV6_CLIENT));
}

static __always_inline enum service known_of(__u32 row, __u32 number)
{
	const struct services *entry = bpf_map_lookup_elem(&services, &row);

	return entry ? entry->kinds[SERVICE_AT(number)] >> SERVICE_SHIFT(number) & 3 : SERVICE_ASK;
}

static __always_inline enum reason served_if(bool served)
{
	return served ? REASON_passed_other : REASON_filtered_unserved;
}

static __always_inline enum reason judge_udp(
	struct xdp_md *context, const struct packet *packet, __u16 port, enum service service)
{
	if (service == SERVICE_PEERS)
		return holder_of(SPACE_PEER, port, packet->source) ? REASON_passed_other
								   : REASON_filtered_stranger;
	return served_if(service != SERVICE_ASK || has_udp_socket(context, packet) || is_dhcp(packet));
}

/* To an address of the machine's. passed_other: somebody serves it. */
SUBPROGRAM int judge_service(struct xdp_md *context, const struct packet *packet)
{
	enum service service;
	__u16 port;

	if (!packet || packet->fragment == FRAGMENT_LATER ||
		packet->protocol == (packet->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return REASON_passed_other;
	port = bpf_ntohs(packet->destination_port);
	service = known_of(port >> 8, port);
	if (packet->protocol == IPPROTO_UDP)
		return judge_udp(context, packet, port, service);
	if (packet->protocol == IPPROTO_TCP)
		return served_if(service == SERVICE_OPEN || socket_state(context, packet) != TCP_STATE_NONE);
	return served_if(known_of(SERVICES_PROTOCOLS, packet->protocol) != SERVICE_ASK);
}

/*
 * What goes to one of our addresses: passed_other, or why it shall not be let in. Sources are looked at last: a flood has many.
 * A transport header that contradicts itself, such as an empty length of UDP, which the stack reads as all there is, is
 * judged by what it says; where the parser does not get that far it has no payload.
 */
SUBPROGRAM int judge_frame(struct xdp_md *context, __u32 kind, __u32 length)
{
	enum reason reason = REASON_filtered_outside;
	struct packet packet;
	enum own_kind whose;

	if (parse_packet(context, ETH_HLEN, length, &packet) != PARSED && !packet.payload) {
		if (kind == OWN_MACHINE)
			reason = REASON_passed_other;
	} else if (kind == OWN_MACHINE) {
		reason = judge_service(context, &packet);
	} else if (packet.icmp == ICMP_KIND_ERROR) {
		reason = REASON_passed_other;
	}
	if (reason != REASON_passed_other && !holder_of(SPACE_TRUSTED, 0, packet.source))
		return reason;
	return is_ours((const __u64 *)packet.source, &whose) ? REASON_filtered_own_source
							     : REASON_passed_other;
}

/* Has the uplink a filter, and does that drop it? Counted, also where it only watches. */
static __always_inline bool is_filtered(struct xdp_md *context)
{
	const struct settings *config = settings_get();
	__u32 uplink = context->ingress_ifindex, length;
	const __u32 *filter;
	enum reason reason;
	enum own_kind kind;
	bool drops;

	if (!config || !config->filter || !goes_to_us(context, &kind))
		return false;
	filter = bpf_map_lookup_elem(&filters, &uplink);
	if (!filter)
		return false;
	length = bpf_xdp_get_buff_len(context);
	reason = judge_frame(context, kind, length);
	if (reason == REASON_passed_other)
		return false;
	drops = *filter == FILTER_DROPS;
	count(drops ? reason : WATCHED(reason), 1, length);
	return drops;
}

#endif
