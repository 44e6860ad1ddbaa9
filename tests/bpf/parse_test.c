// SPDX-License-Identifier: Apache-2.0
/*
 * The parser in user space, under ASan: packets of every length, from none on, in memory that ends where
 * they end. (The kernel's test run takes none below 14 bytes.)
 */
#include <stdlib.h>

#include "tests/bpf/user_space.h"

#include "bpf/parse.h"
#include "tests/bpf/packet.h"
#include "tests/unit/unit.h"

static const struct shape inner = {
	.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = 53, .to_port = 4000, .payload = 30};

static const struct shape shapes[] = {
	{.kind = TCP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 1,
		.to_port = 2,
		.flags = SYN,
		.mss = 1460,
		.nops = 5,
		.payload = 9},
	{.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = 1, .to_port = 2, .payload = 20},
	{.kind = UDP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 1,
		.to_port = 2,
		.payload = 20,
		.extensions = 5},
	{.kind = UDP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 1,
		.to_port = 2,
		.payload = 16,
		.more_fragments = true},
	{.kind = UDP, .from = DEVICE, .to = LOOPBACK, .payload = 16, .fragment_offset = 1376},
	{.kind = ECHO_REQUEST, .from = DEVICE, .to = LOOPBACK, .from_port = 7, .payload = 12},
	{.kind = UNREACHABLE, .from = DEVICE, .to = LOOPBACK, .quotes = &inner},
	{.kind = OTHER_PROTOCOL, .from = DEVICE, .to = LOOPBACK, .payload = 12},
};

#define EACH_SHAPE(shape, family)                                \
	for (enum family family = V4; family <= V6; family += 2) \
		for (const struct shape *shape = shapes;         \
			shape < shapes + sizeof(shapes) / sizeof(shapes[0]); shape++)

/* Parses bytes that end where their memory ends. */
static enum parsed parse_bytes(
	const uint8_t *bytes, size_t length, struct packet *packet, struct packet *quoted)
{
	uint8_t *exact = malloc(length ? length : 1);
	struct buffer buffer = {exact, length};
	struct __sk_buff *skb = (struct __sk_buff *)&buffer;
	enum parsed parsed;

	memcpy(exact, bytes, length);
	parsed = parse_packet(skb, 0, length, packet);
	if (parsed == PARSED && packet->icmp == ICMP_KIND_ERROR)
		parsed = parse_quoted(skb, packet, quoted);
	free(exact);
	return parsed;
}

static void whole_packets_are_parsed(void)
{
	uint8_t bytes[PACKET_MAX], address[16];
	struct packet packet, quoted;

	EACH_SHAPE(shape, family)
	{
		size_t length = packet_build(shape, family, false, bytes);

		CU_ASSERT_EQUAL(parse_bytes(bytes, length, &packet, &quoted), PARSED);
		CU_ASSERT_EQUAL(packet.length, length);
		CU_ASSERT_EQUAL(packet.payload, packet_headers(shape, family));
		CU_ASSERT_EQUAL(packet.source_port, bpf_htons(shape->from_port));
		address_of(shape->from, family, address);
		CU_ASSERT(same_address(packet.source, address));
		address_of(shape->to, family, address);
		CU_ASSERT(same_address(packet.destination, address));
	}
}

static void a_cut_packet_is_malformed_at_every_length(void)
{
	uint8_t bytes[PACKET_MAX];
	struct packet packet, quoted;

	EACH_SHAPE(shape, family)
	{
		size_t length = packet_build(shape, family, false, bytes);

		for (size_t cut = 0; cut < length; cut++)
			CU_ASSERT_EQUAL(parse_bytes(bytes, cut, &packet, &quoted), PARSED_MALFORMED);
	}
}

static void a_short_packet_that_admits_it_is_malformed_while_headers_are_missing(void)
{
	uint8_t bytes[PACKET_MAX];
	struct packet packet, quoted;

	EACH_SHAPE(shape, family)
	{
		size_t length = packet_build(shape, family, false, bytes);

		for (size_t cut = 4; cut < packet_headers(shape, family) && cut < length; cut++) {
			if (cut >= 6 || family == V4)
				packet_claim(bytes, family, cut);
			CU_ASSERT_EQUAL(parse_bytes(bytes, cut, &packet, &quoted), PARSED_MALFORMED);
		}
	}
}

