// SPDX-License-Identifier: Apache-2.0
/*
 * Members in the maps, against a real kernel: maps as the programs have them are pinned where gwd's are, in a mount
 * namespace of this test's own.
 */
#include "unit.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "replicate.h"

#define PINS "/run/homeward-members"

enum { SETTINGS, PROVIDERS, TUNNELS, USABLE, MEMBERS, HEARD, CLOCK, RELAY_KEYS, MAPS };

static const struct {
	const char *name;
	enum bpf_map_type type;
	uint32_t value_size, entries;
} rows[MAPS] = {
	[SETTINGS] = {MAP_SETTINGS, BPF_MAP_TYPE_ARRAY, sizeof(struct settings), 1},
	[PROVIDERS] = {MAP_PROVIDERS, BPF_MAP_TYPE_HASH, sizeof(struct provider_entry), 16},
	[TUNNELS] = {MAP_TUNNELS, BPF_MAP_TYPE_ARRAY, sizeof(struct tunnel_entry), TUNNEL_NUMBERS},
	[USABLE] = {MAP_USABLE, BPF_MAP_TYPE_ARRAY, sizeof(struct usable_entry), GATEWAY_NUMBERS},
	[MEMBERS] = {MAP_MEMBERS, BPF_MAP_TYPE_ARRAY, sizeof(struct member_entry), GATEWAY_NUMBERS},
	[HEARD] = {MAP_HEARD, BPF_MAP_TYPE_ARRAY, sizeof(struct heard_entry), GATEWAY_NUMBERS},
	[RELAY_KEYS] = {MAP_RELAY_KEYS, BPF_MAP_TYPE_ARRAY, sizeof(struct relay_key), GATEWAY_NUMBERS},
	[CLOCK] = {MAP_CLOCK, BPF_MAP_TYPE_ARRAY, sizeof(struct clock_entry), 1},
};
static int maps[MAPS];

static void set(int map, uint32_t key, const void *value)
{
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(maps[map], &key, value, BPF_ANY), 0);
}

static void get(int map, uint32_t key, void *value)
{
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(maps[map], &key, value), 0);
}

/* We are gateway 2, with a tunnel to each of the providers 1 and 2, which nobody else has. */
static void pinned_maps(void)
{
	const struct settings settings = {.gateway = 2};
	char path[128];

	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNS), 0);
	CU_ASSERT_EQUAL_FATAL(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(mount("run", "/run", "tmpfs", 0, NULL), 0);
	mkdir(PINS, 0755);
	CU_ASSERT_EQUAL_FATAL(mount("bpf", PINS, "bpf", 0, NULL), 0);
	mkdir(PINS "/current", 0755);
	for (int i = 0; i < MAPS; i++) {
		maps[i] = bpf_map_create(
			rows[i].type, "members", sizeof(uint32_t), rows[i].value_size, rows[i].entries, NULL);
		snprintf(path, sizeof(path), PINS "/current/%s", rows[i].name);
		CU_ASSERT_FATAL(maps[i] >= 0);
		CU_ASSERT_EQUAL_FATAL(bpf_obj_pin(maps[i], path), 0);
	}
	set(SETTINGS, 0, &settings);
	for (uint16_t provider = 1; provider <= 2; provider++) {
		const struct tunnel_entry own = {.ifindex = 7, .provider = provider, .gateway = 2};
		const struct provider_entry entry = {.count = 1, .ways = {{200 + provider, 2}}};

		set(TUNNELS, 200 + provider, &own);
		set(PROVIDERS, provider, &entry);
	}
}

/* The ways of a provider as "tunnel/gateway tunnel/gateway". */
static const char *ways_of(uint32_t provider)
{
	static char text[1024];
	struct provider_entry entry;
	size_t used = 0;

	get(PROVIDERS, provider, &entry);
	text[0] = 0;
	for (uint32_t i = 0; i < entry.count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u/%u", i ? " " : "",
			entry.ways[i].tunnel, entry.ways[i].gateway);
	return text;
}

