// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs in each program, in ns by BPF_PROG_TEST_RUN: the median of several rounds, one warm
 * flow, so cache misses of a large table are not in it. Figures to read, not a test.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/envelope.h"
#include "tests/bpf/scene.h"

#define ROUNDS 9
#define REPEAT 500000

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t duration_of(int program, const uint8_t *packet, size_t length, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length, .repeat = repeat);

	if (bpf_prog_test_run_opts(program, &options)) {
		perror("test run");
		exit(1);
	}
	return options.duration;
}

static void print_cost(const char *what, int program, const struct shape *shape, bool ethernet, int repeat)
{
	printf("%-52s", what);
	for (enum family family = V4; family <= V6; family += 2) {
		uint8_t packet[PACKET_MAX];
		size_t length = packet_build(shape, family, ethernet, packet);
		uint32_t ns[ROUNDS];

		for (int i = 0; i < ROUNDS; i++)
			ns[i] = duration_of(program, packet, length, repeat);
		qsort(ns, ROUNDS, sizeof(ns[0]), compare);
		printf("  v%d %4u", family, ns[ROUNDS / 2]);
	}
	printf("  ns\n");
}

/* The inner packet's families, over v4. In XDP alone: behind TC a round would leave another packet to the next. */
static void print_relay_cost(const char *what, int program, const struct shape *shape, int repeat)
{
	printf("%-52s", what);
	for (enum family family = V4; family <= V6; family += 2) {
		struct envelope envelope = envelope_from_member(V4, RELAY_REQUEST, 103);
		uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
		size_t length = packet_build(shape, family, false, packet);
		uint32_t ns[ROUNDS];

		length = envelope_build(&envelope, packet, length, relay);
		for (int i = 0; i < ROUNDS; i++)
			ns[i] = duration_of(program, relay, length, repeat);
		qsort(ns, ROUNDS, sizeof(ns[0]), compare);
		printf("  v%d %4u", family, ns[ROUNDS / 2]);
	}
	printf("  ns\n");
}

static int load_xdp(void)
{
	struct uplink_xdp_bpf *xdp = uplink_xdp_bpf__open();
	struct bpf_map *map;

	if (!xdp)
		exit(1);
	bpf_object__for_each_map(map, xdp->obj)
	{
		bpf_map__set_pin_path(map, NULL);
		bpf_map__reuse_fd(map,
			bpf_map__fd(bpf_object__find_map_by_name(scene.gateway->obj, bpf_map__name(map))));
	}
	if (uplink_xdp_bpf__load(xdp))
		exit(1);
	return bpf_program__fd(xdp->progs.uplink_xdp);
}

#define TO_LOOPBACK   .to = LOOPBACK, .from_port = 40000, .to_port = 7547, .payload = 64
#define FROM_LOOPBACK .from = LOOPBACK, .to = DEVICE, .from_port = 7547, .to_port = 40000, .payload = 64

int main(void)
{
	static const struct shape datagram = {.kind = UDP, .from = DEVICE, TO_LOOPBACK};
	static const struct shape segment = {.kind = TCP, .from = DEVICE, .flags = ACK, TO_LOOPBACK};
	static const struct shape spoofed = {.kind = UDP, .from = STRANGER, TO_LOOPBACK};
	static const struct shape answer = {.kind = UDP, FROM_LOOPBACK};
	static const struct shape last_hops = {.kind = UDP, .hops = 255, FROM_LOOPBACK};
	static const struct shape inside = {.kind = TCP, .from = INSIDE, .flags = ACK, TO_LOOPBACK};
	static const struct shape underlay = {
		.kind = UDP, .from = INSIDE, .to = UNDERLAY, .to_port = 51820, .payload = 64};
	static const struct shape forged = {
		.kind = UDP, .from = INSIDE, .to = UNDERLAY, .to_port = RELAY_PORT, .payload = 64};
	int tunnel, home, uplink, xdp;

	scene_open();
	xdp = load_xdp();
	tunnel = bpf_program__fd(scene.gateway->progs.tunnel_ingress);
	home = bpf_program__fd(scene.gateway->progs.return_egress);
	uplink = bpf_program__fd(scene.gateway->progs.uplink_ingress);
	print_cost("tunnel_ingress: UDP of a known flow", tunnel, &datagram, false, REPEAT);
	print_cost("tunnel_ingress: TCP, half-open, asks for a socket", tunnel, &segment, false, REPEAT);
	print_cost("tunnel_ingress: spoofed, dropped", tunnel, &spoofed, false, REPEAT);
	print_cost("return_egress: by the flow's way", home, &answer, true, REPEAT);
	print_cost("uplink_ingress: a backend's answer", uplink, &last_hops, true, 250);
	print_cost("uplink_ingress: not ours", uplink, &inside, true, REPEAT);
	print_cost("uplink_xdp: not a relay", xdp, &underlay, true, REPEAT);
	print_cost("uplink_xdp: a forged relay, dropped", xdp, &forged, true, REPEAT);
	scene_relay(RELAY_AUTHENTICATED, V4);
	print_relay_cost("uplink_xdp: a true relay", xdp, &datagram, REPEAT);
	scene.settings.counters = 0;
	scene_settings();
	print_cost("tunnel_ingress: UDP, without counters", tunnel, &datagram, false, REPEAT);
	print_cost("return_egress: without counters", home, &answer, true, REPEAT);
	scene_close();
	return 0;
}
