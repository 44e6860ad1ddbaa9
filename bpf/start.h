/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the IP header of what comes out of a tunnel begins. At the packet's start, but for an XFRM interface's: there the
 * kernel moves the Ethernet header of the ESP packet, where that came by Ethernet, in front of what was in it, with its
 * ethertype, and traffic control sees it. The interface does not say so, nor does the skb; but the kernel knows where the
 * network header is, and is asked where the packet looks like that. What only looks so (a device may choose its address, and
 * so the bytes that stand where an ethertype would) begins as the kernel says.
 */
#ifndef HOMEWARD_START_H
#define HOMEWARD_START_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"
#include "bpf/parse.h"

struct beginning {
	__u64 bytes[2];
};

/* Do the packet and its network header begin otherwise? */
SUBPROGRAM int begins_before_ip(struct __sk_buff *skb)
{
	struct beginning packet = {}, network = {};

	if (bpf_skb_load_bytes(skb, 0, &packet, sizeof(packet)) ||
		bpf_skb_load_bytes_relative(skb, 0, &network, sizeof(network), BPF_HDR_START_NET))
		return 0;
	return packet.bytes[0] != network.bytes[0] || packet.bytes[1] != network.bytes[1];
}

static __always_inline __u32 start_of_ip(struct __sk_buff *skb)
{
	const struct ethhdr *ethernet = (const void *)(long)skb->data;

	if ((const void *)(ethernet + 1) > (const void *)(long)skb->data_end ||
		(ethernet->h_proto != bpf_htons(ETH_P_IP) && ethernet->h_proto != bpf_htons(ETH_P_IPV6)))
		return 0;
	return begins_before_ip(skb) ? ETH_HLEN : 0;
}

#endif
