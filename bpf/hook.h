/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet at either hook, under the same names, so that whoever reads one and writes into it is compiled for both: traffic
 * control's is an skb, XDP's an xdp_md, for whom HOOK_XDP is defined. Both have two ends, between which is the linear part.
 */
#ifndef HOMEWARD_HOOK_H
#define HOMEWARD_HOOK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LINEAR_MAX 0x7fff /* how far the verifier follows an offset */

#ifdef HOOK_XDP
#define __sk_buff      xdp_md
#define ROUTES_OF_HOOK ROUTES_OF_XDP

static __always_inline long load_beyond(struct __sk_buff *skb, __u32 offset, void *to, __u32 length)
{
	return bpf_xdp_load_bytes(skb, offset, to, length);
}

static __always_inline long store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 length)
{
	void *start = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (offset > LINEAR_MAX || start + offset + length > end)
		return bpf_xdp_store_bytes(skb, offset, (void *)from, length);
	start += offset;
	__builtin_memcpy(length % 2 ? start : __builtin_assume_aligned(start, 2), from, length);
	return 0;
}

static __always_inline __u32 packets_in(struct __sk_buff *skb)
{
	return 1;
}
#else
#define ROUTES_OF_HOOK 0

static __always_inline long load_beyond(struct __sk_buff *skb, __u32 offset, void *to, __u32 length)
{
	return bpf_skb_load_bytes(skb, offset, to, length);
}

static __always_inline long store_bytes(struct __sk_buff *skb, __u32 offset, const void *from, __u32 length)
{
	return bpf_skb_store_bytes(skb, offset, from, length, 0);
}

/* A GSO packet is several. */
static __always_inline __u32 packets_in(struct __sk_buff *skb)
{
	return skb->gso_segs ?: 1;
}
#endif

#endif
