// SPDX-License-Identifier: Apache-2.0
/* lan_ingress where the load is shared: ten thousand flows over weights 1:1:2, and what moves when links die and return. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "tests/bpf/egress_scene.h"
#include "tests/bpf/question.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("lan_ingress", "explain");

#define FLOWS 10000

static uint16_t ways[FLOWS], before[FLOWS];

/* Sources and ports vary: ten flows each of a thousand hosts. */
static struct outcome send_flow(unsigned flow, enum family family, const struct shape *like)
{
	struct shape shape = *like;
	uint8_t packet[PACKET_MAX];
	size_t length;

	if (!shape.fragment_offset && shape.kind != UNREACHABLE)
		shape.from_port = (uint16_t)(20000 + flow);
	length = packet_build(&shape, family, true, packet);
	return scene_run(scene.gateway->progs.lan_ingress, packet, length, 0);
}

static const struct shape query = {
	.kind = UDP, .from = DEVICE, .to = STRANGER, .to_port = 5061, .payload = 20};

static void send_all(enum family family, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		ways[i] = send_flow(i, family, &query).tunnel;
}

static unsigned count_by(uint16_t tunnel, unsigned from, unsigned to)
{
	unsigned count = 0;

	for (unsigned i = from; i < to; i++)
		count += ways[i] == tunnel;
	return count;
}

static bool is_within(unsigned count, unsigned of, double percent)
{
	return count > of * (1 - percent / 100) && count < of * (1 + percent / 100);
}

static void shares_follow_weights(enum family family)
{
	egress_scene(true, false);
	send_all(family, 0, FLOWS);
	CU_ASSERT(is_within(count_by(101, 0, FLOWS), FLOWS / 4, 5));
	CU_ASSERT(is_within(count_by(102, 0, FLOWS), FLOWS / 4, 5));
	CU_ASSERT(is_within(count_by(301, 0, FLOWS), FLOWS / 2, 5));
}

static void ten_thousand_flows_v4(void)
{
	shares_follow_weights(V4);
}

static void ten_thousand_flows_v6(void)
{
	shares_follow_weights(V6);
}

static void only_the_flows_of_a_dead_link_move(void)
{
	egress_scene(true, false);
	send_all(V4, 0, FLOWS);
	memcpy(before, ways, sizeof(before));
	egress_scene_in(1 | 4);
	send_all(V4, 0, FLOWS);
	for (unsigned i = 0; i < FLOWS; i++)
		CU_ASSERT_EQUAL_FATAL(ways[i] != before[i], before[i] == 102);
	CU_ASSERT_EQUAL(count_by(102, 0, FLOWS), 0);
}

/* So many flows begin without the second link, which comes back then; `before` has their ways. */
static void pin_without_second_link(unsigned flows)
{
	egress_scene(true, false);
	egress_scene_in(1 | 4);
	send_all(V4, 0, flows);
	memcpy(before, ways, sizeof(before));
	egress_scene_in(7);
}

static unsigned count_moved(unsigned flows)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < flows; i++)
		moved += ways[i] != before[i];
	return moved;
}

/* Flows keep to their links; of new ones it has its share. */
static void a_link_that_returns_gets_new_flows_alone(void)
{
	pin_without_second_link(FLOWS / 2);
	send_all(V4, 0, FLOWS);
	for (unsigned i = 0; i < FLOWS / 2; i++)
		CU_ASSERT_EQUAL_FATAL(ways[i], before[i]);
	CU_ASSERT(is_within(count_by(102, FLOWS / 2, FLOWS), FLOWS / 8, 8));
}

/* Without pins the shares alone decide: what moved away comes back, and nothing else moves. */
static void only_the_share_of_a_link_moves_back(void)
{
	egress_scene(true, false);
	send_all(V4, 0, FLOWS);
	memcpy(before, ways, sizeof(before));
	egress_scene_in(1 | 2);
	send_all(V4, 0, FLOWS);
	egress_scene_unpin();
	egress_scene_in(7);
	send_all(V4, 0, FLOWS);
	CU_ASSERT_EQUAL(memcmp(ways, before, sizeof(before)), 0);
}

