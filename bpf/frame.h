/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which frames at traffic control are the interface's own, and IP. TC also sees those of the VLANs on it, before their
 * interfaces take them, with the tag beside the packet: they are other networks'. VLAN 0 is none, but a priority; its tag
 * is taken off, or it would go into the tunnel.
 */
#ifndef HOMEWARD_FRAME_H
#define HOMEWARD_FRAME_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define VLAN_ID 0x0fff

static __always_inline bool is_own_ip(struct __sk_buff *skb)
{
	if (skb->pkt_type != PACKET_HOST || (skb->vlan_tci & VLAN_ID))
		return false;
	if (skb->vlan_present)
		bpf_skb_vlan_pop(skb);
	return skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6);
}

#endif
