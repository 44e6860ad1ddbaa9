// SPDX-License-Identifier: Apache-2.0
/* uplink_xdp: relays to our own address are dropped and counted, and nothing else is touched. */
#include <bpf/bpf.h>
#include <string.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/scene_test.h"

#define XDP_DROPPED 1
#define XDP_PASSED  2

static struct uplink_xdp_bpf *xdp;

static void load(void)
{
	const struct bpf_map *ours;
	struct bpf_map *map;

	xdp = uplink_xdp_bpf__open();
	CU_ASSERT_PTR_NOT_NULL_FATAL(xdp);
	bpf_object__for_each_map(map, xdp->obj)
	{
		bpf_map__set_pin_path(map, NULL);
		ours = bpf_object__find_map_by_name(scene.gateway->obj, bpf_map__name(map));
		CU_ASSERT_EQUAL_FATAL(bpf_map__reuse_fd(map, bpf_map__fd(ours)), 0);
	}
	CU_ASSERT_EQUAL_FATAL(uplink_xdp_bpf__load(xdp), 0);
}

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

static void a_relay_to_us_is_dropped_and_counted(void)
{
	load();
	scene_reset();
	CU_ASSERT_EQUAL(run_udp(UNDERLAY, RELAY_PORT, V4, 0), XDP_DROPPED);
	CU_ASSERT_EQUAL(run_udp(UNDERLAY, RELAY_PORT, V6, 0), XDP_DROPPED);
	CU_ASSERT_EQUAL(scene_count(REASON_relay_not_member), 2);
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

SCENE_TESTS("bpf xdp", {"a relay to us is dropped and counted", a_relay_to_us_is_dropped_and_counted},
	{"everything else passes", everything_else_passes},
	{"a relay of every length is not read beyond its end",
		a_relay_of_every_length_is_not_read_beyond_its_end})