static void a_pin_ends_when_its_flow_is_idle(void)
{
	unsigned moved;

	pin_without_second_link(1000);
	egress_scene_age_pins(scene.settings.udp_ms / 2);
	send_all(V4, 0, 1000);
	CU_ASSERT_EQUAL(memcmp(ways, before, 1000 * sizeof(ways[0])), 0);
	egress_scene_age_pins(scene.settings.udp_ms);
	send_all(V4, 0, 1000);
	moved = count_moved(1000);
	CU_ASSERT_EQUAL(moved, count_by(102, 0, 1000));
	CU_ASSERT(moved > 200);
}

/* Who only asks keeps no pin alive. */
static void what_is_explained_is_not_used(void)
{
	struct row row = {.program = LAN, .in = query, .reason = REASON_egress_pinned};
	struct explanation question;

	pin_without_second_link(1000);
	egress_scene_age_pins(scene.settings.udp_ms / 2);
	for (unsigned i = 0; i < 1000; i++) {
		row.in.from_port = (uint16_t)(20000 + i);
		CU_ASSERT_TRUE_FATAL(question_of(&row, V4, &question));
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_egress_pinned);
	}
	egress_scene_age_pins(scene.settings.udp_ms / 2);
	send_all(V4, 0, 1000);
	CU_ASSERT(count_moved(1000) > 200);
}

/* Pinned by another CPU, just after this one has looked at the clock. */
static void a_pin_of_this_moment_is_not_old(void)
{
	pin_without_second_link(1000);
	egress_scene_age_pins(-1000u);
	send_all(V4, 0, 1000);
	CU_ASSERT_EQUAL(memcmp(ways, before, 1000 * sizeof(ways[0])), 0);
}

