// SPDX-License-Identifier: Apache-2.0
/*
 * What a model wants, as items in the order of making. Everything that a reader may ask "why is this set?"
 * about stands here, and nowhere else.
 */
#include "plan/plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * rp_filter 2 (loose): a device's address has no route by the tunnel, so strict would drop every request. The
 * kernel uses the larger of this and the setting for `all`, and 2 is the largest. Loose finds a route: the
 * reverse lookup comes from the loopback, so our rule leads it to home0.
 *
 * addr_gen_mode 1 (none): no link-local addresses of the kernel's making, as kernel WireGuard has it, so both
 * drivers look the same to a neighbour; and home0 has nothing to say by itself.
 *
 * keep_addr_on_down 1: a tunnel that is closed and opened again keeps its IPv6 addresses as it does the others.
 *
 * Links of egress groups: what comes in there is forwarded to the LAN, so `forwarding` is on (the LAN's own interfaces need
 * it not: lan_ingress takes their packets before the stack asks), and rp_filter is 0, since no route need lead to the
 * destinations; link_ingress admits nobody else.
 *
 * forwarding, on home0: the programs ask the kernel for the route to a member as if the relay came in there, and it
 * answers only where forwarding is on. Nothing else comes in by home0 but relayed requests to a loopback.
 */
static const struct setting settings[] = {
	{"ipv4", "rp_filter", 2},
	{"ipv6", "disable_ipv6", 0},
	{"ipv6", "addr_gen_mode", 1},
	{"ipv6", "accept_ra", 0},
	{"ipv6", "accept_dad", 0},
	{"ipv6", "keep_addr_on_down", 1},
	{"ipv4", "forwarding", 1}, /* OF_HOME: the last ones */
	{"ipv6", "forwarding", 1},
};
#define OF_HOME 2

static const struct setting egress_settings[] = {
	{"ipv4", "rp_filter", 0},
	{"ipv6", "disable_ipv6", 0},
	{"ipv6", "addr_gen_mode", 1},
	{"ipv6", "accept_ra", 0},
	{"ipv6", "accept_dad", 0},
	{"ipv6", "keep_addr_on_down", 1},
	{"ipv4", "forwarding", 1},
	{"ipv6", "forwarding", 1},
};

const struct setting *plan_settings(enum link_role role, size_t *count)
{
	*count = ARRAY_SIZE(settings) - (role == LINK_HOME || role == LINK_EGRESS ? 0 : OF_HOME);
	return role == LINK_EGRESS ? egress_settings : settings;
}

/* What stands behind home0: nobody. One permanent neighbour a family is all that the neighbour tables ever
 * hold of it. */
static const uint8_t neighbour_mac[6] = {0x02, 'h', 'w', 0, 0, 2};
static const char *const next_hops[] = {"169.254.255.1", "fe80::1"};

/* A list under construction remembers its first failure, so that the builders read as lists. */
struct builder {
	struct items *items;
	int result;
};

static struct item item_on(enum item_kind kind, const char *interface)
{
	struct item item = {.kind = kind};

	strncpy(item.interface, interface, sizeof(item.interface) - 1);
	return item;
}

static void want(struct builder *builder, struct item item)
{
	if (builder->result == 0)
		builder->result = items_add(builder->items, &item);
}

static void want_link(
	struct builder *builder, const char *name, enum link_role role, enum link_role settings_role)
{
	struct item item = item_on(ITEM_LINK, name);
	size_t count;
	const struct setting *setting = plan_settings(settings_role, &count);

	item.role = role;
	want(builder, item);
	for (size_t i = 0; i < count; i++) {
		item = item_on(ITEM_SYSCTL, name);
		item.sysctl.family = setting[i].family;
		item.sysctl.name = setting[i].name;
		item.sysctl.value = setting[i].value;
		want(builder, item);
	}
}

static void want_mtu(struct builder *builder, const char *name, uint32_t mtu)
{
	struct item item = item_on(ITEM_MTU, name);

	item.mtu = mtu;
	want(builder, item);
}

