/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet. Every end of a program goes through here, so everything is counted under one
 * reason. What was decided also stands in the packet's control block for the time of its stay in traffic
 * control: a redirect does not tell its target, and whoever tests or traces the programs wants to know it.
 */
#ifndef HOMEWARD_VERDICT_H
#define HOMEWARD_VERDICT_H

#include <linux/pkt_cls.h>

#include "bpf/home.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

enum { DECISION_REASON, DECISION_TUNNEL, DECISION_FITS }; /* in __sk_buff.cb */

static __always_inline void decide_counted(
	struct __sk_buff *skb, enum reason reason, __u16 tunnel, __u32 packets, __u32 bytes)
{
	count(reason, packets, bytes);
	skb->cb[DECISION_REASON] = reason;
	skb->cb[DECISION_TUNNEL] = tunnel;
}

static __always_inline void decide(struct __sk_buff *skb, enum reason reason, __u16 tunnel)
{
	decide_counted(skb, reason, tunnel, packets_in(skb), skb->len);
}

/* Other programs on the same hook may have their turn. */
static __always_inline int pass(struct __sk_buff *skb, enum reason reason)
{
	decide(skb, reason, 0);
	return TC_ACT_UNSPEC;
}

static __always_inline int drop(struct __sk_buff *skb, enum reason reason)
{
	decide(skb, reason, 0);
	return TC_ACT_SHOT;
}

/* The sender is told also of what it allows to be cut up, since nobody does that here. */
#define FITS_TELL 0x10000

/* `fits`: how long an IP packet may be there, and FITS_TELL. */
static __always_inline int drop_too_big(struct __sk_buff *skb, __u32 fits)
{
	skb->cb[DECISION_FITS] = fits;
	return drop(skb, REASON_too_big);
}

static __always_inline enum reason reason_of(enum parsed parsed)
{
	return parsed == PARSED_NOT_IP ? REASON_not_ip : REASON_malformed;
}

/* How long the longest IP packet is that will leave: a GSO packet is cut into segments on its way. */
static __always_inline __u32 segment_length(const struct __sk_buff *skb, const struct packet *packet)
{
	return skb->gso_size ? packet->payload - packet->network + skb->gso_size : packet->length;
}

#endif
