// SPDX-License-Identifier: Apache-2.0
/*
 * The filters of uplinks in the maps (bpf/serve.h).
 *
 * They judge what goes to the uplinks' own addresses, lo's, and those that the configuration gives us. Addresses of other
 * interfaces are left out: a VLAN's on an uplink are another network's, and who listens there may be bound to it. An address
 * that a tunnel borrows from an uplink or from lo is the machine's: it is written down first, and so stays.
 */
#include <bpf/bpf.h>
#include <net/if.h>

#include "apply/bpf.h"
#include "apply/bpf_fill.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "plan/served.h"

/* ---- Who may send what -------------------------------------------------------------------------------------------- */

struct serving {
	struct filling *filling;
	struct services services[SERVICES_COUNT];
};

/* What an operator opened is open to all. */
static void serve(struct serving *serving, uint32_t row, uint16_t number, enum service service)
{
	uint8_t *kinds = &serving->services[row].kinds[SERVICE_AT(number)];
	enum service known = *kinds >> SERVICE_SHIFT(number) & 3;

	if (known != SERVICE_OPEN)
		*kinds ^= (uint8_t)((known ^ service) << SERVICE_SHIFT(number));
}

static void fill_served(const struct served *served, void *context)
{
	struct serving *serving = context;
	uint32_t row = served->which >> 8;

	switch (served->kind) {
	case SERVED_PORT:
		return serve(serving, row, served->which, SERVICE_OPEN);
	case SERVED_PROTOCOL:
		return serve(serving, SERVICES_PROTOCOLS, served->which, SERVICE_OPEN);
	case SERVED_TUNNEL:
		return serve(serving, row, served->which, SERVICE_TUNNEL);
	case SERVED_PEERS:
		return serve(serving, row, served->which, SERVICE_PEERS);
	case SERVED_PEER:
		return fill_prefix(serving->filling, SPACE_PEER, served->which, &served->from, 1);
	case SERVED_TRUSTED:
		return fill_prefix(serving->filling, SPACE_TRUSTED, 0, &served->from, 1);
	}
}

/* An array has all its rows, filter or not. */
static void fill_services(struct filling *filling)
{
	struct serving serving = {.filling = filling};

	plan_served(filling->model, fill_served, &serving);
	for (uint32_t i = 0; i < SERVICES_COUNT; i++)
		table_add(&filling->tables[TABLE_SERVICES], &i, &serving.services[i]);
}

/* ---- Addresses --------------------------------------------------------------------------------------------------- */

static void fill_own(struct filling *filling, const struct address *address, uint32_t kind)
{
	table_add(&filling->tables[TABLE_OWN], address->bytes, &kind);
}

/* Of loopbacks and of tunnels' links; a link-local one may be the uplink's too. */
static void fill_tunnels_addresses(struct filling *filling)
{
	const struct model *model = filling->model;

	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++)
			fill_own(filling, &model->loopbacks[i].addresses[j], OWN_TUNNELS);
	for (size_t i = 0; i < model->tunnel_count; i++)
		for (size_t j = 0; j < model->tunnels[i].address_count; j++)
			if (!address_is_link_local(&model->tunnels[i].addresses[j].address))
				fill_own(filling, &model->tunnels[i].addresses[j].address, OWN_TUNNELS);
}

/* 127.0.0.0/8 and ::1 come by no uplink, and what claims to is the kernel's to drop. */
static bool is_hosts_own(const struct address *address)
{
	static const struct address one = {.bytes = {[15] = 1}};

	return address_is_v4(address) ? address->bytes[12] == 127 : address_equal(address, &one);
}

void fill_own_address(struct filling *filling, uint32_t index, const struct prefix *prefix)
{
	const struct model *model = filling->model;
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name) && plan_filters_addresses_of(model, name) &&
		!is_hosts_own(&prefix->address) && !model_loopback_of(model, &prefix->address))
		fill_own(filling, &prefix->address, OWN_MACHINE);
}

/* ---- Uplinks ------------------------------------------------------------------------------------------------------- */

void fill_filters(struct filling *filling)
{
	static const uint32_t filters[] = {[FILTER_WATCH] = FILTER_WATCHES, [FILTER_DROP] = FILTER_DROPS};
	const struct model *model = filling->model;

	fill_services(filling);
	if (!model->filter.enabled)
		return;
	fill_tunnels_addresses(filling);
	for (size_t i = 0; i < model->uplink_count; i++) {
		enum filter_mode mode = model_filter_mode(model, model->uplinks[i]);
		uint32_t index = if_nametoindex(model->uplinks[i]);

		if (mode != FILTER_OFF && index)
			table_add(&filling->tables[TABLE_FILTERS], &index, &filters[mode]);
	}
}

enum filter_mode bpf_filter_mode(const char *pin_dir, const char *uplink)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_FILTERS, NULL, NULL);
	uint32_t index = if_nametoindex(uplink), filter;

	if (map < 0 || !index || bpf_map_lookup_elem(map, &index, &filter) < 0)
		return FILTER_OFF;
	return filter == FILTER_DROPS ? FILTER_DROP : FILTER_WATCH;
}
