/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health: which tunnels are usable, and which loopbacks are announced. A pure state machine: whoever hears something
 * reports it as an event, with the time; nobody outside sees a rule or a timer, and nothing here reads a clock.
 *
 * What a tunnel needs depends on what is configured for it:
 *
 *	not disabled              by an operator: it is usable until it has left
 *	link                      always
 *	BGP session established   when it has a `bgp` section
 *	BFD session up            when that has `bfd`
 *	a destination announced   when it is a link of an egress group that requires it: health_told() (health/announces.h)
 *	its probes                when there are any: health_probed() says what they decided (health/probe.h)
 *
 * It is usable while it has all it needs, and not a moment longer. One exception: BGP and BFD are known through
 * BIRD, and when BIRD dies nothing is known about the neighbours, whose data plane goes on. So the bits of that
 * moment are *frozen* (only a link that goes is believed) until BIRD is back; then each tunnel thaws as soon as it
 * has all it needs, and the rest when HEALTH_CONVERGE_MS are over, which is time for BGP to come back to a
 * neighbour that lives. A link that announced more than it does yet waits too. A daemon that starts on what an earlier one left knows as little, and begins with its bits
 * frozen: health_adopt().
 *
 * A loopback is announced while its probes allow it and nothing stands against announcing at all. Withdrawn, it goes on
 * serving its flows: nothing here is known to the data plane but the tunnels' bits.
 *
 * Main writes the changes into the BPF maps and the status. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/announcement.h"
#include "health/announces.h"
#include "model.h"

#define HEALTH_CONVERGE_MS 15000
#define HEALTH_LEAVING_MS  3000 /* for routers to choose another way, on and on to their own neighbours */

/* What a tunnel can need, in the order of which a missing one explains the next. */
enum health_need {
	HEALTH_ENABLED,
	HEALTH_LINK,
	HEALTH_BFD,
	HEALTH_BGP,
	HEALTH_ANNOUNCED,
	HEALTH_PROBES,
	HEALTH_NEEDS,
	HEALTH_NOTHING = HEALTH_NEEDS
};

struct health_tunnel {
	uint16_t tunnel;
	bool usable;
	enum health_need missing; /* the first thing it needs and has not; HEALTH_NOTHING: it is usable */
	uint64_t since_ms;        /* when `usable` changed last; the start when it never did */
	bool has[HEALTH_NEEDS];   /* what was reported last */
	bool frozen;
	enum announces
		heard; /* of its group's destinations, as told last; all of them, where none is required */
	enum announces announces; /* what counts: frozen with the bit; of no meaning while it is not usable */
	bool disabled;            /* by an operator; it has HEALTH_ENABLED for as long as it is leaving */
	uint64_t leave_ms;        /* when one that is leaving is silent; UINT64_MAX: it is not leaving */
};

struct health;

/* Every tunnel starts unusable, without a link; what has probes, as they had not succeeded. The model must outlive it. NULL: no memory. */
struct health *health_new(const struct model *model, uint64_t now_ms);
void health_free(struct health *health);

/*
 * The tunnel was usable when an earlier daemon went. Before anything is reported: its link and its probes are believed until
 * they are reported, and its bit is frozen as if BIRD had been lost, until health_bird_back(). health_next_change() tells
 * only what differs from that.
 */
void health_adopt(struct health *health, uint16_t tunnel);

/*
 * Another model comes into force: what `old` knows of the tunnels that stay (same number, same name) and of the loopbacks
 * (an address in common) goes over, and is judged by the new rules. What the new one has not been told to do yet, or should not be
 * told twice, goes over too: health_next_change() goes on where the old one was. Before anything is reported to `health`; may be
 * repeated, for what became of the old one meanwhile.
 */
void health_carry(struct health *health, const struct health *old, uint64_t now_ms);