static void want_address(struct builder *builder, const char *name, struct prefix address)
{
	struct item item = item_on(ITEM_ADDRESS, name);

	item.address = address;
	want(builder, item);
}

static void want_wireguard(struct builder *builder, const struct tunnel *tunnel)
{
	const struct wireguard *wireguard = &tunnel->wireguard;
	struct item item = item_on(ITEM_WIREGUARD, tunnel->name);

	item.wireguard.private_key_file = wireguard->private_key_file;
	item.wireguard.listen_port = wireguard->listen_port;
	item.wireguard.keepalive_s = wireguard->keepalive_ms / 1000;
	item.wireguard.has_endpoint = wireguard->has_endpoint;
	item.wireguard.tunnel = tunnel;
	strncpy(item.wireguard.peer_public_key, wireguard->peer_public_key, WIREGUARD_KEY_TEXT_SIZE - 1);
	want(builder, item);
}

static void want_ipsec(struct builder *builder, const struct tunnel *tunnel)
{
	struct item item = item_on(ITEM_IPSEC, tunnel->name);

	item.ipsec.tunnel = tunnel;
	want(builder, item);
}

static void want_tunnel(struct builder *builder, const struct model *model, const struct tunnel *tunnel)
{
	enum link_role role = tunnel->ipsec.enabled ? LINK_IPSEC : LINK_TUNNEL;

	want_link(builder, tunnel->name, role, model_egress_of(model, tunnel) ? LINK_EGRESS : role);
	if (role == LINK_IPSEC)
		want_ipsec(builder, tunnel);
	else
		want_wireguard(builder, tunnel);
	want_mtu(builder, tunnel->name, model->array.mtu);
	for (size_t i = 0; i < tunnel->address_count; i++)
		want_address(builder, tunnel->name, tunnel->addresses[i]);
}

static void want_links(struct builder *builder, const struct model *model)
{
	want_link(builder, HOME_INTERFACE, LINK_HOME, LINK_HOME);
	want_mtu(builder, HOME_INTERFACE, model->array.mtu);
	want(builder, item_on(ITEM_UP, HOME_INTERFACE));
	want(builder, item_on(ITEM_UP, LOOPBACK_INTERFACE));
	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++)
			want_address(builder, LOOPBACK_INTERFACE,
				(struct prefix){model->loopbacks[i].addresses[j], 128});
	for (size_t i = 0; i < model->tunnel_count; i++)
		want_tunnel(builder, model, &model->tunnels[i]);
}

static void want_attachment(
	struct builder *builder, const char *interface, enum program program, enum attach_mode mode)
{
	struct item item = item_on(ITEM_ATTACHMENT, interface);

	item.attachment.program = program;
	item.attachment.mode = mode;
	want(builder, item);
}

static void want_programs(struct builder *builder, const struct model *model)
{
	struct item object = {.kind = ITEM_OBJECT};

	object.object.flows = model->tables.flows;
	object.object.devices = model->tables.devices;
	want(builder, object);
	want(builder, (struct item){.kind = ITEM_ENTRIES, .model = model});
	want_attachment(builder, HOME_INTERFACE, PROGRAM_RETURN_EGRESS, model->attach);
	for (size_t i = 0; i < model->tunnel_count; i++)
		want_attachment(builder, model->tunnels[i].name,
			model_egress_of(model, &model->tunnels[i]) ? PROGRAM_LINK_INGRESS
								   : PROGRAM_TUNNEL_INGRESS,
			model->attach);
	for (size_t i = 0; i < model->uplink_count; i++) {
		want_attachment(builder, model->uplinks[i], PROGRAM_UPLINK_INGRESS, model->attach);
		want_attachment(builder, model->uplinks[i], PROGRAM_UPLINK_XDP, ATTACH_AUTO);
	}
	for (size_t i = 0; i < model_lan_count(model); i++)
		want_attachment(builder, model_lan(model, i), PROGRAM_LAN_INGRESS, model->attach);
	/* XDP wants Ethernet headers, and could not spare what it drops the decryption. */
	if (model->array.underlay)
		want_attachment(builder, model->array.underlay, PROGRAM_UPLINK_INGRESS, model->attach);
}

