// SPDX-License-Identifier: Apache-2.0
/*
 * The numbered stream. Ours: records wait a moment for others, then go to all members as one batch, which is kept for
 * a while so that it can be sent again. Theirs: each batch is merged as it comes, and what is missing between is asked
 * for, patiently at first (it may only be late), then again and again. What a member does not have any more, or does
 * not bring however often it is asked, is lost, and a snapshot of what is its own makes good for it.
 */
#include "array/private.h"

#define PATIENCE_MS      3  /* how late a batch may be before it is asked for */
#define AGAIN_MS         20 /* before it is asked for again; more each time */
#define AGAIN_MOST_MS    200
#define TRIES_MOST       12  /* in vain */
#define RANGES_MOST      64  /* in one message */
#define ASKED_MOST       256 /* batches by one message */
#define MISSING_TEXT_MAX (RANGES_MOST * 10)

/* ---- Ours ---------------------------------------------------------------------------------------------------------- */

static struct batch *slot_of(const struct outgoing *outgoing, uint64_t number)
{
	return &outgoing->kept[number % BATCHES_KEPT];
}

/* The place for number, time and count is left until they are known. */
static void open_batch(struct outgoing *outgoing, struct array_time now)
{
	static const uint8_t place[BATCH_HEADER];
	struct batch *batch = slot_of(outgoing, outgoing->newest + 1);

	batch->number = 0;
	outgoing->open = writer_of(batch->text, sizeof(batch->text));
	put_bytes(&outgoing->open, place, sizeof(place));
	outgoing->flush_ms = now.ms + ARRAY_FLUSH_MS;
}

void array_change(struct array_core *core, const struct array_record *record, struct array_time now)
{
	struct outgoing *outgoing = &core->outgoing;

	if (outgoing->records == 0)
		open_batch(outgoing, now);
	put_record(&outgoing->open, record);
	if (++outgoing->records == BATCH_RECORDS_MAX)
		stream_flush(core, now);
}

static void send_batch(struct array_core *core, struct peer *peer, struct batch *batch)
{
	struct writer whole = {batch->text, batch->text + batch->size, NULL, false};

	send_sealed(core, peer, MESSAGE_BATCH, &whole);
}

void stream_flush(struct array_core *core, struct array_time now)
{
	struct outgoing *outgoing = &core->outgoing;
	struct batch *batch = slot_of(outgoing, outgoing->newest + 1);
	struct writer header = writer_of(batch->text, BATCH_HEADER);

	if (outgoing->records == 0)
		return;
	batch->number = ++outgoing->newest;
	batch->size = (uint16_t)written(&outgoing->open);
	put_u64(&header, batch->number);
	put_u64(&header, now.wall_ns);
	put_u16(&header, (uint16_t)outgoing->records);
	FOR_EACH_PEER (core, peer) {
		send_batch(core, peer, batch);
		peer->counts.records_sent += peer->session.stands ? outgoing->records : 0;
	}
	outgoing->records = 0;
	outgoing->flush_ms = NEVER;
}

/* The oldest that can be sent again. The open one has already taken a place. */
static uint64_t oldest_kept(const struct outgoing *outgoing)
{
	return outgoing->newest + 2 > BATCHES_KEPT ? outgoing->newest + 2 - BATCHES_KEPT : 1;
}

static bool resend_batch(struct array_core *core, struct peer *peer, uint64_t number)
{
	struct batch *batch = slot_of(&core->outgoing, number);

	if (batch->number != number)
		return false;
	send_batch(core, peer, batch);
	return true;
}

static void tell_gone(struct array_core *core, struct peer *peer)
{
	uint8_t text[8];
	struct writer writer = writer_of(text, sizeof(text));

	put_u64(&writer, oldest_kept(&core->outgoing));
	send_sealed(core, peer, MESSAGE_GONE, &writer);
}

bool take_missing(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	const struct outgoing *outgoing = &core->outgoing;
	unsigned resent = 0;
	bool gone = false;

	(void)now;
	while (reader->at < reader->end) {
		uint64_t number = get_u64(reader);
		uint16_t count = get_u16(reader);

		gone |= number < oldest_kept(outgoing);
		for (; count > 0 && resent < ASKED_MOST && number <= outgoing->newest; count--, number++)
			resent += resend_batch(core, peer, number);
	}
	peer->counts.batches_resent += resent;
	if (gone)
		tell_gone(core, peer);
	return !reader->over;
}

/* ---- Theirs -------------------------------------------------------------------------------------------------------- */

void stream_reset(struct peer *peer, uint64_t stream)
{
	peer->incoming = (struct incoming){.stream = stream, .ask_ms = NEVER};
	peer->reading = (struct reading){.number = peer->reading.number, .ask_ms = NEVER};
	peer->asked.range_count = 0;
	peer->skew_count = peer->lag_count = 0;
}

static bool has_come(const struct incoming *incoming, uint64_t number)
{
	return number < incoming->next ||
	       (number < incoming->next + MISSING_BITS && bit_is_set(incoming->come, MISSING_BITS, number));
}

uint64_t stream_missing(const struct peer *peer)
{
	const struct incoming *incoming = &peer->incoming;
	uint64_t missing = 0;

	for (uint64_t number = incoming->next; incoming->begun && number <= incoming->newest; number++)
		missing += !has_come(incoming, number);
	return missing;
}