static void padding_behind_a_packet_is_not_looked_at(void)
{
	uint8_t bytes[PACKET_MAX];
	struct packet packet, quoted;

	EACH_SHAPE(shape, family)
	{
		size_t length = packet_build(shape, family, false, bytes);

		CU_ASSERT_EQUAL(parse_bytes(bytes, length + 30, &packet, &quoted), PARSED);
		CU_ASSERT_EQUAL(packet.length, length);
	}
}

/* Whatever a byte is changed to, nothing is read that is not there, and what is PARSED has its headers. */
static void every_byte_may_be_anything(void)
{
	uint8_t bytes[PACKET_MAX];
	struct packet packet, quoted;

	EACH_SHAPE(shape, family)
	{
		size_t length = packet_build(shape, family, false, bytes);

		for (size_t at = 0; at < length; at++)
			for (int value = 0; value < 256; value++) {
				uint8_t kept = bytes[at];

				bytes[at] = value;
				if (parse_bytes(bytes, length, &packet, &quoted) == PARSED) {
					CU_ASSERT_FATAL(packet.length <= length);
					CU_ASSERT_FATAL(packet.payload <= packet.network + packet.length);
				}
				bytes[at] = kept;
			}
	}
}

static void neither_4_nor_6_is_not_ip(void)
{
	uint8_t bytes[40] = {0x50};
	struct packet packet, quoted;

	CU_ASSERT_EQUAL(parse_bytes(bytes, sizeof(bytes), &packet, &quoted), PARSED_NOT_IP);
	CU_ASSERT_EQUAL(parse_bytes(bytes, 1, &packet, &quoted), PARSED_NOT_IP);
	CU_ASSERT_EQUAL(parse_bytes(bytes, 0, &packet, &quoted), PARSED_MALFORMED);
}

/* A response's key is its request's. */
static void both_directions_have_one_key(void)
{
	static const struct shape pairs[][2] = {
		{{.kind = TCP, .from = DEVICE, .to = LOOPBACK, .from_port = 1, .to_port = 2},
			{.kind = TCP, .from = LOOPBACK, .to = DEVICE, .from_port = 2, .to_port = 1}},
		{{.kind = ECHO_REQUEST, .from = DEVICE, .to = LOOPBACK, .from_port = 9},
			{.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 9}},
	};
	struct packet packet, quoted;
	struct line_key keys[2];
	uint8_t bytes[PACKET_MAX];

	for (size_t i = 0; i < 4; i++) {
		const struct shape *pair = pairs[i / 2];
		enum family family = i % 2 ? V6 : V4;

		parse_bytes(bytes, packet_build(&pair[0], family, false, bytes), &packet, &quoted);
		key_of_request(&keys[0], &packet, 3);
		parse_bytes(bytes, packet_build(&pair[1], family, false, bytes), &packet, &quoted);
		key_of_response(&keys[1], &packet, 3);
		CU_ASSERT(memcmp(&keys[0], &keys[1], sizeof(keys[0])) == 0);
		CU_ASSERT_EQUAL(keys[0].source_port, bpf_htons(pair[0].from_port));
		CU_ASSERT_EQUAL(keys[0].destination_port, bpf_htons(pair[0].to_port));
	}
}

UNIT_TESTS("bpf parse", {"whole packets are parsed", whole_packets_are_parsed},
	{"a cut packet is malformed at every length", a_cut_packet_is_malformed_at_every_length},
	{"a short packet that admits it is malformed while headers are missing",
		a_short_packet_that_admits_it_is_malformed_while_headers_are_missing},
	{"padding behind a packet is not looked at", padding_behind_a_packet_is_not_looked_at},
	{"every byte may be anything", every_byte_may_be_anything},
	{"neither 4 nor 6 is not IP", neither_4_nor_6_is_not_ip},
	{"both directions have one key", both_directions_have_one_key})
