// SPDX-License-Identifier: Apache-2.0
/*
 * Sealing and opening: ChaCha20-Poly1305 under the session's key for that direction, the sequence number as nonce, the
 * clear header vouched for.
 */
#include "array/private.h"

#include <errno.h>
#include <sodium.h>

_Static_assert(SEAL_SIZE == crypto_aead_chacha20poly1305_IETF_ABYTES, "");
_Static_assert(ARRAY_KEY_SIZE == crypto_aead_chacha20poly1305_IETF_KEYBYTES, "");

#define NONCE_SIZE crypto_aead_chacha20poly1305_IETF_NPUBBYTES

int refuse(struct array_core *core, struct peer *peer, enum array_refusal refusal)
{
	if (peer)
		peer->counts.refused[refusal]++;
	else
		core->refused[refusal]++;
	return -EBADMSG;
}

int header_read(struct array_core *core, const uint8_t *datagram, size_t size, struct header *header)
{
	struct reader reader = reader_of(datagram, size);
	uint16_t magic = get_u16(&reader);
	uint8_t version = get_u8(&reader);

	header->type = get_u8(&reader);
	header->sender = get_u8(&reader);
	header->receiver = get_u8(&reader);
	header->key = get_u8(&reader);
	get_u8(&reader);
	if (reader.over)
		return refuse(core, NULL, ARRAY_REFUSED_truncated);
	if (magic != PROTOCOL_MAGIC || version != PROTOCOL_VERSION)
		return refuse(core, NULL, ARRAY_REFUSED_version);
	if (header->receiver != core->gateway || !core->by_number[header->sender])
		return refuse(core, NULL, ARRAY_REFUSED_stranger);
	return 0;
}

int key_index(const struct array_core *core, uint8_t id)
{
	for (size_t i = 0; i < core->keys.count; i++)
		if (core->keys.keys[i].id == id)
			return (int)i;
	return -1;
}

static void nonce_of(uint64_t sequence, uint8_t nonce[NONCE_SIZE])
{
	struct writer writer = writer_of(nonce, NONCE_SIZE);

	put_u32(&writer, 0);
	put_u64(&writer, sequence);
}

void send_sealed(struct array_core *core, struct peer *peer, enum message type, const struct writer *text)
{
	struct session *session = &peer->session;
	uint8_t datagram[ARRAY_DATAGRAM_MAX], nonce[NONCE_SIZE];
	struct writer writer = writer_of(datagram, sizeof(datagram));
	unsigned long long sealed;

	if (!session->stands || text->over)
		return;
	put_u16(&writer, PROTOCOL_MAGIC);
	put_u8(&writer, PROTOCOL_VERSION);
	put_u8(&writer, (uint8_t)type);
	put_u8(&writer, core->gateway);
	put_u8(&writer, peer->number);
	put_u8(&writer, core->keys.keys[0].id);
	put_u8(&writer, 0);
	put_u32(&writer, session->name);
	put_u64(&writer, ++session->sequence);
	nonce_of(session->sequence, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(writer.at, &sealed, text->start, written(text), datagram,
		SEALED_HEADER, NULL, nonce, session->send_key);
	peer->counts.datagrams_sent++;
	core->effects.send(core->effects.self, peer->number, datagram, SEALED_HEADER + sealed);
}

bool replay_take(struct replay_window *window, uint64_t sequence)
{
	if (sequence + REPLAY_BITS <= window->newest)
		return false;
	if (sequence > window->newest + REPLAY_BITS)
		memset(window->bits, 0, sizeof(window->bits));
	else
		for (uint64_t between = window->newest + 1; between <= sequence; between++)
			bit_clear(window->bits, REPLAY_BITS, between);
	if (sequence > window->newest)
		window->newest = sequence;
	if (bit_is_set(window->bits, REPLAY_BITS, sequence))
		return false;
	bit_set(window->bits, REPLAY_BITS, sequence);
	return true;
}

int open_sealed(struct array_core *core, struct peer *peer, const struct header *header,
	const uint8_t *datagram, size_t size, uint8_t text[TEXT_MAX])
{
	struct session *session = &peer->session;
	struct reader reader = reader_of(datagram + HEADER_SIZE, size - HEADER_SIZE);
	uint32_t name = get_u32(&reader);
	uint64_t sequence = get_u64(&reader);
	int key = key_index(core, header->key);
	uint8_t nonce[NONCE_SIZE];
	unsigned long long opened;

	if (size < SEALED_HEADER + SEAL_SIZE || size > ARRAY_DATAGRAM_MAX)
		return refuse(core, peer, ARRAY_REFUSED_truncated);
	if (key < 0)
		return refuse(core, peer, ARRAY_REFUSED_unknown_key);
	if (!session->stands || name != session->name) {
		refuse(core, peer, ARRAY_REFUSED_old_session);
		return -ESTALE;
	}
	nonce_of(sequence, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(text, &opened, NULL, datagram + SEALED_HEADER,
		    size - SEALED_HEADER, datagram, SEALED_HEADER, nonce, session->receive_keys[key]) < 0)
		return refuse(core, peer, ARRAY_REFUSED_forged);
	if (!replay_take(&session->window, sequence))
		return refuse(core, peer, ARRAY_REFUSED_replayed);
	return (int)opened;
}