static void advance(struct incoming *incoming)
{
	uint64_t before = incoming->next;

	for (; bit_is_set(incoming->come, MISSING_BITS, incoming->next); incoming->next++)
		bit_clear(incoming->come, MISSING_BITS, incoming->next);
	if (incoming->next != before)
		incoming->tries = 0;
	if (incoming->next > incoming->newest)
		incoming->ask_ms = NEVER;
}

/* All up to `last` is not waited for any more. */
static void give_up(struct peer *peer, uint64_t last)
{
	struct incoming *incoming = &peer->incoming;
	uint64_t lost = 0;

	for (; incoming->next <= last && incoming->next <= incoming->newest; incoming->next++) {
		lost += !bit_is_set(incoming->come, MISSING_BITS, incoming->next);
		bit_clear(incoming->come, MISSING_BITS, incoming->next);
	}
	incoming->tries = 0;
	advance(incoming);
	peer->counts.batches_lost += lost;
	if (lost > 0)
		reading_begin(peer, SCOPE_OWN);
}

/* So far their stream goes: what is between has been sent and has not come. */
static void learn_newest(struct peer *peer, uint64_t newest, struct array_time now)
{
	struct incoming *incoming = &peer->incoming;

	if (newest <= incoming->newest)
		return;
	peer->counts.batches_missing += newest - incoming->newest;
	if (newest + 1 >= incoming->next + MISSING_BITS) {
		give_up(peer, incoming->newest);
		peer->counts.batches_lost += newest - incoming->newest;
		incoming->newest = newest;
		incoming->next = newest + 1;
		reading_begin(peer, SCOPE_OWN);
		return;
	}
	incoming->newest = newest;
	if (incoming->ask_ms == NEVER)
		incoming->ask_ms = now.ms + PATIENCE_MS;
}

void stream_newest(struct array_core *core, struct peer *peer, uint64_t newest, struct array_time now)
{
	struct incoming *incoming = &peer->incoming;

	if (!incoming->begun) {
		incoming->begun = true;
		incoming->newest = newest;
		incoming->next = newest + 1;
		reading_begin(peer, ready_scope(core, peer));
		return;
	}
	learn_newest(peer, newest, now);
}

static void note_batch(struct peer *peer, uint64_t number, struct array_time now)
{
	struct incoming *incoming = &peer->incoming;

	if (!incoming->begun || number < incoming->next)
		return;
	learn_newest(peer, number - 1, now);
	if (number > incoming->newest)
		incoming->newest = number;
	bit_set(incoming->come, MISSING_BITS, number);
	advance(incoming);
}

static void note_lag(struct peer *peer, uint64_t made_ns, struct array_time now)
{
	uint64_t lag_us = now.wall_ns > made_ns ? (now.wall_ns - made_ns) / 1000 : 0;

	peer->lags[peer->lag_count++ % LAGS_KEPT] = (struct lag){
		.at_ms = now.ms,
		.us = lag_us < ARRAY_LAG_UNKNOWN ? (uint32_t)lag_us : ARRAY_LAG_UNKNOWN - 1,
	};
}

bool take_batch(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	struct array_record records[BATCH_RECORDS_MAX];
	uint64_t number = get_u64(reader), made_ns = get_u64(reader);
	uint16_t count = get_u16(reader);

	if (number == 0 || number > NUMBER_MOST || count == 0 || count > BATCH_RECORDS_MAX ||
		!get_records(reader, records, count))
		return false;
	if (peer->incoming.begun && has_come(&peer->incoming, number))
		return true;
	note_batch(peer, number, now);
	note_lag(peer, made_ns, now);
	merge_records(core, peer, records, count, now);
	return true;
}

bool take_gone(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	uint64_t oldest = get_u64(reader);

	(void)core, (void)now;
	if (!read_whole(reader) || oldest == 0)
		return false;
	if (peer->incoming.begun && oldest > peer->incoming.next)
		give_up(peer, oldest - 1);
	return true;
}

/* ---- Asking again ---------------------------------------------------------------------------------------------------- */

/* The missing ones from *number on that stand together; 0: there are none. */
static uint16_t next_range(const struct incoming *incoming, uint64_t *number)
{
	uint16_t count = 0;

	while (*number <= incoming->newest && has_come(incoming, *number))
		++*number;
	while (*number + count <= incoming->newest && !has_come(incoming, *number + count))
		count++;
	return count;
}

static void ask_again(struct array_core *core, struct peer *peer)
{
	uint8_t text[MISSING_TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text));
	uint64_t number = peer->incoming.next;
	unsigned asked = 0;

	while (asked < ASKED_MOST && writer.at < writer.end) {
		uint16_t count = next_range(&peer->incoming, &number);

		if (count == 0)
			break;
		if (count > ASKED_MOST - asked)
			count = (uint16_t)(ASKED_MOST - asked);
		put_u64(&writer, number);
		put_u16(&writer, count);
		number += count;
		asked += count;
	}
	peer->counts.batches_asked += asked;
	send_sealed(core, peer, MESSAGE_MISSING, &writer);
}

void stream_tick(struct array_core *core, struct peer *peer, struct array_time now)
{
	struct incoming *incoming = &peer->incoming;
	uint64_t wait_ms;

	if (now.ms < incoming->ask_ms || peer->state != MEMBER_ALIVE)
		return;
	if (incoming->tries++ == TRIES_MOST) {
		give_up(peer, incoming->newest);
		return;
	}
	ask_again(core, peer);
	wait_ms = (uint64_t)AGAIN_MS * incoming->tries;
	incoming->ask_ms = now.ms + (wait_ms < AGAIN_MOST_MS ? wait_ms : AGAIN_MOST_MS);
}
