// SPDX-License-Identifier: Apache-2.0
/* Relays: what leaves for a member, byte for byte, and what comes of those that members send. */
#include <bpf/bpf.h>
#include <net/if.h>
#include <string.h>

#include "tests/bpf/envelope.h"
#include "tests/bpf/scene_test.h"

#define DROPPED 2
#define SENT    7

#define RESPONSE_PORTS .from_port = 5061, .to_port = 5060, .payload = 60
#define REQUEST_PORTS  .from_port = 5060, .to_port = 5061, .payload = 60

static const struct shape response = {.kind = UDP, .from = LOOPBACK, .to = DEVICE, RESPONSE_PORTS};
static const struct shape request = {.kind = UDP, .from = DEVICE, .to = LOOPBACK, REQUEST_PORTS};

/* Four combinations, of outer and inner family. */
#define EACH_FAMILY(which) for (enum family which = V4; which <= V6; which += 2)
#define EACH_COMBINATION    \
	EACH_FAMILY (outer) \
		EACH_FAMILY (inner)

static void begin(enum family outer)
{
	scene_reset();
	scene_relay(RELAY_AUTHENTICATED, outer);
	scene_usable(SCENE_MEMBER, 103, true);
}

/* ---- Out ----------------------------------------------------------------------------------------------------------- */

static void only_gateway_2_leads_home(void)
{
	scene_usable(SCENE_GATEWAY, 101, false);
	scene_usable(SCENE_GATEWAY, 102, false);
}

static void expect_packet(const struct outcome *outcome, const uint8_t *expected, size_t length)
{
	CU_ASSERT_EQUAL(outcome->length, length);
	for (size_t i = 0; i < length; i++)
		if (outcome->packet[i] != expected[i]) {
			printf("byte %zu came out as %02x, not %02x\n", i, outcome->packet[i], expected[i]);
			CU_FAIL("another packet");
			return;
		}
}

/* The slot that the test saw before the program may have ended: then the packet may be of the next one. */
static struct envelope as_of(const struct outcome *outcome, struct envelope envelope)
{
	if ((uint8_t)(envelope.slot + 1) == outcome->packet[envelope_header(envelope.outer) + 23] &&
		scene_slot() > envelope.slot)
		envelope.slot++;
	return envelope;
}

/* The Ethernet header is the kernel's to write, from the neighbour. */
static void expect_relay(const struct outcome *outcome, const struct envelope *envelope,
	const struct shape *shape, enum family inner)
{
	uint8_t packet[PACKET_MAX], expected[PACKET_MAX];
	struct envelope due = as_of(outcome, *envelope);
	size_t length = packet_build(shape, inner, false, packet);

	length = envelope_build(&due, packet, length, expected);
	memcpy(expected, outcome->packet, ETHERNET_LENGTH);
	CU_ASSERT_EQUAL(outcome->verdict, SENT);
	CU_ASSERT_EQUAL(outcome->reason, REASON_relayed_response);
	CU_ASSERT_EQUAL(outcome->tunnel, 103);
	expect_packet(outcome, expected, length);
}

static struct outcome run_shape(
	const struct bpf_program *program, const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];

	return scene_run(program, packet, packet_build(shape, family, true, packet), 0);
}

static struct outcome run_relay(const struct envelope *envelope, const struct shape *shape, enum family inner)
{
	uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
	size_t length = packet_build(shape, inner, false, packet);

	return scene_run(scene.gateway->progs.uplink_ingress, relay,
		envelope_build(envelope, packet, length, relay), 0);
}

static void a_response_of_our_stack_leaves_for_the_member_that_has_the_tunnel(void)
{
	EACH_COMBINATION
	{
		struct envelope envelope;
		struct outcome outcome;

		begin(outer);
		only_gateway_2_leads_home();
		envelope = envelope_to_member(outer, RELAY_RESPONSE, 103);
		outcome = run_shape(scene.gateway->progs.return_egress, &response, inner);
		expect_relay(&outcome, &envelope, &response, inner);
		CU_ASSERT_EQUAL(scene_count(REASON_relayed_response), 1);
	}
}

