/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array: how the gateways that own the same loopbacks know each other's flows, mode `broadcast`.
 *
 * This is the whole of the protocol and none of its I/O. Datagrams and the time come in by functions, what is to be
 * done goes out by the callbacks of `struct array_effects`; nothing here reads a clock, a socket or a table. What stands
 * on the wire is in homeward-replication(7). A file for each of its parts:
 *
 *	keys.c       the key file's text, and what is derived from a key
 *	seal.c       datagrams are sealed and opened; a window refuses what came before
 *	session.c    a challenge in both directions, so that a recording is worth nothing after either side's restart
 *	stream.c     our changes in numbered batches, the same to all; theirs, and asking again for what is missing
 *	snapshot.c   a walk of another's table, pulled in pieces by the one who needs it
 *	refresh.c    what is used and long known is told again before it expires elsewhere
 *	inventory.c  which tunnels a gateway has
 *	members.c    heartbeats; who is alive, suspect or dead
 *	silence.c    whether it is we whom nobody hears
 *	record.c     how a record stands on the wire
 *	core.c       puts them together
 *
 * Three thoughts carry it. *The newest stamp wins* wherever a record is merged, so records may come twice, late and in
 * any order, and every repair is nothing but sending a record again. *Who lacks something asks for it*: a sender keeps
 * its last batches and no account of who has what; a walk's state is kept by the one who reads. *Numbers tell what is
 * lacking*: batches are numbered, and each heartbeat carries the newest number, that of our walks (one that others
 * should read, since a change was lost to us), and that of the inventory. So whatever is lost is noticed a
 * heartbeat later at the latest.
 *
 * All calls but array_status() may call effects, and array_receive() is not to be called from one. After each call the
 * caller asks array_deadline() again. Everything that is kept is bounded by the count of members.
 */
#ifndef ARRAY_ARRAY_H
#define ARRAY_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "bpf/abi.h"

#define ARRAY_PORT         6082 /* UDP, on both sides */
#define ARRAY_DATAGRAM_MAX 1200 /* bytes of UDP payload: fits wherever IPv6 does */

#define ARRAY_HEARTBEAT_MS  100
#define ARRAY_SUSPECT_MS    500   /* five heartbeats are missing */
#define ARRAY_DEAD_MS       3000  /* silent so long, on the relay path too */
#define ARRAY_DOUBT_MS      30000 /* the same where the silence may be our own doing */
#define ARRAY_FLUSH_MS      1     /* how long a change waits for others to go with it */
#define ARRAY_WAIT_MS       3000  /* how long a newcomer waits for members that it does not hear … */
#define ARRAY_WAIT_MOST_MS  30000 /* … and for a snapshot that does not come to its end */
#define ARRAY_AHEAD_MOST_MS 10000 /* a stamp further ahead of our clock is refused */

#define ARRAY_TUNNELS_MAX  1024 /* of one gateway */
#define ARRAY_NAME_MAX     63   /* of a provider */
#define ARRAY_LAG_UNKNOWN  UINT32_MAX
#define ARRAY_RELAY_SILENT UINT64_MAX

/* The two clocks, read by the caller when something happened. */
struct array_time {
	uint64_t ms;      /* CLOCK_MONOTONIC: timers */
	uint64_t wall_ns; /* CLOCK_REALTIME: stamps, lag, skew */
};

/* What there is to know of a flow, or of a device (its key has no protocol). */
struct array_record {
	struct line_key key;
	uint8_t state;   /* LINE_ESTABLISHED or LINE_CLOSING */
	uint8_t gateway; /* of the way home; never 0 */
	uint8_t owner;
	uint16_t tunnel;
	uint32_t idle_ms; /* since it was last used, when the record was made */
	uint64_t stamp;   /* of the line: the newest wins, then the higher gateway */
};

/* ---- Keys -------------------------------------------------------------------------------------------------------- */

#define ARRAY_KEY_SIZE       32
#define ARRAY_RELAY_KEY_SIZE 16
#define ARRAY_KEYS_MAX       2

/* The first one seals what we send; what comes may be sealed by either. */
struct array_keys {
	struct array_key {
		uint8_t id; /* 1..255 */
		uint8_t bytes[ARRAY_KEY_SIZE];
	} keys[ARRAY_KEYS_MAX];
	size_t count;
};

