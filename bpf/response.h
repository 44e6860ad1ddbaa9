/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A response on its way out, wherever it surfaced: find its flow, let the flow know, find the way home, send.
 *
 * Three kinds name their flow in three manners: a packet with ports by these, a later fragment by its
 * first, an ICMP error by the packet it quotes, which came from the device and so is a request.
 */
#ifndef HOMEWARD_RESPONSE_H
#define HOMEWARD_RESPONSE_H

#include "bpf/clamp.h"
#include "bpf/follow.h"
#include "bpf/fragment.h"
#include "bpf/home.h"
#include "bpf/relay.h"
#include "bpf/verdict.h"

static __always_inline void follow_first_fragment(
	const struct packet *packet, __u16 zone, struct response *response)
{
	const struct fragment_entry *first = recall_fragment(packet, zone);

	if (!first)
		return;
	response->home = first->home;
	response->line = first->line;
}

/* An error about a packet that did not come from there (it would be a defect of our stack) goes by the device. */
SUBPROGRAM enum parsed follow_quoted(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, struct response *response)
{
	struct packet quoted;
	struct finding found = {};
	enum parsed parsed;

	if (!config || !packet || !response)
		return PARSED_MALFORMED;
	parsed = parse_quoted(skb, packet, &quoted);
	if (parsed != PARSED || !same_address(quoted.source, packet->destination))
		return parsed;
	key_of_request(&response->key, &quoted, zone);
	if (find_flow(config, &response->key, bpf_ktime_get_coarse_ns(), &found))
		response->home = found.home;
	return PARSED;
}

static __always_inline enum parsed find_flow_of_response(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, struct response *response)
{
	key_of_response(&response->key, packet, zone);
	if (packet->icmp == ICMP_KIND_ERROR)
		return follow_quoted(skb, config, packet, zone, response);
	if (packet->fragment == FRAGMENT_LATER)
		follow_first_fragment(packet, zone, response);
	else if (!note_response(config, packet, response) && response->owner == config->gateway)
		response->line = learn_opened(config, packet, &response->key);
	return PARSED;
}

/*
 * By the way home: through the tunnel, where the kernel takes the MAC header off and does not look at the MTU, or to the
 * gateway that has the tunnel, as a relay of `kind`.
 */
static __always_inline int send(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, const struct way *way, enum relay_kind kind)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(way->tunnel);

	if (!way->tunnel || !tunnel)
		return drop(skb, way->reason);
	if (way->gateway != config->gateway)
		return relay(skb, config, packet, way->gateway, way->tunnel, kind);
	if (segment_length(skb, packet) > config->mtu)
		return drop_too_big(skb, config->mtu);
	decide(skb, way->reason, way->tunnel);
	return bpf_redirect(tunnel->ifindex, 0);
}

/* What our stack says in another gateway's flow is no response of the owner's, and must not make us that. */
static __always_inline enum relay_kind kind_of(
	const struct settings *config, const struct response *response, enum relay_kind kind)
{
	__u8 owner = HOME_OWNER(response->home);

	return owner && owner != config->gateway ? RELAY_SURFACED : kind;
}

/* The verdict on a packet whose source is a loopback of `zone`; as `kind` it is relayed, if it is. */
static __always_inline int respond(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, enum relay_kind kind)
{
	struct response response = {.owner = kind == RELAY_RESPONSE ? config->gateway : 0};
	struct way way = {};

	if (find_flow_of_response(skb, config, packet, zone, &response) != PARSED)
		return drop(skb, REASON_malformed);
	find_way_home(config, &response.key, response.home, &way);
	if (!way.tunnel)
		return drop(skb, way.reason);
	if (packet->fragment == FRAGMENT_FIRST)
		remember_fragment(packet, zone,
			HOME_WAY(HOME(0, way.tunnel, way.gateway, HOME_OWNER(response.home))), response.line);
	if (response.line)
		count_line(config, response.line - 1, DIRECTION_RESPONSE, packets_in(skb), packet->length);
	clamp_mss(skb, config, packet);
	return send(skb, config, packet, &way, kind_of(config, &response, kind));
}

#endif