static void one_that_surfaced_says_so_and_has_one_hop_less(void)
{
	EACH_COMBINATION
	{
		struct envelope envelope;
		struct outcome outcome;
		struct shape expected = response;

		begin(outer);
		only_gateway_2_leads_home();
		envelope = envelope_to_member(outer, RELAY_SURFACED, 103);
		outcome = run_shape(scene.gateway->progs.uplink_ingress, &response, inner);
		expected.hops = 63;
		expect_relay(&outcome, &envelope, &expected, inner);
	}
}

/* What a process here says in a member's flow, and the flow's fragments after it. */
static void what_is_said_in_anothers_flow_does_not_make_it_ours(void)
{
	struct shape fragment = response;

	fragment.more_fragments = true;
	EACH_FAMILY (inner) {
		struct envelope ours = envelope_from_member(V4, RELAY_REQUEST, 103),
				theirs = envelope_to_member(V4, RELAY_SURFACED, 103);
		struct shape later = {.kind = UDP, .from = LOOPBACK, .to = DEVICE, .fragment_offset = 68};
		struct outcome outcome;
		struct line *line;
		unsigned count;

		begin(V4);
		only_gateway_2_leads_home();
		run_relay(&ours, &request, inner);
		line = scene_line(scene.flows, &count);
		CU_ASSERT_PTR_NOT_NULL_FATAL(line);
		line->home = HOME(scene_now_ms(), 103, SCENE_MEMBER, SCENE_MEMBER);
		outcome = run_shape(scene.gateway->progs.return_egress, &fragment, inner);
		expect_relay(&outcome, &theirs, &fragment, inner);
		CU_ASSERT_EQUAL(HOME_OWNER(line->home), SCENE_MEMBER);
		later.payload = 40;
		outcome = run_shape(scene.gateway->progs.return_egress, &later, inner);
		expect_relay(&outcome, &theirs, &later, inner);
	}
}

static void every_kind_of_packet_is_vouched_for(void)
{
	static const struct shape shapes[] = {
		{.kind = TCP, .from = LOOPBACK, .to = DEVICE, .flags = ACK, RESPONSE_PORTS},
		{.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 77, .payload = 8},
		{.kind = UDP, .from = LOOPBACK, .to = DEVICE, .fragment_offset = 1376, .payload = 64},
		{.kind = UDP, .from = LOOPBACK, .to = DEVICE, .more_fragments = true, .payload = 64},
		{.kind = UDP, .from = LOOPBACK, .to = DEVICE, .extensions = 2, RESPONSE_PORTS},
		{.kind = OTHER_PROTOCOL, .from = LOOPBACK, .to = DEVICE, .payload = 3},
		{.kind = OTHER_PROTOCOL, .from = LOOPBACK, .to = DEVICE},
	};

	EACH_COMBINATION
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct envelope envelope = envelope_to_member(outer, RELAY_RESPONSE, 103);
		struct outcome outcome;

		begin(outer);
		only_gateway_2_leads_home();
		outcome = run_shape(scene.gateway->progs.return_egress, &shapes[i], inner);
		expect_relay(&outcome, &envelope, &shapes[i], inner);
	}
}

static void a_plain_relay_has_no_code(void)
{
	struct envelope envelope = envelope_to_member(V4, RELAY_RESPONSE, 103);
	struct outcome outcome;

	begin(V4);
	scene_relay(RELAY_PLAIN, V4);
	only_gateway_2_leads_home();
	outcome = run_shape(scene.gateway->progs.return_egress, &response, V4);
	envelope.key = 0;
	memset(envelope.words, 0, sizeof(envelope.words));
	expect_relay(&outcome, &envelope, &response, V4);
}

