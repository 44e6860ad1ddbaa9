// SPDX-License-Identifier: Apache-2.0
/*
 * The array's core, as one gateway that has a session with another. What comes is drawn from the input: any bytes; texts
 * that are sealed rightly, as if by a member that writes what it likes; rightly sealed datagrams that were damaged; hellos
 * with any challenge in them. Between them time passes and our own table changes. After every step:
 *
 *  - a datagram was refused under one name, or received: never both, never neither; a damaged one was refused;
 *  - what is merged is a record as members write them, not ahead of its time; what is told of tunnels is sorted and can be
 *    printed;
 *  - what we send fits, and no datagram makes us send more than a burst;
 *  - the next deadline is not further away than a heartbeat, and a tick at it leads to a later one.
 */
#include <sodium.h>

#include "array/private.h"
#include "tests/fuzz/fuzz.h"

#define START_MS   1000
#define MET_MS     1200
#define WALL_NS    1700000000000000000ULL
#define LINES      1000
#define SLICE      100
#define BURST_MOST 600 /* a snapshot's parts, resent batches, or an inventory, and a few words */

static struct gateway {
	struct array_core *core;
	uint8_t last[ARRAY_DATAGRAM_MAX]; /* what it sent */
	size_t last_size;
	uint64_t sent;
} ours, theirs;

static uint64_t now_ms, drawn;

static struct array_time now(void)
{
	return (struct array_time){now_ms, WALL_NS + now_ms * 1000000};
}

/* ---- Effects --------------------------------------------------------------------------------------------------------- */

static void fuzz_send(void *self, uint8_t member, const void *datagram, size_t size)
{
	struct gateway *gateway = self;

	MUST(size <= ARRAY_DATAGRAM_MAX && member == (gateway == &ours ? 2 : 1));
	memcpy(gateway->last, datagram, size);
	gateway->last_size = size;
	gateway->sent++;
}

static void fuzz_merge(void *self, uint8_t member, const struct array_record *record)
{
	(void)self, (void)member;
	MUST(record->state == LINE_ESTABLISHED || record->state == LINE_CLOSING);
	MUST(record->gateway != 0 && record->key.reserved == 0);
	MUST(record->stamp <= now().wall_ns + ARRAY_AHEAD_MOST_MS * 1000000ULL);
}

static void fuzz_member_changed(void *self, uint8_t member, enum member_state state, bool serving)
{
	(void)self, (void)member, (void)serving;
	MUST(state == MEMBER_ALIVE || state == MEMBER_SUSPECT || state == MEMBER_DEAD);
}

static void fuzz_tunnels_changed(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count)
{
	(void)self, (void)member;
	MUST(count <= ARRAY_TUNNELS_MAX);
	for (size_t i = 0; i < count; i++) {
		MUST(tunnels[i].number > (i > 0 ? tunnels[i - 1].number : 0));
		MUST(tunnels[i].provider[0] && memchr(tunnels[i].provider, 0, sizeof(tunnels[i].provider)));
	}
}

static struct array_record record_of(uint64_t line)
{
	return (struct array_record){
		.key = {.source = {10, (uint8_t)(line >> 8), (uint8_t)line}, .protocol = 17},
		.state = LINE_ESTABLISHED,
		.gateway = (uint8_t)(1 + line % 2),
		.owner = 1,
		.stamp = WALL_NS};
}

static size_t fuzz_walk(void *self, uint64_t *line, uint64_t end, struct array_record *records, size_t room)
{
	uint64_t slice_end = end - *line > SLICE ? *line + SLICE : end;
	size_t count = 0;

	(void)self;
	MUST(*line < end && end <= LINES && room > 0);
	for (; *line < slice_end && count < room; ++*line)
		if (*line % 3 == 0)
			records[count++] = record_of(*line);
	return count;
}

static uint64_t fuzz_relay_silent(void *self, uint8_t member)
{
	(void)self, (void)member;
	return ARRAY_RELAY_SILENT;
}

