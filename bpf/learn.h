/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tables learn from packets: the newest way home of flows and devices, and how far a flow has come.
 *
 *	            our SYN-ACK acknowledged (TCP),
 *	            a response has left (UDP, ICMP)
 *	half-open ──────────────────────────────────► established
 *	    │  ▲                                           │
 *	    │  └───────────── SYN ─────────── closing ◄────┤ FIN or RST, from either side
 *	    └─────────────── FIN, RST ───────────▲─────────┘
 *
 * A device can make as many half-open lines as it likes (they go first when a window is full); for an
 * established one it must have seen our answer. A TCP segment of a flow without a line, after a restart
 * with an empty table say, proves itself by a connected socket. Only a request changes a way home; a
 * response keeps it alive, since the client of a long download may be silent.
 */
#ifndef HOMEWARD_LEARN_H
#define HOMEWARD_LEARN_H

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/table.h"

/* Of <net/tcp_states.h>, which programs do not see: the states in which a socket is no proof of a connection. */
enum {
	TCP_STATE_SYN_RECV = 3,
	TCP_STATE_TIME_WAIT = 6,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_LISTEN = 10,
	TCP_STATE_NEW_SYN_RECV = 12
};

static __always_inline struct table flow_table(const struct settings *config, __u64 now_ns)
{
	return (struct table){&flows_1, config->flow_mask, config, now_ns};
}

static __always_inline struct table device_table(const struct settings *config, __u64 now_ns)
{
	return (struct table){&devices_1, config->device_mask, config, now_ns};
}

static __always_inline void key_of_device(struct line_key *key, const __u8 address[16], __u16 zone)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, address, 16);
	key->zone = zone;
}

static __always_inline bool find_flow(
	const struct settings *config, const struct line_key *key, __u64 now_ns, struct finding *found)
{
	struct table table = flow_table(config, now_ns);

	return table_find(&table, key, hash_of(key, config->hash_seed), found);
}

static __always_inline bool find_device(const struct settings *config, const __u8 address[16], __u16 zone,
	__u64 now_ns, struct finding *found)
{
	struct table table = device_table(config, now_ns);
	struct line_key key;

	key_of_device(&key, address, zone);
	return table_find(&table, &key, hash_of(&key, config->hash_seed), found);
}

/* ---- Counting, beside the line ------------------------------------------------------------------------- */

enum direction { DIRECTION_REQUEST, DIRECTION_RESPONSE };

static __always_inline void count_line(
	const struct settings *config, __u32 index, enum direction direction, __u32 packets, __u32 bytes)
{
	struct line_counters *counters;

	if (!config->counters)
		return;
	counters = bpf_map_lookup_elem(&flow_counters_1, &index);
	if (!counters)
		return;
	if (direction == DIRECTION_REQUEST) {
		__sync_fetch_and_add(&counters->request_packets, packets);
		__sync_fetch_and_add(&counters->request_bytes, bytes);
	} else {
		__sync_fetch_and_add(&counters->response_packets, packets);
		__sync_fetch_and_add(&counters->response_bytes, bytes);
	}
}

static __always_inline void reset_line_counters(const struct settings *config, __u32 index)
{
	struct line_counters *counters;

	if (!config->counters)
		return;
	counters = bpf_map_lookup_elem(&flow_counters_1, &index);
	if (counters)
		__builtin_memset(counters, 0, sizeof(*counters));
}

/* ---- How far a flow has come --------------------------------------------------------------------------- */

static __always_inline bool opens(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline bool closes(const struct packet *packet)
{
	return packet->tcp_flags & (TCP_FIN | TCP_RST);
}

/* Whether a socket of this machine is connected to the one that sent the packet. */
static __always_inline bool is_connected(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size, state;

	if (packet->version == 4) {
		__builtin_memcpy(&tuple.ipv4.saddr, packet->source + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, packet->destination + 12, 4);
		tuple.ipv4.sport = packet->source_port;
		tuple.ipv4.dport = packet->destination_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->source, 16);
		__builtin_memcpy(tuple.ipv6.daddr, packet->destination, 16);
		tuple.ipv6.sport = packet->source_port;
		tuple.ipv6.dport = packet->destination_port;
		size = sizeof(tuple.ipv6);
	}
	socket = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return false;
	state = socket->state;
	bpf_sk_release(socket);
	return state != TCP_STATE_LISTEN && state != TCP_STATE_NEW_SYN_RECV && state != TCP_STATE_SYN_RECV &&
	       state != TCP_STATE_TIME_WAIT && state != TCP_STATE_CLOSE;
}

/* The state that a flow without a line starts in. */
static __always_inline enum line_state first_state(struct __sk_buff *skb, const struct packet *packet)
{
	if (packet->protocol != IPPROTO_TCP || opens(packet))
		return LINE_HALF_OPEN;
	return is_connected(skb, packet) ? LINE_ESTABLISHED : LINE_HALF_OPEN;
}

