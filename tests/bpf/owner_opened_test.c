// SPDX-License-Identifier: Apache-2.0
/*
 * Whose flow it is, beside the table of owner_test.c: stamps and what gwd is told, packets that have no ports of their
 * own, flows that we open.
 */
#include "tests/bpf/owned.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress", "return_egress");

/* ---- Stamps ------------------------------------------------------------------------------------------------------ */

static void a_stamp_never_goes_back(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		uint64_t ahead = realtime_ns() + 3600 * 1000000000ULL;

		begin(&established_ours, &segment, family);
		only_flow()->stamp = ahead;
		only_device()->stamp = ahead;
		scene_arrive_by(102);
		run_tunnel(&segment, family);
		CU_ASSERT_EQUAL(only_flow()->stamp, ahead + 1);
		CU_ASSERT_EQUAL(only_device()->stamp, ahead + 1);
	}
}

static void a_device_is_told_when_it_is_new_or_moves(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		scene_reset();
		array_with(MEMBER_ALIVE, false, family);
		listen_to_changes();
		run_tunnel(&datagram, family);
		hear_changes();
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);
		CU_ASSERT(&scene.devices[last.line] == only_device() && is_now(only_device()->stamp));
		run_tunnel(&datagram, family);
		hear_changes();
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);
		scene_arrive_by(102);
		run_tunnel(&datagram, family);
		hear_changes();
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 2);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 0); /* it is half-open */
	}
}

static void a_devices_owner_is_its_newest_flows(void)
{
	static const struct shape theirs = DATAGRAM(.to_port = THEIR_PORT), ours = DATAGRAM(.to_port = 1);

	for (enum family family = V4; family <= V6; family += 2) {
		scene_reset();
		array_with(MEMBER_ALIVE, false, family);
		run_tunnel(&theirs, family);
		CU_ASSERT_EQUAL(HOME_OWNER(only_device()->home), SCENE_MEMBER);
		run_tunnel(&ours, family);
		CU_ASSERT_EQUAL(HOME_OWNER(only_device()->home), SCENE_GATEWAY);
		run_tunnel(&theirs, family); /* this one is older */
		CU_ASSERT_EQUAL(HOME_OWNER(only_device()->home), SCENE_GATEWAY);
	}
}

/* Its line was lost, or is not told yet, and the flow's is. */
static void a_device_of_a_known_flow_is_its_owners(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_theirs, &datagram, family);
		memset(only_device(), 0, sizeof(struct line));
		CU_ASSERT_EQUAL(run_tunnel(&datagram, family).reason, RELAYED);
		CU_ASSERT_PTR_NOT_NULL_FATAL(only_device());
		CU_ASSERT_EQUAL(HOME_OWNER(only_device()->home), SCENE_MEMBER);
	}
}

/* 4096 bytes of ring, 16 for a change (scene.c). */
static void a_change_that_the_ring_does_not_hold_is_counted(void)
{
	begin(&established_ours, &segment, V4);
	for (unsigned i = 0; i < 256; i++) {
		scene_arrive_by(i % 2 ? 101 : 102);
		run_tunnel(&segment, V4);
	}
	CU_ASSERT(scene_count(REASON_change_lost) > 0);
	listen_to_changes();
}

/* ---- Packets without ports of their own -------------------------------------------------------------------------- */

static void fragments_follow_the_first(void)
{
	static const struct shape first = DATAGRAM(.more_fragments = true, .fragment_id = 7);
	static const struct shape later = DATAGRAM(.fragment_offset = 800, .fragment_id = 7);

	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_theirs, &datagram, family);
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, REASON_passed_request); /* by its device */
		CU_ASSERT_EQUAL(run_tunnel(&first, family).reason, RELAYED);
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, RELAYED);
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, REASON_passed_request);

		begin(&established_ours, &datagram, family);
		only_device()->home = HOME(scene_now_ms(), 101, 1, SCENE_MEMBER);
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, RELAYED);
		CU_ASSERT_EQUAL(run_tunnel(&first, family).reason, REASON_passed_request);
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, REASON_passed_request);
	}
}