static void fuzz_random(void *self, void *bytes, size_t size)
{
	(void)self;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)(++drawn * 2654435761U >> 16);
}

/* ---- Two gateways that know each other --------------------------------------------------------------------------------- */

static void begin(struct gateway *gateway, uint8_t number, uint8_t member)
{
	static const struct array_keys keys = {
		.keys = {{.id = 1, .bytes = {1}}, {.id = 2, .bytes = {2}}}, .count = 2};
	static const struct settings lifetimes = {.established_ms = 60000,
		.udp_ms = 10000,
		.icmp_ms = 10000,
		.device_ms = 60000,
		.closing_ms = 5000};
	struct array_effects effects = {gateway, fuzz_send, fuzz_merge, fuzz_member_changed,
		fuzz_tunnels_changed, fuzz_walk, fuzz_relay_silent, fuzz_random};

	*gateway = (struct gateway){0};
	gateway->core = array_new(number, &keys, &effects, now());
	MUST(gateway->core && array_set_members(gateway->core, &member, 1, now()) == 0);
	array_set_tables(gateway->core, LINES, &lifetimes);
}

static void pass(struct gateway *to, const struct gateway *from)
{
	uint8_t copy[ARRAY_DATAGRAM_MAX];

	memcpy(copy, from->last, from->last_size);
	array_receive(to->core, copy, from->last_size, now());
}

static struct peer *peer_of(struct gateway *gateway)
{
	return gateway->core->peers[0];
}

/* Hello, hello, hello; the heartbeats that go with the second and third are lost. */
static void meet(void)
{
	array_tick(theirs.core, now());
	pass(&ours, &theirs);
	pass(&theirs, &ours);
	MUST(peer_of(&theirs)->session.stands);
	now_ms = MET_MS;
	ours.last_size = 0;
	array_tick(ours.core, now());
	pass(&theirs, &ours);
	pass(&ours, &theirs);
	MUST(peer_of(&ours)->session.stands);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------------- */

static uint64_t refusals(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ARRAY_REFUSAL_COUNT; i++)
		sum += array_refused(ours.core)[i] + peer_of(&ours)->counts.refused[i];
	return sum;
}

/* In memory that ends where the datagram does. True: it was refused. */
static bool give(const uint8_t *bytes, size_t size)
{
	uint64_t refused = refusals(), received = peer_of(&ours)->counts.datagrams_received, sent = ours.sent;
	uint8_t *exact = malloc(size + 1);

	memcpy(exact, bytes, size);
	array_receive(ours.core, exact, size, now());
	free(exact);
	refused = refusals() - refused;
	received = peer_of(&ours)->counts.datagrams_received - received;
	MUST(refused + received == 1);
	MUST(ours.sent - sent <= BURST_MOST);
	return refused;
}

static struct input take_text(struct input *input, size_t most)
{
	size_t size = take_byte(input);

	size |= (size_t)(take_byte(input) & 7) << 8;
	return take_part(input, size < most ? size : most);
}

static void step_bytes(struct input *input)
{
	struct input text = take_text(input, 2000);

	give(text.bytes, text.size);
}

/* Leaves in `theirs.last` what a member may send. */
static void seal(struct input *input)
{
	enum message kind = take_byte(input);
	struct input text = take_text(input, TEXT_MAX);
	uint8_t copy[TEXT_MAX];
	struct writer writer = writer_of(copy, sizeof(copy));

	put_bytes(&writer, text.bytes, text.size);
	send_sealed(theirs.core, peer_of(&theirs), kind, &writer);
}

static void step_sealed(struct input *input)
{
	seal(input);
	give(theirs.last, theirs.last_size);
}

static void step_damaged(struct input *input)
{
	size_t where;
	uint8_t what;

	seal(input);
	where = take_byte(input) % theirs.last_size;
	what = take_byte(input);
	if (where == HEADER_SIZE - 1) /* nobody looks at it in a hello that is none */
		return;
	theirs.last[where] ^= what;
	MUST(give(theirs.last, theirs.last_size) || what == 0);
}

