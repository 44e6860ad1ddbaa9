/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BIRD says on its control socket, taken apart. Pure: bytes in, lines out, however the bytes are cut.
 *
 *	0001 BIRD 2.0.12 ready.      a reply's last line: four digits, a blank
 *	1002-hw_bgp_101 BGP …        a line with more to come: four digits, a dash
 *	 hw_bgp_102 BGP …            a blank repeats the code
 *	+hw_bgp_101: State …         pushed, part of no reply
 *
 * What a reply is, its number says (BIRD's doc/reply_codes): BIRD 2 and 3 word their replies differently. Words are read
 * where there is no number: a session's state, in a row and in what is pushed, is the same in both.
 */
#ifndef BIRD_REPLY_H
#define BIRD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* What is behind that in a line is cut off: nothing we read in a line is longer. */
#define BIRD_LINE_MAX 512

enum bird_line_kind { BIRD_LINE_REPLY, BIRD_LINE_PUSHED, BIRD_LINE_GARBAGE };

struct bird_line {
	enum bird_line_kind kind;
	unsigned code; /* of a reply's line */
	bool last;     /* of its reply */
	char text[BIRD_LINE_MAX];
};

/* Starts as all zeros. */
struct bird_reader {
	char line[BIRD_LINE_MAX];
	size_t used;
	unsigned code; /* of the line before, which a blank repeats */
	bool has_code;
};

/*
 * Moves *bytes and *size behind what it took. True: `line` holds a line. False: all bytes are taken, and the
 * line they begin is kept in the reader.
 */
bool bird_reader_next(struct bird_reader *reader, const char **bytes, size_t *size, struct bird_line *line);

/* The codes that we act on. */
enum {
	BIRD_READY = 1,
	BIRD_RECONFIGURED = 3,
	BIRD_RECONFIGURING = 4, /* accepted: some session has to be closed before it is all in force */
	BIRD_QUEUED = 5,        /* accepted: after the one in progress */
	BIRD_PROTOCOL_ROW = 1002,
	BIRD_ROUTE_ROW = 1007,
	BIRD_BFD_ROW = 1020,
	BIRD_FIRST_ERROR = 8000, /* and all above */
};

/* A row of `show protocols`: name and the daemon's words on it, "Established" or "Active Socket: …". False:
 * no such row. */
struct bird_session_row {
	char name[64];
	char state[16]; /* the protocol's: "up", "start", "down" … */
	char words[48]; /* the session's: "Established", "Active", "Connect", … */
};
bool bird_session_row(const char *text, struct bird_session_row *row);

/*
 * A row of `show route`: "192.0.2.1/32  unicast [hw_bgp_101 21:52:00.1] * (100)…". Where the destination is missing it is that of
 * the row before: `net` keeps it from row to row. False: a heading, or a row that goes on.
 */
bool bird_route_row(const char *text, struct prefix *net, char protocol[64]);

/* "hw_bgp_101.ipv4 > added [best] 192.0.2.1/32 …": a pushed line that tells of a route that came in, or that no longer does. */
bool bird_pushed_route(const char *text);

/* "hw_bgp_101: State changed to up": a pushed line that tells of a protocol's new state; words stay empty. */
bool bird_pushed_state(const char *text, struct bird_session_row *row);

#endif
