/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers: a response that surfaced at an uplink and cannot go on, too big or with its hops used up, is dropped, and its
 * sender told so by ICMP, as any router would (RFC 1812, RFC 4443). The kernel cannot do it for us: such a packet comes
 * from a loopback, which is ours too, and it would tell itself.
 *
 * So the packet is turned round: cut to what is quoted, behind new headers, out of the uplink it came in by, to the
 * Ethernet address that it came from. Whoever bears the loopback takes it as any other error about a packet of its own,
 * and TCP sends less at a time. Behind a router it does not get that far: the loopback's address leads back to the array
 * from there, where nobody knows of the packet and the error is ignored. Servers behind one want the array's MTU on their
 * route; what TCP opens through us fits anyhow, by its MSS (clamp.h).
 *
 * It comes from the address that relays use where that is of the packet's family and on the uplinks; else from the
 * packet's own destination, as from a host there: no other address of ours would pass everybody's reverse path filter.
 *
 * Not answered: in ICMP what is no echo, errors above all; later fragments, which have no ports; and for its size in IPv4
 * what does not forbid fragments, which a router would have made. Nor is more said than anybody can use: a thousand answers
 * a second on each CPU, fifty at once.
 *
 * What our own stack says through home0 needs none of this: home0 has the array's MTU, and the stack cuts its packets for
 * it. An uplink too narrow for a relay of that size is refused at the start; becomes one so, local packets are counted.
 */
#ifndef HOMEWARD_ANSWER_H
#define HOMEWARD_ANSWER_H

#include <linux/if_ether.h>

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/surface.h"
#include "bpf/verdict.h"

#define QUOTE_MAX       512 /* bytes; with all headers less than every host takes (576, 1280) */
#define ANSWER_HOPS     64
#define ANSWER_SERVICE  0xc0 /* internetwork control, as RFC 1812 says */
#define ANSWER_EVERY_NS 1000000ULL
#define ANSWER_BURST_NS (50 * ANSWER_EVERY_NS)

#define IPV4_FRAGMENT_FIELD  6
#define TCP_CHECKSUM_AT      16
#define UDP_CHECKSUM_AT      6
#define ICMPV4_UNREACHABLE   3
#define ICMPV4_TOO_BIG_CODE  4
#define ICMPV4_TIME_EXCEEDED 11
#define ICMPV6_TOO_BIG       2
#define ICMPV6_TIME_EXCEEDED 3

/* Of too big: IPv4 has the MTU in the lower half of a word whose upper half is 0, IPv6 in all of it. */
struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 mtu;
};

struct answer_v4 {
	struct ipv4_header ip;
	struct icmp_error icmp;
};

struct answer_v6 {
	struct ipv6_header ip;
	struct icmp_error icmp;
};

/* ---- Whether ----------------------------------------------------------------------------------------------------- */

