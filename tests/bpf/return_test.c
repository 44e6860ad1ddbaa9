// SPDX-License-Identifier: Apache-2.0
/* return_egress: which way home a response of our own stack takes. */
#include "tests/bpf/rows.h"

SCENE_LOADS("tunnel_ingress", "return_egress", "explain");

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
#define ASKED(tunnel_, ...) \
	.tunnel = tunnel_, .in = QUERY(__VA_ARGS__), .verdict = PASSED, .reason = REASON_passed_request
#define GOES_HOME(reason_, way_, ...) \
	.program = RETURN, .in = ANSWER(__VA_ARGS__), .verdict = SENT, .reason = reason_, .way = way_
#define IS_REFUSED(reason_, ...) \
	.program = RETURN, .in = ANSWER(__VA_ARGS__), .verdict = DROPPED, .reason = reason_
#define ANSWERED(...) .then = true, GOES_HOME(__VA_ARGS__)
#define REFUSED(...)  .then = true, IS_REFUSED(__VA_ARGS__)

static const struct shape query = QUERY();
static const struct shape ping = {
	.kind = ECHO_REQUEST, .from = DEVICE, .to = LOOPBACK, .from_port = 77, .payload = 56};
static const struct shape not_theirs = {
	.kind = UDP, .from = DEVICE_TOO, .to = LOOPBACK, .from_port = 5060, .to_port = 5061, .payload = 60};

