// SPDX-License-Identifier: Apache-2.0
/*
 * What a flood of new flows costs those that are known, in tunnel_ingress, by BPF_PROG_TEST_RUN: in turns some packets of
 * 100,000 known flows, which are what is timed, and as many others: of known flows too, or of a flood, each from a
 * device that was never seen. Tables of as many lines as gwd's default has for flows, each, are full of the flood before;
 * half-open flows take each other's lines, and devices find none. Where both share a processor, as nearly always, what a packet of the flood itself costs is taken from the
 * others: that stands beside it, and in the share of a processor that is left to the known flows when each of
 * their packets comes with one of the flood.
 *
 * Of the flows that were known none may be gone.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/network.h"
#include "tests/bench/rows.h"
#include "tests/bench/world.h"

#include "bench/generate.skel.h" /* which knows the types above */

#define KNOWN    100000
#define FLOOD_AT (1U << 17) /* its numbers begin behind all that are known */
#define BURST    64
#define FILL     (4 * LINES_DEFAULT)

static struct generate_bpf *generate;
static struct network network;

/* Of so many packets, each. */
static double ns_of(struct recipe *recipe, uint32_t packets)
{
	struct __sk_buff skb = {.ifindex = network.uplink};
	uint8_t packet[GENERATED];
	struct recipe once = *recipe;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = GENERATED, .ctx_in = &skb,
		.ctx_size_in = sizeof(skb), .repeat = (int)packets);

	make_packet(packet, packet + GENERATED, &once);
	generate->bss->recipe = *recipe;
	need(bpf_prog_test_run_opts(bpf_program__fd(generate->progs.generate_tc), &options),
		"tunnel_ingress");
	*recipe = generate->bss->recipe;
	return options.duration;
}

static unsigned count_known(const struct recipe *recipe, enum family family)
{
	unsigned count = 0;

	for (uint32_t number = 0; number < KNOWN; number++) {
		struct line_key key = flow_of(recipe, family, number);

		count += world_knows(&key);
	}
	return count;
}

/* In turns: what is timed, and what it is beside. */
static void take(
	struct row *known, struct row *other, struct recipe *timed, struct recipe *beside, uint32_t packets)
{
	double sums[2] = {0, 0};
	uint32_t bursts = packets / BURST;

	for (uint32_t i = 0; i < bursts; i++) {
		sums[0] += ns_of(timed, BURST);
		sums[1] += ns_of(beside, BURST);
	}
	row_add(known, sums[0] / bursts);
	row_add(other, sums[1] / bursts);
}

static struct row row_of(const char *rival, enum family family)
{
	return (struct row){.part = "flood",
		.of = "tc",
		.rival = rival,
		.unit = "ns",
		.family = family,
		.flows = KNOWN,
		.tunnels = 1};
}

static void measure(enum family family, struct effort effort)
{
	struct row rows[] = {row_of("known, beside known", family), row_of("known", family),
		row_of("known, beside flood", family), row_of("flood", family)};
	struct recipe known = {.flows = KNOWN, .at_random = 1}, others, flood;
	unsigned before, after;

	recipe_write(&known, REQUEST, family, false);
	others = flood = known;
	others.next = KNOWN / 2;
	flood.at_random = 0;
	flood.flows = 1U << FLOWS_BITS;
	flood.next = FLOOD_AT;
	world_flows(&known, family, KNOWN, WORLD_GATEWAY);
	before = count_known(&known, family);
	ns_of(&flood, FILL);
	for (unsigned i = 0; i < effort.repeats; i++) {
		take(&rows[0], &rows[1], &known, &others, effort.packets);
		take(&rows[2], &rows[3], &known, &flood, effort.packets);
	}
	after = count_known(&known, family);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (after != before)
			row_spoil(&rows[i], "of %u known flows %u are left", before, after);
		row_print(&rows[i]);
	}
}

int main(void)
{
	struct effort wanted = effort();
	uint32_t zero = 0;
	int program;

	keep_to_one_core();
	network_open(&network, 0);
	world_open(network.home);
	world_tunnels(0, network.uplink); /* which is taken for the tunnel */
	generate = generate_bpf__open_and_load();
	if (!generate)
		need(-1, "the generator");
	program = bpf_program__fd(world.gateway->progs.tunnel_ingress);
	need(bpf_map_update_elem(bpf_map__fd(generate->maps.next_tc), &zero, &program, BPF_ANY),
		"tunnel_ingress");
	for (enum family family = V4; family <= V6; family += V6 - V4)
		measure(family, wanted);
	generate_bpf__destroy(generate);
	return 0;
}
