// SPDX-License-Identifier: Apache-2.0
/*
 * A flood of new flows by one tunnel, ten for each line of the table, from sources all over its provider's prefixes, while
 * flows of another tunnel fill half of it: what lives, what is counted, what the members are told. In numbers of packets,
 * not in time: the table is small, and full windows are full. FLOOD_FIGURES=1 prints them.
 */
#include <arpa/inet.h>
#include <time.h>

#include "bpf/table.h"
#include "tests/bpf/owned.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress", "return_egress");

#define LINES      512
#define FLOOD      (10 * LINES)
#define KNOWN      (LINES / 2) /* of them a quarter each are UDP and pings, the rest are connections */
#define OWN        16          /* connections that the flooding tunnel's devices had before */
#define HANDSHAKES 16          /* the other tunnel's that are under way */
#define NEW        64          /* and those that come behind the flood */
#define PER_DEVICE 8           /* flows of each device that is known */

enum what {
	SYNS,
	SYNS_BY_TWO, /* of the provider's tunnels, in turns */
	REFUSED_SYNS,
	SYN_ACKS,
	ACKS,
	DATAGRAMS,
	PINGS,
	ANSWERED_DATAGRAMS,
	ANSWERED_PINGS,
	WHATS
};

struct side {
	uint16_t tunnel;
	enum who device;
};

static const struct side quiet = {201, OTHER_DEVICE}, flooding = {101, DEVICE};
#define SECOND_TUNNEL 102 /* of the flooding side's */

/* ---- Packets ----------------------------------------------------------------------------------------------------- */

/* A device of the provider's: in IPv4 one of its 65,536, in IPv6 one of 2^64. */
static void source_of(const struct side *side, enum family family, uint32_t number, uint8_t source[16])
{
	uint64_t spread = (number + 1) * 0x9e3779b97f4a7c15ULL;

	address_of(side->device, family, source);
	memcpy(source + (family == V4 ? 14 : 8), &spread, family == V4 ? 2 : 8);
}

static void write_address(uint8_t *ip, enum family family, bool source, const uint8_t address[16])
{
	if (family == V4)
		memcpy(ip + (source ? 12 : 16), address + 12, 4);
	else
		memcpy(ip + (source ? 8 : 24), address, 16);
}

static uint16_t port_of(uint32_t number)
{
	return (uint16_t)(1024 + number * 7 % 60000);
}

/* The device's address is written over the shape's; sums are not looked at by what only forwards. */
static struct outcome ask(const struct side *side, struct shape shape, enum family family, uint32_t device)
{
	uint8_t packet[PACKET_MAX], address[16];
	size_t length;

	shape.from = side->device;
	shape.to = LOOPBACK;
	length = packet_build(&shape, family, false, packet);
	source_of(side, family, device, address);
	write_address(packet, family, true, address);
	return scene_run(scene.gateway->progs.tunnel_ingress, packet, length, 0);
}

static void answer(const struct side *side, struct shape shape, enum family family, uint32_t device)
{
	uint8_t packet[PACKET_MAX], address[16];
	size_t length;

	shape.from = LOOPBACK;
	shape.to = side->device;
	length = packet_build(&shape, family, true, packet);
	source_of(side, family, device, address);
	write_address(packet + ETHERNET_LENGTH, family, false, address);
	scene_run(scene.gateway->progs.return_egress, packet, length, 0);
}

static struct shape request_of(enum what what, uint32_t number)
{
	static const uint8_t flags[] = {[SYNS] = SYN,
		[SYNS_BY_TWO] = SYN,
		[REFUSED_SYNS] = SYN,
		[SYN_ACKS] = SYN | ACK,
		[ACKS] = ACK};
	uint16_t port = port_of(number);

	if (what <= ACKS)
		return (struct shape){
			.kind = TCP, .from_port = port, .to_port = 7547, .flags = flags[what], .sequence = 7};
	if (what == DATAGRAMS || what == ANSWERED_DATAGRAMS)
		return (struct shape){.kind = UDP, .from_port = port, .to_port = 5060, .payload = 20};
	return (struct shape){.kind = ECHO_REQUEST, .from_port = port, .payload = 8};
}

static struct shape answer_of(enum what what, uint32_t number)
{
	uint16_t port = port_of(number);

