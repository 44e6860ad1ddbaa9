// SPDX-License-Identifier: Apache-2.0
/*
 * Inventories: a gateway's tunnels, as many datagrams as it takes. Each names the inventory's version, how many tunnels
 * there are in all, and which of them it carries; who has them all takes them over as a whole. A heartbeat names the
 * version, and who does not have it asks.
 */
#include "array/private.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define PART_START 9 /* bytes before the first tunnel */

/* ---- Ours ---------------------------------------------------------------------------------------------------------- */

static int by_number(const void *one, const void *other)
{
	const struct array_tunnel *a = one, *b = other;

	return (a->number > b->number) - (a->number < b->number);
}

static bool same_tunnels(const struct array_core *core, const struct array_tunnel *tunnels, size_t count)
{
	if (core->tunnels_version == 0 || core->tunnel_count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (core->tunnels[i].number != tunnels[i].number ||
			core->tunnels[i].usable != tunnels[i].usable ||
			strcmp(core->tunnels[i].provider, tunnels[i].provider) != 0)
			return false;
	return true;
}

/* As many as fit, from `first` on; answers the next one. */
static size_t send_part(struct array_core *core, struct peer *peer, size_t first)
{
	uint8_t text[TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text)), header = writer_of(text, PART_START);
	size_t next = first;

	writer.at += PART_START;
	for (; next < core->tunnel_count; next++) {
		const struct array_tunnel *tunnel = &core->tunnels[next];
		uint8_t length = (uint8_t)strlen(tunnel->provider);

		if ((size_t)(writer.end - writer.at) < 4U + length)
			break;
		put_u16(&writer, tunnel->number);
		put_u8(&writer, tunnel->usable);
		put_u8(&writer, length);
		put_bytes(&writer, tunnel->provider, length);
	}
	put_u32(&header, core->tunnels_version);
	put_u16(&header, (uint16_t)core->tunnel_count);
	put_u16(&header, (uint16_t)first);
	put_u8(&header, (uint8_t)(next - first));
	send_sealed(core, peer, MESSAGE_INVENTORY, &writer);
	return next;
}

static void send_inventory(struct array_core *core, struct peer *peer)
{
	size_t next = 0;

	do
		next = send_part(core, peer, next);
	while (next < core->tunnel_count);
}

int array_set_tunnels(
	struct array_core *core, const struct array_tunnel *tunnels, size_t count, struct array_time now)
{
	_cleanup_free_ struct array_tunnel *sorted = NULL;

	(void)now;
	if (count > ARRAY_TUNNELS_MAX)
		return -E2BIG;
	sorted = calloc(count + 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = tunnels[i];
	qsort(sorted, count, sizeof(*sorted), by_number);
	if (same_tunnels(core, sorted, count))
		return 0;
	free(core->tunnels);
	core->tunnels = TAKE_PTR(sorted);
	core->tunnel_count = count;
	core->tunnels_version++;
	FOR_EACH_PEER (core, peer)
		send_inventory(core, peer);
	return 0;
}

bool take_inventory_ask(
	struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	(void)now;
	if (core->tunnels_version != 0)
		send_inventory(core, peer);
	return read_whole(reader);
}

/* ---- Theirs -------------------------------------------------------------------------------------------------------- */

void inventory_reset(struct peer *peer)
{
	free(peer->inventory.coming);
	peer->inventory = (struct inventory){0};
}

void inventory_version(struct array_core *core, struct peer *peer, uint32_t version)
{
	struct writer nothing = {0};

	if (version != peer->inventory.version)
		send_sealed(core, peer, MESSAGE_INVENTORY_ASK, &nothing);
}

/* What has come of another version is of no use. */
static bool begin_version(struct inventory *inventory, uint32_t version, uint16_t count)
{
	if (inventory->coming_version == version && inventory->coming_count == count)
		return true;
	free(inventory->coming);
	inventory->coming = calloc(count + 1U, sizeof(*inventory->coming));
	inventory->coming_version = inventory->coming ? version : 0;
	inventory->coming_count = count;
	inventory->come_count = 0;
	memset(inventory->come, 0, sizeof(inventory->come));
	return inventory->coming;
}

/* Names are printed: nothing but visible characters. */
static bool get_tunnel(struct reader *reader, struct array_tunnel *tunnel)
{
	uint8_t usable, length;

	*tunnel = (struct array_tunnel){.number = get_u16(reader)};
	usable = get_u8(reader);
	length = get_u8(reader);
	if (usable > 1 || length == 0 || length > ARRAY_NAME_MAX || tunnel->number == 0)
		return false;
	tunnel->usable = usable;
	get_bytes(reader, tunnel->provider, length);
	for (size_t i = 0; i < length; i++)
		if (tunnel->provider[i] <= ' ' || tunnel->provider[i] > '~')
			return false;
	return true;
}

static void note_tunnel(struct inventory *inventory, size_t i, const struct array_tunnel *tunnel)
{
	inventory->come_count += !bit_is_set(inventory->come, ARRAY_TUNNELS_MAX, i);
	bit_set(inventory->come, ARRAY_TUNNELS_MAX, i);
	inventory->coming[i] = *tunnel;
}

static bool is_sorted(const struct array_tunnel *tunnels, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (tunnels[i - 1].number >= tunnels[i].number)
			return false;
	return true;
}

/* When all are there: theirs from now on. */
static bool complete(struct array_core *core, struct peer *peer)
{
	struct inventory *inventory = &peer->inventory;
	_cleanup_free_ struct array_tunnel *tunnels = NULL;
	uint32_t version;

	if (inventory->come_count < inventory->coming_count)
		return true;
	tunnels = TAKE_PTR(inventory->coming);
	version = TAKE(inventory->coming_version, 0);
	if (!is_sorted(tunnels, inventory->coming_count))
		return false;
	inventory->version = version;
	core->effects.tunnels_changed(core->effects.self, peer->number, tunnels, inventory->coming_count);
	return true;
}

bool take_inventory(struct array_core *core, struct peer *peer, struct reader *reader, struct array_time now)
{
	struct inventory *inventory = &peer->inventory;
	uint32_t version = get_u32(reader);
	uint16_t all = get_u16(reader), first = get_u16(reader);
	uint8_t count = get_u8(reader);

	(void)now;
	if (version == 0 || all > ARRAY_TUNNELS_MAX || first + count > all)
		return false;
	if (version <= inventory->version || version < inventory->coming_version ||
		!begin_version(inventory, version, all))
		return true;
	for (size_t i = first; i < (size_t)first + count; i++) {
		struct array_tunnel tunnel;

		if (!get_tunnel(reader, &tunnel))
			return false;
		note_tunnel(inventory, i, &tunnel);
	}
	return read_whole(reader) && complete(core, peer);
}
