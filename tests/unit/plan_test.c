// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/plan.h"

#define MTU 1400

/* ---- A configuration as a tree, by hand ------------------------------------------------------------------------- */

static struct address loopback_addresses[2];
static struct loopback loopbacks[] = {
	{.name = "control", .addresses = loopback_addresses, .address_count = 2}};
static struct provider providers[] = {{.name = "acme", .number = 1}};
static struct prefix tunnel_addresses[2];
static struct tunnel tunnels[] = {{.name = "acme-1",
	.number = 101,
	.provider = &providers[0],
	.addresses = tunnel_addresses,
	.address_count = 2,
	.wireguard = {.private_key_file = "/etc/wg.key",
		.listen_port = 51820,
		.keepalive_ms = 25000,
		.peer_public_key = "3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk="}}};
static struct prefix inside[2];
static char *uplinks[] = {"eth0"};
static struct model model = {
	.array = {.mtu = MTU},
	.loopbacks = loopbacks,
	.loopback_count = 1,
	.uplinks = uplinks,
	.uplink_count = 1,
	.inside = inside,
	.inside_count = 2,
	.providers = providers,
	.provider_count = 1,
	.tunnels = tunnels,
	.tunnel_count = 1,
	.tables = {.flows = 65536, .devices = 16384},
};

static void fill_model(void)
{
	address_parse("192.0.2.1", &loopback_addresses[0]);
	address_parse("2001:db8::1", &loopback_addresses[1]);
	prefix_parse("169.254.1.1/30", &tunnel_addresses[0]);
	prefix_parse("fd00:1::1/126", &tunnel_addresses[1]);
	prefix_parse("10.0.0.0/16", &inside[0]);
	prefix_parse("fd10::/32", &inside[1]);
}

/* ---- Plans as text ---------------------------------------------------------------------------------------------- */

static char *plan_text(const struct items *observed, const struct model *wanted)
{
	_cleanup_(plan_free) struct plan plan = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (plan_make(observed, wanted, &plan) < 0)
		abort();
	plan_print(&plan, stream);
	fclose(stream);
	return text;
}

static void expect(const struct items *observed, const struct model *wanted, const char *expected)
{
	_cleanup_free_ char *text = plan_text(observed, wanted);

	CU_ASSERT_STRING_EQUAL(text, expected);
	if (strcmp(text, expected) != 0)
		printf("# is:\n%s# should be:\n%s", text, expected);
}

/* A machine in which the model's plan was applied: what is wanted, as it would be observed. */
static struct items applied(const struct model *wanted)
{
	struct items items = {0};

	if (plan_wanted(wanted, &items) < 0)
		abort();
	for (size_t i = 0; i < items.count; i++)
		if (items.items[i].kind == ITEM_ATTACHMENT &&
			items.items[i].attachment.program != PROGRAM_UPLINK_XDP)
			items.items[i].attachment.mode = ATTACH_TCX;
	return items;
}

static struct item *find(struct items *items, enum item_kind kind, const char *interface)
{
	for (size_t i = 0; i < items->count; i++)
		if (items->items[i].kind == kind && strcmp(items->items[i].interface, interface) == 0)
			return &items->items[i];
	abort();
}

static void forget(struct items *items, const char *interface)
{
	size_t kept = 0;

	for (size_t i = 0; i < items->count; i++)
		if (strcmp(items->items[i].interface, interface) != 0)
			items->items[kept++] = items->items[i];
	items->count = kept;
}

/* ---- Start and stop --------------------------------------------------------------------------------------------- */

