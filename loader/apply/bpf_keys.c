// SPDX-License-Identifier: Apache-2.0
/*
 * The keys that vouch for relays, into the maps. Packets go by them meanwhile: a key is there before we relay by it, and
 * one that leaves goes when we do so no more.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

static int write_key(int map, uint32_t id, const struct relay_key *wanted, struct error *error)
{
	struct relay_key found;
	bool same = bpf_map_lookup_elem(map, &id, &found) == 0 && memcmp(&found, wanted, sizeof(found)) == 0;

	sodium_memzero(&found, sizeof(found));
	if (same || bpf_map_update_elem(map, &id, wanted, BPF_ANY) == 0)
		return 0;
	return error_errno(error, -errno, "writing the map %s", MAP_RELAY_KEYS);
}

static int write_known(int map, const struct bpf_relay_key *keys, size_t count, struct error *error)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct relay_key entry = {.words = {keys[i].words[0], keys[i].words[1]}, .known = 1};

		r = write_key(map, keys[i].id, &entry, error);
		sodium_memzero(&entry, sizeof(entry));
	}
	return r;
}

static int choose_ours(const char *pin_dir, uint8_t id, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_SETTINGS, NULL, error);
	struct settings settings;
	uint32_t zero = 0;

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &zero, &settings) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_SETTINGS);
	if (settings.relay_key == id)
		return 0;
	settings.relay_key = id;
	if (bpf_map_update_elem(map, &zero, &settings, BPF_ANY) < 0)
		return error_errno(error, -errno, "writing the map %s", MAP_SETTINGS);
	return 0;
}

static bool has_key(const struct bpf_relay_key *keys, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (keys[i].id == id)
			return true;
	return false;
}

static int forget_others(int map, const struct bpf_relay_key *keys, size_t count, struct error *error)
{
	static const struct relay_key none;
	int r = 0;

	for (uint32_t id = 0; id < GATEWAY_NUMBERS && r == 0; id++)
		if (!has_key(keys, count, id))
			r = write_key(map, id, &none, error);
	return r;
}

int bpf_relay_keys_set(
	const char *pin_dir, const struct bpf_relay_key *keys, size_t count, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_RELAY_KEYS, NULL, error);
	int r = map < 0 ? map : write_known(map, keys, count, error);

	if (r == 0)
		r = choose_ours(pin_dir, count ? keys[0].id : 0, error);
	return r == 0 ? forget_others(map, keys, count, error) : r;
}
