// SPDX-License-Identifier: Apache-2.0
/* The array's key file: what seals the replication, and what vouches for relays, is derived from what stands in it. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "daemon.h"
#include "replicate.h"

#define KEY_TEXT_MAX 1024

int keys_read(const struct model *model, struct array_keys *keys, struct error *error)
{
	const char *path = model->array.key_file;
	_cleanup_close_ int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[KEY_TEXT_MAX];
	ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
	struct error words;
	int r;

	keys->count = 0;
	if (!path)
		return 0;
	if (size < 0)
		return error_errno(error, -errno, "the array's key file %s", path);
	text[size] = '\0';
	r = array_keys_parse(text, keys, &words);
	sodium_memzero(text, sizeof(text));
	return r < 0 ? error_set(error, r, "the array's key file %s: %s", path, words.text) : 0;
}

int keys_vouch(const struct daemon *daemon, const struct array_keys *keys, struct error *error)
{
	struct bpf_relay_key relay_keys[ARRAY_KEYS_MAX];
	uint8_t bytes[ARRAY_RELAY_KEY_SIZE];
	int r;

	for (size_t i = 0; i < keys->count; i++) {
		array_relay_key(&keys->keys[i], bytes);
		relay_keys[i].id = keys->keys[i].id;
		memcpy(relay_keys[i].words, bytes, sizeof(bytes));
	}
	r = bpf_relay_keys_set(daemon->pin_dir, relay_keys, keys->count, error);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(relay_keys, sizeof(relay_keys));
	return r;
}
