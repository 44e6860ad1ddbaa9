// SPDX-License-Identifier: Apache-2.0
/*
 * lan_ingress and link_ingress: what an egress group sends, what comes back, and everything that is neither. One link is
 * active, 101, unless a row says otherwise; lan_share_test.c has the rest.
 */
#include "tests/bpf/egress_scene.h"
#include "tests/bpf/rows.h"

SCENE_LOADS("lan_ingress", "link_ingress", "explain");

#define QUERY(...)                                                                               \
	{                                                                                        \
		.kind = UDP, .from = DEVICE, .to = STRANGER, .from_port = 5060, .to_port = 5061, \
		.payload = 60, __VA_ARGS__                                                       \
	}
#define ANSWER(...)                                                                              \
	{                                                                                        \
		.kind = UDP, .from = STRANGER, .to = DEVICE, .from_port = 5061, .to_port = 5060, \
		.payload = 60, __VA_ARGS__                                                       \
	}
#define SYN_TO(...)                                                                              \
	{                                                                                        \
		.kind = TCP, .from = DEVICE, .to = STRANGER, .from_port = 4000, .to_port = 7547, \
		.flags = SYN, .mss = 1460, __VA_ARGS__                                           \
	}

static const struct shape query = QUERY(), answer = ANSWER(), foreign = ANSWER(.from = OTHER_DEVICE),
			  astray = QUERY(.to = OTHER_DEVICE), ours = QUERY(.from = LOOPBACK),
			  probe = QUERY(.from = TUNNEL_102),
			  other_probe = QUERY(.from = TUNNEL_102, .to = LINK_LOCAL);

