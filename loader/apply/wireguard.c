// SPDX-License-Identifier: Apache-2.0
#include "apply/wireguard.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "apply/key.h"
#include "base/cleanup.h"
#include "base/log.h"

static const struct wireguard_driver *const drivers[] = {&wireguard_kernel, &wireguard_go};

const struct wireguard_driver *wireguard_driver_of(const struct link *link)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(link->kind, drivers[i]->link_kind) == 0)
			return drivers[i];
	return NULL;
}

/* NULL, and why in *result, when there is no such interface or it is of another kind. */
static const struct wireguard_driver *find_driver(
	struct netlink *netlink, const char *name, int *result, struct error *error)
{
	const struct wireguard_driver *driver;
	struct link link = {0};

	*result = link_find(netlink, name, &link, error);
	if (*result == -ENODEV)
		error_set(error, *result, "there is no interface %s", name);
	if (*result < 0)
		return NULL;
	driver = wireguard_driver_of(&link);
	if (!driver)
		*result = error_set(error, -EINVAL, "%s is no WireGuard interface but %s", name, link.kind);
	return driver;
}

int wireguard_create(
	struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	int result = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(drivers) && result == -EOPNOTSUPP; i++)
		result = drivers[i]->create(netlink, children, name, error);
	return result;
}

int wireguard_adopt(struct children *children, const struct link *link, struct error *error)
{
	const struct wireguard_driver *driver = wireguard_driver_of(link);

	return driver && driver->adopt ? driver->adopt(children, link->name, error) : 0;
}

int wireguard_open(struct netlink *netlink, const char *name, struct error *error)
{
	int result;
	const struct wireguard_driver *driver = find_driver(netlink, name, &result, error);

	if (!driver)
		return result;
	result = link_set_up(netlink, name, true, error);
	if (result == 0 && driver->opened)
		driver->opened(name);
	return result;
}

int wireguard_remove(
	struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	int result;
	const struct wireguard_driver *driver = find_driver(netlink, name, &result, error);

	if (!driver)
		return result == -ENODEV ? 0 : result;
	return driver->remove(netlink, children, name, error);
}

/* A peer that is there already is kept with its session: only what is really new is begun anew. */
static bool is_same_peer(const struct wireguard_state *state, const struct wireguard_settings *settings)
{
	return state->peers == 1 && settings->has_peer &&
	       memcmp(state->peer, settings->peer, WIREGUARD_KEY_SIZE) == 0;
}

static int read_settings(const struct item *item, struct wireguard_settings *settings, struct error *error)
{
	const struct item_wireguard *wireguard = &item->wireguard;

	settings->listen_port = wireguard->listen_port;
	settings->keepalive_s = wireguard->keepalive_s;
	settings->has_peer = key_parse(wireguard->peer_public_key, settings->peer) == 0;
	if (wireguard->tunnel && wireguard->has_endpoint) {
		settings->has_endpoint = true;
		settings->endpoint_address = wireguard->tunnel->wireguard.endpoint_address;
		settings->endpoint_port = wireguard->tunnel->wireguard.endpoint_port;
	}
	if (!wireguard->private_key_file)
		return 0;
	settings->has_private_key = true;
	return key_file_read(wireguard->private_key_file, settings->private_key, error);
}

int wireguard_configure(struct netlink *netlink, const struct item *item, struct error *error)
{
	struct wireguard_settings settings = {0};
	struct wireguard_state state = {0};
	int result;
	const struct wireguard_driver *driver = find_driver(netlink, item->interface, &result, error);

	if (!driver)
		return result;
	result = read_settings(item, &settings, error);
	settings.new_peer =
		driver->get(item->interface, &state, NULL) < 0 || !is_same_peer(&state, &settings);
	if (result == 0)
		result = driver->set(item->interface, &settings, error);
	sodium_memzero(&settings, sizeof(settings));
	sodium_memzero(&state, sizeof(state));
	return result;
}

int wireguard_remember(
	struct netlink *netlink, const char *name, struct wireguard_settings *settings, struct error *error)
{
	struct wireguard_state state = {0};
	int result;
	const struct wireguard_driver *driver = find_driver(netlink, name, &result, error);

