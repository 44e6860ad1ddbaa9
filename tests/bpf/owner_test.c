// SPDX-License-Identifier: Apache-2.0
/*
 * Whose flow is it, and what becomes of its requests? A table of decisions: what is known of the flow, what of the
 * member that may have it, the packet; then the verdict, what is known of the flow afterwards, and whether gwd is told.
 * Behind it what a table cannot say in one step: stamps, fragments, errors, flows that we open, a full ring.
 */
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/bpf/envelope.h"
#include "tests/bpf/scene_test.h"

/* Packets start from a usual one and say what is different about theirs. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define SLICE_FIRST   20000
#define SLICE         1000
#define OUR_PORT      20007 /* in our slice */
#define THEIR_PORT    21007 /* in gateway 2's */
#define NOT_MEMBER    3
#define WITHOUT_RELAY MEMBER_STATES       /* in a member's state's place: relaying is off */
#define NEVER_HEARD   (MEMBER_STATES + 1) /* there too: suspect, and it was never anything else */

enum { PASSED = -1, DROPPED = 2, SENT = 7 };

/*
 * BPF_PROG_TEST_RUN takes what comes out of a tunnel for Ethernet, so the kernel finds no place for outer headers: that
 * the packet was to be relayed is all that can be seen here. The lab sees it arrive.
 */
#define RELAYED REASON_relay_unreachable

/* ---- What gwd is told -------------------------------------------------------------------------------------------- */

static struct ring_buffer *ring;
static unsigned told[2]; /* by enum change_table, since listen_to_changes() */
static struct change last;

static int hear(void *context, void *data, size_t size)
{
	(void)context;
	CU_ASSERT_EQUAL_FATAL(size, sizeof(last));
	memcpy(&last, data, sizeof(last));
	CU_ASSERT_FATAL(last.table == CHANGE_FLOW || last.table == CHANGE_DEVICE);
	told[last.table]++;
	return 0;
}

static void listen_to_changes(void)
{
	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(scene.gateway->maps.changes), hear, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	ring_buffer__consume(ring);
	memset(told, 0, sizeof(told));
}

/* ---- Packets ----------------------------------------------------------------------------------------------------- */

#define FROM_DEVICE .from = DEVICE, .to = LOOPBACK, .from_port = 40000
#define SEGMENT(...)                                                                          \
	{                                                                                     \
		.kind = TCP, FROM_DEVICE, .to_port = 7547, .acknowledgement = 99, __VA_ARGS__ \
	}
#define DATAGRAM(...)                                                                 \
	{                                                                             \
		.kind = UDP, FROM_DEVICE, .to_port = 5060, .payload = 30, __VA_ARGS__ \
	}
#define PING                                                    \
	{                                                       \
		.kind = ECHO_REQUEST, FROM_DEVICE, .payload = 8 \
	}
#define PONG                                                  \
	{                                                     \
		.kind = ECHO_REPLY, FROM_DEVICE, .payload = 8 \
	}

static struct outcome run_tunnel(const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];

	return scene_run(
		scene.gateway->progs.tunnel_ingress, packet, packet_build(shape, family, false, packet), 0);
}

static struct outcome run_return(const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];

	return scene_run(
		scene.gateway->progs.return_egress, packet, packet_build(shape, family, true, packet), 0);
}

/* From gateway 2, in a relay that says `kind` and its tunnel. */
static struct outcome run_relayed(const struct shape *shape, enum family family, enum relay_kind kind)
{
	struct envelope envelope = envelope_from_member(family, kind, 103);
	uint8_t inner[PACKET_MAX], packet[PACKET_MAX];
	size_t length = packet_build(shape, family, false, inner);

	envelope.tunnel = kind == RELAY_RESPONSE ? 101 : 103;
	length = envelope_build(&envelope, inner, length, packet);
	return scene_run(scene.gateway->progs.uplink_ingress, packet, length, 0);
}

static struct line *only_flow(void)
{
	unsigned count;
	struct line *line = scene_line(scene.flows, &count);

