// SPDX-License-Identifier: Apache-2.0
/*
 * Snapshots. Who wants to read another's table asks for pieces of it, and for no more at a time than its socket takes;
 * who is asked walks these pieces and forgets about it. A part says from which line to which it goes, so the reader
 * knows what it has not seen (`holes`, and what lies behind its `frontier`) and asks for that. The sender of a burst
 * marks its last part, upon which the reader asks on at once; when that one is lost, a moment later.
 *
 * Walking takes its time, and many may ask at once. So an asking is only noted when it comes, the newest of each member,
 * and with each tick one member is given what it asked for: in between heartbeats go out and come in.
 *
 * A table changes while it is walked. That does no harm: what changes is told by the stream as well, and records merge by
 * their stamps.
 */
#include "array/private.h"

#define PARTS_AT_ONCE   64
#define PARTS_MOST      256          /* whatever is asked for */
#define LINES_AT_ONCE   (16 * 16384) /* looked at for one asking: a few milliseconds */
#define PATIENCE_MS     30           /* since the last part, before we ask again; more each time in vain */
#define PATIENCE_MOST   300
#define ASK_TEXT_MAX    (ASK_HEADER + (HOLES_MAX + 1) * RANGE_SIZE)
#define FLAG_BURST_ENDS 1

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

void reading_begin(struct peer *peer, enum scope scope)
{
	struct reading *reading = &peer->reading;

	if (scope <= reading->scope) { /* what it has passed may be what we want now */
		reading->again = scope > reading->again ? scope : reading->again;
		return;
	}
	reading->scope = scope;
	reading->again = SCOPE_NONE;
	reading->from_ready = peer->ready;
	reading->number++;
	reading->frontier = 0;
	reading->hole_count = 0;
	reading->tries = 0;
	reading->ask_ms = 0;
}

static void finish(struct peer *peer)
{
	struct reading *reading = &peer->reading;
	enum scope again = reading->again;

	if (reading->scope == SCOPE_ALL)
		reading->done_ready |= reading->from_ready;
	if (reading->scope > reading->done)
		reading->done = reading->scope;
	reading->scope = reading->again = SCOPE_NONE;
	reading->ask_ms = NEVER;
	peer->counts.snapshots_read++;
	if (again != SCOPE_NONE)
		reading_begin(peer, again);
}

static void put_range(struct writer *writer, uint64_t from, uint64_t to)
{
	put_u64(writer, from);
	put_u64(writer, to);
}

/* The holes, and on from the frontier as long as there is room for new ones. */
static void ask(struct array_core *core, struct peer *peer)
{
	const struct reading *reading = &peer->reading;
	bool on = reading->frontier != TABLE_END && reading->hole_count < HOLES_MAX / 2;
	uint8_t text[ASK_TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text));

	put_u32(&writer, reading->number);
	put_u8(&writer, (uint8_t)reading->scope);
	put_u16(&writer, PARTS_AT_ONCE);
	put_u8(&writer, (uint8_t)(reading->hole_count + on));
	for (size_t i = 0; i < reading->hole_count; i++)
		put_range(&writer, reading->holes[i].from, reading->holes[i].to);
	if (on)
		put_range(&writer, reading->frontier, TABLE_END);
	send_sealed(core, peer, MESSAGE_SNAPSHOT_ASK, &writer);
}

void reading_tick(struct array_core *core, struct peer *peer, struct array_time now)
{
	struct reading *reading = &peer->reading;
	uint64_t wait_ms = (uint64_t)PATIENCE_MS * (reading->tries + 1);

	if (reading->scope == SCOPE_NONE || now.ms < reading->ask_ms || peer->state != MEMBER_ALIVE)
		return;
	ask(core, peer);
	reading->tries += reading->tries < PATIENCE_MOST / PATIENCE_MS;
	reading->ask_ms = now.ms + (wait_ms < PATIENCE_MOST ? wait_ms : PATIENCE_MOST);
}

/* ---- What has been read ----------------------------------------------------------------------------------------------- */

static void add_hole(struct reading *reading, uint64_t from, uint64_t to)
{
	reading->holes[reading->hole_count++] = (struct hole){from, to};
}

/* What the part covers of a hole is none any more. One that it cuts in two stays whole when there is no room for two. */
static void fill_hole(struct reading *reading, size_t i, uint64_t from, uint64_t to)
{
	struct hole *hole = &reading->holes[i];

	if (to <= hole->from || from >= hole->to)
		return;
	if (from > hole->from && to < hole->to) {
		if (reading->hole_count == HOLES_MAX)
			return;
		add_hole(reading, to, hole->to);
		hole->to = from;
	} else if (from > hole->from) {
		hole->to = from;
	} else if (to < hole->to) {
		hole->from = to;
	} else {
		*hole = reading->holes[--reading->hole_count];
	}
}

static void cover(struct reading *reading, uint64_t from, uint64_t to)
{
	for (size_t i = reading->hole_count; i-- > 0;)
		fill_hole(reading, i, from, to);
	if (to <= reading->frontier)
		return;
	if (from > reading->frontier) {
		if (reading->hole_count == HOLES_MAX)
			return;
		add_hole(reading, reading->frontier, from);
	}
	reading->frontier = to;
}