static void expect_refusal(enum reason reason)
{
	struct outcome outcome = run_shape(scene.gateway->progs.return_egress, &response, V4);

	CU_ASSERT_EQUAL(outcome.verdict, DROPPED);
	CU_ASSERT_EQUAL(outcome.reason, reason);
	CU_ASSERT_EQUAL(scene_count(reason), 1);
}

static void what_cannot_be_relayed_is_dropped_and_counted(void)
{
	begin(V4);
	only_gateway_2_leads_home();
	scene.settings.relay = RELAY_OFF;
	scene_settings();
	expect_refusal(REASON_way_elsewhere);

	begin(V4);
	only_gateway_2_leads_home();
	scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
	expect_refusal(REASON_no_way_home);

	begin(V4);
	only_gateway_2_leads_home();
	scene.settings.relay_key = 9;
	scene_settings();
	expect_refusal(REASON_relay_unreachable);

	begin(V4);
	only_gateway_2_leads_home();
	scene.settings.home_ifindex = 1; /* lo does not forward */
	scene_settings();
	expect_refusal(REASON_relay_unreachable);

	begin(V4);
	only_gateway_2_leads_home();
	scene.settings.mtu = 87;
	scene_settings();
	expect_refusal(REASON_too_big);
}

/* Which the kernel would route by the uplink just now, in the clear. */
static void nothing_leaves_but_by_the_underlay(void)
{
	EACH_FAMILY (outer) {
		struct outcome outcome;

		begin(outer);
		only_gateway_2_leads_home();
		scene.settings.underlay_ifindex = if_nametoindex("up0");
		scene_settings();
		outcome = run_shape(scene.gateway->progs.return_egress, &response, V4);
		CU_ASSERT_EQUAL(outcome.reason, REASON_relayed_response);
		scene.settings.underlay_ifindex = UINT32_MAX;
		scene_settings();
		expect_refusal(REASON_relay_unreachable);
	}
}

static void a_suspect_member_is_relayed_to(void)
{
	struct envelope envelope = envelope_to_member(V6, RELAY_RESPONSE, 103);
	struct outcome outcome;

	begin(V6);
	only_gateway_2_leads_home();
	scene_member_state(SCENE_MEMBER, MEMBER_SUSPECT);
	outcome = run_shape(scene.gateway->progs.return_egress, &response, V4);
	expect_relay(&outcome, &envelope, &response, V4);
}

/* ---- In ------------------------------------------------------------------------------------------------------------ */

static void expect_inner(const struct outcome *outcome, const struct shape *shape, enum family inner,
	const uint8_t *destination)
{
	uint8_t expected[PACKET_MAX];
	size_t length = packet_build(shape, inner, true, expected);

	memcpy(expected, destination ?: outcome->packet, 6);
	if (!destination)
		memcpy(expected, outcome->packet,
			ETHERNET_LENGTH); /* a tunnel has none: the kernel takes it off */
	expect_packet(outcome, expected, length);
}

static void a_request_enters_the_stack_by_home0_and_teaches_its_way(void)
{
	static const uint8_t home[6] = SCENE_HOME_MAC;

	EACH_COMBINATION
	{
		struct envelope envelope = envelope_from_member(outer, RELAY_REQUEST, 103);
		struct outcome outcome;
		const struct line *line;
		unsigned count;

		begin(outer);
		CU_ASSERT_EQUAL(scene_heard(SCENE_MEMBER), 0);
		outcome = run_relay(&envelope, &request, inner);
		CU_ASSERT_EQUAL(outcome.verdict, SENT);
		CU_ASSERT_EQUAL(outcome.reason, REASON_passed_relay);
		expect_inner(&outcome, &request, inner, home);
		CU_ASSERT_NOT_EQUAL(scene_heard(SCENE_MEMBER), 0);
		line = scene_line(scene.flows, &count);
		CU_ASSERT_PTR_NOT_NULL_FATAL(line);
		CU_ASSERT_EQUAL(HOME_TUNNEL(line->home), 103);
		CU_ASSERT_EQUAL(HOME_GATEWAY(line->home), SCENE_MEMBER);
		CU_ASSERT_EQUAL(HOME_OWNER(line->home), SCENE_GATEWAY);
		envelope = envelope_to_member(outer, RELAY_RESPONSE, 103);
		outcome = run_shape(scene.gateway->progs.return_egress, &response, inner);
		expect_relay(&outcome, &envelope, &response, inner);
	}
}

