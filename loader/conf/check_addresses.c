// SPDX-License-Identifier: Apache-2.0
/* Address space: who may overlap with whom. An address that could not be read has been reported and is no span. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "conf/check.h"

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

			if (address_is_set(&whole.address))
				check_key(add_span(spans, &whole, LOOPBACK, i)->key,
					"loopbacks[%zu].addresses[%zu]", i, j);
		}
}

static void collect_links(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->tunnel_count)
		FOR_EACH (j, model->tunnels[i].address_count) {
			const struct prefix *link = &model->tunnels[i].addresses[j];

			if (!address_is_link_local(&link->address))
				check_key(add_span(spans, link, LINK, i)->key, "tunnels[%zu].addresses[%zu]",
					i, j);
		}
}

static void collect_routers(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->router_count)
		FOR_EACH (j, model->routers[i].address_count) {
			const struct prefix *link = &model->routers[i].addresses[j];

			if (!address_is_link_local(&link->address))
				check_key(add_span(spans, link, ROUTER, i)->key,
					"routers[%zu].addresses[%zu]", i, j);
		}
}

static void collect_gateways(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->array.member_count) {
		struct prefix whole = {.address = model->array.members[i].address, .length = 128};

		if (address_is_set(&whole.address))
			check_key(add_span(spans, &whole, GATEWAY, i)->key, "array.gateways[%zu].address", i);
	}
}

static void collect_prefixes(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->inside_count)
		check_key(add_span(spans, &model->inside[i], INSIDE, 0)->key, "inside[%zu]", i);
	FOR_EACH (i, model->provider_count)
		FOR_EACH (j, model->providers[i].prefix_count)
			check_key(add_span(spans, &model->providers[i].prefixes[j], PROVIDER, i)->key,
				"providers[%zu].prefixes[%zu]", i, j);
}

static void collect_destinations(struct spans *spans, const struct model *model)
{
	FOR_EACH (i, model->egress_count)
		FOR_EACH (j, model->egress[i].destination_count)
			check_key(add_span(spans, &model->egress[i].destinations[j], EGRESS, i)->key,
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

void check_addresses(struct review *review, const struct model *model)
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
