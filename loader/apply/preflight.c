// SPDX-License-Identifier: Apache-2.0
/*
 * What would make the plan fail half-way, said before anything is made: a row a check, the first that fails speaks.
 * Each names the thing and what to try. (BIRD is looked for by bird/, which knows where it may be.)
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "apply/bpf.h"
#include "apply/key.h"
#include "apply/link.h"
#include "apply/private.h"
#include "apply/sysctl.h"
#include "base/cleanup.h"

struct question {
	const struct model *model, *in_force; /* in_force: NULL at a start */
};

typedef int check(struct apply *apply, const struct question *question, struct error *error);

/* ---- The machine ------------------------------------------------------------------------------------------------- */

static int check_bpffs(struct apply *apply, const struct question *question, struct error *error)
{
	_cleanup_free_ char *copy = strdup(apply->pin_dir);
	struct statfs status;
	const char *parent;

	(void)question;
	if (!copy)
		return error_errno(error, -ENOMEM, "%s", apply->pin_dir);
	parent = dirname(copy);
	if (statfs(apply->pin_dir, &status) < 0 && statfs(parent, &status) < 0)
		return error_errno(error, -errno, "%s, where %s shall be made", parent, apply->pin_dir);
	if (status.f_type != BPF_FS_MAGIC)
		return error_set(error, -EINVAL, "%s is not on a bpffs; try: mount -t bpf bpf /sys/fs/bpf",
			apply->pin_dir);
	return 0;
}

static int check_kernel(struct apply *apply, const struct question *question, struct error *error)
{
	(void)apply;
	(void)question;
	return bpf_probe(error);
}

static bool is_in_path(const char *program)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *rest = NULL, file[512];

	for (char *part = copy ? strtok_r(copy, ":", &rest) : NULL; part; part = strtok_r(NULL, ":", &rest)) {
		snprintf(file, sizeof(file), "%s/%s", part, program);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static bool has_wireguard(const struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (!model->tunnels[i].ipsec.enabled)
			return true;
	return false;
}

static int check_wireguard(struct apply *apply, const struct question *question, struct error *error)
{
	_cleanup_close_ int tun = -1;

	if (!has_wireguard(question->model))
		return 0;
	/* Whether the kernel has it (or loads it now) is known only by trying. */
	if (link_try(apply->netlink, "wireguard", 0, NULL) == 0)
		return 0;
	if (!is_in_path("wireguard-go"))
		return error_set(error, -ENOENT,
			"this kernel has no WireGuard and wireguard-go is not in "
			"PATH; try: modprobe wireguard, or apt install wireguard-go");
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0)
		return error_errno(error, -errno,
			"this kernel has no WireGuard, and wireguard-go "
			"needs /dev/net/tun (try: modprobe tun)");
	return 0;
}

/* ---- Interfaces -------------------------------------------------------------------------------------------------- */

static int check_free(struct apply *apply, const char *name, struct error *error)
{
	struct link link = {0};
	int result = link_find(apply->netlink, name, &link, error);

	if (result == -ENODEV || (result == 0 && link.ours))
		return 0;
	if (result < 0)
		return result;
	return error_set(error, -EEXIST,
		"the interface %s is there and not of Homeward's "
		"making; try: ip link delete %s, or another name",
		name, name);
}

static int check_names(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	int result = check_free(apply, HOME_INTERFACE, error);

	for (size_t i = 0; i < model->tunnel_count && result == 0; i++)
		result = check_free(apply, model->tunnels[i].name, error);
	return result;
}

/* What must be carried between members: a packet of the array as it is relayed. Alone nothing is relayed. */
static uint32_t relay_mtu(const struct model *model)
{
	const struct member *self = model_member_by_number(model, model->number);

	if (!model_has_members(model) || !self)
		return 0;
	return model->array.mtu + bpf_relay_overhead(address_family(&self->address));
}

static int check_room(
	const char *what, const struct link *link, const struct model *model, struct error *error)
{
	uint32_t needed = relay_mtu(model);

	if (link->mtu >= needed)
		return 0;
	return error_set(error, -EMSGSIZE,
		"the %s %s has an MTU of %u; packets of the array (array.mtu: %u) need %u "
		"there when they are relayed; try: ip link set %s mtu %u, or array.mtu: %u",
		what, link->name, link->mtu, model->array.mtu, needed, link->name, needed,
		link->mtu - (needed - model->array.mtu));
}

