/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Into the stack. What came out of ESP is known to have (the skb's security path), and where it ends the stack asks whether
 * the policies of the interface that it came by allow that. A packet put together of fragments has the security path of its
 * first and the interface of whichever came last: where they came by different ways there is no such policy, and the
 * packet is lost (XfrmInNoPols in /proc/net/xfrm_stat). So a first fragment that is admitted enters its interface once more,
 * by which the kernel forgets what it came out of; it was judged and counted, and is let through.
 *
 * What came out of ESP is told by start.h, so not where ESP comes by something else than Ethernet: there such packets are lost.
 */
#ifndef HOMEWARD_ENTER_H
#define HOMEWARD_ENTER_H

#include "bpf/start.h"
#include "bpf/verdict.h"

#define ENTERS_AGAIN 0x6877 /* in tc_index, which on its way to a tunnel nobody else sets */

static __always_inline int enter(struct __sk_buff *skb, const struct packet *packet, enum reason reason)
{
	int verdict = pass(skb, reason);

	if (packet->fragment != FRAGMENT_FIRST || !start_of_ip(skb))
		return verdict;
	skb->tc_index = ENTERS_AGAIN;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

static __always_inline bool enters_again(struct __sk_buff *skb)
{
	bool again = skb->tc_index == ENTERS_AGAIN;

	if (again)
		skb->tc_index = 0;
	return again;
}

#endif
