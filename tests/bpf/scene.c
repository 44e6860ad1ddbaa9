// SPDX-License-Identifier: Apache-2.0
/* Loading the programs, and what their maps say. */
#include "tests/bpf/scene.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/tagged.h"
#include "tests/seed.h"

struct scene scene;

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAIL bpf scene: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	expect(!bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

/* ---- What gwd would write ------------------------------------------------------------------------------ */

static const struct {
	uint32_t number;
	struct tunnel_entry entry;
} tunnels[] = {
	{101, {.ifindex = 1101, .provider = 1, .zone = 0, .gateway = 1}},
	{102, {.ifindex = 1102, .provider = 1, .zone = 0, .gateway = 1}},
	{103, {.ifindex = 0, .provider = 1, .zone = 0, .gateway = 2}},
	{201, {.ifindex = 1201, .provider = 2, .zone = 0, .gateway = 1}},
	{301, {.ifindex = 1301, .provider = 3, .zone = 1, .gateway = 1}},
	{401, {.ifindex = 0, .provider = 2, .zone = 0, .gateway = 1}},
};

static const struct {
	uint32_t number;
	struct provider_entry entry;
} providers[] = {
	{1, {3, {{101, 1, 0}, {102, 1, 0}, {103, 2, 0}}}},
	{2, {1, {{201, 1, 0}}}},
	{3, {1, {{301, 1, 0}}}},
};

static const struct {
	enum space space;
	uint16_t which;
	enum who who;
	uint8_t length[2]; /* v4, v6 */
	uint16_t holder;
} prefixes[] = {
	{SPACE_ZONE, 0, DEVICE, {16, 48}, 1},
	{SPACE_ZONE, 0, OTHER_DEVICE, {16, 48}, 2},
	{SPACE_ZONE, 1, DEVICE, {16, 48}, 3},
	{SPACE_LINK, 101, TUNNEL_101, {30, 126}, 1},
	{SPACE_LINK, 102, TUNNEL_102, {30, 126}, 1},
	{SPACE_NEIGHBOUR, 0, TUNNEL_101, {30, 126}, 101},
	{SPACE_NEIGHBOUR, 0, TUNNEL_102, {30, 126}, 102},
	{SPACE_INSIDE, 0, INSIDE, {16, 64}, 1},
};

static const struct {
	enum who who;
	struct local_entry entry;
} locals[] = {
	{LOOPBACK, {LOCAL_LOOPBACK, 0}},
	{LOOPBACK_ZONE_1, {LOCAL_LOOPBACK, 1}},
	{TUNNEL_101, {LOCAL_TUNNEL, 101}},
	{TUNNEL_102, {LOCAL_TUNNEL, 102}},
	{UNDERLAY, {LOCAL_UNDERLAY, 0}},
};

static void write_locals(enum family family)
{
	uint8_t address[16];

	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		address_of(locals[i].who, family, address);
		update(scene.gateway->maps.locals, address, &locals[i].entry);
	}
}

static struct prefix_key key_of_prefix(size_t i, enum family family)
{
	struct prefix_key key = {.space = prefixes[i].space, .which = prefixes[i].which};

	key.length = PREFIX_KEY_BITS + (family == V4 ? 96 + prefixes[i].length[0] : prefixes[i].length[1]);
	address_of(prefixes[i].who, family, key.address);
	return key;
}

static bool prefixes_forgotten;

static void write_prefixes(enum family family)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct prefix_value value = {.provider = prefixes[i].holder};
		struct prefix_key key = key_of_prefix(i, family);

		update(scene.gateway->maps.prefixes, &key, &value);
	}
	prefixes_forgotten = false;
}

void scene_forget_prefixes(void)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		for (enum family family = V4; family <= V6; family += V6 - V4) {
			struct prefix_key key = key_of_prefix(i, family);

			if (key.space == SPACE_ZONE)
				bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.prefixes), &key);
		}
	prefixes_forgotten = true;
}

static void reach(struct tunnel_entry *tunnel, size_t i)
{
	for (enum family family = V4; family <= V6; family += V6 - V4) {
		struct reach *reach = &tunnel->reach[family == V4];
		unsigned length = prefixes[i].length[family == V6] + (family == V4 ? 32 : 0);
		uint64_t halves[2];

		address_of(prefixes[i].who, family, (uint8_t *)halves);
		reach->mask = htobe64(UINT64_MAX << (64 - length));
		reach->bits = halves[family == V4] & reach->mask;
	}
}