/* Its neighbour is about to leave: it works, and gets neither a new flow nor the next packet of an old one. */
static void a_usable_link_that_is_out_loses_its_flows(void)
{
	egress_scene(true, false);
	send_all(V4, 0, 1000);
	memcpy(before, ways, sizeof(before));
	egress_scene_in(1 | 4);
	scene_usable(SCENE_GATEWAY, 102, true);
	send_all(V4, 0, 2000);
	for (unsigned i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL_FATAL(ways[i] != before[i], before[i] == 102);
	CU_ASSERT_EQUAL(count_by(102, 0, 2000), 0);
}

static void the_first_packet_pins(void)
{
	egress_scene(true, false);
	CU_ASSERT_EQUAL(send_flow(1, V4, &query).reason, REASON_egress_shared);
	CU_ASSERT_EQUAL(send_flow(1, V4, &query).reason, REASON_egress_pinned);
}

/* A pin of another configuration, or a poisoned one, does not lead out of the group. */
static void a_pin_to_a_stranger_is_none(void)
{
	struct tunnel_entry other = {.ifindex = 1201, .provider = 2, .gateway = SCENE_GATEWAY};
	struct outcome outcome;
	uint32_t number;

	egress_scene(true, false);
	number = send_flow(1, V4, &query).tunnel;
	bpf_map_update_elem(bpf_map__fd(scene.gateway->maps.tunnels), &number, &other, BPF_ANY);
	outcome = send_flow(1, V4, &query);
	CU_ASSERT_EQUAL(outcome.verdict, 2);
	CU_ASSERT_EQUAL(outcome.reason, REASON_no_egress_link);
}

static void one_source_goes_by_one_link(void)
{
	static const struct shape later = {.kind = UDP,
		.from = DEVICE,
		.to = STRANGER,
		.to_port = 5061,
		.payload = 40,
		.fragment_offset = 64,
		.fragment_id = 9};
	static const struct shape answer = {.kind = UDP, .from = STRANGER, .to = DEVICE, .payload = 20};
	static const struct shape error = {
		.kind = UNREACHABLE, .from = INSIDE, .to = STRANGER, .quotes = &answer};

	egress_scene(true, true);
	send_all(V6, 0, 200);
	CU_ASSERT_EQUAL(count_by(ways[0], 0, 200), 200);
	CU_ASSERT_EQUAL(send_flow(0, V6, &later).tunnel, ways[0]);
	CU_ASSERT_EQUAL(send_flow(0, V6, &error).tunnel, ways[0]);
}

/* What it sends may be a TCP connection that nobody sees. */
static void a_source_is_pinned_for_as_long_as_its_connections_may_be_idle(void)
{
	unsigned host, link;

	egress_scene(true, true);
	host = send_flow(1, V4, &query).tunnel;
	for (link = 0; egress_links[link] == host;)
		link++;
	egress_scene_unpin();
	egress_scene_in(1u << link); /* where it would not go when all are in */
	CU_ASSERT_EQUAL(send_flow(1, V4, &query).tunnel, egress_links[link]);
	egress_scene_in(7);
	egress_scene_age_pins(scene.settings.established_ms - 60000);
	CU_ASSERT_EQUAL(send_flow(1, V4, &query).tunnel, egress_links[link]);
	egress_scene_age_pins(scene.settings.established_ms);
	CU_ASSERT_EQUAL(send_flow(1, V4, &query).tunnel, host);
}

/* By flows: all fragments of a packet, and an error about the answer, go where the flow goes. */
static void what_has_no_ports_goes_with_its_flow(void)
{
	struct shape answer = {.kind = UDP, .from = STRANGER, .to = DEVICE, .from_port = 5061, .payload = 20};
	struct shape first = query, later = query,
		     error = {.kind = UNREACHABLE, .from = DEVICE, .to = STRANGER, .quotes = &answer};

	egress_scene(true, false);
	first.more_fragments = true;
	later.fragment_offset = 24;
	later.payload = 40;
	for (unsigned i = 0; i < 100; i++) {
		uint16_t way;

		first.fragment_id = later.fragment_id = 100 + i;
		answer.to_port = (uint16_t)(20000 + i);
		way = send_flow(i, V4, &first).tunnel;
		CU_ASSERT_NOT_EQUAL_FATAL(way, 0);
		CU_ASSERT_EQUAL_FATAL(send_flow(i, V4, &later).tunnel, way);
		CU_ASSERT_EQUAL_FATAL(send_flow(i, V4, &error).tunnel, way);
	}
}

static void what_was_sent_is_counted(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct reason_count counts[cpus], sum = {0};
	uint32_t number;

	egress_scene(true, false);
	number = send_flow(77, V4, &query).tunnel;
	bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.egress_counts), &number);
	send_flow(77, V4, &query);
	send_flow(77, V4, &query);
	CU_ASSERT_EQUAL_FATAL(
		bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.egress_counts), &number, counts), 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += counts[i].packets;
		sum.bytes += counts[i].bytes;
	}
	CU_ASSERT(sum.packets == 2 && sum.bytes == 2 * (20 + 8 + 20));
}

SCENE_TESTS("lan_share", {"ten thousand flows over 1:1:2, v4", ten_thousand_flows_v4},
	{"ten thousand flows over 1:1:2, v6", ten_thousand_flows_v6},
	{"only the flows of a dead link move", only_the_flows_of_a_dead_link_move},
	{"a link that returns gets its share of new flows, and no old one",
		a_link_that_returns_gets_new_flows_alone},
	{"without pins just its share moves back", only_the_share_of_a_link_moves_back},
	{"a pin ends when its flow is idle", a_pin_ends_when_its_flow_is_idle},
	{"what is explained is not used", what_is_explained_is_not_used},
	{"a pin of this moment is not old", a_pin_of_this_moment_is_not_old},
	{"a usable link that is out loses its flows", a_usable_link_that_is_out_loses_its_flows},
	{"the first packet pins", the_first_packet_pins},
	{"a pin to a stranger is none", a_pin_to_a_stranger_is_none},
	{"by source: one source goes by one link", one_source_goes_by_one_link},
	{"by source: it is pinned for as long as its connections may be idle",
		a_source_is_pinned_for_as_long_as_its_connections_may_be_idle},
	{"by flow: what has no ports goes with its flow", what_has_no_ports_goes_with_its_flow},
	{"what was sent is counted", what_was_sent_is_counted})