static void a_start_goes_from_links_to_open_tunnels(void)
{
	const struct items nothing = {0};

	expect(&nothing, &model,
		"add return device home0\n"
		"add sysctl net.ipv4.conf.home0.rp_filter = 2\n"
		"add sysctl net.ipv6.conf.home0.disable_ipv6 = 0\n"
		"add sysctl net.ipv6.conf.home0.addr_gen_mode = 1\n"
		"add sysctl net.ipv6.conf.home0.accept_ra = 0\n"
		"add sysctl net.ipv6.conf.home0.accept_dad = 0\n"
		"add sysctl net.ipv6.conf.home0.keep_addr_on_down = 1\n"
		"add sysctl net.ipv4.conf.home0.forwarding = 1\n"
		"add sysctl net.ipv6.conf.home0.forwarding = 1\n"
		"add mtu 1400 on home0\n"
		"add home0 up\n"
		"add lo up\n"
		"add address 192.0.2.1/32 on lo\n"
		"add address 2001:db8::1/128 on lo\n"
		"add tunnel acme-1\n"
		"add sysctl net.ipv4.conf.acme-1.rp_filter = 2\n"
		"add sysctl net.ipv6.conf.acme-1.disable_ipv6 = 0\n"
		"add sysctl net.ipv6.conf.acme-1.addr_gen_mode = 1\n"
		"add sysctl net.ipv6.conf.acme-1.accept_ra = 0\n"
		"add sysctl net.ipv6.conf.acme-1.accept_dad = 0\n"
		"add sysctl net.ipv6.conf.acme-1.keep_addr_on_down = 1\n"
		"add wireguard on acme-1: key of /etc/wg.key, port 51820, peer "
		"3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk=, keepalive 25s\n"
		"add mtu 1400 on acme-1\n"
		"add address 169.254.1.1/30 on acme-1\n"
		"add address fd00:1::1/126 on acme-1\n"
		"add maps and programs: 65536 flows, 16384 devices\n"
		"add map entries of the configuration\n"
		"add program return_egress on home0\n"
		"add program tunnel_ingress on acme-1\n"
		"add program uplink_ingress on eth0\n"
		"add program uplink_xdp on eth0\n"
		"add neighbour 169.254.255.1 at 02:68:77:00:00:02 dev home0\n"
		"add route default via 169.254.255.1 dev home0 table 7770\n"
		"add neighbour fe80::1 at 02:68:77:00:00:02 dev home0\n"
		"add route default via fe80::1 dev home0 table 7770\n"
		"add rule 7000: from 192.0.2.1 to 10.0.0.0/16 lookup 254\n"
		"add rule 7001: from 192.0.2.1 lookup 7770\n"
		"add rule 7000: from 2001:db8::1 to fd10::/32 lookup 254\n"
		"add rule 7001: from 2001:db8::1 lookup 7770\n"
		"add acme-1 open\n");
}

static void a_stop_goes_back(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);

	expect(&observed, NULL,
		"remove acme-1 open\n"
		"remove rule 7001: from 2001:db8::1 lookup 7770\n"
		"remove rule 7000: from 2001:db8::1 to fd10::/32 lookup 254\n"
		"remove rule 7001: from 192.0.2.1 lookup 7770\n"
		"remove rule 7000: from 192.0.2.1 to 10.0.0.0/16 lookup 254\n"
		"remove route default via fe80::1 dev home0 table 7770\n"
		"remove route default via 169.254.255.1 dev home0 table 7770\n"
		"remove neighbour fe80::1 at 02:68:77:00:00:02 dev home0\n"
		"remove neighbour 169.254.255.1 at 02:68:77:00:00:02 dev home0\n"
		"remove program uplink_xdp on eth0\n"
		"remove program uplink_ingress on eth0 by tcx\n"
		"remove program tunnel_ingress on acme-1 by tcx\n"
		"remove program return_egress on home0 by tcx\n"
		"remove maps and programs: 65536 flows, 16384 devices\n"
		"remove address fd00:1::1/126 on acme-1\n"
		"remove address 169.254.1.1/30 on acme-1\n"
		"remove address 2001:db8::1/128 on lo\n"
		"remove address 192.0.2.1/32 on lo\n"
		"remove tunnel acme-1\n"
		"remove return device home0\n");
}

static void what_is_right_is_left_alone(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);

	expect(&observed, &model, "");
}

/* ---- Differences ------------------------------------------------------------------------------------------------ */