	if (what <= ACKS)
		return (struct shape){.kind = TCP,
			.from_port = 7547,
			.to_port = port,
			.flags = what == REFUSED_SYNS ? RST | ACK : SYN | ACK,
			.sequence = 1000,
			.acknowledgement = 8};
	if (what == DATAGRAMS || what == ANSWERED_DATAGRAMS)
		return (struct shape){.kind = UDP, .from_port = 5060, .to_port = port, .payload = 20};
	return (struct shape){.kind = ECHO_REPLY, .from_port = port, .payload = 8};
}

/* ---- Flows ------------------------------------------------------------------------------------------------------- */

static void open_flow(const struct side *side, enum what what, enum family family, uint32_t number)
{
	ask(side, request_of(what, number), family, number / PER_DEVICE);
	answer(side, answer_of(what, number), family, number / PER_DEVICE);
}

static void acknowledge(const struct side *side, enum family family, uint32_t number)
{
	struct shape third = request_of(ACKS, number);

	third.acknowledgement = 1001;
	ask(side, third, family, number / PER_DEVICE);
}

static enum line_state state_of(const struct side *side, enum what what, enum family family, uint32_t number)
{
	struct shape shape = request_of(what, number);
	struct timespec now;
	struct table table = {scene.flows, LINES - 1, &scene.settings, 0};
	struct line_key key = {
		.source_port = htons(shape.from_port), .destination_port = htons(shape.to_port)};
	struct finding found = {0};

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	table.now_ns = (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
	source_of(side, family, number / PER_DEVICE, key.source);
	address_of(LOOPBACK, family, key.destination);
	key.protocol = shape.kind == TCP ? 6 : shape.kind == UDP ? 17 : family == V4 ? 1 : 58;
	if (!table_find(&table, &key, hash_of(&key, scene.settings.hash_seed), &found))
		return LINE_FREE;
	return TAG_STATE(found.tag);
}

static enum what known_as(uint32_t number)
{
	return number % 4 == 0 ? DATAGRAMS : number % 4 == 1 ? PINGS : SYNS;
}

static unsigned count_known(const struct side *side, enum family family, uint32_t from, uint32_t count)
{
	unsigned alive = 0;

	for (uint32_t number = from; number < from + count; number++)
		alive += state_of(side, known_as(number), family, number) == LINE_ESTABLISHED;
	return alive;
}

static void establish(const struct side *side, enum family family, uint32_t from, uint32_t count)
{
	scene_arrive_by(side->tunnel);
	for (uint32_t number = from; number < from + count; number++) {
		open_flow(side, known_as(number), family, number);
		if (known_as(number) == SYNS)
			acknowledge(side, family, number);
	}
}

/* ---- The flood --------------------------------------------------------------------------------------------------- */

/* Flows that were there before it, by number; handshakes begin behind them, and the flood's devices behind all. */
#define FIRST_OWN       KNOWN
#define FIRST_HANDSHAKE (FIRST_OWN + OWN)
#define FIRST_NEW       (FIRST_HANDSHAKE + HANDSHAKES)
#define FIRST_FLOOD     1000

static void begin_flood(enum family family)
{
	scene_reset();
	scene.settings.half_open_ms = scene.settings.icmp_ms = 600000; /* however slow the machine is */
	array_with(MEMBER_ALIVE, 0, V4);
	establish(&quiet, family, 0, KNOWN);
	establish(&flooding, family, FIRST_OWN, OWN);
	scene_arrive_by(quiet.tunnel);
	for (uint32_t i = 0; i < HANDSHAKES; i++)
		open_flow(&quiet, SYNS, family, FIRST_HANDSHAKE + i);
	CU_ASSERT_EQUAL(count_known(&quiet, family, 0, KNOWN), KNOWN);
	CU_ASSERT_EQUAL(count_known(&flooding, family, FIRST_OWN, OWN), OWN);
	listen_to_changes();
}

static bool is_answered(enum what what)
{
	return what == REFUSED_SYNS || what >= ANSWERED_DATAGRAMS;
}

static void flood(enum what what, enum family family)
{
	for (uint32_t i = 0; i < FLOOD; i++) {
		scene_arrive_by(what == SYNS_BY_TWO && i % 2 ? SECOND_TUNNEL : flooding.tunnel);
		ask(&flooding, request_of(what, i), family, FIRST_FLOOD + i);
		if (is_answered(what))
			answer(&flooding, answer_of(what, i), family, FIRST_FLOOD + i);
		if (i % 64 == 0)
			hear_changes();
	}
	hear_changes();
}

/* ---- What came of it --------------------------------------------------------------------------------------------- */

static struct {
	unsigned known, own, told, flows_told, handshakes, new;
	uint64_t taken, refused, unasked, device_refused;
} seen[WHATS][2];

/* Begun and acknowledged, or only the latter: how many of these connections are established then. */
static unsigned connect_all(enum family family, uint32_t from, uint32_t count, bool begun)
{
	unsigned established = 0;

	scene_arrive_by(quiet.tunnel);
	for (uint32_t number = from; number < from + count; number++) {
		if (!begun)
			open_flow(&quiet, SYNS, family, number);
		acknowledge(&quiet, family, number);
		established += state_of(&quiet, SYNS, family, number) == LINE_ESTABLISHED;
	}
	return established;
}

static void play(enum what what, enum family family)
{
	typeof(seen[0][0]) *is = &seen[what][family == V6];

	begin_flood(family);
	flood(what, family);
	is->known = count_known(&quiet, family, 0, KNOWN);
	is->own = count_known(&flooding, family, FIRST_OWN, OWN);
	is->flows_told = told[CHANGE_FLOW];
	is->told = told[CHANGE_FLOW] + told[CHANGE_DEVICE] + scene_count(REASON_change_lost);
	is->taken = scene_count(REASON_entry_taken);
	is->refused = scene_count(REASON_entry_refused);
	is->unasked = scene_count(REASON_asks_exceeded);
	is->device_refused = scene_count(REASON_device_refused);
	is->handshakes = connect_all(family, FIRST_HANDSHAKE, HANDSHAKES, true);
	is->new = connect_all(family, FIRST_NEW, NEW, false);
	if (getenv("FLOOD_FIGURES"))
		printf("%u v%u: known %u own %u handshakes %u new %u; told %u (flows %u); "
		       "taken %lu refused %lu unasked %lu devices refused %lu\n",
			what, family, is->known, is->own, is->handshakes, is->new, is->told, is->flows_told,
			is->taken, is->refused, is->unasked, is->device_refused);
}

static void play_all(void)
{
	for (enum what what = 0; what < WHATS; what++)
		for (enum family family = V4; family <= V6; family += 2)
			play(what, family);
}

#define FOR_EACH(is, what)                             \
	for (enum what what = 0; what < WHATS; what++) \
		for (typeof(&seen[0][0]) is = seen[what]; is < seen[what] + 2; is++)

static void what_is_established_lives(void)
{
	FOR_EACH (is, what) {
		CU_ASSERT_EQUAL(is->known, KNOWN);
		CU_ASSERT_EQUAL(is->own, OWN);
	}
}

/* But for some that lie close together. */
static void handshakes_of_other_tunnels_outlive_it(void)
{
	FOR_EACH (is, what)
		CU_ASSERT(is->handshakes >= HANDSHAKES - HANDSHAKES / 4 || what >= ANSWERED_DATAGRAMS);
}

/* Where the flood is not answered: answers fill the table. A window that is full without any has no line either. */
static void new_flows_of_other_tunnels_get_lines(void)
{
	FOR_EACH (is, what)
		CU_ASSERT(is->new >= NEW - NEW / 8 || what >= ANSWERED_DATAGRAMS);
}

/* Half-open flows are nobody else's business. */
static void the_members_hear_little_of_it(void)
{
	FOR_EACH (is, what) {
		CU_ASSERT(is->told <= 2 * LINES);
		CU_ASSERT(what >= ANSWERED_DATAGRAMS || is->flows_told == 0);
	}
}

static void all_of_it_is_counted(void)
{
	FOR_EACH (is, what) {
		CU_ASSERT(is->taken + is->refused + is->unasked >= FLOOD - LINES);
		CU_ASSERT(is->device_refused + is->unasked >= FLOOD - LINES);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"flows are known before it", play_all},
		{"what is established lives, the flooding tunnel's own too", what_is_established_lives},
		{"handshakes of other tunnels outlive it", handshakes_of_other_tunnels_outlive_it},
		{"new flows of other tunnels get lines", new_flows_of_other_tunnels_get_lines},
		{"the members hear no more of it than the tables hold", the_members_hear_little_of_it},
		{"all of it is counted", all_of_it_is_counted},
	};
	int failed;

	scene_open_of(LINES);
	failed = unit_run("bpf flood", tests, sizeof(tests) / sizeof(tests[0]));
	scene_close();
	return failed;
}