/* But for IPv4's permission to cut a packet up: this much `explain` knows too. */
static __always_inline bool deserves_answer(const struct packet *packet, __u32 reason)
{
	bool icmp = packet->protocol == (packet->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (reason != REASON_too_big && reason != REASON_hops_exceeded)
		return false;
	if (packet->fragment == FRAGMENT_LATER || packet->icmp == ICMP_KIND_ERROR)
		return false;
	return !icmp || packet->icmp == ICMP_KIND_ECHO;
}

static __always_inline bool may_be_cut_up(struct __sk_buff *skb, const struct packet *packet)
{
	__be16 fragment;

	if (packet->version == 6)
		return false;
	return load_bytes(skb, packet->network + IPV4_FRAGMENT_FIELD, &fragment, sizeof(fragment)) ||
	       !(fragment & bpf_htons(IPV4_FRAGMENT_NOT));
}

/* One word a CPU: until when what was said already takes up the time. */
static __always_inline bool may_speak(void)
{
	__u32 zero = 0;
	__u64 now = bpf_ktime_get_coarse_ns(), *until = bpf_map_lookup_elem(&answers, &zero);

	if (!until)
		return false;
	if (*until < now)
		*until = now;
	if (*until - now >= ANSWER_BURST_NS)
		return false;
	*until += ANSWER_EVERY_NS;
	return true;
}

/* ---- The quote --------------------------------------------------------------------------------------------------- */

/*
 * The packet becomes QUOTE_MAX bytes, cut or filled up with zeros, which checksums do not see. Answers how many of them it
 * was; 0: it cannot be had.
 */
static __always_inline __u32 cut_to_quote(struct __sk_buff *skb, __u32 length)
{
	if (length > QUOTE_MAX)
		length = QUOTE_MAX;
	if (bpf_skb_change_tail(skb, ETH_HLEN + length, 0) ||
		bpf_skb_change_tail(skb, ETH_HLEN + QUOTE_MAX, 0) ||
		bpf_skb_pull_data(skb, ETH_HLEN + QUOTE_MAX))
		return 0;
	return length;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The sum of the quote's first bytes, a multiple of four. */
static __always_inline __u16 sum_of_quote(struct __sk_buff *skb, __u32 length)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (data + ETH_HLEN + QUOTE_MAX > end || length > QUOTE_MAX)
		return 0;
	return fold(bpf_csum_diff(NULL, 0, data + ETH_HLEN, length, 0));
}

/*
 * Where TCP's or UDP's checksum stands in the quote, if it does. It may be unfinished: GRO, and a sender on this machine,
 * leave it to the device by which the packet goes out, and that would still do it, behind all that stands before it by
 * then, and spoil the checksum of the whole.
 */
static __always_inline __u32 checksum_in_quote(const struct packet *packet)
{
	__u32 at = packet->transport;

	if (packet->protocol == IPPROTO_TCP)
		at += TCP_CHECKSUM_AT;
	else if (packet->protocol == IPPROTO_UDP)
		at += UDP_CHECKSUM_AT;
	else
		return 0;
	return at + sizeof(__sum16) <= ETH_HLEN + QUOTE_MAX ? at : 0;
}

/*
 * So it becomes the one value that finishing does not change, and that nobody reads in a quote: c = ~(sum + c), which is
 * half of ~sum, and in ones' complement a half is a rotation. Answers the sum of the quote.
 */
static __always_inline __u16 settle_quote(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 at = checksum_in_quote(packet), header = packet->transport - ETH_HLEN;
	__u16 all, settled = 0;

	if (at)
		bpf_skb_store_bytes(skb, at, &settled, sizeof(settled), 0);
	all = sum_of_quote(skb, QUOTE_MAX);
	if (!at)
		return all;
	settled = ~fold(all + (__u16)~sum_of_quote(skb, header & (QUOTE_MAX - 4)));
	settled = settled >> 1 | settled << 15;
	bpf_skb_store_bytes(skb, at, &settled, sizeof(settled), 0);
	return fold((__u32)all + settled);
}

/* ---- The headers ------------------------------------------------------------------------------------------------- */

/* An address of ours, or the packet's own destination. */
static __always_inline const __u8 *speaker(const struct settings *config, const struct packet *packet)
{
	const struct member_entry *ours = member_by_number(config->gateway);

	if (ours && !config->underlay_ifindex && packet->version == (is_mapped(ours->address) ? 4 : 6) &&
		is_underlay(ours->address))
		return ours->address;
	return packet->destination;
}

/* `sum`: of the quote, and of what else counts. */
static __always_inline void fill_icmp(struct icmp_error *icmp, __u8 type, __u8 code, __u16 mtu, __u32 sum)
{
	icmp->type = type;
	icmp->code = code;
	icmp->mtu = bpf_htonl(mtu);
	icmp->checksum = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)icmp, sizeof(*icmp), sum));
}

