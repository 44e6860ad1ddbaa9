/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow and whose it is, for the tests of ownership (bpf/owner.h): what is known of it, what of the member that may have
 * it, packets of it from either side or in a relay, and what gwd is told.
 */
#ifndef TESTS_BPF_OWNED_H
#define TESTS_BPF_OWNED_H

#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>

#include "tests/bpf/envelope.h"
#include "tests/bpf/scene.h"

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

/* What gwd is told, by enum change_table, since listen_to_changes(), as of hear_changes(); and the last of it. */
extern unsigned told[2];
extern struct change last;

void listen_to_changes(void);
void hear_changes(void);

/* A request by tunnel 101, or by the one of scene_arrive_by(). */
struct outcome run_tunnel(const struct shape *shape, enum family family);
/* A response that our stack says. */
struct outcome run_return(const struct shape *shape, enum family family);
/* From gateway 2, in a relay that says `kind` and its tunnel. */
struct outcome run_relayed(const struct shape *shape, enum family family, enum relay_kind kind);

/* NULL: there is none, or several. */
struct line *only_flow(void);
struct line *only_device(void);

uint64_t realtime_ns(void);
/* By a minute. */
bool is_now(uint64_t stamp);
/* The members were asked so long ago, in the first round or in the second. */
bool was_asked(const struct line *line, uint32_t ms, bool again);

/* `drained`: how many gateways do not serve: the member, then we too. */
void array_with(int member, unsigned drained, enum family family);
/* Gives the packet's flow a line as `flow` says, by what makes one, and the device one beside it. */
void plant(const struct flow *flow, const struct shape *in, enum family family);
/* The flow of `in` is there, and relays are on. */
void begin(const struct flow *flow, const struct shape *in, enum family family);

static const struct flow established_ours = ESTABLISHED(1), established_theirs = ESTABLISHED(2);
static const struct shape segment = SEGMENT(.flags = ACK), datagram = DATAGRAM();

#endif
