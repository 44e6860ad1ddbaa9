// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uplink_xdp: XDP on every uplink, before there is an skb. It guards the relay: Geneve to our own underlay
 * address is taken from members of the array only, and as long as there is no array nobody is one.
 * Everything else passes.
 *
 * "xdp.frags", since a veth refuses other programs when its peer's MTU is 9000, and headers are all that is
 * looked at: they are in the first, linear part. An object of its own: libxdp loads it, with the maps of
 * the others.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/surface.h"

/* Only headers without options are looked into: nobody relays with any, and behind them the UDP port is not ours. */
struct relay_v4 {
	struct ethhdr ethernet;
	struct ipv4_header ip;
	struct udp_header udp;
} __attribute__((packed));

struct relay_v6 {
	struct ethhdr ethernet;
	struct ipv6_header ip;
	struct udp_header udp;
} __attribute__((packed));

static __always_inline bool is_relay_v4(const struct relay_v4 *relay, const void *end)
{
	__u8 address[16] __attribute__((aligned(8)));

	if ((const void *)(relay + 1) > end || relay->ip.version_length != 0x45 ||
		relay->ip.protocol != IPPROTO_UDP || relay->udp.destination_port != bpf_htons(RELAY_PORT) ||
		relay->ip.fragment & bpf_htons(IPV4_FRAGMENT_OFFSET))
		return false;
	map_address(address, relay->ip.destination);
	return is_underlay(address);
}

static __always_inline bool is_relay_v6(const struct relay_v6 *relay, const void *end)
{
	__u8 address[16] __attribute__((aligned(8)));

	if ((const void *)(relay + 1) > end || relay->ip.next_header != IPPROTO_UDP ||
		relay->udp.destination_port != bpf_htons(RELAY_PORT))
		return false;
	__builtin_memcpy(address, relay->ip.destination, 16);
	return is_underlay(address);
}

SEC("xdp.frags")
int uplink_xdp(struct xdp_md *context)
{
	const void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	const struct ethhdr *ethernet = data;
	__u32 reason = REASON_relay_not_member;
	struct reason_count *count;

	if ((const void *)(ethernet + 1) > end)
		return XDP_PASS;
	if (!(ethernet->h_proto == bpf_htons(ETH_P_IP) && is_relay_v4(data, end)) &&
		!(ethernet->h_proto == bpf_htons(ETH_P_IPV6) && is_relay_v6(data, end)))
		return XDP_PASS;
	count = bpf_map_lookup_elem(&reasons, &reason);
	if (count) {
		count->packets++;
		count->bytes += end - data;
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
