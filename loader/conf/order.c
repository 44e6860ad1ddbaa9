// SPDX-License-Identifier: Apache-2.0
#include "conf/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int compare_members(const void *one, const void *other)
{
	return ((const struct member *)one)->number - ((const struct member *)other)->number;
}

static int compare_tunnels(const void *one, const void *other)
{
	return ((const struct tunnel *)one)->number - ((const struct tunnel *)other)->number;
}

static int compare_routers(const void *one, const void *other)
{
	return strcmp(((const struct router *)one)->name, ((const struct router *)other)->name);
}

static int compare_groups(const void *one, const void *other)
{
	return strcmp(((const struct egress_group *)one)->name, ((const struct egress_group *)other)->name);
}

static int compare_providers(const void *one, const void *other)
{
	return strcmp(((const struct provider *)one)->name, ((const struct provider *)other)->name);
}

static int compare_prefixes(const void *one, const void *other)
{
	const struct prefix *a = one, *b = other;

	return address_compare(&a->address, &b->address) ?: a->length - b->length;
}

static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, compare);
}

/* Sorting moves the providers that tunnels point at; their names stay where they are. */
static int sort_providers(struct review *review, struct model *model)
{
	_cleanup_free_ const char **names = review_allocate(review, model->tunnel_count, sizeof(*names));

	if (model->tunnel_count && !names)
		return -ENOMEM;
	for (size_t i = 0; i < model->tunnel_count; i++)
		names[i] = model->tunnels[i].provider ? model->tunnels[i].provider->name : NULL;
	sort(model->providers, model->provider_count, sizeof(*model->providers), compare_providers);
	for (size_t i = 0; i < model->tunnel_count; i++)
		model->tunnels[i].provider = names[i] ? model_provider_by_name(model, names[i]) : NULL;
	for (size_t i = 0; i < model->provider_count; i++)
		model->providers[i].number = (uint16_t)(i + 1);
	return 0;
}

static int compare_ports(const void *one, const void *other)
{
	return (int)*(const uint16_t *)one - (int)*(const uint16_t *)other;
}

static int compare_protocols(const void *one, const void *other)
{
	return (int)*(const uint8_t *)one - (int)*(const uint8_t *)other;
}

static int compare_probes(const void *one, const void *other)
{
	return strcmp(((const struct probe *)one)->name, ((const struct probe *)other)->name);
}

/* By number instead, while they are sorted: numbers stay where tunnels go. */
static void follow_links(const struct model *model, uint16_t *numbers, bool moved)
{
	for (size_t i = 0; i < model->egress_count; i++)
		for (size_t k = 0; k < model->egress[i].link_count; k++, numbers++) {
			struct egress_link *link = &model->egress[i].links[k];

			if (moved)
				link->tunnel = model_tunnel_by_number(model, *numbers);
			else
				*numbers = link->tunnel->number;
		}
}

static size_t count_links(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->egress_count; i++)
		count += model->egress[i].link_count;
	return count;
}

/* Sorting moves the tunnels that probes and egress groups point at, too. */
static int sort_tunnels(struct review *review, struct model *model)
{
	_cleanup_free_ uint16_t *links = review_allocate(review, count_links(model), sizeof(*links));
	_cleanup_free_ const char **names = review_allocate(review, model->probe_count, sizeof(*names));

	if ((model->probe_count && !names) || (count_links(model) && !links))
		return -ENOMEM;
	follow_links(model, links, false);
	for (size_t i = 0; i < model->probe_count; i++)
		names[i] = model->probes[i].tunnel ? model->probes[i].tunnel->name : NULL;
	sort(model->tunnels, model->tunnel_count, sizeof(struct tunnel), compare_tunnels);
	for (size_t i = 0; i < model->probe_count; i++)
		model->probes[i].tunnel = names[i] ? model_tunnel_by_name(model, names[i]) : NULL;
	follow_links(model, links, true);
	sort(model->probes, model->probe_count, sizeof(struct probe), compare_probes);
	return 0;
}

static void sort_prefixes(struct model *model)
{
	sort(model->inside, model->inside_count, sizeof(*model->inside), compare_prefixes);
	for (size_t i = 0; i < model->provider_count; i++)
		sort(model->providers[i].prefixes, model->providers[i].prefix_count, sizeof(struct prefix),
			compare_prefixes);
	for (size_t i = 0; i < model->tunnel_count; i++)
		sort(model->tunnels[i].bgp.import, model->tunnels[i].bgp.import_count, sizeof(struct prefix),
			compare_prefixes);
	for (size_t i = 0; i < model->egress_count; i++)
		sort(model->egress[i].destinations, model->egress[i].destination_count, sizeof(struct prefix),
			compare_prefixes);
	for (size_t i = 0; i < model->router_count; i++)
		sort(model->routers[i].bgp.import, model->routers[i].bgp.import_count, sizeof(struct prefix),
			compare_prefixes);
	sort(model->filter.from, model->filter.from_count, sizeof(*model->filter.from), compare_prefixes);
}

static void sort_filter(struct filter *filter)
{
	sort(filter->ports, filter->port_count, sizeof(*filter->ports), compare_ports);
	sort(filter->protocols, filter->protocol_count, sizeof(*filter->protocols), compare_protocols);
}

int order_model(struct review *review, struct model *model)
{
	int r = sort_providers(review, model);

	if (r == 0)
		r = sort_tunnels(review, model);
	if (r < 0)
		return r;
	sort(model->array.members, model->array.member_count, sizeof(struct member), compare_members);
	sort(model->egress, model->egress_count, sizeof(struct egress_group), compare_groups);
	for (size_t i = 0; i < model->egress_count; i++)
		model->egress[i].number = (uint16_t)(i + 1);
	sort(model->routers, model->router_count, sizeof(struct router), compare_routers);
	sort_prefixes(model);
	sort_filter(&model->filter);
	model->number = model_member_by_name(model, model->gateway)->number;
	return 0;
}
