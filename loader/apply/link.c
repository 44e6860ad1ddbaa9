// SPDX-License-Identifier: Apache-2.0
#include "apply/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>

#include "apply/sysctl.h"
#include "base/cleanup.h"

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

struct link_reading {
	link_callback callback;
	void *context;
};

static void read_statistics(const struct attributes *attributes, struct link *link)
{
	const void *bytes =
		attribute_bytes(attributes, IFLA_STATS64, offsetof(struct rtnl_link_stats64, rx_errors));
	struct rtnl_link_stats64 statistics;

	if (!bytes)
		return;
	memcpy(&statistics, bytes, offsetof(struct rtnl_link_stats64, rx_errors));
	link->received_packets = statistics.rx_packets;
	link->received_bytes = statistics.rx_bytes;
	link->sent_packets = statistics.tx_packets;
	link->sent_bytes = statistics.tx_bytes;
}

/* "ipsec" and a number: charon's own name of its TUN device. Whatever else a label says is somebody else's. */
static bool is_word_of_ours(const char *word, const struct link *link)
{
	const char *number = word + strlen(LINK_WORD);

	return strcmp(link->kind, "tun") == 0 && strncmp(word, LINK_WORD, strlen(LINK_WORD)) == 0 &&
	       *number && strspn(number, "0123456789") == strlen(number) && strlen(word) < IFNAMSIZ;
}

static void read_alias(const char *alias, struct link *link)
{
	static const char with_word[] = OUR_ALIAS " ";
	size_t length = strlen(with_word);

	snprintf(link->alias, sizeof(link->alias), "%s", alias);
	link->ours = strcmp(alias, OUR_ALIAS) == 0;
	if (strncmp(alias, with_word, length) != 0 || !is_word_of_ours(alias + length, link))
		return;
	link->ours = true;
	snprintf(link->word, sizeof(link->word), "%s", alias + length);
}

static void read_information(const struct nlattr *nest, struct link *link)
{
	struct attributes information, data;

	attributes_of_nest(nest, &information);
	snprintf(link->kind, sizeof(link->kind), "%s", attribute_text(&information, IFLA_INFO_KIND));
	if (strcmp(link->kind, XFRM_KIND) != 0 || !information.by_type[IFLA_INFO_DATA])
		return;
	attributes_of_nest(information.by_type[IFLA_INFO_DATA], &data);
	link->if_id = attribute_u32(&data, IFLA_XFRM_IF_ID, 0);
}

static int read_link(const struct nlmsghdr *header, void *context)
{
	const struct ifinfomsg *about = message_payload(header);
	const struct link_reading *reading = context;
	struct attributes attributes;
	struct link link = {.index = about->ifi_index,
		.up = about->ifi_flags & IFF_UP,
		.has_headers = about->ifi_type != ARPHRD_NONE};

	attributes_of_message(header, sizeof(*about), &attributes);
	link.mtu = attribute_u32(&attributes, IFLA_MTU, 0);
	snprintf(link.name, sizeof(link.name), "%s", attribute_text(&attributes, IFLA_IFNAME));
	if (attributes.by_type[IFLA_LINKINFO])
		read_information(attributes.by_type[IFLA_LINKINFO], &link);
	read_alias(attribute_text(&attributes, IFLA_IFALIAS), &link);
	read_statistics(&attributes, &link);
	return reading->callback(&link, reading->context);
}

int link_each(struct netlink *netlink, link_callback callback, void *context, struct error *error)
{
	struct link_reading reading = {callback, context};
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct message message;

	message_start(&message, RTM_GETLINK, 0, &header, sizeof(header));
	return netlink_dump(netlink, &message, read_link, &reading, error);
}

struct link_search {
	const char *name;
	struct link *found;
	bool is_found;
};

static int compare_name(const struct link *link, void *context)
{
	struct link_search *search = context;

	if (strcmp(link->name, search->name) == 0) {
		*search->found = *link;
		search->is_found = true;
	}
	return 0;
}

int link_find(struct netlink *netlink, const char *name, struct link *link, struct error *error)
{
	struct link_search search = {name, link, false};
	int result = link_each(netlink, compare_name, &search, error);

	return result < 0 ? result : search.is_found ? 0 : -ENODEV;
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

static int require_index(const char *name, uint32_t *index, struct error *error)
{
	*index = if_nametoindex(name);
	return *index ? 0 : error_set(error, -ENODEV, "there is no interface %s", name);
}

static void start_new_link(struct message *message, const char *name)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};

	message_start(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	message_put_text(message, IFLA_IFNAME, name);
}

static void start_change(struct message *message, uint16_t type, const char *name)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};

	message_start(message, type, 0, &header, sizeof(header));
	message_put_text(message, IFLA_IFNAME, name);
}

