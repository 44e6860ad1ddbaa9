/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hop: where a program forwards in the stack's stead, it spends one of a packet's, as any router (RFC 1812, RFC 8200).
 */
#ifndef HOMEWARD_HOP_H
#define HOMEWARD_HOP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/parse.h"

#define IPV4_HOPS     8
#define IPV4_CHECKSUM 10
#define IPV6_HOPS     7

/* In IPv4 the header checksum covers the word of TTL and protocol. */
static __always_inline int spend_hop(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 hops = packet->hop_limit - 1;
	__be16 old, new;

	if (packet->version == 6)
		return bpf_skb_store_bytes(skb, packet->network + IPV6_HOPS, &hops, 1, 0);
	old = bpf_htons(packet->hop_limit << 8);
	new = bpf_htons(hops << 8);
	bpf_l3_csum_replace(skb, packet->network + IPV4_CHECKSUM, old, new, sizeof(new));
	return bpf_skb_store_bytes(skb, packet->network + IPV4_HOPS, &hops, 1, 0);
}

#endif
