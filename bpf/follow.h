/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tables learn from responses: that a flow is alive and how far it has come (learn.h), whose it is, since who
 * writes its responses owns it, and of flows that our own stack opens. A way home they never change.
 */
#ifndef HOMEWARD_FOLLOW_H
#define HOMEWARD_FOLLOW_H

#include "bpf/learn.h"

/* ---- Flows that our stack opens ------------------------------------------------------------------------ */

/* A first packet to a device from a process here. */
static __always_inline bool opens_to_device(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return opens(packet);
	return packet->protocol == IPPROTO_UDP || (packet->icmp == ICMP_KIND_ECHO && !packet->echo_reply);
}

/*
 * A packet of our stack's for a flow that has no line: if it opens one, that is ours. It has no way home yet: until the
 * device answers it goes by the device's. Of UDP and ICMP this was the response that proves them, so the members are told
 * at once: the answer may come in by any of them. Of a connection they know by its port whose it is, until the device
 * has acknowledged it. Answers the line's index + 1, 0: it has none.
 */
SUBPROGRAM int learn_opened(
	const struct settings *config, const struct packet *packet, const struct line_key *key)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns(), stamp;
	enum line_state state = LINE_ESTABLISHED;
	int line;

	if (!config || !packet || !key || config->relay == RELAY_OFF || !opens_to_device(packet))
		return 0;
	stamp = realtime_of(now_ns);
	if (packet->protocol == IPPROTO_TCP) {
		stamp = STAMP_WANTED(stamp, packet->sequence + 1);
		state = LINE_HALF_OPEN;
	}
	line = insert_flow(
		config, key, HOME(now_ns / 1000000, 0, config->gateway, config->gateway), stamp, state);
	if (line <= 0)
		return 0;
	reset_line_counters(config, line - 1);
	if (state == LINE_ESTABLISHED)
		tell(config, CHANGE_FLOW, line - 1);
	return line;
}

/* ---- Flows that are there ------------------------------------------------------------------------------ */

/* `vouched`: another gateway says that it has the flow, so what is no handshake shows that there is a connection. */
static __always_inline bool advance_by_response(
	const struct table *table, struct finding *found, const struct packet *packet, bool vouched)
{
	__u8 state = TAG_STATE(found->tag);

	if (packet->protocol != IPPROTO_TCP)
		return state == LINE_HALF_OPEN && advance(found, LINE_ESTABLISHED);
	if (closes(packet))
		return state == LINE_ESTABLISHED && advance(found, LINE_CLOSING);
	if (packet->tcp_flags & TCP_SYN) {
		__u64 now = realtime_of(table->now_ns);

		if (state == LINE_CLOSING && opens(packet))
			line_reopen(found, now);
		if (TAG_STATE(found->tag) == LINE_HALF_OPEN)
			line_want(found, now, packet->sequence + 1);
		return false;
	}
	return vouched && state == LINE_HALF_OPEN && advance(found, LINE_ESTABLISHED);
}

/* What a response of `writer`'s, as learn_response() takes it, teaches of the flow that was found. */
static __always_inline void follow_response(
	const struct table *table, const struct packet *packet, __u8 writer, struct finding *found)
{
	const struct settings *config = table->settings;
	bool changed, opened = writer == config->gateway && opens(packet);
	__u8 before = HOME_OWNER(found->home), owner;

	if (writer == config->gateway && before && !opened)
		writer = before;
	owner = writer ?: before;
	changed = line_touch(table, found, WAY_OF_OWNER(HOME_WAY(found->home), owner));
	if (!before && owner)
		end_asking(table, found);
	if (owner)
		changed |= advance_by_response(table, found, packet, writer && writer != config->gateway);
	if (changed)
		note_change(table, found, packet->protocol);
}

/*
 * A response of the flow `key`, which is alive and one step further; `writer` is the gateway that is known to have
 * written it: ours, where it leaves our stack, which then has a flow that nobody owned; a member that relayed it, and so
 * owns the flow; 0: nobody, it surfaced inside. False: the flow has no line.
 */
static __always_inline bool learn_response(const struct settings *config, const struct packet *packet,
	const struct line_key *key, __u8 writer, struct finding *found)
{
	struct table table = flow_table(config, bpf_ktime_get_coarse_ns());
	__u64 hash = hash_of(key, config->hash_seed);

	fetch_counters(config, hash);
	if (!table_find(&table, key, hash, found))
		return false;
	follow_response(&table, packet, writer, found);
	return true;
}

struct response {
	struct line_key key; /* of the flow */
	__u64 home;          /* the flow's, 0 if it has no line */
	__u32 line;          /* index + 1, 0 if it has none */
	__u8 owner;          /* who wrote it, as learn_response() takes it */
};

/* The flow is alive and one step further. */
SUBPROGRAM int note_response(
	const struct settings *config, const struct packet *packet, struct response *response)
{
	struct finding found = {};

	if (!config || !packet || !response ||
		!learn_response(config, packet, &response->key, response->owner, &found))
		return false;
	response->home = found.home;
	response->line = found.index + 1;
	return true;
}

#endif
