// SPDX-License-Identifier: Apache-2.0
/*
 * Programs to interfaces. TC programs go by TCX (kernel 6.6 and later: a link, replaced atomically) or by a clsact
 * filter (every kernel); which one is found out by trying. XDP: bpf_xdp.c.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "apply/bpf.h"
#include "apply/bpf_generation.h"
#include "apply/bpf_xdp.h"
#include "base/cleanup.h"
#include "base/privilege.h"

/* libbpf 1.1 and its headers do not know TCX yet: the kernel's numbers. */
#define TCX_INGRESS   46
#define TCX_EGRESS    47
#define LINK_TYPE_TCX 11

#define FILTER_HANDLE   0x4857 /* "HW": by this we know our filter again */
#define FILTER_PRIORITY 1

static bool is_egress(enum program program)
{
	return program == PROGRAM_RETURN_EGRESS;
}

static int require_index(const char *interface, struct error *error)
{
	int index = if_nametoindex(interface);

	return index ? index : error_set(error, -ENODEV, "there is no interface %s", interface);
}

/* ---- TCX --------------------------------------------------------------------------------------------------------- */

/* -ENOENT when there is no link, or its interface is gone. */
static int tcx_open(const char *pin_dir, enum program program, int index)
{
	struct pin pin = pin_link(pin_dir, program_name(program), index);
	_cleanup_close_ int link = bpf_obj_get(pin.path);
	struct bpf_link_info information = {0};
	uint32_t size = sizeof(information);

	if (link < 0 || bpf_obj_get_info_by_fd(link, &information, &size) < 0)
		return -ENOENT;
	/* A TCX link's interface stands where an XDP link's does: first in the union. */
	if (information.type != LINK_TYPE_TCX || (int)information.xdp.ifindex != index)
		return -ENOENT;
	return TAKE_FD(link);
}

static int tcx_create(
	const char *pin_dir, enum program program, int index, int descriptor, struct error *error)
{
	struct pin pin = pin_link(pin_dir, program_name(program), index);
	_cleanup_close_ int link =
		bpf_link_create(descriptor, index, is_egress(program) ? TCX_EGRESS : TCX_INGRESS, NULL);

	if (link < 0)
		return error_errno(error, -errno, "TCX");
	unlink(pin.path); /* of an interface that had this index and is gone */
	if (bpf_obj_pin(link, pin.path) < 0)
		return error_errno(error, -errno, "pinning %s", pin.path);
	return 0;
}

static int tcx_attach(
	const char *pin_dir, enum program program, int index, int descriptor, struct error *error)
{
	_cleanup_close_ int link = tcx_open(pin_dir, program, index);

	if (link < 0)
		return tcx_create(pin_dir, program, index, descriptor, error);
	if (bpf_link_update(link, descriptor, NULL) < 0)
		return error_errno(error, -errno, "TCX");
	return 0;
}

static int tcx_detach(const char *pin_dir, enum program program, int index, struct error *error)
{
	struct pin pin = pin_link(pin_dir, program_name(program), index);
	_cleanup_close_ int link = tcx_open(pin_dir, program, index);

	if (link >= 0 && bpf_link_detach(link) < 0)
		return error_errno(error, -errno, "TCX");
	unlink(pin.path);
	return 0;
}

static void unpin_if_gone(const char *path)
{
	_cleanup_close_ int link = bpf_obj_get(path);
	struct bpf_link_info information = {0};
	uint32_t size = sizeof(information);

	if (link >= 0 && bpf_obj_get_info_by_fd(link, &information, &size) == 0 &&
		information.type == LINK_TYPE_TCX && information.xdp.ifindex == 0)
		unlink(path);
}

void bpf_unpin_gone(const char *pin_dir)
{
	struct pin links = pin_in(pin_dir, LINKS_DIRECTORY);
	_cleanup_closedir_ DIR *directory = opendir(links.path);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_type == DT_REG)
			unpin_if_gone(pin_in(links.path, entry->d_name).path);
}

/* ---- clsact ------------------------------------------------------------------------------------------------------ */

static struct bpf_tc_hook tc_hook(enum program program, int index)
{
	return (struct bpf_tc_hook){.sz = sizeof(struct bpf_tc_hook),
		.ifindex = index,
		.attach_point = is_egress(program) ? BPF_TC_EGRESS : BPF_TC_INGRESS};
}

static bool is_program(int descriptor, enum program program)
{
	struct bpf_prog_info information = {0};
	uint32_t size = sizeof(information);

	/* The kernel keeps 15 characters of a name, and none of ours is longer. */
	return descriptor >= 0 && bpf_obj_get_info_by_fd(descriptor, &information, &size) == 0 &&
	       strncmp(information.name, program_name(program), sizeof(information.name)) == 0;
}

/* A descriptor of our program there, which the caller closes; negative: there is none. */
static int clsact_program(enum program program, int index)
{
	struct bpf_tc_hook hook = tc_hook(program, index);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	_cleanup_close_ int descriptor =
		bpf_tc_query(&hook, &options) == 0 ? bpf_prog_get_fd_by_id(options.prog_id) : -ENOENT;

	return is_program(descriptor, program) ? TAKE_FD(descriptor) : -ENOENT;
}

static bool clsact_is_attached(enum program program, int index)
{
	_cleanup_close_ int descriptor = clsact_program(program, index);

	return descriptor >= 0;
}

static int count_filter(const struct nlmsghdr *header, void *context)
{
	(void)header;
	++*(int *)context;
	return 0;
}

