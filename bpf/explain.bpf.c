// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * explain: where would this packet go, and why? Attached nowhere. gwd runs it by BPF_PROG_TEST_RUN with a
 * struct explanation for a packet, and it asks the same functions as the programs that carry traffic, but
 * learns nothing and counts nothing.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bpf/admit.h"
#include "bpf/answer.h"
#include "bpf/egress.h"
#include "bpf/fragment.h"
#include "bpf/home.h"
#include "bpf/learn.h"
#include "bpf/link.h"
#include "bpf/questions.h"
#include "bpf/surface.h"

static __always_inline __u8 version_of(const __u8 address[16])
{
	const __u32 *words = (const __u32 *)address;

	return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff) ? 4 : 6;
}

/* As parse.h would have left it, as far as anybody behind it looks. Of an ICMP error the source is anybody's. */
static __always_inline void packet_between(struct packet *packet, const struct explanation *explanation,
	const __u8 source[16], const __u8 destination[16])
{
	__builtin_memset(packet, 0, sizeof(*packet));
	__builtin_memcpy(packet->source, source, 16);
	__builtin_memcpy(packet->destination, destination, 16);
	packet->version = version_of(destination);
	packet->protocol = explanation->key.protocol;
	packet->fragment_id = explanation->fragment_id;
	packet->fragment = explanation->kind == EXPLAIN_FRAGMENT ? FRAGMENT_LATER : FRAGMENT_NONE;
	packet->icmp = explanation->kind == EXPLAIN_ICMP_ERROR ? ICMP_KIND_ERROR : ICMP_KIND_OTHER;
}

static __always_inline void explain_device(const struct settings *config, struct explanation *explanation)
{
	const struct line_key *key = &explanation->key;
	struct finding found = {};

	if (find_device(config, key->source, key->zone, bpf_ktime_get_coarse_ns(), &found)) {
		explanation->device_line = found.index + 1;
		explanation->device_home = found.home;
	}
}

static __always_inline void explain_flow(const struct settings *config, struct explanation *explanation)
{
	struct finding found = {};

	if (find_flow(config, &explanation->key, bpf_ktime_get_coarse_ns(), &found)) {
		explanation->line = found.index + 1;
		explanation->flow_home = found.home;
	}
}

static __always_inline void explain_first_fragment(
	struct explanation *explanation, const struct packet *packet)
{
	const struct fragment_entry *first = recall_fragment(packet, explanation->key.zone);

	if (!first)
		return;
	explanation->line = first->line;
	explanation->flow_home = first->home;
}

static __always_inline void explain_way(const struct settings *config, struct explanation *explanation)
{
	struct way way = {};

	find_way_home(config, &explanation->key, explanation->flow_home, &way);
	explanation->provider = way.provider;
	explanation->way_tunnel = way.tunnel;
	explanation->way_gateway = way.gateway;
	explanation->way_reason = way.reason;
}

/*
 * Whose a request is: that of its flow's line; of a flow without one, as if this were its first packet; of one that nobody
 * owns yet, as of the next; of an ICMP error as judge_error() says. 0: the members would be asked.
 */
static __always_inline __u8 explain_owner(
	const struct settings *config, struct explanation *explanation, struct packet *packet)
{
	__u8 owner;

	if (config->relay == RELAY_OFF)
		return config->gateway;
	if (explanation->kind == EXPLAIN_FRAGMENT)
		return owner_of_fragment(config, packet, explanation->key.zone);
	explain_flow(config, explanation);
	if (explanation->kind == EXPLAIN_ICMP_ERROR)
		return owner_of_error(config, &explanation->key, false);
	packet->destination_port = explanation->key.destination_port;
	if (!explanation->line && packet->protocol == IPPROTO_TCP)
		packet->tcp_flags = TCP_SYN;
	owner = explanation->line ? HOME_OWNER(explanation->flow_home) : 0;
	if (!owner)
		return owner_of_first(config, packet, TCP_STATE_NONE);
	return owner != config->gateway && has_lapsed(config, packet, owner, false) ? config->gateway : owner;
}

/* What becomes of a request that was admitted for `reason`. */
static __always_inline enum reason explain_handing_over(const struct settings *config,
	struct explanation *explanation, struct packet *packet, enum reason reason)
{
	__u8 owner = explain_owner(config, explanation, packet);

	if (owner == config->gateway)
		return reason;
	explanation->way_gateway = owner;
	return owner ? REASON_relayed_request : REASON_asked_members;
}

/* tunnel_ingress. Where the answer to a request would go is another question. */
SUBPROGRAM int explain_request(const struct settings *config, struct explanation *explanation)
{
	const struct tunnel_entry *tunnel;
	struct packet packet, quoted;
	enum reason reason;

	if (!config || !explanation)
		return REASON_internal;
	tunnel = tunnel_by_number(explanation->tunnel);
	if (!tunnel || !tunnel->ifindex)
		return REASON_unknown_tunnel;
	explanation->key.zone = tunnel->zone;
	packet_between(&packet, explanation, explanation->key.source, explanation->key.destination);
	packet_between(&quoted, explanation, explanation->key.destination, explanation->key.source);
	reason = admit(tunnel, explanation->tunnel, &packet, &quoted);
	if (reason != REASON_passed_request && reason != REASON_passed_icmp_error)
		return reason;
	return explain_handing_over(config, explanation, &packet, reason);
}

