/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way home: by which gateway and tunnel a response leaves. One function decides, for every program and
 * for `explain`: the flow's way, if usable, else the device's, if usable, else any usable tunnel of the
 * provider that holds the device's address, in the order of preference that gwd wrote down; else there is
 * none.
 *
 * The tables are hints, the configuration is the law: whatever way was found, the tunnel's provider must be
 * the one that holds the address in the flow's zone (the exit check of promise 7), so that a stale or
 * poisoned line costs a packet and never hands it to another customer.
 *
 * A way may be another gateway's: then the response is relayed there, as long as that gateway may live.
 *
 * The neighbour at the far end of a tunnel's link is no provider's: it is answered through that tunnel,
 * usable or not, since BFD and BGP, by which a tunnel becomes usable, are its business too.
 */
#ifndef HOMEWARD_HOME_H
#define HOMEWARD_HOME_H

#include "bpf/learn.h"
#include "bpf/provider.h"

struct way {
	__u16 tunnel; /* 0: nowhere */
	__u16 provider;
	__u8 gateway;
	__u8 reason; /* enum reason: which rule found it, or why there is none */
};

static __always_inline bool is_usable(__u8 gateway, __u16 tunnel)
{
	__u32 number = gateway;
	const struct usable_entry *entry = bpf_map_lookup_elem(&usable, &number);

	return tunnel && entry && entry->words[tunnel / 64] >> (tunnel % 64) & 1;
}

static __always_inline bool take_home(struct way *way, __u64 home, enum reason reason)
{
	if (!is_usable(HOME_GATEWAY(home), HOME_TUNNEL(home)))
		return false;
	way->tunnel = HOME_TUNNEL(home);
	way->gateway = HOME_GATEWAY(home);
	way->reason = reason;
	return true;
}

/* By any gateway's tunnel, or by ours alone: `gateway` then is our number, else 0. */
static __always_inline bool take_provider(struct way *way, __u8 gateway)
{
	__u32 number = way->provider;
	const struct provider_entry *provider = bpf_map_lookup_elem(&providers, &number);

	if (!provider)
		return false;
	for (__u32 i = 0; i < PROVIDER_WAYS_MAX && i < provider->count; i++) {
		const struct provider_way *candidate = &provider->ways[i];

		if (gateway && candidate->gateway != gateway)
			continue;
		if (take_home(way, HOME(0, candidate->tunnel, candidate->gateway, 0), REASON_home_provider))
			return true;
	}
	return false;
}

/* A neighbour may be on the links of several tunnels, when they use one prefix: then the flow knows which. */
static __always_inline void take_link(
	struct way *way, const struct settings *config, const struct line_key *key, __u64 flow_home)
{
	__u16 tunnel = HOME_TUNNEL(flow_home);

	if (!tunnel || !holder_of(SPACE_LINK, tunnel, key->source))
		tunnel = holder_of(SPACE_NEIGHBOUR, key->zone, key->source);
	way->tunnel = tunnel;
	way->gateway = config->gateway;
	way->reason = tunnel ? REASON_home_link : REASON_no_provider;
}

static __always_inline void refuse_way(struct way *way, enum reason reason)
{
	way->tunnel = 0;
	way->reason = reason;
}

/* Another gateway's tunnel can be reached as long as that may live. */
static __always_inline bool leads_out(const struct way *way, const struct settings *config)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(way->tunnel);

	if (!tunnel || tunnel->gateway != way->gateway)
		return false;
	return way->gateway == config->gateway ? tunnel->ifindex : is_living(way->gateway);
}

/* What stands between a way and its use: promise 7, and whether we relay. */
static __always_inline void check_exit(struct way *way, const struct settings *config)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(way->tunnel);

	if (way->gateway != config->gateway && config->relay == RELAY_OFF)
		refuse_way(way, REASON_way_elsewhere);
	else if (!tunnel || !leads_out(way, config))
		refuse_way(way, REASON_no_way_home);
	else if (tunnel->provider != way->provider && way->reason != REASON_home_link)
		refuse_way(way, REASON_exit_refused);
}

/* The way home of a flow; `flow_home` is its line's home word, 0 if it has none. `way` is zero before. */
SUBPROGRAM enum reason find_way_home(
	const struct settings *config, const struct line_key *key, __u64 flow_home, struct way *way)
{
	struct finding device = {};

	if (!config || !key || !way)
		return REASON_internal;
	way->provider = provider_of(tunnel_by_number(HOME_TUNNEL(flow_home)), key->zone, key->source);
	if (!way->provider) {
		take_link(way, config, key, flow_home);
		if (way->tunnel)
			check_exit(way, config);
		return way->reason;
	}
	if (!take_home(way, flow_home, REASON_home_flow) &&
		!(find_device(config, key->source, key->zone, bpf_ktime_get_coarse_ns(), &device) &&
			take_home(way, device.home, REASON_home_device)) &&
		!take_provider(way, 0)) {
		refuse_way(way, REASON_no_way_home);
		return way->reason;
	}
	check_exit(way, config);
	return way->reason;
}

/*
 * The way home of a response that a member relayed to us: by the tunnel that it named, else by another of ours; whatever
 * it is, the packet is not relayed again. `way` is zero before.
 */
SUBPROGRAM enum reason find_way_of_relayed(
	const struct settings *config, const struct line_key *key, __u32 tunnel, struct way *way)
{
	const struct tunnel_entry *named = tunnel_by_number(tunnel);

	if (!config || !key || !way)
		return REASON_internal;
	way->provider = provider_of(named, key->zone, key->source);
	if (!way->provider)
		refuse_way(way, REASON_no_provider);
	else if (!named || !named->provider)
		refuse_way(way, REASON_relay_no_tunnel);
	else if (take_home(way, HOME(0, tunnel, config->gateway, 0), REASON_home_relay) ||
		 take_provider(way, config->gateway))
		check_exit(way, config);
	else
		refuse_way(way, REASON_no_way_home);
	return way->reason;
}

#endif
