// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void free_members(struct array *array)
{
	for (size_t i = 0; i < array->member_count; i++)
		free(array->members[i].name);
	free(array->members);
	free(array->key_file);
	free(array->underlay);
}

static void free_loopbacks(struct model *model)
{
	for (size_t i = 0; i < model->loopback_count; i++) {
		free(model->loopbacks[i].name);
		free(model->loopbacks[i].addresses);
	}
	free(model->loopbacks);
}

static void free_providers(struct model *model)
{
	for (size_t i = 0; i < model->provider_count; i++) {
		free(model->providers[i].name);
		free(model->providers[i].prefixes);
	}
	free(model->providers);
}

static void free_ipsec(struct ipsec *ipsec)
{
	char *const texts[] = {ipsec->local_id, ipsec->remote_id, ipsec->psk_file, ipsec->cert_file,
		ipsec->key_file, ipsec->ca_file};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
	free_texts(ipsec->ike_proposals, ipsec->ike_proposal_count);
	free_texts(ipsec->esp_proposals, ipsec->esp_proposal_count);
}

static void free_tunnels(struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++) {
		struct tunnel *tunnel = &model->tunnels[i];

		free(tunnel->name);
		free(tunnel->addresses);
		free(tunnel->wireguard.private_key_file);
		free(tunnel->wireguard.peer_public_key);
		free_ipsec(&tunnel->ipsec);
		free(tunnel->bgp.password_file);
		free(tunnel->bgp.import);
	}
	free(model->tunnels);
}

static void free_routers(struct model *model)
{
	for (size_t i = 0; i < model->router_count; i++) {
		struct router *router = &model->routers[i];

		free(router->name);
		free(router->interface);
		free(router->addresses);
		free(router->bgp.password_file);
		free(router->bgp.import);
	}
	free(model->routers);
}

static void free_probes(struct model *model)
{
	for (size_t i = 0; i < model->probe_count; i++) {
		struct probe *probe = &model->probes[i];

		free(probe->name);
		free(probe->http.url);
		free(probe->http.status);
		free(probe->http.body);
		free(probe->http.regex);
		free(probe->http.ca_file);
		free(probe->http.server_name);
		free(probe->through);
	}
	free(model->probes);
}

static void free_egress(struct model *model)
{
	for (size_t i = 0; i < model->egress_count; i++) {
		struct egress_group *group = &model->egress[i];

		free(group->name);
		free(group->destinations);
		free_texts(group->from, group->from_count);
		free(group->links);
	}
	free(model->egress);
}

static void free_filter(struct filter *filter)
{
	free_texts(filter->watch, filter->watch_count);
	free_texts(filter->drop, filter->drop_count);
	free(filter->from);
	free(filter->ports);
	free(filter->protocols);
}

void model_free(struct model *model)
{
	if (!model)
		return;
	free(model->gateway);
	free_members(&model->array);
	free_loopbacks(model);
	free_texts(model->uplinks, model->uplink_count);
	free(model->inside);
	free_providers(model);
	free_tunnels(model);
	free_probes(model);
	free_routers(model);
	free_egress(model);
	free_filter(&model->filter);
	free(model->control_group);
	free(model);
}

#define FIND(model, list, count, condition)         \
	for (size_t i = 0; i < (model)->count; i++) \
		if (condition)                      \
			return &(model)->list[i];   \
	return NULL

const char *tunnel_kind_name(const struct tunnel *tunnel)
{
	return tunnel->ipsec.enabled ? "ipsec" : "wireguard";
}

uint16_t tunnel_port(const struct tunnel *tunnel)
{
	return tunnel->ipsec.enabled ? IPSEC_PORT : tunnel->wireguard.listen_port;
}

const struct address *tunnel_endpoint(const struct tunnel *tunnel, uint16_t *port)
{
	*port = tunnel->ipsec.enabled ? IPSEC_PORT : tunnel->wireguard.endpoint_port;
	if (tunnel->ipsec.enabled)
		return address_is_set(&tunnel->ipsec.remote) ? &tunnel->ipsec.remote : NULL;
	return tunnel->wireguard.has_endpoint ? &tunnel->wireguard.endpoint_address : NULL;
}