static const struct row rows[] = {
	/* ---- From the LAN ---- */
	{"a packet to the group's destination leaves by its link, one hop less", .program = LAN,
		.in = QUERY(), .verdict = SENT, .reason = REASON_egress_shared, .way = 101, .out_hops = 63,
		.flow = FLOW_NONE},
	{"what goes elsewhere is the stack's", .program = LAN, .in = QUERY(.to = INSIDE), .verdict = PASSED,
		.reason = REASON_passed_other},
	{"what is link-local stays on its link", .program = LAN, .in = QUERY(.to = LINK_LOCAL),
		.verdict = PASSED, .reason = REASON_passed_other},
	{"what is of a VLAN on the interface is not its own, and the stack's", .program = LAN, .tagged = true,
		.vlan = 100, .in = QUERY(), .verdict = PASSED, .reason = REASON_passed_other},
	{"of VLAN 0 it is: a priority", .program = LAN, .tagged = true, .in = QUERY(), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"an echo", .program = LAN,
		.in = {.kind = ECHO_REQUEST, .from = DEVICE, .to = STRANGER, .from_port = 77},
		.verdict = SENT, .reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"a protocol without ports", .program = LAN,
		.in = {.kind = OTHER_PROTOCOL, .from = DEVICE, .to = STRANGER}, .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"the last hop but one", .program = LAN, .in = QUERY(.hops = 2), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 1},
	{"the last hop is spent here, and the sender told", .program = LAN, .in = QUERY(.hops = 1),
		.verdict = SENT, .answered = true, .reason = REASON_hops_exceeded},
	{"larger than the MTU, and the sender told", .program = LAN,
		.in = QUERY(.payload = SCENE_MTU, .dont_fragment = true), .verdict = SENT, .answered = true,
		.reason = REASON_too_big},
	{"larger than the MTU, also where it might be cut up", .program = LAN,
		.in = QUERY(.payload = SCENE_MTU), .verdict = SENT, .answered = true,
		.reason = REASON_too_big},
	{"segments larger than the MTU", .program = LAN, .gso_size = SCENE_MTU,
		.in = QUERY(.payload = 2 * SCENE_MTU, .dont_fragment = true), .verdict = SENT,
		.answered = true, .reason = REASON_too_big},
	{"a large packet that is sent in small segments", .program = LAN, .gso_size = 1200,
		.in = QUERY(.payload = 2400, .dont_fragment = true), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"a SYN's MSS is lowered", .family = V4, .program = LAN, .in = SYN_TO(), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_mss = 1360, .out_hops = 63},
	{"a SYN's MSS is lowered", .family = V6, .program = LAN, .in = SYN_TO(), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_mss = 1340, .out_hops = 63},
	{"but not when that is not wanted", .no_clamp = true, .program = LAN, .in = SYN_TO(), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"a first fragment", .program = LAN, .in = QUERY(.more_fragments = true, .fragment_id = 5),
		.verdict = SENT, .reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"and a later one", .then = true, .program = LAN,
		.in = QUERY(.fragment_offset = 64, .fragment_id = 5), .verdict = SENT,
		.reason = REASON_egress_pinned, .way = 101, .out_hops = 63},
	{"a later one without its first", .program = LAN,
		.in = QUERY(.fragment_offset = 64, .fragment_id = 6), .verdict = SENT,
		.reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"an ICMP error about an answer", .program = LAN,
		.in = {.kind = UNREACHABLE, .from = DEVICE, .to = STRANGER, .quotes = &answer},
		.verdict = SENT, .reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"one from a router in the LAN", .program = LAN,
		.in = {.kind = UNREACHABLE, .from = INSIDE, .to = STRANGER, .quotes = &answer},
		.verdict = SENT, .reason = REASON_egress_shared, .way = 101, .out_hops = 63},
	{"an ICMP error is never answered", .program = LAN,
		.in = {.kind = UNREACHABLE, .from = DEVICE, .to = STRANGER, .quotes = &answer, .hops = 1},
		.verdict = DROPPED, .reason = REASON_hops_exceeded},
	/* ---- By a link ---- */
	{"an answer is given to the stack", .program = EGRESS_LINK, .in = ANSWER(), .verdict = PASSED,
		.reason = REASON_passed_egress, .flow = FLOW_NONE},
	{"its first fragment out of an XFRM interface enters once more", .program = EGRESS_LINK,
		.framed = true, .in = ANSWER(.more_fragments = true, .fragment_id = 4), .verdict = SENT,
		.reason = REASON_passed_egress, .flow = FLOW_NONE},
	{"by any link of the group", .program = EGRESS_LINK, .tunnel = 102, .in = ANSWER(), .verdict = PASSED,
		.reason = REASON_passed_egress},
	{"a source that is none of the destinations is not", .program = EGRESS_LINK,
		.in = ANSWER(.from = OTHER_DEVICE), .verdict = DROPPED, .reason = REASON_source_not_egress},
	{"a SYN-ACK's MSS is lowered", .family = V4, .program = EGRESS_LINK,
		.in = {.kind = TCP,
			.from = STRANGER,
			.to = DEVICE,
			.from_port = 7547,
			.to_port = 4000,
			.flags = SYN | ACK,
			.mss = 1460},
		.verdict = PASSED, .reason = REASON_passed_egress, .out_mss = 1360},
	{"an ICMP error of a router on the way about our packet", .program = EGRESS_LINK,
		.in = {.kind = TOO_BIG, .from = OTHER_DEVICE, .to = DEVICE, .quotes = &query},
		.verdict = PASSED, .reason = REASON_passed_egress},
	{"about a packet to somebody else", .program = EGRESS_LINK,
		.in = {.kind = TOO_BIG, .from = OTHER_DEVICE, .to = DEVICE, .quotes = &astray},
		.verdict = DROPPED, .reason = REASON_source_not_egress},
	{"about a packet of somebody else's", .program = EGRESS_LINK,
		.in = {.kind = TOO_BIG, .from = STRANGER, .to = INSIDE, .quotes = &query}, .verdict = DROPPED,
		.reason = REASON_source_not_egress},
	{"about an answer", .program = EGRESS_LINK,
		.in = {.kind = TOO_BIG, .from = STRANGER, .to = DEVICE, .quotes = &foreign},
		.verdict = DROPPED, .reason = REASON_source_not_egress},
	{"the link's own traffic", .program = EGRESS_LINK,
		.in = {.kind = TCP,
			.from = NEIGHBOUR_101,
			.to = TUNNEL_101,
			.from_port = 40000,
			.to_port = 179,
			.flags = SYN},
		.verdict = PASSED, .reason = REASON_passed_link},
	{"to the link, but not from it", .program = EGRESS_LINK,
		.in = {.kind = UDP, .from = STRANGER, .to = TUNNEL_101, .from_port = 1, .to_port = 3784},
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"to the link, from whom a probe asks by it", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = ECHO_REPLY, .from = STRANGER, .to = TUNNEL_102, .from_port = 77},
		.verdict = PASSED, .reason = REASON_passed_egress},
	{"by TCP too", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = TCP,
			.from = STRANGER,
			.to = TUNNEL_102,
			.from_port = 7547,
			.to_port = 40000,
			.flags = SYN | ACK},
		.verdict = PASSED, .reason = REASON_passed_egress},
	{"but no connection that it begins", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = TCP,
			.from = STRANGER,
			.to = TUNNEL_102,
			.from_port = 7547,
			.to_port = 22,
			.flags = SYN},
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"no ping of its own", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = ECHO_REQUEST, .from = STRANGER, .to = TUNNEL_102, .from_port = 77},
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"and nothing by UDP", .program = EGRESS_LINK, .tunnel = 102, .in = ANSWER(.to = TUNNEL_102),
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"to the link, from a destination that none asks", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = ECHO_REPLY, .from = LINK_LOCAL, .to = TUNNEL_102, .from_port = 77},
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"an ICMP error about a probe", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = UNREACHABLE, .from = OTHER_DEVICE, .to = TUNNEL_102, .quotes = &probe},
		.verdict = PASSED, .reason = REASON_passed_egress},
	{"an ICMP error about what no probe asked", .program = EGRESS_LINK, .tunnel = 102,
		.in = {.kind = UNREACHABLE, .from = OTHER_DEVICE, .to = TUNNEL_102, .quotes = &other_probe},
		.verdict = DROPPED, .reason = REASON_source_not_link},
	{"to another link of ours", .program = EGRESS_LINK, .in = ANSWER(.to = TUNNEL_102),
		.verdict = DROPPED, .reason = REASON_destination_not_link},
	{"to a loopback of ours", .program = EGRESS_LINK, .in = ANSWER(.to = LOOPBACK), .verdict = DROPPED,
		.reason = REASON_destination_not_link},
	{"an ICMP error to it", .program = EGRESS_LINK,
		.in = {.kind = TOO_BIG, .from = OTHER_DEVICE, .to = LOOPBACK, .quotes = &ours},
		.verdict = DROPPED, .reason = REASON_destination_not_link},
	{"the neighbour is not the group", .program = EGRESS_LINK,
		.in = ANSWER(.from = NEIGHBOUR_101, .to = DEVICE), .verdict = DROPPED,
		.reason = REASON_source_not_egress},
	{"by an interface that is no tunnel", .program = EGRESS_LINK, .no_tunnel = true, .in = ANSWER(),
		.verdict = DROPPED, .reason = REASON_unknown_tunnel},
};

/* Without a link nothing leaves, and the sender is not told a lie. */
static const struct row without[] = {
	{"no link is in", .program = LAN, .in = QUERY(), .verdict = DROPPED, .reason = REASON_no_egress_link},
	{"and what goes elsewhere is the stack's still", .program = LAN, .in = QUERY(.to = INSIDE),
		.verdict = PASSED, .reason = REASON_passed_other},
};

int main(void)
{
	int failed;

	scene_open();
	egress_scene(false, false);
	egress_scene_in(1);
	failed = rows_play("lan", rows, sizeof(rows) / sizeof(rows[0]));
	egress_scene_in(0);
	failed += rows_play("lan", without, sizeof(without) / sizeof(without[0]));
	scene_close();
	return failed > 0;
}
