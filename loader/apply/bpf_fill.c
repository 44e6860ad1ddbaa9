// SPDX-License-Identifier: Apache-2.0
/*
 * The model into the maps. First the wanted entries of every map are written down as tables in memory, then each is
 * compared with its map: what is missing or differs is written, what is not wanted is deleted, the rest is not touched.
 * Looking whether anything differs is the same walk without the writing.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/bpf_fill.h"
#include "apply/link.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

#define KEY_ROOM   24
#define VALUE_ROOM 264

#define NO_INTERFACE UINT32_MAX /* not 0: while the underlay is away nothing is relayed in the clear */

struct entry {
	uint8_t key[KEY_ROOM]; /* zeros behind the map's key size */
	uint8_t value[VALUE_ROOM];
	size_t order; /* in which it was added */
};

_Static_assert(sizeof(struct provider_entry) <= VALUE_ROOM && sizeof(struct settings) <= VALUE_ROOM, "");
_Static_assert(sizeof(struct prefix_key) <= KEY_ROOM, "");

static const struct table empty_tables[TABLES] = {
	[TABLE_PREFIXES] = {MAP_PREFIXES, sizeof(struct prefix_key), sizeof(struct prefix_value)},
	[TABLE_LOCALS] = {MAP_LOCALS, 16, sizeof(struct local_entry)},
	[TABLE_PROVIDERS] = {MAP_PROVIDERS, sizeof(uint32_t), sizeof(struct provider_entry)},
	[TABLE_TUNNELS] = {MAP_TUNNELS, sizeof(uint32_t), sizeof(struct tunnel_entry), .is_array = true},
	[TABLE_INTERFACES] = {MAP_INTERFACES, sizeof(uint32_t), sizeof(uint32_t)},
	[TABLE_MEMBERS] = {MAP_MEMBERS, sizeof(uint32_t), sizeof(struct member_entry), .is_array = true},
	[TABLE_EGRESS_GROUPS] = {MAP_EGRESS_GROUPS, sizeof(uint32_t), sizeof(struct egress_entry)},
	[TABLE_EGRESS_FROM] = {MAP_EGRESS_FROM, sizeof(struct egress_from), sizeof(uint32_t)},
	[TABLE_SERVICES] = {MAP_SERVICES, sizeof(uint32_t), sizeof(struct services), .is_array = true},
	[TABLE_OWN] = {MAP_OWN, 16, sizeof(uint32_t)},
	[TABLE_FILTERS] = {MAP_FILTERS, sizeof(uint32_t), sizeof(uint32_t)},
	[TABLE_SETTINGS] = {MAP_SETTINGS, sizeof(uint32_t), sizeof(struct settings), .is_array = true},
};

/* ---- Tables in memory -------------------------------------------------------------------------------------------- */

void table_add(struct table *table, const void *key, const void *value)
{
	struct entry *entry;

	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 16;
		struct entry *larger = reallocarray(table->entries, room, sizeof(*larger));

		if (!larger) {
			table->result = -ENOMEM;
			return;
		}
		table->entries = larger;
		table->room = room;
	}
	entry = &table->entries[table->count];
	memset(entry, 0, sizeof(*entry));
	entry->order = table->count++;
	memcpy(entry->key, key, table->key_size);
	memcpy(entry->value, value, table->value_size);
}

static int compare_keys(const void *one, const void *other)
{
	return memcmp(one, other, KEY_ROOM);
}

static int compare_entries(const void *one, const void *other)
{
	const struct entry *a = one, *b = other;
	int keys = compare_keys(a->key, b->key);

	return keys ? keys : (a->order > b->order) - (a->order < b->order);
}

/*
 * Sorted, and of entries with one key only the first that was added: two tunnels may have one link network, and an address of
 * the machine's may be a tunnel's too.
 */
static void table_sort(struct table *table)
{
	size_t kept = 0;

	if (table->count)
		qsort(table->entries, table->count, sizeof(*table->entries), compare_entries);
	for (size_t i = 0; i < table->count; i++)
		if (i == 0 || compare_keys(&table->entries[i], &table->entries[kept - 1]) != 0)
			table->entries[kept++] = table->entries[i];
	table->count = kept;
}