bool take_snapshot_part(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	struct reading *reading = &peer->reading;
	struct array_record records[PART_RECORDS_MAX];
	uint32_t number = get_u32(reader);
	uint64_t from = get_u64(reader), to = get_u64(reader);
	uint8_t flags = get_u8(reader);
	uint16_t count = get_u16(reader);

	if (from >= to || count > PART_RECORDS_MAX || !get_records(reader, records, count))
		return false;
	merge_records(core, peer, records, count, now);
	if (reading->scope == SCOPE_NONE || number != reading->number)
		return true;
	cover(reading, from, to);
	reading->tries = 0;
	reading->ask_ms = flags & FLAG_BURST_ENDS ? 0 : now.ms + PATIENCE_MS;
	if (reading->frontier == TABLE_END && reading->hole_count == 0)
		finish(peer);
	return true;
}

/* ---- Being read ---------------------------------------------------------------------------------------------------------- */

/* What is left of what may be sent and looked at for one asking. */
struct burst {
	uint32_t number;
	enum scope scope;
	unsigned parts;
	uint64_t lines;
};

static bool is_ours(const struct array_core *core, const struct array_record *record)
{
	return record->owner == core->gateway || record->gateway == core->gateway;
}

static size_t keep_ours(const struct array_core *core, struct array_record *records, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (is_ours(core, &records[i]))
			records[kept++] = records[i];
	return kept;
}

/* As many records as a part has room for, from *line on; moves it. */
static size_t collect(struct array_core *core, struct burst *burst, uint64_t *line, uint64_t end,
	struct array_record records[PART_RECORDS_MAX])
{
	size_t count = 0;

	while (count < PART_RECORDS_MAX && *line < end && burst->lines > 0) {
		uint64_t before = *line;
		size_t found = core->effects.walk(
			core->effects.self, line, end, records + count, PART_RECORDS_MAX - count);

		burst->lines -= *line - before < burst->lines ? *line - before : burst->lines;
		count += burst->scope == SCOPE_OWN ? keep_ours(core, records + count, found) : found;
	}
	return count;
}

static void send_part(struct array_core *core, struct peer *peer, const struct burst *burst, uint64_t from,
	uint64_t to, bool last, const struct array_record *records, size_t count)
{
	uint8_t text[TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text));

	put_u32(&writer, burst->number);
	put_u64(&writer, from);
	put_u64(&writer, to);
	put_u8(&writer, last ? FLAG_BURST_ENDS : 0);
	put_u16(&writer, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		put_record(&writer, &records[i]);
	peer->counts.records_sent += count;
	send_sealed(core, peer, MESSAGE_SNAPSHOT_PART, &writer);
}

/* A range that reaches behind the last line ends with the table. */
static void give_range(struct array_core *core, struct peer *peer, struct burst *burst, uint64_t from,
	uint64_t to, bool last_range)
{
	struct array_record records[PART_RECORDS_MAX];
	bool ends = to >= core->lines;
	uint64_t end = ends ? core->lines : to, line = from < end ? from : end;

	do {
		uint64_t start = line;
		size_t count = collect(core, burst, &line, end, records);
		bool through = line >= end;

		burst->parts--;
		send_part(core, peer, burst, start < from ? from : start,
			through ? (ends ? TABLE_END : to) : line,
			burst->parts == 0 || burst->lines == 0 || (last_range && through), records, count);
	} while (line < end && burst->parts > 0 && burst->lines > 0);
}

static void give(struct array_core *core, struct peer *peer)
{
	struct asked *asked = &peer->asked;
	struct burst burst = {asked->number, asked->scope, asked->parts, LINES_AT_ONCE};

	for (size_t i = 0; i < asked->range_count && burst.parts > 0 && burst.lines > 0; i++) {
		const struct hole *range = &asked->ranges[i];

		peer->counts.snapshots_given += range->from == 0;
		give_range(core, peer, &burst, range->from, range->to, i + 1 == asked->range_count);
	}
	asked->range_count = 0;
}

void giving_tick(struct array_core *core)
{
	for (size_t i = 1; i <= core->peer_count; i++) {
		size_t next = (core->given_last + i) % core->peer_count;

		if (core->peers[next]->asked.range_count == 0)
			continue;
		core->given_last = next;
		give(core, core->peers[next]);
		return;
	}
}

static bool get_ranges(struct reader *reader, struct asked *asked)
{
	for (size_t i = 0; i < asked->range_count; i++) {
		asked->ranges[i].from = get_u64(reader);
		asked->ranges[i].to = get_u64(reader);
		if (asked->ranges[i].from >= asked->ranges[i].to)
			return false;
	}
	return read_whole(reader);
}

bool take_snapshot_ask(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	struct asked asked;
	uint16_t parts;

	(void)core;
	(void)now;
	asked.number = get_u32(reader);
	asked.scope = get_u8(reader);
	parts = get_u16(reader);
	asked.parts = parts < PARTS_MOST ? parts : PARTS_MOST;
	asked.range_count = get_u8(reader);
	if ((asked.scope != SCOPE_OWN && asked.scope != SCOPE_ALL) || asked.range_count > ASKED_RANGES_MAX ||
		!get_ranges(reader, &asked))
		return false;
	peer->asked = asked;
	return true;
}