	return count == 1 ? line : NULL;
}

static struct line *only_device(void)
{
	unsigned count;
	struct line *line = scene_line(scene.devices, &count);

	return count == 1 ? line : NULL;
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static bool is_now(uint64_t stamp)
{
	uint64_t now = realtime_ns(), minute = 60 * 1000000000ULL;

	return stamp > now - minute && stamp < now + minute;
}

/* `drained`: how many gateways do not serve: the member, then we too. */
static void array_with(int member, unsigned drained, enum family family)
{
	uint32_t number = SCENE_MEMBER, ours = SCENE_GATEWAY;
	struct member_entry entry;
	int fd = bpf_map__fd(scene.gateway->maps.members);

	scene_relay(RELAY_AUTHENTICATED, family);
	scene.settings.ports_first = SLICE_FIRST;
	scene.settings.ports_slice = SLICE;
	if (member == WITHOUT_RELAY)
		scene.settings.relay = RELAY_OFF;
	scene_settings();
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(fd, &number, &entry), 0);
	entry.state = member == WITHOUT_RELAY ? MEMBER_ALIVE
		      : member == NEVER_HEARD ? MEMBER_SUSPECT
					      : member;
	entry.heard = member != NEVER_HEARD;
	entry.serving = drained == 0;
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(fd, &number, &entry, 0), 0);
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(fd, &ours, &entry), 0);
	entry.serving = drained < 2;
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(fd, &ours, &entry, 0), 0);
}

/* ---- Decisions --------------------------------------------------------------------------------------------------- */

/* Of a flow: its line's state, owner, way home. state 0: it has no line. */
struct flow {
	enum line_state state;
	uint8_t owner, gateway;
	uint16_t tunnel;
	uint32_t asked_ms; /* owner 0: so long ago */
	bool again;        /* in the second round */
};

#define NO_LINE   \
	{         \
		0 \
	}
#define LINE(state, ...)                  \
	{                                 \
		LINE_##state, __VA_ARGS__ \
	}
#define HALF_OPEN(owner)                         \
	{                                        \
		LINE_HALF_OPEN, owner, 1, 101, 0 \
	}
#define ESTABLISHED(owner)                         \
	{                                          \
		LINE_ESTABLISHED, owner, 1, 101, 0 \
	}
#define CLOSING(owner)                         \
	{                                      \
		LINE_CLOSING, owner, 1, 101, 0 \
	}
#define ASKED(ms)                             \
	{                                     \
		LINE_HALF_OPEN, 0, 1, 101, ms \
	}
#define ASKED_AGAIN(ms)                             \
	{                                           \
		LINE_HALF_OPEN, 0, 1, 101, ms, true \
	}
#define BY_THEM(state)                     \
	{                                  \
		LINE_##state, 2, 2, 103, 0 \
	} /* theirs, and last seen there */
#define OURS   PASSED, REASON_passed_request
#define THEIRS DROPPED, RELAYED
#define ASKS   DROPPED, REASON_asked_members

struct decision {
	const char *shows;
	struct flow before;
	int member;      /* gateway 2's state */
	unsigned drains; /* how many do not serve: it, then we too */
	struct shape in; /* by tunnel 101 */
	int verdict;
	enum reason reason;
	struct flow after;
	bool told; /* of the flow */
};