static __always_inline long write_answer_v4(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u32 quoted, __u32 sum, __u16 mtu)
{
	struct answer_v4 answer = {.ip = {.version_length = 0x45,
					   .service = ANSWER_SERVICE,
					   .length = bpf_htons(sizeof(answer) + quoted),
					   .fragment = bpf_htons(IPV4_FRAGMENT_NOT),
					   .hop_limit = ANSWER_HOPS,
					   .protocol = IPPROTO_ICMP}};

	__builtin_memcpy(answer.ip.source, speaker(config, packet) + 12, 4);
	__builtin_memcpy(answer.ip.destination, packet->source + 12, 4);
	answer.ip.checksum = ~fold(bpf_csum_diff(NULL, 0, (__be32 *)&answer.ip, sizeof(answer.ip), 0));
	if (mtu)
		fill_icmp(&answer.icmp, ICMPV4_UNREACHABLE, ICMPV4_TOO_BIG_CODE, mtu, sum);
	else
		fill_icmp(&answer.icmp, ICMPV4_TIME_EXCEEDED, 0, 0, sum);
	return bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0);
}

/* The checksum covers the addresses, the length and the protocol too. */
static __always_inline long write_answer_v6(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u32 quoted, __u32 sum, __u16 mtu)
{
	__be16 length = bpf_htons(sizeof(struct icmp_error) + quoted);
	struct answer_v6 answer = {.ip = {.version_class_flow = bpf_htonl(6 << 28 | ANSWER_SERVICE << 20),
					   .payload_length = length,
					   .next_header = IPPROTO_ICMPV6,
					   .hop_limit = ANSWER_HOPS}};

	__builtin_memcpy(answer.ip.source, speaker(config, packet), 16);
	__builtin_memcpy(answer.ip.destination, packet->source, 16);
	sum = bpf_csum_diff(
		NULL, 0, (__be32 *)answer.ip.source, 32, sum + length + bpf_htons(IPPROTO_ICMPV6));
	fill_icmp(&answer.icmp, mtu ? ICMPV6_TOO_BIG : ICMPV6_TIME_EXCEEDED, 0, mtu, sum);
	return bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0);
}

static __always_inline long turn_round(struct __sk_buff *skb)
{
	struct ethhdr came, goes;

	if (bpf_skb_load_bytes(skb, 0, &came, sizeof(came)))
		return -1;
	goes = came;
	__builtin_memcpy(goes.h_dest, came.h_source, ETH_ALEN);
	__builtin_memcpy(goes.h_source, came.h_dest, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, &goes, sizeof(goes), 0);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static __always_inline long write_answer(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u32 quoted, __u16 mtu)
{
	bool v4 = packet->version == 4;
	__u32 room = v4 ? sizeof(struct answer_v4) : sizeof(struct answer_v6);
	__u16 sum = settle_quote(skb, packet);

	if (bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, 0) || turn_round(skb))
		return -1;
	if (v4 ? write_answer_v4(skb, config, packet, quoted, sum, mtu)
	       : write_answer_v6(skb, config, packet, quoted, sum, mtu))
		return -1;
	return bpf_skb_change_tail(skb, ETH_HLEN + room + quoted, 0);
}

/*
 * The verdict on a packet that was dropped already, for the reason in its control block: it leaves again as what its
 * sender is told of it, or is gone.
 */
SUBPROGRAM int answer(struct __sk_buff *skb, const struct settings *config, const struct packet *packet)
{
	__u32 quoted, reason = skb->cb[DECISION_REASON];
	__u16 mtu = reason == REASON_too_big ? skb->cb[DECISION_FITS] : 0;

	if (!config || !packet || packet->network != ETH_HLEN || !deserves_answer(packet, reason))
		return TC_ACT_SHOT;
	if (mtu && !(skb->cb[DECISION_FITS] & FITS_TELL) && may_be_cut_up(skb, packet))
		return TC_ACT_SHOT;
	if (!may_speak()) {
		count(REASON_answer_withheld, 1, skb->len);
		return TC_ACT_SHOT;
	}
	quoted = cut_to_quote(skb, packet->length);
	if (!quoted || write_answer(skb, config, packet, quoted, mtu))
		return TC_ACT_SHOT;
	count(REASON_answered, 1, skb->len);
	return bpf_redirect(skb->ifindex, 0);
}

#endif
