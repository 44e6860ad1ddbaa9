// SPDX-License-Identifier: Apache-2.0
/* What is in the way of a start is named before anything is made. */
#include "apply_machine.h"

static void expect_acceptance(const struct model *in_force)
{
	struct error error = {0};
	int result = apply_preflight(apply, &model, in_force, &error);

	CU_ASSERT_EQUAL(result, 0);
	if (result < 0)
		printf("# %s\n", error.text);
}

static void preflight_names_the_thing(void)
{
	struct address outside = members[0].address;
	struct error error = {0};

	CU_ASSERT_EQUAL(system("ip link add hwt-one type veth peer name other"), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "hwt-one"));
	CU_ASSERT_EQUAL(system("ip link del hwt-one; ip address add 192.0.2.1/32 dev uplink0"), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "192.0.2.1 stands on the interface uplink0"));
	CU_ASSERT_EQUAL(system("ip address del 192.0.2.1/32 dev uplink0; ip link set uplink0 mtu 1450"), 0);
	expect_acceptance(NULL);
	model.array.member_count =
		2; /* only the first is looked at: the second is what makes relaying possible */
	members[0].address = inside[0].address;
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EMSGSIZE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "need 1452"));
	members[0].address = outside;
	model.array.member_count = 1;
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0644), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, KEY_FILE));
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0600), 0);
	uplinks[0] = "nosuch";
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "nosuch"));
	expect_acceptance(&model); /* in force, and lost just now */
	uplinks[0] = "uplink0";
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1500"), 0);
}

static void expect_refusal(int result, const char *words)
{
	struct error error = {0};

	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), result);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, words));
	if (!strstr(error.text, words))
		printf("# %s\n", error.text);
}

static void preflight_wants_routers_interfaces(void)
{
	static struct router router = {.name = "ixp-1", .interface = "nosuch"};

	model.routers = &router;
	model.router_count = 1;
	expect_refusal(-ENODEV, "the router ixp-1: there is no interface nosuch");
	expect_acceptance(&model); /* in force, and lost just now */
	router.interface = "uplink0";
	expect_acceptance(NULL);
	model.router_count = 0;
}

/* Else the LAN's ssh to us, and our neighbours, would go into a tunnel. */
static void preflight_wants_destinations_elsewhere(void)
{
	static struct prefix destinations[1];
	static struct egress_group group = {
		.name = "platform", .destinations = destinations, .destination_count = 1};

	model.egress = &group;
	model.egress_count = 1;
	destinations[0] = prefix("10.0.0.0/25");
	expect_refusal(-EADDRINUSE, "10.0.0.0/25, and this machine's own 10.0.0.11 on uplink0 lies within");
	destinations[0] = prefix("10.0.0.128/25");
	expect_acceptance(NULL);
	model.egress_count = 0;
}

static void preflight_wants_an_underlay(void)
{
	begin_underlay();
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1400"), 0); /* which relays do not go by */
	expect_acceptance(NULL);
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1500; ip link set underlay0 mtu 1451"), 0);
	expect_refusal(-EMSGSIZE, "the underlay underlay0 has an MTU of 1451");
	CU_ASSERT_EQUAL(system("ip link set underlay0 mtu 1452"), 0);
	address_parse("10.9.0.13", &members[0].address);
	expect_refusal(-EADDRNOTAVAIL, "the underlay underlay0 does not have");
	address_parse("10.9.0.11", &members[0].address);
	model.array.underlay = "uplink1";
	expect_refusal(-EINVAL, "the underlay uplink1 is no WireGuard interface");
	model.array.underlay = "nosuch";
	expect_refusal(-ENODEV, "the underlay nosuch: there is no such interface");
	expect_acceptance(&model); /* in force, and lost just now */
	end_underlay();
}

/* Programs that are missing are missed before anything is made, and only when they are needed. */
static void preflight_wants_programs(void)
{
	_cleanup_free_ char *path = strdup(getenv("PATH"));
	struct error error = {0};

	setenv("PATH", "/nowhere", true);
	model.tunnel_count = 0;
	expect_acceptance(NULL);
	model.tunnel_count = 2;
	if (apply_preflight(apply, &model, NULL, &error) <
		0) /* a kernel with WireGuard needs no wireguard-go */
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "apt install wireguard-go"));
	setenv("PATH", path, true);
}

/* What a gwd left that was killed while it tried: its own goes, somebody else's stays. */
static void preflight_tries_again(void)
{
	CU_ASSERT_EQUAL(system("ip link add hw-probe type veth peer name other && ip link set hw-probe alias "
			       "homeward"),
		0);
	expect_acceptance(NULL);
	CU_ASSERT_EQUAL(if_nametoindex("hw-probe"), 0);
	CU_ASSERT_EQUAL(system("ip link add hw-probe type veth peer name other"), 0);
	expect_acceptance(NULL);
	CU_ASSERT_NOT_EQUAL(if_nametoindex("hw-probe"), 0);
	CU_ASSERT_EQUAL(system("ip link del hw-probe"), 0);
}

static void preflight_wants_a_bpffs(void)
{
	struct apply *elsewhere;
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(apply_open(WORK "/homeward", WORK, &elsewhere, &error), 0);
	CU_ASSERT_EQUAL(apply_preflight(elsewhere, &model, NULL, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "mount -t bpf bpf"));
	apply_close(elsewhere);
}

APPLY_TESTS("apply preflight", {"preflight names what is in the way", preflight_names_the_thing},
	{"preflight wants the interfaces of routers", preflight_wants_routers_interfaces},
	{"preflight wants destinations that are not our own addresses",
		preflight_wants_destinations_elsewhere},
	{"preflight wants an underlay that can be one", preflight_wants_an_underlay},
	{"preflight wants the programs it needs", preflight_wants_programs},
	{"preflight is not stopped by what its own trying left", preflight_tries_again},
	{"preflight wants a bpffs", preflight_wants_a_bpffs})