bool tunnel_same(const struct tunnel *one, const struct tunnel *other)
{
	return one->number == other->number && strcmp(one->name, other->name) == 0;
}

const struct tunnel *model_same_tunnel(const struct model *model, const struct tunnel *tunnel)
{
	FIND(model, tunnels, tunnel_count, tunnel_same(&model->tunnels[i], tunnel));
}

const struct tunnel *model_tunnel_by_number(const struct model *model, uint16_t number)
{
	FIND(model, tunnels, tunnel_count, model->tunnels[i].number == number);
}

const struct tunnel *model_tunnel_by_name(const struct model *model, const char *name)
{
	FIND(model, tunnels, tunnel_count, strcmp(model->tunnels[i].name, name) == 0);
}

const struct router *model_router_by_name(const struct model *model, const char *name)
{
	FIND(model, routers, router_count, strcmp(model->routers[i].name, name) == 0);
}

const struct loopback *model_loopback_by_name(const struct model *model, const char *name)
{
	FIND(model, loopbacks, loopback_count, strcmp(model->loopbacks[i].name, name) == 0);
}

const struct probe *model_probe_by_name(const struct model *model, const char *name)
{
	FIND(model, probes, probe_count, strcmp(model->probes[i].name, name) == 0);
}

bool model_is_probed(const struct model *model, const struct loopback *loopback, const struct tunnel *tunnel)
{
	for (size_t i = 0; i < model->probe_count; i++)
		if (model->probes[i].loopback == loopback && model->probes[i].tunnel == tunnel)
			return true;
	return false;
}

bool loopbacks_share_address(const struct loopback *one, const struct loopback *other)
{
	for (size_t i = 0; i < one->address_count; i++)
		for (size_t j = 0; j < other->address_count; j++)
			if (address_equal(&one->addresses[i], &other->addresses[j]))
				return true;
	return false;
}

const struct provider *model_provider_by_number(const struct model *model, uint16_t number)
{
	FIND(model, providers, provider_count, model->providers[i].number == number);
}

const struct provider *model_provider_by_name(const struct model *model, const char *name)
{
	FIND(model, providers, provider_count, strcmp(model->providers[i].name, name) == 0);
}

const struct member *model_member_by_number(const struct model *model, uint8_t number)
{
	FIND(model, array.members, array.member_count, model->array.members[i].number == number);
}

const struct member *model_member_by_name(const struct model *model, const char *name)
{
	FIND(model, array.members, array.member_count, strcmp(model->array.members[i].name, name) == 0);
}

const struct loopback *model_loopback_of(const struct model *model, const struct address *address)
{
	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t k = 0; k < model->loopbacks[i].address_count; k++)
			if (address_equal(&model->loopbacks[i].addresses[k], address))
				return &model->loopbacks[i];
	return NULL;
}

const struct address *model_address_towards(
	const struct prefix *addresses, size_t count, const struct address *neighbor)
{
	size_t i = 0;

	while (i + 1 < count && !prefix_contains(&addresses[i], neighbor))
		i++;
	return &addresses[i].address;
}

size_t model_uplink_count(const struct model *model)
{
	return model->uplink_count + (model->array.underlay ? 1 : 0);
}

const char *model_uplink(const struct model *model, size_t which)
{
	return which < model->uplink_count ? model->uplinks[which] : model->array.underlay;
}

