/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A hop: where a program forwards in the stack's stead, it spends one of a packet's, as any router (RFC 1812, RFC 8200).
 */
#ifndef HOMEWARD_HOP_H
#define HOMEWARD_HOP_H

#include "bpf/parse.h"

#define IPV4_HOPS 8
#define IPV6_HOPS 7

struct ipv4_hops {
	__u8 hop_limit;
	__u8 protocol;
	__sum16 checksum;
};

/*
 * Of a packet whose IP header starts at `network` by now. In IPv4 the checksum follows: the word of TTL and protocol is less
 * by 0x100, so the checksum is more, in ones' complement.
 */
static __always_inline long spend_hop_at(struct __sk_buff *skb, const struct packet *packet, __u32 network)
{
	struct ipv4_hops hops;
	__u8 left = packet->hop_limit - 1;
	__u32 sum;

	if (packet->version == 6)
		return store_bytes(skb, network + IPV6_HOPS, &left, sizeof(left));
	if (load_bytes(skb, network + IPV4_HOPS, &hops, sizeof(hops)))
		return -1;
	sum = hops.checksum + (__u32)bpf_htons(0x100);
	hops.checksum = sum + (sum >= 0xffff);
	hops.hop_limit = left;
	return store_bytes(skb, network + IPV4_HOPS, &hops, sizeof(hops));
}

static __always_inline long spend_hop(struct __sk_buff *skb, const struct packet *packet)
{
	return spend_hop_at(skb, packet, packet->network);
}

#endif
