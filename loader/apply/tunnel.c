// SPDX-License-Identifier: Apache-2.0
#include "apply/tunnel.h"

#include <errno.h>

#include "apply/ipsec.h"
#include "apply/private.h"
#include "apply/wireguard.h"
#include "base/cleanup.h"

/* ---- WireGuard, whose own two drivers are told apart in wireguard.c ---------------------------------------------- */

static bool is_wireguard(const struct link *link)
{
	return wireguard_driver_of(link) != NULL;
}

static int create_wireguard(struct apply *apply, const char *name, struct error *error)
{
	return wireguard_create(apply->netlink, apply->children, name, error);
}

static int remove_wireguard(struct apply *apply, const char *name, struct error *error)
{
	return wireguard_remove(apply->netlink, apply->children, name, error);
}

static int adopt_wireguard(struct apply *apply, const struct link *link, struct error *error)
{
	return wireguard_adopt(apply->children, link, error);
}

static int open_wireguard(struct apply *apply, const char *name, struct error *error)
{
	return wireguard_open(apply->netlink, name, error);
}

static int observe_wireguard(
	struct apply *apply, const struct link *link, const struct tunnel *wanted, struct item *item)
{
	(void)apply;
	return wireguard_observe(link, wanted, item, NULL);
}

static void refresh_wireguard(struct apply *apply, const struct link *link, struct tunnel_status *status)
{
	(void)apply;
	status->driver = wireguard_driver_of(link)->name;
	status->handshake_age_ms = wireguard_handshake_age(link);
}

static const struct tunnel_kind tunnel_wireguard = {
	.role = LINK_TUNNEL,
	.serves = is_wireguard,
	.create = create_wireguard,
	.remove = remove_wireguard,
	.adopt = adopt_wireguard,
	.open = open_wireguard,
	.observe = observe_wireguard,
	.refresh = refresh_wireguard,
};

/* ---- All --------------------------------------------------------------------------------------------------------- */

/* IPsec's interface is a TUN as wireguard-go's is, and says more of itself: so it comes first. */
static const struct tunnel_kind *const kinds[] = {&tunnel_ipsec, &tunnel_wireguard};

const struct tunnel_kind *tunnel_kind(enum link_role role)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i]->role == role)
			return kinds[i];
	return NULL;
}

const struct tunnel_kind *tunnel_kind_of(const struct link *link)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i]->serves(link))
			return kinds[i];
	return NULL;
}

int tunnel_open(struct apply *apply, const char *name, struct error *error)
{
	const struct tunnel_kind *kind;
	struct link link = {0};
	int result = link_find(apply->netlink, name, &link, error);

	if (result == -ENODEV)
		error_set(error, result, "there is no interface %s", name);
	if (result < 0)
		return result;
	kind = tunnel_kind_of(&link);
	return kind ? kind->open(apply, name, error)
		    : error_set(error, -EINVAL, "%s is no tunnel but %s", name, link.kind);
}