static bool table_has(const struct table *table, const void *key)
{
	uint8_t wanted[KEY_ROOM] = {0};

	memcpy(wanted, key, table->key_size);
	return table->count &&
	       bsearch(wanted, table->entries, table->count, sizeof(*table->entries), compare_keys);
}

/* ---- What is wanted ---------------------------------------------------------------------------------------------- */

void fill_prefix(
	struct filling *filling, uint16_t space, uint16_t which, const struct prefix *prefix, uint16_t holder)
{
	struct prefix network = prefix_network(prefix);
	struct prefix_key key = {.length = PREFIX_KEY_BITS + network.length, .space = space, .which = which};
	struct prefix_value value = {.provider = holder};

	memcpy(key.address, network.address.bytes, sizeof(key.address));
	table_add(&filling->tables[TABLE_PREFIXES], &key, &value);
}

void fill_local(struct filling *filling, const struct address *address, uint16_t kind, uint16_t which)
{
	struct local_entry value = {.kind = kind, .which = which};

	table_add(&filling->tables[TABLE_LOCALS], address->bytes, &value);
}

/* Ways that members told of (bpf_members.c) stay while the member does; those behind the last place do not. */
static void keep_members_ways(const struct filling *filling, uint32_t provider, struct provider_entry *value)
{
	_cleanup_close_ int map = bpf_map_open(filling->pin_dir, MAP_PROVIDERS, NULL, NULL);
	struct provider_entry old;

	if (map < 0 || bpf_map_lookup_elem(map, &provider, &old) < 0)
		return;
	for (uint32_t i = 0; i < old.count && i < PROVIDER_WAYS_MAX; i++) {
		const struct provider_way *way = &old.ways[i];

		if (way->gateway != filling->model->number && value->count < PROVIDER_WAYS_MAX &&
			model_member_by_number(filling->model, way->gateway))
			value->ways[value->count++] = *way;
	}
}

static void add_provider(struct filling *filling, const struct provider *provider)
{
	const struct model *model = filling->model;
	struct provider_entry value = {0};
	uint32_t number = provider->number;

	for (size_t i = 0; i < model->tunnel_count && value.count < PROVIDER_WAYS_MAX; i++)
		if (model->tunnels[i].provider == provider)
			value.ways[value.count++] = (struct provider_way){
				.tunnel = model->tunnels[i].number, .gateway = model->number};
	keep_members_ways(filling, number, &value);
	table_add(&filling->tables[TABLE_PROVIDERS], &number, &value);
	for (size_t i = 0; i < provider->prefix_count; i++)
		fill_prefix(filling, SPACE_ZONE, provider->zone, &provider->prefixes[i], provider->number);
}

/* A LAN's interface that is away just now comes back with another number. */
static void add_group(struct filling *filling, const struct egress_group *group)
{
	struct egress_entry entry = {
		.sharing = group->mode == EGRESS_LOAD_SHARING, .by_source = group->hash == EGRESS_BY_SOURCE};
	uint32_t number = group->number, one = 1;

	table_add(&filling->tables[TABLE_EGRESS_GROUPS], &number, &entry);
	for (size_t i = 0; i < group->from_count; i++) {
		struct egress_from from = {.ifindex = if_nametoindex(group->from[i]), .group = number};

		if (from.ifindex)
			table_add(&filling->tables[TABLE_EGRESS_FROM], &from, &one);
	}
	for (size_t i = 0; i < group->destination_count; i++)
		fill_prefix(filling, SPACE_EGRESS, 0, &group->destinations[i], group->number);
}

/*
 * What no configuration says: the hash's secret was drawn before there were lines (bpf_carry.c; another one would lose every flow
 * that is in a table), and which relay key is ours stands in a key file (bpf_keys.c).
 */
static void keep_settings(const char *pin_dir, struct settings *settings)
{
	struct settings old = {0};

	if (bpf_settings_read(pin_dir, &old, NULL) < 0)
		old = (struct settings){0};
	memcpy(settings->hash_seed, old.hash_seed, sizeof(settings->hash_seed));
	settings->relay_key = old.relay_key;
}

