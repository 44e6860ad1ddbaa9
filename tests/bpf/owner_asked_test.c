// SPDX-License-Identifier: Apache-2.0
/*
 * Whose flow it is, beside the table of owner_test.c: what members relay teaches, what they are asked, and how much.
 */
#include "tests/bpf/owned.h"
#include "tests/bpf/scene_test.h"

/* ---- What members relay ------------------------------------------------------------------------------------------ */

static void a_relayed_request_teaches_its_way_and_is_told(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_ours, &segment, family);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_REQUEST).reason, REASON_passed_relay);
		hear_changes();
		CU_ASSERT_EQUAL((uint32_t)only_flow()->home, HOME(0, 103, SCENE_MEMBER, SCENE_GATEWAY));
		CU_ASSERT_EQUAL((uint32_t)only_device()->home, HOME(0, 103, SCENE_MEMBER, SCENE_GATEWAY));
		CU_ASSERT(is_now(only_flow()->stamp) && is_now(only_device()->stamp));
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);

		scene_reset(); /* and it makes us the owner of a flow that we do not know */
		array_with(MEMBER_ALIVE, false, family);
		CU_ASSERT_EQUAL(run_relayed(&datagram, family, RELAY_REQUEST).reason, REASON_passed_relay);
		CU_ASSERT_PTR_NOT_NULL_FATAL(only_flow());
		CU_ASSERT_EQUAL((uint32_t)only_flow()->home, HOME(0, 103, SCENE_MEMBER, SCENE_GATEWAY));
	}
}

static void a_question_is_answered_by_the_owner_alone(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_theirs, &segment, family);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_relay_not_ours);
		CU_ASSERT_EQUAL((uint32_t)only_flow()->home, HOME(0, 101, SCENE_GATEWAY, SCENE_MEMBER));
		begin(&(struct flow)NO_LINE, &segment, family);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_relay_not_ours);
		CU_ASSERT_PTR_NULL(only_flow());
		begin(&(struct flow)ASKED(100), &segment, family); /* we are asking ourselves */
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_relay_not_ours);
		begin(&established_ours, &segment, family);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_passed_relay);
		CU_ASSERT_EQUAL((uint32_t)only_flow()->home, HOME(0, 103, SCENE_MEMBER, SCENE_GATEWAY));
		run_relayed(&segment, family, RELAY_ASK); /* it has not heard it yet */
		hear_changes();
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 3); /* that it moved; twice whose it is */
	}
}

/* It may be one that we took since nobody answered us, whose owner would now be told that it is ours. */
static void a_question_about_what_our_stack_did_not_answer_is_not_answered(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		begin(&(struct flow)ASKED_AGAIN(900), &segment, family);
		CU_ASSERT_EQUAL(run_tunnel(&segment, family).reason, REASON_passed_request);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_relay_not_ours);
		only_flow()->stamp = STAMP_WANTED(realtime_ns(), 1);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_ASK).reason, REASON_passed_relay);
	}
}

/* ---- How much is asked ------------------------------------------------------------------------------------------- */

static uint32_t period_now(void)
{
	return scene_now_ms() / ASKS_MS;
}

/* As if so many questions had been put about packets of tunnel 101 in that period. */
static void set_asked(uint32_t period, uint32_t count)
{
	struct asks_entry entry = {.period = period, .count = count};
	uint32_t tunnel = 101;

	CU_ASSERT_EQUAL_FATAL(
		bpf_map_update_elem(bpf_map__fd(scene.gateway->maps.asks), &tunnel, &entry, 0), 0);
}

/* Played once more where the period ended in the midst of it. */
static struct outcome run_when_asked(
	uint32_t count, const struct flow *flow, const struct shape *shape, enum family family)
{
	struct outcome outcome;
	uint32_t period;

	do {
		begin(flow, &segment, family);
		period = period_now();
		set_asked(period, count);
		outcome = run_tunnel(shape, family);
	} while (period_now() != period);
	return outcome;
}

static void no_more_is_asked_than_is_bearable(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		static const struct flow none = NO_LINE, asked = ASKED(900);

		CU_ASSERT_EQUAL(
			run_when_asked(ASKS_MOST, &none, &segment, family).reason, REASON_asks_exceeded);
		CU_ASSERT_PTR_NULL(only_flow());
		scene_arrive_by(102); /* another tunnel's flows do not suffer */
		CU_ASSERT_EQUAL(run_tunnel(&segment, family).reason, REASON_asked_members);

		/* What is not asked for is in no round. */
		CU_ASSERT_EQUAL(
			run_when_asked(ASKS_MOST, &asked, &segment, family).reason, REASON_asks_exceeded);
		CU_ASSERT(was_asked(only_flow(), 900, false));
		CU_ASSERT_EQUAL(
			run_when_asked(ASKS_MOST - 1, &asked, &segment, family).reason, REASON_asked_members);
		CU_ASSERT_EQUAL(run_when_asked(ASKS_MOST, &established_ours, &segment, family).reason,
			REASON_passed_request);
	}
}