/* Another gateway's reach nobody, as gwd has it. */
static void write_tunnels(void)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		struct tunnel_entry entry = tunnels[i].entry;

		for (size_t k = 0; k < sizeof(prefixes) / sizeof(prefixes[0]); k++)
			if (prefixes[k].space == SPACE_ZONE && prefixes[k].which == entry.zone &&
				prefixes[k].holder == entry.provider && entry.gateway == SCENE_GATEWAY)
				reach(&entry, k);
		update(scene.gateway->maps.tunnels, &tunnels[i].number, &entry);
	}
}

static void write_configuration(void)
{
	write_tunnels();
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		update(scene.gateway->maps.providers, &providers[i].number, &providers[i].entry);
	for (enum family family = V4; family <= V6; family += V6 - V4) {
		write_locals(family);
		write_prefixes(family);
	}
}

/* ---- The array ----------------------------------------------------------------------------------------- */

const uint64_t scene_keys[3][2] = {{0, 0}, {0x0123456789abcdef, 0xfedcba9876543210}, {5, 7}};

void scene_member_state(uint8_t gateway, enum member_state state)
{
	uint32_t number = gateway;
	struct member_entry entry;

	expect(!bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.members), &number, &entry), "members");
	entry.state = state;
	update(scene.gateway->maps.members, &number, &entry);
}

/* What the programs know of routes is of this tick, and may be of members at other addresses. */
static void forget_routes(void)
{
	struct route_entry *zeros = calloc(libbpf_num_possible_cpus(), sizeof(*zeros));

	expect(zeros, "memory");
	for (uint32_t slot = SCENE_MEMBER; slot < ROUTES_OF_XDP + GATEWAY_NUMBERS; slot += ROUTES_OF_XDP)
		update(scene.gateway->maps.routes, &slot, zeros);
	free(zeros);
}

void scene_relay(enum relay_mode mode, enum family underlay)
{
	struct member_entry ours = {.state = MEMBER_NONE}, theirs = {.state = MEMBER_ALIVE, .serving = 1};
	uint32_t gateway = SCENE_GATEWAY, member = SCENE_MEMBER;

	scene.settings.relay = mode;
	scene_settings();
	address_of(UNDERLAY, underlay, ours.address);
	address_of(MEMBER, underlay, theirs.address);
	update(scene.gateway->maps.members, &gateway, &ours);
	update(scene.gateway->maps.members, &member, &theirs);
	forget_routes();
}

void scene_key(uint8_t id, const uint64_t words[2])
{
	struct relay_key key = {.known = words != NULL};
	uint32_t number = id;

	if (words)
		memcpy(key.words, words, sizeof(key.words));
	update(scene.gateway->maps.relay_keys, &number, &key);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* By a clock as coarse as the programs': by a finer one it would begin some milliseconds before theirs. */
uint32_t scene_slot(void)
{
	return now_ns(CLOCK_REALTIME_COARSE) >> RELAY_SLOT_SHIFT;
}

void scene_clock(int32_t slots)
{
	struct clock_entry entry = {
		now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC) + slots * (1LL << RELAY_SLOT_SHIFT)};
	uint32_t zero = 0;

	update(scene.gateway->maps.clock, &zero, &entry);
}

uint32_t scene_heard(uint8_t gateway)
{
	uint32_t number = gateway;
	struct heard_entry entry;

	expect(!bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.heard), &number, &entry), "heard");
	return entry.relay_ms;
}

static void forget_array(void)
{
	struct heard_entry never = {0};
	uint32_t member = SCENE_MEMBER;

	scene_relay(RELAY_OFF, V4);
	scene_key(1, scene_keys[1]);
	scene_key(2, scene_keys[2]);
	scene_clock(0);
	update(scene.gateway->maps.heard, &member, &never);
}

void scene_settings(void)
{
	uint32_t zero = 0;

	update(scene.gateway->maps.settings, &zero, &scene.settings);
}

void scene_usable(uint8_t gateway, uint16_t tunnel, bool usable)
{
	static struct usable_entry entry;
	uint32_t number = gateway;
	uint64_t bit = 1ULL << tunnel % 64;

	expect(!bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.usable), &number, &entry), "usable");
	entry.words[tunnel / 64] = usable ? entry.words[tunnel / 64] | bit : entry.words[tunnel / 64] & ~bit;
	update(scene.gateway->maps.usable, &number, &entry);
}