static const struct decision decisions[] = {
	/* The first packet of a flow. */
	{"a SYN makes us the owner", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = SYN), OURS, HALF_OPEN(1),
		false},
	{"so does UDP", NO_LINE, MEMBER_ALIVE, false, DATAGRAM(), OURS, HALF_OPEN(1), false},
	{"and a ping", NO_LINE, MEMBER_ALIVE, false, PING, OURS, HALF_OPEN(1), false},
	{"UDP to our slice is ours", NO_LINE, MEMBER_ALIVE, false, DATAGRAM(.to_port = OUR_PORT), OURS,
		HALF_OPEN(1), false},
	{"UDP to a member's slice is the member's", NO_LINE, MEMBER_ALIVE, false,
		DATAGRAM(.to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"although it does not serve", NO_LINE, MEMBER_ALIVE, true, DATAGRAM(.to_port = THEIR_PORT), THEIRS,
		HALF_OPEN(2), false},
	{"or is suspect", NO_LINE, MEMBER_SUSPECT, false, DATAGRAM(.to_port = THEIR_PORT), THEIRS,
		HALF_OPEN(2), false},
	{"unless it is dead", NO_LINE, MEMBER_DEAD, false, DATAGRAM(.to_port = THEIR_PORT), OURS,
		HALF_OPEN(1), false},
	{"or was never heard", NO_LINE, NEVER_HEARD, false, DATAGRAM(.to_port = THEIR_PORT), OURS,
		HALF_OPEN(1), false},
	{"a SYN to a member's slice is the member's", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"if it is known to live", NO_LINE, MEMBER_SUSPECT, false,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), OURS, HALF_OPEN(1), false},
	{"the answer to its SYN too", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"while it is suspect too", NO_LINE, MEMBER_SUSPECT, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"but is asked for where it was never heard", NO_LINE, NEVER_HEARD, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), ASKS, ASKED(0), false},

	/* What goes on without a line. */
	{"a segment of an unknown flow: members are asked", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), ASKS, ASKED(0), false},
	{"a suspect one too", NO_LINE, MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), ASKS, ASKED(0), false},
	{"a dead one is not", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS, HALF_OPEN(1), false},
	{"where nobody relays nobody is", NO_LINE, WITHOUT_RELAY, false, SEGMENT(.flags = ACK), OURS,
		HALF_OPEN(1), false},
	{"a FIN of an unknown flow too", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), ASKS,
		ASKED(0), false},
	{"with nobody to ask it leaves no line", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = FIN | ACK),
		OURS, NO_LINE, false},
	{"a RST of one is asked for, and leaves none", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = RST),
		ASKS, NO_LINE, false},
	{"to the stack when all are dead", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = RST), OURS, NO_LINE,
		false},
	{"an unknown echo reply is asked for", NO_LINE, MEMBER_ALIVE, false, PONG, ASKS, ASKED(0), false},
	{"with nobody to ask it is ours", NO_LINE, MEMBER_DEAD, false, PONG, OURS, HALF_OPEN(1), false},

	/* Asked a while ago. */
	{"nobody has answered yet: asked again", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), ASKS,
		ASKED(100), false},
	{"nor in the first round, which may have been lost", ASKED(900), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), ASKS, ASKED_AGAIN(0), false},
	{"nor in the second yet", ASKED_AGAIN(100), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), ASKS,
		ASKED_AGAIN(100), false},
	{"nobody has it: ours, to be reset", ASKED_AGAIN(900), MEMBER_ALIVE, false, SEGMENT(.flags = ACK),
		OURS, HALF_OPEN(1), false},
	{"a FIN too, to be told that there is nothing to end", ASKED_AGAIN(900), MEMBER_ALIVE, false,
		SEGMENT(.flags = FIN | ACK), OURS, CLOSING(1), true},
	{"a RST calls for nothing", ASKED_AGAIN(900), MEMBER_ALIVE, false, SEGMENT(.flags = RST), ASKS,
		ASKED_AGAIN(900), false},
	{"a suspect member may have it: begun anew", ASKED(900), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK),
		ASKS, ASKED(0), false},
	{"from the second round too", ASKED_AGAIN(900), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), ASKS,
		ASKED(0), false},
	{"until it is dead", ASKED(100), MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS, HALF_OPEN(1),
		false},
	{"a SYN meanwhile makes us the owner", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = SYN), OURS,
		HALF_OPEN(1), false},
	{"a FIN meanwhile does not", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), ASKS,
		ASKED(100), false},
	{"an echo reply is asked for again and again", ASKED(900), MEMBER_ALIVE, false, PONG, ASKS,
		ASKED(900), false},
	{"a ping of that id makes us the owner", ASKED(100), MEMBER_ALIVE, false, PING, OURS, HALF_OPEN(1),
		false},

	/* Flows of ours. */
	{"our flow is ours", ESTABLISHED(1), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), OURS, ESTABLISHED(1),
		false},
	{"it moved to another tunnel: told", LINE(ESTABLISHED, 1, 1, 102, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"or came back from a member", LINE(ESTABLISHED, 1, 2, 103, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"half-open flows are nobody's business", LINE(HALF_OPEN, 1, 1, 102, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN), OURS, HALF_OPEN(1), false},
	{"its end is told", ESTABLISHED(1), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), OURS,
		CLOSING(1), true},
	{"not without relays", ESTABLISHED(1), WITHOUT_RELAY, false, SEGMENT(.flags = FIN | ACK), OURS,
		CLOSING(1), false},

	/* Flows of a member. */
	{"a member's connection: relayed, and told that it moved here", BY_THEM(ESTABLISHED), MEMBER_ALIVE,
		false, SEGMENT(.flags = ACK), THEIRS, ESTABLISHED(2), true},
	{"told once", ESTABLISHED(2), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), THEIRS, ESTABLISHED(2),
		false},
	{"while it is suspect too", ESTABLISHED(2), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), THEIRS,
		ESTABLISHED(2), false},
	{"and while it drains", ESTABLISHED(2), MEMBER_ALIVE, true, SEGMENT(.flags = ACK), THEIRS,
		ESTABLISHED(2), false},
	{"dead: ours, to be reset, and told", ESTABLISHED(2), MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS,
		ESTABLISHED(1), true},
	{"a half-open one is relayed", BY_THEM(HALF_OPEN), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), THEIRS,
		HALF_OPEN(2), false},
	{"a SYN of a living connection is the owner's to answer", ESTABLISHED(2), MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN), THEIRS, ESTABLISHED(2), false},
	{"a SYN behind the end of one too, which the owner alone can know of", BY_THEM(CLOSING), MEMBER_ALIVE,
		false, SEGMENT(.flags = SYN), THEIRS, HALF_OPEN(2), false},
	{"it is a new flow, ours, when the owner does not serve", BY_THEM(CLOSING), MEMBER_ALIVE, 1,
		SEGMENT(.flags = SYN), OURS, HALF_OPEN(1), false},
	{"unless we do not either", BY_THEM(CLOSING), MEMBER_ALIVE, 2, SEGMENT(.flags = SYN), THEIRS,
		HALF_OPEN(2), false},
	{"or it is to the owner's slice", BY_THEM(CLOSING), MEMBER_ALIVE, 1,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"and when the owner is dead", BY_THEM(CLOSING), MEMBER_DEAD, false, SEGMENT(.flags = SYN), OURS,
		HALF_OPEN(1), false},
	{"a FIN is relayed, and told", ESTABLISHED(2), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK),
		THEIRS, CLOSING(2), true},
	{"UDP is relayed", ESTABLISHED(2), MEMBER_ALIVE, false, DATAGRAM(), THEIRS, ESTABLISHED(2), false},
	{"to a suspect member too", ESTABLISHED(2), MEMBER_SUSPECT, false, DATAGRAM(), THEIRS, ESTABLISHED(2),
		false},
	{"UDP lapses when the owner does not serve", ESTABLISHED(2), MEMBER_ALIVE, true, DATAGRAM(), OURS,
		ESTABLISHED(1), true},
	{"and we do", ESTABLISHED(2), MEMBER_ALIVE, 2, DATAGRAM(), THEIRS, ESTABLISHED(2), false},
	{"and when it is dead", ESTABLISHED(2), MEMBER_DEAD, 2, DATAGRAM(), OURS, ESTABLISHED(1), true},
	{"but not what answers the owner", ESTABLISHED(2), MEMBER_ALIVE, true,
		DATAGRAM(.to_port = THEIR_PORT), THEIRS, ESTABLISHED(2), false},
	{"a ping lapses", ESTABLISHED(2), MEMBER_ALIVE, true, PING, OURS, ESTABLISHED(1), true},
	{"its answer does not", ESTABLISHED(2), MEMBER_ALIVE, true, PONG, THEIRS, ESTABLISHED(2), false},
	{"a gateway that is no member owns nothing", ESTABLISHED(NOT_MEMBER), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"nor anybody where nobody relays", ESTABLISHED(2), WITHOUT_RELAY, false, SEGMENT(.flags = ACK), OURS,
		ESTABLISHED(1), false},
};