static void a_lost_tunnel_comes_back_alone(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);

	forget(&observed, "acme-1");
	find(&observed, ITEM_ENTRIES, "")->kind = ITEM_KINDS; /* the maps name the old interface */
	expect(&observed, &model,
		"add tunnel acme-1\n"
		"add sysctl net.ipv4.conf.acme-1.rp_filter = 2\n"
		"add sysctl net.ipv6.conf.acme-1.disable_ipv6 = 0\n"
		"add sysctl net.ipv6.conf.acme-1.addr_gen_mode = 1\n"
		"add sysctl net.ipv6.conf.acme-1.accept_ra = 0\n"
		"add sysctl net.ipv6.conf.acme-1.accept_dad = 0\n"
		"add sysctl net.ipv6.conf.acme-1.keep_addr_on_down = 1\n"
		"add wireguard on acme-1: key of /etc/wg.key, port 51820, peer "
		"3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk=, keepalive 25s\n"
		"add mtu 1400 on acme-1\n"
		"add address 169.254.1.1/30 on acme-1\n"
		"add address fd00:1::1/126 on acme-1\n"
		"add map entries of the configuration\n"
		"add program tunnel_ingress on acme-1\n"
		"add acme-1 open\n");
}

/* Each row spoils one thing in a machine that is right, and names the steps that heal it. */
/* While it was gone, the maps were made to say so: they were right then, and are not when it is back. */
static void a_tunnel_that_waited_is_known_again(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_free_ char *steps = NULL;

	forget(&observed, "acme-1");
	steps = plan_text(&observed, &model);
	CU_ASSERT_PTR_NOT_NULL(strstr(steps, "add tunnel acme-1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(steps, "change map entries of the configuration\n"));
}

static void spoil_mtu(struct items *observed)
{
	find(observed, ITEM_MTU, "acme-1")->mtu = 1500;
}

static void spoil_sysctl(struct items *observed)
{
	find(observed, ITEM_SYSCTL, "acme-1")->sysctl.value = 1;
}

static void spoil_key(struct items *observed)
{
	find(observed, ITEM_WIREGUARD, "acme-1")->wireguard.private_key_file = NULL;
}

static void spoil_peer(struct items *observed)
{
	find(observed, ITEM_WIREGUARD, "acme-1")->wireguard.peer_public_key[0] = 'x';
}

static void spoil_route(struct items *observed)
{
	address_parse("169.254.255.9", &find(observed, ITEM_ROUTE, "home0")->route.gateway);
}

static void spoil_neighbour(struct items *observed)
{
	find(observed, ITEM_NEIGHBOUR, "home0")->neighbour.mac[5] = 9;
}

static void leave_an_old_rule(struct items *observed)
{
	struct item rule = *find(observed, ITEM_RULE, "");

	prefix_parse("10.9.0.0/16", &rule.rule.to);
	items_add(observed, &rule);
}

static void leave_an_old_tunnel(struct items *observed)
{
	struct item link = *find(observed, ITEM_LINK, "acme-1"), open = *find(observed, ITEM_OPEN, "acme-1");

	strcpy(link.interface, "old-1");
	strcpy(open.interface, "old-1");
	items_add(observed, &link);
	items_add(observed, &open);
}

static void roam(struct items *observed)
{
	find(observed, ITEM_WIREGUARD, "acme-1")->wireguard.has_endpoint = true;
}

static void only_differences_are_steps(void)
{
	static const struct {
		void (*spoil)(struct items *observed);
		const char *steps;
	} rows[] = {
		{spoil_mtu, "change mtu 1400 on acme-1\n"},
		{spoil_sysctl, "change sysctl net.ipv4.conf.acme-1.rp_filter = 2\n"},
		{spoil_key, "change wireguard on acme-1: key of /etc/wg.key, port 51820, peer "
			    "3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk=, keepalive 25s\n"},
		{spoil_peer, "change wireguard on acme-1: key of /etc/wg.key, port 51820, peer "
			     "3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk=, keepalive 25s\n"},
		{spoil_route, "change route default via 169.254.255.1 dev home0 table 7770\n"},
		{spoil_neighbour, "change neighbour 169.254.255.1 at 02:68:77:00:00:02 dev home0\n"},
		{leave_an_old_rule, "remove rule 7000: from 192.0.2.1 to 10.9.0.0/16 lookup 254\n"},
		{leave_an_old_tunnel, "remove old-1 open\nremove tunnel old-1\n"},
		{roam, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(items_free) struct items observed = applied(&model);

		rows[i].spoil(&observed);
		expect(&observed, &model, rows[i].steps);
	}
}

static const char becomes_ipsec[] = "remove acme-1 open\n"
				    "remove program tunnel_ingress on acme-1 by tcx\n"
				    "remove address fd00:1::1/126 on acme-1\n"
				    "remove address 169.254.1.1/30 on acme-1\n"
				    "remove tunnel acme-1\n"
				    "add tunnel acme-1\n"
				    "add sysctl net.ipv4.conf.acme-1.rp_filter = 2\n"
				    "add sysctl net.ipv6.conf.acme-1.disable_ipv6 = 0\n"
				    "add sysctl net.ipv6.conf.acme-1.addr_gen_mode = 1\n"
				    "add sysctl net.ipv6.conf.acme-1.accept_ra = 0\n"
				    "add sysctl net.ipv6.conf.acme-1.accept_dad = 0\n"
				    "add sysctl net.ipv6.conf.acme-1.keep_addr_on_down = 1\n"
				    "add ipsec on acme-1: key of /etc/acme.psk, peer 198.51.100.2\n"
				    "add mtu 1400 on acme-1\n"
				    "add address 169.254.1.1/30 on acme-1\n"
				    "add address fd00:1::1/126 on acme-1\n"
				    "change map entries of the configuration\n"
				    "add program tunnel_ingress on acme-1\n"
				    "add acme-1 open\n";

/* Under the same name: its interface is another one. And then only what strongSwan is told matters. */
static void another_kind_is_another_interface(void)
{
	_cleanup_(items_free) struct items observed = applied(&model), as_ipsec = {0};
	struct tunnel is = tunnels[0];
	struct model new = model;

	is.ipsec = (struct ipsec){.enabled = true, .psk_file = "/etc/acme.psk"};
	address_parse("198.51.100.2", &is.ipsec.remote);
	new.tunnels = &is;
	find(&observed, ITEM_ENTRIES, "")->model = &new;
	expect(&observed, &new, becomes_ipsec);
	as_ipsec = applied(&new);
	expect(&as_ipsec, &new, "");
	find(&as_ipsec, ITEM_IPSEC, "acme-1")->ipsec.tunnel = NULL; /* a file has another content */
	expect(&as_ipsec, &new, "change ipsec on acme-1: key of /etc/acme.psk, peer 198.51.100.2\n");
}

/* The device may have roamed from either: what counts is what the configurations say. */
static void a_changed_endpoint_is_a_change(void)
{
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan plan = {0};
	struct tunnel was = tunnels[0], is = tunnels[0];
	struct model old = model, new = model;

	was.wireguard.has_endpoint = is.wireguard.has_endpoint = true;
	was.wireguard.endpoint_port = is.wireguard.endpoint_port = 51820;
	address_parse("198.51.100.1", &was.wireguard.endpoint_address);
	address_parse("198.51.100.2", &is.wireguard.endpoint_address);
	old.tunnels = &was;
	new.tunnels = &is;
	observed = applied(&old);
	CU_ASSERT_EQUAL(plan_make(&observed, &old, &plan), 0);
	CU_ASSERT_EQUAL(plan.count, 0);
	find(&observed, ITEM_ENTRIES, "")->model = &new;
	expect(&observed, &new,
		"change wireguard on acme-1: key of /etc/wg.key, port 51820, peer "
		"3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk=, endpoint 198.51.100.2 port 51820, keepalive "
		"25s\n");
	find(&observed, ITEM_WIREGUARD, "acme-1")->wireguard.tunnel =
		NULL; /* nobody knows what it was set to */
	expect(&observed, &new, "");
}

/* Maps that say what another configuration says are written, unless it comes to the same. */
static void another_model_fills_the_maps(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	struct model other = model;

	expect(&observed, &other, "change map entries of the configuration\n");
	find(&observed, ITEM_ENTRIES, "")->model = &other;
	expect(&observed, &other, "");
}

static void a_change_remembers_what_was(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_(plan_free) struct plan plan = {0};

	spoil_mtu(&observed);
	CU_ASSERT_EQUAL_FATAL(plan_make(&observed, &model, &plan), 0);
	CU_ASSERT_EQUAL_FATAL(plan.count, 1);
	CU_ASSERT_EQUAL(plan.steps[0].action, STEP_CHANGE);
	CU_ASSERT_EQUAL(plan.steps[0].before.mtu, 1500);
}

/* An address that an administrator put on lo is as good as ours, and stays when we go. */
static void what_others_made_stays(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_free_ char *stop = NULL;

	find(&observed, ITEM_ADDRESS, "lo")->foreign = true;
	expect(&observed, &model, "");
	stop = plan_text(&observed, NULL);
	CU_ASSERT_PTR_NULL(strstr(stop, "192.0.2.1/32"));
	CU_ASSERT_PTR_NOT_NULL(strstr(stop, "2001:db8::1/128"));
}

static void attach_mode_is_replaced_only_when_asked(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);

	model.attach = ATTACH_TCX;
	expect(&observed, &model, "");
	model.attach = ATTACH_CLSACT;
	expect(&observed, &model,
		"remove acme-1 open\n"
		"remove program uplink_ingress on eth0 by tcx\n"
		"remove program tunnel_ingress on acme-1 by tcx\n"
		"remove program return_egress on home0 by tcx\n"
		"add program return_egress on home0 by clsact\n"
		"add program tunnel_ingress on acme-1 by clsact\n"
		"add program uplink_ingress on eth0 by clsact\n"
		"add acme-1 open\n");
	model.attach = ATTACH_AUTO;
}

static void new_table_sizes_replace_programs_too(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);

	model.tables.devices = 32768;
	expect(&observed, &model,
		"change maps and programs: 65536 flows, 32768 devices\n"
		"change map entries of the configuration\n"
		"change program return_egress on home0\n"
		"change program tunnel_ingress on acme-1\n"
		"change program uplink_ingress on eth0\n"
		"change program uplink_xdp on eth0\n");
	model.tables.devices = 16384;
}

/* Another build's are replaced in place, and remembered in case that fails; so is what runs an older generation. */
static void outdated_programs_are_replaced(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_(plan_free) struct plan plan = {0};
	struct item *object = find(&observed, ITEM_OBJECT, "");

	object->object.outdated = true;
	object->object.generation = 7;
	CU_ASSERT_EQUAL(plan_make(&observed, &model, &plan), 0);
	CU_ASSERT_EQUAL(plan.count, 6);
	CU_ASSERT_EQUAL(plan.steps[0].action, STEP_CHANGE);
	CU_ASSERT_EQUAL(plan.steps[0].before.object.generation, 7);
	CU_ASSERT_EQUAL(plan.steps[1].action, STEP_CHANGE);
	CU_ASSERT_PTR_EQUAL(plan.steps[1].before.model, &model);
	object->object.outdated = false;
	find(&observed, ITEM_ATTACHMENT, "acme-1")->attachment.outdated = true;
	expect(&observed, &model, "change program tunnel_ingress on acme-1\n");
}

/* Pins that are gone: what is attached runs programs that nobody has a handle on. */
static void unknown_programs_are_replaced(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_free_ char *steps = NULL;

	find(&observed, ITEM_OBJECT, "")->kind = ITEM_KINDS;
	steps = plan_text(&observed, &model);
	CU_ASSERT_EQUAL(strncmp(steps, "add maps and programs: ", 23), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(steps, "change program uplink_xdp on eth0\n"));
}

/* It has no Ethernet for XDP, and is not ours to make or to remove. */
static void an_underlay_gets_a_program_and_no_more(void)
{
	_cleanup_(items_free) struct items observed = applied(&model);
	_cleanup_(items_free) struct items with_underlay = {0};

	model.array.underlay = "wg-array";
	expect(&observed, &model, "add program uplink_ingress on wg-array\n");
	with_underlay = applied(&model);
	expect(&with_underlay, &model, "");
	model.array.underlay = NULL;
	expect(&with_underlay, &model, "remove program uplink_ingress on wg-array by tcx\n");
}

/* A child that must wait before it is started again: its tunnel is left out, the others are not. */
static void what_must_wait_is_left_out(void)
{
	const struct items nothing = {0};
	struct plan plan = {0};
	size_t all;

	CU_ASSERT_EQUAL(plan_make(&nothing, &model, &plan), 0);
	all = plan.count;
	plan_leave_out(&plan, "acme-1");
	CU_ASSERT(plan.count > 0 && plan.count < all);
	for (size_t i = 0; i < plan.count; i++)
		CU_ASSERT_STRING_NOT_EQUAL(plan.steps[i].item.interface, "acme-1");
	plan_free(&plan);
}

/* ---- Egress groups ------------------------------------------------------------------------------------------------ */

static struct egress_link egress_links[] = {{&tunnels[0], 1}};
static char *lans[] = {"eth1", "eth2", "eth1"};
static struct egress_group groups[] = {
	{.name = "acs", .number = 101, .from = lans, .from_count = 1},
	{.name = "platform",
		.number = 101,
		.from = lans,
		.from_count = 3,
		.links = egress_links,
		.link_count = 1},
};

static bool has_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);

	return found && (found == text || found[-1] == '\n') && !strstr(found + 1, line);
}

