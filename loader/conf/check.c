// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together, beyond each value by itself. A value that could not be read has been reported and is passed
 * over: a NULL text, the address ::, a prefix of length 0.
 */
#include "conf/check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

char *check_key(char text[KEY_PATH_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, KEY_PATH_SIZE, format, arguments);
	va_end(arguments);
	return text;
}

/* ---- Names ------------------------------------------------------------------------------------------------------ */

static void gateway_is_a_member(struct review *review, const struct model *model)
{
	if (!model->gateway || !model->array.member_count)
		return;
	FOR_EACH (i, model->array.member_count)
		if (!model->array.members[i].name ||
			strcmp(model->array.members[i].name, model->gateway) == 0)
			return;
	review_problem(review, "gateway",
		"array.gateways has no \"%s\": add it there, or correct the name here", model->gateway);
}

static void tunnels_are_no_uplinks(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE], uplink[KEY_PATH_SIZE];

	FOR_EACH (i, model->tunnel_count)
		FOR_EACH (j, model->uplink_count) {
			if (!model->tunnels[i].name || !model->uplinks[j] ||
				strcmp(model->tunnels[i].name, model->uplinks[j]) != 0)
				continue;
			check_key(uplink, "uplinks[%zu]", j);
			review_problem(review, check_key(text, "tunnels[%zu].name", i),
				"\"%s\" is an uplink (%s on line %u): an interface is one or the other",
				model->uplinks[j], uplink, review_line(review, uplink));
		}
}

/* ---- The array ---------------------------------------------------------------------------------------------------- */

static void the_array_has_a_key(struct review *review, const struct model *model)
{
	const struct array *array = &model->array;

	if (array->key_file)
		return;
	if (array->replication == REPLICATION_BROADCAST)
		review_problem(review, "array.replication.key_file",
			"is missing: gateways tell each other of flows under a key that all of them have");
	else if (array->member_count > 1 && array->relay_authenticate)
		review_problem(review, "array",
			"has %zu gateways, and nothing vouches for the packets that they relay: set "
			"replication.key_file, or relay: {authenticate: no}",
			array->member_count);
}

static uint8_t highest_number(const struct array *array)
{
	uint8_t highest = 0;

	FOR_EACH (i, array->member_count)
		if (array->members[i].number > highest)
			highest = array->members[i].number;
	return highest;
}

/* Alone, a gateway keeps to no slice. */
static void the_ports_are_enough(struct review *review, const struct model *model)
{
	const struct array *array = &model->array;
	uint32_t highest = highest_number(array), room;

	if (array->member_count < 2 || highest == 0 || array->ports_first == 0)
		return;
	room = 65536 - array->ports_first;
	if (highest * array->ports_slice > room)
		review_problem(review, "array.ports",
			"gateway number %u would have the ports %u to %u, and "
			"65535 is the last: slice %u at most, or smaller numbers",
			highest, array->ports_first + (highest - 1) * array->ports_slice,
			array->ports_first + highest * array->ports_slice - 1, room / highest);
}

static void the_underlay_is_another_interface(struct review *review, const struct model *model)
{
	const char *underlay = model->array.underlay;

	if (!underlay)
		return;
	FOR_EACH (i, model->tunnel_count)
		if (model->tunnels[i].name && strcmp(model->tunnels[i].name, underlay) == 0)
			review_problem(review, "array.underlay",
				"\"%s\" is a tunnel to a provider: relays need an interface of their own",
				underlay);
	FOR_EACH (i, model->uplink_count)
		if (model->uplinks[i] && strcmp(model->uplinks[i], underlay) == 0)
			review_problem(review, "array.underlay",
				"\"%s\" is an uplink: leave the key out, and the uplinks carry relays",
				underlay);
}

/* ---- Filters ------------------------------------------------------------------------------------------------------ */

