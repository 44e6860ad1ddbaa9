// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions. A hello, sealed under the array's key, carries a challenge of the sender's and repeats one of the
 * receiver's. A session stands with who has repeated our challenge: he lives now and has the key. Its own keys are
 * derived from both challenges, one for each direction, so they are new whenever either side is, and no recording opens.
 *
 *	A → B  hello(a, ?)        I am A, prove that you are there
 *	B → A  hello(b, a)        here; and you?           A: the session stands
 *	A → B  hello(a, b)        here                     B: the session stands
 *
 * A challenge is good for one session: another is drawn when it was answered. So a hello of an earlier session repeats
 * what nobody asks any more and can only make us answer with a challenge; and while the session that stands is being
 * heard, not even that.
 */
#include "array/private.h"

#include <sodium.h>

#define HELLO_MS        200 /* as long as none stands */
#define HELLO_TEXT_SIZE (2 * CHALLENGE_SIZE + 8)
#define HELLO_SIZE      (HEADER_SIZE + HELLO_NONCE_SIZE + HELLO_TEXT_SIZE + SEAL_SIZE)
#define LIVELY_MS       300 /* a session that was heard so recently is not doubted */
#define ANSWER_MS       50

_Static_assert(SEAL_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES, "");
_Static_assert(HELLO_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "");

static const uint8_t unknown[CHALLENGE_SIZE];

struct hello {
	uint8_t mine[CHALLENGE_SIZE], yours[CHALLENGE_SIZE]; /* as its sender sees it */
	uint64_t stream;
};

static bool same(const uint8_t one[CHALLENGE_SIZE], const uint8_t other[CHALLENGE_SIZE])
{
	return sodium_memcmp(one, other, CHALLENGE_SIZE) == 0;
}

static void draw_challenge(struct array_core *core, struct peer *peer)
{
	core->effects.random(core->effects.self, peer->session.challenge, CHALLENGE_SIZE);
}

/* ---- Hellos -------------------------------------------------------------------------------------------------------- */

static void send_hello(struct array_core *core, struct peer *peer, const uint8_t mine[CHALLENGE_SIZE],
	const uint8_t yours[CHALLENGE_SIZE])
{
	uint8_t datagram[HELLO_SIZE], text[HELLO_TEXT_SIZE];
	struct writer writer = writer_of(datagram, sizeof(datagram)), plain = writer_of(text, sizeof(text));

	put_u16(&writer, PROTOCOL_MAGIC);
	put_u8(&writer, PROTOCOL_VERSION);
	put_u8(&writer, MESSAGE_HELLO);
	put_u8(&writer, core->gateway);
	put_u8(&writer, peer->number);
	put_u8(&writer, core->keys.keys[0].id);
	put_u8(&writer, 0);
	core->effects.random(core->effects.self, writer.at, HELLO_NONCE_SIZE);
	put_bytes(&plain, mine, CHALLENGE_SIZE);
	put_bytes(&plain, yours, CHALLENGE_SIZE);
	put_u64(&plain, core->outgoing.stream);
	crypto_aead_xchacha20poly1305_ietf_encrypt(writer.at + HELLO_NONCE_SIZE, NULL, text, sizeof(text),
		datagram, HEADER_SIZE, NULL, writer.at, core->hello_keys[0]);
	peer->counts.datagrams_sent++;
	core->effects.send(core->effects.self, peer->number, datagram, sizeof(datagram));
}

static int open_hello(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, struct hello *hello)
{
	int key = key_index(core, header->key);
	uint8_t text[HELLO_TEXT_SIZE];
	struct reader reader = reader_of(text, sizeof(text));

	if (size != HELLO_SIZE)
		return refuse(core, peer, ARRAY_REFUSED_truncated);
	if (key < 0)
		return refuse(core, peer, ARRAY_REFUSED_unknown_key);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL,
		    datagram + HEADER_SIZE + HELLO_NONCE_SIZE, size - HEADER_SIZE - HELLO_NONCE_SIZE,
		    datagram, HEADER_SIZE, datagram + HEADER_SIZE, core->hello_keys[key]) < 0)
		return refuse(core, peer, ARRAY_REFUSED_forged);
	get_bytes(&reader, hello->mine, CHALLENGE_SIZE);
	get_bytes(&reader, hello->yours, CHALLENGE_SIZE);
	hello->stream = get_u64(&reader);
	return same(hello->mine, unknown) || hello->stream == 0 ? refuse(core, peer, ARRAY_REFUSED_malformed)
								: 0;
}