static void links_and_lans_have_programs_of_their_own(void)
{
	struct model egress = model;
	struct items nothing = {0};
	_cleanup_free_ char *text = NULL;

	egress.egress = groups;
	egress.egress_count = ARRAY_SIZE(groups);
	text = plan_text(&nothing, &egress);
	CU_ASSERT(has_line(text, "add program link_ingress on acme-1\n"));
	CU_ASSERT(has_line(text, "add program lan_ingress on eth1\n"));
	CU_ASSERT(has_line(text, "add program lan_ingress on eth2\n"));
	CU_ASSERT(has_line(text, "add sysctl net.ipv4.conf.acme-1.rp_filter = 0\n"));
	CU_ASSERT(has_line(text, "add sysctl net.ipv4.conf.acme-1.forwarding = 1\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "tunnel_ingress"));
	CU_ASSERT_PTR_NULL(strstr(text, "conf.eth1"));
}

static struct probe probes[3];

/* Two that share a way, and one on the link, that needs none. */
static struct model with_probes(void)
{
	struct model egress = model;

	egress.egress = groups;
	egress.egress_count = ARRAY_SIZE(groups);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i] = (struct probe){.name = "far", .tunnel = &tunnels[0], .icmp.enabled = true};
	address_parse("203.0.113.1", &probes[0].icmp.to);
	address_parse("203.0.113.2", &probes[1].icmp.to);
	address_parse("169.254.1.2", &probes[2].icmp.to);
	egress.probes = probes;
	egress.probe_count = ARRAY_SIZE(probes);
	return egress;
}

static void what_probes_ask_behind_a_link_has_a_way(void)
{
	struct model egress = with_probes();
	_cleanup_(items_free) struct items observed = applied(&egress);

	expect(&observed, &egress, "");
	egress.probe_count = 0;
	expect(&observed, &egress,
		"remove route 0.0.0.0/0 dev acme-1 table 777100101\n"
		"remove rule 6999: from 169.254.1.1 oif acme-1 lookup 777100101\n");
	egress.probe_count = 1;
	address_parse("2001:db8:f::1", &probes[0].icmp.to);
	address_parse("2001:db8:7::1", &probes[0].from);
	expect(&observed, &egress,
		"remove route 0.0.0.0/0 dev acme-1 table 777100101\n"
		"remove rule 6999: from 169.254.1.1 oif acme-1 lookup 777100101\n"
		"add rule 6999: from 2001:db8:7::1 oif acme-1 lookup 777100101\n"
		"add route ::/0 dev acme-1 table 777100101\n");
}

/* The kernel has taken it along, whatever was observed before. */
static void a_way_comes_back_with_its_tunnel(void)
{
	struct model egress = with_probes();
	_cleanup_(items_free) struct items observed = applied(&egress);
	_cleanup_free_ char *text = NULL;

	find(&observed, ITEM_OPEN, "acme-1")->kind = ITEM_KINDS;
	find(&observed, ITEM_WAY, "acme-1")->kind = ITEM_KINDS;
	expect(&observed, &egress, "add acme-1 open\nadd route 0.0.0.0/0 dev acme-1 table 777100101\n");
	items_free(&observed);
	observed = applied(&egress);
	egress.attach = ATTACH_CLSACT;
	text = plan_text(&observed, &egress);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "remove route 0.0.0.0/0 dev acme-1 table 777100101\nremove acme-1 open\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "add acme-1 open\nadd route 0.0.0.0/0 dev acme-1 table 777100101\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "rule"));
}