/* Gives the packet's flow a line as `flow` says, by what makes one, and the device one beside it. */
static void plant(const struct flow *flow, const struct shape *in, enum family family)
{
	struct shape first = *in;
	struct line *line;

	if (first.kind == TCP)
		first.flags = SYN;
	CU_ASSERT_EQUAL_FATAL(run_tunnel(&first, family).verdict, PASSED);
	line = only_flow();
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	if (!flow->state) {
		memset(line, 0, sizeof(*line));
		return;
	}
	line->tag = TAG(TAG_HASH(line->tag), flow->state);
	line->home = HOME(scene_now_ms(), flow->tunnel, flow->gateway, flow->owner);
	line->stamp = STAMP_TIMES;
	if (!flow->owner)
		line->stamp = flow->again ? STAMP_ASKED_AGAIN(scene_now_ms() - flow->asked_ms)
					  : STAMP_ASKED(scene_now_ms() - flow->asked_ms);
}

/* The time in it is when the round began, whatever came since. */
static bool was_asked(const struct line *line, uint32_t ms, bool again)
{
	uint32_t ago = scene_now_ms() - (uint32_t)line->stamp;
	uint64_t round = again ? STAMP_ASKED_AGAIN(0) : STAMP_ASKED(0);

	return line->stamp >> 32 == round >> 32 && ago >= ms && ago < ms + 400;
}