/* What only matters beside others. */
static void add_relaying(const struct model *model, struct settings *settings)
{
	if (!model_has_members(model))
		return;
	settings->relay = model->array.relay_authenticate ? RELAY_AUTHENTICATED : RELAY_PLAIN;
	settings->ports_first = model->array.ports_first;
	settings->ports_slice = model->array.ports_slice;
	if (model->array.underlay)
		settings->underlay_ifindex = if_nametoindex(model->array.underlay) ?: NO_INTERFACE;
}

static void add_settings(struct filling *filling)
{
	const struct model *model = filling->model;
	const struct timeouts *timeouts = &model->tables.timeouts;
	struct settings settings = {
		.home_ifindex = if_nametoindex(HOME_INTERFACE),
		.flow_mask = model->tables.flows - 1,
		.device_mask = model->tables.devices - 1,
		.half_open_ms = timeouts->half_open_ms,
		.established_ms = timeouts->established_ms,
		.closing_ms = timeouts->closing_ms,
		.udp_ms = timeouts->udp_ms,
		.icmp_ms = timeouts->icmp_ms,
		.device_ms = timeouts->device_ms,
		.mtu = model->array.mtu,
		.gateway = model->number,
		.mss_clamp = model->mss_clamp,
		.counters = model->counters,
		.filter = model->filter.enabled,
		.home_mac = HOME_MAC,
	};
	uint32_t zero = 0;

	keep_settings(filling->pin_dir, &settings);
	add_relaying(model, &settings);
	table_add(&filling->tables[TABLE_SETTINGS], &zero, &settings);
}

/*
 * What stands in the map of a member that stays is news of it, not configuration. One that nobody heard of yet is
 * suspect: it may live, so its flows are not reset.
 */
static struct member_entry member_entry(int map, const struct member *member)
{
	struct member_entry entry = {.state = MEMBER_SUSPECT, .serving = 1}, old;
	uint32_t number = member->number;

	if (bpf_map_lookup_elem(map, &number, &old) == 0 && old.state != MEMBER_NONE)
		entry = old;
	memcpy(entry.address, member->address.bytes, sizeof(entry.address));
	return entry;
}

/* Our own: whether we serve is such news too. */
static struct member_entry own_entry(int map, const struct member *member)
{
	struct member_entry entry = {.serving = 1}, old;
	uint32_t number = member->number;

	memcpy(entry.address, member->address.bytes, sizeof(entry.address));
	if (bpf_map_lookup_elem(map, &number, &old) == 0 &&
		memcmp(old.address, entry.address, sizeof(old.address)) == 0)
		entry.serving = old.serving;
	return entry;
}

static int add_members(struct filling *filling, struct error *error)
{
	const struct model *model = filling->model;
	_cleanup_close_ int map = bpf_map_open(filling->pin_dir, MAP_MEMBERS, NULL, error);

	if (map < 0)
		return map;
	for (uint32_t number = 0; number < GATEWAY_NUMBERS; number++) {
		const struct member *member = model_member_by_number(model, (uint8_t)number);
		struct member_entry entry = {0};

		if (member && number != model->number)
			entry = member_entry(map, member);
		if (member && number == model->number && model_has_members(model)) {
			entry = own_entry(map, member);
			fill_local(filling, &member->address, LOCAL_UNDERLAY, 0);
		}
		table_add(&filling->tables[TABLE_MEMBERS], &number, &entry);
	}
	return 0;
}

/*
 * An uplink's network is inside, unless all of IPv4 would be with it (the configuration may name no such prefix either); and its
 * filter judges what goes to our address there.
 */
static int add_machines_address(uint32_t index, const struct prefix *prefix, bool ours, void *context)
{
	struct filling *filling = context;
	const struct model *model = filling->model;

	(void)ours;
	for (size_t i = 0; i < model->uplink_count; i++)
		if (if_nametoindex(model->uplinks[i]) == index && !prefix_holds_v4(prefix))
			fill_prefix(filling, SPACE_INSIDE, 0, prefix, 1);
	fill_own_address(filling, index, prefix);
	return 0;
}