/* What the LAN sends brings no route along; it goes with the tunnel. */
static void an_ipsec_link_finds_a_route(void)
{
	static const char rule[] = "add rule 7002: from :: oif acme-1 lookup 7770\n";
	struct tunnel changed = tunnels[0];
	struct egress_link link = {&changed, 1};
	struct egress_group group = groups[1];
	struct model ipsec = model, without;
	_cleanup_(items_free) struct items observed = {0};
	struct items nothing = {0};
	_cleanup_free_ char *made = NULL, *same = NULL, *gone = NULL;

	changed.ipsec = (struct ipsec){.enabled = true, .psk_file = "/etc/acme.psk"};
	changed.wireguard.enabled = false;
	ipsec.tunnels = &changed;
	without = ipsec;
	group.links = &link;
	ipsec.egress = &group;
	ipsec.egress_count = 1;
	made = plan_text(&nothing, &ipsec);
	CU_ASSERT(has_line(made, rule));
	CU_ASSERT_EQUAL_FATAL(plan_wanted(&ipsec, &observed), 0);
	same = plan_text(&observed, &ipsec);
	CU_ASSERT_STRING_EQUAL(same, "");
	gone = plan_text(&observed, &without);
	CU_ASSERT(has_line(gone, "remove rule 7002: from :: oif acme-1 lookup 7770\n"));
}