/* Its first may have gone to another gateway, whose the device's newest flow then is. */
static void a_later_fragment_makes_no_device(void)
{
	static const struct shape first = DATAGRAM(.more_fragments = true, .fragment_id = 7);
	static const struct shape later = DATAGRAM(.fragment_offset = 800, .fragment_id = 7);

	for (enum family family = V4; family <= V6; family += 2) {
		scene_reset();
		array_with(MEMBER_ALIVE, false, family);
		listen_to_changes();
		CU_ASSERT_EQUAL(run_tunnel(&later, family).reason, REASON_passed_request);
		hear_changes();
		CU_ASSERT_PTR_NULL(only_device());
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 0);
		run_tunnel(&first, family);
		hear_changes();
		CU_ASSERT_PTR_NOT_NULL(only_device());
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);
	}
}

static void an_error_goes_to_the_owner_of_what_it_quotes(void)
{
	static const struct shape quoted = {.kind = UDP,
		.from = LOOPBACK,
		.to = DEVICE,
		.from_port = 5060,
		.to_port = 40000,
		.payload = 30};
	static const struct shape error = {
		.kind = TOO_BIG, .from = STRANGER, .to = LOOPBACK, .quotes = &quoted};

	for (enum family family = V4; family <= V6; family += 2) {
		uint64_t home;

		begin(&established_theirs, &datagram, family);
		home = only_flow()->home;
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, RELAYED);
		CU_ASSERT_EQUAL(only_flow()->home, home); /* it teaches nothing */
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
		begin(&established_ours, &datagram, family);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
		memset(only_flow(), 0, sizeof(struct line));
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
	}
}

/* Of the response's ports nothing is quoted: whoever has the device's newest flow gets it. */
static void an_error_about_a_later_fragment_goes_by_its_device(void)
{
	static const struct shape quoted = {.kind = UDP,
		.from = LOOPBACK,
		.to = DEVICE,
		.from_port = 5060,
		.to_port = 40000,
		.payload = 30,
		.fragment_offset = 800,
		.fragment_id = 7};
	static const struct shape error = {
		.kind = TOO_BIG, .from = STRANGER, .to = LOOPBACK, .quotes = &quoted};

	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_ours, &datagram, family);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
		only_device()->home = HOME(scene_now_ms(), 101, 1, SCENE_MEMBER);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, RELAYED);
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
	}
}

/* It may not even have a line yet where the error comes in. */
static void an_error_about_what_a_member_opened_goes_to_the_member(void)
{
	struct shape quoted = {
		.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = THEIR_PORT, .to_port = 161};
	const struct shape error = {.kind = UNREACHABLE, .from = DEVICE, .to = LOOPBACK, .quotes = &quoted};

	for (enum family family = V4; family <= V6; family += 2) {
		begin(&(struct flow)NO_LINE, &datagram, family);
		quoted.from_port = THEIR_PORT;
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, RELAYED);
		quoted.from_port = OUR_PORT;
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
		quoted.from_port = THEIR_PORT;
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(run_tunnel(&error, family).reason, REASON_passed_icmp_error);
	}
}

/* ---- Flows that we open ------------------------------------------------------------------------------------------ */

#define TO_DEVICE .from = LOOPBACK, .to = DEVICE, .from_port = OUR_PORT, .to_port = 161

/* Only its device is known. */
static void begin_with_device(enum family family)
{
	begin(&(struct flow)NO_LINE, &datagram, family);
}