static void a_response_leaves_by_the_tunnel_that_it_names(void)
{
	EACH_COMBINATION
	{
		struct envelope envelope = envelope_from_member(outer, RELAY_RESPONSE, 102);
		struct outcome outcome;

		begin(outer);
		outcome = run_relay(&envelope, &response, inner);
		CU_ASSERT_EQUAL(outcome.verdict, SENT);
		CU_ASSERT_EQUAL(outcome.reason, REASON_home_relay);
		CU_ASSERT_EQUAL(outcome.tunnel, 102);
		expect_inner(&outcome, &response, inner, NULL);
		CU_ASSERT_EQUAL(scene_count(REASON_home_relay), 1);
	}
}

static struct outcome run_response(uint16_t tunnel, const struct shape *shape)
{
	struct envelope envelope = envelope_from_member(V4, RELAY_RESPONSE, tunnel);

	return run_relay(&envelope, shape, V4);
}

static void expect_response(uint16_t tunnel, const struct shape *shape, enum reason reason, uint16_t way)
{
	struct outcome outcome = run_response(tunnel, shape);

	CU_ASSERT_EQUAL(outcome.reason, reason);
	CU_ASSERT_EQUAL(outcome.verdict, way ? SENT : DROPPED);
	CU_ASSERT_EQUAL(outcome.tunnel, way);
	CU_ASSERT_EQUAL(scene_count(reason), 1);
}

static void a_response_that_cannot_leave_by_it_leaves_by_another_of_ours_or_not(void)
{
	static const struct shape others = {
		.kind = UDP, .from = LOOPBACK, .to = OTHER_DEVICE, RESPONSE_PORTS};
	static const struct shape strangers = {.kind = UDP, .from = LOOPBACK, .to = STRANGER, RESPONSE_PORTS};
	static const struct shape not_ours = {.kind = UDP, .from = INSIDE, .to = DEVICE, RESPONSE_PORTS};

	begin(V4);
	scene_usable(SCENE_GATEWAY, 102, false);
	expect_response(102, &response, REASON_home_provider, 101);
	begin(V4);
	only_gateway_2_leads_home();
	expect_response(102, &response, REASON_no_way_home, 0);
	begin(V4);
	expect_response(999, &response, REASON_relay_no_tunnel, 0);
	begin(V4);
	expect_response(103, &response, REASON_home_provider, 101); /* not back to where it came from */
	begin(V4);
	expect_response(101, &others, REASON_exit_refused, 0);
	begin(V4);
	expect_response(101, &strangers, REASON_no_provider, 0);
	begin(V4);
	scene_forget_prefixes(); /* but for what a tunnel of ours knows */
	expect_response(101, &response, REASON_home_relay, 101);
	expect_response(103, &response, REASON_no_provider, 0);
	begin(V4);
	expect_response(101, &not_ours, REASON_source_not_loopback, 0);
}

static void a_response_of_its_owner_says_whose_the_flow_is(void)
{
	struct envelope surfaced = envelope_from_member(V4, RELAY_SURFACED, 101);
	uint8_t packet[PACKET_MAX];
	const struct line *line;
	unsigned count;

	begin(V4);
	scene_run(scene.gateway->progs.tunnel_ingress, packet, packet_build(&request, V4, false, packet), 0);
	run_relay(&surfaced, &response, V4);
	line = scene_line(scene.flows, &count);
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_EQUAL(HOME_OWNER(line->home), SCENE_GATEWAY);
	CU_ASSERT_EQUAL(TAG_STATE(line->tag), LINE_ESTABLISHED);
	run_response(101, &response);
	CU_ASSERT_EQUAL(HOME_OWNER(line->home), SCENE_MEMBER);
	CU_ASSERT_EQUAL(HOME_GATEWAY(line->home), SCENE_GATEWAY);
	CU_ASSERT_EQUAL(HOME_TUNNEL(line->home), 101);
}