/* ---- The session ----------------------------------------------------------------------------------------------------- */

/* The key by which `sender` seals for `receiver`. */
static void derive_direction(const struct array_key *key, uint8_t sender, uint8_t receiver,
	const uint8_t senders[CHALLENGE_SIZE], const uint8_t receivers[CHALLENGE_SIZE],
	uint8_t derived[ARRAY_KEY_SIZE])
{
	uint8_t text[2 + 2 * CHALLENGE_SIZE];
	struct writer writer = writer_of(text, sizeof(text));

	put_u8(&writer, sender);
	put_u8(&writer, receiver);
	put_bytes(&writer, senders, CHALLENGE_SIZE);
	put_bytes(&writer, receivers, CHALLENGE_SIZE);
	key_derive(key->bytes, "homeward session 1", text, sizeof(text), derived, ARRAY_KEY_SIZE);
}

/* The same on both sides and for every key: the challenges' first bytes, which nobody else has seen. */
static uint32_t name_of(const struct session *session)
{
	struct reader mine = reader_of(session->mine, CHALLENGE_SIZE);
	struct reader theirs = reader_of(session->theirs, CHALLENGE_SIZE);

	return get_u32(&mine) ^ get_u32(&theirs);
}

void session_derive(const struct array_core *core, struct peer *peer)
{
	struct session *session = &peer->session;

	if (!session->stands)
		return;
	derive_direction(&core->keys.keys[0], core->gateway, peer->number, session->mine, session->theirs,
		session->send_key);
	for (size_t i = 0; i < core->keys.count; i++)
		derive_direction(&core->keys.keys[i], peer->number, core->gateway, session->theirs,
			session->mine, session->receive_keys[i]);
}

static void stand(
	struct array_core *core, struct peer *peer, const struct hello *hello, struct array_time now)
{
	struct session *session = &peer->session;

	memcpy(session->mine, session->challenge, CHALLENGE_SIZE);
	memcpy(session->theirs, hello->mine, CHALLENGE_SIZE);
	draw_challenge(core, peer);
	session->stands = true;
	session->sequence = 0;
	session->window = (struct replay_window){0};
	session->name = name_of(session);
	session_derive(core, peer);
	if (peer->incoming.stream != hello->stream) {
		stream_reset(peer, hello->stream);
		inventory_reset(peer);
	}
	send_hello(core, peer, session->mine, session->theirs);
	heartbeat_send(core, peer, now);
	member_heard(core, peer, now);
}

static bool is_lively(const struct peer *peer, struct array_time now)
{
	return peer->session.stands && now.ms < peer->heard_ms + LIVELY_MS;
}

void session_hear(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, struct array_time now)
{
	struct session *session = &peer->session;
	struct hello hello = {0};

	if (open_hello(core, peer, header, datagram, size, &hello) < 0)
		return;
	peer->counts.datagrams_received++;
	if (same(hello.yours, session->challenge)) {
		stand(core, peer, &hello, now);
	} else if (session->stands && same(hello.mine, session->theirs)) {
		if (!same(hello.yours, session->mine))
			send_hello(core, peer, session->mine, session->theirs);
	} else if (!is_lively(peer, now)) {
		send_hello(core, peer, session->challenge, hello.mine);
	}
}

void session_answer(struct array_core *core, struct peer *peer, struct array_time now)
{
	if (is_lively(peer, now) || now.ms < peer->session.answer_ms)
		return;
	peer->session.answer_ms = now.ms + ANSWER_MS;
	send_hello(core, peer, peer->session.challenge, unknown);
}

void session_begin(struct array_core *core, struct peer *peer, struct array_time now)
{
	draw_challenge(core, peer);
	peer->session.hello_ms = now.ms;
}

void session_tick(struct array_core *core, struct peer *peer, struct array_time now)
{
	if (peer->session.stands || now.ms < peer->session.hello_ms)
		return;
	peer->session.hello_ms = now.ms + HELLO_MS;
	send_hello(core, peer, peer->session.challenge, unknown);
}