static int write_down(struct filling *filling, struct netlink *netlink, struct error *error)
{
	const struct model *model = filling->model;
	int result;

	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++)
			fill_local(filling, &model->loopbacks[i].addresses[j], LOCAL_LOOPBACK,
				model->loopbacks[i].zone);
	for (size_t i = 0; i < model->inside_count; i++)
		fill_prefix(filling, SPACE_INSIDE, 0, &model->inside[i], 1);
	for (size_t i = 0; i < model->provider_count; i++)
		add_provider(filling, &model->providers[i]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		fill_tunnel(filling, &model->tunnels[i]);
	for (size_t i = 0; i < model->egress_count; i++)
		add_group(filling, &model->egress[i]);
	for (size_t i = 0; i < model->probe_count; i++)
		if (model_probe_goes_beyond(&model->probes[i]))
			fill_prefix(filling, SPACE_PROBED, model->probes[i].tunnel->number,
				&(struct prefix){*model_probe_target(&model->probes[i]), 128}, 1);
	add_settings(filling);
	result = add_members(filling, error);
	if (result == 0)
		result = address_each(netlink, add_machines_address, filling, error);
	fill_filters(filling);
	for (int i = 0; i < TABLES && result == 0; i++)
		if (filling->tables[i].result < 0)
			result = error_errno(
				error, filling->tables[i].result, "map %s", filling->tables[i].map);
	return result;
}

/* ---- Against the maps -------------------------------------------------------------------------------------------- */

struct comparison {
	bool write;
	size_t differences;
};

/* The keys that are in a map, in the order of a table. */
static int read_keys(const struct table *table, int map, struct table *present)
{
	static const uint8_t no_value[VALUE_ROOM];
	uint8_t key[KEY_ROOM] = {0}, next[KEY_ROOM] = {0};

	*present = (struct table){.key_size = table->key_size, .value_size = table->value_size};
	for (bool more = bpf_map_get_next_key(map, NULL, next) == 0; more;) {
		memcpy(key, next, table->key_size);
		table_add(present, key, no_value);
		more = bpf_map_get_next_key(map, key, next) == 0;
	}
	table_sort(present);
	return present->result;
}

/* A lookup in a trie finds the longest prefix that holds the key, which need not be the key: hence `present`. */
static bool map_says(
	const struct table *table, int map, const struct table *present, const struct entry *entry)
{
	uint8_t value[VALUE_ROOM];

	return (table->is_array || table_has(present, entry->key)) &&
	       bpf_map_lookup_elem(map, entry->key, value) == 0 &&
	       memcmp(value, entry->value, table->value_size) == 0;
}

