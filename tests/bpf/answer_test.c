// SPDX-License-Identifier: Apache-2.0
/*
 * ICMP answers of uplink_ingress, byte for byte by a second implementation: what surfaces too big, or with its hops used
 * up, comes back to the server that sent it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bpf/scene_test.h"

SCENE_LOADS("uplink_ingress");

#define DROPPED   2
#define SENT      7
#define QUOTE_MAX 512

/* The first is that of the interface that the program sees its packets come by. */
static const uint8_t gateway_mac[6] = {0}, server_mac[6] = {2, 2, 2, 2, 2, 2};

#define EACH_FAMILY(which) for (enum family which = V4; which <= V6; which += 2)

/* ---- The second implementation ------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static uint16_t get16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

/* An answer: to whom, from whom, what about. */
struct expected {
	enum family family;
	enum who from;
	uint8_t type, code;
	uint16_t mtu;
	const uint8_t *about; /* the IP packet as it would have gone on */
	size_t length;
	size_t checksum; /* where TCP's or UDP's stands in it; 0: nowhere */
};

static size_t headers_of(enum family family)
{
	return family == V4 ? 20 : 40;
}

static void put_ip(const struct expected *expected, uint8_t *ip, size_t payload)
{
	uint8_t from[16], to[16];

	address_of(expected->from, expected->family, from);
	address_of(LOOPBACK, expected->family, to);
	if (expected->family == V6) {
		ip[0] = 0x6c; /* the class 0xc0 */
		put16(ip + 4, payload);
		ip[6] = 58;
		ip[7] = 64;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, to, 16);
		return;
	}
	ip[0] = 0x45;
	ip[1] = 0xc0;
	put16(ip + 2, 20 + payload);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, from + 12, 4);
	memcpy(ip + 16, to + 12, 4);
	put16(ip + 10, packet_checksum(packet_sum(ip, 20, 0)));
}

/* Writes the frame, with that value for the quoted packet's own checksum. */
static size_t put_answer(const struct expected *expected, uint16_t settled, uint8_t *frame)
{
	uint8_t *ip = frame + ETHERNET_LENGTH, *icmp = ip + headers_of(expected->family);
	size_t quoted = expected->length < QUOTE_MAX ? expected->length : QUOTE_MAX;
	uint32_t sum = 0;

	memset(frame, 0, PACKET_MAX);
	memcpy(frame, server_mac, 6);
	memcpy(frame + 6, gateway_mac, 6);
	put16(frame + 12, expected->family == V4 ? 0x0800 : 0x86dd);
	put_ip(expected, ip, 8 + quoted);
	icmp[0] = expected->type;
	icmp[1] = expected->code;
	put16(icmp + 6, expected->mtu);
	memcpy(icmp + 8, expected->about, quoted);
	if (expected->checksum)
		put16(icmp + 8 + expected->checksum, settled);
	if (expected->family == V6)
		sum = packet_sum(ip + 8, 32, 8 + quoted + 58);
	put16(icmp + 2, packet_checksum(packet_sum(icmp, 8 + quoted, sum)));
	return icmp + 8 + quoted - frame;
}

/* The quoted packet's checksum stays what it is when a device finishes it: over all from `transport` on. */
static bool is_settled(const uint8_t *icmp, size_t length, size_t transport, size_t checksum)
{
	uint16_t finished = packet_checksum(packet_sum(icmp + 8 + transport, length - 8 - transport, 0));

	return (finished ? finished : 0xffff) ==
	       (get16(icmp + 8 + checksum) ? get16(icmp + 8 + checksum) : 0xffff);
}

/* ---- Asking -------------------------------------------------------------------------------------------------------- */

static size_t transport_of(const struct shape *shape, enum family family)
{
	return headers_of(family) + shape->extensions * (family == V4 ? 4 : 8) +
	       (family == V6 && shape->more_fragments ? 8 : 0);
}

/* `padding` bytes of Ethernet's behind the packet. */
static struct outcome run_shape(const struct shape *shape, enum family family, size_t padding)
{
	uint8_t packet[PACKET_MAX];
	size_t length = packet_build(shape, family, true, packet);

	memcpy(packet, gateway_mac, 6);
	memcpy(packet + 6, server_mac, 6);
	memset(packet + length, 0xee, padding);
	return scene_run(scene.gateway->progs.uplink_ingress, packet, length + padding, 0);
}