bool model_lists(char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool model_has_uplink(const struct model *model, const char *name)
{
	return model_lists(model->uplinks, model->uplink_count, name) ||
	       (model->array.underlay && strcmp(model->array.underlay, name) == 0);
}

enum filter_mode model_filter_mode(const struct model *model, const char *uplink)
{
	const struct filter *filter = &model->filter;

	if (model_lists(filter->drop, filter->drop_count, uplink))
		return FILTER_DROP;
	return model_lists(filter->watch, filter->watch_count, uplink) ? FILTER_WATCH : FILTER_OFF;
}

/* Whether the group's interface of this index stands in one before it, or here before. */
static bool is_named_before(const struct model *model, size_t group, size_t index)
{
	const char *name = model->egress[group].from[index];

	for (size_t i = 0; i <= group; i++)
		for (size_t k = 0; k < (i < group ? model->egress[i].from_count : index); k++)
			if (strcmp(model->egress[i].from[k], name) == 0)
				return true;
	return false;
}

/* NULL behind the last; *left is what is still to be passed over. */
static const char *find_lan(const struct model *model, size_t *left)
{
	for (size_t i = 0; i < model->egress_count; i++)
		for (size_t k = 0; k < model->egress[i].from_count; k++)
			if (!is_named_before(model, i, k) && (*left)-- == 0)
				return model->egress[i].from[k];
	return NULL;
}

size_t model_lan_count(const struct model *model)
{
	size_t left = SIZE_MAX;

	find_lan(model, &left);
	return SIZE_MAX - left;
}

const char *model_lan(const struct model *model, size_t which)
{
	return find_lan(model, &which);
}

size_t model_interface_count(const struct model *model)
{
	return model_uplink_count(model) + model_lan_count(model);
}

const char *model_interface(const struct model *model, size_t which)
{
	size_t uplinks = model_uplink_count(model);

	return which < uplinks ? model_uplink(model, which) : model_lan(model, which - uplinks);
}

bool model_has_interface(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model_interface_count(model); i++)
		if (strcmp(model_interface(model, i), name) == 0)
			return true;
	return false;
}

const struct egress_group *model_egress_by_name(const struct model *model, const char *name)
{
	FIND(model, egress, egress_count, strcmp(model->egress[i].name, name) == 0);
}

const struct egress_group *model_egress_of(const struct model *model, const struct tunnel *tunnel)
{
	for (size_t i = 0; i < model->egress_count; i++)
		for (size_t k = 0; k < model->egress[i].link_count; k++)
			if (model->egress[i].links[k].tunnel == tunnel)
				return &model->egress[i];
	return NULL;
}

const struct egress_group *model_announced_to(const struct model *model, const struct tunnel *tunnel)
{
	const struct egress_group *group = tunnel->bgp.enabled ? model_egress_of(model, tunnel) : NULL;

	for (size_t i = 0; group && i < group->link_count; i++)
		if (group->links[i].tunnel == tunnel && group->links[i].announce == ANNOUNCE_REQUIRED)
			return group;
	return NULL;
}

bool model_has_members(const struct model *model)
{
	return model->array.member_count > 1;
}

const struct address *model_probe_target(const struct probe *probe)
{
	if (probe->icmp.enabled)
		return &probe->icmp.to;
	return probe->tcp.enabled ? &probe->tcp.to : &probe->http.to;
}

/* Our address on the link that the target is on; NULL: it is on none. */
static const struct address *source_on_link(const struct probe *probe)
{
	const struct tunnel *tunnel = probe->through ? NULL : probe->tunnel;

	for (size_t i = 0; tunnel && i < tunnel->address_count; i++)
		if (prefix_contains(&tunnel->addresses[i], model_probe_target(probe)))
			return &tunnel->addresses[i].address;
	return NULL;
}

/* An address of the tunnel that whoever is behind its link may answer; NULL: it has none of the target's family. */
static const struct address *source_for_beyond(const struct probe *probe)
{
	bool v4 = address_is_v4(model_probe_target(probe));

	for (size_t i = 0; i < probe->tunnel->address_count; i++) {
		const struct address *own = &probe->tunnel->addresses[i].address;

		if (address_is_v4(own) == v4 && !address_is_link_local(own))
			return own;
	}
	return NULL;
}

bool model_probe_goes_beyond(const struct probe *probe)
{
	return probe->tunnel && !probe->through && !source_on_link(probe);
}

const struct address *model_probe_source(const struct probe *probe)
{
	if (!model_probe_goes_beyond(probe))
		return source_on_link(probe);
	return address_is_set(&probe->from) ? &probe->from : source_for_beyond(probe);
}

void model_ports(const struct model *model, uint8_t gateway, uint16_t *first, uint16_t *last)
{
	*first = (uint16_t)(model->array.ports_first + (gateway - 1) * model->array.ports_slice);
	*last = (uint16_t)(*first + model->array.ports_slice - 1);
}
