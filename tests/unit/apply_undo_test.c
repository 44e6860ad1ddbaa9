// SPDX-License-Identifier: Apache-2.0
/* Nothing is half applied: every step of a start and of a change is made to fail in turn, and the machine is as before. */
#include "apply_machine.h"

/* One behind each of these tunnels; the first tunnel leaves, below. */
static struct probe probes[] = {{.name = "one", .tunnel = &tunnels[0], .icmp.enabled = true},
	{.name = "two", .tunnel = &tunnels[1], .icmp.enabled = true}};

static void probe_behind_links(void)
{
	address_parse("203.0.113.1", &probes[0].icmp.to);
	address_parse("2001:db8:f::1", &probes[1].icmp.to);
	model.probes = probes;
	model.probe_count = ARRAY_SIZE(probes);
}

/* Wherever a start fails, nothing of it is left. The failing step: an address on an interface that is not there. */
static void failure_is_undone_everywhere(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	const struct step broken = {STEP_ADD, {.kind = ITEM_ADDRESS, .interface = "nosuch"}, {0}};
	struct error error = {0};

	probe_behind_links();
	make_plan(&model, &plan);
	for (size_t i = 1; i < plan.count; i++) {
		struct step kept = plan.steps[i];
		size_t count = plan.count;

		if (plan.steps[i].item.kind == plan.steps[i - 1].item.kind)
			continue; /* one of each row of a kind is enough */
		plan.steps[i] = broken;
		plan.count = i + 1;
		CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -ENODEV);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "there is no interface nosuch"));
		plan.steps[i] = kept;
		plan.count = count;
		CU_ASSERT(is_as_before());
	}
}

/* What is changed below. */
static void a_gateway_stands(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
}

/*
 * Everything a change may touch, in a form in which the number of an interface that was made again does not show: also
 * keys, endpoints, settings of interfaces and what the maps say.
 */
static char *state(void)
{
	_cleanup_free_ char *machine = command_output(
		"ip -d -o link show | sed 's/^[0-9]*: //; s/promiscuity.*//; s/qlen .*//' | sort;"
		"ip -o address show | sed 's/^[0-9]*: //' | grep -v 'inet6 fe80' | sort; ip rule; ip -6 rule;"
		"ip route show table all | grep -v fe80 | grep -v ff00 | sort; ls /run/wireguard;"
		"for i in $(wg show interfaces | xargs -n 1 | sort); do wg show $i dump | cut -f 1-4,8; done;"
		"cd /proc/sys/net; grep -r . ipv4/conf/*/rp_filter ipv6/conf/*/accept_ra "
		"ipv6/conf/*/addr_gen_mode;"
		"for i in uplink0 uplink1; do ip -d link show dev $i | grep -o 'name uplink_xdp'; done");
	_cleanup_free_ char *maps = command_output(
		"cd " PINS "; find current/ links | sed 's/-[0-9]*$//' | sort;"
		" for m in prefixes locals providers settings; do"
		" bpftool -j map dump pinned current/$m | jq -c '.[].formatted' | sort; done;"
		"for t in 101 102 103; do bpftool -j map lookup pinned current/tunnels key $t 0 0 0 |"
		" jq -c '.formatted.value | {provider, zone, there: (.ifindex != 0)}'; done");
	char *both;

	return asprintf(&both, "%s%s", machine, maps) < 0 ? NULL : both;
}

/* What a change can bring: each of these differs from `model` in its own way. */
static struct prefix changed_prefixes[2], changed_inside[1], new_addresses[1];
static struct address changed_loopbacks[2];
static struct loopback changed_loopback[] = {
	{.name = "control", .addresses = changed_loopbacks, .address_count = 2}};
static struct provider changed_providers[] = {
	{.name = "acme", .number = 1, .prefixes = changed_prefixes, .prefix_count = 2}};
static struct tunnel changed_tunnels[2];
static struct probe changed_probes[2];
static char *changed_uplinks[] = {"uplink1"};
static struct model changed;

