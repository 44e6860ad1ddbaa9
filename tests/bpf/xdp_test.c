// SPDX-License-Identifier: Apache-2.0
/* uplink_xdp: of what comes in Geneve to our own address only true relays pass, and nothing else is touched. */
#include <bpf/bpf.h>
#include <string.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/envelope.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS(NULL); /* uplink_xdp alone, which is no part of the scene */

#define XDP_DROPPED 1
#define XDP_PASSED  2

static struct uplink_xdp_bpf *xdp;

static int run(const uint8_t *packet, size_t length)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length);

	CU_ASSERT_EQUAL(bpf_prog_test_run_opts(bpf_program__fd(xdp->progs.uplink_xdp), &options), 0);
	return options.retval;
}

static int run_udp(enum who to, uint16_t port, enum family family, uint16_t fragment_offset)
{
	struct shape shape = {.kind = UDP,
		.from = STRANGER,
		.to = to,
		.from_port = 1,
		.to_port = port,
		.payload = 60,
		.fragment_offset = fragment_offset};
	uint8_t packet[PACKET_MAX];

	return run(packet, packet_build(&shape, family, true, packet));
}

static void a_stranger_s_is_dropped_and_counted(void)
{
	xdp = scene_load_xdp();
	scene_reset();
	CU_ASSERT_EQUAL(run_udp(UNDERLAY, RELAY_PORT, V4, 0), XDP_DROPPED);
	CU_ASSERT_EQUAL(run_udp(UNDERLAY, RELAY_PORT, V6, 0), XDP_DROPPED);
	CU_ASSERT_EQUAL(scene_count(REASON_relay_not_member), 2);
}

static const struct shape request = {.kind = TCP,
	.from = DEVICE,
	.to = LOOPBACK,
	.from_port = 1,
	.to_port = 2,
	.flags = ACK,
	.payload = 60};

static int run_relay(const struct envelope *envelope, enum family inner)
{
	uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
	size_t length = packet_build(&request, inner, false, packet);

	return run(relay, envelope_build(envelope, packet, length, relay));
}

static void a_member_s_passes_and_is_heard(void)
{
	for (int i = 0; i < 4; i++) {
		enum family outer = i & 1 ? V4 : V6, inner = i & 2 ? V4 : V6;
		struct envelope envelope = envelope_from_member(outer, RELAY_REQUEST, 103);

		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, outer);
		CU_ASSERT_EQUAL(run_relay(&envelope, inner), XDP_PASSED);
		CU_ASSERT_NOT_EQUAL(scene_heard(SCENE_MEMBER), 0);
	}
}

static void expect_drop(const struct envelope *envelope, enum reason reason)
{
	uint64_t before = scene_count(reason);

	CU_ASSERT_EQUAL(run_relay(envelope, V4), XDP_DROPPED);
	CU_ASSERT_EQUAL(scene_count(reason), before + 1);
	CU_ASSERT_EQUAL(scene_heard(SCENE_MEMBER), 0);
}

static void one_that_is_not_true_is_dropped(void)
{
	for (enum family outer = V4; outer <= V6; outer += 2) {
		struct envelope true_one = envelope_from_member(outer, RELAY_REQUEST, 103), other;

		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, outer);
		other = true_one;
		other.from = INSIDE;
		expect_drop(&other, REASON_relay_not_member);
		other = true_one;
		other.kind = RELAY_KINDS;
		expect_drop(&other, REASON_relay_malformed);
		other = true_one;
		other.slot -= 2;
		if (scene_slot() == true_one.slot)
			expect_drop(&other, REASON_relay_stale);
		other = true_one;
		other.words[1]++;
		expect_drop(&other, REASON_relay_forged);
		other = true_one;
		other.receiver = 3;
		expect_drop(&other, REASON_relay_forged);
		scene.settings.underlay_ifindex = UINT32_MAX; /* which has no XDP */
		scene_settings();
		expect_drop(&true_one, REASON_relay_not_member);
	}
}

static void everything_else_passes(void)
{
	scene_reset();
	for (enum family family = V4; family <= V6; family += 2) {
		CU_ASSERT_EQUAL(run_udp(UNDERLAY, 51820, family, 0), XDP_PASSED);
		CU_ASSERT_EQUAL(run_udp(INSIDE, RELAY_PORT, family, 0), XDP_PASSED);
		CU_ASSERT_EQUAL(run_udp(LOOPBACK, RELAY_PORT, family, 0), XDP_PASSED);
		CU_ASSERT_EQUAL(run_udp(UNDERLAY, RELAY_PORT, family, 1376), XDP_PASSED);
	}
	CU_ASSERT_EQUAL(scene_count(REASON_relay_not_member), 0);
}

static void a_relay_of_every_length_is_not_read_beyond_its_end(void)
{
	struct shape shape = {.kind = UDP,
		.from = STRANGER,
		.to = UNDERLAY,
		.from_port = 1,
		.to_port = RELAY_PORT,
		.payload = 60};
	uint8_t packet[PACKET_MAX];

	for (enum family family = V4; family <= V6; family += 2) {
		size_t length = packet_build(&shape, family, true, packet);
		size_t headers = ETHERNET_LENGTH + packet_headers(&shape, family);

		for (size_t cut = ETHERNET_LENGTH; cut <= length; cut++)
			CU_ASSERT_EQUAL(run(packet, cut), cut < headers ? XDP_PASSED : XDP_DROPPED);
	}
	uplink_xdp_bpf__destroy(xdp);
}

SCENE_TESTS("bpf xdp", {"a stranger's is dropped and counted", a_stranger_s_is_dropped_and_counted},
	{"a member's passes and is heard", a_member_s_passes_and_is_heard},
	{"one that is not true is dropped", one_that_is_not_true_is_dropped},
	{"everything else passes", everything_else_passes},
	{"a relay of every length is not read beyond its end",
		a_relay_of_every_length_is_not_read_beyond_its_end})
