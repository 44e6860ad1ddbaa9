// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * return_egress: TC egress of the return device home0, to which an ip rule sends all that a loopback of
 * ours says, but for the inside. Nothing ever leaves through home0 itself: a packet goes home by a tunnel
 * or is dropped.
 *
 * A response whose way home is another gateway's leaves for it in a relay (response.h).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#include "bpf/response.h"

SEC("tc")
int return_egress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	const struct local_entry *local;
	struct packet packet;
	enum parsed parsed;

	if (!config)
		return drop(skb, REASON_internal);
	parsed = parse_packet(skb, ETH_HLEN, skb->len, &packet);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	local = local_by_address(packet.source);
	if (!local || local->kind != LOCAL_LOOPBACK)
		return drop(skb, REASON_source_not_loopback);
	return respond(skb, config, &packet, local->which, RELAY_RESPONSE);
}

char _license[] SEC("license") = "Dual BSD/GPL";