static void expect_answer(const struct shape *shape, struct expected expected, size_t padding)
{
	struct outcome outcome = run_shape(shape, expected.family, padding);
	uint8_t about[PACKET_MAX], frame[PACKET_MAX];
	const uint8_t *icmp = outcome.packet + ETHERNET_LENGTH + headers_of(expected.family);
	struct shape goes_on = *shape;
	size_t transport = transport_of(shape, expected.family), length;
	uint16_t settled = 0;

	CU_ASSERT_EQUAL(outcome.error, 0);
	CU_ASSERT_EQUAL_FATAL(outcome.verdict, SENT);
	if (expected.mtu)
		goes_on.hops = 63;
	expected.about = about;
	expected.length = packet_build(&goes_on, expected.family, false, about);
	if (shape->kind == TCP || shape->kind == UDP) {
		expected.checksum = transport + (shape->kind == TCP ? 16 : 6);
		settled = get16(icmp + 8 + expected.checksum);
		CU_ASSERT(is_settled(
			icmp, outcome.packet + outcome.length - icmp, transport, expected.checksum));
	}
	length = put_answer(&expected, settled, frame);
	CU_ASSERT_EQUAL_FATAL(outcome.length, length);
	for (size_t i = 0; i < length; i++)
		if (outcome.packet[i] != frame[i]) {
			printf("byte %zu came out as %02x, not %02x\n", i, outcome.packet[i], frame[i]);
			CU_FAIL("another packet");
			return;
		}
}

static struct expected too_big(enum family family, enum who from)
{
	return (struct expected){.family = family,
		.from = from,
		.type = family == V4 ? 3 : 2,
		.code = family == V4 ? 4 : 0,
		.mtu = SCENE_MTU};
}

static struct expected hops_used_up(enum family family, enum who from)
{
	return (struct expected){.family = family, .from = from, .type = family == V4 ? 11 : 3};
}

#define RESPONSE(...)                                                                           \
	{                                                                                       \
		.from = LOOPBACK, .to = DEVICE, .from_port = 5061, .to_port = 4000, __VA_ARGS__ \
	}

static const struct shape large = RESPONSE(.kind = UDP, .payload = SCENE_MTU, .dont_fragment = true);

/* ---- Tests --------------------------------------------------------------------------------------------------------- */

static void what_is_too_big_is_told_what_fits(void)
{
	static const struct shape shapes[] = {
		RESPONSE(.kind = UDP, .payload = SCENE_MTU, .dont_fragment = true),
		RESPONSE(.kind = TCP, .flags = ACK, .payload = SCENE_MTU, .dont_fragment = true),
		RESPONSE(.kind = TCP, .flags = ACK, .nops = 7, .payload = 2 * SCENE_MTU + 1,
			.dont_fragment = true),
		RESPONSE(.kind = ECHO_REPLY, .payload = SCENE_MTU, .dont_fragment = true),
		RESPONSE(.kind = OTHER_PROTOCOL, .payload = SCENE_MTU, .dont_fragment = true),
		RESPONSE(.kind = UDP, .payload = SCENE_MTU, .dont_fragment = true, .extensions = 3),
		RESPONSE(.kind = UDP, .payload = SCENE_MTU, .dont_fragment = true, .more_fragments = true,
			.fragment_id = 9),
	};

	EACH_FAMILY (family)
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			scene_reset();
			scene_relay(RELAY_AUTHENTICATED, family);
			expect_answer(&shapes[i], too_big(family, UNDERLAY), 0);
			CU_ASSERT_EQUAL(scene_count(REASON_too_big), 1);
			CU_ASSERT_EQUAL(scene_count(REASON_answered), 1);
		}
}

/* Of all lengths, with and without what Ethernet fills short frames up with. */
static void whose_hops_are_used_up_is_told(void)
{
	EACH_FAMILY (family)
		for (uint16_t payload = 0; payload < 600; payload += payload < 40 ? 1 : 61) {
			struct shape shape = RESPONSE(.kind = UDP, .payload = payload, .hops = 1);

			scene_reset();
			scene_relay(RELAY_AUTHENTICATED, family);
			expect_answer(&shape, hops_used_up(family, UNDERLAY), 0);
			expect_answer(&shape, hops_used_up(family, UNDERLAY), 18);
			shape.kind = TCP;
			expect_answer(&shape, hops_used_up(family, UNDERLAY), 5);
			CU_ASSERT_EQUAL(scene_count(REASON_hops_exceeded), 3);
		}
}

/* One family of ours is known, or none: then it comes as if from the device. */
static void without_an_address_of_ours_it_comes_from_the_packet_s_destination(void)
{
	EACH_FAMILY (family) {
		scene_reset();
		scene_relay(RELAY_AUTHENTICATED, family == V4 ? V6 : V4);
		expect_answer(&large, too_big(family, DEVICE), 0);
	}
}

static void expect_what_a_relay_carries(enum family family)
{
	static const struct shape shape = RESPONSE(.kind = UDP, .payload = 1330, .dont_fragment = true);
	struct expected expected = too_big(family, UNDERLAY);

	scene_reset();
	scene_relay(RELAY_AUTHENTICATED, family);
	scene_usable(SCENE_GATEWAY, 101, false);
	scene_usable(SCENE_GATEWAY, 102, false);
	scene_usable(SCENE_MEMBER, 103, true);
	expected.mtu = 1400 - (family == V4 ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6);
	expect_answer(&shape, expected, 0);
}