/* Of a connection the members know by its port whose it is, until it is one. */
static void what_we_open_is_ours_and_told(void)
{
	static const struct shape opening[] = {
		{.kind = TCP, .flags = SYN, .sequence = 5, TO_DEVICE},
		{.kind = UDP, .payload = 30, TO_DEVICE},
		{.kind = ECHO_REQUEST, .payload = 8, TO_DEVICE},
	};

	for (enum family family = V4; family <= V6; family += 2)
		for (size_t i = 0; i < 3; i++) {
			struct outcome outcome;

			begin_with_device(family);
			outcome = run_return(&opening[i], family);
			hear_changes();
			CU_ASSERT_EQUAL(outcome.verdict, SENT);
			CU_ASSERT_EQUAL(outcome.reason, REASON_home_device);
			CU_ASSERT_PTR_NOT_NULL_FATAL(only_flow());
			CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag),
				opening[i].kind == TCP ? LINE_HALF_OPEN : LINE_ESTABLISHED);
			CU_ASSERT_EQUAL(
				(uint32_t)only_flow()->home, HOME(0, 0, SCENE_GATEWAY, SCENE_GATEWAY));
			CU_ASSERT_EQUAL(told[CHANGE_FLOW], opening[i].kind != TCP);
			CU_ASSERT(opening[i].kind == TCP || &scene.flows[last.line] == only_flow());
			CU_ASSERT(opening[i].kind == TCP ? STAMP_IS_WANTED(only_flow()->stamp)
							 : is_now(only_flow()->stamp));

			scene.settings.relay = RELAY_OFF;
			scene_settings();
			memset(only_flow(), 0, sizeof(struct line));
			CU_ASSERT_EQUAL(run_return(&opening[i], family).reason, REASON_home_device);
			CU_ASSERT_PTR_NULL(only_flow());
		}
}

static void what_opens_nothing_gets_no_line(void)
{
	static const struct shape others[] = {
		{.kind = TCP, .flags = SYN | ACK, TO_DEVICE},
		{.kind = TCP, .flags = RST, TO_DEVICE},
		{.kind = TCP, .flags = ACK, TO_DEVICE},
		{.kind = ECHO_REPLY, .payload = 8, TO_DEVICE},
	};

	for (enum family family = V4; family <= V6; family += 2)
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			begin_with_device(family);
			CU_ASSERT_EQUAL(run_return(&others[i], family).reason, REASON_home_device);
			hear_changes();
			CU_ASSERT_PTR_NULL(only_flow());
			CU_ASSERT_EQUAL(told[CHANGE_FLOW], 0);
		}
}

static void the_devices_syn_ack_establishes_what_we_opened(void)
{
	static const struct shape opening = {.kind = TCP, .flags = SYN, .sequence = 5, TO_DEVICE};
	struct shape answer = {.kind = TCP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 161,
		.to_port = OUR_PORT,
		.flags = SYN | ACK,
		.acknowledgement = 7};

	for (enum family family = V4; family <= V6; family += 2) {
		begin_with_device(family);
		run_return(&opening, family);
		answer.acknowledgement = 7;
		CU_ASSERT_EQUAL(run_tunnel(&answer, family).reason, REASON_passed_request);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_HALF_OPEN);
		listen_to_changes();
		answer.acknowledgement = 6;
		CU_ASSERT_EQUAL(run_tunnel(&answer, family).reason, REASON_passed_request);
		hear_changes();
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_ESTABLISHED);
		CU_ASSERT_EQUAL(HOME_TUNNEL(only_flow()->home), 101);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT(is_now(only_flow()->stamp));
	}
}

SCENE_TESTS("bpf owner opened", {"a stamp never goes back", a_stamp_never_goes_back},
	{"a device is told when it is new or moves", a_device_is_told_when_it_is_new_or_moves},
	{"a device's owner is its newest flow's", a_devices_owner_is_its_newest_flows},
	{"a device of a known flow is its owner's", a_device_of_a_known_flow_is_its_owners},
	{"a change that the ring does not hold is counted", a_change_that_the_ring_does_not_hold_is_counted},
	{"fragments follow the first", fragments_follow_the_first},
	{"a later fragment makes no device", a_later_fragment_makes_no_device},
	{"an error goes to the owner of what it quotes", an_error_goes_to_the_owner_of_what_it_quotes},
	{"an error about a later fragment goes by its device",
		an_error_about_a_later_fragment_goes_by_its_device},
	{"an error about what a member opened goes to the member",
		an_error_about_what_a_member_opened_goes_to_the_member},
	{"what we open is ours and told", what_we_open_is_ours_and_told},
	{"what opens nothing gets no line", what_opens_nothing_gets_no_line},
	{"the device's SYN-ACK establishes what we opened", the_devices_syn_ack_establishes_what_we_opened})
