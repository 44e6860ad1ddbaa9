/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: what changed, when, and why, for `gwctl events`.
 *
 * A ring of the last EVENTS_KEPT of them. Main adds to it, with the time (nothing here reads a clock); whoever reads
 * keeps the number of the event that it wants next, as many readers as like, none of whom can hold an event back: one
 * that is too slow finds that the ring has gone on, and by how many events. The newest is heard of at once through the
 * one listener, ctl's server, which wakes its clients.
 *
 * An event has an object (what kind of thing), the thing's name, what became of it, and the cause in words. Objects and
 * events come from the one table below, which the log, JSON and the documentation use.
 */
#ifndef CTL_EVENTS_H
#define CTL_EVENTS_H

#include <stdint.h>
#include <time.h>

#include "base/log.h"

#define EVENTS_KEPT      1024
#define EVENT_NAME_SIZE  64
#define EVENT_CAUSE_SIZE 160

/* name, object, event, level in the log, words */
#define EVENTS(X)                                                                                            \
	X(TUNNEL_USABLE, "tunnel", "usable", INFO, "responses may leave there")                              \
	X(TUNNEL_NOT_USABLE, "tunnel", "not_usable", INFO, "responses leave by another way")                 \
	X(TUNNEL_DISABLED, "tunnel", "disabled", WARNING, "nothing is announced there; its flows go on")     \
	X(TUNNEL_ENABLED, "tunnel", "enabled", INFO, "it is in service again")                               \
	X(BFD_UP, "bfd", "up", INFO, "the neighbour of the tunnel, or the router, answers")                  \
	X(BFD_DOWN, "bfd", "down", INFO, "the neighbour of the tunnel, or the router, is silent")            \
	X(BGP_UP, "bgp", "up", INFO, "the session of the tunnel, or with the router, is established")        \
	X(BGP_DOWN, "bgp", "down", INFO, "the session of the tunnel, or with the router, is closed")         \
	X(LOOPBACK_ANNOUNCED, "loopback", "announced", INFO, "BIRD tells the neighbours of it")              \
	X(LOOPBACK_WITHDRAWN, "loopback", "withdrawn", WARNING, "no neighbour hears of it any more")         \
	X(PROBE_UP, "probe", "up", INFO, "what it asks for works")                                           \
	X(PROBE_DOWN, "probe", "down", WARNING, "what it asks for does not work")                            \
	X(UPLINK_LOST, "uplink", "lost", ERROR, "what the inside or a member sends there reaches nobody")    \
	X(UPLINK_BACK, "uplink", "back", INFO, "it is there and up again")                                   \
	X(MEMBER_ALIVE, "member", "alive", INFO, "another gateway of the array is heard")                    \
	X(MEMBER_SUSPECT, "member", "suspect", WARNING, "it is not heard; its flows are left alone")         \
	X(MEMBER_DEAD, "member", "dead", WARNING, "it is silent for long, on the relay path too")            \
	X(MEMBER_SERVES, "member", "serves", INFO, "it announces loopbacks")                                 \
	X(MEMBER_NOT_SERVING, "member", "not_serving", INFO, "it drains, stops or is not ready")             \
	X(MEMBER_CLOCK_APART, "member", "clock_apart", ERROR, "one refuses what the other tells")            \
	X(MEMBER_CLOCK_AGREES, "member", "clock_agrees", INFO, "its clock and ours agree again")             \
	X(ARRAY_READY, "array", "ready", INFO, "what the other gateways know of flows is known here")        \
	X(CHANGES_LOST, "array", "changes_lost", WARNING, "the members read our tables instead")             \
	X(GATEWAY_DRAINED, "gateway", "drained", WARNING, "it announces no loopback; its flows go on")       \
	X(GATEWAY_UNDRAINED, "gateway", "undrained", INFO, "it is in service again")                         \
	X(GATEWAY_ISOLATED, "gateway", "isolated", ERROR, "it hears no member; announced as leaving")        \
	X(GATEWAY_REJOINED, "gateway", "rejoined", INFO, "isolated no more; announced as ever")              \
	X(CLOCK_SET, "gateway", "clock_set", WARNING, "its clock was set by more than a second")             \
	X(EGRESS_IN, "egress", "link_in", INFO, "a link of the group carries traffic")                       \
	X(EGRESS_OUT, "egress", "link_out", WARNING, "a link of the group carries no new traffic")           \
	X(EGRESS_EMPTY, "egress", "empty", ERROR, "no link is in: what goes to its destinations is dropped") \
	X(EGRESS_UNEVEN, "egress", "uneven", WARNING, "its links carry other parts than their shares")       \
	X(EGRESS_EVEN, "egress", "even", INFO, "its links carry what their shares say again")                \
	X(BIRD_LOST, "bird", "lost", ERROR, "it ended or does not answer; it is started again")              \
	X(BIRD_BACK, "bird", "back", INFO, "it runs and answers")                                            \
	X(CHILD_ENDED, "child", "ended", ERROR, "a process of the gateway ended; it is started again")       \
	X(HEAL_FAILED, "gateway", "heal_failed", ERROR, "what is missing could not be made; tried again")    \
	X(HEALED, "gateway", "healed", INFO, "everything is as configured again")                            \
	X(CONFIG_APPLIED, "config", "applied", INFO, "another configuration is in force")                    \
	X(CONFIG_REFUSED, "config", "refused", ERROR, "the old configuration stays in force")                \
	X(CONFIG_UNDONE, "config", "undone", WARNING, "the configuration before is in force again")          \
	X(GATEWAY_STARTED, "gateway", "started", INFO, "the daemon runs")                                    \
	X(GATEWAY_LEAVING, "gateway", "leaving", INFO, "the daemon goes, traffic goes on")                   \
	X(GATEWAY_STOPPING, "gateway", "stopping", WARNING, "withdraws, then removes all that was made")     \
	X(DROPS_BEGAN, "drops", "began", WARNING, "packets are dropped for a reason not seen for a while")

enum event_kind {
#define X(name, object, event, level, words) EVENT_##name,
	EVENTS(X)
#undef X
		EVENT_KINDS
};

struct event_kind_row {
	const char *object, *event, *words;
	enum log_level level;
};
extern const struct event_kind_row event_kinds[EVENT_KINDS];

struct event {
	uint64_t number; /* 1, 2, …: given by events_add() */
	enum event_kind kind;
	struct timespec time; /* CLOCK_REALTIME */
	uint64_t monotonic_ms;
	char name[EVENT_NAME_SIZE];   /* empty: there is only one of its kind */
	char cause[EVENT_CAUSE_SIZE]; /* why, in words; a text longer than this is cut */
};

/* Zeroed is empty. */
struct events {
	struct event ring[EVENTS_KEPT];
	uint64_t last;                 /* the newest's number; 0: none yet */
	void (*heard)(void *heard_by); /* after each; may be NULL */
	void *heard_by;
};

/* Adds a copy under the next number, forgetting the oldest when the ring is full. */
void events_add(struct events *events, const struct event *event);
/*
 * The event of number *next, or the oldest that is remembered when that is gone already; *next then goes on behind it.
 * *lost says how many were gone. NULL: there is none yet.
 */
const struct event *events_next(const struct events *events, uint64_t *next, uint64_t *lost);

#define EVENT_TIME_SIZE 32
/* RFC 3339, UTC, to the millisecond. Writes EVENT_TIME_SIZE bytes, returns `text`. */
const char *event_time(const struct timespec *time, char *text);

#endif