/* Where our SYN-ACK was seen the device must acknowledge just that; where none was, a socket must know it. */
static __always_inline bool acknowledges(struct __sk_buff *skb, const struct packet *packet, __u64 stamp)
{
	if (!(packet->tcp_flags & TCP_ACK))
		return false;
	return stamp ? stamp == STAMP_WANTED(packet->acknowledgement) : is_connected(skb, packet);
}

/* To any state but half-open. */
static __always_inline void advance(struct finding *found, enum line_state state, __u64 now_ns)
{
	if (TAG_STATE(found->tag) != state && line_become(found, state))
		line_stamp(found->line, now_ns);
}

static __always_inline void advance_by_request(
	struct __sk_buff *skb, struct finding *found, const struct packet *packet, __u64 now_ns)
{
	__u8 state = TAG_STATE(found->tag);

	if (packet->protocol != IPPROTO_TCP)
		return;
	if (closes(packet)) {
		advance(found, LINE_CLOSING, now_ns);
	} else if (opens(packet)) {
		if (state == LINE_CLOSING)
			line_reopen(found);
	} else if (state == LINE_HALF_OPEN && acknowledges(skb, packet, peek(&found->line->stamp))) {
		advance(found, LINE_ESTABLISHED, now_ns);
	}
}

static __always_inline void advance_by_response(
	struct finding *found, const struct packet *packet, __u64 now_ns)
{
	__u8 state = TAG_STATE(found->tag);

	if (packet->protocol != IPPROTO_TCP) {
		if (state == LINE_HALF_OPEN)
			advance(found, LINE_ESTABLISHED, now_ns);
	} else if (closes(packet)) {
		advance(found, LINE_CLOSING, now_ns);
	} else if (state == LINE_HALF_OPEN && packet->tcp_flags & TCP_SYN) {
		line_want(found, packet->sequence + 1);
	}
}

/* ---- Requests ------------------------------------------------------------------------------------------ */

/* From now on the flow's responses go to `tunnel`. False: there was no line for it. */
static __always_inline bool learn_flow(struct __sk_buff *skb, const struct table *table,
	const struct packet *packet, __u16 zone, __u16 tunnel)
{
	const struct settings *config = table->settings;
	struct finding found = {};
	enum inserted inserted;
	struct line_key key;
	__u64 hash;

	key_of_request(&key, packet, zone);
	hash = hash_of(&key, config->hash_seed);
	if (table_find(table, &key, hash, &found)) {
		line_touch(table, &found, HOME_WAY(HOME(0, tunnel, config->gateway, HOME_OWNER(found.home))));
		advance_by_request(skb, &found, packet, table->now_ns);
	} else {
		if (closes(packet))
			return true;
		found.tag = first_state(skb, packet);
		found.home = HOME(table_now(table), tunnel, config->gateway, config->gateway);
		inserted = table_insert(table, &key, hash,
			TAG_STATE(found.tag) == LINE_HALF_OPEN ? 0 : table->now_ns, &found);
		if (inserted != INSERTED)
			return inserted != INSERT_REFUSED;
		reset_line_counters(config, found.index);
	}
	count_line(config, found.index, DIRECTION_REQUEST, skb->gso_segs ?: 1, packet->length);
	return true;
}

/* The device was last seen behind `tunnel`. False: there was no line for it. */
static __always_inline bool learn_device(
	const struct table *table, const struct packet *packet, __u16 zone, __u16 tunnel)
{
	const struct settings *config = table->settings;
	struct finding found = {};
	struct line_key key;
	__u64 hash;

	key_of_device(&key, packet->source, zone);
	hash = hash_of(&key, config->hash_seed);
	if (table_find(table, &key, hash, &found)) {
		line_touch(table, &found, HOME_WAY(HOME(0, tunnel, config->gateway, HOME_OWNER(found.home))));
		return true;
	}
	found.tag = LINE_ESTABLISHED;
	found.home = HOME(table_now(table), tunnel, config->gateway, config->gateway);
	return table_insert(table, &key, hash, table->now_ns, &found) != INSERT_REFUSED;
}

/* What had to go without a line. */
#define FLOW_REFUSED   1
#define DEVICE_REFUSED 2

/* A request came in by `tunnel`. A later fragment has no ports, so it tells of the device alone. */
SUBPROGRAM int learn_request(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u16 tunnel)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct table table;
	int refused = 0;

	if (!config || !packet)
		return 0;
	if (packet->fragment != FRAGMENT_LATER) {
		table = flow_table(config, now_ns);
		if (!learn_flow(skb, &table, packet, zone, tunnel))
			refused |= FLOW_REFUSED;
	}
	table = device_table(config, now_ns);
	if (!learn_device(&table, packet, zone, tunnel))
		refused |= DEVICE_REFUSED;
	return refused;
}

#endif