/*
 * The text of a key file: one or two lines "ID KEY", KEY in base64; empty lines and lines that begin with # are passed
 * over. -EINVAL with words, which tell the line and never what stands in it. The caller wipes the text.
 */
int array_keys_parse(const char *text, struct array_keys *keys, struct error *error);
void array_keys_forget(struct array_keys *keys);

/* What vouches for relays: SipHash's key, as its two little-endian words. */
void array_relay_key(const struct array_key *key, uint8_t relay_key[ARRAY_RELAY_KEY_SIZE]);

/* ---- The core ------------------------------------------------------------------------------------------------------ */

/* One of a gateway's tunnels, as its members see it. */
struct array_tunnel {
	uint16_t number;
	bool usable;
	char provider[ARRAY_NAME_MAX + 1];
};

/* What the core wants done. `self` is the caller's; pointers are lent for the call. */
struct array_effects {
	void *self;
	/* A datagram for a member's address, ARRAY_PORT. May be lost. */
	void (*send)(void *self, uint8_t member, const void *datagram, size_t size);
	/*
	 * A member tells of a line: into our table, if its stamp is newer than what is there. Of one with the same stamp
	 * and gateway only the use is news (idle_ms): that is how long flows are kept alive.
	 */
	void (*merge)(void *self, uint8_t member, const struct array_record *record);
	/* Told when either changes; at first every member is suspect and not serving. */
	void (*member_changed)(void *self, uint8_t member, enum member_state state, bool serving);
	/* All of the member's tunnels, sorted by number; replaces what was told before. */
	void (*tunnels_changed)(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count);
	/*
	 * Walks our own tables: lines are numbered through all of them (0 … lines - 1: array_set_tables). Looks at the lines
	 * from *line on, before `end`, and at no more than a slice (FLOW_SLICE) of them; writes the established and
	 * closing ones that have not expired, at most `room`; moves *line behind the last one that was looked at, at
	 * least by one. Answers how many records.
	 */
	size_t (*walk)(void *self, uint64_t *line, uint64_t end, struct array_record *records, size_t room);
	/* For how long no valid relay came from the member; ARRAY_RELAY_SILENT: none ever did. */
	uint64_t (*relay_silent_ms)(void *self, uint8_t member);
	/* Bytes that nobody can guess. */
	void (*random)(void *self, void *bytes, size_t size);
	/* How far the member's clock is from ours, in time slots of relays (abi.h), once it is known. NULL: nobody asks. */
	void (*clock_changed)(void *self, uint8_t member, int16_t slots);
};

struct array_core;

/*
 * Our number, 1..255, and the others': see array_set_members(). Before the first tick or datagram the caller sets
 * the tables, its tunnels and whether it serves. The effects are copied. NULL: no memory.
 */
struct array_core *array_new(uint8_t gateway, const struct array_keys *keys,
	const struct array_effects *effects, struct array_time now);
/* Wipes the keys. NULL is freed already. */
void array_free(struct array_core *core);

/* ---- What is wanted, at the start and when another configuration comes into force ------------------------------------ */

/* The other members' numbers. Who was one before stays as it is; who leaves is forgotten. -ENOMEM: nothing happened. */
int array_set_members(struct array_core *core, const uint8_t *members, size_t count, struct array_time now);
/* Sessions stay: what they are made of is known for every key. */
void array_set_keys(struct array_core *core, const struct array_keys *keys);
/* How many lines walk() has, and how long they live (the *_ms of the settings). */
void array_set_tables(struct array_core *core, uint64_t lines, const struct settings *lifetimes);

/* ---- What we tell the others ------------------------------------------------------------------------------------------ */

/* Our tunnels, in any order, at most ARRAY_TUNNELS_MAX (more: -E2BIG). Sent at once when it is news. */
int array_set_tunnels(
	struct array_core *core, const struct array_tunnel *tunnels, size_t count, struct array_time now);
/* Whether we announce; not while we drain. Sent at once when it is news. */
void array_set_serving(struct array_core *core, bool serving, struct array_time now);

/* Whether a way to the members has a carrier, as far as the kernel knows; it has unless said. */
void array_set_carrier(struct array_core *core, bool carrier, struct array_time now);

/* We stop for good, and serve no more: silence is no accident from now on. */
void array_stop(struct array_core *core, struct array_time now);

