// SPDX-License-Identifier: Apache-2.0
/*
 * The other gateways in the maps, as gwd hears of them: state, tunnels, usable bits. The configuration writes who there is
 * (bpf_fill.c) and leaves alone what is written here.
 *
 * What a member had before is found in the providers' ways: all its tunnels stand there, since one that does not fit is
 * not entered at all. Packets go by the maps meanwhile, so what comes is written from the tunnel to the way that leads
 * there, and what goes the other way round.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

static int write_entry(int map, const char *name, const void *key, const void *value, struct error *error)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY) < 0)
		return error_errno(error, -errno, "writing the map %s", name);
	return 0;
}

/* The entry of a gateway, a member or we, and the open map; else a negative errno. */
static int open_entry(const char *pin_dir, uint32_t number, struct member_entry *entry, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_MEMBERS, NULL, error);

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &number, entry) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_MEMBERS);
	return TAKE_FD(map);
}

/* The same of a member that the configuration has. */
static int open_member(const char *pin_dir, uint32_t number, struct member_entry *entry, struct error *error)
{
	_cleanup_close_ int map = open_entry(pin_dir, number, entry, error);

	if (map >= 0 && entry->state == MEMBER_NONE)
		return error_set(error, -ENOENT, "the array has no member %u", number);
	return TAKE_FD(map);
}

int bpf_member_set(const char *pin_dir, uint8_t number, uint8_t state, bool serving, struct error *error)
{
	struct member_entry entry;
	_cleanup_close_ int map = open_member(pin_dir, number, &entry, error);
	uint32_t key = number;

	if (map < 0)
		return map;
	entry.state = state;
	entry.serving = serving;
	entry.heard |= state == MEMBER_ALIVE;
	return write_entry(map, MAP_MEMBERS, &key, &entry, error);
}

int bpf_serving_set(const char *pin_dir, uint8_t self, bool serving, struct error *error)
{
	struct member_entry entry;
	_cleanup_close_ int map = open_entry(pin_dir, self, &entry, error);
	uint32_t key = self;

	if (map < 0)
		return map;
	entry.serving = serving;
	return write_entry(map, MAP_MEMBERS, &key, &entry, error);
}

int bpf_member_clock_set(const char *pin_dir, uint8_t number, int16_t slots, struct error *error)
{
	struct member_entry entry;
	_cleanup_close_ int map = open_member(pin_dir, number, &entry, error);
	uint32_t key = number;

	if (map < 0)
		return map;
	entry.clock_slots = slots;
	return write_entry(map, MAP_MEMBERS, &key, &entry, error);
}

int bpf_member_adopt(const char *pin_dir, uint8_t number, uint8_t *state, bool *serving, struct error *error)
{
	struct member_entry entry;
	_cleanup_close_ int map = open_entry(pin_dir, number, &entry, error);
	uint32_t key = number;

	if (map < 0)
		return map;
	*state = entry.state == MEMBER_ALIVE ? MEMBER_SUSPECT : entry.state;
	*serving = entry.serving;
	if (*state == entry.state)
		return 0;
	entry.heard = 1; /* an older gwd did not say so */
	entry.state = *state;
	return write_entry(map, MAP_MEMBERS, &key, &entry, error);
}

int bpf_clock_set(const char *pin_dir, uint64_t offset_ns, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_CLOCK, NULL, error);
	const struct clock_entry entry = {.offset_ns = offset_ns};
	uint32_t zero = 0;

	return map < 0 ? map : write_entry(map, MAP_CLOCK, &zero, &entry, error);
}

int bpf_heard(const char *pin_dir, uint8_t number, uint32_t *relay_ms, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_HEARD, NULL, error);
	struct heard_entry entry;
	uint32_t key = number;

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, &entry) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_HEARD);
	*relay_ms = entry.relay_ms;
	return 0;
}

/* ---- A member's tunnels ------------------------------------------------------------------------------------------ */

/* One provider's ways before and after. */
struct ways {
	uint32_t provider;
	struct provider_entry old, new;
};

struct inventory {
	const struct bpf_member_tunnel *tunnels;
	size_t count;
	uint8_t gateway, self;
	int provider_map, tunnel_map, usable_map;
	struct ways *ways;
	size_t ways_count;
	struct usable_entry fits, usable; /* bits by tunnel number: of those that are entered */
	bool released;
};

static bool bit_of(const struct usable_entry *bits, uint16_t number)
{
	return bits->words[number / 64] & 1ULL << number % 64;
}

static void set_bit(struct usable_entry *bits, uint16_t number)
{
	bits->words[number / 64] |= 1ULL << number % 64;
}

/* Whose the ways are decides where they stand: ours first, then by the gateway's number. */
static unsigned rank(const struct inventory *inventory, uint8_t gateway)
{
	return gateway == inventory->self ? 0 : gateway;
}

static void insert_way(
	const struct inventory *inventory, struct provider_entry *entry, struct provider_way way)
{
	uint32_t place = entry->count++;

	for (; place > 0 && rank(inventory, entry->ways[place - 1].gateway) > rank(inventory, way.gateway);
		place--)
		entry->ways[place] = entry->ways[place - 1];
	entry->ways[place] = way;
}

static bool is_anothers(const struct inventory *inventory, uint32_t number)
{
	struct tunnel_entry entry;

	return bpf_map_lookup_elem(inventory->tunnel_map, &number, &entry) == 0 && entry.provider &&
	       entry.gateway != inventory->gateway;
}

