// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * link_ingress: TC ingress of every tunnel that is a link of an egress group. What is admitted there (link.h) is the
 * stack's: it forwards by its own routes, and learns nothing. All else is dropped.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/clamp.h"
#include "bpf/enter.h"
#include "bpf/link.h"
#include "bpf/parse.h"

/* An ICMP error is an answer of whom the packet that it quotes went to, if its destination sent that. By itself for the stack's sake. */
SUBPROGRAM int admit_error(struct __sk_buff *skb, const struct packet *packet, __u32 number)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);
	struct packet quoted;
	bool is_own;

	if (!packet || !tunnel)
		return REASON_internal;
	is_own = parse_quoted(skb, packet, &quoted) == PARSED &&
		 same_address(quoted.source, packet->destination);
	return admit_answer(tunnel, number, packet, is_own ? quoted.destination : NULL);
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

	if (enters_again(skb))
		return TC_ACT_UNSPEC;
	if (!tunnel || !config)
		return drop(skb, REASON_unknown_tunnel);
	parsed = parse_packet(skb, start_of_ip(skb), skb->len, &packet);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	reason = packet.icmp == ICMP_KIND_ERROR ? admit_error(skb, &packet, *number)
						: admit_answer(tunnel, *number, &packet, packet.source);
	if (reason != REASON_passed_egress && reason != REASON_passed_link)
		return drop(skb, reason);
	if (reason == REASON_passed_egress)
		clamp_mss(skb, config, &packet);
	return enter(skb, &packet, reason);
}

char _license[] SEC("license") = "Dual BSD/GPL";
