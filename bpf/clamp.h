/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The MSS option (RFC 9293, 3.7.1) of SYN and SYN-ACK, in both directions, lowered to what fits the array's
 * MTU: a flow may move to any tunnel of the array, and no path MTU discovery survives every provider.
 */
#ifndef HOMEWARD_CLAMP_H
#define HOMEWARD_CLAMP_H

#include "bpf/maps.h"
#include "bpf/parse.h"

#define TCP_OPTIONS_MAX       40
#define TCP_OPTION_END        0
#define TCP_OPTION_NOP        1
#define TCP_OPTION_MSS        2
#define TCP_OPTION_MSS_LENGTH 4

#define TCP_CHECKSUM_OFFSET 16

/* Where the value of the MSS option stands; 0: there is none that is whole. */
static __always_inline __u32 find_mss(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 offset = packet->transport + sizeof(struct tcp_header);
	__u8 option[2];

	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		if (offset + TCP_OPTION_MSS_LENGTH > packet->payload ||
			bpf_skb_load_bytes(skb, offset, option, sizeof(option)) ||
			option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == TCP_OPTION_MSS)
			return option[1] == TCP_OPTION_MSS_LENGTH ? offset + 2 : 0;
		if (option[0] != TCP_OPTION_NOP && option[1] < 2)
			return 0;
		offset += option[0] == TCP_OPTION_NOP ? 1 : option[1];
	}
	return 0;
}

/*
 * Lowers the MSS, and mends the checksum by the difference. The checksum adds 16-bit words: a value that
 * starts at an odd offset adds to it with its bytes swapped.
 */
SUBPROGRAM int lower_mss(struct __sk_buff *skb, const struct packet *packet, __u16 mtu)
{
	__be16 old, new;
	__u32 offset;
	__u16 most;
	bool odd;

	if (!packet)
		return 0;
	most = mtu - (packet->version == 4 ? 40 : 60);
	new = bpf_htons(most);
	offset = find_mss(skb, packet);
	if (!offset || bpf_skb_load_bytes(skb, offset, &old, sizeof(old)) || bpf_ntohs(old) <= most)
		return 0;
	odd = (offset - packet->transport) & 1;
	bpf_skb_store_bytes(skb, offset, &new, sizeof(new), 0);
	return bpf_l4_csum_replace(skb, packet->transport + TCP_CHECKSUM_OFFSET,
		odd ? __builtin_bswap16(old) : old, odd ? __builtin_bswap16(new) : new, sizeof(new));
}

static __always_inline void clamp_mss(
	struct __sk_buff *skb, const struct settings *config, const struct packet *packet)
{
	if (packet->tcp_flags & TCP_SYN && config->mss_clamp && !packet->fragment)
		lower_mss(skb, packet, config->mtu);
}

#endif
