// SPDX-License-Identifier: Apache-2.0
/* The key file's text, and what is derived from an array's key: never is one key used for two things. */
#include "array/private.h"

#include <errno.h>
#include <sodium.h>

#include "base/scan.h"

#define LINE_SIZE 64

void key_derive(const uint8_t key[ARRAY_KEY_SIZE], const char *purpose, const void *text, size_t text_size,
	uint8_t *derived, size_t size)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, ARRAY_KEY_SIZE, size);
	crypto_generichash_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
	crypto_generichash_update(&state, text, text_size);
	crypto_generichash_final(&state, derived, size);
	sodium_memzero(&state, sizeof(state));
}

void array_relay_key(const struct array_key *key, uint8_t relay_key[ARRAY_RELAY_KEY_SIZE])
{
	key_derive(key->bytes, "homeward relay 1", "", 0, relay_key, ARRAY_RELAY_KEY_SIZE);
}

/* "ID KEY", changed on the way. */
static bool parse_key(char *line, struct array_key *key)
{
	char *text = strchr(line, ' ');
	size_t size;
	uint32_t id;

	if (!text)
		return false;
	*text++ = 0;
	if (scan_u32(line, 1, UINT8_MAX, &id) < 0 ||
		sodium_base642bin(key->bytes, ARRAY_KEY_SIZE, text, strlen(text), NULL, &size, NULL,
			sodium_base64_VARIANT_ORIGINAL) < 0 ||
		size != ARRAY_KEY_SIZE)
		return false;
	key->id = (uint8_t)id;
	return true;
}

static int add_line(
	const char *start, size_t length, unsigned number, struct array_keys *keys, struct error *error)
{
	char line[LINE_SIZE];
	bool parsed;

	if (length == 0 || *start == '#')
		return 0;
	if (keys->count == ARRAY_KEYS_MAX)
		return error_set(error, -EINVAL,
			"line %u: there is a third key; two are enough to change them", number);
	if (length >= sizeof(line))
		return error_set(error, -EINVAL, "line %u is too long for a number and a key", number);
	memcpy(line, start, length);
	line[length] = 0;
	parsed = parse_key(line, &keys->keys[keys->count]);
	sodium_memzero(line, sizeof(line));
	if (!parsed)
		return error_set(error, -EINVAL,
			"line %u is not a number from 1 to 255, a blank "
			"and a key (44 characters of base64; see wg genkey)",
			number);
	if (keys->count == 1 && keys->keys[0].id == keys->keys[1].id)
		return error_set(error, -EINVAL, "line %u: both keys have the same number", number);
	keys->count++;
	return 0;
}

int array_keys_parse(const char *text, struct array_keys *keys, struct error *error)
{
	unsigned number = 1;
	int r = 0;

	*keys = (struct array_keys){0};
	for (const char *end; r == 0 && *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		r = add_line(text, (size_t)(end - text), number++, keys, error);
	}
	if (r == 0 && keys->count == 0)
		r = error_set(error, -EINVAL, "there is no key; try: echo \"1 $(wg genkey)\"");
	if (r < 0)
		array_keys_forget(keys);
	return r;
}

void array_keys_forget(struct array_keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}
