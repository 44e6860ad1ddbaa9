// SPDX-License-Identifier: Apache-2.0
/* uplink_ingress: responses of servers inside, and everything that is none. */
#include "tests/bpf/rows.h"

SCENE_LOADS("tunnel_ingress", "uplink_ingress", "explain");

#define QUERY(...)                                                                               \
	{                                                                                        \
		.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = 5060, .to_port = 5061, \
		.payload = 60, __VA_ARGS__                                                       \
	}
#define ANSWER(...)                                                                              \
	{                                                                                        \
		.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = 5061, .to_port = 5060, \
		.payload = 60, __VA_ARGS__                                                       \
	}

static const struct shape query = QUERY();

static const struct row rows[] = {
	{"a request by 102", .tunnel = 102, .in = QUERY(), .verdict = PASSED,
		.reason = REASON_passed_request},
	{"a backend's answer goes home by it, one hop less", .then = true, .program = UPLINK, .in = ANSWER(),
		.verdict = SENT, .reason = REASON_home_flow, .way = 102, .out_hops = 63,
		.flow = FLOW_ESTABLISHED},
	{"one of a VLAN on the interface is the stack's", .then = true, .program = UPLINK, .tagged = true,
		.vlan = 100, .in = ANSWER(), .verdict = PASSED, .reason = REASON_passed_other},
	{"of VLAN 0 it is the interface's", .then = true, .program = UPLINK, .tagged = true, .in = ANSWER(),
		.verdict = SENT, .reason = REASON_home_flow, .way = 102, .out_hops = 63},
	{"the last but one hop", .then = true, .program = UPLINK, .in = ANSWER(.hops = 2), .verdict = SENT,
		.reason = REASON_home_flow, .way = 102, .out_hops = 1},
	{"the last hop is spent here, and the backend told", .then = true, .program = UPLINK,
		.in = ANSWER(.hops = 1), .verdict = SENT, .answered = true, .reason = REASON_hops_exceeded},
	{"no way home", .then = true, .unusable = {101, 102}, .program = UPLINK, .in = ANSWER(),
		.verdict = DROPPED, .reason = REASON_no_way_home, .out_hops = 63},
	{"larger than the MTU, and the backend told", .program = UPLINK,
		.in = ANSWER(.payload = SCENE_MTU, .dont_fragment = true), .verdict = SENT, .answered = true,
		.reason = REASON_too_big},
	{"a first fragment larger than the MTU too", .program = UPLINK,
		.in = ANSWER(.payload = SCENE_MTU, .more_fragments = true, .fragment_id = 1,
			.dont_fragment = true),
		.verdict = SENT, .answered = true, .reason = REASON_too_big},
	{"a later one not", .program = UPLINK,
		.in = ANSWER(.payload = SCENE_MTU + 8, .fragment_offset = 1376, .fragment_id = 1,
			.dont_fragment = true),
		.verdict = DROPPED, .reason = REASON_too_big, .out_hops = 63},
	{"segments larger than the MTU", .program = UPLINK, .gso_size = SCENE_MTU,
		.in = ANSWER(.payload = 2 * SCENE_MTU, .dont_fragment = true), .verdict = SENT,
		.answered = true, .reason = REASON_too_big},
	{"an ICMP error with its hops used up is not answered", .program = UPLINK,
		.in = {.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &query, .hops = 1},
		.verdict = DROPPED, .reason = REASON_hops_exceeded},
	{"an echo is", .program = UPLINK,
		.in = {.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 77, .hops = 1},
		.verdict = SENT, .answered = true, .reason = REASON_hops_exceeded},
	{"nobody holds the destination", .program = UPLINK, .in = ANSWER(.to = STRANGER), .verdict = DROPPED,
		.reason = REASON_no_provider, .out_hops = 63},
	{"a backend's MSS is lowered", .family = V4, .program = UPLINK,
		.in = {.kind = TCP,
			.from = LOOPBACK,
			.to = DEVICE,
			.from_port = 80,
			.to_port = 4000,
			.flags = SYN | ACK,
			.mss = 1460},
		.verdict = SENT, .reason = REASON_home_provider, .way = 101, .out_mss = 1360, .out_hops = 63},
	{"a fragment of a loopback's follows its first", .program = UPLINK,
		.in = ANSWER(.more_fragments = true, .fragment_id = 1), .verdict = SENT,
		.reason = REASON_home_provider, .way = 101, .out_hops = 63},
	{"(later)", .then = true, .program = UPLINK, .in = ANSWER(.fragment_offset = 1376, .fragment_id = 1),
		.verdict = SENT, .reason = REASON_home_flow, .way = 101, .out_hops = 63},

	{"what is not from a loopback is the stack's", .program = UPLINK,
		.in = {.kind = TCP,
			.from = INSIDE,
			.to = LOOPBACK,
			.from_port = 1,
			.to_port = 2,
			.flags = SYN,
			.mss = 1460},
		.verdict = PASSED, .reason = REASON_passed_other, .flow = FLOW_NONE},
	{"and what a loopback says to the inside", .program = UPLINK, .in = ANSWER(.to = INSIDE),
		.verdict = PASSED, .reason = REASON_passed_other},
	{"to ourselves", .program = UPLINK, .in = ANSWER(.to = UNDERLAY), .verdict = PASSED,
		.reason = REASON_passed_other},
	{"to a group", .program = UPLINK, .in = ANSWER(.to = MULTICAST), .verdict = PASSED,
		.reason = REASON_passed_other},
	{"to the link", .program = UPLINK, .in = ANSWER(.to = LINK_LOCAL), .verdict = PASSED,
		.reason = REASON_passed_other},
	{"malformed from elsewhere is the stack's", .family = V6, .program = UPLINK,
		.in = {.kind = UDP, .from = INSIDE, .to = UNDERLAY, .extensions = 7}, .verdict = PASSED,
		.reason = REASON_passed_other},
	{"malformed from a loopback is not", .family = V6, .program = UPLINK, .in = ANSWER(.extensions = 7),
		.verdict = DROPPED, .reason = REASON_malformed},
};

ROWS("bpf uplink", rows)
