/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication inside the daemon: the array's core (array/array.h) decides, this carries out.
 *
 *	keys.c       the key file
 *	join.c       its life: another configuration, other maps
 *	replicate.c  datagrams, changes and time go in, datagrams come out
 *	members.c    what the core says of members: into maps, status and events
 *	lines.c      between the tables' lines and the core's records
 *
 * While gwd is away the members' states stand still in the maps, relays go on, and changes wait in the ring buffer. The
 * others hear nothing of us then but relays, and that our kernel refuses their datagrams: so they suspect us and no more,
 * as long as the guard would wait for a gwd that comes back.
 */
#ifndef REPLICATE_H
#define REPLICATE_H

#include "apply/bpf_changes.h"
#include "array/array.h"
#include "channel.h"
#include "daemon.h"
#include "lines.h"

#define CHANGES_AT_ONCE 512

/* What a member told of itself last: another configuration of ours may read it differently. */
struct told {
	struct array_tunnel *tunnels;
	size_t tunnel_count;
	bool left_out;       /* not all of them are in the maps */
	uint64_t refused_ms; /* when its kernel last refused a datagram; 0: never */
	bool apart;          /* its clock and ours */
	uint64_t unkept;     /* records for which our tables had no line */
};

struct replication {
	struct daemon *daemon;
	struct array_core *core;
	struct channel *channel;
	struct address own; /* what the channel is bound to */
	struct bpf_changes *changes;
	struct change pending[CHANGES_AT_ONCE]; /* read and not yet looked at */
	size_t pending_count;
	uint64_t lost;           /* changes, as last seen */
	uint64_t lines;          /* of our tables, as the core knows */
	bool waits;              /* nothing is announced before the core is ready */
	int64_t clock_offset_ns; /* the programs' clock; 0: not known yet */
	bool isolated;           /* as last told */
	sd_event_source *channel_source, *changes_source, *changes_timer, *timer;
	struct told told[GATEWAY_NUMBERS];
};

/* ---- replicate.c, for join.c ---------------------------------------------------------------------------------------- */

struct array_time replicate_now(void);
struct lines replicate_lines(const struct replication *replication);
struct array_effects replicate_effects(struct replication *replication);
/* The clock that the programs stamp by, as it is now. */
void replicate_keep_clock(struct daemon *daemon);
/* Nothing keeps us from announcing any more. */
void replicate_wait_no_longer(struct daemon *daemon);
/* Changes that found no room in the ring since we looked last: the members are to read our tables. */
void replicate_look_for_losses(struct replication *replication);

/* Handlers of its sources, and of the ring. */
int replicate_hear_channel(sd_event_source *source, int fd, uint32_t events, void *userdata);
int replicate_hear_changes(sd_event_source *source, int fd, uint32_t events, void *userdata);
int replicate_look_for_changes(sd_event_source *source, uint64_t usec, void *userdata);
void replicate_keep_change(void *self, const struct change *change);

/* ---- keys.c ------------------------------------------------------------------------------------------------------- */

/* What the model's key file holds; no keys when it names none. The caller forgets them. */
int keys_read(const struct model *model, struct array_keys *keys, struct error *error);
/* Relays go by these from now on, and come by them. */
int keys_vouch(const struct daemon *daemon, const struct array_keys *keys, struct error *error);

/* ---- members.c ---------------------------------------------------------------------------------------------------- */

/* Effects of the core. */
void members_changed(void *self, uint8_t member, enum member_state state, bool serving);
void members_tunnels_changed(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count);
uint64_t members_relay_silent_ms(void *self, uint8_t member);
void members_clock_changed(void *self, uint8_t member, int16_t slots);

/* The machine of this address is there, though its gwd is not. */
void members_refused(struct replication *replication, const struct address *address);
/* Another model is in force: whoever is a member in it still is seen by its providers. */
void members_follow(struct replication *replication);
/* The maps may have been filled anew: what members told of themselves stands in them again. */
void members_enter(struct replication *replication);
/* Tells of clocks that are too far apart, and agree again. */
void members_judge_clocks(struct replication *replication);
/* Counters into the status. */
void members_refresh(struct replication *replication);
void members_forget(struct replication *replication);

#endif
