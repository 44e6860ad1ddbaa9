// SPDX-License-Identifier: Apache-2.0
#include "apply/route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static void put_address(struct message *message, uint16_t type, const struct address *address)
{
	size_t size;
	const uint8_t *bytes = address_wire(address, &size);

	message_put(message, type, bytes, size);
}

static struct prefix prefix_from_wire(int family, const void *bytes, uint8_t length)
{
	return (struct prefix){
		address_from_wire(family, bytes), length + (family == AF_INET ? V4_BITS_BEFORE : 0)};
}

static size_t family_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- Rules ------------------------------------------------------------------------------------------------------ */

static int change_rule(
	struct netlink *netlink, uint16_t type, uint16_t flags, const struct item *item, struct error *error)
{
	struct fib_rule_hdr header = {.family = address_family(&item->rule.from), .action = FR_ACT_TO_TBL};
	struct message message;

	if (address_is_set(&item->rule.from))
		header.src_len = address_is_v4(&item->rule.from) ? 32 : 128;
	if (item->rule.has_to)
		header.dst_len = prefix_shown_length(&item->rule.to);
	message_start(&message, type, flags, &header, sizeof(header));
	if (header.src_len)
		put_address(&message, FRA_SRC, &item->rule.from);
	if (header.dst_len)
		put_address(&message, FRA_DST, &item->rule.to.address);
	if (*item->interface)
		message_put_text(&message, FRA_OIFNAME, item->interface);
	message_put_u32(&message, FRA_PRIORITY, item->rule.priority);
	message_put_u32(&message, FRA_TABLE, item->rule.table);
	message_put_u8(&message, FRA_PROTOCOL, OUR_PROTOCOL);
	return netlink_request(netlink, &message, error);
}

int rule_add(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_rule(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, item, error);
}

int rule_remove(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_rule(netlink, RTM_DELRULE, 0, item, error);
}

void rules_remove(struct netlink *netlink, uint32_t priority, uint32_t table)
{
	static const int families[] = {AF_INET, AF_INET6};
	int result;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		do {
			struct fib_rule_hdr header = {.family = families[i], .action = FR_ACT_TO_TBL};
			struct message message;

			message_start(&message, RTM_DELRULE, 0, &header, sizeof(header));
			message_put_u32(&message, FRA_PRIORITY, priority);
			message_put_u32(&message, FRA_TABLE, table);
			result = netlink_request(netlink, &message, NULL);
		} while (result == 0);
}

static int observe_rule(const struct nlmsghdr *header, void *context)
{
	const struct fib_rule_hdr *about = message_payload(header);
	struct item item = {.kind = ITEM_RULE};
	struct attributes attributes;
	const void *from, *to;
	const char *oif;

	attributes_of_message(header, sizeof(*about), &attributes);
	from = attribute_bytes(&attributes, FRA_SRC, family_size(about->family));
	oif = attribute_text(&attributes, FRA_OIFNAME);
	if ((!from && !*oif) || attribute_u8(&attributes, FRA_PROTOCOL, 0) != OUR_PROTOCOL)
		return 0;
	snprintf(item.interface, sizeof(item.interface), "%s", oif);
	if (from)
		item.rule.from = address_from_wire(about->family, from);
	item.rule.priority = attribute_u32(&attributes, FRA_PRIORITY, 0);
	item.rule.table = attribute_u32(&attributes, FRA_TABLE, about->table);
	item.rule.has_to = item.rule.priority == INSIDE_RULE_PRIORITY;
	to = attribute_bytes(&attributes, FRA_DST, family_size(about->family));
	if (to)
		item.rule.to = prefix_from_wire(about->family, to, about->dst_len);
	else if (item.rule.has_to) /* to 0.0.0.0/0 and ::/0: the kernel keeps no destination */
		item.rule.to.length = about->family == AF_INET ? V4_BITS_BEFORE : 0;
	if (!to && item.rule.has_to && about->family == AF_INET)
		item.rule.to.address = address_from_wire(AF_INET, "\0\0\0\0");
	return items_add(context, &item);
}

/* ---- Routes ----------------------------------------------------------------------------------------------------- */