int link_set_alias(struct netlink *netlink, const char *name, const char *alias, struct error *error)
{
	struct message message;

	start_change(&message, RTM_SETLINK, name);
	message_put(&message, IFLA_IFALIAS, alias, strlen(alias));
	return netlink_request(netlink, &message, error);
}

int link_mark_ours(struct netlink *netlink, const char *name, struct error *error)
{
	return link_set_alias(netlink, name, OUR_ALIAS, error);
}

int link_rename(struct netlink *netlink, const char *name, const char *new_name, struct error *error)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct message message;
	uint32_t index;
	int result = require_index(name, &index, error);

	if (result < 0)
		return result;
	header.ifi_index = (int)index;
	message_start(&message, RTM_SETLINK, 0, &header, sizeof(header));
	message_put_text(&message, IFLA_IFNAME, new_name);
	return netlink_request(netlink, &message, error);
}

/* The alias is not taken from the message that makes a link: an interface that cannot be marked is not left
 * behind. */
static int mark_or_remove(struct netlink *netlink, const char *name, struct error *error)
{
	int result = link_mark_ours(netlink, name, error);

	if (result < 0)
		link_remove(netlink, name, NULL);
	return result;
}

static void put_if_id(struct message *message, uint32_t if_id)
{
	struct nlattr *data = message_nest(message, IFLA_INFO_DATA);

	message_put_u32(message, IFLA_XFRM_IF_ID, if_id);
	message_nest_end(message, data);
}

/* `if_id` 0: the kind has none. */
static int add_kind(
	struct netlink *netlink, const char *name, const char *kind, uint32_t if_id, struct error *error)
{
	struct message message;
	struct nlattr *nest;
	int result;

	start_new_link(&message, name);
	nest = message_nest(&message, IFLA_LINKINFO);
	message_put_text(&message, IFLA_INFO_KIND, kind);
	if (if_id)
		put_if_id(&message, if_id);
	message_nest_end(&message, nest);
	result = netlink_request(netlink, &message, error);
	return result < 0 ? result : mark_or_remove(netlink, name, error);
}

int link_add(struct netlink *netlink, const char *name, const char *kind, struct error *error)
{
	return add_kind(netlink, name, kind, 0, error);
}

int link_add_xfrm(struct netlink *netlink, const char *name, uint32_t if_id, struct error *error)
{
	return add_kind(netlink, name, XFRM_KIND, if_id, error);
}

/* Killed between the two requests of the making, we left it without our mark; but never up. */
static bool is_left_of_us(const struct link *link, const char *kind)
{
	return link->ours || (!link->up && strcmp(link->kind, kind) == 0);
}

int link_try(struct netlink *netlink, const char *kind, uint32_t if_id, struct error *error)
{
	struct link link = {0};
	int result;

	if (link_find(netlink, PROBE_INTERFACE, &link, NULL) == 0 && is_left_of_us(&link, kind))
		link_remove(netlink, PROBE_INTERFACE, NULL);
	result = add_kind(netlink, PROBE_INTERFACE, kind, if_id, error);
	return result < 0 ? result : link_remove(netlink, PROBE_INTERFACE, error);
}

#define PEER_SUFFIX "-peer"

static void put_veth_peer(struct message *message, const char *peer_name)
{
	static const struct ifinfomsg peer = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
	struct nlattr *data = message_nest(message, IFLA_INFO_DATA);
	struct nlattr *nest = message_nest(message, VETH_INFO_PEER);

	/* struct ifinfomsg stands in the nest without a header of its own. */
	memcpy(message->bytes + message->header.nlmsg_len, &peer, sizeof(peer));
	message->header.nlmsg_len += NLMSG_ALIGN(sizeof(peer));
	message_put_text(message, IFLA_IFNAME, peer_name);
	message_nest_end(message, nest);
	message_nest_end(message, data);
}

