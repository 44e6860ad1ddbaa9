// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs in each program when so many flows are known, each packet of another one, by BPF_PROG_TEST_RUN: with
 * what making the packet costs, which is the floor that stands beside it. What is counted of the packets says that the program
 * did with each what the figure is about.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/network.h"
#include "tests/bench/rows.h"
#include "tests/bench/world.h"

#include "bench/generate.skel.h" /* which knows the types above */

#define MANY 10 /* 1024 tunnels */

static struct generate_bpf *generate;
static struct network network;

struct subject {
	const char *name;
	const struct bpf_program *program;
	enum direction_of_packet direction;
	enum reason reason; /* what becomes of each packet; REASON_COUNT: the floor drops it */
	bool ethernet, xdp;
	bool elsewhere; /* the way home is the member's */
	bool uncounted; /* no packets and bytes of each flow are counted */
};

static void put_behind(const struct subject *subject)
{
	const struct bpf_map *next = subject->xdp ? generate->maps.next_xdp : generate->maps.next_tc;
	int program = bpf_program__fd(subject->program);
	uint32_t zero = 0;

	need(bpf_map_update_elem(bpf_map__fd(next), &zero, &program, BPF_ANY), subject->name);
}

static double ns_of(const struct subject *subject, uint32_t packets)
{
	const struct bpf_program *before =
		subject->xdp ? generate->progs.generate_xdp : generate->progs.generate_tc;
	struct xdp_md context = {.data_end = GENERATED, .ingress_ifindex = network.uplink};
	struct __sk_buff skb = {.ifindex = network.uplink};
	struct recipe once = generate->bss->recipe;
	uint8_t packet[GENERATED]; /* whose first bytes say to the kernel what it is */
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = GENERATED,
		.repeat = (int)packets);

	make_packet(packet, packet + GENERATED, &once);
	options.ctx_in = subject->xdp ? (void *)&context : &skb;
	options.ctx_size_in = subject->xdp ? sizeof(context) : sizeof(skb);
	need(bpf_prog_test_run_opts(bpf_program__fd(before), &options), subject->name);
	return options.duration;
}

static uint64_t done_with(const struct subject *subject)
{
	return subject->reason == REASON_COUNT ? generate->bss->dropped : world_count(subject->reason);
}

/* Flows that found no line go by their device, and are not counted here. */
static void take(struct row *row, const struct subject *subject, enum family family, uint32_t packets)
{
	uint64_t before = done_with(subject), done;

	put_behind(subject);
	world.settings.counters = !subject->uncounted;
	world_settings();
	recipe_write(&generate->bss->recipe, subject->direction, family, subject->ethernet);
	generate->bss->recipe.next = 0;
	generate->bss->recipe.at_random = 1;
	row_add(row, ns_of(subject, packets));
	done = done_with(subject) - before;
	if (done < packets - packets / 100)
		row_spoil(row, "only %" PRIu64 " of %u packets met what is measured", done, packets);
}

static void measure(const struct subject *subjects, size_t count, enum family family, uint32_t flows,
	unsigned bits, struct effort effort)
{
	struct row rows[count];

	generate->bss->recipe = (struct recipe){.flows = flows, .tunnel_bits = bits};
	world_flows(
		&generate->bss->recipe, family, flows, subjects[0].elsewhere ? WORLD_MEMBER : WORLD_GATEWAY);
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct row){.part = "programs",
			.of = subjects[0].xdp ? "xdp" : "tc",
			.rival = subjects[i].name,
			.unit = "ns",
			.family = family,
			.flows = flows,
			.tunnels = 1U << bits};
	for (unsigned i = 0; i < effort.repeats; i++)
		for (size_t subject = 0; subject < count; subject++)
			take(&rows[subject], &subjects[subject], family, effort.packets);
	for (size_t i = 0; i < count; i++)
		row_print(&rows[i]);
}

int main(void)
{
	static const uint32_t sizes[] = {1, 10000, 1 << 17, 1 << 20};
	struct effort wanted = effort();

	keep_to_one_core();
	network_open(&network, 0);
	world_open(network.home);
	world_tunnels(0, network.uplink); /* which is taken for the tunnel, where one is asked for */
	world_turning(network.uplink, true);
	generate = generate_bpf__open_and_load();
	if (!generate)
		need(-1, "the generator");
	const struct subject tc[] = {
		{"floor", generate->progs.drop_tc, REQUEST, REASON_COUNT, false, false, false},
		{"tunnel_ingress", world.gateway->progs.tunnel_ingress, REQUEST, REASON_passed_request, false,
			false, false},
		{"return_egress", world.gateway->progs.return_egress, RESPONSE, REASON_home_flow, true, false,
			false},
		{"uplink_ingress", world.gateway->progs.uplink_ingress, RESPONSE, REASON_home_flow, true,
			false, false},
		{"tunnel_ingress, no counters", world.gateway->progs.tunnel_ingress, REQUEST,
			REASON_passed_request, .uncounted = true},
		{"return_egress, no counters", world.gateway->progs.return_egress, RESPONSE, REASON_home_flow,
			.ethernet = true, .uncounted = true},
	};
	const struct subject responding[] = {tc[0], tc[2], tc[3]};
	const struct subject xdp[] = {
		{"floor", generate->progs.drop_xdp, RESPONSE, REASON_COUNT, true, true, true},
		{"uplink_xdp", world.xdp->progs.uplink_xdp, RESPONSE, REASON_relayed_response, true, true,
			true},
	};
	for (enum family family = V4; family <= V6; family += V6 - V4)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			if (sizes[i] <= wanted.flows) {
				measure(tc, sizeof(tc) / sizeof(tc[0]), family, sizes[i], 0, wanted);
				measure(xdp, sizeof(xdp) / sizeof(xdp[0]), family, sizes[i], 0, wanted);
			}
	world_tunnels(MANY, network.uplink); /* test_run sends nothing, so the others need not be there */
	for (enum family family = V4; family <= V6 && wanted.flows >= 10000; family += V6 - V4)
		measure(responding, sizeof(responding) / sizeof(responding[0]), family, 10000, MANY, wanted);
	generate_bpf__destroy(generate);
	return 0;
}
