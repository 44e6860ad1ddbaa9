// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What stands before and behind the programs that are measured.
 *
 * generate_tc and generate_xdp make a packet and give it to the program that `next` names by a tail call: in
 * BPF_PROG_TEST_RUN a packet of another flow in each round, and in live frames, which the kernel then takes for received, a
 * whole traffic. What they cost is the floor: the same with a program that does nothing behind them.
 *
 * Where packets must come out they are looked at, counted as right when they are where their number says, and dropped.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "tests/bench/generate.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next_tc SEC(".maps"), next_xdp SEC(".maps");

struct recipe recipe;

struct way_out out;
__u32 by_home; /* the interface that packets leave by; 0: they come in by their tunnel */
__u32 first_tunnel;

__u64 arrived, astray, dropped;

/* What does not bear its number's complement behind it is the kernel's own: interfaces speak IPv6 when they come up. */
static __always_inline void arrive(__u32 interface, const __u32 words[2])
{
	if (words[1] != ~words[0])
		return;
	if (interface == out.first + (words[0] & out.mask))
		arrived++;
	else
		astray++;
}

/* ---- Before ------------------------------------------------------------------------------------------------------ */

SEC("tc")
int generate_tc(struct __sk_buff *skb)
{
	if (make_packet((void *)(long)skb->data, (void *)(long)skb->data_end, &recipe))
		return TC_ACT_UNSPEC;
	bpf_tail_call(skb, &next_tc, 0);
	return TC_ACT_UNSPEC;
}

/* The last round may have put something before the packet. */
SEC("xdp.frags")
int generate_xdp(struct xdp_md *context)
{
	int grown = (int)(context->data_end - context->data) - GENERATED;

	if (grown > 0 && bpf_xdp_adjust_head(context, grown))
		return XDP_ABORTED;
	if (make_packet((void *)(long)context->data, (void *)(long)context->data_end, &recipe))
		return XDP_ABORTED;
	bpf_tail_call(context, &next_xdp, 0);
	return XDP_ABORTED;
}

/* From the interface that frames come in by, on to where a packet of theirs would be: out of its tunnel, or at home0. */
SEC("tc")
int steer(struct __sk_buff *skb)
{
	__u32 number;

	if (by_home)
		return bpf_redirect(by_home, 0);
	if (bpf_skb_load_bytes(skb, recipe.number_at, &number, sizeof(number)))
		return TC_ACT_SHOT;
	return bpf_redirect(first_tunnel + (number & ((1U << (recipe.tunnel_bits & 31)) - 1)), BPF_F_INGRESS);
}

/* ---- In the place of what is measured ---------------------------------------------------------------------------- */

SEC("tc")
int drop_tc(struct __sk_buff *skb)
{
	dropped++;
	return TC_ACT_SHOT;
}

SEC("xdp.frags")
int drop_xdp(struct xdp_md *context)
{
	dropped++;
	return XDP_DROP;
}

SEC("xdp.frags")
int pass_xdp(struct xdp_md *context)
{
	return XDP_PASS;
}

/* ---- Behind ------------------------------------------------------------------------------------------------------ */

SEC("tc")
int arrive_tc(struct __sk_buff *skb)
{
	__u32 words[2];

	if (!bpf_skb_load_bytes(skb, out.number_at, words, sizeof(words)))
		arrive(skb->ifindex, words);
	return TC_ACT_SHOT;
}

SEC("xdp.frags")
int arrive_xdp(struct xdp_md *context)
{
	__u32 words[2];

	if (!bpf_xdp_load_bytes(context, out.number_at, words, sizeof(words)))
		arrive(context->ingress_ifindex, words);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
