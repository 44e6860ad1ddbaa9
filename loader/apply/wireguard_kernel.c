// SPDX-License-Identifier: Apache-2.0
/* The kernel's WireGuard, by generic netlink (linux/wireguard.h). */
#include "apply/wireguard.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"

static int create(struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	(void)children;
	return link_add(netlink, name, "wireguard", error);
}

static int remove_link(
	struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	(void)children;
	return link_remove(netlink, name, error);
}

static int open_family(struct netlink **netlink, uint16_t *family, struct error *error)
{
	int result = netlink_open(NETLINK_GENERIC, 0, netlink);

	if (result < 0)
		return error_errno(error, result, "generic netlink");
	return netlink_generic_family(*netlink, WG_GENL_NAME, family, error);
}

static void start(struct message *message, uint16_t family, uint8_t command, const char *name)
{
	struct genlmsghdr header = {.cmd = command, .version = WG_GENL_VERSION};

	message_start(message, family, 0, &header, sizeof(header));
	message_put_text(message, WGDEVICE_A_IFNAME, name);
}

/* ---- Setting ----------------------------------------------------------------------------------------------------- */

static void put_endpoint(struct message *message, const struct wireguard_settings *settings)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(settings->endpoint_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(settings->endpoint_port)};
	size_t size;
	const uint8_t *bytes = address_wire(&settings->endpoint_address, &size);

	if (size == sizeof(v4.sin_addr)) {
		memcpy(&v4.sin_addr, bytes, size);
		message_put(message, WGPEER_A_ENDPOINT, &v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, bytes, size);
		message_put(message, WGPEER_A_ENDPOINT, &v6, sizeof(v6));
	}
}

/* One prefix of length 0: everything of the family. */
static void put_allowed(struct message *message, uint16_t family, size_t size)
{
	static const uint8_t any[16];
	struct nlattr *nest = message_nest(message, 0);

	message_put_u16(message, WGALLOWEDIP_A_FAMILY, family);
	message_put(message, WGALLOWEDIP_A_IPADDR, any, size);
	message_put_u8(message, WGALLOWEDIP_A_CIDR_MASK, 0);
	message_nest_end(message, nest);
}

static void put_peer(struct message *message, const struct wireguard_settings *settings)
{
	struct nlattr *peers = message_nest(message, WGDEVICE_A_PEERS);
	struct nlattr *peer = message_nest(message, 0);
	struct nlattr *allowed;

	message_put(message, WGPEER_A_PUBLIC_KEY, settings->peer, WIREGUARD_KEY_SIZE);
	message_put_u32(message, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
	if (settings->has_endpoint)
		put_endpoint(message, settings);
	message_put_u16(message, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, settings->keepalive_s);
	allowed = message_nest(message, WGPEER_A_ALLOWEDIPS);
	put_allowed(message, AF_INET, 4);
	put_allowed(message, AF_INET6, 16);
	message_nest_end(message, allowed);
	message_nest_end(message, peer);
	message_nest_end(message, peers);
}

static int set(const char *name, const struct wireguard_settings *settings, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL;
	struct message message;
	uint16_t family = 0;
	int result = open_family(&netlink, &family, error);

	if (result < 0)
		return result;
	start(&message, family, WG_CMD_SET_DEVICE, name);
	if (settings->has_private_key)
		message_put(&message, WGDEVICE_A_PRIVATE_KEY, settings->private_key, WIREGUARD_KEY_SIZE);
	message_put_u16(&message, WGDEVICE_A_LISTEN_PORT, settings->listen_port);
	if (settings->new_peer)
		message_put_u32(&message, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
	if (settings->has_peer)
		put_peer(&message, settings);
	result = netlink_request(netlink, &message, error);
	sodium_memzero(&message, sizeof(message));
	return result;
}

/* ---- Getting ----------------------------------------------------------------------------------------------------- */

static void read_endpoint(const struct attributes *attributes, struct wireguard_state *state)
{
	const struct sockaddr_in *v4 = attribute_bytes(attributes, WGPEER_A_ENDPOINT, sizeof(*v4));
	const struct sockaddr_in6 *v6 = attribute_bytes(attributes, WGPEER_A_ENDPOINT, sizeof(*v6));

	state->has_endpoint = true;
	if (v6 && v6->sin6_family == AF_INET6) {
		state->endpoint_address = address_from_wire(AF_INET6, &v6->sin6_addr);
		state->endpoint_port = ntohs(v6->sin6_port);
	} else if (v4 && v4->sin_family == AF_INET) {
		state->endpoint_address = address_from_wire(AF_INET, &v4->sin_addr);
		state->endpoint_port = ntohs(v4->sin_port);
	} else {
		state->has_endpoint = false;
	}
}

static void read_peer(const struct nlattr *element, void *context)
{
	struct wireguard_state *state = context;
	struct attributes attributes;
	const void *key;
	const int64_t *time;

	attributes_of_nest(element, &attributes);
	key = attribute_bytes(&attributes, WGPEER_A_PUBLIC_KEY, WIREGUARD_KEY_SIZE);
	/* A peer with many allowed addresses is continued in the next message; ours never has many. */
	if (!key)
		return;
	state->peers++;
	memcpy(state->peer, key, WIREGUARD_KEY_SIZE);
	read_endpoint(&attributes, state);
	state->keepalive_s = attribute_u16(&attributes, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 0);
	time = attribute_bytes(&attributes, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(*time));
	if (time)
		memcpy(&state->handshake_s, time, sizeof(*time));
}

static int read_device(const struct nlmsghdr *header, void *context)
{
	struct wireguard_state *state = context;
	struct attributes attributes;
	const void *key;

	attributes_of_message(header, sizeof(struct genlmsghdr), &attributes);
	key = attribute_bytes(&attributes, WGDEVICE_A_PRIVATE_KEY, WIREGUARD_KEY_SIZE);
	if (key)
		memcpy(state->private_key, key, WIREGUARD_KEY_SIZE);
	state->listen_port = attribute_u16(&attributes, WGDEVICE_A_LISTEN_PORT, state->listen_port);
	if (attributes.by_type[WGDEVICE_A_PEERS])
		attributes_each(attributes.by_type[WGDEVICE_A_PEERS], read_peer, state);
	return 0;
}

static int get(const char *name, struct wireguard_state *state, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL;
	struct message message;
	uint16_t family = 0;
	int result = open_family(&netlink, &family, error);

	if (result < 0)
		return result;
	start(&message, family, WG_CMD_GET_DEVICE, name);
	return netlink_dump(netlink, &message, read_device, state, error);
}

const struct wireguard_driver wireguard_kernel = {
	.name = "wireguard",
	.link_kind = "wireguard",
	.create = create,
	.remove = remove_link,
	.set = set,
	.get = get,
};
