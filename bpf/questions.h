/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions between gateways about whose a flow is: what we answer to a member that asks, and what becomes of a question
 * of ours that did not leave. Who is asked, and when, stands in owner.h; how, in relay.h. And whose an ICMP error is, for
 * which nobody is asked.
 */
#ifndef HOMEWARD_QUESTIONS_H
#define HOMEWARD_QUESTIONS_H

#include "bpf/learn.h"

/* ---- Ours -------------------------------------------------------------------------------------------------------- */

/* A question did not leave us: however often it was put, it begins anew. */
SUBPROGRAM int ask_anew(const struct settings *config, const struct packet *packet, __u16 zone)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns(), stamp;
	struct finding found = {};
	struct line_key key;

	if (!config || !packet)
		return 0;
	key_of_request(&key, packet, zone);
	if (!find_flow(config, &key, now_ns, &found))
		return 0;
	stamp = peek(&found.line->stamp);
	if (STAMP_IS_ASKED(stamp))
		swap_word(&found.line->stamp, stamp, STAMP_ASKED(now_ns / 1000000));
	return 0;
}

/* ---- A member's -------------------------------------------------------------------------------------------------- */

/*
 * A line that says that a flow is ours is right, unless it is of a half-open connection that our stack has not answered:
 * that may be one that we took since nobody said that it had it, and one answer may have been lost.
 */
static __always_inline bool is_ours_for_sure(const struct finding *found, const struct packet *packet)
{
	return !is_unproved(TAG_STATE(found->tag), packet->protocol) ||
	       STAMP_IS_WANTED(peek(&found->line->stamp));
}

SUBPROGRAM int is_our_flow(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 zone)
{
	struct finding found = {};
	struct line_key key;

	if (!config || !packet || packet->fragment == FRAGMENT_LATER || packet->icmp == ICMP_KIND_ERROR)
		return false;
	key_of_request(&key, packet, zone);
	if (find_flow(config, &key, bpf_ktime_get_coarse_ns(), &found) &&
		HOME_OWNER(found.home) == config->gateway && is_ours_for_sure(&found, packet))
		return true;
	return packet->protocol == IPPROTO_TCP && is_at_home(socket_state(skb, packet));
}

/*
 * We took a flow that a member asked for, which came in by its tunnel `number`. The member cannot tell whose it is, so we
 * do: what the device sent may call for no answer, and the member must not take the flow for nobody's meanwhile.
 */
SUBPROGRAM int tell_taken(const struct settings *config, const struct packet *packet, __u32 number)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);
	struct finding found = {};
	struct line_key key;

	if (!config || !packet || !tunnel)
		return 0;
	key_of_request(&key, packet, tunnel->zone);
	if (find_flow(config, &key, bpf_ktime_get_coarse_ns(), &found))
		tell(config, CHANGE_FLOW, found.index);
	return 0;
}

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

/*
 * Who has an ICMP error about a response of the flow `key`: whoever owns it, or opened it, if it has no line here; about
 * a later fragment, whose key has no ports, whoever has the device's newest flow. An owner that is gone needs no error.
 */
static __always_inline __u8 owner_of_error(
	const struct settings *config, const struct line_key *key, bool later_fragment)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct finding found = {};
	bool known;
	__u8 owner;

	if (config->relay == RELAY_OFF)
		return config->gateway;
	known = later_fragment ? find_device(config, key->source, key->zone, now_ns, &found)
			       : find_flow(config, key, now_ns, &found);
	owner = known ? HOME_OWNER(found.home) : owner_of_port(config, key->destination_port);
	return is_living(owner) ? owner : config->gateway;
}

#endif