static const char *wrong_stamp(const struct decision *decision, const struct line *line)
{
	const struct flow *before = &decision->before, *after = &decision->after;
	bool unproved = before->state == LINE_HALF_OPEN && before->owner && decision->in.kind == TCP;

	if (after->state == LINE_HALF_OPEN && !after->owner)
		return was_asked(line, after->asked_ms, after->again) ? NULL : "when it was asked";
	if (unproved || (before->state && !memcmp(before, after, sizeof(struct flow))))
		return line->stamp == STAMP_TIMES ? NULL : "a stamp that nothing changed";
	return is_now(line->stamp) ? NULL : "the stamp of the change";
}

static const char *wrong_line(const struct decision *decision)
{
	const struct flow *after = &decision->after;
	const struct line *line = only_flow();

	if (!after->state)
		return line ? "there is a line" : NULL;
	if (!line)
		return "there is no line";
	if (TAG_STATE(line->tag) != after->state)
		return "the line's state";
	if (HOME_OWNER(line->home) != after->owner)
		return "the owner";
	if (HOME_GATEWAY(line->home) != after->gateway || HOME_TUNNEL(line->home) != after->tunnel)
		return "the way home";
	return wrong_stamp(decision, line);
}

/* What is wrong, or NULL. */
static const char *decide(const struct decision *decision, enum family family)
{
	struct outcome outcome;
	uint64_t counted;

	scene_reset();
	plant(&decision->before, &decision->in, family);
	array_with(decision->member, decision->drains, family);
	listen_to_changes();
	counted = scene_count(decision->reason);
	outcome = run_tunnel(&decision->in, family);
	ring_buffer__consume(ring);
	if (outcome.verdict != decision->verdict)
		return "the verdict";
	if (outcome.reason != decision->reason || scene_count(decision->reason) != counted + 1)
		return "the reason";
	if (told[CHANGE_FLOW] != decision->told)
		return decision->told ? "gwd was not told, or twice" : "gwd was told";
	if (decision->told && &scene.flows[last.line] != only_flow())
		return "gwd was told of another line";
	return wrong_line(decision);
}