static const struct row rows[] = {
	/* The order of ways. */
	{"a request by 102", ASKED(102), .flow = FLOW_HALF_OPEN},
	{"is answered by 102, and the flow established", ANSWERED(REASON_home_flow, 102),
		.flow = FLOW_ESTABLISHED, .flow_tunnel = 102},
	{"another flow of the device comes by 101", .then = true, .tunnel = 101,
		.in = QUERY(.from_port = 6000), .verdict = PASSED, .reason = REASON_passed_request,
		.device_tunnel = 101},
	{"the first flow's answers still go by 102", ANSWERED(REASON_home_flow, 102)},
	{"until 102 is not usable: by the device's newest", .unusable = {102},
		ANSWERED(REASON_home_device, 101)},
	{"neither is: there is no way home", .unusable = {101}, REFUSED(REASON_no_way_home)},
	{"102 is usable again", .usable = 102, ANSWERED(REASON_home_flow, 102)},
	{"neither flow nor device are known: by the provider's first", GOES_HOME(REASON_home_provider, 101)},
	{"a device only", ASKED(102)},
	{"the gateway opens a flow to it: by its newest way",
		ANSWERED(REASON_home_device, 102, .to_port = 7)},
	{"an unknown device: by the provider's first usable tunnel",
		ANSWERED(REASON_home_provider, 101, .to = DEVICE_TOO)},
	{"the first is not usable: by the second", .unusable = {101},
		ANSWERED(REASON_home_provider, 102, .to = DEVICE_TOO)},
	{"none is here, but one at another gateway: not yet", .unusable = {101, 102}, .elsewhere = true,
		REFUSED(REASON_way_elsewhere)},
	{"nobody holds the destination", .program = RETURN, .in = ANSWER(.to = STRANGER), .verdict = DROPPED,
		.reason = REASON_no_provider},

	/* The exit check. */
	{"a request of the other provider's device", .tunnel = 201, .in = QUERY(.from = OTHER_DEVICE),
		.verdict = PASSED, .reason = REASON_passed_request},
	{"whose line is poisoned with acme's tunnel: refused", .poison = 101,
		REFUSED(REASON_exit_refused, .to = OTHER_DEVICE)},
	{"a request of acme's device", ASKED(101)},
	{"whose line is poisoned with a tunnel of another zone, where another provider has that address",
		.poison = 301, REFUSED(REASON_exit_refused)},
	{"a request of acme's device again", ASKED(101)},
	{"whose line names a tunnel that is not there", .poison = 401, REFUSED(REASON_no_way_home)},
	{"overlapping addresses: the loopback says whose device it is", .tunnel = 301,
		.in = QUERY(.to = LOOPBACK_ZONE_1), .verdict = PASSED, .reason = REASON_passed_request},
	{"in the other zone", ANSWERED(REASON_home_flow, 301, .from = LOOPBACK_ZONE_1)},
	{"and in ours, where the device was never seen", ANSWERED(REASON_home_provider, 101)},
	{"a flow's tunnel knows its provider's prefix", ASKED(102)},
	{"and so the flow's way", .no_prefixes = true, ANSWERED(REASON_home_flow, 102)},
	{"another gateway's tunnel knows none", .poison = 103, REFUSED(REASON_no_provider)},
	{"nor does anyone without a flow", .no_prefixes = true, IS_REFUSED(REASON_no_provider)},

	/* Ageing. */
	{"an answered flow", ASKED(102)},
	{"is established", ANSWERED(REASON_home_flow, 102), .flow = FLOW_ESTABLISHED},
	{"a silent device's flow lives by its responses", .after_ms = 119000, ANSWERED(REASON_home_flow, 102),
		.flow = FLOW_ESTABLISHED},
	{"however long", .after_ms = 119000, ANSWERED(REASON_home_flow, 102)},
	{"but not without", .after_ms = 121000, ANSWERED(REASON_home_device, 102)},
	{"and the device is forgotten in its time", .after_ms = 3600000, ANSWERED(REASON_home_provider, 101)},
	{"a line from a clock that is ahead is young", ASKED(102)},
	{"by a few milliseconds", .after_ms = -50, ANSWERED(REASON_home_flow, 102)},

	/* Neighbours. */
	{"a neighbour asked", .tunnel = 102, .in = QUERY(.from = NEIGHBOUR_102), .verdict = PASSED,
		.reason = REASON_passed_request},
	{"is answered by its tunnel, usable or not", .unusable = {101, 102},
		ANSWERED(REASON_home_link, 102, .to = NEIGHBOUR_102)},
	{"one that did not ask too", ANSWERED(REASON_home_link, 101, .to = NEIGHBOUR_101)},

	/* Not ours. */
	{"what is not from a loopback does not leave", .program = RETURN, .in = ANSWER(.from = INSIDE),
		.verdict = DROPPED, .reason = REASON_source_not_loopback},
	{"link noise of home0", .program = RETURN,
		.in = {.kind = TIMESTAMP, .from = LINK_LOCAL, .to = MULTICAST, .payload = 8},
		.verdict = DROPPED, .reason = REASON_source_not_loopback},

	/* ICMP. */
	{"a ping", .tunnel = 102,
		.in = {.kind = ECHO_REQUEST, .from = DEVICE, .to = LOOPBACK, .from_port = 77, .payload = 56},
		.verdict = PASSED, .reason = REASON_passed_request},
	{"the device moves with another flow", .then = true, .tunnel = 101, .in = QUERY(), .verdict = PASSED,
		.reason = REASON_passed_request, .device_tunnel = 101},
	{"its reply goes by the id", .then = true, .program = RETURN,
		.in = {.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 77, .payload = 56},
		.verdict = SENT, .reason = REASON_home_flow, .way = 102},
	{"an error about it by what it quotes", .then = true, .program = RETURN,
		.in = {.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &ping}, .verdict = SENT,
		.reason = REASON_home_flow, .way = 102},
	{"a request by 102, the device then by 101", ASKED(102)},
	{"(101)", .then = true, .tunnel = 101, .in = QUERY(.from_port = 1), .verdict = PASSED,
		.reason = REASON_passed_request},
	{"port unreachable goes by the quoted packet's flow", .then = true, .program = RETURN,
		.in = {.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &query, .quoted = 500},
		.verdict = SENT, .reason = REASON_home_flow, .way = 102},
	{"one that quotes another's packet by the device", .then = true, .program = RETURN,
		.in = {.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &not_theirs},
		.verdict = SENT, .reason = REASON_home_device, .way = 101},
	{"one that quotes nothing is malformed", .then = true, .program = RETURN,
		.in = {.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE}, .verdict = DROPPED,
		.reason = REASON_malformed},

	/* Fragments. */
	{"a flow by 102, the device by 101", ASKED(102)},
	{"(101)", .then = true, .tunnel = 101, .in = QUERY(.from_port = 1), .verdict = PASSED,
		.reason = REASON_passed_request, .device_tunnel = 101},
	{"a later fragment before its first goes by the device",
		ANSWERED(REASON_home_device, 101, .fragment_id = 5, .fragment_offset = 1376)},
	{"the first by its flow", ANSWERED(REASON_home_flow, 102, .fragment_id = 5, .more_fragments = true)},
	{"and the later follow it", ANSWERED(REASON_home_flow, 102, .fragment_id = 5, .fragment_offset = 1376,
					    .more_fragments = true)},
	{"to the last", ANSWERED(REASON_home_flow, 102, .fragment_id = 5, .fragment_offset = 2752)},
	{"but not another packet's",
		ANSWERED(REASON_home_device, 101, .fragment_id = 6, .fragment_offset = 1376)},
	{"nor when the first is long gone", .after_ms = 31000,
		ANSWERED(REASON_home_device, 101, .fragment_id = 5, .fragment_offset = 1376)},

	/* Sizes. */
	{"as long as the MTU", .family = V4, GOES_HOME(REASON_home_provider, 101, .payload = SCENE_MTU - 28)},
	{"one byte more is too big", .family = V4, IS_REFUSED(REASON_too_big, .payload = SCENE_MTU - 27)},
	{"as long as the MTU", .family = V6, GOES_HOME(REASON_home_provider, 101, .payload = SCENE_MTU - 48)},
	{"one byte more is too big", .family = V6, IS_REFUSED(REASON_too_big, .payload = SCENE_MTU - 47)},
	{"of a GSO packet the segments count: they fit", .family = V4, .gso_size = SCENE_MTU - 28,
		GOES_HOME(REASON_home_provider, 101, .payload = 2 * SCENE_MTU - 56)},
	{"of a GSO packet the segments count: they do not", .family = V4, .gso_size = SCENE_MTU - 27,
		IS_REFUSED(REASON_too_big, .payload = 2 * SCENE_MTU - 56)},
	{"our SYN-ACK's MSS is lowered", .family = V4, .program = RETURN,
		.in = {.kind = TCP,
			.from = LOOPBACK,
			.to = DEVICE,
			.from_port = 80,
			.to_port = 4000,
			.flags = SYN | ACK,
			.mss = 1460,
			.nops = 1},
		.verdict = SENT, .reason = REASON_home_provider, .way = 101, .out_mss = 1360},
	{"our SYN-ACK's MSS is lowered", .family = V6, .program = RETURN,
		.in = {.kind = TCP,
			.from = LOOPBACK,
			.to = DEVICE,
			.from_port = 80,
			.to_port = 4000,
			.flags = SYN | ACK,
			.mss = 1440},
		.verdict = SENT, .reason = REASON_home_provider, .way = 101, .out_mss = 1340},
};

ROWS("bpf return", rows)
