// SPDX-License-Identifier: Apache-2.0
/* The filters of uplinks in the maps of a real kernel: in which order they change, and whose an address is. */
#include "apply_machine.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "apply/bpf.h"
#include "bpf/abi.h"

static char *filtered[] = {"uplink0"};
static uint16_t ports[] = {8080};

/* ---- What is written, in its order: libbpf's own functions are not asked ---------------------------------------------- */

static char changes[256];

/* " services drops", however many rows of services there are. */
static void note(int map, const char *of_filters)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	bpf_obj_get_info_by_fd(map, &info, &size);
	if (strcmp(info.name, MAP_FILTERS) == 0)
		strcat(strcat(changes, " "), of_filters);
	if (strcmp(info.name, MAP_SERVICES) == 0 && !strstr(changes, "services"))
		strcat(changes, " services");
}

int bpf_map_update_elem(int map, const void *key, const void *value, __u64 flags)
{
	union bpf_attr change = {
		.map_fd = (uint32_t)map, .key = (uintptr_t)key, .value = (uintptr_t)value, .flags = flags};

	note(map, *(const uint8_t *)value == FILTER_DROPS ? "drops" : "watches");
	return (int)syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &change, sizeof(change));
}

int bpf_map_delete_elem(int map, const void *key)
{
	union bpf_attr change = {.map_fd = (uint32_t)map, .key = (uintptr_t)key};

	note(map, "gone");
	return (int)syscall(SYS_bpf, BPF_MAP_DELETE_ELEM, &change, sizeof(change));
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void filter(bool watches, bool drops, bool has_port)
{
	struct error error = {0};

	model.filter = (struct filter){.enabled = watches || drops,
		.watch = filtered,
		.watch_count = watches,
		.drop = filtered,
		.drop_count = drops,
		.ports = ports,
		.port_count = has_port};
	changes[0] = '\0';
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

/* What is served before and after is served in between: whichever of the two says by itself that it is. */
static void what_stays_served_is_let_in_all_the_time(void)
{
	filter(false, true, true);
	CU_ASSERT_STRING_EQUAL(changes, " services drops");
	filter(false, false, false);
	CU_ASSERT_STRING_EQUAL(changes, " gone services");
	filter(false, true, true);
	filter(true, false, false);
	CU_ASSERT_STRING_EQUAL(changes, " watches services");
	filter(false, true, true);
	CU_ASSERT_STRING_EQUAL(changes, " services drops");
	filter(false, false, false);
}

static uint32_t owner(const char *text)
{
	_cleanup_close_ int map = bpf_map_open(PINS, MAP_OWN, NULL, NULL);
	struct address address;
	uint32_t kind = 0;

	address_parse(text, &address);
	bpf_map_lookup_elem(map, address.bytes, &kind);
	return kind;
}

/* A tunnel without numbers of its own borrows the machine's: who administers it there goes on to. */
static void a_borrowed_address_is_the_machines(void)
{
	CU_ASSERT_EQUAL(
		system("ip address add 169.254.1.1/32 dev uplink0; ip address add fd00:2::1/128 dev lo"), 0);
	filter(false, true, false);
	CU_ASSERT_EQUAL(owner("10.0.0.11"), OWN_MACHINE);
	CU_ASSERT_EQUAL(owner("192.0.2.1"), OWN_TUNNELS);
	CU_ASSERT_EQUAL(owner("2001:db8::1"), OWN_TUNNELS);
	CU_ASSERT_EQUAL(owner("fd00:1::1"), OWN_TUNNELS);
	CU_ASSERT_EQUAL(owner("169.254.1.1"), OWN_MACHINE);
	CU_ASSERT_EQUAL(owner("fd00:2::1"), OWN_MACHINE);
	CU_ASSERT_EQUAL(
		system("ip address del 169.254.1.1/32 dev uplink0; ip address del fd00:2::1/128 dev lo"), 0);
	filter(false, false, false);
}

static uint16_t inside_holder(const char *text)
{
	struct prefix host = prefix(text);

	return bpf_prefix_holder(PINS, SPACE_INSIDE, 0, &host);
}

/* One trie has both families. */
static void an_uplinks_network_of_ipv6_holds_no_ipv4(void)
{
	CU_ASSERT_EQUAL(system("ip address add ::1:0:0:5/64 dev uplink0 nodad;"
			       "ip address add fd00:3::5/64 dev uplink0 nodad"),
		0);
	filter(false, true, false);
	CU_ASSERT_EQUAL(inside_holder("203.0.113.7/32"), 0);
	CU_ASSERT_EQUAL(inside_holder("10.0.0.7/32"), 1);
	CU_ASSERT_EQUAL(inside_holder("fd00:3::7/128"), 1);
	CU_ASSERT_EQUAL(
		system("ip address del ::1:0:0:5/64 dev uplink0; ip address del fd00:3::5/64 dev uplink0"),
		0);
	filter(false, false, false);
}

APPLY_TESTS("apply filter",
	{"what stays served is let in all the time", what_stays_served_is_let_in_all_the_time},
	{"a borrowed address is the machine's", a_borrowed_address_is_the_machines},
	{"an uplink's network of IPv6 holds no IPv4", an_uplinks_network_of_ipv6_holds_no_ipv4})
