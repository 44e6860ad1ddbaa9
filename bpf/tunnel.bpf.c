// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tunnel_ingress: TC ingress of every tunnel. What a device sends comes out of the tunnel here, in the
 * clear, its IP header first: parse, admit, learn, give it to the stack. What is admitted and is no request
 * is not learned from.
 *
 * With relays, a request whose owner is another gateway leaves for it between learn and verdict (relay.h).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/admit.h"
#include "bpf/clamp.h"
#include "bpf/learn.h"
#include "bpf/parse.h"
#include "bpf/verdict.h"

static __always_inline void learn(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u16 tunnel)
{
	int refused = learn_request(skb, config, packet, zone, tunnel);

	if (refused & FLOW_REFUSED)
		count(REASON_entry_refused, 1, packet->length);
	if (refused & DEVICE_REFUSED)
		count(REASON_device_refused, 1, packet->length);
}

SEC("tc")
int tunnel_ingress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	__u32 ifindex = skb->ifindex, *number = bpf_map_lookup_elem(&interfaces, &ifindex);
	const struct tunnel_entry *tunnel = number ? tunnel_by_number(*number) : NULL;
	struct packet packet, quoted = {};
	enum parsed parsed;
	enum reason reason;

	if (!tunnel || !config)
		return drop(skb, REASON_unknown_tunnel);
	parsed = parse_packet(skb, 0, skb->len, &packet);
	if (parsed == PARSED && packet.icmp == ICMP_KIND_ERROR)
		parsed = parse_quoted(skb, &packet, &quoted);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));

	reason = admit(tunnel, *number, &packet, &quoted);
	if (reason == REASON_passed_link || reason == REASON_passed_icmp_error)
		return pass(skb, reason);
	if (reason != REASON_passed_request)
		return drop(skb, reason);

	learn(skb, config, &packet, tunnel->zone, *number);
	clamp_mss(skb, config, &packet);
	return pass(skb, REASON_passed_request);
}

char _license[] SEC("license") = "Dual BSD/GPL";
