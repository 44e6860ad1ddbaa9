/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a relay claims, and what vouches for it. The members of an array share keys; a relay carries the SipHash of
 * its claim: which packet is inside, what is asked for it, who says so to whom, and when. Whoever has no key can
 * neither forge a relay nor send a recorded one again later than a time slot or two. The slot is the sender's: how far
 * its clock is from ours gwd knows from its heartbeats, which cannot be recorded.
 *
 * A member proves itself in this order, the cheapest first: it is one, and the outer source is its address; the relay
 * is written as members write them; the time; the code. The same functions look at a relay before it has an skb
 * (uplink_xdp) and behind it (uplink_ingress).
 */
#ifndef HOMEWARD_CLAIM_H
#define HOMEWARD_CLAIM_H

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/siphash.h"

/* A relay that arrived: what its header says. */
struct relay {
	__u32 inner; /* where the inner IP header starts */
	__u16 tunnel;
	__u8 kind; /* enum relay_kind */
	__u8 sender;
	__u8 version;      /* of the inner packet: 4 or 6 */
	__u8 outer;        /* of the outer one */
	__s16 clock_slots; /* the sender's, as of struct member_entry */
};

/* What a relay is to say to whom, in one word: programs' functions take five arguments. */
#define RELAY_TO(gateway, tunnel, kind) ((__u32)(kind) << 24 | (__u32)(gateway) << 16 | (tunnel))
#define RELAY_TO_KIND(to)               ((__u8)((to) >> 24))
#define RELAY_TO_GATEWAY(to)            ((__u8)((to) >> 16))
#define RELAY_TO_TUNNEL(to)             ((__u16)(to))

static __always_inline __u32 relay_slot(void)
{
	__u32 zero = 0;
	const struct clock_entry *entry = bpf_map_lookup_elem(&clock, &zero);

	return entry ? (bpf_ktime_get_coarse_ns() + entry->offset_ns) >> RELAY_SLOT_SHIFT : 0;
}

/* ---- The claim --------------------------------------------------------------------------------------------------- */

#ifndef CLAIM_OFFSET_MAX
#define CLAIM_OFFSET_MAX 256 /* more than all headers before an inner packet: the verifier wants to know */
#endif

/* What stands behind the IP header counts if there are four bytes of it. */
static __always_inline int claim_start(
	struct __sk_buff *skb, struct relay_claim *claim, __u32 transport, __u32 end)
{
	if (transport + sizeof(claim->start) > end)
		return 0;
	return load_bytes(skb, transport, claim->start, sizeof(claim->start));
}

