// SPDX-License-Identifier: Apache-2.0
/* Packets of every length that the kernel's test run takes, into the programs themselves: each is counted once. */
#include <stdio.h>

#include "tests/bpf/scene_test.h"

static const struct shape inner = {
	.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = 53, .to_port = 4000, .payload = 30};
static const struct shape inner_request = {
	.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = 4000, .to_port = 53, .payload = 30};

static const struct shape requests[] = {
	{.kind = TCP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 1,
		.to_port = 2,
		.flags = SYN,
		.mss = 1460,
		.nops = 5,
		.payload = 9},
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
	{.kind = ECHO_REQUEST, .from = DEVICE, .to = LOOPBACK, .from_port = 7, .payload = 12},
	{.kind = UNREACHABLE, .from = DEVICE, .to = LOOPBACK, .quotes = &inner},
};

static const struct shape responses[] = {
	{.kind = TCP,
		.from = LOOPBACK,
		.to = DEVICE,
		.from_port = 1,
		.to_port = 2,
		.flags = SYN | ACK,
		.mss = 1460,
		.nops = 5,
		.payload = 9},
	{.kind = UDP,
		.from = LOOPBACK,
		.to = DEVICE,
		.from_port = 1,
		.to_port = 2,
		.payload = 20,
		.extensions = 5},
	{.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 7, .payload = 12},
	{.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &inner_request},
};

#define DROP 2 /* TC_ACT_SHOT */

/*
 * What a test run takes at least: some kernels want all of a MAC header and more, some all of an IP header behind
 * it.
 */
static size_t shortest(enum family family, bool ethernet)
{
	return ethernet ? ETHERNET_LENGTH + (family == V4 ? 20 : 40) : ETHERNET_LENGTH + 1;
}

/* The packet's first `length` bytes are dropped, counted as malformed, and teach nothing. */
static bool is_dropped(const struct bpf_program *program, const uint8_t *packet, size_t length)
{
	uint64_t before = scene_count(REASON_malformed);
	struct outcome outcome = scene_run(program, packet, length, 0);
	unsigned flows;

	scene_line(scene.flows, &flows);
	if (!outcome.error && outcome.verdict == DROP && outcome.reason == REASON_malformed && flows == 0 &&
		scene_count(REASON_malformed) == before + 1)
		return true;
	printf("%zu bytes: error %d, verdict %d, reason %d, %u flows\n", length, outcome.error,
		outcome.verdict, outcome.reason, flows);
	return false;
}

static bool each_cut_is_dropped(
	const struct bpf_program *program, const struct shape *shape, enum family family, bool ethernet)
{
	uint8_t packet[PACKET_MAX];
	size_t length = packet_build(shape, family, ethernet, packet);

	for (size_t cut = shortest(family, ethernet); cut < length; cut++)
		if (!is_dropped(program, packet, cut))
			return false;
	return true;
}

static bool each_claim_is_dropped(
	const struct bpf_program *program, const struct shape *shape, enum family family, bool ethernet)
{
	uint8_t packet[PACKET_MAX];
	size_t start = ethernet ? ETHERNET_LENGTH : 0;

	packet_build(shape, family, ethernet, packet);
	for (size_t cut = shortest(family, ethernet) - start; cut < packet_headers(shape, family); cut++) {
		packet_claim(packet + start, family, cut);
		if (!is_dropped(program, packet, start + cut))
			return false;
	}
	return true;
}

static void play(const struct bpf_program *program, const struct shape *shapes, size_t count, bool ethernet)
{
	scene_reset();
	for (size_t i = 0; i < count; i++)
		for (enum family family = V4; family <= V6; family += 2) {
			CU_ASSERT(each_cut_is_dropped(program, &shapes[i], family, ethernet));
			CU_ASSERT(each_claim_is_dropped(program, &shapes[i], family, ethernet));
		}
}

static void requests_of_every_length(void)
{
	play(scene.gateway->progs.tunnel_ingress, requests, sizeof(requests) / sizeof(requests[0]), false);
}

static void responses_of_every_length(void)
{
	play(scene.gateway->progs.return_egress, responses, sizeof(responses) / sizeof(responses[0]), true);
}

/* Malformed packets are the stack's there, but not those that say they come from a loopback. */
static void the_uplink_of_every_length(void)
{
	const struct bpf_program *program = scene.gateway->progs.uplink_ingress;
	uint8_t packet[PACKET_MAX];

	scene_reset();
	for (enum family family = V4; family <= V6; family += 2) {
		size_t length = packet_build(&responses[0], family, true, packet);

		for (size_t cut = shortest(family, true); cut < length; cut++) {
			struct outcome outcome = scene_run(program, packet, cut, 0);

			CU_ASSERT_EQUAL(outcome.error, 0);
			CU_ASSERT_EQUAL(outcome.reason, REASON_malformed);
		}
	}
}

static void what_is_not_ip_is_dropped_from_a_tunnel_and_home0(void)
{
	uint8_t packet[64] = {0x50};
	struct outcome outcome;

	scene_reset();
	outcome = scene_run(scene.gateway->progs.tunnel_ingress, packet, sizeof(packet), 0);
	CU_ASSERT_EQUAL(outcome.verdict, DROP);
	CU_ASSERT_EQUAL(outcome.reason, REASON_not_ip);
	outcome = scene_run(scene.gateway->progs.return_egress, packet, sizeof(packet), 0);
	CU_ASSERT_EQUAL(outcome.verdict, DROP);
	CU_ASSERT_EQUAL(outcome.reason, REASON_not_ip);
	outcome = scene_run(scene.gateway->progs.uplink_ingress, packet, sizeof(packet), 0);
	CU_ASSERT_EQUAL(outcome.verdict, -1);
	CU_ASSERT_EQUAL(outcome.reason, REASON_passed_other);
}

/* Nothing crashes, loops or goes uncounted, whatever a byte is. */
static void every_byte_of_a_header_may_be_anything(void)
{
	const struct bpf_program *program = scene.gateway->progs.tunnel_ingress;
	uint8_t packet[PACKET_MAX];

	scene_reset();
	for (enum family family = V4; family <= V6; family += 2) {
		size_t length = packet_build(&requests[0], family, false, packet);

		for (size_t at = 0; at < length; at++)
			for (int value = 0; value < 256; value += 5) {
				uint8_t kept = packet[at];
				struct outcome outcome;

				packet[at] = value;
				outcome = scene_run(program, packet, length, 0);
				packet[at] = kept;
				CU_ASSERT_EQUAL(outcome.error, 0);
				CU_ASSERT(outcome.verdict == DROP ||
					  outcome.reason <= REASON_passed_icmp_error);
			}
	}
}

SCENE_TESTS("bpf malformed", {"requests of every length", requests_of_every_length},
	{"responses of every length", responses_of_every_length},
	{"the uplink of every length", the_uplink_of_every_length},
	{"what is not IP is dropped from a tunnel and home0",
		what_is_not_ip_is_dropped_from_a_tunnel_and_home0},
	{"every byte of a header may be anything", every_byte_of_a_header_may_be_anything})