static void step_hello(struct input *input)
{
	uint8_t text[2 * CHALLENGE_SIZE + 8] = {0}, nonce[HELLO_NONCE_SIZE] = {0};
	uint8_t datagram[HEADER_SIZE + sizeof(nonce) + sizeof(text) + SEAL_SIZE] = {
		PROTOCOL_MAGIC >> 8, PROTOCOL_MAGIC & 0xff, PROTOCOL_VERSION, MESSAGE_HELLO, 2, 1, 1};
	uint8_t known = take_byte(input);
	struct input part = take_part(input, sizeof(text));

	memcpy(text, part.bytes, part.size);
	if (known & 1)
		memcpy(text, peer_of(&ours)->session.theirs, CHALLENGE_SIZE);
	if (known & 2)
		memcpy(text + CHALLENGE_SIZE, peer_of(&ours)->session.challenge, CHALLENGE_SIZE);
	if (known & 4)
		memcpy(text + CHALLENGE_SIZE, peer_of(&ours)->session.mine, CHALLENGE_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(datagram + HEADER_SIZE + sizeof(nonce), NULL, text,
		sizeof(text), datagram, HEADER_SIZE, NULL, nonce, ours.core->hello_keys[0]);
	memcpy(datagram + HEADER_SIZE, nonce, sizeof(nonce));
	give(datagram, sizeof(datagram));
}

static void step_time(struct input *input)
{
	now_ms += take_byte(input) * 4U;
	for (unsigned ticks = 0; array_deadline(ours.core) <= now_ms; ticks++) {
		MUST(ticks < 3);
		array_tick(ours.core, now());
	}
	MUST(array_deadline(ours.core) <= now_ms + ARRAY_HEARTBEAT_MS);
}

static void step_ours(struct input *input)
{
	struct array_record record = record_of(take_byte(input));
	struct array_tunnel tunnel = {.number = take_byte(input), .provider = "acme"};

	for (unsigned i = take_byte(input); i > 0; i--)
		array_change(ours.core, &record, now());
	array_lost_change(ours.core);
	MUST(array_set_tunnels(ours.core, &tunnel, tunnel.number != 0, now()) == 0);
}

/* A core is large, mostly room for its batches, and so it is made once. What it says and knows is as it was then. */
static struct beginning {
	struct array_core core;
	struct peer peer;
	uint64_t drawn;
} beginnings[2];

static void keep(const struct gateway *gateway, struct beginning *beginning)
{
	*beginning = (struct beginning){*gateway->core, *gateway->core->peers[0], drawn};
}

static void restore(struct gateway *gateway, const struct beginning *beginning)
{
	free(gateway->core->tunnels);
	inventory_reset(peer_of(gateway));
	*gateway->core = beginning->core;
	*peer_of(gateway) = beginning->peer;
	gateway->sent = 0;
	drawn = beginning->drawn;
}

static void begin_anew(void)
{
	if (ours.core) {
		now_ms = MET_MS;
		restore(&theirs, &beginnings[1]);
		restore(&ours, &beginnings[0]);
		return;
	}
	now_ms = START_MS;
	begin(&ours, 1, 2);
	begin(&theirs, 2, 1);
	meet();
	keep(&ours, &beginnings[0]);
	keep(&theirs, &beginnings[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static void (*const steps[])(struct input *) = {
		step_sealed, step_bytes, step_damaged, step_hello, step_time, step_ours};
	struct input input = {bytes, size};
	struct array_status status;

	begin_anew();
	while (input.size > 0) {
		steps[take_byte(&input) % (sizeof(steps) / sizeof(*steps))](&input);
		MUST(array_status(ours.core, 2, &status) && status.missing <= MISSING_BITS);
		MUST(peer_of(&ours)->reading.hole_count <= HOLES_MAX);
	}
	return 0;
}
