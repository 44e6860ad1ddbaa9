// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together, beyond each value by itself. A value that could not be read has been reported and is passed
 * over: a NULL text, the address ::, a prefix of length 0.
 */
#include "conf/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FOR_EACH(index, count) for (size_t index = 0; index < (count); index++)

static bool was_read(const struct address *address)
{
	static const struct address nothing;

	return !address_equal(address, &nothing);
}

static char *key(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static char *key(char *text, const char *format, ...)
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
			key(uplink, "uplinks[%zu]", j);
			review_problem(review, key(text, "tunnels[%zu].name", i),
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
			"gateway number %u would have the ports %u to %u, and 65535 is the last: slice %u at "
			"most, "
			"or smaller numbers",
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

/* fe80::/10 is every link's, so it tells none apart. */
static bool is_link_local(const struct address *address)
{
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

static const char *neighbor_fault(const struct prefix *links, size_t count, const struct address *neighbor)
{
	if (!was_read(neighbor))
		return NULL;
	if (is_link_local(neighbor))
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
			review_problem(review, key(text, "tunnels[%zu].bgp.neighbor", i), "%s %s",
				address_format(&tunnel->bgp.neighbor, shown), fault);
	}
	FOR_EACH (i, model->router_count) {
		const struct router *router = &model->routers[i];

		fault = neighbor_fault(router->addresses, router->address_count, &router->bgp.neighbor);
		if (fault)
			review_problem(review, key(text, "routers[%zu].neighbor", i), "%s %s",
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
		key(text, "tunnels[%zu].provider", i);
		if (model->tunnels[i].provider || review_has(review, text))
			continue;
		if (!is_providers_side(model))
			review_problem(review, text, "is missing: the name of the provider it leads to");
		else if (model->array.member_count > 1)
			review_problem(review, text,
				"is missing, and may be only where the gateway is an array of its own: the "
				"members "
				"tell each other which tunnels lead to whom");
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
			key(other, "routers[%zu].bfd", j);
			review_problem(review, key(text, "routers[%zu].bfd", i),
				"differs from %s on line %u, and both are on %s: an interface has one BFD "
				"interval and multiplier",
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

			key(tunnel, "tunnels[%zu].name", j);
			if (name && router->name && strcmp(router->name, name) == 0)
				review_problem(review, key(text, "routers[%zu].name", i),
					"%s is taken already, by %s on line %u: choose another", name, tunnel,
					review_line(review, tunnel));
			if (name && router->interface && strcmp(router->interface, name) == 0)
				review_problem(review, key(text, "routers[%zu].interface", i),
					"\"%s\" is a tunnel (%s on line %u): its neighbor stands in its bgp "
					"section",
					name, tunnel, review_line(review, tunnel));
		}
}

/* ---- Address space: who may overlap with whom -------------------------------------------------------------------- */

enum holder { PROVIDER, INSIDE, LOOPBACK, LINK, EGRESS, ROUTER, GATEWAY, HOLDERS };

struct span {
	struct prefix prefix;
	uint16_t zone;
	enum holder holder;
	size_t order, owner; /* owner: the provider's or the tunnel's place in its list */
	char key[KEY_PATH_SIZE];
};

/* Why two of them may not hold one address; NULL: they may. */
static const char *const conflicts[HOLDERS][HOLDERS] = {
	[PROVIDER][PROVIDER] = "an address has one provider: leave one of the two out",
	[PROVIDER][INSIDE] = "a device cannot live inside: correct one of the two",
	[INSIDE][PROVIDER] = "a device cannot live inside: correct one of the two",
	[INSIDE][INSIDE] = "it says nothing new: leave one of the two out",
	[PROVIDER][LOOPBACK] = "a loopback cannot be a device's address: correct one of the two",
	[LOOPBACK][PROVIDER] = "a loopback cannot be a device's address: correct one of the two",
	[LINK][LOOPBACK] = "a loopback cannot be an address of a tunnel's link: correct one of the two",
	[LOOPBACK][LINK] = "a loopback cannot be an address of a tunnel's link: correct one of the two",
	[EGRESS][PROVIDER] = "what is reached through a group is no device: correct one of the two",
	[PROVIDER][EGRESS] = "what is reached through a group is no device: correct one of the two",
	[EGRESS][INSIDE] = "it is reached through the group or inside: correct one of the two",
	[INSIDE][EGRESS] = "it is reached through the group or inside: correct one of the two",
	[EGRESS][LOOPBACK] = "a loopback is our own: correct one of the two",
	[LOOPBACK][EGRESS] = "a loopback is our own: correct one of the two",
	[EGRESS][LINK] = "a tunnel's link is reached by that tunnel: correct one of the two",
	[LINK][EGRESS] = "a tunnel's link is reached by that tunnel: correct one of the two",
	[EGRESS][ROUTER] = "a router is reached on its interface: correct one of the two",
	[ROUTER][EGRESS] = "a router is reached on its interface: correct one of the two",
	[EGRESS][GATEWAY] = "a gateway is reached by the uplinks: correct one of the two",
	[GATEWAY][EGRESS] = "a gateway is reached by the uplinks: correct one of the two",
	[EGRESS][EGRESS] = "a destination is reached through one group: leave one of the two out",
	[LINK][LINK] = "each tunnel has a link of its own: correct one of the two",
};

struct spans {
	struct span *items;
	size_t count, room;
};

/* A prefix that could not be read is no span. */
static struct span *add_span(
	struct spans *spans, const struct prefix *prefix, enum holder holder, size_t owner)
{
	static struct span nowhere;
	struct span *span;

	if (spans->count == spans->room || prefix->length == 0)
		return &nowhere;
	span = &spans->items[spans->count];
	*span = (struct span){
		.prefix = prefix_network(prefix), .holder = holder, .owner = owner, .order = spans->count++};
	return span;
}

static size_t span_room(const struct model *model)
{
	size_t room = model->inside_count;

	FOR_EACH (i, model->provider_count)
		room += model->providers[i].prefix_count;
	FOR_EACH (i, model->egress_count)
		room += model->egress[i].destination_count;
	FOR_EACH (i, model->loopback_count)
		room += model->loopbacks[i].address_count;
	FOR_EACH (i, model->tunnel_count)
		room += model->tunnels[i].address_count;
	FOR_EACH (i, model->router_count)
		room += model->routers[i].address_count;
	return room + model->array.member_count;
}

static void collect_loopbacks(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->loopback_count)
		FOR_EACH (j, model->loopbacks[i].address_count) {
			struct prefix whole = {.address = model->loopbacks[i].addresses[j], .length = 128};

			if (was_read(&whole.address))
				key(add_span(spans, &whole, LOOPBACK, i)->key,
					"loopbacks[%zu].addresses[%zu]", i, j);
		}
}

static void collect_links(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->tunnel_count)
		FOR_EACH (j, model->tunnels[i].address_count) {
			const struct prefix *link = &model->tunnels[i].addresses[j];

			if (!is_link_local(&link->address))
				key(add_span(spans, link, LINK, i)->key, "tunnels[%zu].addresses[%zu]", i, j);
		}
}

static void collect_routers(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->router_count)
		FOR_EACH (j, model->routers[i].address_count) {
			const struct prefix *link = &model->routers[i].addresses[j];

			if (!is_link_local(&link->address))
				key(add_span(spans, link, ROUTER, i)->key, "routers[%zu].addresses[%zu]", i,
					j);
		}
}

static void collect_gateways(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->array.member_count) {
		struct prefix whole = {.address = model->array.members[i].address, .length = 128};

		if (was_read(&whole.address))
			key(add_span(spans, &whole, GATEWAY, i)->key, "array.gateways[%zu].address", i);
	}
}