	if (!driver)
		return result;
	result = driver->get(name, &state, error);
	*settings = (struct wireguard_settings){
		.has_private_key = true,
		.listen_port = state.listen_port,
		.keepalive_s = state.keepalive_s,
		.has_peer = state.peers == 1,
		.has_endpoint = state.has_endpoint,
		.endpoint_address = state.endpoint_address,
		.endpoint_port = state.endpoint_port,
	};
	memcpy(settings->private_key, state.private_key, WIREGUARD_KEY_SIZE);
	memcpy(settings->peer, state.peer, WIREGUARD_KEY_SIZE);
	sodium_memzero(&state, sizeof(state));
	return result;
}

int wireguard_restore(struct netlink *netlink, const char *name, const struct wireguard_settings *remembered,
	struct error *error)
{
	struct wireguard_settings settings = *remembered;
	struct wireguard_state state = {0};
	int result;
	const struct wireguard_driver *driver = find_driver(netlink, name, &result, error);

	if (!driver)
		return result;
	/* An endpoint cannot be taken from a peer: then the peer is made anew. */
	settings.new_peer = driver->get(name, &state, NULL) < 0 || !is_same_peer(&state, &settings) ||
			    (state.has_endpoint && !settings.has_endpoint);
	result = driver->set(name, &settings, error);
	sodium_memzero(&settings, sizeof(settings));
	sodium_memzero(&state, sizeof(state));
	return result;
}

/*
 * Public keys are compared: a device clamps its private key (RFC 7748, 5), a file may hold it as it was before. A file that cannot
 * be read now says nothing against the key that is there: an apply has read it before, and healing has other things to heal.
 */
static bool holds_key(const struct wireguard_state *state, const char *path)
{
	uint8_t key[KEY_SIZE], wanted[KEY_SIZE], held[KEY_SIZE];
	bool is_readable = key_file_read(path, key, NULL) == 0;
	bool holds = !is_readable ? !sodium_is_zero(state->private_key, KEY_SIZE)
				  : crypto_scalarmult_base(wanted, key) == 0 &&
					    crypto_scalarmult_base(held, state->private_key) == 0 &&
					    memcmp(wanted, held, sizeof(wanted)) == 0;

	sodium_memzero(key, sizeof(key));
	return holds;
}

static void observe_state(
	const struct wireguard_state *state, const struct tunnel *wanted, struct item_wireguard *item)
{
	if (wanted && holds_key(state, wanted->wireguard.private_key_file))
		item->private_key_file = wanted->wireguard.private_key_file;
	item->tunnel = wanted;
	item->listen_port = state->listen_port;
	item->keepalive_s = state->keepalive_s;
	item->has_endpoint = state->has_endpoint;
	if (state->peers == 1)
		sodium_bin2base64(item->peer_public_key, sizeof(item->peer_public_key), state->peer,
			sizeof(state->peer), sodium_base64_VARIANT_ORIGINAL);
}

int wireguard_observe(
	const struct link *link, const struct tunnel *wanted, struct item *item, struct error *error)
{
	const struct wireguard_driver *driver = wireguard_driver_of(link);
	struct wireguard_state state = {0};
	int result;

	if (!driver)
		return error_set(error, -EINVAL, "%s is no WireGuard interface", link->name);
	result = driver->get(link->name, &state, error);
	*item = (struct item){.kind = ITEM_WIREGUARD};
	snprintf(item->interface, sizeof(item->interface), "%s", link->name);
	if (result == 0)
		observe_state(&state, wanted, &item->wireguard);
	sodium_memzero(&state, sizeof(state));
	return result;
}

uint64_t wireguard_handshake_age(const struct link *link)
{
	const struct wireguard_driver *driver = wireguard_driver_of(link);
	struct wireguard_state state = {0};
	uint64_t age = UINT64_MAX;
	time_t now = time(NULL);

	if (driver && driver->get(link->name, &state, NULL) == 0 && state.handshake_s > 0)
		age = now > state.handshake_s ? (uint64_t)(now - state.handshake_s) * 1000 : 0;
	sodium_memzero(&state, sizeof(state));
	return age;
}
