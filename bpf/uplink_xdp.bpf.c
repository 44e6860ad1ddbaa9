// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * uplink_xdp: XDP on every uplink, before there is an skb. It guards the relay: what comes in Geneve to our own
 * underlay address must be a relay that a member of the array vouches for (claim.h), or it ends here, cheaply. A true
 * one passes, still encapsulated: uplink_ingress takes it. A response whose way home is another gateway's goes back out of
 * the uplink at once, where that can be done (turn.h). What an uplink's filter finds that nobody here serves ends here too
 * (serve.h). Everything else passes. uplink_guard is the same without sending anything.
 *
 * "xdp.frags", since a veth refuses other programs when its peer's MTU is 9000, and headers are all that is
 * looked at: they are in the first, linear part. An object of its own: libxdp loads it, with the maps of
 * the others.
 */
#define HOOK_XDP

#include <linux/if_ether.h>

#include "bpf/hook.h"
#include "bpf/claim.h"
#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/serve.h"
#include "bpf/surface.h"
#include "bpf/turn.h"

/* Behind options, or in a later fragment, the UDP port is not ours: uplink_ingress looks there. */
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

/* What passes is counted by uplink_ingress, for what becomes of it. */
static __always_inline int judge(struct xdp_md *context)
{
	const struct settings *config = settings_get();
	struct relay relay = {};
	__u32 reason = config ? judge_relay(context, config, ETH_HLEN, &relay) : REASON_internal;

	if (reason == REASON_passed_relay)
		return XDP_PASS;
	count(reason, 1, context->data_end - context->data);
	return XDP_DROP;
}

static __always_inline bool is_relay(const struct ethhdr *ethernet, const void *end)
{
	if (ethernet->h_proto == bpf_htons(ETH_P_IP))
		return is_relay_v4((const void *)ethernet, end);
	return is_relay_v6((const void *)ethernet, end);
}

static __always_inline bool is_ip(const struct ethhdr *ethernet, const void *end)
{
	return (const void *)(ethernet + 1) <= end &&
	       (ethernet->h_proto == bpf_htons(ETH_P_IP) || ethernet->h_proto == bpf_htons(ETH_P_IPV6));
}

/* What all of them drop; else XDP_PASS, and it may be turned. */
static __always_inline int admit_frame(struct xdp_md *context, bool *turns)
{
	const void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;

	*turns = false;
	if (!is_ip(data, end))
		return XDP_PASS;
	if (is_relay(data, end))
		return judge(context);
	if (is_filtered(context))
		return XDP_DROP;
	*turns = true;
	return XDP_PASS;
}

SEC("xdp.frags")
int uplink_xdp(struct xdp_md *context)
{
	bool turns;
	int verdict = admit_frame(context, &turns);

	return turns ? turn(context) : verdict;
}

/*
 * The guard alone. Linux 6.13 (and what took that over, such as 6.12.26) lets a dispatcher's program change packets only
 * when the dispatcher itself does, which libxdp's does since xdp-tools 1.5.5: behind an older one this hangs.
 */
SEC("xdp.frags")
int uplink_guard(struct xdp_md *context)
{
	bool turns;

	return admit_frame(context, &turns);
}

char _license[] SEC("license") = "Dual BSD/GPL";