static void collect_prefixes(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->inside_count)
		key(add_span(spans, &model->inside[i], INSIDE, 0)->key, "inside[%zu]", i);
	FOR_EACH (i, model->provider_count)
		FOR_EACH (j, model->providers[i].prefix_count)
			key(add_span(spans, &model->providers[i].prefixes[j], PROVIDER, i)->key,
				"providers[%zu].prefixes[%zu]", i, j);
}

static void collect_destinations(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->egress_count)
		FOR_EACH (j, model->egress[i].destination_count)
			key(add_span(spans, &model->egress[i].destinations[j], EGRESS, i)->key,
				"egress[%zu].destinations[%zu]", i, j);
}

/* By address, then the wider first, then as written: whatever contains a span stands before it. */
static int compare_spans(const void *one, const void *other)
{
	const struct span *a = one, *b = other;
	int difference = (int)a->zone - (int)b->zone;

	difference = difference ?: address_compare(&a->prefix.address, &b->prefix.address);
	difference = difference ?: (int)a->prefix.length - (int)b->prefix.length;
	return difference ?: (a->order < b->order ? -1 : a->order > b->order);
}

static bool may_overlap(const struct span *one, const struct span *other)
{
	return !conflicts[one->holder][other->holder] ||
	       (one->holder == LINK && other->holder == LINK && one->owner == other->owner);
}

