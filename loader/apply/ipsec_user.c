// SPDX-License-Identifier: Apache-2.0
/*
 * ESP in user space. charon owns a TUN device then, which it calls ipsec0, and every path that it opens it also writes down
 * as a route by the device of that name, into a table of its own. Nobody shall go by those routes: their table is asked for a
 * mark that no packet has. But they must be possible, or charon takes the path down again. Its device has become our
 * interface, under the tunnel's name; so an empty device without a function is left in its place, `held`, for the routes to
 * lead to. All peers' packets go by that one device, and charon chooses the peer by their addresses: hence one tunnel.
 */
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apply/child.h"
#include "apply/private.h"
#include "apply/room.h"
#include "apply/route.h"
#include "apply/sysctl.h"
#include "base/cleanup.h"
#include "base/log.h"

#define HELD_ALIAS  "held by homeward for strongSwan"
#define SOCKETS     4    /* ports 500 and 4500, of both families */
#define ROUTES      7779 /* the table, and the priority of the rule that leads to it */
#define ROUTES_TEXT "7779"
#define ROUTES_MARK "0x68775e7e" /* nobody's */

/* ---- Its device -------------------------------------------------------------------------------------------------- */

/* "iff:	ipsec0" stands in the description of the descriptor that owns the device. */
static bool read_device(const char *path, char name[IFNAMSIZ])
{
	_cleanup_fclose_ FILE *stream = fopen(path, "re");
	char line[128];

	while (stream && fgets(line, sizeof(line), stream))
		if (sscanf(line, "iff: %15s", name) == 1)
			return true;
	return false;
}

static bool find_device(pid_t pid, char name[IFNAMSIZ])
{
	char folder[64], path[96];
	_cleanup_closedir_ DIR *directory = NULL;
	const struct dirent *entry;

	snprintf(folder, sizeof(folder), "/proc/%d/fdinfo", pid);
	directory = opendir(folder);
	while (directory && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%.16s", folder, entry->d_name);
		if (entry->d_name[0] != '.' && read_device(path, name))
			return true;
	}
	return false;
}

static int find_held(const struct link *link, void *context)
{
	if (strcmp(link->alias, HELD_ALIAS) == 0)
		snprintf(context, IFNAMSIZ, "%s", link->name);
	return 0;
}

static int remove_held(struct apply *apply, struct error *error)
{
	char name[IFNAMSIZ] = "";
	int result = link_each(apply->netlink, find_held, name, error);

	return result < 0 || !*name ? result : link_remove(apply->netlink, name, error);
}

static int make_device(const char *name, struct error *error)
{
	_cleanup_close_ int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (descriptor < 0 || ioctl(descriptor, TUNSETIFF, &request) < 0 ||
		ioctl(descriptor, TUNSETPERSIST, 1) < 0)
		return error_errno(error, -errno, "the interface %s", name);
	return 0;
}

static int hold(struct netlink *netlink, const char *name, struct error *error)
{
	char held[IFNAMSIZ] = "";
	int result = link_each(netlink, find_held, held, error);

	if (result < 0 || *held)
		return result;
	result = make_device(name, error);
	if (result == 0)
		result = link_set_alias(netlink, name, HELD_ALIAS, error);
	if (result == 0)
		sysctl_write("ipv6", name, "addr_gen_mode", 1, NULL);
	return result < 0 ? result : link_set_up(netlink, name, true, error);
}

/* Down until it is opened: charon sets it up by itself, and nothing guards it yet. Nobody but us can have told it of a peer. */
static int take_device(struct apply *apply, const char *device, const char *name, struct error *error)
{
	char alias[64];
	int result;

	snprintf(alias, sizeof(alias), OUR_ALIAS " %s", device);
	result = link_set_alias(apply->netlink, device, alias, error);
	if (result == 0)
		result = link_set_up(apply->netlink, device, false, error);
	if (result == 0)
		result = link_rename(apply->netlink, device, name, error);
	return result < 0 ? result : hold(apply->netlink, device, error);
}

static void make_room(pid_t pid)
{
	int found = room_make(pid);

	if (found < SOCKETS / 2)
		log_warning("charon's sockets keep the room that the kernel gives them%s%s: packets that "
			    "come while it does not run may be lost",
			found < 0 ? ": " : "", found < 0 ? strerror(-found) : "");
}

/* ---- The driver -------------------------------------------------------------------------------------------------- */

static int check(struct apply *apply, struct error *error)
{
	(void)apply;
	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return error_errno(error, -errno,
			"this kernel has no ESP with XFRM interfaces, and strongSwan needs /dev/net/tun "
			"without (try: modprobe tun)");
	return 0;
}

static int create(struct apply *apply, const char *name, struct error *error)
{
	pid_t pid = ipsec_charon_start(apply, &ipsec_user, name, error);
	char device[IFNAMSIZ];
	int result = 0;

	if (pid < 0)
		return pid;
	if (!find_device(pid, device))
		result = error_set(error, -ENODEV,
			"charon made no device: its plugin kernel-libipsec is missing (try: apt install "
			"libcharon-extra-plugins), or /dev/net/tun is");
	if (result == 0)
		result = take_device(apply, device, name, error);
	if (result == 0)
		result = link_set_queue(apply->netlink, name, ROOM_PACKETS, error);
	if (result == 0)
		make_room(pid);
	else
		process_kill(pid, 0); /* and not forgotten: it waits before it is started again */
	return result;
}

/* It was started with its interface. */
static int serve(struct apply *apply, struct error *error)
{
	(void)apply;
	(void)error;
	return 0;
}

/* The interface goes with charon; one that nobody serves is removed by name. */
static int remove_interface(struct apply *apply, const char *name, struct error *error)
{
	struct link link = {0};
	int result = ipsec_charon_end(apply, error);

	if (result == 0 && link_find(apply->netlink, name, &link, NULL) == 0)
		result = link_remove(apply->netlink, name, error);
	return result;
}

static int adopt(struct apply *apply, const struct link *link, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL; /* apply's is being read just now */
	pid_t pid = child_pid(apply->children, link->name) ? 0 : ipsec_charon_pid(apply);
	int result;

	if (pid <= 0)
		return 0;
	make_room(pid); /* an earlier gwd may have done neither */
	result = netlink_open(NETLINK_ROUTE, 0, &netlink);
	if (result < 0)
		return error_errno(error, result, "netlink");
	result = hold(netlink, link->word, error);
	return result < 0 ? result : ipsec_charon_adopt(apply, link->name, error);
}

static int clean(struct apply *apply, struct error *error)
{
	rules_remove(apply->netlink, ROUTES, ROUTES); /* one that was killed left them */
	return remove_held(apply, error);
}

const struct ipsec_driver ipsec_user = {
	.name = "strongswan",
	.plugins = "kernel-libipsec kernel-netlink",
	.settings = "routing_table = " ROUTES_TEXT "\n  routing_table_prio = " ROUTES_TEXT,
	.plugin_settings = "kernel-libipsec { allow_peer_ts = yes }\n"
			   "    kernel-netlink { roam_events = no\n      fwmark = " ROUTES_MARK " }",
	.one_tunnel = true,
	.mtu_most =
		1400, /* it reads what goes out into a buffer of that size, and drops what is larger without a word */
	.check = check,
	.create = create,
	.serve = serve,
	.remove = remove_interface,
	.adopt = adopt,
	.clean = clean,
};