/* The provider's ways without the member's, and then with its tunnels as they are now. */
static void make_ways(struct inventory *inventory, struct ways *ways)
{
	for (uint32_t i = 0; i < ways->old.count && i < PROVIDER_WAYS_MAX; i++)
		if (ways->old.ways[i].gateway != inventory->gateway)
			ways->new.ways[ways->new.count++] = ways->old.ways[i];
	for (size_t i = 0; i < inventory->count; i++) {
		const struct bpf_member_tunnel *tunnel = &inventory->tunnels[i];

		if (tunnel->provider != ways->provider || ways->new.count == PROVIDER_WAYS_MAX ||
			bit_of(&inventory->fits, tunnel->tunnel) || is_anothers(inventory, tunnel->tunnel))
			continue;
		insert_way(inventory, &ways->new,
			(struct provider_way){.tunnel = tunnel->tunnel, .gateway = inventory->gateway});
		set_bit(&inventory->fits, tunnel->tunnel);
		if (tunnel->usable)
			set_bit(&inventory->usable, tunnel->tunnel);
	}
}

static int read_ways(struct inventory *inventory, struct error *error)
{
	uint32_t key, *before = NULL;
	struct ways *larger;

	for (; bpf_map_get_next_key(inventory->provider_map, before, &key) == 0; inventory->ways_count++) {
		larger = reallocarray(inventory->ways, inventory->ways_count + 1, sizeof(*larger));
		if (!larger)
			return error_errno(error, -ENOMEM, "the map %s", MAP_PROVIDERS);
		inventory->ways = larger;
		larger[inventory->ways_count] = (struct ways){.provider = key};
		before = &larger[inventory->ways_count].provider;
		if (bpf_map_lookup_elem(inventory->provider_map, before, &larger[inventory->ways_count].old) <
			0)
			return error_errno(error, -errno, "reading the map %s", MAP_PROVIDERS);
	}
	for (size_t i = 0; i < inventory->ways_count; i++)
		make_ways(inventory, &inventory->ways[i]);
	return 0;
}

static int enter_tunnels(const struct inventory *inventory, struct error *error)
{
	int r = 0;

	for (size_t i = 0; i < inventory->count && r == 0; i++) {
		const struct bpf_member_tunnel *tunnel = &inventory->tunnels[i];
		const struct tunnel_entry entry = {
			.provider = tunnel->provider, .zone = tunnel->zone, .gateway = inventory->gateway};
		uint32_t number = tunnel->tunnel;

		if (bit_of(&inventory->fits, tunnel->tunnel))
			r = write_entry(inventory->tunnel_map, MAP_TUNNELS, &number, &entry, error);
	}
	return r;
}

static int write_ways(struct inventory *inventory, struct error *error)
{
	int r = 0;

	for (size_t i = 0; i < inventory->ways_count && r == 0; i++) {
		const struct ways *ways = &inventory->ways[i];

		if (memcmp(&ways->old, &ways->new, sizeof(ways->old)) != 0)
			r = write_entry(
				inventory->provider_map, MAP_PROVIDERS, &ways->provider, &ways->new, error);
		inventory->released |= ways->new.count < ways->old.count;
	}
	return r;
}

static int leave_tunnels(struct inventory *inventory, struct error *error)
{
	static const struct tunnel_entry nothing;
	int r = 0;

	for (size_t i = 0; i < inventory->ways_count; i++)
		for (uint32_t j = 0; j < inventory->ways[i].old.count && j < PROVIDER_WAYS_MAX && r == 0;
			j++) {
			const struct provider_way *way = &inventory->ways[i].old.ways[j];
			uint32_t number = way->tunnel;

			if (way->gateway != inventory->gateway || bit_of(&inventory->fits, way->tunnel) ||
				is_anothers(inventory, number))
				continue;
			r = write_entry(inventory->tunnel_map, MAP_TUNNELS, &number, &nothing, error);
			inventory->released = true;
		}
	return r;
}

static int make_it_so(struct inventory *inventory, struct error *error)
{
	uint32_t gateway = inventory->gateway;
	int r = read_ways(inventory, error);

	if (r == 0)
		r = enter_tunnels(inventory, error);
	if (r == 0)
		r = write_entry(inventory->usable_map, MAP_USABLE, &gateway, &inventory->usable, error);
	if (r == 0)
		r = write_ways(inventory, error);
	return r == 0 ? leave_tunnels(inventory, error) : r;
}

static int left_out(const struct inventory *inventory)
{
	int count = 0;

	for (size_t i = 0; i < inventory->count; i++)
		count += !bit_of(&inventory->fits, inventory->tunnels[i].tunnel);
	return count;
}

int bpf_member_tunnels_set(const char *pin_dir, uint8_t gateway, const struct bpf_member_tunnel *tunnels,
	size_t count, bool *released, struct error *error)
{
	_cleanup_close_ int providers = bpf_map_open(pin_dir, MAP_PROVIDERS, NULL, error);
	_cleanup_close_ int entries = bpf_map_open(pin_dir, MAP_TUNNELS, NULL, error);
	_cleanup_close_ int usable = bpf_map_open(pin_dir, MAP_USABLE, NULL, error);
	_cleanup_free_ struct inventory *inventory = calloc(1, sizeof(*inventory));
	struct settings settings;
	int r;

	if (providers < 0 || entries < 0 || usable < 0)
		return providers < 0 ? providers : entries < 0 ? entries : usable;
	if (!inventory)
		return error_errno(error, -ENOMEM, "the tunnels of gateway %u", gateway);
	r = bpf_settings_read(pin_dir, &settings, error);
	if (r < 0)
		return r;
	if (gateway == settings.gateway)
		return error_set(error, -EINVAL, "gateway %u is this one", gateway);
	*inventory =
		(struct inventory){tunnels, count, gateway, settings.gateway, providers, entries, usable};
	r = make_it_so(inventory, error);
	if (r == 0)
		r = left_out(inventory);
	if (released)
		*released = inventory->released;
	free(inventory->ways);
	return r;
}