/* What could not be read is no name, and may be any. */
static bool is_among(char *const *names, size_t count, const char *name)
{
	FOR_EACH (i, count)
		if (!names[i] || strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void filtered_are_uplinks(
	struct review *review, const struct model *model, const char *list, char *const *names, size_t count)
{
	char text[KEY_PATH_SIZE];

	FOR_EACH (i, count)
		if (names[i] && !is_among(model->uplinks, model->uplink_count, names[i]))
			review_problem(review, check_key(text, "filter.%s[%zu]", list, i),
				"\"%s\" is no uplink: add it to uplinks, or correct it here", names[i]);
}

static void filters_are_of_uplinks(struct review *review, const struct model *model)
{
	const struct filter *filter = &model->filter;
	char text[KEY_PATH_SIZE];

	filtered_are_uplinks(review, model, "watch", filter->watch, filter->watch_count);
	filtered_are_uplinks(review, model, "drop", filter->drop, filter->drop_count);
	FOR_EACH (i, filter->watch_count)
		if (filter->watch[i] && is_among(filter->drop, filter->drop_count, filter->watch[i]))
			review_problem(review, check_key(text, "filter.watch[%zu]", i),
				"\"%s\" stands in filter.drop too: an uplink's filter watches or drops",
				filter->watch[i]);
	if (filter->enabled && filter->watch_count + filter->drop_count == 0 &&
		!review_blames(review, "filter.watch") && !review_blames(review, "filter.drop"))
		review_problem(review, "filter", "filters no uplink: write watch: [UPLINK], or leave it out");
}

/* What bpf/serve.h never looks up; NULL: another protocol, which it does. */
static const char *why_no_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return "TCP and UDP are served by their sockets: write accept.ports or accept.from instead";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "ICMP is let in whatever the filter says: leave it out";
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
		return "this is a header of IPv6 before a protocol's: write the number of the protocol";
	default:
		return NULL;
	}
}

static void protocols_are_looked_up(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE];

	FOR_EACH (i, model->filter.protocol_count) {
		const char *why = why_no_protocol(model->filter.protocols[i]);

		if (why && !review_blames(review, check_key(text, "filter.accept.protocols[%zu]", i)))
			review_problem(review, text, "%u: %s", model->filter.protocols[i], why);
	}
}

/* ---- Neighbours ------------------------------------------------------------------------------------------------- */

static bool is_on_link(const struct prefix *links, size_t count, const struct address *address)
{
	bool unknown = count == 0;

	FOR_EACH (i, count) {
		if (links[i].length == 0)
			unknown = true;
		else if (prefix_contains(&links[i], address))
			return true;
	}
	return unknown;
}

static bool is_own(const struct prefix *links, size_t count, const struct address *address)
{
	FOR_EACH (i, count)
		if (address_equal(&links[i].address, address))
			return true;
	return false;
}

static const char *neighbor_fault(const struct prefix *links, size_t count, const struct address *neighbor)
{
	if (!address_is_set(neighbor))
		return NULL;
	if (address_is_link_local(neighbor))
		return "is link-local: write the other end's v4 or other v6 address";
	if (is_own(links, count, neighbor))
		return "is this end's own address: write the other end's";
	if (!is_on_link(links, count, neighbor))
		return "is on no link of the addresses: write one that is, or correct the addresses";
	return NULL;
}

static void neighbors_are_on_the_link(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE], shown[ADDRESS_TEXT_SIZE];
	const char *fault;

	FOR_EACH (i, model->tunnel_count) {
		const struct tunnel *tunnel = &model->tunnels[i];

		fault = tunnel->bgp.enabled ? neighbor_fault(tunnel->addresses, tunnel->address_count,
						      &tunnel->bgp.neighbor)
					    : NULL;
		if (fault)
			review_problem(review, check_key(text, "tunnels[%zu].bgp.neighbor", i), "%s %s",
				address_format(&tunnel->bgp.neighbor, shown), fault);
	}
	FOR_EACH (i, model->router_count) {
		const struct router *router = &model->routers[i];

		fault = neighbor_fault(router->addresses, router->address_count, &router->bgp.neighbor);
		if (fault)
			review_problem(review, check_key(text, "routers[%zu].neighbor", i), "%s %s",
				address_format(&router->bgp.neighbor, shown), fault);
	}
}

/* ---- Which side we are on ----------------------------------------------------------------------------------------- */

