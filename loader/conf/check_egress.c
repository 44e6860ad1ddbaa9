// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together in an egress group: links that are tunnels to nobody's devices and carry what the group needs, and
 * LAN interfaces that are nothing else. That no destination is anybody else's, check_addresses.c sees, as of all addresses.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/check.h"

#define GROUPS_MAX 64 /* bpf/abi.h: EGRESS_GROUPS */

struct group_review {
	struct review *review;
	const struct model *model;
	const struct egress_group *group;
	size_t index;
};

static void fault(const struct group_review *at, const char *list, size_t index, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void fault(const struct group_review *at, const char *list, size_t index, const char *format, ...)
{
	char path[KEY_PATH_SIZE], words[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	snprintf(path, sizeof(path), "egress[%zu].%s[%zu]%s", at->index, list, index,
		strcmp(list, "links") == 0 ? ".tunnel" : "");
	review_problem(at->review, path, "%s", words);
}

static void lans_are_nothing_else(const struct group_review *at)
{
	const struct model *model = at->model;

	for (size_t i = 0; i < at->group->from_count; i++) {
		const char *name = at->group->from[i];

		for (size_t k = 0; name && k < model->tunnel_count; k++)
			if (model->tunnels[k].name && strcmp(model->tunnels[k].name, name) == 0)
				fault(at, "from", i, "\"%s\" is a tunnel: write an interface of the LAN",
					name);
		for (size_t k = 0; name && k < model->uplink_count; k++)
			if (model->uplinks[k] && strcmp(model->uplinks[k], name) == 0)
				fault(at, "from", i, "\"%s\" is an uplink: an interface is one or the other",
					name);
		if (name && model->array.underlay && strcmp(model->array.underlay, name) == 0)
			fault(at, "from", i, "\"%s\" is array.underlay: write an interface of the LAN", name);
	}
}

static void links_lead_to_no_provider(const struct group_review *at)
{
	for (size_t i = 0; i < at->group->link_count; i++) {
		const struct tunnel *tunnel = at->group->links[i].tunnel;

		if (tunnel && tunnel->provider)
			fault(at, "links", i, "\"%s\" leads to the provider \"%s\": a link's tunnel has none",
				tunnel->name, tunnel->provider->name);
	}
}

static bool has_family(const struct prefix *prefixes, size_t count, bool v4)
{
	for (size_t i = 0; i < count; i++)
		if (prefixes[i].length == 0 || address_is_v4(&prefixes[i].address) == v4)
			return true;
	return false;
}

static void links_carry_what_is_needed(const struct group_review *at)
{
	const struct egress_group *group = at->group;

	for (size_t i = 0; i < group->link_count; i++) {
		const struct tunnel *tunnel = group->links[i].tunnel;

		for (int v4 = 0; tunnel && v4 <= 1; v4++)
			if (has_family(group->destinations, group->destination_count, v4) &&
				!has_family(tunnel->addresses, tunnel->address_count, v4))
				fault(at, "links", i,
					"\"%s\" has no IPv%d address, and the group has an IPv%d destination",
					tunnel->name, v4 ? 4 : 6, v4 ? 4 : 6);
	}
}

static bool lets_in(const struct bgp *bgp, const struct prefix *destination)
{
	for (size_t i = 0; i < bgp->import_count; i++)
		if (prefix_overlaps(&bgp->import[i], destination))
			return true;
	return false;
}

/* The first that the link's neighbour would announce in vain, but for what is not known; NULL: there is none. */
static const struct prefix *unheard(const struct egress_group *group, const struct egress_link *link)
{
	if (!link->tunnel || !link->tunnel->bgp.enabled || link->announce != ANNOUNCE_REQUIRED)
		return NULL;
	for (size_t i = 0; i < group->destination_count; i++)
		if (group->destinations[i].length && !lets_in(&link->tunnel->bgp, &group->destinations[i]))
			return &group->destinations[i];
	return NULL;
}

static void what_links_announce_is_heard(const struct group_review *at)
{
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < at->group->link_count; i++) {
		const struct egress_link *link = &at->group->links[i];
		const struct prefix *destination = unheard(at->group, link);

		if (destination)
			fault(at, "links", i,
				"\"%s\" does not import %s of the group, so what its "
				"neighbor announces of it counts for nothing: add it "
				"to its bgp.import.prefixes, or write announce: ignored",
				link->tunnel->name, prefix_format(destination, text));
	}
}

static void there_are_not_too_many(const struct group_review *at)
{
	char path[KEY_PATH_SIZE];

	if (at->index == GROUPS_MAX)
		review_problem(at->review, "egress", "has %zu groups: at most %d", at->model->egress_count,
			GROUPS_MAX);
	if (at->group->link_count <= EGRESS_LINKS_MAX)
		return;
	snprintf(path, sizeof(path), "egress[%zu].links", at->index);
	review_problem(
		at->review, path, "has %zu links: at most %d", at->group->link_count, EGRESS_LINKS_MAX);
}

void check_egress(struct review *review, const struct model *model)
{
	static void (*const checks[])(const struct group_review *) = {
		lans_are_nothing_else,
		links_lead_to_no_provider,
		links_carry_what_is_needed,
		what_links_announce_is_heard,
		there_are_not_too_many,
	};

	for (size_t i = 0; i < model->egress_count; i++) {
		const struct group_review at = {review, model, &model->egress[i], i};

		for (size_t k = 0; k < ARRAY_SIZE(checks); k++)
			checks[k](&at);
	}
}
