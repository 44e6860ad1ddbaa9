// SPDX-License-Identifier: Apache-2.0
#include "apply/monitor.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "apply/link.h"
#include "apply/netlink.h"
#include "base/address.h"
#include "base/cleanup.h"
#include "base/marker.h"

#define NUMBERS 65536
#define GROUPS  (RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR)

struct monitor {
	struct netlink *listening, *asking;
	struct monitor_callbacks callbacks;
	bool up[NUMBERS];   /* as last told */
	bool seen[NUMBERS]; /* by the dump that is running */
};

static void tell(struct monitor *monitor, uint16_t tunnel, bool up)
{
	if (monitor->up[tunnel] == up)
		return;
	monitor->up[tunnel] = up;
	monitor->callbacks.bfd(monitor->callbacks.self, tunnel, up);
}

/* Is the route a marker, and whose? */
static bool read_marker(const struct nlmsghdr *header, uint16_t *tunnel)
{
	const struct rtmsg *about = message_payload(header);
	size_t size = about->rtm_family == AF_INET ? 4 : 16;
	struct attributes attributes;
	struct address address;
	const void *bytes;

	attributes_of_message(header, sizeof(*about), &attributes);
	bytes = attribute_bytes(&attributes, RTA_DST, size);
	if (!bytes || about->rtm_dst_len != size * 8 ||
		attribute_u32(&attributes, RTA_TABLE, about->rtm_table) != MARKER_TABLE)
		return false;
	address = address_from_wire(about->rtm_family, bytes);
	return marker_tunnel(&address, tunnel);
}

/*
 * News may be old: an interface that is new is announced before it is up, and one that was healed meanwhile was gone
 * before. What counts is how it stands now.
 */
static bool is_up_now(struct monitor *monitor, const char *name)
{
	struct link link = {0};

	return link_find(monitor->asking, name, &link, NULL) == 0 && link.up;
}

static void read_link(struct monitor *monitor, const struct nlmsghdr *header)
{
	const struct ifinfomsg *about = message_payload(header);
	struct attributes attributes;
	const char *name;

	/* A bridge speaks of its ports in its own family: not an interface that went. */
	if (about->ifi_family != AF_UNSPEC)
		return;
	attributes_of_message(header, sizeof(*about), &attributes);
	name = attribute_text(&attributes, IFLA_IFNAME);
	if (header->nlmsg_type == RTM_NEWLINK && (about->ifi_flags & IFF_UP))
		monitor->callbacks.link_changed(monitor->callbacks.self, name);
	else if (!is_up_now(monitor, name))
		monitor->callbacks.link_lost(monitor->callbacks.self, name);
}

static void read_address(struct monitor *monitor, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *about = message_payload(header);
	char name[IF_NAMESIZE];

	if (if_indextoname(about->ifa_index, name))
		monitor->callbacks.link_changed(monitor->callbacks.self, name);
}

static int on_message(const struct nlmsghdr *header, void *context)
{
	struct monitor *monitor = context;
	uint16_t tunnel;

	switch (header->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (read_marker(header, &tunnel))
			tell(monitor, tunnel, header->nlmsg_type == RTM_NEWROUTE);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		read_link(monitor, header);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		read_address(monitor, header);
		break;
	}
	return 0;
}

/* ---- Reading all markers ----------------------------------------------------------------------------------------- */

static int note_marker(const struct nlmsghdr *header, void *context)
{
	struct monitor *monitor = context;
	uint16_t tunnel;

	if (read_marker(header, &tunnel))
		monitor->seen[tunnel] = true;
	return 0;
}

static int dump_markers(struct monitor *monitor, int family, struct error *error)
{
	struct rtmsg header = {.rtm_family = family};
	struct message message;
	int result;

	do {
		message_start(&message, RTM_GETROUTE, 0, &header, sizeof(header));
		result = netlink_dump(monitor->asking, &message, note_marker, monitor, error);
	} while (result == -EINTR);
	return result;
}

static int resynchronise(struct monitor *monitor, struct error *error)
{
	int result;

	memset(monitor->seen, 0, sizeof(monitor->seen));
	result = dump_markers(monitor, AF_INET, error);
	if (result == 0)
		result = dump_markers(monitor, AF_INET6, error);
	if (result < 0)
		return result;
	for (unsigned tunnel = 0; tunnel < NUMBERS; tunnel++)
		tell(monitor, tunnel, monitor->seen[tunnel]);
	return 0;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

int monitor_open(const struct monitor_callbacks *callbacks, struct monitor **monitor, struct error *error)
{
	_cleanup_(monitor_close_pointer) struct monitor *made = calloc(1, sizeof(*made));
	int result;

	if (!made)
		return error_errno(error, -ENOMEM, "listening to the kernel");
	made->callbacks = *callbacks;
	result = netlink_open(NETLINK_ROUTE, GROUPS, &made->listening);
	if (result == 0)
		result = netlink_open(NETLINK_ROUTE, 0, &made->asking);
	if (result < 0)
		return error_errno(error, result, "listening to the kernel");
	result = resynchronise(made, error);
	if (result < 0)
		return result;
	*monitor = TAKE_PTR(made);
	return 0;
}

void monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return;
	netlink_close(monitor->listening);
	netlink_close(monitor->asking);
	free(monitor);
}

int monitor_descriptor(const struct monitor *monitor)
{
	return netlink_descriptor(monitor->listening);
}

int monitor_read(struct monitor *monitor, struct error *error)
{
	bool lost = false;
	int result;

	/* What is still queued is older than what a dump says: it is read to its end first. */
	while ((result = netlink_listen(monitor->listening, on_message, monitor)) == -ENOBUFS)
		lost = true;
	if (result < 0)
		return error_errno(error, result, "listening to the kernel");
	if (!lost)
		return 0;
	monitor->callbacks.link_lost(monitor->callbacks.self, NULL);
	return resynchronise(monitor, error);
}

void monitor_link_lost(struct monitor *monitor, uint16_t tunnel)
{
	tell(monitor, tunnel, false);
}