/* `peer_name` NULL: a dummy, else a veth pair. */
static int add_home(struct netlink *netlink, const char *name, const char *peer_name, struct error *error)
{
	static const uint8_t mac[6] = HOME_MAC;
	struct ifinfomsg header = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
	struct message message;
	struct nlattr *nest;

	message_start(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	message_put_text(&message, IFLA_IFNAME, name);
	message_put(&message, IFLA_ADDRESS, mac, sizeof(mac));
	nest = message_nest(&message, IFLA_LINKINFO);
	message_put_text(&message, IFLA_INFO_KIND, peer_name ? "veth" : "dummy");
	if (peer_name)
		put_veth_peer(&message, peer_name);
	message_nest_end(&message, nest);
	return netlink_request(netlink, &message, error);
}

/* The other end is up, or home0 would have no carrier; it says and hears nothing. */
static int silence_peer(struct netlink *netlink, const char *peer_name, struct error *error)
{
	int result = sysctl_write("ipv6", peer_name, "disable_ipv6", 1, error);

	return result < 0 ? result : link_set_up(netlink, peer_name, true, error);
}

int link_add_home(struct netlink *netlink, const char *name, struct error *error)
{
	char peer_name[IFNAMSIZ];
	int result = add_home(netlink, name, NULL, error);

	if (result == 0)
		return mark_or_remove(netlink, name, error);
	if (result != -EOPNOTSUPP)
		return result;
	snprintf(peer_name, sizeof(peer_name), "%.10s" PEER_SUFFIX, name);
	result = add_home(netlink, name, peer_name, error);
	if (result < 0)
		return result;
	result = silence_peer(netlink, peer_name, error);
	if (result < 0)
		link_remove(netlink, name, NULL);
	return result < 0 ? result : mark_or_remove(netlink, name, error);
}

int link_remove(struct netlink *netlink, const char *name, struct error *error)
{
	struct message message;

	start_change(&message, RTM_DELLINK, name);
	return netlink_request(netlink, &message, error);
}

int link_set_mtu(struct netlink *netlink, const char *name, uint32_t mtu, struct error *error)
{
	struct message message;

	start_change(&message, RTM_SETLINK, name);
	message_put_u32(&message, IFLA_MTU, mtu);
	return netlink_request(netlink, &message, error);
}

int link_set_queue(struct netlink *netlink, const char *name, uint32_t packets, struct error *error)
{
	struct message message;

	start_change(&message, RTM_SETLINK, name);
	message_put_u32(&message, IFLA_TXQLEN, packets);
	return netlink_request(netlink, &message, error);
}

int link_set_up(struct netlink *netlink, const char *name, bool up, struct error *error)
{
	struct ifinfomsg header = {.ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP};
	struct message message;

	message_start(&message, RTM_SETLINK, 0, &header, sizeof(header));
	message_put_text(&message, IFLA_IFNAME, name);
	return netlink_request(netlink, &message, error);
}

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

static int change_address(struct netlink *netlink, uint16_t type, uint16_t flags, const char *name,
	const struct prefix *prefix, struct error *error)
{
	struct ifaddrmsg header = {.ifa_family = address_family(&prefix->address),
		.ifa_prefixlen = prefix_shown_length(prefix),
		.ifa_flags = IFA_F_NODAD};
	struct message message;
	const uint8_t *bytes;
	uint32_t index;
	size_t size;
	int result = require_index(name, &index, error);

	if (result < 0)
		return result;
	header.ifa_index = index;
	bytes = address_wire(&prefix->address, &size);
	message_start(&message, type, flags, &header, sizeof(header));
	message_put(&message, IFA_LOCAL, bytes, size);
	message_put(&message, IFA_ADDRESS, bytes, size);
	message_put_u8(&message, IFA_PROTO, OUR_PROTOCOL);
	return netlink_request(netlink, &message, error);
}

int address_add(struct netlink *netlink, const char *name, const struct prefix *prefix, struct error *error)
{
	return change_address(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, prefix, error);
}

int address_remove(
	struct netlink *netlink, const char *name, const struct prefix *prefix, struct error *error)
{
	return change_address(netlink, RTM_DELADDR, 0, name, prefix, error);
}

struct address_reading {
	address_callback callback;
	void *context;
};

static int read_address(const struct nlmsghdr *header, void *context)
{
	const struct ifaddrmsg *about = message_payload(header);
	const struct address_reading *reading = context;
	size_t size = about->ifa_family == AF_INET ? 4 : 16;
	struct attributes attributes;
	struct prefix prefix;
	const void *bytes;

	if (about->ifa_family != AF_INET && about->ifa_family != AF_INET6)
		return 0;
	attributes_of_message(header, sizeof(*about), &attributes);
	bytes = attribute_bytes(&attributes, IFA_LOCAL, size);
	if (!bytes)
		bytes = attribute_bytes(&attributes, IFA_ADDRESS, size);
	if (!bytes || about->ifa_scope == RT_SCOPE_LINK)
		return 0;
	prefix.address = address_from_wire(about->ifa_family, bytes);
	prefix.length = about->ifa_prefixlen + (about->ifa_family == AF_INET ? V4_BITS_BEFORE : 0);
	return reading->callback(about->ifa_index, &prefix,
		attribute_u8(&attributes, IFA_PROTO, 0) == OUR_PROTOCOL, reading->context);
}

int address_each(struct netlink *netlink, address_callback callback, void *context, struct error *error)
{
	struct address_reading reading = {callback, context};
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	struct message message;

	message_start(&message, RTM_GETADDR, 0, &header, sizeof(header));
	return netlink_dump(netlink, &message, read_address, &reading, error);
}
