// SPDX-License-Identifier: Apache-2.0
/*
 * uplink_xdp turns a response round that another gateway's tunnel leads home: what leaves is what uplink_ingress would have
 * sent, byte for byte, with the neighbour's address before it. Whatever is not just that passes as it came, and leaves
 * no trace.
 */
#include <bpf/bpf.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/envelope.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress", "uplink_ingress");

/* Shapes start from a usual packet and say what is different about theirs. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define XDP_DROPPED 1
#define XDP_PASSED  2
#define XDP_TURNED  3

static const uint8_t uplink_mac[6] = {2, 0, 0, 0, 0, 0x11}, member_mac[6] = {2, 0, 0, 0, 0, 0x12};
static struct uplink_xdp_bpf *xdp;
static uint32_t uplink;

#define EACH_FAMILY(which) for (enum family which = V4; which <= V6; which += 2)

static void expect_done(const char *command)
{
	CU_ASSERT_EQUAL(system(command), 0);
}

static uint64_t tick(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A route or neighbour is another one: the programs see it a tick later. */
static void change_route(const char *command)
{
	uint64_t before;

	expect_done(command);
	for (before = tick(); tick() == before;)
		usleep(1000);
}

/* A test run takes the packet for one of an interface's only when that has XDP. */
static void load(void)
{
	xdp = scene_load_xdp();
	uplink = if_nametoindex("up0");
	expect_done("ip link set up0 address 02:00:00:00:00:11");
	CU_ASSERT_EQUAL_FATAL(bpf_xdp_attach(uplink, bpf_program__fd(xdp->progs.uplink_xdp), 0, NULL), 0);
}

static void let_turn(bool may)
{
	uint32_t one = 1;
	int map = bpf_map__fd(scene.gateway->maps.turning);

	if (may)
		CU_ASSERT_EQUAL(bpf_map_update_elem(map, &uplink, &one, BPF_ANY), 0)
	else
		bpf_map_delete_elem(map, &uplink);
}

/* A relay's code is of its time slot: none begins or ends while a few packets are sent and compared. */
static void await_middle_of_slot(void)
{
	const uint64_t slot_ns = 1ULL << RELAY_SLOT_SHIFT;
	struct timespec now;
	uint64_t since_ns;

	do {
		usleep(1000);
		clock_gettime(CLOCK_REALTIME, &now);
		since_ns = (now.tv_sec * 1000000000ULL + now.tv_nsec) % slot_ns;
	} while (since_ns < 100000000 || since_ns > slot_ns - 1000000000);
}

/* Over an underlay of that family, gateway 2's tunnel 103 is the one that leads home. */
static void begin(enum family outer)
{
	await_middle_of_slot();
	scene_reset();
	scene_relay(RELAY_AUTHENTICATED, outer);
	scene_usable(SCENE_MEMBER, 103, true);
	scene_usable(SCENE_GATEWAY, 101, false);
	scene_usable(SCENE_GATEWAY, 102, false);
	let_turn(true);
	expect_done("ip neighbour replace 10.0.0.12 lladdr 02:00:00:00:00:12 dev up0 &&"
		    "ip neighbour replace fd00:10::12 lladdr 02:00:00:00:00:12 dev up0");
}

static struct outcome run(const uint8_t *packet, size_t length)
{
	struct outcome outcome = {0};
	struct xdp_md in = {.data_end = length, .ingress_ifindex = uplink};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length,
		.data_out = outcome.packet, .data_size_out = sizeof(outcome.packet), .ctx_in = &in,
		.ctx_size_in = sizeof(in));

	outcome.error = bpf_prog_test_run_opts(bpf_program__fd(xdp->progs.uplink_xdp), &options);
	CU_ASSERT_EQUAL(outcome.error, 0);
	outcome.verdict = (int)options.retval;
	outcome.length = options.data_size_out;
	return outcome;
}

static size_t build(const struct shape *shape, enum family family, uint8_t packet[PACKET_MAX])
{
	size_t length = packet_build(shape, family, true, packet);

	memcpy(packet, uplink_mac, sizeof(uplink_mac));
	return length;
}

#define ANSWER(...)                                                                              \
	{                                                                                        \
		.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = 5061, .to_port = 5060, \
		.payload = 60, __VA_ARGS__                                                       \
	}
#define SEGMENT(...)                                                                           \
	{                                                                                      \
		.kind = TCP, .from = LOOPBACK, .to = DEVICE, .from_port = 80, .to_port = 4000, \
		.payload = 600, __VA_ARGS__                                                    \
	}