static void expect_request(
	enum relay_kind kind, uint16_t tunnel, const struct shape *shape, enum reason reason)
{
	struct envelope envelope = envelope_from_member(V6, kind, tunnel);
	struct outcome outcome = run_relay(&envelope, shape, V4);

	CU_ASSERT_EQUAL(outcome.reason, reason);
	CU_ASSERT_EQUAL(outcome.verdict, reason == REASON_passed_relay ? SENT : DROPPED);
}

static void a_request_is_admitted_again(void)
{
	static const struct shape others = {.kind = UDP, .from = OTHER_DEVICE, .to = LOOPBACK, REQUEST_PORTS};
	static const struct shape elsewhere = {.kind = UDP, .from = DEVICE, .to = INSIDE, REQUEST_PORTS};
	static const struct shape error = {
		.kind = UNREACHABLE, .from = STRANGER, .to = LOOPBACK, .quotes = &response};
	static const struct shape lie = {
		.kind = UNREACHABLE, .from = STRANGER, .to = LOOPBACK, .quotes = &request};

	begin(V6);
	expect_request(RELAY_REQUEST, 103, &others, REASON_source_not_provider);
	expect_request(RELAY_REQUEST, 103, &elsewhere, REASON_destination_not_loopback);
	expect_request(RELAY_REQUEST, 103, &error, REASON_passed_relay);
	expect_request(RELAY_REQUEST, 103, &lie, REASON_icmp_error_not_ours);
	expect_request(RELAY_REQUEST, 999, &request, REASON_relay_no_tunnel);
	expect_request(RELAY_REQUEST, 101, &request, REASON_relay_no_tunnel); /* ours is not the sender's */
}

static void who_asks_gets_no_more_than_what_is_ours(void)
{
	begin(V6);
	expect_request(RELAY_ASK, 103, &request, REASON_relay_not_ours);
	expect_request(RELAY_REQUEST, 103, &request, REASON_passed_relay);
	expect_request(RELAY_ASK, 103, &request, REASON_passed_relay);
}

/* ---- What is no relay ---------------------------------------------------------------------------------------------- */

static void expect_judgement(const struct envelope *envelope, enum reason reason)
{
	struct outcome outcome = run_relay(envelope, &request, V4);

	CU_ASSERT_EQUAL(outcome.reason, reason);
	CU_ASSERT_EQUAL(outcome.verdict, reason == REASON_passed_relay ? SENT : DROPPED);
}

static void a_claim_must_be_true(void)
{
	EACH_FAMILY (outer) {
		struct envelope true_one = envelope_from_member(outer, RELAY_REQUEST, 103), other;

		begin(outer);
		expect_judgement(&true_one, REASON_passed_relay);
		other = true_one;
		other.from = INSIDE;
		expect_judgement(&other, REASON_relay_not_member);
		other = true_one;
		other.sender = 3;
		expect_judgement(&other, REASON_relay_not_member);
		other = true_one;
		other.sender = SCENE_GATEWAY;
		expect_judgement(&other, REASON_relay_not_member);
		other = true_one;
		other.receiver = 3;
		expect_judgement(&other, REASON_relay_forged);
		other = true_one;
		other.words[0] ^= 1;
		expect_judgement(&other, REASON_relay_forged);
		other = true_one;
		other.key = 2;
		expect_judgement(&other, REASON_relay_forged);
		other = true_one;
		other.key = 77;
		expect_judgement(&other, REASON_relay_forged);
		other = true_one;
		memset(other.words, 0, sizeof(other.words));
		expect_judgement(&other, REASON_relay_forged);
		other = true_one;
		other.kind = 5;
		expect_judgement(&other, REASON_relay_malformed);
		scene_relay(RELAY_OFF, outer);
		expect_judgement(&true_one, REASON_relay_not_member);
		begin(outer);
		scene.settings.underlay_ifindex = UINT32_MAX; /* which it did not come by */
		scene_settings();
		expect_judgement(&true_one, REASON_relay_not_member);
	}
}