static void want_way_out(struct builder *builder)
{
	struct item neighbour = item_on(ITEM_NEIGHBOUR, HOME_INTERFACE);
	struct item route = item_on(ITEM_ROUTE, HOME_INTERFACE);

	route.route.table = HOME_TABLE;
	for (size_t i = 0; i < ARRAY_SIZE(next_hops); i++) {
		address_parse(next_hops[i], &neighbour.neighbour.address);
		memcpy(neighbour.neighbour.mac, neighbour_mac, sizeof(neighbour_mac));
		route.route.gateway = neighbour.neighbour.address;
		want(builder, neighbour);
		want(builder, route);
	}
}

/* What a loopback says goes to home0, except to the inside: those rules stand above and come first. */
static void want_rules_of(struct builder *builder, const struct model *model, const struct address *loopback)
{
	struct item item = {.kind = ITEM_RULE};

	item.rule.from = *loopback;
	item.rule.priority = INSIDE_RULE_PRIORITY;
	item.rule.table = MAIN_TABLE;
	item.rule.has_to = true;
	for (size_t i = 0; i < model->inside_count; i++) {
		item.rule.to = model->inside[i];
		if (address_is_v4(&item.rule.to.address) == address_is_v4(loopback))
			want(builder, item);
	}
	item.rule.priority = HOME_RULE_PRIORITY;
	item.rule.table = HOME_TABLE;
	item.rule.has_to = false;
	memset(&item.rule.to, 0, sizeof(item.rule.to));
	want(builder, item);
}

/* Several probes may share one. */
static void want_once(struct builder *builder, const struct item *item)
{
	if (!items_find(builder->items, item))
		want(builder, *item);
}

/* What it asks behind its tunnel's link has no route, and gets none that anybody else could take. */
static void want_way_of(struct builder *builder, const struct probe *probe)
{
	static const uint8_t anywhere[16];
	struct item rule = item_on(ITEM_RULE, probe->tunnel->name),
		    way = item_on(ITEM_WAY, probe->tunnel->name);

	rule.rule.from = *model_probe_source(probe);
	rule.rule.priority = PROBE_RULE_PRIORITY;
	rule.rule.table = way.route.table = PROBE_TABLES + probe->tunnel->number;
	way.route.gateway = address_from_wire(address_family(&rule.rule.from), anywhere);
	want_once(builder, &rule);
	want_once(builder, &way);
}

/*
 * What the LAN sends brings no route into a tunnel, and an XFRM interface asks for one from itself then. For IPv6 there must
 * be one, and any will do, since who the peer is policies say (apply/ipsec_kernel.c): so it finds home0's. What a loopback
 * says finds that by its own rule. An interface of another kind never asks.
 */
static void want_rule_of_link(struct builder *builder, const struct tunnel *tunnel)
{
	struct item item = item_on(ITEM_RULE, tunnel->name);

	item.rule.priority = LINK_RULE_PRIORITY;
	item.rule.table = HOME_TABLE;
	want(builder, item);
}

int plan_wanted(const struct model *model, struct items *wanted)
{
	struct builder builder = {.items = wanted};

	want_links(&builder, model);
	want_programs(&builder, model);
	want_way_out(&builder);
	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++)
			want_rules_of(&builder, model, &model->loopbacks[i].addresses[j]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].ipsec.enabled && model_egress_of(model, &model->tunnels[i]))
			want_rule_of_link(&builder, &model->tunnels[i]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		want(&builder, item_on(ITEM_OPEN, model->tunnels[i].name));
	for (size_t i = 0; i < model->probe_count; i++)
		if (model_probe_goes_beyond(&model->probes[i]))
			want_way_of(&builder, &model->probes[i]);
	return builder.result;
}
