// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lan_ingress: TC ingress of every LAN interface of an egress group. What goes to the group's destinations leaves by one of
 * its links (egress.h), as a router would send it: one hop less, and what is too big or has no hop left is answered. All
 * else is the stack's. A router would cut up what is too big where IPv4 lets it; here its sender is told to, which hosts
 * heed.
 *
 * It is routed here and nowhere else, so the stack needs no route to the destinations, and none that it has, such as a
 * default route, ever gets such a packet.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/answer.h"
#include "bpf/clamp.h"
#include "bpf/egress.h"
#include "bpf/frame.h"
#include "bpf/hop.h"
#include "bpf/parse.h"
#include "bpf/verdict.h"

static __always_inline void count_link(__u32 tunnel, __u32 packets, __u32 bytes)
{
	struct reason_count *entry = bpf_map_lookup_elem(&egress_counts, &tunnel), first = {packets, bytes};

	if (!entry) {
		bpf_map_update_elem(&egress_counts, &tunnel, &first, BPF_NOEXIST);
		return;
	}
	entry->packets += packets;
	entry->bytes += bytes;
}

static __always_inline int send_by(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 number, enum reason reason)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);

	if (!tunnel)
		return drop(skb, REASON_internal);
	if (segment_length(skb, packet) > config->mtu)
		return drop_too_big(skb, config->mtu | FITS_TELL);
	spend_hop(skb, packet);
	clamp_mss(skb, config, packet);
	count_link(number, packets_in(skb), skb->len - ETH_HLEN);
	decide(skb, reason, number);
	return bpf_redirect(tunnel->ifindex, 0);
}

static __always_inline int steer(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 group)
{
	int link;

	if (packet->hop_limit <= 1)
		return drop(skb, REASON_hops_exceeded);
	link = find_link(skb, config, packet, group);
	if (!LINK_TUNNEL(link))
		return drop(skb, LINK_REASON(link));
	return send_by(skb, config, packet, LINK_TUNNEL(link), LINK_REASON(link));
}

SEC("tc")
int lan_ingress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	struct packet packet;
	enum parsed parsed;
	__u16 group;
	int verdict;

	if (!config || !is_own_ip(skb))
		return pass(skb, REASON_passed_other);
	parsed = parse_packet(skb, ETH_HLEN, skb->len, &packet);
	group = group_of(skb->ifindex, packet.destination);
	if (!group)
		return pass(skb, REASON_passed_other);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	verdict = steer(skb, config, &packet, group);
	return verdict == TC_ACT_SHOT ? answer(skb, config, &packet) : verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