/* The qdisc may be another's too: it goes only when no filter is left in it. */
static void remove_empty_clsact(int index)
{
	static const uint32_t parents[] = {
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = index, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL;
	struct message message;
	int filters = 0;

	if (netlink_open(NETLINK_ROUTE, 0, &netlink) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		struct tcmsg header = {.tcm_ifindex = index, .tcm_parent = parents[i]};

		message_start(&message, RTM_GETTFILTER, 0, &header, sizeof(header));
		if (netlink_dump(netlink, &message, count_filter, &filters, NULL) < 0)
			return;
	}
	if (filters == 0)
		bpf_tc_hook_destroy(&both);
}

static int clsact_attach(enum program program, int index, int descriptor, struct error *error)
{
	struct bpf_tc_hook hook = tc_hook(program, index);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		.prog_fd = descriptor, .flags = BPF_TC_F_REPLACE);
	int result = bpf_tc_hook_create(&hook);

	if (result < 0 && result != -EEXIST)
		return bpf_words_error(error, result, "clsact");
	result = bpf_tc_attach(&hook, &options);
	if (result == 0)
		return 0;
	bpf_words_error(error, result, "clsact");
	remove_empty_clsact(index);
	return result;
}

static int clsact_detach(enum program program, int index, struct error *error)
{
	struct bpf_tc_hook hook = tc_hook(program, index);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int result = bpf_tc_detach(&hook, &options);

	if (result < 0 && result != -ENOENT)
		return bpf_words_error(error, result, "clsact");
	remove_empty_clsact(index);
	return 0;
}

/* ---- One way in -------------------------------------------------------------------------------------------------- */

/* ATTACH_AUTO: not attached. */
static enum attach_mode attached_mode(const char *pin_dir, enum program program, int index)
{
	_cleanup_close_ int link = tcx_open(pin_dir, program, index);

	if (link >= 0)
		return ATTACH_TCX;
	return clsact_is_attached(program, index) ? ATTACH_CLSACT : ATTACH_AUTO;
}

static int tc_attach(const char *pin_dir, const struct item *item, int index, struct error *error)
{
	enum program program = item->attachment.program;
	enum attach_mode mode = item->attachment.mode;
	struct pin pin = generation_pin(pin_dir, program_name(program), item->attachment.generation);
	_cleanup_close_ int descriptor = pin_open(&pin, error);
	int result;

	if (descriptor < 0)
		return descriptor;
	if (mode == ATTACH_CLSACT || attached_mode(pin_dir, program, index) == ATTACH_CLSACT)
		return clsact_attach(program, index, descriptor, error);
	result = tcx_attach(pin_dir, program, index, descriptor, error);
	if (result != -EINVAL)
		return result;
	/* A kernel that does not know the attach type. */
	if (mode == ATTACH_TCX)
		return error_set(
			error, -EOPNOTSUPP, "this kernel has no TCX (6.6 and later do); try: attach: auto");
	return clsact_attach(program, index, descriptor, error);
}

int bpf_attach(const char *pin_dir, const struct item *item, struct error *error)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	int index = require_index(item->interface, error);

	if (index < 0)
		return index;
	bpf_words_keep();
	if (item->attachment.program == PROGRAM_UPLINK_XDP)
		return xdp_attach(pin_dir, item, index, error);
	return tc_attach(pin_dir, item, index, error);
}

int bpf_detach(const char *pin_dir, const struct item *item, struct error *error)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	int index = if_nametoindex(item->interface);
	enum program program = item->attachment.program;

	if (!index)
		return 0;
	bpf_words_keep();
	if (program == PROGRAM_UPLINK_XDP)
		return xdp_detach(pin_dir, index, error);
	if (clsact_is_attached(program, index))
		return clsact_detach(program, index, error);
	return tcx_detach(pin_dir, program, index, error);
}

static int tcx_program(const char *pin_dir, enum program program, int index)
{
	_cleanup_close_ int link = tcx_open(pin_dir, program, index);
	struct bpf_link_info information = {0};
	uint32_t size = sizeof(information);

	if (link < 0 || bpf_obj_get_info_by_fd(link, &information, &size) < 0)
		return -ENOENT;
	return bpf_program_by_id(information.prog_id);
}

static int observe_tc(const char *pin_dir, int index, struct item *item, struct items *items)
{
	enum program program = item->attachment.program;
	_cleanup_close_ int descriptor = -1;

	item->attachment.mode = attached_mode(pin_dir, program, index);
	if (item->attachment.mode == ATTACH_AUTO)
		return 0;
	if (item->attachment.mode == ATTACH_TCX)
		descriptor = tcx_program(pin_dir, program, index);
	else
		descriptor = clsact_program(program, index);
	generation_observe(pin_dir, item, program_name(program), descriptor);
	return items_add(items, item);
}

int bpf_observe_attachments(const char *pin_dir, const char *interface, struct items *items)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	int index = if_nametoindex(interface), result = 0;
	struct item item = {.kind = ITEM_ATTACHMENT};

	bpf_words_keep();
	snprintf(item.interface, sizeof(item.interface), "%s", interface);
	for (enum program program = 0; program < PROGRAM_UPLINK_XDP && result == 0; program++) {
		item.attachment.program = program;
		result = observe_tc(pin_dir, index, &item, items);
	}
	item.attachment.program = PROGRAM_UPLINK_XDP;
	return result == 0 ? xdp_observe(pin_dir, index, &item, items) : result;
}
