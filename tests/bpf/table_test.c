// SPDX-License-Identifier: Apache-2.0
/*
 * The one-line table when it is full, old or contended, through tunnel_ingress. The masks are set so that
 * one window is all of the table: which line a flow gets is then a matter of rank alone.
 */
#include <string.h>

#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress", "return_egress");

#define LINES TABLE_WINDOW

static void small_scene(void)
{
	scene_reset();
	scene.settings.flow_mask = LINES - 1;
	scene.settings.device_mask = LINES - 1;
	scene_settings();
}

static struct outcome ask_from(enum who who, uint16_t port)
{
	struct shape shape = {
		.kind = UDP, .from = who, .to = LOOPBACK, .from_port = port, .to_port = 53, .payload = 10};
	uint8_t packet[PACKET_MAX];
	size_t length = packet_build(&shape, V4, false, packet);

	return scene_run(scene.gateway->progs.tunnel_ingress, packet, length, 0);
}

/* A request of the flow with this port; true: it passed. */
static bool ask(uint16_t port)
{
	struct outcome outcome = ask_from(DEVICE, port);

	return outcome.verdict == -1 && outcome.reason == REASON_passed_request;
}

/* The index of the flow's line, or -1. */
static int find(uint16_t port)
{
	uint8_t bytes[2] = {port >> 8, port & 0xff};

	for (int i = 0; i < LINES; i++)
		if (memcmp(&scene.flows[i].key.source_port, bytes, 2) == 0 &&
			TAG_STATE(scene.flows[i].tag) != LINE_DEAD)
			return i;
	return -1;
}

static void set_state(int index, enum line_state state)
{
	scene.flows[index].tag = TAG(TAG_HASH(scene.flows[index].tag), state);
}

static void set_idle(int index, uint32_t ms)
{
	uint64_t home = scene.flows[index].home;

	scene.flows[index].home =
		HOME(scene_now_ms() - ms, HOME_TUNNEL(home), HOME_GATEWAY(home), HOME_OWNER(home));
}

/* Flows with the ports 1.. in all lines, all in one state. */
static void fill(enum line_state state)
{
	small_scene();
	for (uint16_t port = 1; port <= LINES; port++)
		CU_ASSERT_FATAL(ask(port));
	for (int i = 0; i < LINES; i++) {
		CU_ASSERT_EQUAL_FATAL(TAG_STATE(scene.flows[i].tag), LINE_HALF_OPEN);
		set_state(i, state);
	}
}

static void every_line_of_the_window_is_used(void)
{
	fill(LINE_HALF_OPEN);
	for (uint16_t port = 1; port <= LINES; port++) {
		CU_ASSERT(ask(port));
		CU_ASSERT_NOT_EQUAL(find(port), -1);
	}
	CU_ASSERT_EQUAL(scene_count(REASON_entry_refused), 0);
}

static void established_lines_are_never_given_up(void)
{
	struct line before[LINES];

	fill(LINE_ESTABLISHED);
	memcpy(before, scene.flows, sizeof(before));
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), -1);
	CU_ASSERT_EQUAL(scene_count(REASON_entry_refused), 1);
	CU_ASSERT(memcmp(before, scene.flows, sizeof(before)) == 0);
}

static void the_longest_idle_half_open_line_goes_at_once(void)
{
	int oldest, newer;

	fill(LINE_ESTABLISHED);
	oldest = find(3);
	newer = find(9);
	set_state(oldest, LINE_HALF_OPEN);
	set_state(newer, LINE_HALF_OPEN);
	set_idle(oldest, 5000);
	set_idle(newer, 2000);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), oldest);
	CU_ASSERT(ask(1001));
	CU_ASSERT_EQUAL(find(1001), newer);
	CU_ASSERT_EQUAL(scene_count(REASON_entry_refused), 0);
}

static void half_open_goes_before_closing(void)
{
	int closing, half_open;

	fill(LINE_ESTABLISHED);
	closing = find(2);
	half_open = find(15);
	set_state(closing, LINE_CLOSING);
	set_idle(closing, 9000);
	set_state(half_open, LINE_HALF_OPEN);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), half_open);
	CU_ASSERT_EQUAL(TAG_STATE(scene.flows[closing].tag), LINE_CLOSING);
}

static void a_closing_line_dies_first_and_is_claimed_after_its_grace(void)
{
	int closing;

	fill(LINE_ESTABLISHED);
	closing = find(2);
	set_state(closing, LINE_CLOSING);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), -1);
	CU_ASSERT_EQUAL(scene_count(REASON_entry_refused), 1);
	CU_ASSERT_EQUAL(TAG_STATE(scene.flows[closing].tag), LINE_DEAD);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), -1);
	set_idle(closing, DEAD_GRACE_MS + 50);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), closing);
}

static void an_expired_line_is_dead_without_anybody_saying_so(void)
{
	int expired;

	fill(LINE_ESTABLISHED);
	expired = find(7);
	set_idle(expired, scene.settings.udp_ms + DEAD_GRACE_MS / 2);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), -1); /* its grace is not over */
	set_idle(expired, scene.settings.udp_ms + DEAD_GRACE_MS + 50);
	CU_ASSERT(ask(1000));
	CU_ASSERT_EQUAL(find(1000), expired);
}

static void dead_lines_do_not_hide_what_stands_behind_them(void)
{
	int last;

	fill(LINE_ESTABLISHED);
	last = find(16);
	for (int i = 0; i < LINES; i++)
		if (i != last)
			set_state(i, LINE_DEAD);
	CU_ASSERT(ask(16));
	CU_ASSERT_EQUAL(find(16), last);
	CU_ASSERT_EQUAL(TAG_STATE(scene.flows[last].tag), LINE_ESTABLISHED);
}