static int write_entry(const struct table *table, int map, const struct table *present,
	const struct entry *entry, struct comparison *comparison)
{
	if (map_says(table, map, present, entry))
		return 0;
	comparison->differences++;
	if (comparison->write && bpf_map_update_elem(map, entry->key, entry->value, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int write_entries(
	const struct table *table, int map, const struct table *present, struct comparison *comparison)
{
	int result = 0;

	for (size_t i = 0; i < table->count && result == 0; i++)
		result = write_entry(table, map, present, &table->entries[i], comparison);
	return result;
}

static int delete_others(
	const struct table *table, int map, const struct table *present, struct comparison *comparison)
{
	for (size_t i = 0; i < present->count; i++) {
		const uint8_t *key = present->entries[i].key;

		if (table_has(table, key))
			continue;
		comparison->differences++;
		if (comparison->write && bpf_map_delete_elem(map, key) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* Of the filters' table: those that shall drop nothing any more. */
static int loosen(
	const struct table *table, int map, const struct table *present, struct comparison *comparison)
{
	static const uint32_t watches = FILTER_WATCHES;
	int result = delete_others(table, map, present, comparison);

	for (size_t i = 0; i < table->count && result == 0; i++)
		if (memcmp(table->entries[i].value, &watches, sizeof(watches)) == 0)
			result = write_entry(table, map, present, &table->entries[i], comparison);
	return result;
}

/*
 * Of the tunnels' table: those whose entry changes reach nobody until it has, lest one table's new numbers meet another's old
 * prefix.
 */
static int let_go(
	const struct table *table, int map, const struct table *present, struct comparison *comparison)
{
	static const struct reach nobody[2];
	struct tunnel_entry now;

	for (size_t i = 0; i < table->count && comparison->write; i++) {
		const struct entry *entry = &table->entries[i];

		if (map_says(table, map, present, entry))
			continue;
		if (bpf_map_lookup_elem(map, entry->key, &now) < 0)
			return -errno;
		memcpy(now.reach, nobody, sizeof(nobody));
		if (bpf_map_update_elem(map, entry->key, &now, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

typedef int (*table_step)(
	const struct table *table, int map, const struct table *present, struct comparison *comparison);

static int compare_table(const char *pin_dir, const struct table *table, table_step step,
	struct comparison *comparison, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, table->map, NULL, error);
	struct table present = {0};
	int result = 0;

	if (map < 0)
		return map;
	if (!table->is_array)
		result = read_keys(table, map, &present);
	if (result == 0)
		result = step(table, map, &present, comparison);
	free(present.entries);
	return result < 0 ? error_errno(error, result, "writing the map %s", table->map) : 0;
}

/*
 * What both configurations let in is let in at every moment: filters that go are gone before what they let in is, and all is
 * written before anything is deleted.
 */
static int compare_tables(struct filling *filling, struct comparison *comparison, struct error *error)
{
	int result;

	for (int i = 0; i < TABLES; i++)
		table_sort(&filling->tables[i]);
	result = compare_table(filling->pin_dir, &filling->tables[TABLE_FILTERS], loosen, comparison, error);
	if (result == 0)
		result = compare_table(
			filling->pin_dir, &filling->tables[TABLE_TUNNELS], let_go, comparison, error);
	for (int i = 0; i < TABLES && result == 0; i++)
		result = compare_table(
			filling->pin_dir, &filling->tables[i], write_entries, comparison, error);
	for (int i = TABLES; i-- > 0 && result == 0;)
		result = compare_table(
			filling->pin_dir, &filling->tables[i], delete_others, comparison, error);
	return result;
}

static int compare(const char *pin_dir, struct netlink *netlink, const struct model *model,
	struct comparison *comparison, struct error *error)
{
	struct filling filling = {.pin_dir = pin_dir, .model = model};
	int result;

	memcpy(filling.tables, empty_tables, sizeof(empty_tables));
	result = write_down(&filling, netlink, error);
	if (result == 0)
		result = fill_old_tunnels(&filling, error);
	if (result == 0)
		result = compare_tables(&filling, comparison, error);
	for (int i = 0; i < TABLES; i++)
		free(filling.tables[i].entries);
	return result;
}

/* The tunnels of who left the array go with it. */
static int forget_members(const char *pin_dir, const struct model *model, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_MEMBERS, NULL, error);
	struct member_entry entry;
	int result = map < 0 ? map : 0;

	for (uint32_t number = 1; number < GATEWAY_NUMBERS && result >= 0; number++)
		if (!model_member_by_number(model, (uint8_t)number) &&
			bpf_map_lookup_elem(map, &number, &entry) == 0 && entry.state != MEMBER_NONE)
			result = bpf_member_tunnels_set(pin_dir, (uint8_t)number, NULL, 0, NULL, error);
	return result;
}

int bpf_fill(const char *pin_dir, struct netlink *netlink, const struct model *model, struct error *error)
{
	struct comparison comparison = {.write = true};
	int result = forget_members(pin_dir, model, error);

	return result < 0 ? result : compare(pin_dir, netlink, model, &comparison, error);
}

int bpf_is_filled(const char *pin_dir, struct netlink *netlink, const struct model *model)
{
	struct comparison comparison = {.write = false};

	return compare(pin_dir, netlink, model, &comparison, NULL) == 0 && comparison.differences == 0;
}

uint16_t bpf_prefix_holder(const char *pin_dir, uint16_t space, uint16_t which, const struct prefix *prefix)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_PREFIXES, NULL, NULL);
	struct prefix_key key = {.length = PREFIX_KEY_BITS + prefix->length, .space = space, .which = which};
	struct prefix_value value = {0};

	memcpy(key.address, prefix->address.bytes, sizeof(key.address));
	if (map < 0 || bpf_map_lookup_elem(map, &key, &value) < 0)
		return 0;
	return value.provider;
}