static void a_plain_relay_is_taken_where_all_are_plain(void)
{
	struct envelope plain = envelope_from_member(V4, RELAY_REQUEST, 103);

	memset(plain.words, 0, sizeof(plain.words));
	begin(V4);
	scene_relay(RELAY_PLAIN, V4);
	expect_judgement(&plain, REASON_passed_relay);
	plain.from = INSIDE;
	expect_judgement(&plain, REASON_relay_not_member);
}

static void a_recording_is_stale(void)
{
	struct envelope envelope = envelope_from_member(V4, RELAY_REQUEST, 103);

	for (int32_t slots = -300; slots <= 300; slots++) {
		enum reason reason = slots >= -1 && slots <= 1 ? REASON_passed_relay : REASON_relay_stale;

		begin(V4);
		envelope.slot = scene_slot();
		scene_clock(slots);
		if (slots == -256 || slots == 256 || slots == -255 || slots == 255 || slots == -257 ||
			slots == 257)
			reason = REASON_relay_forged; /* the low bits are right again, the code is not */
		if (envelope.slot == scene_slot())
			expect_judgement(&envelope, reason);
	}
}

static void member_clock(int16_t slots)
{
	uint32_t number = SCENE_MEMBER;
	int members = bpf_map__fd(scene.gateway->maps.members);
	struct member_entry entry;

	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(members, &number, &entry), 0);
	entry.clock_slots = slots;
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(members, &number, &entry, 0), 0);
}

/* A clock that was set, here or there, by hours: the slot is the sender's, by what gwd measured of it. */
static void a_slot_is_by_the_senders_clock(void)
{
	static const int32_t sets[] = {0, 2, -2, 127, -128, 1000, -1000, INT16_MAX, INT16_MIN};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		for (int32_t wrong = -3; wrong <= 3; wrong++) {
			enum reason reason =
				wrong >= -1 && wrong <= 1 ? REASON_passed_relay : REASON_relay_stale;
			struct envelope envelope = envelope_from_member(V4, RELAY_REQUEST, 103);
			uint32_t now = scene_slot();

			begin(V4);
			member_clock((int16_t)sets[i]);
			envelope.slot = now + (uint32_t)(sets[i] + wrong);
			if (now == scene_slot())
				expect_judgement(&envelope, reason);
		}
}

static void keys_are_changed_without_a_gap(void)
{
	struct envelope old = envelope_from_member(V4, RELAY_REQUEST, 103), new = old;

	begin(V4);
	new.key = 2;
	memcpy(new.words, scene_keys[2], sizeof(new.words));
	expect_judgement(&old, REASON_passed_relay);
	expect_judgement(&new, REASON_passed_relay);
	scene.settings.relay_key = 2;
	scene_settings();
	expect_judgement(&old, REASON_passed_relay);
	scene_key(1, NULL);
	expect_judgement(&old, REASON_relay_forged);
	expect_judgement(&new, REASON_passed_relay);
}

