// SPDX-License-Identifier: Apache-2.0
/* explain: the same answers as the programs give to packets, and nothing learned. */
#include <string.h>

#include "tests/bpf/question.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("explain", "tunnel_ingress");

static uint16_t big(uint16_t port)
{
	return (uint16_t)(port << 8 | port >> 8);
}

static struct explanation ask(enum explain_direction direction, enum who device, enum who loopback,
	enum family family, uint16_t tunnel)
{
	struct explanation explanation = {.direction = direction, .tunnel = tunnel};
	struct outcome outcome;

	address_of(device, family, explanation.key.source);
	address_of(loopback, family, explanation.key.destination);
	explanation.key.source_port = big(4000);
	explanation.key.destination_port = big(53);
	explanation.key.protocol = 17;
	outcome = scene_run(
		scene.gateway->progs.explain, (const uint8_t *)&explanation, sizeof(explanation), 0);
	CU_ASSERT_EQUAL_FATAL(outcome.error, 0);
	CU_ASSERT_EQUAL_FATAL(outcome.verdict, 0);
	CU_ASSERT_EQUAL_FATAL(outcome.length, sizeof(explanation));
	memcpy(&explanation, outcome.packet, sizeof(explanation));
	return explanation;
}

static void send_request(enum family family, uint16_t tunnel, uint16_t port)
{
	struct shape shape = {
		.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = port, .to_port = 53, .payload = 10};
	uint8_t packet[PACKET_MAX];

	scene_arrive_by(tunnel);
	scene_run(
		scene.gateway->progs.tunnel_ingress, packet, packet_build(&shape, family, false, packet), 0);
}

#define EACH_FAMILY(family) for (enum family family = V4; family <= V6; family += 2)

static void a_response_goes_by_flow_then_device_then_provider(void)
{
	EACH_FAMILY (family) {
		struct explanation answer;

		scene_reset();
		answer = ask(EXPLAIN_RESPONSE, DEVICE, LOOPBACK, family, 0);
		CU_ASSERT_EQUAL(answer.reason, REASON_home_provider);
		CU_ASSERT_EQUAL(answer.way_tunnel, 101);
		CU_ASSERT_EQUAL(answer.provider, 1);
		CU_ASSERT_EQUAL(answer.line, 0);
		CU_ASSERT_EQUAL(answer.device_line, 0);

		send_request(family, 102, 1);
		answer = ask(EXPLAIN_RESPONSE, DEVICE, LOOPBACK, family, 0);
		CU_ASSERT_EQUAL(answer.reason, REASON_home_device);
		CU_ASSERT_EQUAL(answer.way_tunnel, 102);
		CU_ASSERT_NOT_EQUAL(answer.device_line, 0);
		CU_ASSERT_EQUAL(HOME_TUNNEL(answer.device_home), 102);

		send_request(family, 101, 4000);
		answer = ask(EXPLAIN_RESPONSE, DEVICE, LOOPBACK, family, 0);
		CU_ASSERT_EQUAL(answer.reason, REASON_home_flow);
		CU_ASSERT_EQUAL(answer.way_tunnel, 101);
		CU_ASSERT_EQUAL(answer.way_gateway, SCENE_GATEWAY);
		CU_ASSERT_NOT_EQUAL_FATAL(answer.line, 0);
		CU_ASSERT_EQUAL(scene.flows[answer.line - 1].home, answer.flow_home);
	}
}

static void a_response_that_goes_nowhere_says_why(void)
{
	EACH_FAMILY (family) {
		struct explanation answer;

		scene_reset();
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_RESPONSE, STRANGER, LOOPBACK, family, 0).reason, REASON_no_provider);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_RESPONSE, DEVICE, INSIDE, family, 0).reason, REASON_source_not_loopback);
		scene_usable(SCENE_GATEWAY, 101, false);
		scene_usable(SCENE_GATEWAY, 102, false);
		answer = ask(EXPLAIN_RESPONSE, DEVICE, LOOPBACK, family, 0);
		CU_ASSERT_EQUAL(answer.reason, REASON_no_way_home);
		CU_ASSERT_EQUAL(answer.way_tunnel, 0);
		CU_ASSERT_EQUAL(answer.provider, 1);
		answer = ask(EXPLAIN_RESPONSE, DEVICE, LOOPBACK_ZONE_1, family, 0);
		CU_ASSERT_EQUAL(answer.way_tunnel, 301);
		CU_ASSERT_EQUAL(answer.key.zone, 1);
	}
}

/* Whose the flow is decides: what its line says, and whether that gateway lives. */
static void a_request_goes_to_its_owner(void)
{
	EACH_FAMILY (family) {
		struct explanation answer;
		uint64_t *home;

		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, V4);
		scene_member_state(SCENE_MEMBER, MEMBER_ALIVE);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101).reason, REASON_passed_request);
		send_request(family, 101, 4000);
		answer = ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101);
		CU_ASSERT_EQUAL(answer.reason, REASON_passed_request);
		CU_ASSERT_NOT_EQUAL_FATAL(answer.line, 0);
		home = (uint64_t *)&scene.flows[answer.line - 1].home;
		*home = HOME(HOME_SEEN(*home), 101, SCENE_GATEWAY, SCENE_MEMBER);
		answer = ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101);
		CU_ASSERT_EQUAL(answer.reason, REASON_relayed_request);
		CU_ASSERT_EQUAL(answer.way_gateway, SCENE_MEMBER);
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101).reason, REASON_passed_request);
	}
}

