// SPDX-License-Identifier: Apache-2.0
#include "plan/served.h"

#include <string.h>

#include "plan/plan.h"

struct telling {
	served_callback callback;
	void *context;
};

static void tell(const struct telling *telling, struct served served)
{
	telling->callback(&served, telling->context);
}

static struct prefix whole(const struct address *address)
{
	return (struct prefix){*address, 128};
}

/* ---- Tunnels' ports ---------------------------------------------------------------------------------------------- */

/* A tunnel's ports: `which` is 0 or 1; 0: it has no other. */
static uint16_t port_of(const struct tunnel *tunnel, int which)
{
	if (which == 0)
		return tunnel_port(tunnel);
	return tunnel->ipsec.enabled ? IKE_PORT : 0;
}

static bool has_port(const struct tunnel *tunnel, uint16_t port)
{
	return port_of(tunnel, 0) == port || port_of(tunnel, 1) == port;
}

static bool is_told(const struct model *model, size_t before, uint16_t port)
{
	for (size_t i = 0; i < before; i++)
		if (has_port(&model->tunnels[i], port))
			return true;
	return false;
}

/* Somebody may come there from wherever it is: IPsec's tunnels share their ports. */
static bool takes_anybody(const struct model *model, uint16_t port)
{
	uint16_t ignored;

	for (size_t i = 0; i < model->tunnel_count; i++)
		if (has_port(&model->tunnels[i], port) && !tunnel_endpoint(&model->tunnels[i], &ignored))
			return true;
	return false;
}

static void tell_port(const struct telling *telling, const struct model *model, size_t which, uint16_t port)
{
	uint16_t ignored;
	const struct address *peer = tunnel_endpoint(&model->tunnels[which], &ignored);

	if (!port)
		return;
	if (peer)
		tell(telling, (struct served){SERVED_PEER, port, whole(peer)});
	if (!is_told(model, which, port))
		tell(telling,
			(struct served){takes_anybody(model, port) ? SERVED_TUNNEL : SERVED_PEERS, port});
}

/* ---- Who is trusted ------------------------------------------------------------------------------------------------ */

static void trust(const struct telling *telling, struct prefix from)
{
	tell(telling, (struct served){.kind = SERVED_TRUSTED, .from = from});
}

static void tell_trusted(const struct telling *telling, const struct model *model)
{
	for (size_t i = 0; i < model->inside_count; i++)
		trust(telling, model->inside[i]);
	for (size_t i = 0; i < model->array.member_count; i++)
		trust(telling, whole(&model->array.members[i].address));
	for (size_t i = 0; i < model->router_count; i++)
		trust(telling, whole(&model->routers[i].bgp.neighbor));
	for (size_t i = 0; i < model->filter.from_count; i++)
		trust(telling, model->filter.from[i]);
}

bool plan_filters_addresses_of(const struct model *model, const char *interface)
{
	return model->filter.enabled && (model_lists(model->uplinks, model->uplink_count, interface) ||
						strcmp(interface, LOOPBACK_INTERFACE) == 0);
}

void plan_served(const struct model *model, served_callback callback, void *context)
{
	const struct telling telling = {callback, context};
	const struct filter *filter = &model->filter;

	if (!filter->enabled)
		return;
	for (size_t i = 0; i < model->tunnel_count; i++)
		for (int which = 0; which < 2; which++)
			tell_port(&telling, model, i, port_of(&model->tunnels[i], which));
	for (size_t i = 0; i < filter->port_count; i++)
		tell(&telling, (struct served){SERVED_PORT, filter->ports[i]});
	for (size_t i = 0; i < filter->protocol_count; i++)
		tell(&telling, (struct served){SERVED_PROTOCOL, filter->protocols[i]});
	tell_trusted(&telling, model);
}