static void any_byte_that_is_another_spoils_it(void)
{
	EACH_FAMILY (outer) {
		struct envelope envelope = envelope_from_member(outer, RELAY_REQUEST, 103);
		uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
		size_t length = packet_build(&request, V6, false, packet);
		size_t header = envelope_header(outer), overhead = envelope_overhead(outer);

		begin(outer);
		length = envelope_build(&envelope, packet, length, relay);
		for (size_t i = header; i < overhead; i++) {
			struct outcome outcome;

			if (i == header + 2 || i == header + 3)
				continue; /* the port: then it is somebody else's packet */
			relay[i] ^= 0x55;
			outcome = scene_run(scene.gateway->progs.uplink_ingress, relay, length, 0);
			CU_ASSERT_NOT_EQUAL(
				outcome.verdict, SENT); /* a wrong length is not even ours to drop */
			relay[i] ^= 0x55;
		}
		for (size_t i = overhead + 6; i < overhead + 44; i++) {
			struct outcome outcome;

			if (i == overhead + 7)
				continue; /* the hop limit is nobody's claim */
			relay[i] ^= 0x55;
			outcome = scene_run(scene.gateway->progs.uplink_ingress, relay, length, 0);
			CU_ASSERT_EQUAL(outcome.verdict, DROPPED);
			CU_ASSERT_EQUAL(outcome.reason, REASON_relay_forged);
			relay[i] ^= 0x55;
		}
	}
}

static void a_relay_cut_anywhere_is_not_taken(void)
{
	EACH_COMBINATION
	{
		struct envelope envelope = envelope_from_member(outer, RELAY_REQUEST, 103);
		uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
		size_t length = packet_build(&request, inner, false, packet);

		begin(outer);
		length = envelope_build(&envelope, packet, length, relay);
		for (size_t cut = ETHERNET_LENGTH; cut < length; cut++) {
			struct outcome outcome =
				scene_run(scene.gateway->progs.uplink_ingress, relay, cut, 0);

			CU_ASSERT_NOT_EQUAL(outcome.verdict, SENT);
		}
		/* Cut by somebody who wrote all lengths anew: whole outside, and not inside. */
		for (size_t cut = 0; cut < packet_headers(&request, inner); cut++) {
			struct outcome outcome;
			size_t shorter = envelope_build(&envelope, packet, cut, relay);

			outcome = scene_run(scene.gateway->progs.uplink_ingress, relay, shorter, 0);
			CU_ASSERT_EQUAL(outcome.verdict, DROPPED);
		}
		CU_ASSERT_EQUAL(scene_count(REASON_passed_relay), 0);
	}
}

SCENE_TESTS("bpf relay",
	{"a response of our stack leaves for the member that has the tunnel",
		a_response_of_our_stack_leaves_for_the_member_that_has_the_tunnel},
	{"one that surfaced says so and has one hop less", one_that_surfaced_says_so_and_has_one_hop_less},
	{"what is said in another's flow does not make it ours",
		what_is_said_in_anothers_flow_does_not_make_it_ours},
	{"every kind of packet is vouched for", every_kind_of_packet_is_vouched_for},
	{"a plain relay has no code", a_plain_relay_has_no_code},
	{"what cannot be relayed is dropped and counted", what_cannot_be_relayed_is_dropped_and_counted},
	{"nothing leaves but by the underlay", nothing_leaves_but_by_the_underlay},
	{"a suspect member is relayed to", a_suspect_member_is_relayed_to},
	{"a request enters the stack by home0 and teaches its way",
		a_request_enters_the_stack_by_home0_and_teaches_its_way},
	{"a response leaves by the tunnel that it names", a_response_leaves_by_the_tunnel_that_it_names},
	{"a response that cannot leave by it leaves by another of ours or not",
		a_response_that_cannot_leave_by_it_leaves_by_another_of_ours_or_not},
	{"a response of its owner says whose the flow is", a_response_of_its_owner_says_whose_the_flow_is},
	{"a request is admitted again", a_request_is_admitted_again},
	{"who asks gets no more than what is ours", who_asks_gets_no_more_than_what_is_ours},
	{"a claim must be true", a_claim_must_be_true},
	{"a plain relay is taken where all are plain", a_plain_relay_is_taken_where_all_are_plain},
	{"a recording is stale", a_recording_is_stale},
	{"a slot is by the sender's clock", a_slot_is_by_the_senders_clock},
	{"keys are changed without a gap", keys_are_changed_without_a_gap},
	{"any byte that is another spoils it", any_byte_that_is_another_spoils_it},
	{"a relay cut anywhere is not taken", a_relay_cut_anywhere_is_not_taken})