/* A gateway on a provider's side leads its network's requests into tunnels: it owns no loopback, and is alone. */
static bool is_providers_side(const struct model *model)
{
	return model->router_count > 0 || model->egress_count > 0;
}

static void tunnels_lead_somewhere(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE];

	FOR_EACH (i, model->tunnel_count) {
		check_key(text, "tunnels[%zu].provider", i);
		if (model->tunnels[i].provider || review_has(review, text))
			continue;
		if (!is_providers_side(model))
			review_problem(review, text, "is missing: the name of the provider it leads to");
		else if (model->array.member_count > 1)
			review_problem(review, text,
				"is missing, and may be only where the gateway is an array of "
				"its own: the members tell each other which tunnels lead to whom");
	}
}

static void what_is_needed_is_there(struct review *review, const struct model *model)
{
	bool owns = model->loopback_count > 0 || review_blames(review, "loopbacks");

	if (!owns && !is_providers_side(model))
		review_problem(review, "loopbacks", "is empty: the array's anycast addresses belong there");
	else if (!owns && model->array.member_count > 1)
		review_problem(review, "loopbacks",
			"is empty: several gateways are an array because they share loopbacks");
	if (model->uplink_count == 0 && !review_blames(review, "uplinks") &&
		(owns || !is_providers_side(model)))
		review_problem(review, "uplinks",
			"is empty: the interfaces towards the inside belong there, such as [eth0]");
}

/* ---- Routers ------------------------------------------------------------------------------------------------------ */

static bool bfd_differs(const struct bfd *one, const struct bfd *other)
{
	return one->enabled && other->enabled &&
	       (one->interval_ms != other->interval_ms || one->multiplier != other->multiplier);
}

/* BIRD knows one pair of values an interface. */
static void routers_agree_on_bfd(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE], other[KEY_PATH_SIZE];

	FOR_EACH (i, model->router_count)
		for (size_t j = 0; j < i; j++) {
			const struct router *here = &model->routers[i], *there = &model->routers[j];

			if (!here->interface || !there->interface ||
				strcmp(here->interface, there->interface) != 0 ||
				!bfd_differs(&here->bgp.bfd, &there->bgp.bfd))
				continue;
			check_key(other, "routers[%zu].bfd", j);
			review_problem(review, check_key(text, "routers[%zu].bfd", i),
				"differs from %s on line %u, and both are on %s: "
				"an interface has one BFD interval and multiplier",
				other, review_line(review, other), here->interface);
			break;
		}
}

/* `gwctl bgp get NAME` finds one session. */
static void routers_are_no_tunnels(struct review *review, const struct model *model)
{
	char text[KEY_PATH_SIZE], tunnel[KEY_PATH_SIZE];

	FOR_EACH (i, model->router_count)
		FOR_EACH (j, model->tunnel_count) {
			const struct router *router = &model->routers[i];
			const char *name = model->tunnels[j].name;

			check_key(tunnel, "tunnels[%zu].name", j);
			if (name && router->name && strcmp(router->name, name) == 0)
				review_problem(review, check_key(text, "routers[%zu].name", i),
					"%s is taken already, by %s on line %u: choose another", name, tunnel,
					review_line(review, tunnel));
			if (name && router->interface && strcmp(router->interface, name) == 0)
				review_problem(review, check_key(text, "routers[%zu].interface", i),
					"\"%s\" is a tunnel (%s on line %u): "
					"its neighbor stands in its bgp section",
					name, tunnel, review_line(review, tunnel));
		}
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void (*const checks[])(struct review *, const struct model *) = {
	gateway_is_a_member,
	tunnels_are_no_uplinks,
	the_array_has_a_key,
	the_ports_are_enough,
	the_underlay_is_another_interface,
	neighbors_are_on_the_link,
	tunnels_lead_somewhere,
	what_is_needed_is_there,
	routers_are_no_tunnels,
	routers_agree_on_bfd,
	filters_are_of_uplinks,
	protocols_are_looked_up,
	check_addresses,
	check_ipsec,
	check_probes,
	check_egress,
};

void check_model(struct review *review, const struct model *model)
{
	FOR_EACH (i, ARRAY_SIZE(checks))
		checks[i](review, model);
}