/* "provider zone gateway there usable" of a tunnel. */
static const char *tunnel_of(uint16_t number)
{
	static char text[64];
	struct tunnel_entry entry;
	struct usable_entry usable = {0};

	get(TUNNELS, number, &entry);
	if (entry.gateway)
		get(USABLE, entry.gateway, &usable);
	snprintf(text, sizeof(text), "%u %u %u %d %d", entry.provider, entry.zone, entry.gateway,
		entry.ifindex != 0, (int)(usable.words[number / 64] >> number % 64 & 1));
	return text;
}

static int told_by(uint8_t gateway, const struct bpf_member_tunnel *tunnels, size_t count)
{
	struct error error = {0};

	return bpf_member_tunnels_set(PINS, gateway, tunnels, count, NULL, &error);
}

static void tunnels_stand_behind_our_own(void)
{
	const struct bpf_member_tunnel three[] = {{301, 1, 5, true}, {302, 1, 5, false}};
	const struct bpf_member_tunnel one[] = {{101, 1, 5, true}, {102, 2, 5, true}};

	pinned_maps();
	CU_ASSERT_EQUAL(told_by(3, three, 2), 0);
	CU_ASSERT_EQUAL(told_by(1, one, 2), 0);
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 301/3 302/3");
	CU_ASSERT_STRING_EQUAL(ways_of(2), "202/2 102/1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(301), "1 5 3 0 1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(302), "1 5 3 0 0");
	CU_ASSERT_STRING_EQUAL(tunnel_of(102), "2 5 1 0 1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(201), "1 0 2 1 0");
}

/* One goes, one comes, one changes its provider, one is not usable any more. */
static void what_changed_is_followed(void)
{
	const struct bpf_member_tunnel three[] = {{302, 2, 5, true}, {303, 1, 5, true}};
	const struct bpf_member_tunnel one[] = {{101, 1, 5, false}, {102, 2, 5, true}};

	CU_ASSERT_EQUAL(told_by(3, three, 2), 0);
	CU_ASSERT_EQUAL(told_by(1, one, 2), 0);
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 303/3");
	CU_ASSERT_STRING_EQUAL(ways_of(2), "202/2 102/1 302/3");
	CU_ASSERT_STRING_EQUAL(tunnel_of(301), "0 0 0 0 0");
	CU_ASSERT_STRING_EQUAL(tunnel_of(302), "2 5 3 0 1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(303), "1 5 3 0 1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(101), "1 5 1 0 0");
}

/* Numbers are unique in the array; if they are not, the one who has it keeps it. */
static void a_number_has_one_gateway(void)
{
	const struct bpf_member_tunnel thief[] = {{201, 1, 5, true}, {101, 1, 5, true}, {401, 1, 5, true}};

	CU_ASSERT_EQUAL(told_by(4, thief, 3), 2);
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 303/3 401/4");
	CU_ASSERT_STRING_EQUAL(tunnel_of(201), "1 0 2 1 0");
	CU_ASSERT_STRING_EQUAL(tunnel_of(101), "1 5 1 0 0");
	CU_ASSERT_EQUAL(told_by(4, NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 303/3");
	CU_ASSERT_STRING_EQUAL(tunnel_of(101), "1 5 1 0 0");
	CU_ASSERT_STRING_EQUAL(tunnel_of(401), "0 0 0 0 0");
	CU_ASSERT_EQUAL(told_by(2, thief, 1), -EINVAL); /* ourselves */
}

static void no_provider_has_too_many_ways(void)
{
	struct bpf_member_tunnel many[PROVIDER_WAYS_MAX + 10];
	struct provider_entry entry;

	for (uint16_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct bpf_member_tunnel){(uint16_t)(1000 + i), 2, 0, true};
	many[3].provider = 9;                                        /* of which we know nothing */
	CU_ASSERT_EQUAL(told_by(5, many, ARRAY_SIZE(many)), 10 + 3); /* with three of others before it */
	get(PROVIDERS, 2, &entry);
	CU_ASSERT_EQUAL(entry.count, PROVIDER_WAYS_MAX);
	CU_ASSERT_STRING_EQUAL(tunnel_of(1003), "0 0 0 0 0");
	CU_ASSERT_STRING_EQUAL(tunnel_of(1061), "2 0 5 0 1");
	CU_ASSERT_STRING_EQUAL(tunnel_of(1062), "0 0 0 0 0"); /* no room, so not entered at all */
	CU_ASSERT_EQUAL(told_by(5, NULL, 0), 0);
	CU_ASSERT_STRING_EQUAL(ways_of(2), "202/2 102/1 302/3");
	CU_ASSERT_STRING_EQUAL(tunnel_of(1061), "0 0 0 0 0");
}

/* Who was left out is looked at again when another one lets go of a number, or of a place among a provider's ways. */
static void what_becomes_free_is_taken(void)
{
	static struct member members[] = {
		{.name = "us", .number = 2}, {.name = "three", .number = 3}, {.name = "four", .number = 4}};
	static struct provider providers[] = {{.name = "acme", .number = 1, .zone = 5}};
	static struct member_status statuses[] = {{.member = &members[0]},
		{.member = &members[1], .state = MEMBER_ALIVE},
		{.member = &members[2], .state = MEMBER_ALIVE}};
	static const struct model model = {.number = 2,
		.array = {.members = members, .member_count = ARRAY_SIZE(members)},
		.providers = providers,
		.provider_count = 1};
	static struct daemon daemon = {.model = &model, .pin_dir = PINS, .status = {.members = statuses}};
	static struct replication replication = {.daemon = &daemon};
	static struct array_tunnel many[PROVIDER_WAYS_MAX];
	const struct array_tunnel one = {.number = 303, .usable = true, .provider = "acme"};

	members_tunnels_changed(&replication, 3, &one, 1);
	members_tunnels_changed(&replication, 4, &one, 1);
	CU_ASSERT_STRING_EQUAL(tunnel_of(303), "1 5 3 0 1");
	members_tunnels_changed(&replication, 3, &one, 0);
	CU_ASSERT_STRING_EQUAL(tunnel_of(303), "1 5 4 0 1");
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 303/4");
	members_tunnels_changed(&replication, 4, &one, 0);
	for (uint16_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct array_tunnel){.number = (uint16_t)(1000 + i), .provider = "acme"};
	members_tunnels_changed(&replication, 4, many, ARRAY_SIZE(many));
	members_tunnels_changed(&replication, 3, &one, 1);
	CU_ASSERT_STRING_EQUAL(tunnel_of(303), "0 0 0 0 0");
	members_tunnels_changed(&replication, 4, &one, 0);
	CU_ASSERT_STRING_EQUAL(tunnel_of(303), "1 5 3 0 1");
	CU_ASSERT_STRING_EQUAL(ways_of(1), "201/2 101/1 303/3");
	members_forget(&replication);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		free(statuses[i].tunnels);
}

static void state_and_clock_are_written(void)
{
	const struct member_entry member = {.address = {1, 2, 3}, .state = MEMBER_SUSPECT, .serving = 1};
	const struct heard_entry heard = {4711};
	struct member_entry is;
	struct clock_entry clock;
	struct error error = {0};
	uint32_t relay_ms = 0;

	set(MEMBERS, 3, &member);
	CU_ASSERT_EQUAL(bpf_member_set(PINS, 3, MEMBER_DEAD, false, &error), 0);
	get(MEMBERS, 3, &is);
	CU_ASSERT_EQUAL(is.state, MEMBER_DEAD);
	CU_ASSERT_EQUAL(is.serving, 0);
	CU_ASSERT_EQUAL(memcmp(is.address, member.address, sizeof(is.address)), 0);
	CU_ASSERT_EQUAL(bpf_member_set(PINS, 4, MEMBER_ALIVE, true, &error), -ENOENT);
	CU_ASSERT_EQUAL(is.clock_slots, 0);
	CU_ASSERT_EQUAL(bpf_member_clock_set(PINS, 3, -420, &error), 0);
	get(MEMBERS, 3, &is);
	CU_ASSERT_EQUAL(is.clock_slots, -420);
	CU_ASSERT_EQUAL(is.state, MEMBER_DEAD);
	CU_ASSERT_EQUAL(bpf_member_clock_set(PINS, 4, 1, &error), -ENOENT);
	set(HEARD, 3, &heard);
	CU_ASSERT_EQUAL(bpf_heard(PINS, 3, &relay_ms, &error), 0);
	CU_ASSERT_EQUAL(relay_ms, 4711);
	CU_ASSERT_EQUAL(bpf_clock_set(PINS, 1234567890123, &error), 0);
	get(CLOCK, 0, &clock);
	CU_ASSERT_EQUAL(clock.offset_ns, 1234567890123);
}

static void who_was_alive_is_suspect_to_the_next_gwd(void)
{
	static const uint8_t was[] = {MEMBER_NONE, MEMBER_ALIVE, MEMBER_SUSPECT, MEMBER_DEAD};
	static const uint8_t is[] = {MEMBER_NONE, MEMBER_SUSPECT, MEMBER_SUSPECT, MEMBER_DEAD};
	struct error error = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(was); i++) {
		const struct member_entry entry = {.address = {9}, .state = was[i], .serving = i % 2};
		struct member_entry found;
		uint8_t state = 99;
		bool serving = false;

		set(MEMBERS, 7, &entry);
		CU_ASSERT_EQUAL(bpf_member_adopt(PINS, 7, &state, &serving, &error), 0);
		get(MEMBERS, 7, &found);
		CU_ASSERT(state == is[i] && serving == i % 2);
		CU_ASSERT(found.state == is[i] && found.serving == i % 2 && found.address[0] == 9);
	}
}

static void expect_keys(const struct bpf_relay_key *keys, size_t count, uint8_t ours)
{
	struct settings settings;
	unsigned known = 0;

	for (uint32_t id = 0; id < GATEWAY_NUMBERS; id++) {
		struct relay_key entry;

		get(RELAY_KEYS, id, &entry);
		known += entry.known;
		for (size_t i = 0; i < count; i++)
			if (keys[i].id == id)
				CU_ASSERT(entry.known && memcmp(entry.words, keys[i].words, 16) == 0);
		CU_ASSERT(entry.known || (entry.words[0] == 0 && entry.words[1] == 0));
	}
	get(SETTINGS, 0, &settings);
	CU_ASSERT_EQUAL(known, count);
	CU_ASSERT_EQUAL(settings.relay_key, ours);
	CU_ASSERT_EQUAL(settings.gateway, 2);
}

static void keys_are_rotated(void)
{
	static const struct bpf_relay_key old = {1, {11, 12}}, new = {200, {21, 22}};
	const struct bpf_relay_key steps[][2] = {{old}, {old, new}, {new, old}, {new}};
	static const size_t counts[] = {1, 2, 2, 1};
	struct error error = {0};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		CU_ASSERT_EQUAL(bpf_relay_keys_set(PINS, steps[i], counts[i], &error), 0);
		expect_keys(steps[i], counts[i], steps[i][0].id);
	}
	CU_ASSERT_EQUAL(bpf_relay_keys_set(PINS, NULL, 0, &error), 0);
	expect_keys(NULL, 0, 0);
}

UNIT_TESTS("members", {"a member's tunnels stand behind our own", tunnels_stand_behind_our_own},
	{"what changed of them is followed", what_changed_is_followed},
	{"a number has one gateway", a_number_has_one_gateway},
	{"no provider has too many ways", no_provider_has_too_many_ways},
	{"what becomes free is taken", what_becomes_free_is_taken},
	{"state, clock and last relays", state_and_clock_are_written},
	{"who was alive is suspect to the next gwd", who_was_alive_is_suspect_to_the_next_gwd},
	{"the keys that vouch for relays are rotated", keys_are_rotated})
