// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uplink_ingress: TC ingress of every uplink. A response of a server inside that holds a loopback surfaces
 * here, and is routed to its device as a router would: one hop less, then home. Everything else is the
 * stack's, malformed packets included unless they claim to come from a loopback: the uplink carries more
 * than our traffic.
 *
 * Relays are taken first: uplink_xdp has judged them already, where it is; here they are judged anyhow (relayed.h).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/answer.h"
#include "bpf/frame.h"
#include "bpf/hop.h"
#include "bpf/relayed.h"
#include "bpf/response.h"
#include "bpf/surface.h"

/* Where a router would send it: a hop is spent, and what cannot go on is answered. */
static __always_inline int forward(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 zone)
{
	int verdict;

	if (packet->hop_limit > 1) {
		spend_hop(skb, packet);
		verdict = respond(skb, config, packet, zone, RELAY_SURFACED);
	} else {
		verdict = drop(skb, REASON_hops_exceeded);
	}
	return verdict == TC_ACT_SHOT ? answer(skb, config, packet) : verdict;
}

SEC("tc")
int uplink_ingress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	struct packet packet;
	enum parsed parsed;
	__u32 network;
	__u16 zone;

	if (!config || !is_own_ip(skb))
		return pass(skb, REASON_passed_other);
	network = skb->ifindex == config->underlay_ifindex ? 0 : ETH_HLEN;
	parsed = parse_packet(skb, network, skb->len, &packet);
	if (parsed == PARSED && is_relay(&packet))
		return take_relay(skb, config, &packet);
	if (!is_loopback(packet.source, &zone))
		return pass(skb, REASON_passed_other);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	if (is_for_us_or_inside(&packet))
		return pass(skb, REASON_passed_other);
	return forward(skb, config, &packet, zone);
}

char _license[] SEC("license") = "Dual BSD/GPL";
