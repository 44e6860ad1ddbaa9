/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A relay that arrived (claim.h judges it): the outer headers go, and what was inside is admitted as if it had come in by
 * the tunnel that the relay names. A request teaches the way home, which is the sender's tunnel, and enters the stack by
 * home0, so that it comes from where the answer goes. A response leaves by the tunnel. Nothing is relayed again.
 *
 * Whether a request is ours, when a member asks: a line says that we own its flow, or a connected socket does. A listener
 * is no proof; the last segment of a handshake under SYN cookies finds its line, which our SYN-ACK is noted in.
 */
#ifndef HOMEWARD_RELAYED_H
#define HOMEWARD_RELAYED_H

#include <linux/if_ether.h>

#include "bpf/admit.h"
#include "bpf/claim.h"
#include "bpf/questions.h"
#include "bpf/response.h"
#include "bpf/surface.h"

/*
 * Takes the outer headers off. Where the families differ the kernel first makes the outer one of the inner's family, or
 * a GSO packet would be cut as what it is not. Linux 6.3 could be told that in one step, 6.1 cannot.
 */
static __always_inline long decapsulate(struct __sk_buff *skb, const struct relay *relay)
{
	bool v4 = relay->version == 4;

	if (relay->outer != relay->version &&
		bpf_skb_change_proto(skb, bpf_htons(v4 ? ETH_P_IP : ETH_P_IPV6), 0))
		return -1;
	return v4 ? bpf_skb_adjust_room(skb, -RELAY_OVERHEAD_V4, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO)
		  : bpf_skb_adjust_room(skb, -RELAY_OVERHEAD_V6, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

/* Into our stack by home0, whose packets bear an Ethernet header. */
static __always_inline int into_stack(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet)
{
	struct ethhdr ethernet = {.h_proto = bpf_htons(packet->version == 4 ? ETH_P_IP : ETH_P_IPV6)};

	decide(skb, REASON_passed_relay, 0);
	__builtin_memcpy(ethernet.h_dest, config->home_mac, ETH_ALEN);
	if (!packet->network && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(config->home_ifindex, BPF_F_INGRESS);
}

/* ---- Requests ------------------------------------------------------------------------------------------------------ */

/* As admit() says; the tunnel must be the sender's. What belongs to a link is never relayed. */
SUBPROGRAM int admit_relayed(struct __sk_buff *skb, const struct packet *packet, __u32 number, __u32 sender)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);
	struct packet quoted = {};
	enum reason reason;

	if (!packet || !tunnel || !tunnel->provider || tunnel->gateway != sender)
		return REASON_relay_no_tunnel;
	if (packet->icmp == ICMP_KIND_ERROR && parse_quoted(skb, packet, &quoted) != PARSED)
		return REASON_malformed;
	reason = admit(tunnel, number, packet, &quoted);
	return reason == REASON_passed_link ? REASON_destination_not_loopback : reason;
}

static __always_inline int take_request(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, const struct relay *relay)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(relay->tunnel);
	enum reason reason = admit_relayed(skb, packet, relay->tunnel, relay->sender);

	if (reason == REASON_passed_icmp_error)
		return into_stack(skb, config, packet);
	if (reason != REASON_passed_request || !tunnel)
		return drop(skb, reason);
	if (relay->kind == RELAY_ASK && !is_our_flow(skb, config, packet, tunnel->zone))
		return drop(skb, REASON_relay_not_ours);
	learn_relayed(skb, config, packet, tunnel->zone, relay->tunnel, relay->sender);
	if (relay->kind == RELAY_ASK)
		tell_taken(config, packet, relay->tunnel);
	clamp_mss(skb, config, packet);
	return into_stack(skb, config, packet);
}

/* ---- Responses ----------------------------------------------------------------------------------------------------- */

static __always_inline int take_response(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, const struct relay *relay)
{
	struct response response = {.owner = relay->kind == RELAY_RESPONSE ? relay->sender : 0};
	struct way way = {};
	__u16 zone;

	if (!is_loopback(packet->source, &zone))
		return drop(skb, REASON_source_not_loopback);
	if (find_flow_of_response(skb, config, packet, zone, &response) != PARSED)
		return drop(skb, REASON_malformed);
	find_way_of_relayed(config, &response.key, relay->tunnel, &way);
	if (way.tunnel && response.line)
		count_line(config, response.line - 1, DIRECTION_RESPONSE, packets_in(skb), packet->length);
	return send(skb, config, packet, &way, 0);
}

/* ---- Both ---------------------------------------------------------------------------------------------------------- */

/* Geneve to our underlay, whichever way it was sent. */
static __always_inline bool is_relay(const struct packet *packet)
{
	return packet->protocol == IPPROTO_UDP && packet->destination_port == bpf_htons(RELAY_PORT) &&
	       packet->fragment != FRAGMENT_LATER && is_underlay(packet->destination);
}

/* The verdict on it. `packet` is the outer one, and afterwards the inner one. */
static __always_inline int take_relay(
	struct __sk_buff *skb, const struct settings *config, struct packet *packet)
{
	struct relay relay = {};
	enum reason reason = judge_relay(skb, config, packet->network, &relay);

	if (reason != REASON_passed_relay)
		return drop(skb, reason);
	if (decapsulate(skb, &relay) || parse_packet(skb, packet->network, skb->len, packet) != PARSED)
		return drop(skb, REASON_malformed);
	if (relay.kind == RELAY_REQUEST || relay.kind == RELAY_ASK)
		return take_request(skb, config, packet, &relay);
	return take_response(skb, config, packet, &relay);
}

#endif
