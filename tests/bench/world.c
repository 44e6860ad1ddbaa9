// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bpf/table.h"
#include "tests/bench/rows.h"
#include "tests/seed.h"

#define HOUR_MS 3600000
#define KEY     1

struct world world;

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	need(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

static void *map_lines(const struct bpf_map *map)
{
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *lines = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (lines == MAP_FAILED)
		need(-1, bpf_map__name(map));
	return lines;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* ---- Loading ------------------------------------------------------------------------------------------------------- */

static int print_errors(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static void load_gateway(void)
{
	struct bpf_map *map;

	world.gateway = gateway_bpf__open();
	if (!world.gateway)
		need(-1, "opening the programs");
	bpf_object__for_each_map (map, world.gateway->obj)
		bpf_map__set_pin_path(map, NULL);
	bpf_map__set_max_entries(world.gateway->maps.flows_2, WORLD_LINES);
	bpf_map__set_max_entries(world.gateway->maps.devices_2, WORLD_LINES);
	bpf_map__set_max_entries(world.gateway->maps.flow_counters_2, WORLD_LINES);
	need(gateway_bpf__load(world.gateway) ? -1 : 0, "loading the programs");
}

static void load_xdp(void)
{
	struct bpf_map *map;

	world.xdp = uplink_xdp_bpf__open();
	if (!world.xdp)
		need(-1, "opening the XDP program");
	bpf_object__for_each_map (map, world.xdp->obj) {
		const struct bpf_map *ours =
			bpf_object__find_map_by_name(world.gateway->obj, bpf_map__name(map));

		bpf_map__set_pin_path(map, NULL);
		if (!ours || bpf_map__reuse_fd(map, bpf_map__fd(ours)))
			fail("the XDP program has a map of its own");
	}
	need(uplink_xdp_bpf__load(world.xdp) ? -1 : 0, "loading the XDP program");
}

/* ---- What gwd would write ------------------------------------------------------------------------------------------ */

static void write_array(void)
{
	struct member_entry ours = {.state = MEMBER_NONE},
			    theirs = {.state = MEMBER_ALIVE, .serving = 1, .heard = 1};
	uint32_t gateway = WORLD_GATEWAY, member = WORLD_MEMBER, id = KEY, zero = 0;
	struct relay_key key = {.words = {0x0123456789abcdef, 0xfedcba9876543210}, .known = 1};
	struct clock_entry offset = {now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC)};

	address_of(UNDERLAY, V4, ours.address);
	address_of(MEMBER, V4, theirs.address);
	update(world.gateway->maps.members, &gateway, &ours);
	update(world.gateway->maps.members, &member, &theirs);
	update(world.gateway->maps.relay_keys, &id, &key);
	update(world.gateway->maps.clock, &zero, &offset);
}

static void write_locals(enum family family)
{
	struct local_entry loopback = {LOCAL_LOOPBACK, 0}, underlay = {LOCAL_UNDERLAY, 0};
	uint8_t address[16];

	address_of(LOOPBACK, family, address);
	update(world.gateway->maps.locals, address, &loopback);
	address_of(UNDERLAY, family, address);
	update(world.gateway->maps.locals, address, &underlay);
}

void world_settings(void)
{
	uint32_t zero = 0;

	update(world.gateway->maps.settings, &zero, &world.settings);
}

void world_open(uint32_t home)
{
	libbpf_set_print(print_errors);
	load_gateway();
	load_xdp();
	world.flows = map_lines(world.gateway->maps.flows_2);
	world.devices = map_lines(world.gateway->maps.devices_2);
	world.counters = map_lines(world.gateway->maps.flow_counters_2);
	world.settings = (struct settings){.home_ifindex = home,
		.hash_seed = SEED(4), /* by which every flow of a recipe has a line, or its device */
		.half_open_ms = HOUR_MS,
		.established_ms = HOUR_MS,
		.closing_ms = HOUR_MS,
		.udp_ms = HOUR_MS,
		.icmp_ms = HOUR_MS,
		.device_ms = HOUR_MS,
		.mtu = 1400,
		.gateway = WORLD_GATEWAY,
		.mss_clamp = 1,
		.counters = 1,
		.relay = RELAY_AUTHENTICATED,
		.relay_key = KEY,
		.home_mac = WORLD_HOME_MAC};
	world_settings();
	write_array();
	write_locals(V4);
	write_locals(V6);
}

/* A tunnel's devices, in the 32 bits of their addresses that say which one it is. */
static uint32_t devices_of(unsigned bits, uint32_t n)
{
	return DEVICES_BASE | n << (FLOWS_BITS - bits);
}

static void write_prefix(unsigned bits, uint32_t n, enum family family)
{
	struct prefix_value value = {.provider = n + 1};
	struct prefix_key key = {.space = SPACE_ZONE};
	uint32_t device = htonl(devices_of(bits, n));

	key.length = PREFIX_KEY_BITS + (family == V4 ? 128 : 64) - FLOWS_BITS + bits;
	address_of(DEVICE, family, key.address);
	memcpy(key.address + (family == V4 ? DEVICE_AT_V4 : DEVICE_AT_V6), &device, sizeof(device));
	update(world.gateway->maps.prefixes, &key, &value);
}

/* Of both families, as gwd has it. */
static void write_reach(struct reach reach[2], unsigned bits, uint32_t n)
{
	uint64_t before[2] = {0x20010db8, 0xffff};

	for (int v4 = 0; v4 < 2; v4++) {
		reach[v4].bits = htobe64(before[v4] << 32 | devices_of(bits, n));
		reach[v4].mask = htobe64(UINT64_MAX << (FLOWS_BITS - bits));
	}
}

static void write_tunnel(unsigned bits, uint32_t n, uint32_t interface)
{
	uint32_t number = n + 1, elsewhere = number + (1U << bits);
	struct tunnel_entry ours = {.ifindex = interface, .provider = number, .gateway = WORLD_GATEWAY};
	struct tunnel_entry theirs = {.provider = number, .gateway = WORLD_MEMBER};
	struct provider_entry provider = {2, {{number, WORLD_GATEWAY, 0}, {elsewhere, WORLD_MEMBER, 0}}};

	write_reach(ours.reach, bits, n);
	update(world.gateway->maps.tunnels, &number, &ours);
	update(world.gateway->maps.tunnels, &elsewhere, &theirs);
	update(world.gateway->maps.providers, &number, &provider);
	update(world.gateway->maps.interfaces, &interface, &number);
	write_prefix(bits, n, V4);
	write_prefix(bits, n, V6);
}

void world_tunnels(unsigned bits, uint32_t first_interface)
{
	static struct usable_entry all;
	uint32_t gateway = WORLD_GATEWAY, member = WORLD_MEMBER;

	for (uint32_t n = 0; n < 1U << bits; n++)
		write_tunnel(bits, n, first_interface + n);
	memset(&all, 0xff, sizeof(all));
	update(world.gateway->maps.usable, &gateway, &all);
	update(world.gateway->maps.usable, &member, &all);
}

void world_turning(uint32_t uplink, bool may)
{
	uint32_t one = 1;

	if (may)
		update(world.gateway->maps.turning, &uplink, &one);
	else
		bpf_map_delete_elem(bpf_map__fd(world.gateway->maps.turning), &uplink);
}

/* ---- Flows --------------------------------------------------------------------------------------------------------- */

static bool know(void *lines, uint32_t mask, const struct line_key *key, uint64_t home)
{
	struct table table = {lines, mask, &world.settings, now_ns(CLOCK_MONOTONIC_COARSE)};
	struct finding new = {.tag = LINE_ESTABLISHED, .home = (uint64_t)table_now(&table) << 32 | home};
	uint64_t hash = hash_of(key, world.settings.hash_seed), stamp = now_ns(CLOCK_REALTIME);

	return table_insert(&table, key, hash, stamp, &new) == INSERTED;
}

/* All are empty behind that. */
static void world_lines(uint32_t lines)
{
	world.settings.flow_mask = world.settings.device_mask = lines - 1;
	world_settings();
	memset(world.flows, 0, lines * sizeof(*world.flows));
	memset(world.devices, 0, lines * sizeof(*world.devices));
	memset(world.counters, 0, lines * sizeof(*world.counters));
}

uint32_t world_flows(const struct recipe *recipe, enum family family, uint32_t flows, uint8_t gateway)
{
	uint32_t tunnels = 1U << recipe->tunnel_bits, refused = 0;

	world_lines(flows > LINES_DEFAULT / 2 ? WORLD_LINES : LINES_DEFAULT);
	for (uint32_t number = 0; number < flows; number++) {
		struct line_key flow = flow_of(recipe, family, number), device = {0};
		uint16_t tunnel = number % tunnels + 1 + (gateway == WORLD_GATEWAY ? 0 : tunnels);
		uint64_t home = HOME(0, tunnel, gateway, WORLD_GATEWAY);

		memcpy(device.source, flow.source, sizeof(device.source));
		refused += !know(world.flows, world.settings.flow_mask, &flow, home);
		know(world.devices, world.settings.device_mask, &device, home);
	}
	return refused;
}

bool world_knows(const struct line_key *flow)
{
	struct table table = {
		world.flows, world.settings.flow_mask, &world.settings, now_ns(CLOCK_MONOTONIC_COARSE)};
	struct finding found = {0};

	return table_find(&table, flow, hash_of(flow, world.settings.hash_seed), &found);
}

static int hear_change(void *context, void *record, size_t size)
{
	(void)context;
	(void)record;
	(void)size;
	return 0;
}

void world_hear_changes(void)
{
	static struct ring_buffer *ring;

	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(world.gateway->maps.changes), hear_change, NULL, NULL);
	need(ring ? ring_buffer__consume(ring) : -1, "the ring of changes");
}

uint64_t world_count(enum reason reason)
{
	int cpus = libbpf_num_possible_cpus();
	struct reason_count counts[cpus];
	uint32_t key = reason;
	uint64_t sum = 0;

	need(bpf_map_lookup_elem(bpf_map__fd(world.gateway->maps.reasons), &key, counts), "reasons");
	for (int i = 0; i < cpus; i++)
		sum += counts[i].packets;
	return sum;
}