static int change_route(
	struct netlink *netlink, uint16_t type, uint16_t flags, const struct item *item, struct error *error)
{
	bool is_way = item->kind == ITEM_WAY;
	struct rtmsg header = {.rtm_family = address_family(&item->route.gateway),
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = OUR_PROTOCOL,
		.rtm_scope = is_way ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = is_way ? 0 : RTNH_F_ONLINK};
	uint32_t index = if_nametoindex(item->interface);
	struct message message;

	if (!index)
		return error_set(error, -ENODEV, "there is no interface %s", item->interface);
	message_start(&message, type, flags, &header, sizeof(header));
	message_put_u32(&message, RTA_TABLE, item->route.table);
	message_put_u32(&message, RTA_OIF, index);
	if (!is_way)
		put_address(&message, RTA_GATEWAY, &item->route.gateway);
	return netlink_request(netlink, &message, error);
}

int route_add(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_route(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, item, error);
}

int route_remove(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_route(netlink, RTM_DELROUTE, 0, item, error);
}

static int observe_route(const struct nlmsghdr *header, void *context)
{
	const struct rtmsg *about = message_payload(header);
	static const uint8_t none[16];
	struct item item = {.kind = ITEM_ROUTE};
	struct attributes attributes;
	const void *gateway;

	attributes_of_message(header, sizeof(*about), &attributes);
	gateway = attribute_bytes(&attributes, RTA_GATEWAY, family_size(about->rtm_family));
	item.route.table = attribute_u32(&attributes, RTA_TABLE, about->rtm_table);
	if (!gateway && item.route.table >= PROBE_TABLES && item.route.table <= PROBE_TABLES + UINT16_MAX)
		item.kind = ITEM_WAY;
	else if (!gateway || item.route.table != HOME_TABLE)
		return 0;
	if (about->rtm_dst_len != 0 || about->rtm_protocol != OUR_PROTOCOL ||
		!if_indextoname(attribute_u32(&attributes, RTA_OIF, 0), item.interface))
		return 0;
	item.route.gateway = address_from_wire(about->rtm_family, gateway ?: none);
	return items_add(context, &item);
}

/* ---- Neighbours ------------------------------------------------------------------------------------------------- */

static int change_neighbour(
	struct netlink *netlink, uint16_t type, uint16_t flags, const struct item *item, struct error *error)
{
	struct ndmsg header = {.ndm_family = address_family(&item->neighbour.address),
		.ndm_ifindex = if_nametoindex(item->interface),
		.ndm_state = NUD_PERMANENT};
	struct message message;

	if (!header.ndm_ifindex)
		return error_set(error, -ENODEV, "there is no interface %s", item->interface);
	message_start(&message, type, flags, &header, sizeof(header));
	put_address(&message, NDA_DST, &item->neighbour.address);
	message_put(&message, NDA_LLADDR, item->neighbour.mac, sizeof(item->neighbour.mac));
	message_put_u8(&message, NDA_PROTOCOL, OUR_PROTOCOL);
	return netlink_request(netlink, &message, error);
}

int neighbour_add(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_neighbour(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, item, error);
}

int neighbour_remove(struct netlink *netlink, const struct item *item, struct error *error)
{
	return change_neighbour(netlink, RTM_DELNEIGH, 0, item, error);
}

static int observe_neighbour(const struct nlmsghdr *header, void *context)
{
	const struct ndmsg *about = message_payload(header);
	struct item item = {.kind = ITEM_NEIGHBOUR};
	struct attributes attributes;
	const void *address, *mac;

	if (!(about->ndm_state & NUD_PERMANENT) ||
		(about->ndm_family != AF_INET && about->ndm_family != AF_INET6))
		return 0;
	attributes_of_message(header, sizeof(*about), &attributes);
	address = attribute_bytes(&attributes, NDA_DST, family_size(about->ndm_family));
	mac = attribute_bytes(&attributes, NDA_LLADDR, sizeof(item.neighbour.mac));
	if (!address || !mac || attribute_u8(&attributes, NDA_PROTOCOL, 0) != OUR_PROTOCOL ||
		!if_indextoname(about->ndm_ifindex, item.interface))
		return 0;
	item.neighbour.address = address_from_wire(about->ndm_family, address);
	memcpy(item.neighbour.mac, mac, sizeof(item.neighbour.mac));
	return items_add(context, &item);
}