static void a_request_goes_to_its_flows_owner(void)
{
	unsigned failed = 0;

	for (enum family family = V4; family <= V6; family += 2)
		for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
			const char *wrong = decide(&decisions[i], family);

			if (wrong)
				printf("     v%d: %s: %s\n", family, decisions[i].shows, wrong);
			failed += wrong != NULL;
		}
	CU_ASSERT_EQUAL(failed, 0);
}

/* ---- Stamps ------------------------------------------------------------------------------------------------------ */

static const struct flow established_ours = ESTABLISHED(1), established_theirs = ESTABLISHED(2);
static const struct shape segment = SEGMENT(.flags = ACK), datagram = DATAGRAM();

/* The flow of `in` is there, and relays are on. */
static void begin(const struct flow *flow, const struct shape *in, enum family family)
{
	scene_reset();
	plant(flow, in, family);
	array_with(MEMBER_ALIVE, false, family);
	listen_to_changes();
}

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
		ring_buffer__consume(ring);
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);
		CU_ASSERT(&scene.devices[last.line] == only_device() && is_now(only_device()->stamp));
		run_tunnel(&datagram, family);
		ring_buffer__consume(ring);
		CU_ASSERT_EQUAL(told[CHANGE_DEVICE], 1);
		scene_arrive_by(102);
		run_tunnel(&datagram, family);
		ring_buffer__consume(ring);
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
			ring_buffer__consume(ring);
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
			ring_buffer__consume(ring);
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
		ring_buffer__consume(ring);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_ESTABLISHED);
		CU_ASSERT_EQUAL(HOME_TUNNEL(only_flow()->home), 101);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT(is_now(only_flow()->stamp));
	}
}

/* ---- What members relay ------------------------------------------------------------------------------------------ */

static void a_relayed_request_teaches_its_way_and_is_told(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		begin(&established_ours, &segment, family);
		CU_ASSERT_EQUAL(run_relayed(&segment, family, RELAY_REQUEST).reason, REASON_passed_relay);
		ring_buffer__consume(ring);
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
		ring_buffer__consume(ring);
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
		ring_buffer__consume(ring);
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
		ring_buffer__consume(ring);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 1);
		CU_ASSERT_EQUAL(run_tunnel(&answer, family).reason, REASON_passed_request);

		begin(&(struct flow)ASKED(100), &segment, family);
		CU_ASSERT_EQUAL(run_return(&our_answer, family).verdict, SENT);
		CU_ASSERT_EQUAL(HOME_OWNER(only_flow()->home), SCENE_GATEWAY);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_CLOSING);
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
		ring_buffer__consume(ring);
		CU_ASSERT_EQUAL(told[CHANGE_FLOW], 0);
		CU_ASSERT_EQUAL(TAG_STATE(only_flow()->tag), LINE_HALF_OPEN);
		CU_ASSERT(was_asked(only_flow(), 100, false));
		CU_ASSERT_EQUAL(run_tunnel(&segment, family).reason, REASON_asked_members);
	}
}

SCENE_TESTS("bpf owner", {"a request goes to its flow's owner", a_request_goes_to_its_flows_owner},
	{"a stamp never goes back", a_stamp_never_goes_back},
	{"a device is told when it is new or moves", a_device_is_told_when_it_is_new_or_moves},
	{"a device's owner is its newest flow's", a_devices_owner_is_its_newest_flows},
	{"a change that the ring does not hold is counted", a_change_that_the_ring_does_not_hold_is_counted},
	{"fragments follow the first", fragments_follow_the_first},
	{"an error goes to the owner of what it quotes", an_error_goes_to_the_owner_of_what_it_quotes},
	{"an error about a later fragment goes by its device",
		an_error_about_a_later_fragment_goes_by_its_device},
	{"an error about what a member opened goes to the member",
		an_error_about_what_a_member_opened_goes_to_the_member},
	{"what we open is ours and told", what_we_open_is_ours_and_told},
	{"what opens nothing gets no line", what_opens_nothing_gets_no_line},
	{"the device's SYN-ACK establishes what we opened", the_devices_syn_ack_establishes_what_we_opened},
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
