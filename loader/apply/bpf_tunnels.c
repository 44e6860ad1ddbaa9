// SPDX-License-Identifier: Apache-2.0
/*
 * Our tunnels in the maps (bpf_fill.c): what the entry of each says, and that the entries of those that left say nothing, since
 * what is in an array cannot be deleted.
 */
#include <bpf/bpf.h>
#include <endian.h>
#include <net/if.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/bpf_fill.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

/* ---- Those that are there ---------------------------------------------------------------------------------------- */

/* Of the provider's prefixes of a family the widest; NULL: it has none. */
static const struct prefix *widest_prefix(const struct provider *provider, bool v4)
{
	const struct prefix *widest = NULL;

	for (size_t i = 0; i < provider->prefix_count; i++) {
		const struct prefix *prefix = &provider->prefixes[i];

		if (address_is_v4(&prefix->address) == v4 && (!widest || prefix->length < widest->length))
			widest = prefix;
	}
	return widest;
}

/* Nothing of a prefix that does not end within the half that counts. */
static struct reach reach_of(const struct provider *provider, bool v4)
{
	const struct prefix *prefix = widest_prefix(provider, v4);
	unsigned length = !prefix ? 0 : v4 ? prefix->length - 64U : prefix->length;
	struct reach reach = {0};

	if (length == 0 || length > 64)
		return reach;
	reach.mask = htobe64(UINT64_MAX << (64 - length));
	memcpy(&reach.bits, &prefix->address.bytes[v4 ? 8 : 0], sizeof(reach.bits));
	return reach;
}

/* One without an interface reaches nobody: it carries nothing, and its entry is the hardest to find when it leaves. */
void fill_tunnel(struct filling *filling, const struct tunnel *tunnel)
{
	uint32_t number = tunnel->number, index = if_nametoindex(tunnel->name);
	uint16_t zone = tunnel->provider ? tunnel->provider->zone : 0;
	const struct egress_group *group = model_egress_of(filling->model, tunnel);
	struct tunnel_entry value = {.ifindex = index,
		.provider = tunnel->provider ? tunnel->provider->number : 0,
		.zone = zone,
		.gateway = filling->model->number,
		.egress = group ? group->number : 0};

	for (int v4 = 0; v4 < 2 && tunnel->provider && index; v4++)
		value.reach[v4] = reach_of(tunnel->provider, v4);
	table_add(&filling->tables[TABLE_TUNNELS], &number, &value);
	if (index)
		table_add(&filling->tables[TABLE_INTERFACES], &index, &number);
	for (size_t i = 0; i < tunnel->address_count; i++) {
		fill_prefix(filling, SPACE_LINK, tunnel->number, &tunnel->addresses[i], 1);
		fill_prefix(filling, SPACE_NEIGHBOUR, zone, &tunnel->addresses[i], tunnel->number);
		fill_local(filling, &tunnel->addresses[i].address, LOCAL_TUNNEL, tunnel->number);
	}
}

/* ---- Those that were ---------------------------------------------------------------------------------------------- */

static void empty_unless_there(struct filling *filling, uint32_t number)
{
	static const struct tunnel_entry nothing;

	if (!model_tunnel_by_number(filling->model, (uint16_t)number))
		table_add(&filling->tables[TABLE_TUNNELS], &number, &nothing);
}

/* Those that had an interface when the maps were last filled. */
static int empty_tunnels_of_interfaces(struct filling *filling, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(filling->pin_dir, MAP_INTERFACES, NULL, error);
	uint32_t index, next, number;

	if (map < 0)
		return map;
	for (bool more = bpf_map_get_next_key(map, NULL, &next) == 0; more;) {
		index = next;
		more = bpf_map_get_next_key(map, &index, &next) == 0;
		if (bpf_map_lookup_elem(map, &index, &number) == 0)
			empty_unless_there(filling, number);
	}
	return 0;
}

/* And those whose interface was away: they stand among their provider's ways. */
static int empty_tunnels_of_ways(struct filling *filling, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(filling->pin_dir, MAP_PROVIDERS, NULL, error);
	struct provider_entry provider;
	uint32_t key, next;

	if (map < 0)
		return map;
	for (bool more = bpf_map_get_next_key(map, NULL, &next) == 0; more;) {
		key = next;
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (bpf_map_lookup_elem(map, &key, &provider) < 0)
			continue;
		for (uint32_t i = 0; i < provider.count && i < PROVIDER_WAYS_MAX; i++)
			if (provider.ways[i].gateway == filling->model->number)
				empty_unless_there(filling, provider.ways[i].tunnel);
	}
	return 0;
}

int fill_old_tunnels(struct filling *filling, struct error *error)
{
	int result = empty_tunnels_of_interfaces(filling, error);

	if (result == 0)
		result = empty_tunnels_of_ways(filling, error);
	return result < 0 ? result : filling->tables[TABLE_TUNNELS].result;
}
