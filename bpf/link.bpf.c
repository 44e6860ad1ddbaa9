// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * link_ingress: TC ingress of every tunnel that is a link of an egress group. The far end is the platform's, or a VPN's: it
 * may speak for the group's destinations and its own link, and for nobody else; of the addresses that are ours by
 * configuration, only to the link's. The one exception are ICMP errors, which any router on the way may send; they are
 * judged by what they quote, which must be a packet to the destinations. All else is dropped.
 *
 * What is admitted is the stack's: it forwards by its own routes, and learns nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/admit.h"
#include "bpf/clamp.h"
#include "bpf/egress.h"
#include "bpf/parse.h"
#include "bpf/verdict.h"

/* Whether an ICMP error is about a packet of its destination's to the group's. By itself for the stack's sake. */
SUBPROGRAM int quotes_steered(struct __sk_buff *skb, const struct packet *packet, __u16 group)
{
	struct packet quoted;

	return packet && parse_quoted(skb, packet, &quoted) == PARSED &&
	       same_address(quoted.source, packet->destination) && lies_in_group(group, quoted.destination);
}

static __always_inline enum reason admit_answer(
	struct __sk_buff *skb, const struct tunnel_entry *tunnel, __u32 number, const struct packet *packet)
{
	const struct local_entry *local = local_by_address(packet->destination);

	if (local && (local->kind != LOCAL_TUNNEL || local->which != number))
		return REASON_destination_not_link;
	if (local)
		return is_neighbour(number, packet->source) ? REASON_passed_link : REASON_source_not_link;
	if (packet->icmp == ICMP_KIND_ERROR)
		return quotes_steered(skb, packet, tunnel->egress) ? REASON_passed_egress
								   : REASON_source_not_egress;
	return lies_in_group(tunnel->egress, packet->source) ? REASON_passed_egress
							     : REASON_source_not_egress;
}

SEC("tc")
int link_ingress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	__u32 ifindex = skb->ifindex, *number = bpf_map_lookup_elem(&interfaces, &ifindex);
	const struct tunnel_entry *tunnel = number ? tunnel_by_number(*number) : NULL;
	struct packet packet;
	enum parsed parsed;
	enum reason reason;

	if (!tunnel || !config)
		return drop(skb, REASON_unknown_tunnel);
	parsed = parse_packet(skb, 0, skb->len, &packet);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	reason = admit_answer(skb, tunnel, *number, &packet);
	if (reason != REASON_passed_egress && reason != REASON_passed_link)
		return drop(skb, reason);
	if (reason == REASON_passed_egress)
		clamp_mss(skb, config, &packet);
	return pass(skb, reason);
}

char _license[] SEC("license") = "Dual BSD/GPL";