#define QUESTION(...)                                                                                    \
	{                                                                                                \
		.kind = UDP, .from = DEVICE, .to = LOOPBACK, .to_port = 5061, .payload = 60, __VA_ARGS__ \
	}

static const struct shape answer = ANSWER();

/* ---- What turns round ---------------------------------------------------------------------------------------------- */

static void expect_bytes(const struct outcome *outcome, const uint8_t *expected, size_t length)
{
	CU_ASSERT_EQUAL(outcome->length, length);
	for (size_t i = 0; i < length; i++)
		if (outcome->packet[i] != expected[i]) {
			printf("byte %zu came out as %02x, not %02x\n", i, outcome->packet[i], expected[i]);
			CU_FAIL("another packet");
			return;
		}
}

/* The relay of the packet as it is with one hop less, from us to the member's neighbour address. */
static size_t relay_of(
	const struct shape *shape, enum family outer, enum family inner, uint8_t relay[PACKET_MAX])
{
	struct envelope envelope = envelope_to_member(outer, RELAY_SURFACED, 103);
	struct shape left = *shape;
	uint8_t packet[PACKET_MAX];
	size_t length;

	left.hops = (shape->hops ?: 64) - 1;
	length = envelope_build(&envelope, packet, packet_build(&left, inner, false, packet), relay);
	memcpy(relay, member_mac, 6);
	memcpy(relay + 6, uplink_mac, 6);
	return length;
}

static void expect_turned(const struct shape *shape, enum family outer, enum family inner)
{
	uint64_t before = scene_count(REASON_relayed_response);
	uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
	struct outcome outcome = run(packet, build(shape, inner, packet));

	CU_ASSERT_EQUAL(outcome.verdict, XDP_TURNED);
	expect_bytes(&outcome, relay, relay_of(shape, outer, inner, relay));
	CU_ASSERT_EQUAL(scene_count(REASON_relayed_response), before + 1);
}

static void a_response_of_a_members_tunnel_leaves_as_a_relay(void)
{
	static const struct shape shapes[] = {ANSWER(), ANSWER(.payload = 0), ANSWER(.payload = 1),
		ANSWER(.hops = 2), SEGMENT(.flags = ACK), SEGMENT(.flags = FIN | ACK), SEGMENT(.flags = RST),
		{.kind = ECHO_REPLY, .from = LOOPBACK, .to = DEVICE, .from_port = 77},
		{.kind = OTHER_PROTOCOL, .from = LOOPBACK, .to = DEVICE, .payload = 40}};

	load();
	EACH_FAMILY (outer)
		EACH_FAMILY (inner) {
			begin(outer);
			for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
				expect_turned(&shapes[i], outer, inner);
		}
}

/* Of traffic control's the Ethernet header is the kernel's to write, later. */
static void it_is_what_uplink_ingress_would_send(void)
{
	EACH_FAMILY (outer)
		EACH_FAMILY (inner) {
			uint8_t packet[PACKET_MAX];
			size_t length = packet_build(&answer, inner, true, packet);
			struct outcome turned, sent;

			begin(outer);
			sent = scene_run(scene.gateway->progs.uplink_ingress, packet, length, 0);
			turned = run(packet, build(&answer, inner, packet));
			CU_ASSERT_EQUAL(sent.reason, REASON_relayed_response);
			memcpy(sent.packet, turned.packet, ETHERNET_LENGTH);
			expect_bytes(&turned, sent.packet, sent.length);
		}
}

static void the_array_s_whole_mtu_turns(void)
{
	EACH_FAMILY (inner) {
		struct shape shape = ANSWER(.payload = SCENE_MTU - (inner == V4 ? 28 : 48));

		begin(V6);
		expect_turned(&shape, V6, inner);
	}
}

/* Ethernet's padding comes along, as it does behind traffic control, and is no part of the packet. */
static void padding_comes_along(void)
{
	struct shape shape = ANSWER(.payload = 1);
	uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
	size_t length = build(&shape, V4, packet), relayed;
	struct outcome outcome;

	begin(V4);
	relayed = relay_of(&shape, V4, V4, relay);
	memset(packet + length, 0, 60 - length);
	memset(relay + relayed, 0, 60 - length);
	outcome = run(packet, 60);
	CU_ASSERT_EQUAL(outcome.verdict, XDP_TURNED);
	expect_bytes(&outcome, relay, relayed + 60 - length);
}