/* The inner packet's part of the claim. Answers its version; 0: its header is not whole. */
static __always_inline int claim_packet(struct __sk_buff *skb, __u32 inner, struct relay_claim *claim)
{
	struct ipv6_header ip;
	const struct ipv4_header *v4 = (const void *)&ip;

	if (inner > CLAIM_OFFSET_MAX || load_bytes(skb, inner, &ip, sizeof(*v4)))
		return 0;
	if (v4->version_length >> 4 == 4) {
		map_address(claim->source, v4->source);
		map_address(claim->destination, v4->destination);
		claim->protocol = v4->protocol;
		return claim_start(skb, claim, inner + (v4->version_length & 0xf) * 4,
			       inner + bpf_ntohs(v4->length))
			       ? 0
			       : 4;
	}
	if (v4->version_length >> 4 != 6 || load_bytes(skb, inner, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(claim->source, ip.source, 16);
	__builtin_memcpy(claim->destination, ip.destination, 16);
	claim->protocol = ip.next_header;
	return claim_start(skb, claim, inner + sizeof(ip), inner + sizeof(ip) + bpf_ntohs(ip.payload_length))
		       ? 0
		       : 6;
}

/* The code of a claim under a key; 0, which members do not write: there is no such key. */
static __always_inline __u64 code_of(const struct relay_claim *claim, __u32 id)
{
	const struct relay_key *key = bpf_map_lookup_elem(&relay_keys, &id);

	if (!key || !key->known)
		return 0;
	return siphash_of(key->words, (const __u64 *)claim, sizeof(*claim) / 8) ?: 1;
}

/* ---- Vouching for what leaves ------------------------------------------------------------------------------------ */

static __always_inline void fill_header(
	struct relay_header *header, const struct relay_claim *claim, int version, __u16 length)
{
	header->source_port = header->destination_port = bpf_htons(RELAY_PORT);
	header->length = bpf_htons(length);
	header->option_words = 4;
	header->flags = RELAY_FLAGS;
	header->protocol = bpf_htons(version == 4 ? ETH_P_IP : ETH_P_IPV6);
	header->tunnel[1] = claim->tunnel >> 8;
	header->tunnel[2] = claim->tunnel;
	header->option_class = bpf_htons(RELAY_OPTION_CLASS);
	header->option_type = RELAY_OPTION_TYPE;
	header->option_length = 3;
	header->kind = claim->kind;
	header->sender = claim->sender;
	header->slot = claim->slot;
}

/* The header before the packet at `inner`, `length` bytes of UDP in all. False: the packet is none, or there is no key. */
static __always_inline bool seal(struct __sk_buff *skb, const struct settings *config, __u32 inner, __u32 to,
	__u16 length, struct relay_header *header)
{
	struct relay_claim claim = {.kind = RELAY_TO_KIND(to),
		.tunnel = RELAY_TO_TUNNEL(to),
		.sender = config->gateway,
		.receiver = RELAY_TO_GATEWAY(to),
		.slot = relay_slot()};
	int version = claim_packet(skb, inner, &claim);
	__u64 code;

	if (!version)
		return false;
	fill_header(header, &claim, version, length);
	if (config->relay != RELAY_AUTHENTICATED)
		return true;
	header->key = config->relay_key;
	code = code_of(&claim, config->relay_key);
	__builtin_memcpy(header->code, &code, sizeof(code));
	return code;
}

/* ---- Judging what arrives ---------------------------------------------------------------------------------------- */

/* The outer IP header. Answers how long it is; 0: it is none that a member writes, with options say. */
static __always_inline __u32 read_outer(struct __sk_buff *skb, __u32 network, __u8 source[16], __u16 *payload)
{
	struct ipv6_header ip;
	const struct ipv4_header *v4 = (const void *)&ip;

	if (load_bytes(skb, network, &ip, sizeof(*v4)))
		return 0;
	if (v4->version_length == 0x45) {
		map_address(source, v4->source);
		*payload = bpf_ntohs(v4->length) - sizeof(*v4);
		return v4->protocol == IPPROTO_UDP ? sizeof(*v4) : 0;
	}
	if (v4->version_length >> 4 != 6 || load_bytes(skb, network, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(source, ip.source, 16);
	*payload = bpf_ntohs(ip.payload_length);
	return ip.next_header == IPPROTO_UDP ? sizeof(ip) : 0;
}

static __always_inline bool is_as_written(const struct relay_header *header, __u16 payload)
{
	return header->source_port == bpf_htons(RELAY_PORT) && bpf_ntohs(header->length) == payload &&
	       payload > sizeof(*header) && header->checksum == 0 && header->option_words == 4 &&
	       header->flags == RELAY_FLAGS && header->tunnel[0] == 0 && header->tunnel[3] == 0 &&
	       header->option_class == bpf_htons(RELAY_OPTION_CLASS) &&
	       header->option_type == RELAY_OPTION_TYPE && header->option_length == 3 &&
	       header->kind >= RELAY_REQUEST && header->kind < RELAY_KINDS;
}

/* A slot's lowest bits say which of the three that count, by the sender's clock. */
static __always_inline bool find_slot(__u8 slot, __s16 clock_slots, __u32 *whole)
{
	__u32 now = relay_slot() + clock_slots;

	*whole = now + (__s8)(slot - (__u8)now);
	return *whole - (now - 1) <= 2;
}

SUBPROGRAM int judge_claim(struct __sk_buff *skb, const struct settings *config,
	const struct relay_header *header, struct relay *relay)
{
	struct relay_claim claim = {};
	__u64 code, written;

	if (!config || !header || !relay)
		return REASON_internal;
	relay->version = claim_packet(skb, relay->inner, &claim);
	if (!relay->version || header->protocol != bpf_htons(relay->version == 4 ? ETH_P_IP : ETH_P_IPV6))
		return REASON_relay_malformed;
	if (!find_slot(header->slot, relay->clock_slots, &claim.slot))
		return REASON_relay_stale;
	if (config->relay != RELAY_AUTHENTICATED)
		return REASON_passed_relay;
	claim.kind = relay->kind;
	claim.tunnel = relay->tunnel;
	claim.sender = relay->sender;
	claim.receiver = config->gateway;
	code = code_of(&claim, header->key);
	__builtin_memcpy(&written, header->code, sizeof(written));
	return code && code == written ? REASON_passed_relay : REASON_relay_forged;
}

static __always_inline void hear(__u32 sender)
{
	struct heard_entry *entry = bpf_map_lookup_elem(&heard, &sender);
	__u32 now = (bpf_ktime_get_coarse_ns() / 1000000) ?: 1;

	if (entry && entry->relay_ms != now)
		entry->relay_ms = now;
}

/*
 * Judges Geneve to our underlay, whose outer IP header starts at `network`: passed_relay, or why it is none. `relay` is
 * zero before. Where an underlay is named members send by it alone, and nothing there has an Ethernet header.
 */
SUBPROGRAM int judge_relay(
	struct __sk_buff *skb, const struct settings *config, __u32 network, struct relay *relay)
{
	__u8 source[16] __attribute__((aligned(8)));
	const struct member_entry *member;
	struct relay_header header;
	__u32 outer, reason;
	__u16 payload;

	if (!config || !relay)
		return REASON_internal;
	outer = read_outer(skb, network, source, &payload);
	if (!outer || load_bytes(skb, network + outer, &header, sizeof(header)))
		return REASON_relay_malformed;
	member = member_by_number(header.sender);
	if (config->relay == RELAY_OFF || (config->underlay_ifindex && network) || !member ||
		member->state == MEMBER_NONE || !same_address(member->address, source))
		return REASON_relay_not_member;
	if (!is_as_written(&header, payload))
		return REASON_relay_malformed;
	relay->inner = network + outer + sizeof(header);
	relay->outer = outer == sizeof(struct ipv4_header) ? 4 : 6;
	relay->kind = header.kind;
	relay->sender = header.sender;
	relay->clock_slots = member->clock_slots;
	relay->tunnel = header.tunnel[1] << 8 | header.tunnel[2];
	reason = judge_claim(skb, config, &header, relay);
	if (reason == REASON_passed_relay)
		hear(header.sender);
	return reason;
}

#endif
