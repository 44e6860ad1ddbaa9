// SPDX-License-Identifier: Apache-2.0
/* What the generator is to write, from the packets of the tests (tests/bpf/packet.h). */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/world.h"

#define DEVICE_PORT   40000
#define LOOPBACK_PORT 7547

static void put_udp_checksum(struct recipe *recipe, enum family family, size_t network)
{
	size_t header = family == V4 ? 20 : 40, addresses = family == V4 ? 12 : 8;
	uint8_t *udp = recipe->bytes + network + header;
	size_t length = GENERATED - network - header;
	struct recipe once = *recipe;
	uint8_t made[GENERATED];
	uint16_t checksum;
	uint32_t sum;

	memset(udp + 6, 0, 2);
	memcpy(once.bytes, recipe->bytes, GENERATED);
	if (make_packet(made, made + GENERATED, &once))
		abort();
	sum = packet_sum(made + network + addresses, header - addresses, IPPROTO_UDP + length);
	checksum = htons(packet_checksum(packet_sum(made + network + header, length, sum)));
	memcpy(udp + 6, &checksum, sizeof(checksum));
}

/* Of 16-bit words as they stand in memory, which is what make_packet() goes on with. */
static uint32_t sum_of_header(const uint8_t *header)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2) {
		uint16_t word;

		memcpy(&word, header + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void write_ipv4(struct recipe *recipe, size_t network)
{
	recipe->checksum_at = network + 10;
	memset(recipe->bytes + recipe->checksum_at, 0, 2);
	memset(recipe->bytes + recipe->device_at, 0, 4);
	recipe->sum = sum_of_header(recipe->bytes + network);
}

/* `from_device`: whether the device whose address is to be filled in is where it comes from, or goes. */
static void write_recipe(struct recipe *recipe, const struct shape *wanted, enum family family, bool ethernet,
	bool from_device)
{
	static const uint8_t mac[6] = {0x02, 0, 0, 0, 0, 0x11}; /* WORLD_MAC */
	size_t network = ethernet ? ETHERNET_LENGTH : 0, header = family == V4 ? 20 : 40;
	struct shape shape = *wanted;
	uint8_t packet[PACKET_MAX];

	shape.kind = UDP;
	shape.payload = GENERATED - network - header - 8;
	packet_build(&shape, family, ethernet, packet);
	memcpy(recipe->bytes, packet, GENERATED);
	if (ethernet)
		memcpy(recipe->bytes, mac, sizeof(mac));
	recipe->device_at = network + (family == V4 ? 12 : 8 + DEVICE_AT_V6) +
			    (from_device           ? 0
				    : family == V4 ? 4
						   : 16);
	recipe->number_at = network + header + 8;
	recipe->checksum_at = 0;
	if (family == V4)
		write_ipv4(recipe, network);
	put_udp_checksum(recipe, family, network);
}

void recipe_write(
	struct recipe *recipe, enum direction_of_packet direction, enum family family, bool ethernet)
{
	static const struct shape request = {.from = DEVICE,
					  .to = LOOPBACK,
					  .from_port = DEVICE_PORT,
					  .to_port = LOOPBACK_PORT},
				  response = {.from = LOOPBACK,
					  .to = DEVICE,
					  .from_port = LOOPBACK_PORT,
					  .to_port = DEVICE_PORT};

	write_recipe(
		recipe, direction == REQUEST ? &request : &response, family, ethernet, direction == REQUEST);
}

void recipe_flood(struct recipe *recipe, enum family family, uint16_t port)
{
	const struct shape shape = {
		.from = DEVICE, .to = UNDERLAY, .from_port = DEVICE_PORT, .to_port = port};

	write_recipe(recipe, &shape, family, true, true);
}

struct line_key flow_of(const struct recipe *recipe, enum family family, uint32_t number)
{
	struct line_key key = {.source_port = htons(DEVICE_PORT),
		.destination_port = htons(LOOPBACK_PORT),
		.protocol = IPPROTO_UDP};
	uint32_t device = htonl(device_of(recipe, number));

	address_of(DEVICE, family, key.source);
	address_of(LOOPBACK, family, key.destination);
	memcpy(key.source + (family == V4 ? DEVICE_AT_V4 : DEVICE_AT_V6), &device, sizeof(device));
	return key;
}