/* The periods come and go: whatever was asked a second ago does not count. */
static void what_was_asked_a_while_ago_does_not_count(void)
{
	struct asks_entry entry = {0};
	uint32_t tunnel = 101;

	begin(&(struct flow)NO_LINE, &segment, V4);
	set_asked(period_now() - 1, ASKS_MOST);
	CU_ASSERT_EQUAL(run_tunnel(&segment, V4).reason, REASON_asked_members);
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.asks), &tunnel, &entry), 0);
	CU_ASSERT_EQUAL(entry.count, 1);
}

/* We asked, and the owner's answer goes out by us: from now on we know whose it is. */
static void a_relayed_response_says_who_owns_the_flow(void)
{
	struct shape answer = {.kind = TCP,
		.from = LOOPBACK,
		.to = DEVICE,
		.from_port = 7547,
		.to_port = 40000,
		.flags = ACK,
		.payload = 20};

	for (enum family family = V4; family <= V6; family += 2) {
		begin(&(struct flow)ASKED(100), &segment, family);
		answer.flags = SYN | ACK;
		CU_ASSERT_EQUAL(run_relayed(&answer, family, RELAY_RESPONSE).verdict, SENT);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_MEMBER);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_HALF_OPEN);
		answer.flags = ACK;
		CU_ASSERT_EQUAL(run_relayed(&answer, family, RELAY_RESPONSE).verdict, SENT);
		hear_changes();
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_ESTABLISHED);
		CU_ASSERT(is_now(only_flow()->stamp));
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT_EQUAL(run_tunnel(&segment, family).reason, RELAYED);

		begin(&established_ours, &segment, family); /* it differs: the sender has the socket */
		run_relayed(&answer, family, RELAY_RESPONSE);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_MEMBER);
	}
}

static const struct shape our_answer = {
	.kind = TCP, .from = LOOPBACK, .to = DEVICE, .from_port = 7547, .to_port = 40000, .flags = FIN | ACK};

/* A line of an echo's id that an answer made, when there was none: it is asked for until somebody asks by that id. */
static void what_our_stack_says_in_a_flow_that_nobody_owns_makes_it_ours(void)
{
	static const struct shape answer = PONG;
	static const struct shape ping = {
		.kind = ECHO_REQUEST, .from = LOOPBACK, .to = DEVICE, .from_port = 40000, .payload = 8};

	for (enum family family = V4; family <= V6; family += 2) {
		begin(&(struct flow)ASKED(100), &answer, family);
		CU_ASSERT_EQUAL(run_tunnel(&answer, family).reason, REASON_asked_members);
		CU_ASSERT_EQUAL(run_return(&ping, family).verdict, SENT);
		hear_changes();
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT_EQUAL(run_tunnel(&answer, family).reason, REASON_passed_request);

		begin(&(struct flow)ASKED(100), &segment, family);
		CU_ASSERT_EQUAL(run_return(&our_answer, family).verdict, SENT);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_HALF_OPEN);
	}
}

/* Who wrote it may be anybody: still nobody knows whose the flow is, and since when we ask must not be forgotten. */
static void what_surfaces_in_a_flow_that_nobody_owns_says_nothing_of_it(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		uint8_t packet[PACKET_MAX];
		size_t length = packet_build(&our_answer, family, true, packet);

		begin(&(struct flow)ASKED(100), &segment, family);
		CU_ASSERT_EQUAL(
			scene_run(scene.gateway->progs.uplink_ingress, packet, length, 0).verdict, SENT);
		hear_changes();
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 0);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_HALF_OPEN);
		CU_ASSERT(was_asked(only_flow(), 100, false));
		CU_ASSERT_EQUAL(run_tunnel(&segment, family).reason, REASON_asked_members);
	}
}

SCENE_TESTS("bpf owner asked",
	{"a relayed request teaches its way and is told", a_relayed_request_teaches_its_way_and_is_told},
	{"a question is answered by the owner alone", a_question_is_answered_by_the_owner_alone},
	{"a question about what our stack did not answer is not answered",
		a_question_about_what_our_stack_did_not_answer_is_not_answered},
	{"no more is asked than is bearable", no_more_is_asked_than_is_bearable},
	{"what was asked a while ago does not count", what_was_asked_a_while_ago_does_not_count},
	{"a relayed response says who owns the flow", a_relayed_response_says_who_owns_the_flow},
	{"what our stack says in a flow that nobody owns makes it ours",
		what_our_stack_says_in_a_flow_that_nobody_owns_makes_it_ours},
	{"what surfaces in a flow that nobody owns says nothing of it",
		what_surfaces_in_a_flow_that_nobody_owns_says_nothing_of_it})
