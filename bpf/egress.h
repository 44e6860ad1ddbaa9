/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Egress groups: which tunnel a packet from the LAN leaves by. A group is its destinations; a packet is a group's when it
 * comes in by one of its LAN interfaces and goes there. Then, by the group's shares, which gwd deals among the links that
 * are in and replaces whole (loader/health/egress.h): a flow's hash is a slot, and a slot has a tunnel.
 *
 * Where the load is shared, a flow is pinned to its link at its first packet, and keeps to it for as long as the link is
 * in, whatever becomes of the shares: a link that dies or leaves loses its flows, one that returns gets new ones. A pin that was
 * not used for as long as a flow may be idle is none any more. Where one link is active, everything follows it.
 *
 * Of fragments only the first has ports: it tells the others (fragment.h). An ICMP error about an answer goes by the flow of
 * the answer. Nothing but a link of the group ever gets such a packet: where none is in, it is dropped.
 *
 * Decides by what the maps say, so that `explain` can ask the same without a packet.
 */
#ifndef HOMEWARD_EGRESS_H
#define HOMEWARD_EGRESS_H

#include "bpf/fragment.h"
#include "bpf/home.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

/* A tunnel's number, 0: none, and beside it the reason. */
#define LINK(tunnel, reason) ((int)((__u32)(reason) << 16 | (tunnel)))
#define LINK_TUNNEL(link)    ((__u16)(link))
#define LINK_REASON(link)    ((enum reason)((__u32)(link) >> 16))

static __always_inline bool lies_in_group(__u16 group, const __u8 address[16])
{
	return group && holder_of(SPACE_EGRESS, 0, address) == group;
}

/* What no router forwards (RFC 3927, RFC 4291): a group's destinations may be so wide that they hold it. */
static __always_inline bool is_link_local(const __u8 address[16])
{
	const __u32 *words = (const __u32 *)address;

	if (words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff))
		return (words[3] & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
	return (words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/* The group whose packet it is that comes in by this interface; 0: none's. */
static __always_inline __u16 group_of(__u32 ifindex, const __u8 destination[16])
{
	struct egress_from from = {.ifindex = ifindex, .group = holder_of(SPACE_EGRESS, 0, destination)};

	if (is_link_local(destination))
		return 0;
	return from.group && bpf_map_lookup_elem(&egress_from, &from) ? from.group : 0;
}

static __always_inline const struct egress_entry *egress_by_number(__u32 group)
{
	return bpf_map_lookup_elem(&egress_groups, &group);
}

/* Whatever a pin or a table says: a tunnel is used by its own group alone. */
static __always_inline bool is_link_of(__u16 group, __u16 number)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);

	return number && tunnel && tunnel->ifindex && tunnel->egress == group;
}

/* What a source sends may be TCP, of which nobody here sees more than that. */
static __always_inline __u32 pin_lifetime_ms(const struct settings *config, __u8 protocol)
{
	return protocol ? line_lifetime_ms(config, LINE_ESTABLISHED, protocol) : config->established_ms;
}

/* A link may be usable and out: its neighbour is about to leave. */
static __always_inline bool is_in(const struct egress_table *table, __u16 tunnel)
{
	for (int i = 0; table && i < EGRESS_LINKS; i++)
		if (table->in[i] == tunnel)
			return true;
	return false;
}

/* 0: it is pinned to no link that is in and usable. `touch`: it was used. */
static __always_inline __u16 pinned_link(const struct settings *config, const struct line_key *flow,
	const struct egress_table *table, bool touch)
{
	struct egress_pin *pin = bpf_map_lookup_elem(&egress_pins, flow);
	__u32 now = bpf_ktime_get_coarse_ns() / 1000000;
	__u32 idle = pin ? ms_since(pin->seen_ms, now) : 0;

	if (!pin || idle >= pin_lifetime_ms(config, flow->protocol) || !is_link_of(flow->zone, pin->tunnel) ||
		!is_in(table, pin->tunnel) || !is_usable(config->gateway, pin->tunnel))
		return 0;
	if (touch && idle >= TOUCH_MS)
		pin->seen_ms = now;
	return pin->tunnel;
}

static __always_inline const struct egress_table *table_of(__u32 group)
{
	return bpf_map_lookup_elem(&egress_tables, &group);
}

