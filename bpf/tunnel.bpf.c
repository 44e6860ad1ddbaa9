// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tunnel_ingress: TC ingress of every tunnel. What a device sends comes out of the tunnel here, in the
 * clear; where its IP header begins, start.h tells. Parse, admit, learn, give it to the stack, or relay it to the gateway
 * that owns its flow (owner.h, relay.h). What is admitted and is no request is not learned from.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/admit.h"
#include "bpf/clamp.h"
#include "bpf/enter.h"
#include "bpf/fragment.h"
#include "bpf/learn.h"
#include "bpf/parse.h"
#include "bpf/questions.h"
#include "bpf/relay.h"

/* To all who might own the flow. What did not leave us was no question. */
static __always_inline int ask(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u16 number)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);
	int verdict = relay_ask(skb, config, packet, number);

	if (tunnel && skb->cb[DECISION_REASON] != REASON_asked_members)
		ask_anew(config, packet, tunnel->zone);
	return verdict;
}

/* To our stack, to the flow's owner, or to all who might be: LEARNED_OWNER(). */
static __always_inline int hand_over(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 tunnel, int learned, enum reason reason)
{
	__u8 owner = LEARNED_OWNER(learned);

	if (owner == config->gateway)
		return enter(skb, packet, reason);
	if (learned & FLOW_UNASKED)
		return drop(skb, REASON_asks_exceeded);
	if (!owner)
		return ask(skb, config, packet, tunnel);
	return relay(skb, config, packet, owner, tunnel, RELAY_REQUEST);
}

/* As learn_request() answers, but for a later fragment, whose owner another one knew. */
static __always_inline int learn_owner(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u16 tunnel)
{
	int learned = learn_request(skb, config, packet, zone, tunnel);

	if (packet->fragment == FRAGMENT_LATER)
		return owner_of_fragment(config, packet, zone);
	if (packet->fragment == FRAGMENT_FIRST && config->relay != RELAY_OFF)
		remember_fragment(
			packet, zone, HOME_WAY(HOME(0, tunnel, config->gateway, LEARNED_OWNER(learned))), 0);
	return learned;
}

/*
 * An ICMP error: what it quotes says whether it may come in, and who has it. The reason, and beside it the owner; by
 * itself since two parsed packets at a time leave the rest too little of the stack.
 */
#define ERROR_REASON(judged) ((enum reason)((judged)&0xffff))
#define ERROR_OWNER(judged)  ((__u8)((judged) >> 16))
SUBPROGRAM int judge_error(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 number)
{
	const struct tunnel_entry *tunnel = tunnel_by_number(number);
	struct packet quoted = {};
	struct line_key key;
	enum parsed parsed;
	enum reason reason;

	if (!config || !packet || !tunnel)
		return REASON_internal;
	parsed = parse_quoted(skb, packet, &quoted);
	if (parsed != PARSED)
		return reason_of(parsed);
	reason = admit(tunnel, number, packet, &quoted);
	if (reason != REASON_passed_icmp_error)
		return reason;
	key_of_response(&key, &quoted, tunnel->zone);
	return reason | owner_of_error(config, &key, quoted.fragment == FRAGMENT_LATER) << 16;
}

/* What was admitted and is more than the link's own business. */
static __always_inline int take_in(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u32 number)
{
	int learned = learn_owner(skb, config, packet, zone, number);

	clamp_mss(skb, config, packet);
	return hand_over(skb, config, packet, number, learned, REASON_passed_request);
}

static __always_inline int take_error(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet, __u32 number)
{
	int judged = judge_error(skb, config, packet, number);
	enum reason reason = ERROR_REASON(judged);

	if (reason == REASON_passed_link)
		return pass(skb, reason);
	if (reason != REASON_passed_icmp_error)
		return drop(skb, reason);
	return hand_over(skb, config, packet, number, ERROR_OWNER(judged), reason);
}

SEC("tc")
int tunnel_ingress(struct __sk_buff *skb)
{
	const struct settings *config = settings_get();
	__u32 ifindex = skb->ifindex, *number = bpf_map_lookup_elem(&interfaces, &ifindex);
	const struct tunnel_entry *tunnel = number ? tunnel_by_number(*number) : NULL;
	struct packet packet;
	enum parsed parsed;
	enum reason reason;

	if (enters_again(skb))
		return TC_ACT_UNSPEC;
	if (!tunnel || !config)
		return drop(skb, REASON_unknown_tunnel);
	parsed = parse_packet(skb, start_of_ip(skb), skb->len, &packet);
	if (parsed != PARSED)
		return drop(skb, reason_of(parsed));
	if (packet.icmp == ICMP_KIND_ERROR)
		return take_error(skb, config, &packet, *number);
	reason = admit(tunnel, *number, &packet, NULL);
	if (reason == REASON_passed_link)
		return pass(skb, reason);
	if (reason != REASON_passed_request)
		return drop(skb, reason);
	return take_in(skb, config, &packet, tunnel->zone, *number);
}

char _license[] SEC("license") = "Dual BSD/GPL";
