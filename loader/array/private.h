/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the array share: the datagram's form, and what is kept of each member. */
#ifndef ARRAY_PRIVATE_H
#define ARRAY_PRIVATE_H

#include "array/array.h"
#include "array/wire.h"

#define NEVER UINT64_MAX

#define NUMBER_MOST (UINT64_MAX >> 1) /* of batches: no sum of two wraps */

/* ---- Datagrams (homeward-replication(7)) ------------------------------------------------------------------------- */

#define PROTOCOL_MAGIC   0x4857 /* "HW" */
#define PROTOCOL_VERSION 1

#define HEADER_SIZE       8                  /* clear, in front of each datagram */
#define SEALED_HEADER     (HEADER_SIZE + 12) /* with the session's short name and the sequence number */
#define SEAL_SIZE         16
#define HELLO_NONCE_SIZE  24
#define CHALLENGE_SIZE    16
#define TEXT_MAX          (ARRAY_DATAGRAM_MAX - SEALED_HEADER - SEAL_SIZE)
#define RECORD_SIZE       56
#define BATCH_HEADER      18
#define PART_HEADER       23
#define BATCH_RECORDS_MAX ((TEXT_MAX - BATCH_HEADER) / RECORD_SIZE)
#define PART_RECORDS_MAX  ((TEXT_MAX - PART_HEADER) / RECORD_SIZE)

enum message {
	MESSAGE_HELLO = 1,
	MESSAGE_HEARTBEAT,
	MESSAGE_BATCH,
	MESSAGE_MISSING,
	MESSAGE_GONE,
	MESSAGE_SNAPSHOT_ASK,
	MESSAGE_SNAPSHOT_PART,
	MESSAGE_INVENTORY_ASK,
	MESSAGE_INVENTORY,
	MESSAGE_COUNT
};

struct header {
	uint8_t type, sender, receiver, key;
};

/* ---- What is kept of a member --------------------------------------------------------------------------------------- */

#define REPLAY_BITS 2048
struct replay_window {
	uint64_t newest;
	uint64_t bits[REPLAY_BITS / 64];
};

struct session {
	uint8_t challenge[CHALLENGE_SIZE]; /* ours, for the session to come: told in a hello, good for one */
	bool stands;
	uint8_t mine[CHALLENGE_SIZE], theirs[CHALLENGE_SIZE]; /* of the one that stands */
	uint32_t name;
	uint8_t send_key[ARRAY_KEY_SIZE];
	uint8_t receive_keys[ARRAY_KEYS_MAX][ARRAY_KEY_SIZE]; /* as in the core's keys */
	uint64_t sequence;                                    /* the newest that we sent */
	struct replay_window window;
	uint64_t hello_ms;  /* when the next hello is due, while none stands */
	uint64_t answer_ms; /* no answer to a datagram of another session before that */
};

/* Their batches. */
#define MISSING_BITS 4096
struct incoming {
	uint64_t stream;                  /* drawn by the member when it started; 0: not known */
	bool begun;                       /* a heartbeat of that stream told where we come in */
	uint64_t next;                    /* the first one that has not come */
	uint64_t newest;                  /* that is known to have been sent */
	uint64_t come[MISSING_BITS / 64]; /* of those behind `next` */
	uint64_t ask_ms;                  /* NEVER: nothing is missing */
	unsigned tries;                   /* since `next` moved */
};

/* Of a table: nothing; the lines whose owner or way home it is; all. */
enum scope { SCOPE_NONE, SCOPE_OWN, SCOPE_ALL };

/* Our reading of their table: what was not read lies in the holes and from the frontier on. */
#define HOLES_MAX 32
#define TABLE_END UINT64_MAX
struct hole {
	uint64_t from, to;
};
struct reading {
	enum scope scope, done, again; /* under way; read to its end; to be begun when this one is */
	bool from_ready;               /* the member was ready when the reading began */
	bool done_ready;               /* … and all of it was read */
	uint32_t number;
	uint64_t frontier; /* TABLE_END: the rest of the table has been read, but for the holes */
	struct hole holes[HOLES_MAX];
	size_t hole_count;
	uint64_t ask_ms;
	unsigned tries;
};

/* What a member asked of our table last and has not been given yet. */
#define RANGE_SIZE       16
#define ASK_HEADER       8
#define ASKED_RANGES_MAX ((TEXT_MAX - ASK_HEADER) / RANGE_SIZE)
struct asked {
	uint32_t number;
	enum scope scope;
	unsigned parts;
	struct hole ranges[ASKED_RANGES_MAX];
	size_t range_count; /* 0: nothing is asked */
};