/* "link gone", "BFD down", "BGP down", "a probe is down", "all well" …: why it is usable or not. */
const char *health_cause(const struct health_tunnel *tunnel);

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/*
 * The link is there, BFD is up, BGP is established; or it is not. May be repeated. Nothing happens when the model
 * has no such tunnel.
 */
void health_report(
	struct health *health, uint16_t tunnel, enum health_need need, bool fulfilled, uint64_t now_ms);
/*
 * What neighbours announce, all of it: with it, links have HEALTH_ANNOUNCED or not. What BIRD says before its sessions are back
 * is believed as little as the rest.
 */
void health_told(struct health *health, const struct told_route *routes, size_t count, uint64_t now_ms);
/* The loopback's probes, all of them, allow it to be announced; or one forbids it. Its place is that in the model. */
void health_probed(struct health *health, size_t loopback, bool allowed);
/* BIRD ended, or does not answer; and: it answers again. Both may be repeated. */
void health_bird_lost(struct health *health, uint64_t now_ms);
void health_bird_back(struct health *health, uint64_t now_ms);
/* Time has passed: to be called at health_deadline(), earlier does no harm. */
void health_tick(struct health *health, uint64_t now_ms);
/* UINT64_MAX: nothing waits for time. */
uint64_t health_deadline(const struct health *health);

/*
 * An operator takes the gateway out of service: what is announced is leaving for HEALTH_LEAVING_MS, then withdrawn. Or
 * back in: it is announced again at once. May be repeated. One that starts drained has nothing to leave: `at_once`.
 */
void health_drain(struct health *health, bool drained, bool at_once, uint64_t now_ms);
/*
 * An operator takes one tunnel out of service: what is announced there is leaving for HEALTH_LEAVING_MS, while responses
 * still leave there; then nothing is announced there, and it is not usable. Or back in, at once. May be repeated. One that
 * starts disabled, or by which nothing comes anyway, has nothing to leave. Nothing happens when the model has no such tunnel.
 */
void health_disable(struct health *health, uint16_t tunnel, bool disabled, bool at_once, uint64_t now_ms);
/* Whether our tables hold what the array knows, so that we may be asked; it is so unless said. */
void health_array_ready(struct health *health, bool ready);
/*
 * We seem to be cut off from the array. What is announced is announced as leaving for as long as that lasts, and not
 * withdrawn: a gateway that lives takes the traffic over, and where there is none it stays here.
 */
void health_isolated(struct health *health, bool isolated);

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* One row a tunnel, in the model's order. */
const struct health_tunnel *health_tunnels(const struct health *health);

/*
 * The next tunnel whose bit has changed since it was last asked for; false: no more. To be called after every
 * event. A bit that changed twice meanwhile is told once, as it is now, or not at all when it is as it was.
 */
bool health_next_change(struct health *health, struct health_tunnel *change);

/*
 * The announced set, in the model's order of loopbacks. All are announced unless something stands against it: all are
 * withdrawn, the gateway is drained, the array is not ready; or against this one: a probe.
 */
const bool *health_announced(const struct health *health);
/* The same, and by which tunnels; it points to what `health` holds. */
struct announcement health_announcement(const struct health *health);
/* What is announced is announced as about to leave (RFC 8326), so that routers look for another way. */
bool health_is_leaving(const struct health *health);
/* True once after the announced set, or that it is leaving, has changed since it was last asked. */
bool health_next_announcement(struct health *health);
/* A probe keeps it back, if nothing else does. */
bool health_is_forbidden(const struct health *health, size_t loopback);
/*
 * It announces and does not drain: members leave it what is its own. One whose probes forbid every loopback does not serve:
 * where an application is dead, those who ask it by UDP are better served elsewhere.
 */
bool health_is_serving(const struct health *health);
/* Why nothing is announced: "the gateway is drained"; NULL: nothing stands against it. */
const char *health_obstacle(const struct health *health);

/* For good. */
void health_withdraw_all(struct health *health);

#endif