/* respond(): the flow of a packet by its ports, of a later fragment by its first, of an error by what it quotes. */
static __always_inline int explain_respond(
	const struct settings *config, struct explanation *explanation, const struct packet *packet)
{
	explain_device(config, explanation);
	if (explanation->kind == EXPLAIN_FRAGMENT)
		explain_first_fragment(explanation, packet);
	else
		explain_flow(config, explanation);
	explain_way(config, explanation);
	if (explanation->way_tunnel && explanation->length > config->mtu)
		return REASON_too_big;
	if (explanation->way_tunnel && explanation->way_gateway != config->gateway)
		return REASON_relayed_response;
	return explanation->way_reason;
}

/* link_ingress, where the tunnel is a link of an egress group; else negative. An ICMP error is asked for by what it is about. */
SUBPROGRAM int explain_link(struct explanation *explanation)
{
	const struct tunnel_entry *tunnel;
	struct packet packet;

	if (!explanation)
		return REASON_internal;
	tunnel = tunnel_by_number(explanation->tunnel);
	if (!tunnel || !tunnel->ifindex || !tunnel->egress)
		return -1;
	packet_between(&packet, explanation, explanation->key.source, explanation->key.destination);
	packet.echo_reply = packet.protocol == IPPROTO_ICMP ||
			    packet.protocol == IPPROTO_ICMPV6; /* asked for as an answer */
	return admit_answer(tunnel, explanation->tunnel, &packet, packet.source);
}

/*
 * A relay is Geneve to our underlay. Of its sender only the address is known here; of the rest, whether it is true, only
 * the packet could say. The address is the packet's, on the stack: Linux 6.1 takes no key of a map from an argument's
 * memory.
 */
static __always_inline bool is_relay(const struct explanation *explanation, const struct packet *packet)
{
	return explanation->kind == EXPLAIN_PACKET && explanation->key.protocol == IPPROTO_UDP &&
	       explanation->key.source_port == bpf_htons(RELAY_PORT) && is_underlay(packet->destination);
}

static __always_inline enum reason explain_relay(const struct settings *config, const struct packet *packet)
{
	if (config->relay == RELAY_OFF)
		return REASON_relay_not_member;
	for (__u32 gateway = 1; gateway < GATEWAY_NUMBERS; gateway++) {
		const struct member_entry *member = member_by_number(gateway);

		if (member && member->state != MEMBER_NONE && same_address(member->address, packet->source))
			return REASON_passed_relay;
	}
	return REASON_relay_not_member;
}

/* return_egress, or uplink_xdp and uplink_ingress. */
SUBPROGRAM int explain_response(const struct settings *config, struct explanation *explanation)
{
	bool uplink;
	struct packet packet;
	__u16 zone;

	if (!config || !explanation)
		return REASON_internal;
	uplink = explanation->direction == EXPLAIN_UPLINK;
	packet_between(&packet, explanation, explanation->key.destination, explanation->key.source);
	if (uplink && is_relay(explanation, &packet))
		return explain_relay(config, &packet);
	if (!is_loopback(packet.source, &zone))
		return uplink ? REASON_passed_other : REASON_source_not_loopback;
	if (uplink && is_for_us_or_inside(&packet))
		return REASON_passed_other;
	if (uplink && explanation->hops == 1)
		return REASON_hops_exceeded;
	explanation->key.zone = zone;
	return explain_respond(config, explanation, &packet);
}

/* lan_ingress. The key is of the flow as its first packet came from the LAN, also of an ICMP error. */
SUBPROGRAM int explain_lan(const struct settings *config, struct explanation *explanation)
{
	struct packet packet;
	struct line_key key;
	int link;

	if (!config || !explanation)
		return REASON_internal;
	packet_between(&packet, explanation, explanation->key.source, explanation->key.destination);
	key = explanation->key;
	key.zone = group_of(explanation->ifindex, packet.destination);
	explanation->line = 0;
	explanation->provider = key.zone;
	if (!key.zone)
		return REASON_passed_other;
	if (explanation->hops == 1)
		return REASON_hops_exceeded;
	link = link_of_packet(config, &packet, &key, false);
	explanation->way_tunnel = LINK_TUNNEL(link);
	explanation->way_gateway = config->gateway;
	explanation->way_reason = LINK_REASON(link);
	if (explanation->way_tunnel && explanation->length > config->mtu)
		return REASON_too_big;
	return LINK_REASON(link);
}

/* What an uplink or a LAN's interface drops may be told to its sender. An ICMP packet that is no error is an echo, as the question says it. */
SUBPROGRAM int explain_answer(const struct settings *config, struct explanation *explanation)
{
	struct packet packet;

	if (!config || !explanation ||
		(explanation->direction != EXPLAIN_UPLINK && explanation->direction != EXPLAIN_LAN))
		return 0;
	packet_between(&packet, explanation, explanation->key.destination, explanation->key.source);
	if (packet.icmp == ICMP_KIND_OTHER)
		packet.icmp = ICMP_KIND_ECHO;
	explanation->answered = deserves_answer(&packet, explanation->reason);
	if (explanation->answered && explanation->reason == REASON_too_big)
		explanation->fits = config->mtu;
	return 0;
}

SEC("tc")
int explain(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	struct explanation explanation;
	int by_link = -1;

	if (!config || bpf_skb_load_bytes(skb, 0, &explanation, sizeof(explanation)))
		return TC_ACT_SHOT;
	if (explanation.direction == EXPLAIN_REQUEST)
		by_link = explain_link(&explanation);
	if (by_link >= 0)
		explanation.reason = by_link;
	else if (explanation.direction == EXPLAIN_REQUEST)
		explanation.reason = explain_request(config, &explanation);
	else if (explanation.direction == EXPLAIN_LAN)
		explanation.reason = explain_lan(config, &explanation);
	else
		explanation.reason = explain_response(config, &explanation);
	explain_answer(config, &explanation);
	return bpf_skb_store_bytes(skb, 0, &explanation, sizeof(explanation), 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