struct inventory {
	uint32_t version;        /* that was told; 0: none */
	uint32_t coming_version; /* whose parts are gathered; 0: none */
	uint16_t coming_count;   /* of tunnels in it */
	uint16_t come_count;
	uint64_t come[ARRAY_TUNNELS_MAX / 64];
	struct array_tunnel *coming;
};

#define LAGS_KEPT  256
#define LAG_AGE_MS 60000 /* what is older says nothing of how it is now */
#define SKEWS_KEPT 16

#define SLOTS_UNTOLD INT32_MIN

struct peer {
	uint8_t number;
	struct session session;
	struct incoming incoming;
	struct reading reading;
	struct asked asked;
	struct inventory inventory;
	enum member_state state;
	bool serving, ready, stops; /* as it says */
	bool told_serving;          /* to the effects */
	uint64_t since_ms;          /* we are to hear it */
	uint64_t flows, heard_ms;   /* 0: never */
	uint32_t walks;             /* as its last heartbeat said */
	bool ahead;                 /* a record of it was refused for its stamp */
	uint64_t again_ms;          /* no reading for that before */
	int64_t skews[SKEWS_KEPT];
	uint64_t skew_count; /* in all, since its clock or ours was set */
	int32_t told_slots;  /* of its clock; SLOTS_UNTOLD: none yet */
	struct lag {
		uint64_t at_ms;
		uint32_t us;
	} lags[LAGS_KEPT];
	uint64_t lag_count; /* in all, of this stream and by these clocks */
	struct array_counts counts;
};

/* ---- The core ------------------------------------------------------------------------------------------------------------ */

#define BATCHES_KEPT 4096
struct batch {
	uint64_t number;
	uint16_t size;
	uint8_t text[TEXT_MAX];
};

/* Our batches; the one after `newest` is open while it has records. */
struct outgoing {
	uint64_t stream;
	uint64_t newest;
	struct batch *kept; /* by number % BATCHES_KEPT */
	struct writer open;
	unsigned records;  /* in the open one */
	uint64_t flush_ms; /* NEVER: none is open */
};

struct refresh {
	uint64_t due_ms;
	uint64_t began_ms; /* the pass */
	uint64_t line;     /* where it is */
	uint64_t pass;     /* its number */
	uint64_t flows;    /* of ours, found in it so far */
};

struct array_core {
	uint8_t gateway;
	struct array_keys keys;
	uint8_t hello_keys[ARRAY_KEYS_MAX][ARRAY_KEY_SIZE];
	struct array_effects effects;
	struct peer **peers;
	size_t peer_count;
	size_t given_last; /* among the peers: who was given a piece of our table */
	struct peer *by_number[GATEWAY_NUMBERS];
	struct outgoing outgoing;
	struct refresh refresh;
	uint64_t lines;
	struct settings lifetimes;
	struct array_tunnel *tunnels;
	size_t tunnel_count;
	uint32_t tunnels_version;
	bool serving, ready, stops;
	bool carrier, isolated;
	uint64_t trust_carrier_ms; /* one that came back since is not trusted before */
	uint64_t rejoined_ms;      /* when we were isolated last; 0: never */
	uint64_t flows;
	uint32_t walks;
	uint64_t born_ms, seen_ms, heartbeat_ms;
	uint64_t refused[ARRAY_REFUSAL_COUNT];
};

