// SPDX-License-Identifier: Apache-2.0
/* What is there of ours, found by its marks; and the numbers that status shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/link.h"
#include "apply/private.h"
#include "apply/route.h"
#include "apply/sysctl.h"
#include "apply/tunnel.h"
#include "base/cleanup.h"
#include "base/log.h"

struct observation {
	struct apply *apply;
	const struct model *model; /* or NULL */
	struct items *items;
	struct error *error;
};

static bool is_loopback(const struct link *link)
{
	return strcmp(link->name, LOOPBACK_INTERFACE) == 0;
}

static struct item item_on(enum item_kind kind, const char *interface)
{
	struct item item = {.kind = kind};

	snprintf(item.interface, sizeof(item.interface), "%s", interface);
	return item;
}

/* ---- Interfaces -------------------------------------------------------------------------------------------------- */

/* The settings that a plan may want are those that wanted.c lists: ask it, for a link of ours, whatever it is to be. */
static int observe_sysctls(struct observation *observation, const struct link *link)
{
	size_t count;
	const struct setting *settings = plan_settings(LINK_HOME, &count);
	struct item item = item_on(ITEM_SYSCTL, link->name);
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		item.sysctl.family = settings[i].family;
		item.sysctl.name = settings[i].name;
		if (sysctl_read(item.sysctl.family, link->name, item.sysctl.name, &item.sysctl.value, NULL) ==
			0)
			result = items_add(observation->items, &item);
	}
	return result;
}

static int observe_tunnel(
	struct observation *observation, const struct link *link, const struct tunnel_kind *kind)
{
	const struct tunnel *wanted =
		observation->model ? model_tunnel_by_name(observation->model, link->name) : NULL;
	struct item item;

	/* A device that does not answer has no settings that could be right: the plan sets them, or says why not. */
	if (kind->observe(observation->apply, link, wanted, &item) < 0)
		return 0;
	return items_add(observation->items, &item);
}

static int observe_up(struct observation *observation, const struct link *link, enum item_kind kind)
{
	struct item item = item_on(kind, link->name);

	return link->up ? items_add(observation->items, &item) : 0;
}

static int observe_ours(struct observation *observation, const struct link *link)
{
	struct item made = item_on(ITEM_LINK, link->name), mtu = item_on(ITEM_MTU, link->name);
	const struct tunnel_kind *kind = tunnel_kind_of(link);
	bool is_tunnel = strcmp(link->name, HOME_INTERFACE) != 0;
	int result;

	made.role = !is_tunnel ? LINK_HOME : kind ? kind->role : LINK_TUNNEL;
	mtu.mtu = link->mtu;
	result = items_add(observation->items, &made);
	if (result == 0)
		result = items_add(observation->items, &mtu);
	if (result == 0)
		result = observe_up(observation, link, is_tunnel ? ITEM_OPEN : ITEM_UP);
	if (result == 0)
		result = observe_sysctls(observation, link);
	if (result == 0 && is_tunnel && kind)
		result = observe_tunnel(observation, link, kind);
	if (result == 0)
		result = bpf_observe_attachments(observation->apply->pin_dir, link->name, observation->items);
	return result;
}

static int observe_link(const struct link *link, void *context)
{
	struct observation *observation = context;

	if (is_loopback(link))
		return observe_up(observation, link, ITEM_UP);
	if (link->ours)
		return observe_ours(observation, link);
	/* An uplink or a LAN's interface, or one that was so once. */
	return bpf_observe_attachments(observation->apply->pin_dir, link->name, observation->items);
}

int observe_interface(struct apply *apply, const char *name, struct items *items)
{
	struct observation observation = {apply, NULL, items, NULL};
	struct link link = {0};

	if (link_find(apply->netlink, name, &link, NULL) < 0 || !link.ours)
		return 0;
	return observe_ours(&observation, &link);
}

/* ---- Addresses --------------------------------------------------------------------------------------------------- */

/* Ours, or one that stands where we would put it: then it is left alone, now and at the end. */
static int observe_address(uint32_t index, const struct prefix *prefix, bool ours, void *context)
{
	struct observation *observation = context;
	struct item item = {.kind = ITEM_ADDRESS, .foreign = !ours, .address = *prefix};

	if (!if_indextoname(index, item.interface))
		return 0;
	return items_add(observation->items, &item);
}

/* ---- All --------------------------------------------------------------------------------------------------------- */

static int observe_programs(struct observation *observation)
{
	const char *pin_dir = observation->apply->pin_dir;
	const struct model *model = observation->model;
	struct item entries = {.kind = ITEM_ENTRIES, .model = model};
	int result = bpf_observe(pin_dir, observation->items, observation->error);

	if (model && result == 0 && bpf_is_filled(pin_dir, observation->apply->netlink, model))
		result = items_add(observation->items, &entries);
	return result;
}