static void a_member_opens_from_its_slice(void)
{
	EACH_FAMILY (family) {
		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, V4);
		scene.settings.ports_first = 52; /* gateway 2's is 53 */
		scene.settings.ports_slice = 1;
		scene_settings();
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101).reason, REASON_relayed_request);
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 101).reason, REASON_passed_request);
	}
}

/* An error asks nobody: where its flow's owner is not known, our stack has it. */
static void an_error_goes_to_the_owner_of_what_it_quotes(void)
{
	EACH_FAMILY (family) {
		struct explanation question = {.direction = EXPLAIN_REQUEST,
			.kind = EXPLAIN_ICMP_ERROR,
			.tunnel = 101,
			.key = {.protocol = 17, .source_port = big(4000), .destination_port = big(53)}};
		unsigned count;

		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, V4);
		address_of(DEVICE, family, question.key.source);
		address_of(LOOPBACK, family, question.key.destination);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_passed_icmp_error);
		send_request(family, 101, 4000);
		scene_line(scene.flows, &count)->home = HOME(scene_now_ms(), 101, SCENE_GATEWAY, 0);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_passed_icmp_error);
		scene_line(scene.flows, &count)->home =
			HOME(scene_now_ms(), 101, SCENE_GATEWAY, SCENE_MEMBER);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_relayed_request);
	}
}

/* What uplink_xdp does with these packets: xdp_test.c. */
static void a_relay_is_refused_before_all_else(void)
{
	EACH_FAMILY (family) {
		struct explanation question = {.direction = EXPLAIN_UPLINK};

		scene_reset();
		address_of(UNDERLAY, family, question.key.source);
		address_of(STRANGER, family, question.key.destination);
		question.key.protocol = 17;
		question.key.source_port = big(RELAY_PORT);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_relay_not_member);
		question.key.source_port = big(53);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_passed_other);
		question.key.source_port = big(RELAY_PORT);
		address_of(DEVICE, family, question.key.source);
		CU_ASSERT_EQUAL(answer_to(&question).reason, REASON_passed_other);
	}
}

static void a_request_is_admitted_or_not_as_the_tunnel_would(void)
{
	EACH_FAMILY (family) {
		struct explanation answer;

		scene_reset();
		answer = ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 102);
		CU_ASSERT_EQUAL(answer.reason, REASON_passed_request);
		CU_ASSERT_EQUAL(ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 201).reason,
			REASON_source_not_provider);
		CU_ASSERT_EQUAL(ask(EXPLAIN_REQUEST, STRANGER, LOOPBACK, family, 101).reason,
			REASON_source_not_provider);
		CU_ASSERT_EQUAL(ask(EXPLAIN_REQUEST, DEVICE, INSIDE, family, 101).reason,
			REASON_destination_not_loopback);
		CU_ASSERT_EQUAL(ask(EXPLAIN_REQUEST, NEIGHBOUR_101, TUNNEL_101, family, 101).reason,
			REASON_passed_link);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 401).reason, REASON_unknown_tunnel);
		CU_ASSERT_EQUAL(
			ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, family, 999).reason, REASON_unknown_tunnel);
	}
}

static void nothing_is_learned_or_counted(void)
{
	unsigned count;

	scene_reset();
	ask(EXPLAIN_REQUEST, DEVICE, LOOPBACK, V4, 101);
	ask(EXPLAIN_RESPONSE, STRANGER, LOOPBACK, V4, 0);
	scene_line(scene.flows, &count);
	CU_ASSERT_EQUAL(count, 0);
	scene_line(scene.devices, &count);
	CU_ASSERT_EQUAL(count, 0);
	for (int reason = 0; reason < REASON_COUNT; reason++)
		CU_ASSERT_EQUAL(scene_count(reason), 0);
}

static void a_question_too_short_is_refused(void)
{
	uint8_t question[64] = {0};

	CU_ASSERT_EQUAL(scene_run(scene.gateway->progs.explain, question, sizeof(question), 0).verdict, 2);
}

SCENE_TESTS("bpf explain",
	{"a response goes by flow, then device, then provider",
		a_response_goes_by_flow_then_device_then_provider},
	{"a response that goes nowhere says why", a_response_that_goes_nowhere_says_why},
	{"a request goes to its owner", a_request_goes_to_its_owner},
	{"a member opens from its slice", a_member_opens_from_its_slice},
	{"an error goes to the owner of what it quotes", an_error_goes_to_the_owner_of_what_it_quotes},
	{"a relay is refused before all else", a_relay_is_refused_before_all_else},
	{"a request is admitted or not as the tunnel would",
		a_request_is_admitted_or_not_as_the_tunnel_would},
	{"nothing is learned or counted", nothing_is_learned_or_counted},
	{"a question too short is refused", a_question_too_short_is_refused})