static __always_inline __u16 shared_link(
	const struct settings *config, const struct line_key *flow, const struct egress_table *table)
{
	__u16 tunnel = table ? table->tunnels[hash_of(flow, config->hash_seed) % EGRESS_SLOTS] : 0;

	return is_link_of(flow->zone, tunnel) ? tunnel : 0;
}

static __always_inline void pin_flow(const struct line_key *flow, __u16 tunnel)
{
	struct egress_pin pin = {.seen_ms = bpf_ktime_get_coarse_ns() / 1000000, .tunnel = tunnel};

	bpf_map_update_elem(&egress_pins, flow, &pin, BPF_ANY);
}

/*
 * The link of a flow, as LINK(); `pins`: it is pinned from now on, and its pin used. The key is copied for Linux 6.1, which
 * takes none from an argument's memory.
 */
SUBPROGRAM int link_of_flow(const struct settings *config, const struct line_key *flow, __u32 pins)
{
	const struct egress_entry *group;
	const struct egress_table *table;
	struct line_key key;
	__u16 tunnel;

	if (!config || !flow)
		return LINK(0, REASON_internal);
	key = *flow;
	group = egress_by_number(key.zone);
	if (!group)
		return LINK(0, REASON_internal);
	table = table_of(key.zone);
	tunnel = group->sharing ? pinned_link(config, &key, table, pins) : 0;
	if (tunnel)
		return LINK(tunnel, REASON_egress_pinned);
	tunnel = shared_link(config, &key, table);
	if (!tunnel)
		return LINK(0, REASON_no_egress_link);
	if (group->sharing && pins)
		pin_flow(&key, tunnel);
	return LINK(tunnel, REASON_egress_shared);
}

/* Of what comes from one source, the source is all there is to know. */
static __always_inline void key_of_source(struct line_key *key)
{
	__builtin_memset(key->destination, 0, sizeof(key->destination));
	key->source_port = key->destination_port = 0;
	key->protocol = 0;
}

/* What an ICMP error quotes is an answer: its flow in request direction. By itself for the stack's sake. */
SUBPROGRAM int key_of_quoted(
	struct __sk_buff *skb, const struct packet *packet, struct line_key *key, __u16 group)
{
	struct packet quoted;

	if (!packet || !key || parse_quoted(skb, packet, &quoted) != PARSED)
		return PARSED_MALFORMED;
	key_of_response(key, &quoted, group);
	return PARSED;
}

/* What the first fragment said; 0: nothing, or its link is not usable any more. */
static __always_inline __u16 link_of_first(
	const struct settings *config, const struct packet *packet, __u16 group)
{
	const struct fragment_entry *first = recall_fragment(packet, group);
	__u16 tunnel = first ? HOME_TUNNEL(first->home) : 0;

	return is_link_of(group, tunnel) && is_usable(config->gateway, tunnel) ? tunnel : 0;
}

/* By ports, where the load is shared by flows. */
static __always_inline int link_by_flow(
	const struct settings *config, const struct packet *packet, const struct line_key *key, bool pins)
{
	__u16 group = key->zone, tunnel = 0;
	int link;

	if (packet->fragment == FRAGMENT_LATER)
		tunnel = link_of_first(config, packet, group);
	if (tunnel)
		return LINK(tunnel, REASON_egress_pinned);
	link = link_of_flow(config, key, pins && packet->fragment != FRAGMENT_LATER);
	if (packet->fragment == FRAGMENT_FIRST && LINK_TUNNEL(link))
		remember_fragment(packet, group, HOME_WAY(HOME(0, LINK_TUNNEL(link), config->gateway, 0)), 0);
	return link;
}

/* The link of a packet whose flow is known, as LINK(). */
static __always_inline int link_of_packet(
	const struct settings *config, const struct packet *packet, struct line_key *key, bool pins)
{
	const struct egress_entry *group = egress_by_number(key->zone);

	if (!group)
		return LINK(0, REASON_internal);
	if (!group->by_source)
		return link_by_flow(config, packet, key, pins);
	key_of_source(key);
	return link_of_flow(config, key, pins);
}

/* The link of a packet of the group, as LINK(). */
static __always_inline int find_link(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 group)
{
	bool error = packet->icmp == ICMP_KIND_ERROR;
	struct line_key key;

	if (!error)
		key_of_request(&key, packet, group);
	else if (key_of_quoted(skb, packet, &key, group) != PARSED)
		return LINK(0, REASON_malformed);
	return link_of_packet(config, packet, &key, !error);
}

#endif