#define FOR_EACH_PEER(core, peer)                                            \
	for (size_t peer##_i = 0; peer##_i < (core)->peer_count; peer##_i++) \
		for (struct peer * (peer) = (core)->peers[peer##_i]; (peer); (peer) = NULL)

/* ---- keys.c ---------------------------------------------------------------------------------------------------------------- */

/* `size` bytes (16..64) that only who has the key knows, others for each purpose and text. */
void key_derive(const uint8_t key[ARRAY_KEY_SIZE], const char *purpose, const void *text, size_t text_size,
	uint8_t *derived, size_t size);

/* ---- seal.c ---------------------------------------------------------------------------------------------------------------- */

/* 0, or -EBADMSG and counted, when it cannot be for us. */
int header_read(struct array_core *core, const uint8_t *datagram, size_t size, struct header *header);
/* Counts it with the member, or with nobody (NULL); -EBADMSG. */
int refuse(struct array_core *core, struct peer *peer, enum array_refusal refusal);
/* The index of the key of that id; -1: none. */
int key_index(const struct array_core *core, uint8_t id);
/* Sends; nothing without a session that stands. */
void send_sealed(struct array_core *core, struct peer *peer, enum message type, const struct writer *text);
/* The text's size; -ESTALE for one of another session, -EBADMSG when it is refused otherwise: both are counted. */
int open_sealed(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, uint8_t text[TEXT_MAX]);
/* False: it came before, or is too old to know. */
bool replay_take(struct replay_window *window, uint64_t sequence);

/* ---- session.c -------------------------------------------------------------------------------------------------------------- */

void session_begin(struct array_core *core, struct peer *peer, struct array_time now);
/* A hello came. */
void session_hear(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, struct array_time now);
/* A datagram came of a session that we do not have. */
void session_answer(struct array_core *core, struct peer *peer, struct array_time now);
void session_tick(struct array_core *core, struct peer *peer, struct array_time now);
/* The keys changed. */
void session_derive(const struct array_core *core, struct peer *peer);

/* ---- record.c --------------------------------------------------------------------------------------------------------------- */

void put_record(struct writer *writer, const struct array_record *record);
/* `count` of them, and nothing behind; false: they are not as members write them. */
bool get_records(struct reader *reader, struct array_record *records, size_t count);
/* Counts them, and gives on those that are not ahead of their time. */
void merge_records(struct array_core *core, struct peer *peer, const struct array_record *records,
	size_t count, struct array_time now);

/* ---- stream.c ----------------------------------------------------------------------------------------------------------------- */

void stream_flush(struct array_core *core, struct array_time now);
/* The member is another life of that gateway: nothing of the old one counts any more. */
void stream_reset(struct peer *peer, uint64_t stream);
/* From a heartbeat: so far its stream has come. */
void stream_newest(struct array_core *core, struct peer *peer, uint64_t newest, struct array_time now);
void stream_tick(struct array_core *core, struct peer *peer, struct array_time now);
uint64_t stream_missing(const struct peer *peer);
bool take_batch(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
bool take_missing(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
bool take_gone(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);

/* ---- snapshot.c --------------------------------------------------------------------------------------------------------------- */

void reading_begin(struct peer *peer, enum scope scope);
void reading_tick(struct array_core *core, struct peer *peer, struct array_time now);
bool take_snapshot_ask(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
bool take_snapshot_part(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
/* Of those who asked, one is given what it asked for. */
void giving_tick(struct array_core *core);

/* ---- ready.c ------------------------------------------------------------------------------------------------------------------- */

/* How much of the member's table we want, now that its stream begins. */
enum scope ready_scope(const struct array_core *core, const struct peer *peer);
void ready_judge(struct array_core *core, struct array_time now);

/* ---- refresh.c ------------------------------------------------------------------------------------------------------------------ */

void refresh_tick(struct array_core *core, struct array_time now);

/* ---- inventory.c ---------------------------------------------------------------------------------------------------------------- */

void inventory_reset(struct peer *peer);
/* From a heartbeat. */
void inventory_version(struct array_core *core, struct peer *peer, uint32_t version);
bool take_inventory(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
bool take_inventory_ask(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);

/* ---- members.c ------------------------------------------------------------------------------------------------------------------ */

void heartbeat_send(struct array_core *core, struct peer *peer, struct array_time now);
bool take_heartbeat(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now);
/* Its clock less ours, less the way; 0: not known. */
int64_t member_skew(const struct peer *peer);
void member_heard(struct array_core *core, struct peer *peer, struct array_time now);
void member_judge(struct array_core *core, struct peer *peer, struct array_time now);
/* We did not run for a while: nobody was silent, we were deaf. */
void members_awake(struct array_core *core, struct array_time now);

/* ---- silence.c ------------------------------------------------------------------------------------------------------------------ */

/* What there is to know of the members' silence. */
struct silence {
	bool total;                       /* there are members, and none is heard, by no relay either */
	size_t fell_silent;               /* of those that were heard once, and should be heard still */
	uint64_t shortest_ms, longest_ms; /* … their silences */
};

/* It is we who hear nobody. */
bool silence_is_ours(const struct silence *silence, bool carrier);
/* How long a member may be silent until it is dead. */
uint64_t silence_most_ms(bool was_heard, bool is_ours);
void silence_judge(struct array_core *core, struct array_time now);
/* A member is heard. */
void silence_broken(struct array_core *core, struct array_time now);

#endif