/* 1: it is lost just now, and was in use: nothing to be said of it. */
static int find_uplink(struct apply *apply, const struct question *question, const char *what,
	const char *name, struct link *link, struct error *error)
{
	int result = link_find(apply->netlink, name, link, error);

	if (result == -ENODEV && question->in_force && model_has_interface(question->in_force, name))
		return 1;
	if (result == -ENODEV)
		return error_set(error, result, "the %s %s: there is no such interface", what, name);
	return result;
}

static int check_uplinks(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	struct link link = {0};
	int result = 0;

	for (size_t i = 0; i < model->uplink_count && result >= 0; i++) {
		result = find_uplink(apply, question, "uplink", model->uplinks[i], &link, error);
		if (result == 0 && !model->array.underlay)
			result = check_room("uplink", &link, model, error);
	}
	return result < 0 ? result : 0;
}

static int check_lans(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	struct link link = {0};
	int result = 0;

	for (size_t i = 0; i < model_lan_count(model) && result >= 0; i++) {
		result = find_uplink(apply, question, "LAN's interface", model_lan(model, i), &link, error);
		if (result == 0 && !link.has_headers)
			return error_set(error, -EINVAL,
				"the LAN's interface %s has no Ethernet "
				"headers: egress.from takes Ethernet interfaces",
				link.name);
	}
	return result < 0 ? result : 0;
}

static bool has_v6_destination(const struct egress_group *group)
{
	for (size_t i = 0; i < group->destination_count; i++)
		if (!address_is_v4(&group->destinations[i].address))
			return true;
	return false;
}

/*
 * IPv4 is forwarded from the interfaces that say so, and links do. IPv6 only where all interfaces of the machine do: what
 * that opens is more than ours, so the operator says it.
 */
static int check_forwarding(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	int all = 0;

	(void)apply;
	for (size_t i = 0; i < model->egress_count; i++) {
		if (!has_v6_destination(&model->egress[i]))
			continue;
		if (sysctl_read("ipv6", "all", "forwarding", &all, error) == 0 && all)
			return 0;
		return error_set(error, -EINVAL,
			"the egress group %s has an IPv6 destination, and this machine forwards no IPv6; "
			"try: sysctl -w net.ipv6.conf.all.forwarding=1 (interfaces that learn their routes "
			"by router advertisements need accept_ra=2 then)",
			model->egress[i].name);
	}
	return 0;
}

/* Its addresses are the operator's business: BIRD waits for them. One that is lost just now was there before. */
static int check_routers(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;

	for (size_t i = 0; i < model->router_count; i++) {
		const struct router *router = &model->routers[i];
		struct link link = {0};
		int result = link_find(apply->netlink, router->interface, &link, error);

		if (result == -ENODEV && question->in_force &&
			model_router_by_name(question->in_force, router->name))
			continue;
		if (result == -ENODEV)
			return error_set(error, result, "the router %s: there is no interface %s",
				router->name, router->interface);
		if (result < 0)
			return result;
	}
	return 0;
}

struct underlay_search {
	const struct address *address;
	uint32_t index;
	bool found;
};

static int find_own_address(uint32_t index, const struct prefix *prefix, bool ours, void *context)
{
	struct underlay_search *search = context;

	(void)ours;
	search->found |= index == search->index && address_equal(&prefix->address, search->address);
	return 0;
}

static int check_underlay_address(
	struct apply *apply, const struct question *question, const struct link *link, struct error *error)
{
	const struct model *model = question->model;
	const struct member *self = model_member_by_number(model, model->number);
	struct underlay_search search = {&self->address, link->index, false};
	char text[ADDRESS_TEXT_SIZE];
	int result = address_each(apply->netlink, find_own_address, &search, error);

	if (result < 0 || search.found ||
		(question->in_force && model_has_interface(question->in_force, link->name)))
		return result;
	address_format(&self->address, text);
	return error_set(error, -EADDRNOTAVAIL,
		"the underlay %s does not have this gateway's address in array.gateways, %s; "
		"try: ip address add %s dev %s, with the prefix length of all members' addresses",
		link->name, text, text, link->name);
}

