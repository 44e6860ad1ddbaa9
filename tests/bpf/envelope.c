// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/envelope.h"

#include <netinet/in.h>
#include <string.h>

#include "bpf/siphash.h" /* held against libsodium's by tests/unit/siphash_test.c */
#include "tests/bpf/scene.h"

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static struct envelope envelope_of(enum family outer, enum relay_kind kind, uint16_t tunnel)
{
	struct envelope envelope = {
		.outer = outer, .kind = kind, .tunnel = tunnel, .key = 1, .slot = scene_slot()};

	memcpy(envelope.words, scene_keys[1], sizeof(envelope.words));
	return envelope;
}

struct envelope envelope_from_member(enum family outer, enum relay_kind kind, uint16_t tunnel)
{
	struct envelope envelope = envelope_of(outer, kind, tunnel);

	envelope.from = MEMBER;
	envelope.to = UNDERLAY;
	envelope.sender = SCENE_MEMBER;
	envelope.receiver = SCENE_GATEWAY;
	return envelope;
}

struct envelope envelope_to_member(enum family outer, enum relay_kind kind, uint16_t tunnel)
{
	struct envelope envelope = envelope_of(outer, kind, tunnel);

	envelope.from = UNDERLAY;
	envelope.to = MEMBER;
	envelope.sender = SCENE_GATEWAY;
	envelope.receiver = SCENE_MEMBER;
	return envelope;
}

size_t envelope_header(enum family outer)
{
	return ETHERNET_LENGTH + (outer == V4 ? 20 : 40);
}

size_t envelope_overhead(enum family outer)
{
	return envelope_header(outer) + sizeof(struct relay_header);
}

/* ---- The claim ------------------------------------------------------------------------------------------- */

static void claim_addresses(struct relay_claim *claim, const uint8_t *inner)
{
	bool v4 = inner[0] >> 4 == 4;

	if (v4) {
		claim->source[10] = claim->source[11] = 0xff;
		claim->destination[10] = claim->destination[11] = 0xff;
		memcpy(claim->source + 12, inner + 12, 4);
		memcpy(claim->destination + 12, inner + 16, 4);
	} else {
		memcpy(claim->source, inner + 8, 16);
		memcpy(claim->destination, inner + 24, 16);
	}
}

static uint64_t code_of(const struct envelope *envelope, const uint8_t *inner, size_t length)
{
	bool v4 = inner[0] >> 4 == 4;
	size_t header = v4 ? (inner[0] & 0xf) * 4U : 40;
	__u64 words[6], key[2] = {envelope->words[0], envelope->words[1]};
	struct relay_claim claim = {.protocol = inner[v4 ? 9 : 6],
		.kind = envelope->kind,
		.tunnel = envelope->tunnel,
		.sender = envelope->sender,
		.receiver = envelope->receiver,
		.slot = envelope->slot};

	claim_addresses(&claim, inner);
	if (length >= header + 4)
		memcpy(claim.start, inner + header, 4);
	memcpy(words, &claim, sizeof(words));
	return siphash_of(key, words, 6);
}

/* ---- The packet ------------------------------------------------------------------------------------------ */

static void put_geneve(const struct envelope *envelope, const uint8_t *inner, size_t length, uint8_t *at)
{
	uint64_t code = envelope->words[0] || envelope->words[1] ? code_of(envelope, inner, length) : 0;

	put16(at, 6081);
	put16(at + 2, 6081);
	put16(at + 4, 32 + length);
	at[8] = 4;    /* words of options */
	at[9] = 0x40; /* a critical one */
	put16(at + 10, inner[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	put16(at + 13, envelope->tunnel);
	put16(at + 16, 0xff77);
	at[18] = 0x81;
	at[19] = 3;
	at[20] = envelope->kind;
	at[21] = envelope->sender;
	at[22] = envelope->key;
	at[23] = envelope->slot & 0xff;
	memcpy(at + 24, &code, sizeof(code));
}

static void put_ipv4(const struct envelope *envelope, uint8_t *ip, size_t length)
{
	uint8_t address[16];
	uint32_t sum = 0;

	ip[0] = 0x45;
	ip[1] = envelope->service;
	put16(ip + 2, 20 + length);
	ip[6] = 0x40; /* not to be fragmented */
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	address_of(envelope->from, V4, address);
	memcpy(ip + 12, address + 12, 4);
	address_of(envelope->to, V4, address);
	memcpy(ip + 16, address + 12, 4);
	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)));
}

static void put_ipv6(const struct envelope *envelope, uint8_t *ip, size_t length)
{
	ip[0] = 0x60 | envelope->service >> 4;
	ip[1] = envelope->service << 4;
	put16(ip + 4, length);
	ip[6] = IPPROTO_UDP;
	ip[7] = 64;
	address_of(envelope->from, V6, ip + 8);
	address_of(envelope->to, V6, ip + 24);
}

size_t envelope_build(
	const struct envelope *envelope, const uint8_t *inner, size_t length, uint8_t packet[PACKET_MAX])
{
	uint8_t *ip = packet + ETHERNET_LENGTH;
	size_t overhead = envelope_overhead(envelope->outer);

	memset(packet, 0, PACKET_MAX);
	put16(packet + 12, envelope->outer == V4 ? 0x0800 : 0x86dd);
	if (envelope->outer == V4)
		put_ipv4(envelope, ip, 32 + length);
	else
		put_ipv6(envelope, ip, 32 + length);
	put_geneve(envelope, inner, length, packet + envelope_header(envelope->outer));
	memcpy(packet + overhead, inner, length);
	return overhead + length;
}
