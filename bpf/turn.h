/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A response that surfaces at an uplink and whose way home is another gateway's tunnel, when that gateway is reached by the
 * same uplink: it turns round there, in XDP, before there is an skb. What decides and what is written is what behind
 * traffic control decides and writes (home.h, outer.h); here is only which packets XDP dares.
 *
 * All others pass as they came, nothing learned and nothing counted, and uplink_ingress sees them as if we were not there:
 * fragments, ICMP errors, options, handshakes (whose MSS is clamped), what is too big or has no hop left, and so is
 * answered, what goes by our own tunnels or another uplink, and whose neighbour is not known.
 *
 * Only where gwd says so (the map `turning`): XDP cannot see whether a checksum is finished. A veth hands over unfinished
 * ones, and so does whatever runs XDP behind GRO, which is all that runs it in generic mode.
 */
#ifndef HOMEWARD_TURN_H
#define HOMEWARD_TURN_H

#include <linux/if_ether.h>

#include "bpf/follow.h"
#include "bpf/home.h"
#include "bpf/hop.h"
#include "bpf/outer.h"
#include "bpf/surface.h"

static __always_inline bool may_turn(const struct xdp_md *context, const struct settings *config)
{
	__u32 uplink = context->ingress_ifindex;

	return config->relay == RELAY_AUTHENTICATED && !config->underlay_ifindex &&
	       bpf_map_lookup_elem(&turning, &uplink);
}

static __always_inline bool is_plain(const struct settings *config, const struct packet *packet)
{
	__u32 header = packet->version == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);

	return packet->transport == packet->network + header && packet->fragment == FRAGMENT_NONE &&
	       packet->icmp != ICMP_KIND_ERROR && !(packet->tcp_flags & TCP_SYN) && packet->hop_limit > 1 &&
	       packet->length <= config->mtu;
}

/* The flow of a packet that is to be turned, and its line as it was found. */
struct turning_flow {
	struct line_key key;
	__u64 tag, home; /* 0: it has no line */
	__u32 index;
};

/* What the relay is to say to whom, as RELAY_TO() has it; 0: none is to be sent. Nothing is learned yet. */
SUBPROGRAM __u32 find_member(const struct settings *config, struct turning_flow *flow, __u64 now_ns)
{
	struct finding found = {};
	struct way way = {};
	struct table table;
	__u64 hash;

	if (!config || !flow)
		return 0;
	table = flow_table(config, now_ns);
	hash = hash_of(&flow->key, config->hash_seed);
	fetch_counters(config, hash);
	if (table_find(&table, &flow->key, hash, &found)) {
		flow->tag = found.tag;
		flow->home = found.home;
		flow->index = found.index;
	}
	find_way_home(config, &flow->key, flow->home, &way);
	if (!way.tunnel || way.gateway == config->gateway)
		return 0;
	return RELAY_TO(way.gateway, way.tunnel, RELAY_SURFACED);
}

/* The flow is alive, and one step further. Whatever became of its line meanwhile: its words are changed from what was found. */
static __always_inline void note_turned(const struct settings *config, const struct packet *packet,
	const struct turning_flow *flow, __u64 now_ns)
{
	struct table table = flow_table(config, now_ns);
	struct finding found = {.index = flow->index, .tag = flow->tag, .home = flow->home};

	if (flow->tag)
		found.line = line_at(&table, flow->index);
	if (!found.line)
		return;
	follow_response(&table, packet, 0, &found);
	count_line(config, flow->index, DIRECTION_RESPONSE, 1, packet->length);
}

/* The Ethernet header towards the member, if it is reached by this uplink, whole, and known to its neighbours. */
static __always_inline int find_neighbour(struct xdp_md *context, const struct settings *config,
	__u32 gateway, __u32 length, struct ethhdr *ethernet, __u64 now_ns)
{
	const struct bpf_fib_lookup *fib;
	struct route_entry *route = find_route(context, config, gateway, now_ns);
	bool v4;

	if (!route || route->result != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	fib = fib_of(route);
	v4 = is_underlay_v4(config); /* fib says the next hop's family, which may be the other one */
	if (fib->ifindex != context->ingress_ifindex ||
		length + (v4 ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6) > fib->mtu_result)
		return false;
	__builtin_memcpy(ethernet->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, fib->smac, ETH_ALEN);
	ethernet->h_proto = bpf_htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	return true;
}

/* Of two hosts' packets the uplink may see both. */
static __always_inline bool is_addressed_to(const struct xdp_md *context, const __u8 address[ETH_ALEN])
{
	const __u16 *to = (void *)(long)context->data, *wanted = (const __u16 *)address;

	return (const void *)(to + 3) <= (const void *)(long)context->data_end && to[0] == wanted[0] &&
	       to[1] == wanted[1] && to[2] == wanted[2];
}

/* The packet becomes a relay, one hop less. XDP_PASS: there is no room before it, and nothing has happened. */
static __always_inline int wrap(struct xdp_md *context, const struct settings *config,
	const struct packet *packet, __u32 to, const struct ethhdr *ethernet)
{
	bool v4 = ethernet->h_proto == bpf_htons(ETH_P_IP);
	int room = v4 ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6;
	__u32 outer = outer_of(context, packet);

	if (bpf_xdp_adjust_head(context, -room))
		return XDP_PASS;
	if (spend_hop_at(context, packet, ETH_HLEN + room) || write_headers(context, config, to, outer, v4) ||
		store_bytes(context, 0, ethernet, sizeof(*ethernet)))
		return XDP_DROP;
	return XDP_TX;
}

/* At once: no program may lay one end of a packet aside and look at the other meanwhile. */
static __always_inline __u32 linear_length(const struct xdp_md *context)
{
	__u32 length = context->data_end - context->data;

	asm volatile("" : "+r"(length));
	return length;
}

static __always_inline int turn(struct xdp_md *context)
{
	const struct settings *config = settings_get();
	__u32 length = linear_length(context), to;
	struct turning_flow flow = {};
	struct ethhdr ethernet = {};
	struct packet packet;
	__u64 now_ns;
	__u16 zone;
	int verdict;

	if (!config || !may_turn(context, config) ||
		parse_packet(context, ETH_HLEN, length, &packet) != PARSED || !is_plain(config, &packet) ||
		!is_loopback(packet.source, &zone) || is_for_us_or_inside(&packet))
		return XDP_PASS;
	now_ns = bpf_ktime_get_coarse_ns();
	key_of_response(&flow.key, &packet, zone);
	to = find_member(config, &flow, now_ns);
	if (!to || !find_neighbour(context, config, RELAY_TO_GATEWAY(to), packet.length, &ethernet, now_ns) ||
		!is_addressed_to(context, ethernet.h_source))
		return XDP_PASS;
	verdict = wrap(context, config, &packet, to, &ethernet);
	if (verdict == XDP_PASS)
		return verdict;
	note_turned(config, &packet, &flow, now_ns);
	count(verdict == XDP_TX ? REASON_relayed_response : REASON_relay_unreachable, 1, length);
	return verdict;
}

#endif