static int check_underlay(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	struct link link = {0};
	int result;

	if (!model->array.underlay)
		return 0;
	result = find_uplink(apply, question, "underlay", model->array.underlay, &link, error);
	if (result != 0)
		return result < 0 ? result : 0;
	if (link.has_headers)
		return error_set(error, -EINVAL,
			"the underlay %s is no WireGuard interface; "
			"try: uplinks: [%s], without array.underlay",
			link.name, link.name);
	result = check_room("underlay", &link, model, error);
	return result < 0 ? result : check_underlay_address(apply, question, &link, error);
}

/* ---- Addresses and keys ------------------------------------------------------------------------------------------ */

struct address_search {
	const struct model *model;
	struct error *error;
};

static int refuse_elsewhere(uint32_t index, const struct prefix *prefix, bool ours, void *context)
{
	const struct address_search *search = context;
	const struct model *model = search->model;
	char name[IFNAMSIZ], text[ADDRESS_TEXT_SIZE];

	(void)ours;
	if (!if_indextoname(index, name) || strcmp(name, LOOPBACK_INTERFACE) == 0)
		return 0;
	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++)
			if (address_equal(&model->loopbacks[i].addresses[j], &prefix->address))
				return error_set(search->error, -EADDRINUSE,
					"the loopback %s stands on the interface %s; "
					"it belongs on %s, where Homeward puts it",
					address_format(&prefix->address, text), name, LOOPBACK_INTERFACE);
	return 0;
}

/* What is ours by configuration was looked at there. */
static int refuse_destination(uint32_t index, const struct prefix *prefix, bool ours, void *context)
{
	const struct address_search *search = context;
	const struct model *model = search->model;
	char name[IFNAMSIZ], text[ADDRESS_TEXT_SIZE], wide[PREFIX_TEXT_SIZE];

	if (ours || !if_indextoname(index, name) || strcmp(name, LOOPBACK_INTERFACE) == 0)
		return 0;
	for (size_t i = 0; i < model->egress_count; i++)
		for (size_t j = 0; j < model->egress[i].destination_count; j++)
			if (prefix_contains(&model->egress[i].destinations[j], &prefix->address))
				return error_set(search->error, -EADDRINUSE,
					"the egress group %s has the destination %s, and "
					"this machine's own %s on %s lies within: what the "
					"LAN sends to the machine would go into a tunnel",
					model->egress[i].name,
					prefix_format(&model->egress[i].destinations[j], wide),
					address_format(&prefix->address, text), name);
	return 0;
}

static int check_addresses(struct apply *apply, const struct question *question, struct error *error)
{
	static const address_callback callbacks[] = {refuse_elsewhere, refuse_destination};
	struct address_search search = {question->model, error};
	struct error words = {0};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(callbacks) && result == 0; i++)
		result = address_each(apply->netlink, callbacks[i], &search, &words);
	/* The callback's words say more than those of the reading that it ended. */
	if (result < 0 && result != -EADDRINUSE)
		return error_set(error, result, "%s", words.text);
	return result;
}

static int check_keys(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;
	uint8_t key[KEY_SIZE];
	int result = 0;

	(void)apply;
	for (size_t i = 0; i < model->tunnel_count && result == 0; i++)
		if (!model->tunnels[i].ipsec.enabled)
			result = key_file_read(model->tunnels[i].wireguard.private_key_file, key, error);
	sodium_memzero(key, sizeof(key));
	return result;
}

static int check_ipsec(struct apply *apply, const struct question *question, struct error *error)
{
	const struct model *model = question->model;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		if (!model->tunnels[i].ipsec.enabled)
			continue;
		if (!is_in_path("charon-systemd"))
			return error_set(error, -ENOENT,
				"the tunnel %s is IPsec, and strongSwan's charon-systemd "
				"is not in PATH; try: apt install charon-systemd "
				"libcharon-extra-plugins libstrongswan-standard-plugins",
				model->tunnels[i].name);
	}
	return ipsec_check(apply, model, question->in_force, error);
}

/* EINTR: the kernel's tables changed while they were read. */
static int ask(check *judge, struct apply *apply, const struct question *question, struct error *error)
{
	int result, tries = 10;

	do
		result = judge(apply, question, error);
	while (result == -EINTR && --tries > 0);
	return result;
}

int apply_preflight(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error)
{
	const struct question question = {model, in_force};
	static check *const checks[] = {check_bpffs, check_kernel, check_wireguard, check_names,
		check_uplinks, check_lans, check_forwarding, check_underlay, check_routers, check_addresses,
		check_keys, check_ipsec};
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(checks) && result == 0; i++)
		result = ask(checks[i], apply, &question, error);
	return result;
}