/* Which a member relayed to us: its line is all that the table of flows has. */
static struct line *ask_us(const struct shape *question, enum family inner)
{
	struct envelope envelope = envelope_from_member(V4, RELAY_REQUEST, 103);
	uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
	size_t length = packet_build(question, inner, false, packet);
	struct line *line;
	unsigned count;

	length = envelope_build(&envelope, packet, length, relay);
	CU_ASSERT_EQUAL(
		scene_run(scene.gateway->progs.uplink_ingress, relay, length, 0).reason, REASON_passed_relay);
	line = scene_line(scene.flows, &count);
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	return line;
}

/* As uplink_ingress would have noted it: the flow is alive, one step further, and counts. */
static void its_flow_learns_of_it(void)
{
	static const struct shape question = QUESTION(.from_port = 5060);

	EACH_FAMILY (inner) {
		uint8_t packet[PACKET_MAX];
		struct line *line;

		begin(V4);
		line = ask_us(&question, inner);
		CU_ASSERT_EQUAL(TAG_STATE(line->tag), LINE_HALF_OPEN);
		expect_turned(&answer, V4, inner);
		CU_ASSERT_EQUAL(TAG_STATE(line->tag), LINE_ESTABLISHED);
		CU_ASSERT_EQUAL(HOME_OWNER(line->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(scene.counters[line - scene.flows].response_packets, 1);
		CU_ASSERT_EQUAL(scene.counters[line - scene.flows].response_bytes,
			packet_build(&answer, inner, false, packet));
	}
}

static void a_connection_learns_of_its_end(void)
{
	static const struct shape opening = {
		.kind = TCP, .from = DEVICE, .to = LOOPBACK, .from_port = 4000, .to_port = 80, .flags = SYN};
	static const struct shape middle = SEGMENT(.flags = ACK), end = SEGMENT(.flags = FIN | ACK);

	EACH_FAMILY (inner) {
		struct line *line;
		uint64_t stamp;

		begin(V4);
		line = ask_us(&opening, inner);
		expect_turned(&middle, V4, inner);
		CU_ASSERT_EQUAL(TAG_STATE(line->tag), LINE_HALF_OPEN);
		line->tag = TAG(TAG_HASH(line->tag), LINE_ESTABLISHED);
		stamp = line->stamp;
		expect_turned(&middle, V4, inner);
		CU_ASSERT_EQUAL(line->stamp, stamp);
		expect_turned(&end, V4, inner);
		CU_ASSERT_EQUAL(TAG_STATE(line->tag), LINE_CLOSING);
		CU_ASSERT(line->stamp > stamp);
		CU_ASSERT_EQUAL(scene.counters[line - scene.flows].response_packets, 3);
	}
}

/* Nobody has a free line. */
static void fill_with_strangers(void)
{
	for (uint32_t i = 0; i < scene.lines; i++)
		if (TAG_STATE(scene.flows[i].tag) == LINE_FREE)
			scene.flows[i] = (struct line){.tag = TAG(i + 1, LINE_ESTABLISHED),
				.key = {.source_port = (uint16_t)i, .protocol = 6},
				.home = HOME(scene_now_ms(), 101, SCENE_GATEWAY, SCENE_GATEWAY),
				.stamp = 1};
}

/* It goes by its device then; neither the line that it had learns of it, nor those beside that. */
static void an_expired_flow_s_place_and_its_neighbours_are_left_alone(void)
{
	static const struct shape question = QUESTION(.from_port = 5060);
	static struct line flows[SCENE_LINES];
	static struct line_counters counters[SCENE_LINES];

	EACH_FAMILY (inner) {
		begin(V4);
		ask_us(&question, inner);
		expect_turned(&answer, V4, inner);
		scene_age(130000);
		fill_with_strangers();
		memcpy(flows, scene.flows, sizeof(flows));
		memcpy(counters, scene.counters, sizeof(counters));
		expect_turned(&answer, V4, inner);
		CU_ASSERT_EQUAL(memcmp(flows, scene.flows, sizeof(flows)), 0);
		CU_ASSERT_EQUAL(memcmp(counters, scene.counters, sizeof(counters)), 0);
	}
}

/* ---- What passes --------------------------------------------------------------------------------------------------- */

static uint64_t count_all(void)
{
	uint64_t sum = 0;

	for (enum reason reason = 0; reason < REASON_COUNT; reason++)
		sum += scene_count(reason);
	return sum;
}

static void expect_untouched(const uint8_t *packet, size_t length)
{
	uint64_t before = count_all();
	struct outcome outcome = run(packet, length);
	unsigned flows;

	CU_ASSERT_EQUAL(outcome.verdict, XDP_PASSED);
	expect_bytes(&outcome, packet, length);
	CU_ASSERT_EQUAL(count_all(), before);
	scene_line(scene.flows, &flows);
	CU_ASSERT_EQUAL(flows, 0);
}

static void expect_passed(const struct shape *shape, enum family inner)
{
	uint8_t packet[PACKET_MAX];

	expect_untouched(packet, build(shape, inner, packet));
}

static void what_only_traffic_control_can_do_passes(void)
{
	static const struct shape query = {.kind = UDP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = 5060,
		.to_port = 5061,
		.payload = 60};
	static const struct shape shapes[] = {ANSWER(.hops = 1),
		ANSWER(.payload = SCENE_MTU, .dont_fragment = true),
		ANSWER(.more_fragments = true, .fragment_id = 1),
		ANSWER(.fragment_offset = 1376, .fragment_id = 1), ANSWER(.extensions = 1),
		ANSWER(.extensions = 7), SEGMENT(.flags = SYN | ACK, .mss = 1460), SEGMENT(.flags = SYN),
		{.kind = UNREACHABLE, .from = LOOPBACK, .to = DEVICE, .quotes = &query}};

	EACH_FAMILY (inner) {
		begin(V4);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
			expect_passed(&shapes[i], inner);
	}
}

static void what_is_no_response_of_ours_passes(void)
{
	static const struct shape shapes[] = {ANSWER(.from = INSIDE), ANSWER(.to = INSIDE),
		ANSWER(.to = UNDERLAY), ANSWER(.to = LOOPBACK), ANSWER(.to = MULTICAST),
		ANSWER(.to = LINK_LOCAL), ANSWER(.to = STRANGER), ANSWER(.to = OTHER_DEVICE),
		ANSWER(.from = LOOPBACK_ZONE_1)};

	EACH_FAMILY (inner) {
		begin(V4);
		for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
			expect_passed(&shapes[i], inner);
	}
}

static void what_goes_by_our_tunnel_passes(void)
{
	EACH_FAMILY (inner) {
		begin(V4);
		scene_usable(SCENE_GATEWAY, 102, true);
		expect_passed(&answer, inner);
		scene_usable(SCENE_GATEWAY, 102, false);
		scene_usable(SCENE_MEMBER, 103, false);
		expect_passed(&answer, inner);
	}
}

/* The device has moved to our tunnel since: an expired line does not say where it is. */
static void what_an_expired_flow_knew_is_not_asked(void)
{
	static const struct shape question = QUESTION(.from_port = 5060);
	static const struct shape other_question = QUESTION(.from_port = 6000);

	EACH_FAMILY (inner) {
		uint8_t packet[PACKET_MAX];
		size_t length;

		begin(V4);
		ask_us(&question, inner);
		expect_turned(&answer, V4, inner);
		scene_age(130000);
		scene_usable(SCENE_GATEWAY, 102, true);
		scene_arrive_by(102);
		length = packet_build(&other_question, inner, false, packet);
		scene_run(scene.gateway->progs.tunnel_ingress, packet, length, 0);
		CU_ASSERT_EQUAL(run(packet, build(&answer, inner, packet)).verdict, XDP_PASSED);
	}
}

static void tagged_or_for_another_host_it_passes(void)
{
	uint8_t packet[PACKET_MAX];

	EACH_FAMILY (inner) {
		size_t length = build(&answer, inner, packet);

		begin(V4);
		packet[5] ^= 1;
		expect_untouched(packet, length);
		packet[5] ^= 1;
		memmove(packet + 16, packet + 12, length - 12);
		memcpy(packet + 12, "\x81\x00\x00\x07", 4);
		expect_untouched(packet, length + 4);
	}
}

static void cut_short_it_passes(void)
{
	uint8_t packet[PACKET_MAX];

	EACH_FAMILY (inner) {
		size_t length = build(&answer, inner, packet);

		begin(V4);
		for (size_t cut = ETHERNET_LENGTH; cut < length; cut++)
			expect_untouched(packet, cut);
	}
}

static void where_it_may_not_be_sent_it_passes(void)
{
	EACH_FAMILY (inner) {
		begin(V4);
		let_turn(false);
		expect_passed(&answer, inner);
		let_turn(true);
		for (enum relay_mode mode = RELAY_OFF; mode <= RELAY_PLAIN; mode++) {
			scene_relay(mode, V4);
			expect_passed(&answer, inner);
		}
		begin(V4);
		scene.settings.underlay_ifindex = uplink;
		scene_settings();
		expect_passed(&answer, inner);
		begin(V4);
		scene_member_state(SCENE_MEMBER, MEMBER_DEAD);
		expect_passed(&answer, inner);
	}
}

static void without_a_way_out_of_this_uplink_it_passes(void)
{
	static const char *const away[] = {
		"ip neighbour del 10.0.0.12 dev up0", "ip neighbour del fd00:10::12 dev up0"};
	static const char *const elsewhere[] = {"ip route add 10.0.0.12/32 dev home0 && ip neighbour add "
						"10.0.0.12 lladdr 02:00:00:00:00:12 dev home0",
		"ip route add fd00:10::12/128 dev home0 && ip neighbour add fd00:10::12 lladdr "
		"02:00:00:00:00:12 dev home0"};
	static const char *const back[] = {
		"ip neighbour del 10.0.0.12 dev home0; ip route del 10.0.0.12/32 dev home0",
		"ip neighbour del fd00:10::12 dev home0; ip route del fd00:10::12/128 dev home0"};

	EACH_FAMILY (outer) {
		begin(outer);
		change_route(away[outer == V6]);
		expect_passed(&answer, V4);
		begin(outer);
		change_route(elsewhere[outer == V6]);
		expect_passed(&answer, V4);
		change_route(back[outer == V6]);
		expect_turned(&answer, outer, V4);
	}
}

/* A member of IPv4 behind a next hop of IPv6 (RFC 8950): the outer header is the member's. */
static void the_next_hop_may_be_of_the_other_family(void)
{
	begin(V4);
	change_route("ip route add 10.0.0.12/32 via inet6 fd00:10::12 dev up0");
	EACH_FAMILY (inner)
		expect_turned(&answer, V4, inner);
	change_route("ip route del 10.0.0.12/32");
}

/* What the uplink does not carry with a relay's headers is not sent; what it just carries is. */
static void too_big_for_the_uplink_it_passes(void)
{
	EACH_FAMILY (outer) {
		struct shape fits = ANSWER(.payload = 1400 - (outer == V4 ? 52 : 72) - 28), too_big = fits;

		too_big.payload++;
		begin(outer);
		change_route("ip link set up0 mtu 1400");
		expect_passed(&too_big, V4);
		expect_turned(&fits, outer, V4);
		change_route("ip link set up0 mtu 1500");
	}
}

static void without_a_key_it_is_dropped_and_counted_as_by_traffic_control(void)
{
	uint8_t packet[PACKET_MAX];

	begin(V4);
	scene_key(1, NULL);
	CU_ASSERT_EQUAL(run(packet, build(&answer, V4, packet)).verdict, XDP_DROPPED);
	CU_ASSERT_EQUAL(scene_count(REASON_relay_unreachable), 1);
	uplink_xdp_bpf__destroy(xdp);
}

SCENE_TESTS("bpf turn",
	{"a response of a member's tunnel leaves as a relay",
		a_response_of_a_members_tunnel_leaves_as_a_relay},
	{"it is what uplink_ingress would send", it_is_what_uplink_ingress_would_send},
	{"the array's whole MTU turns", the_array_s_whole_mtu_turns},
	{"padding comes along", padding_comes_along}, {"its flow learns of it", its_flow_learns_of_it},
	{"a connection learns of its end", a_connection_learns_of_its_end},
	{"an expired flow's place and its neighbours are left alone",
		an_expired_flow_s_place_and_its_neighbours_are_left_alone},
	{"what only traffic control can do passes", what_only_traffic_control_can_do_passes},
	{"what is no response of ours passes", what_is_no_response_of_ours_passes},
	{"what goes by our tunnel passes", what_goes_by_our_tunnel_passes},
	{"what an expired flow knew is not asked", what_an_expired_flow_knew_is_not_asked},
	{"tagged, or for another host, it passes", tagged_or_for_another_host_it_passes},
	{"cut short it passes", cut_short_it_passes},
	{"where it may not be sent it passes", where_it_may_not_be_sent_it_passes},
	{"without a way out of this uplink it passes", without_a_way_out_of_this_uplink_it_passes},
	{"the next hop may be of the other family", the_next_hop_may_be_of_the_other_family},
	{"too big for the uplink it passes", too_big_for_the_uplink_it_passes},
	{"without a key it is dropped and counted as by traffic control",
		without_a_key_it_is_dropped_and_counted_as_by_traffic_control})