/* A line of ours changed in a way that others want to know: it goes within ARRAY_FLUSH_MS. */
void array_change(struct array_core *core, const struct array_record *record, struct array_time now);
/* A change was lost on its way to us, nobody knows which: the members read what is ours again. */
void array_lost_change(struct array_core *core);

/* ---- Time and datagrams ------------------------------------------------------------------------------------------------ */

/* A datagram came to ARRAY_PORT. What is wrong with it is counted, and it changes nothing. */
void array_receive(struct array_core *core, const void *datagram, size_t size, struct array_time now);
/* To be called at array_deadline(), a time as array_time.ms; earlier does no harm. */
void array_tick(struct array_core *core, struct array_time now);
uint64_t array_deadline(const struct array_core *core);

/*
 * We know what the array knows: a ready member's whole table was read; or every member's, since none is ready; or no
 * member was heard for ARRAY_WAIT_MS; or ARRAY_WAIT_MOST_MS are over. Once true, it stays so.
 */
bool array_ready(const struct array_core *core);

/* We hear nobody, and that seems to be our own doing: traffic should rather go to another gateway. To be asked after each call. */
bool array_isolated(const struct array_core *core);

/* ---- What can be seen ---------------------------------------------------------------------------------------------------- */

/* Why a datagram is refused. */
#define ARRAY_REFUSALS(X)                                                                                    \
	X(truncated, "shorter than it must be")                                                              \
	X(version, "not of this protocol, or of another version of it")                                      \
	X(stranger, "from a gateway that is no member, or meant for another one")                            \
	X(unknown_key, "sealed by a key that we do not have")                                                \
	X(forged, "the seal is broken: forged, damaged, or sealed by another key of the same number")        \
	X(old_session, "of a session that does not stand: a recording, or a member that has just restarted") \
	X(replayed, "came before, or too late to know")                                                      \
	X(malformed, "sealed rightly, but not written as members write")

enum array_refusal {
#define X(name, words) ARRAY_REFUSED_##name,
	ARRAY_REFUSALS(X)
#undef X
		ARRAY_REFUSAL_COUNT
};

struct array_refusal_words {
	const char *name, *words;
};
extern const struct array_refusal_words array_refusals[ARRAY_REFUSAL_COUNT];

struct array_counts {
	uint64_t datagrams_sent, datagrams_received; /* received: those that were not refused */
	uint64_t records_sent, records_received;     /* changes, refreshed and walked ones together */
	uint64_t
		records_ahead; /* refused: their stamps are more than ARRAY_AHEAD_MOST_MS ahead of our clock */
	uint64_t batches_missing; /* found missing; most are only late or come when asked for */
	uint64_t batches_asked;   /* asked for again, each time counted */
	uint64_t batches_resent;  /* which the member asked for */
	uint64_t batches_lost;    /* given up: made good by a snapshot */
	uint64_t snapshots_read, snapshots_given; /* read: to their end; given: begun */
	uint64_t refused[ARRAY_REFUSAL_COUNT];    /* by what the datagram says of its sender */
};

struct array_status {
	enum member_state state;
	bool session;               /* both sides have proved that they hold the key and live now */
	bool serving, ready, stops; /* as it says */
	uint64_t flows;             /* that it owns, as it says: counted once a pass of refreshing */
	uint64_t heard_ms;          /* when something valid came last, an array_time.ms; 0: never */
	uint64_t since_ms;          /* since when we are to hear it */
	int64_t skew_ns;            /* its clock minus ours, less the way; 0 until known */
	int16_t clock_slots;        /* … as clock_changed() told last */
	bool reading;               /* a snapshot of its table is under way */
	uint64_t missing;           /* batches that are missing now */
	/* From the making of a batch to its records' merging, by both wall clocks, of the last few hundred batches. */
	uint32_t lag_p50_us, lag_p99_us,
		lag_most_us; /* of the last minute; ARRAY_LAG_UNKNOWN: nothing came in it */
	struct array_counts counts;
};

/* False: no member of that number. */
bool array_status(const struct array_core *core, uint8_t member, struct array_status *status);
/* What nobody who is a member says to have sent: truncated, version, stranger. By enum array_refusal. */
const uint64_t *array_refused(const struct array_core *core);

#endif