/* A loopback is an address to people, not a prefix; a gateway too. */
static const char *show_span(const struct span *span, char *text)
{
	if (span->holder == LOOPBACK || span->holder == GATEWAY)
		return address_format(&span->prefix.address, text);
	return prefix_format(&span->prefix, text);
}

/* Reported where the one stands that was collected later: a loopback in a prefix, not the prefix around it. */
static void report_overlap(struct review *review, const struct span *wide, const struct span *narrow)
{
	const struct span *later = wide->order > narrow->order ? wide : narrow;
	const struct span *earlier = later == wide ? narrow : wide;
	char one[PREFIX_TEXT_SIZE], other[PREFIX_TEXT_SIZE];
	bool same = wide->prefix.length == narrow->prefix.length;

	review_problem(review, later->key, "%s %s %s of %s on line %u: %s", show_span(later, one),
		same              ? "is the same as"
		: later == narrow ? "lies within"
				  : "contains",
		show_span(earlier, other), earlier->key, review_line(review, earlier->key),
		conflicts[later->holder][earlier->holder]);
}

static bool contains_span(const struct span *wide, const struct span *narrow)
{
	return wide->zone == narrow->zone && prefix_overlaps(&wide->prefix, &narrow->prefix);
}

/*
 * Two prefixes overlap only if one contains the other. In sorted order the spans that contain the one at hand are a
 * chain, each within the one before it; `around` points at the innermost. One conflict a span is enough to say.
 */
static void report_overlaps(struct review *review, struct span *spans, size_t count)
{
	_cleanup_free_ size_t *around = review_allocate(review, count, sizeof(*around));
	size_t depth = 0;

	for (size_t i = 0; around && i < count; i++) {
		while (depth && !contains_span(&spans[around[depth - 1]], &spans[i]))
			depth--;
		for (size_t j = depth; j > 0; j--) {
			if (may_overlap(&spans[around[j - 1]], &spans[i]))
				continue;
			report_overlap(review, &spans[around[j - 1]], &spans[i]);
			break;
		}
		around[depth++] = i;
	}
}

static void addresses_have_one_holder(struct review *review, const struct model *model)
{
	struct spans spans = {.room = span_room(model)};
	_cleanup_free_ struct span *items = review_allocate(review, spans.room, sizeof(*items));

	if (!items)
		return;
	spans.items = items;
	collect_prefixes(&spans, model);
	collect_loopbacks(&spans, model);
	collect_links(&spans, model);
	collect_routers(&spans, model);
	collect_gateways(&spans, model);
	collect_destinations(&spans, model);
	qsort(items, spans.count, sizeof(*items), compare_spans);
	report_overlaps(review, items, spans.count);
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
	addresses_have_one_holder,
	check_ipsec,
	check_probes,
	check_egress,
};

void check_model(struct review *review, const struct model *model)
{
	FOR_EACH (i, ARRAY_SIZE(checks))
		checks[i](review, model);
}
