// SPDX-License-Identifier: Apache-2.0
/*
 * The packet parser, in memory that ends where the packet ends. What is PARSED has its headers whole, within the
 * length that its IP header claims, and that within what arrived; so has what it quotes, within the packet that
 * quotes it. To say the same of an answer: bytes behind the packet do not matter, a packet cut within its headers
 * is never PARSED, and both directions of a flow have one key. The first byte says how many bytes stand in front of
 * the IP header.
 */
#include <stdlib.h>

#include "tests/bpf/user_space.h"

#include "bpf/parse.h"
#include "tests/fuzz/fuzz.h"

/* Parses a copy of exactly these bytes. */
static enum parsed parse(struct input input, uint32_t network, struct packet *packet, struct packet *quoted)
{
	uint8_t *exact = malloc(input.size ? input.size : 1);
	struct buffer buffer = {exact, input.size};
	struct __sk_buff *skb = (struct __sk_buff *)&buffer;
	enum parsed parsed;

	memset(quoted, 0, sizeof(*quoted));
	memcpy(exact, input.bytes, input.size);
	parsed = parse_packet(skb, network, (uint32_t)input.size, packet);
	if (parsed == PARSED && packet->icmp == ICMP_KIND_ERROR)
		parsed = parse_quoted(skb, packet, quoted);
	free(exact);
	return parsed;
}

static void check_offsets(const struct packet *packet, uint32_t end)
{
	MUST(packet->version == 4 || packet->version == 6);
	MUST(packet->network < packet->transport && packet->transport <= packet->payload);
	MUST(packet->payload <= end);
	MUST(packet->fragment <= FRAGMENT_LATER && packet->icmp <= ICMP_KIND_ERROR);
	MUST(packet->fragment != FRAGMENT_LATER || (!packet->source_port && !packet->destination_port));
	MUST(!packet->icmp || !packet->tcp_flags);
}

static void check_keys(const struct packet *packet)
{
	struct packet answer = *packet;
	struct line_key request, response;

	memcpy(answer.source, packet->destination, 16);
	memcpy(answer.destination, packet->source, 16);
	if (packet->icmp != ICMP_KIND_ECHO) {
		answer.source_port = packet->destination_port;
		answer.destination_port = packet->source_port;
	}
	key_of_request(&request, packet, 3);
	key_of_response(&response, &answer, 3);
	MUST(memcmp(&request, &response, sizeof(request)) == 0);
}

/* Padding is not looked at, and neither is the payload. */
static void check_bounds(struct input input, uint32_t network, const struct packet *packet)
{
	struct input without_padding = {input.bytes, packet->network + packet->length};
	struct input cut = {input.bytes, packet->payload ? packet->payload - 1 : 0};
	struct packet again, quoted;

	MUST(parse(without_padding, network, &again, &quoted) == PARSED);
	MUST(memcmp(&again, packet, sizeof(again)) == 0);
	MUST(parse(cut, network, &again, &quoted) != PARSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, size};
	uint32_t network = take_byte(&input) & 1 ? 14 : 0; /* behind an Ethernet header, or in a tunnel */
	struct packet packet, quoted;
	enum parsed parsed = parse(input, network, &packet, &quoted);

	MUST(parsed <= PARSED_MALFORMED);
	if (parsed != PARSED)
		return 0;
	MUST(packet.network + packet.length <= input.size);
	check_offsets(&packet, packet.network + packet.length);
	check_keys(&packet);
	check_bounds(input, network, &packet);
	if (packet.icmp == ICMP_KIND_ERROR)
		check_offsets(&quoted, packet.network + packet.length);
	return 0;
}