static int observe_once(struct observation *observation)
{
	struct netlink *netlink = observation->apply->netlink;
	int result = link_each(netlink, observe_link, observation, observation->error);

	if (result == 0)
		result = address_each(netlink, observe_address, observation, observation->error);
	if (result == 0)
		result = routes_observe(netlink, observation->items, observation->error);
	if (result == 0)
		result = observe_programs(observation);
	return result;
}

int apply_observe(struct apply *apply, const struct model *model, struct items *observed, struct error *error)
{
	struct observation observation = {apply, model, observed, error};
	int result, tries = 10;

	/* EINTR: the kernel's tables changed while they were read. */
	while ((result = observe_once(&observation)) == -EINTR && --tries > 0)
		items_free(observed);
	if (result < 0)
		items_free(observed);
	return result;
}

void apply_compare_entries(struct apply *apply, const struct model *wanted, struct items *observed)
{
	for (size_t i = 0; i < observed->count; i++)
		if (observed->items[i].kind == ITEM_ENTRIES &&
			bpf_is_filled(apply->pin_dir, apply->netlink, wanted))
			observed->items[i].model = wanted;
	for (size_t i = 0; i < observed->count; i++)
		if (observed->items[i].kind == ITEM_IPSEC)
			ipsec_compare(apply, wanted, &observed->items[i]);
}

/* ---- Adopting ---------------------------------------------------------------------------------------------------- */

/* One that cannot be watched serves all the same; its end will be seen by its interface. */
static int adopt_link(const struct link *link, void *context)
{
	const struct tunnel_kind *kind = link->ours ? tunnel_kind_of(link) : NULL;
	struct error words;

	if (kind && kind->adopt(context, link, &words) < 0)
		log_warning("%s", words.text);
	return 0;
}

int apply_adopt(struct apply *apply, struct error *error)
{
	return link_each(apply->netlink, adopt_link, apply, error);
}

int apply_tidy(struct apply *apply, const struct model *model, struct error *error)
{
	return ipsec_tidy(apply, model, error);
}

void apply_tend(struct apply *apply, const struct model *model)
{
	struct error error;

	if (apply_tidy(apply, model, &error) < 0)
		log_warning("%s", error.text);
	ipsec_tend(apply, model);
}

/* ---- Status ------------------------------------------------------------------------------------------------------ */

struct refreshing {
	struct apply *apply;
	struct status *status;
};

static int refresh_tunnel(const struct link *link, void *context)
{
	const struct refreshing *refreshing = context;
	struct status *status = refreshing->status;
	const struct tunnel_kind *kind = link->ours ? tunnel_kind_of(link) : NULL;

	for (size_t i = 0; i < status->model->tunnel_count; i++) {
		struct tunnel_status *tunnel = &status->tunnels[i];

		if (!kind || strcmp(tunnel->tunnel->name, link->name) != 0)
			continue;
		tunnel->ifindex = link->index;
		tunnel->received_packets = link->received_packets;
		tunnel->received_bytes = link->received_bytes;
		tunnel->sent_packets = link->sent_packets;
		tunnel->sent_bytes = link->sent_bytes;
		kind->refresh(refreshing->apply, link, tunnel);
	}
	return 0;
}

static void refresh_uplink(struct apply *apply, struct uplink_status *uplink)
{
	struct link link = {0};

	link_find(apply->netlink, uplink->name, &link, NULL); /* zeros when there is none */
	uplink->ifindex = link.index;
	uplink->up = link.up;
}

static const char *attach_name(struct apply *apply)
{
	_cleanup_(items_free) struct items items = {0};

	bpf_observe_attachments(apply->pin_dir, HOME_INTERFACE, &items);
	if (items.count == 0)
		return NULL;
	return items.items[0].attachment.mode == ATTACH_TCX ? "tcx" : "clsact";
}

int apply_refresh(struct apply *apply, struct status *status, struct error *error)
{
	const struct model *model = status->model;
	struct refreshing refreshing = {apply, status};

	for (size_t i = 0; i < model->tunnel_count; i++) {
		struct tunnel_status *tunnel = &status->tunnels[i];

		tunnel->ifindex = 0;
		tunnel->driver = "none";
		tunnel->received_packets = tunnel->received_bytes = 0;
		tunnel->sent_packets = tunnel->sent_bytes = 0;
		tunnel->handshake_age_ms = UINT64_MAX;
		memset(&tunnel->ipsec, 0, sizeof(tunnel->ipsec));
		*tunnel->ipsec_error = '\0';
	}
	for (size_t i = 0; i < model_interface_count(model); i++)
		refresh_uplink(apply, &status->uplinks[i]);
	status->attach = attach_name(apply);
	status->xdp = model->uplink_count ? bpf_xdp_mode(model->uplinks[0]) : "none";
	status->xdp_relays = model->uplink_count && bpf_xdp_relays(apply->pin_dir, model->uplinks[0]);
	return link_each(apply->netlink, refresh_tunnel, &refreshing, error);
}