static void fill_changed(void)
{
	changed = model;
	changed.array.mtu = 1380;
	changed.array.underlay = "underlay0";
	address_parse("192.0.2.1", &changed_loopbacks[0]);
	address_parse("192.0.2.2", &changed_loopbacks[1]);
	changed_prefixes[0] = prefix("100.64.0.0/11");
	changed_prefixes[1] = prefix("2001:db8:100::/40");
	changed_inside[0] = prefix("10.0.0.0/17");
	new_addresses[0] = prefix("169.254.1.9/30");
	changed_tunnels[0] = tunnels[1]; /* another port, keepalive and endpoint */
	changed_tunnels[0].provider = &changed_providers[0];
	changed_tunnels[0].wireguard.listen_port = 51899;
	changed_tunnels[0].wireguard.keepalive_ms = 10000;
	address_parse("127.0.0.10", &changed_tunnels[0].wireguard.endpoint_address);
	changed_tunnels[1] = tunnels[0]; /* instead of hwt-one, which goes */
	changed_tunnels[1].provider = &changed_providers[0];
	changed_tunnels[1].name = "hwt-new";
	changed_tunnels[1].number = 103;
	changed_tunnels[1].addresses = new_addresses;
	changed_tunnels[1].address_count = 1;
	changed_tunnels[1].wireguard.listen_port = 51822;
	changed_probes[0] = probes[0]; /* by hwt-new */
	changed_probes[0].tunnel = &changed_tunnels[1];
	changed_probes[1] = probes[1]; /* it stays, of another family */
	changed_probes[1].tunnel = &changed_tunnels[0];
	address_parse("203.0.113.2", &changed_probes[1].icmp.to);
	changed.probes = changed_probes;
	changed.loopbacks = changed_loopback;
	changed.uplinks = changed_uplinks;
	changed.inside = changed_inside;
	changed.inside_count = 1;
	changed.providers = changed_providers;
	changed.tunnels = changed_tunnels;
}

/* A peer that roamed, and a key file written anew: what the device has stands nowhere else. */
static void make_irreplaceable(void)
{
	CU_ASSERT_EQUAL(system("wg set hwt-one peer 3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk= endpoint "
			       "127.0.0.77:7777; wg set hwt-two peer "
			       "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E= endpoint [::1]:8888"),
		0);
	write_file(KEY_FILE, OTHER_KEY "\n");
}

static void fail_at(const struct plan *plan, size_t number, const char *was)
{
	struct error error = {0};
	char text[STEP_TEXT_SIZE];

	apply->fail_at = number;
	CU_ASSERT_EQUAL(apply_run(apply, plan, NULL, NULL, &error), -EIO);
	apply->fail_at = 0;
	if (becomes(was, state))
		return;
	printf("# after the failure of: %s\n", step_format(&plan->steps[number - 1], text));
	CU_FAIL("the state is not the one before");
}

static void every_step_of_a_change_is_undone(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	_cleanup_free_ char *was = NULL;

	fill_changed();
	make_irreplaceable();
	was = state();
	make_plan(&changed, &plan);
	CU_ASSERT(plan.count > 30);
	for (size_t i = 1; i <= plan.count; i++)
		fail_at(&plan, i, was);
	write_file(KEY_FILE, FIRST_KEY "\n");
}

/* What both generations' maps say has to go back with the generation: one failure of each kind behind it. */
static void so_it_is_beside_a_new_generation(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	_cleanup_free_ char *was = state();
	size_t failures = 0;

	changed.tables.flows = 8192;
	make_plan(&changed, &plan);
	for (size_t i = 2; i <= plan.count; i++)
		if (plan.steps[i - 1].action != STEP_REMOVE && plan.steps[i - 1].item.kind >= ITEM_OBJECT &&
			plan.steps[i - 1].item.kind != plan.steps[i - 2].item.kind) {
			fail_at(&plan, i, was);
			failures++;
		}
	CU_ASSERT(failures > 5);
	changed.tables.flows = model.tables.flows;
}

/* The same change without a fault, and back. Both are seen from the configuration in force. */
static void a_change_is_made_and_taken_back(void)
{
	_cleanup_free_ char *was = state();
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan plan = {0}, none = {0};
	struct error error = {0};

	CU_ASSERT_EQUAL(reach(&changed, &error), 0);
	CU_ASSERT(says("wg show hwt-two", "endpoint: 127.0.0.10:51820"));
	CU_ASSERT(says("ip link show hwt-one 2>&1", "does not exist"));
	CU_ASSERT(says("ip link show uplink0 | grep -c prog/xdp", "0\n"));
	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &changed, &observed, &error), 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &changed, &none), 0);
	plan_print(&none, stdout);
	CU_ASSERT_EQUAL(none.count, 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &model, &plan), 0);
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT(says("wg show hwt-two", "endpoint: 127.0.0.9:51820"));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(system("wg set hwt-one peer 3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk= endpoint "
			       "127.0.0.77:7777; wg set hwt-two peer "
			       "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E= endpoint [::1]:8888"),
		0);
	CU_ASSERT(becomes(was, state));
	CU_ASSERT(nothing_to_do()); /* a peer that roams is not put right */
}

APPLY_TESTS("apply undo",
	{"a failing step leaves the machine as it was, at each kind of step", failure_is_undone_everywhere},
	{"a gateway stands", a_gateway_stands},
	{"every step of a change is made to fail: the state is the one before",
		every_step_of_a_change_is_undone},
	{"so it is when the tables have another size too", so_it_is_beside_a_new_generation},
	{"a change is made, and taken back", a_change_is_made_and_taken_back})
