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
#include "bpf/home.h"
#include "bpf/learn.h"

/* The request that the key describes, as parse.h would have left it. */
static __always_inline void packet_of_key(struct packet *packet, const struct line_key *key)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	__builtin_memcpy(packet->source, key->source, 16);
	__builtin_memcpy(packet->destination, key->destination, 16);
	packet->source_port = key->source_port;
	packet->destination_port = key->destination_port;
	packet->protocol = key->protocol;
}

static __always_inline enum reason explain_request(struct explanation *explanation)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(explanation->tunnel);
	struct packet packet;

	if (!tunnel || !tunnel->ifindex)
		return REASON_unknown_tunnel;
	explanation->key.zone = tunnel->zone;
	packet_of_key(&packet, &explanation->key);
	return admit(tunnel, explanation->tunnel, &packet, &packet);
}

static __always_inline enum reason explain_response(struct explanation *explanation)
{
	const struct local_entry *local = local_by_address(explanation->key.destination);

	if (!local || local->kind != LOCAL_LOOPBACK)
		return REASON_source_not_loopback;
	explanation->key.zone = local->which;
	return REASON_passed_request;
}

static __always_inline void explain_tables(const struct settings *config, struct explanation *explanation)
{
	const struct line_key *key = &explanation->key;
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct finding found = {};

	if (find_flow(config, key, now_ns, &found)) {
		explanation->line = found.index + 1;
		explanation->flow_home = found.home;
	}
	if (find_device(config, key->source, key->zone, now_ns, &found)) {
		explanation->device_line = found.index + 1;
		explanation->device_home = found.home;
	}
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

SEC("tc")
int explain(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	struct explanation explanation;
	bool response;

	if (!config || bpf_skb_load_bytes(skb, 0, &explanation, sizeof(explanation)))
		return TC_ACT_SHOT;
	response = explanation.direction == EXPLAIN_RESPONSE;
	explanation.reason = response ? explain_response(&explanation) : explain_request(&explanation);
	if (explanation.reason == REASON_passed_request) {
		explain_tables(config, &explanation);
		explain_way(config, &explanation);
		if (response)
			explanation.reason = explanation.way_reason;
	}
	return bpf_skb_store_bytes(skb, 0, &explanation, sizeof(explanation), 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