int routes_observe(struct netlink *netlink, struct items *items, struct error *error)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct message message;
	int result = 0;

	for (int i = 0; i < 2 && result == 0; i++) {
		struct ndmsg neighbours = {.ndm_family = families[i]};
		struct rtmsg routes = {.rtm_family = families[i]};
		struct fib_rule_hdr rules = {.family = families[i]};

		message_start(&message, RTM_GETNEIGH, 0, &neighbours, sizeof(neighbours));
		result = netlink_dump(netlink, &message, observe_neighbour, items, error);
		message_start(&message, RTM_GETROUTE, 0, &routes, sizeof(routes));
		if (result == 0)
			result = netlink_dump(netlink, &message, observe_route, items, error);
		message_start(&message, RTM_GETRULE, 0, &rules, sizeof(rules));
		if (result == 0)
			result = netlink_dump(netlink, &message, observe_rule, items, error);
	}
	return result;
}

/* ---- What a BIRD left ---------------------------------------------------------------------------------------------- */

/* What is found is removed behind the reading: one request is outstanding at a time. */
struct leftovers {
	const struct model *model;
	struct leftover {
		struct rtmsg header;
		struct address destination;
		uint32_t priority;
	} * rows;
	size_t count;
};

static bool may_be_told(const struct model *model, const struct prefix *destination)
{
	for (size_t i = 0; i < model->router_count; i++) {
		const struct bgp *bgp = &model->routers[i].bgp;

		for (size_t j = 0; j < bgp->import_count; j++)
			if (destination->length >= bgp->import[j].length &&
				prefix_contains(&bgp->import[j], &destination->address))
				return true;
	}
	return false;
}

static int observe_leftover(const struct nlmsghdr *header, void *context)
{
	static const uint8_t any[16];
	const struct rtmsg *about = message_payload(header);
	struct leftovers *leftovers = context;
	struct attributes attributes;
	struct leftover *rows;
	struct prefix destination;
	const void *bytes;

	if (about->rtm_protocol != RTPROT_BIRD)
		return 0;
	attributes_of_message(header, sizeof(*about), &attributes);
	bytes = attribute_bytes(&attributes, RTA_DST, family_size(about->rtm_family));
	destination = prefix_from_wire(about->rtm_family, bytes ?: any, about->rtm_dst_len);
	if (attribute_u32(&attributes, RTA_TABLE, about->rtm_table) != RT_TABLE_MAIN ||
		!may_be_told(leftovers->model, &destination))
		return 0;
	rows = reallocarray(leftovers->rows, leftovers->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	leftovers->rows = rows;
	rows[leftovers->count++] = (struct leftover){.header = {.rtm_family = about->rtm_family,
							     .rtm_dst_len = about->rtm_dst_len,
							     .rtm_table = RT_TABLE_MAIN,
							     .rtm_protocol = RTPROT_BIRD,
							     .rtm_scope = RT_SCOPE_NOWHERE},
		.destination = destination.address,
		.priority = attribute_u32(&attributes, RTA_PRIORITY, 0)};
	return 0;
}

/* Its own BIRD may have removed it meanwhile. */
static int remove_leftover(struct netlink *netlink, const struct leftover *row, struct error *error)
{
	struct message message;
	int result;

	message_start(&message, RTM_DELROUTE, 0, &row->header, sizeof(row->header));
	if (row->header.rtm_dst_len)
		put_address(&message, RTA_DST, &row->destination);
	message_put_u32(&message, RTA_PRIORITY, row->priority);
	result = netlink_request(netlink, &message, error);
	return result == -ESRCH ? 0 : result;
}

int routes_remove_birds(struct netlink *netlink, const struct model *model, struct error *error)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct leftovers leftovers = {.model = model};
	struct message message;
	int result = 0;

	for (int i = 0; i < 2 && result == 0 && model->router_count; i++) {
		struct rtmsg header = {.rtm_family = families[i]};

		message_start(&message, RTM_GETROUTE, 0, &header, sizeof(header));
		result = netlink_dump(netlink, &message, observe_leftover, &leftovers, error);
	}
	for (size_t i = 0; i < leftovers.count && result == 0; i++)
		result = remove_leftover(netlink, &leftovers.rows[i], error);
	free(leftovers.rows);
	return result;
}