void scene_arrive_by(uint16_t tunnel)
{
	uint32_t loopback_ifindex = 1, number = tunnel;

	if (tunnel)
		update(scene.gateway->maps.interfaces, &loopback_ifindex, &number);
	else
		bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.interfaces), &loopback_ifindex);
}

/* ---- Loading ------------------------------------------------------------------------------------------- */

static int print_errors(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static void *map_lines(const struct bpf_map *map)
{
	size_t size = (size_t)bpf_map__value_size(map) * bpf_map__max_entries(map);
	void *lines = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	expect(lines != MAP_FAILED, bpf_map__name(map));
	return lines;
}

/* Where relays are routed: by home0, which forwards, to the underlay on up0. */
static const char network[] = "ip link set lo up &&"
			      "ip link add home0 type veth peer name home0-peer && ip link set home0 up &&"
			      "ip link add up0 type veth peer name up0-peer && ip link set up0-peer up &&"
			      "ip link set up0 up && ip address add 10.0.0.11/24 dev up0 &&"
			      "ip address add fd00:10::11/64 dev up0 nodad &&"
			      "echo 1 >/proc/sys/net/ipv4/conf/home0/forwarding &&"
			      "echo 1 >/proc/sys/net/ipv6/conf/home0/forwarding";

/* A namespace of our own: programs see its sockets and routes, and its first interface for theirs. */
static void enter_namespace(void)
{
	expect(!unshare(CLONE_NEWNET), "a network namespace (are we root?)");
	expect(!system(network), "its interfaces");
}

static bool is_played(const char *program)
{
	for (const char *const *name = scene_loads; *name; name++)
		if (strcmp(*name, program) == 0)
			return true;
	return false;
}

static void choose_programs(void)
{
	struct bpf_program *program;

	if (!scene_loads)
		return;
	bpf_object__for_each_program (program, scene.gateway->obj)
		bpf_program__set_autoload(program, is_played(bpf_program__name(program)));
}

void scene_load_of(uint32_t lines)
{
	struct bpf_map *map;

	scene.lines = lines;
	libbpf_set_print(print_errors);
	scene.gateway = gateway_bpf__open();
	expect(scene.gateway, "opening the programs");
	bpf_object__for_each_map (map, scene.gateway->obj)
		bpf_map__set_pin_path(map, NULL);
	choose_programs();
	bpf_map__set_max_entries(scene.gateway->maps.flows_2, lines);
	bpf_map__set_max_entries(scene.gateway->maps.devices_2, lines);
	bpf_map__set_max_entries(scene.gateway->maps.flow_counters_2, lines);
	bpf_map__set_max_entries(scene.gateway->maps.changes, 4096);
	expect(!gateway_bpf__load(scene.gateway), "loading the programs");
	scene.flows = map_lines(scene.gateway->maps.flows_2);
	scene.devices = map_lines(scene.gateway->maps.devices_2);
	scene.counters = map_lines(scene.gateway->maps.flow_counters_2);
}

void scene_enter(void)
{
	enter_namespace();
	write_configuration();
	scene_reset();
}

void scene_open_of(uint32_t lines)
{
	scene_load_of(lines);
	scene_enter();
}

void scene_open(void)
{
	scene_open_of(SCENE_LINES);
}

struct uplink_xdp_bpf *scene_load_xdp(void)
{
	struct uplink_xdp_bpf *xdp = uplink_xdp_bpf__open();
	struct bpf_map *map;

	expect(xdp, "opening the XDP program");
	bpf_object__for_each_map (map, xdp->obj) {
		const struct bpf_map *ours =
			bpf_object__find_map_by_name(scene.gateway->obj, bpf_map__name(map));

		bpf_map__set_pin_path(map, NULL);
		expect(ours && !bpf_map__reuse_fd(map, bpf_map__fd(ours)), bpf_map__name(map));
	}
	expect(!uplink_xdp_bpf__load(xdp), "loading the XDP program");
	return xdp;
}

void scene_close(void)
{
	gateway_bpf__destroy(scene.gateway);
}

/* ---- Between rows -------------------------------------------------------------------------------------- */

static void forget_fragments(void)
{
	struct fragment_key key;
	int fd = bpf_map__fd(scene.gateway->maps.fragments);

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

static void forget_counts(void)
{
	struct reason_count *zeros = calloc(libbpf_num_possible_cpus(), sizeof(*zeros));

	expect(zeros, "memory");
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
		update(scene.gateway->maps.reasons, &reason, zeros);
	free(zeros);
}

/* What was answered already, and up to when that counts: on all CPUs. */
void scene_answers(uint64_t until_ns)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t words[cpus];
	uint32_t zero = 0;

	for (int i = 0; i < cpus; i++)
		words[i] = until_ns;
	update(scene.gateway->maps.answers, &zero, words);
}

void scene_reset(void)
{
	scene.settings = (struct settings){.home_ifindex = if_nametoindex("home0"),
		.flow_mask = scene.lines - 1,
		.device_mask = scene.lines - 1,
		.hash_seed = SEED(0x5eed),
		.half_open_ms = 10000,
		.established_ms = 7200000,
		.closing_ms = 15000,
		.udp_ms = 120000,
		.icmp_ms = 30000,
		.device_ms = 3600000,
		.mtu = SCENE_MTU,
		.gateway = SCENE_GATEWAY,
		.mss_clamp = 1,
		.counters = 1,
		.relay_key = 1,
		.home_mac = SCENE_HOME_MAC};
	scene_settings();
	if (prefixes_forgotten) {
		write_prefixes(V4);
		write_prefixes(V6);
	}
	forget_array();
	memset(scene.flows, 0, scene.lines * sizeof(*scene.flows));
	memset(scene.devices, 0, scene.lines * sizeof(*scene.devices));
	memset(scene.counters, 0, scene.lines * sizeof(*scene.counters));
	forget_fragments();
	forget_counts();
	scene_answers(0);
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
		if (tunnels[i].entry.gateway == SCENE_GATEWAY)
			scene_usable(SCENE_GATEWAY, tunnels[i].number, true);
	scene_usable(SCENE_MEMBER, 103, false);
	scene_arrive_by(101);
}

uint64_t scene_count(enum reason reason)
{
	int cpus = libbpf_num_possible_cpus();
	struct reason_count counts[cpus];
	uint32_t key = reason;
	uint64_t sum = 0;

	expect(!bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.reasons), &key, counts), "reasons");
	for (int i = 0; i < cpus; i++)
		sum += counts[i].packets;
	return sum;
}