static void a_claimed_line_is_left_alone_and_its_flow_not_made_twice(void)
{
	uint64_t claimed;
	unsigned count;
	int index;

	small_scene();
	CU_ASSERT(ask(5));
	index = find(5);
	set_state(index, LINE_CLAIMED);
	claimed = scene.flows[index].tag;
	CU_ASSERT(ask(5));
	CU_ASSERT_EQUAL(scene.flows[index].tag, claimed);
	scene_line(scene.flows, &count);
	CU_ASSERT_EQUAL(count, 0); /* the rival's claim won */
	CU_ASSERT_EQUAL(scene_count(REASON_entry_refused), 0);
	CU_ASSERT(ask(6)); /* another flow is not bothered */
	scene_line(scene.flows, &count);
	CU_ASSERT_EQUAL(count, 1);
}

static void the_same_flow_has_one_line(void)
{
	unsigned count;

	small_scene();
	for (int i = 0; i < 100; i++)
		CU_ASSERT(ask(5));
	scene_line(scene.flows, &count);
	CU_ASSERT_EQUAL(count, 1);
}

static void the_home_word_is_written_once_a_second(void)
{
	uint64_t home;
	int index;

	small_scene();
	ask(5);
	index = find(5);
	set_idle(index, 500);
	home = scene.flows[index].home;
	ask(5);
	CU_ASSERT_EQUAL(scene.flows[index].home, home);
	set_idle(index, 1100);
	ask(5);
	CU_ASSERT(scene_now_ms() - HOME_SEEN(scene.flows[index].home) < 500);
	set_idle(index, 100);
	scene_arrive_by(102);
	ask(5);
	CU_ASSERT_EQUAL(HOME_TUNNEL(scene.flows[index].home), 102);
	CU_ASSERT_EQUAL(HOME_OWNER(scene.flows[index].home), SCENE_GATEWAY);
}

static void counters_follow_the_flow_and_start_anew_with_the_next(void)
{
	struct shape answer = {
		.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = 53, .to_port = 5, .payload = 100};
	uint8_t packet[PACKET_MAX];
	int index;

	small_scene();
	ask(5);
	ask(5);
	scene_run(scene.gateway->progs.return_egress, packet, packet_build(&answer, V4, true, packet), 0);
	index = find(5);
	CU_ASSERT_EQUAL(scene.counters[index].request_packets, 2);
	CU_ASSERT_EQUAL(scene.counters[index].request_bytes, 76);
	CU_ASSERT_EQUAL(scene.counters[index].response_packets, 1);
	CU_ASSERT_EQUAL(scene.counters[index].response_bytes, 128);
	set_idle(index, scene.settings.udp_ms + DEAD_GRACE_MS + 50);
	ask(5);
	CU_ASSERT_EQUAL(find(5), index);
	CU_ASSERT_EQUAL(scene.counters[index].request_packets, 1);
	CU_ASSERT_EQUAL(scene.counters[index].response_packets, 0);
	scene.settings.counters = 0;
	scene_settings();
	ask(5);
	CU_ASSERT_EQUAL(scene.counters[index].request_packets, 1);
}

static void a_full_device_table_is_counted_and_the_packet_goes_on(void)
{
	small_scene();
	CU_ASSERT(ask(1));
	for (int i = 0; i < LINES; i++) {
		scene.devices[i].tag = TAG(i + 1, LINE_ESTABLISHED);
		scene.devices[i].home = HOME(scene_now_ms(), 101, 1, 1);
	}
	CU_ASSERT_EQUAL(ask_from(DEVICE_TOO, 1).reason, REASON_passed_request);
	CU_ASSERT_EQUAL(scene_count(REASON_device_refused), 1);
}

/* 1,000 flows over 64 lines' homes: no line is a favourite. */
static void the_hash_spreads(void)
{
	unsigned homes[SCENE_LINES] = {0};

	for (uint16_t port = 1; port <= 1000; port++) {
		unsigned count;
		struct line *line;

		memset(scene.flows, 0, SCENE_LINES * sizeof(*scene.flows));
		scene_reset();
		ask(port);
		line = scene_line(scene.flows, &count);
		CU_ASSERT_FATAL(count == 1);
		homes[line - scene.flows]++;
	}
	for (int i = 0; i < SCENE_LINES; i++)
		CU_ASSERT(homes[i] >= 3 && homes[i] <= 36); /* 15.6 expected, deviation 4 */
}

SCENE_TESTS("bpf table", {"every line of the window is used", every_line_of_the_window_is_used},
	{"established lines are never given up", established_lines_are_never_given_up},
	{"the longest idle half-open line goes at once", the_longest_idle_half_open_line_goes_at_once},
	{"half-open goes before closing", half_open_goes_before_closing},
	{"a closing line dies first and is claimed after its grace",
		a_closing_line_dies_first_and_is_claimed_after_its_grace},
	{"an expired line is dead without anybody saying so",
		an_expired_line_is_dead_without_anybody_saying_so},
	{"dead lines do not hide what stands behind them", dead_lines_do_not_hide_what_stands_behind_them},
	{"a claimed line is left alone and its flow not made twice",
		a_claimed_line_is_left_alone_and_its_flow_not_made_twice},
	{"the same flow has one line", the_same_flow_has_one_line},
	{"the home word is written once a second", the_home_word_is_written_once_a_second},
	{"counters follow the flow and start anew with the next",
		counters_follow_the_flow_and_start_anew_with_the_next},
	{"a full device table is counted and the packet goes on",
		a_full_device_table_is_counted_and_the_packet_goes_on},
	{"the hash spreads", the_hash_spreads})