/* An uplink that does not carry the array's MTU any more. */
static void what_no_relay_carries_is_told_what_one_would(void)
{
	CU_ASSERT_EQUAL_FATAL(system("ip link set up0 mtu 1400 &&"
				     "ip neigh replace 10.0.0.12 lladdr 02:00:00:00:00:12 dev up0 &&"
				     "ip neigh replace fd00:10::12 lladdr 02:00:00:00:00:12 dev up0"),
		0);
	EACH_FAMILY (family)
		expect_what_a_relay_carries(family);
	CU_ASSERT_EQUAL(system("ip route add 10.0.0.12/32 via inet6 fd00:10::12 dev up0"), 0);
	usleep(20000); /* a route is asked once a tick */
	expect_what_a_relay_carries(V4);
	CU_ASSERT_EQUAL(system("ip route del 10.0.0.12/32; ip link set up0 mtu 1500"), 0);
}

static void expect_silence(const struct shape *shape, enum family family, enum reason reason)
{
	struct outcome outcome;

	scene_reset();
	outcome = run_shape(shape, family, 0);
	CU_ASSERT_EQUAL(outcome.verdict, DROPPED);
	CU_ASSERT_EQUAL(outcome.reason, reason);
	CU_ASSERT_EQUAL(scene_count(REASON_answered), 0);
	CU_ASSERT_EQUAL(scene_count(REASON_answer_withheld), 0);
}

static void who_lets_it_be_cut_up_is_not_told(void)
{
	struct shape shape = large;

	shape.dont_fragment = false;
	expect_silence(&shape, V4, REASON_too_big);
	CU_ASSERT_EQUAL(run_shape(&shape, V6, 0).verdict, SENT);
}

static void errors_and_later_fragments_are_not_answered(void)
{
	static const struct shape request = {.kind = UDP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 4000,
		.to_port = 5061,
		.payload = 60};
	static const struct shape silent[] = {
		RESPONSE(.kind = UNREACHABLE, .quotes = &request, .hops = 1),
		RESPONSE(.kind = TOO_BIG, .quotes = &request, .hops = 1),
		RESPONSE(.kind = TIMESTAMP, .payload = 12, .hops = 1),
		RESPONSE(.kind = UDP, .payload = 64, .fragment_offset = 1376, .fragment_id = 1, .hops = 1),
	};

	EACH_FAMILY (family)
		for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
			expect_silence(&silent[i], family, REASON_hops_exceeded);
}

/* Nor what is dropped for another reason, or is no response of ours to send on. */
static void only_what_a_router_would_say_is_said(void)
{
	static const struct shape stranger = {.kind = UDP, .from = LOOPBACK, .to = STRANGER, .payload = 60};
	static const struct shape inside = {
		.kind = UDP, .from = INSIDE, .to = DEVICE, .hops = 1, .payload = 60};

	EACH_FAMILY (family) {
		expect_silence(&stranger, family, REASON_no_provider);
		scene_reset();
		CU_ASSERT_EQUAL(run_shape(&inside, family, 0).reason, REASON_passed_other);
	}
}

static void not_more_is_said_than_anybody_can_use(void)
{
	struct timespec now;
	struct outcome outcome;
	unsigned said = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	EACH_FAMILY (family) {
		scene_reset();
		scene_answers((now.tv_sec + 3600) * 1000000000ULL);
		outcome = run_shape(&large, family, 0);
		CU_ASSERT_EQUAL(outcome.verdict, DROPPED);
		CU_ASSERT_EQUAL(outcome.reason, REASON_too_big);
		CU_ASSERT_EQUAL(scene_count(REASON_answer_withheld), 1);
		CU_ASSERT_EQUAL(scene_count(REASON_answered), 0);
	}
	scene_reset();
	while (said < 50 && run_shape(&large, V6, 0).verdict == SENT)
		said++;
	CU_ASSERT_EQUAL(said, 50);
}

SCENE_TESTS("bpf answer", {"what is too big is told what fits", what_is_too_big_is_told_what_fits},
	{"whose hops are used up is told", whose_hops_are_used_up_is_told},
	{"without an address of ours it comes from the packet's destination",
		without_an_address_of_ours_it_comes_from_the_packet_s_destination},
	{"what no relay carries is told what one would", what_no_relay_carries_is_told_what_one_would},
	{"who lets it be cut up is not told", who_lets_it_be_cut_up_is_not_told},
	{"errors and later fragments are not answered", errors_and_later_fragments_are_not_answered},
	{"only what a router would say is said", only_what_a_router_would_say_is_said},
	{"not more is said than anybody can use", not_more_is_said_than_anybody_can_use})