/* Between the two programs nobody would judge what comes out of it. */
static void a_tunnel_that_becomes_a_link_is_closed_meanwhile(void)
{
	struct model egress = model;
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_free_ char *text = NULL;
	const char *closed, *opened;

	egress.egress = groups;
	egress.egress_count = ARRAY_SIZE(groups);
	CU_ASSERT_EQUAL_FATAL(plan_wanted(&egress, &observed), 0);
	text = plan_text(&observed, &model);
	closed = strstr(text, "remove acme-1 open\n");
	opened = strstr(text, "add acme-1 open\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(closed);
	CU_ASSERT_PTR_NOT_NULL_FATAL(opened);
	CU_ASSERT(closed < strstr(text, "remove program link_ingress on acme-1\n"));
	CU_ASSERT(opened > strstr(text, "add program tunnel_ingress on acme-1\n"));
}

static const struct unit_test tests[] = {
	{"an IPsec link of an egress group finds a route", an_ipsec_link_finds_a_route},
	{"an underlay gets a program, and no more", an_underlay_gets_a_program_and_no_more},
	{"what must wait is left out", what_must_wait_is_left_out},
	{"a start goes from links to open tunnels", a_start_goes_from_links_to_open_tunnels},
	{"a stop goes back", a_stop_goes_back},
	{"what is right is left alone", what_is_right_is_left_alone},
	{"a lost tunnel comes back alone", a_lost_tunnel_comes_back_alone},
	{"a tunnel that waited is known again", a_tunnel_that_waited_is_known_again},
	{"only differences are steps", only_differences_are_steps},
	{"a changed endpoint is a change, a roamed one is not", a_changed_endpoint_is_a_change},
	{"another kind of tunnel is another interface", another_kind_is_another_interface},
	{"another model fills the maps", another_model_fills_the_maps},
	{"a change remembers what was", a_change_remembers_what_was},
	{"what others made stays", what_others_made_stays},
	{"the attach mode is replaced only when asked for", attach_mode_is_replaced_only_when_asked},
	{"programs that nobody knows are replaced", unknown_programs_are_replaced},
	{"outdated programs are replaced", outdated_programs_are_replaced},
	{"new table sizes replace the programs too", new_table_sizes_replace_programs_too},
	{"links and LANs have programs of their own", links_and_lans_have_programs_of_their_own},
	{"what probes ask behind a link has a way", what_probes_ask_behind_a_link_has_a_way},
	{"a way comes back with its tunnel", a_way_comes_back_with_its_tunnel},
	{"a tunnel that becomes a link is closed meanwhile",
		a_tunnel_that_becomes_a_link_is_closed_meanwhile},
};

int main(void)
{
	fill_model();
	return unit_run("plan", tests, ARRAY_SIZE(tests));
}