uint32_t scene_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void age_lines(struct line *lines, int32_t ms)
{
	for (size_t i = 0; i < scene.lines; i++)
		if (TAG_STATE(lines[i].tag) != LINE_FREE)
			lines[i].home -= (uint64_t)ms << 32;
}

static void age_fragments(int32_t ms)
{
	int fd = bpf_map__fd(scene.gateway->maps.fragments);
	struct fragment_key key;
	struct fragment_entry entry;

	for (int r = bpf_map_get_next_key(fd, NULL, &key); !r; r = bpf_map_get_next_key(fd, &key, &key))
		if (!bpf_map_lookup_elem(fd, &key, &entry)) {
			entry.home -= (uint64_t)ms << 32;
			update(scene.gateway->maps.fragments, &key, &entry);
		}
}

void scene_age(int32_t ms)
{
	age_lines(scene.flows, ms);
	age_lines(scene.devices, ms);
	age_fragments(ms);
}

struct line *scene_line(struct line *lines, unsigned *count)
{
	struct line *found = NULL;

	*count = 0;
	for (size_t i = 0; i < scene.lines; i++) {
		uint8_t state = TAG_STATE(lines[i].tag);

		if (state != LINE_HALF_OPEN && state != LINE_ESTABLISHED && state != LINE_CLOSING)
			continue;
		found = &lines[i];
		++*count;
	}
	return found;
}

static struct outcome run(int program, const uint8_t *packet, size_t length, uint32_t gso_size)
{
	struct outcome outcome = {0};
	struct __sk_buff in = {.gso_size = gso_size, .gso_segs = gso_size ? 2 : 0}, out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length,
		.data_out = outcome.packet, .data_size_out = sizeof(outcome.packet), .ctx_in = &in,
		.ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out));

	outcome.error = bpf_prog_test_run_opts(program, &options);
	outcome.verdict = (int)options.retval;
	outcome.reason = out.cb[0];
	outcome.tunnel = out.cb[1];
	outcome.length = options.data_size_out;
	return outcome;
}

struct outcome scene_run(
	const struct bpf_program *program, const uint8_t *packet, size_t length, uint32_t gso_size)
{
	return run(bpf_program__fd(program), packet, length, gso_size);
}

struct outcome scene_run_tagged(
	const struct bpf_program *program, const uint8_t *packet, size_t length, unsigned vlan)
{
	struct tagged tagged = tagged_before(program, vlan);
	struct outcome outcome = run(tagged.program, packet, length, 0);

	tagged_close(&tagged);
	return outcome;
}
