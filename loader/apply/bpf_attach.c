// SPDX-License-Identifier: Apache-2.0
/*
 * Programs to interfaces. TC programs go by TCX (kernel 6.6 and later: a link, replaced atomically) or by a clsact
 * filter (every kernel); which one is found out by trying. XDP goes through libxdp: its dispatcher, which shares
 * the hook, where the kernel can do that, else alone; native first, then generic.
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
#include <xdp/libxdp.h>

#include "apply/bpf.h"
#include "apply/bpf_generation.h"
#include "apply/bpf_turning.h"
#include "base/cleanup.h"
#include "base/privilege.h"
#include "bpf/uplink_xdp.skel.h"

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

/* Of a generation; 0: of the current one. */
static struct pin pin_of(const char *pin_dir, enum program program, uint64_t generation)
{
	if (generation && generation_exists(pin_dir, generation))
		return pin_in(generation_directory(pin_dir, generation).path, program_name(program));
	return pin_program(pin_dir, program_name(program));
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
	DIR *directory = opendir(links.path);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_type == DT_REG)
			unpin_if_gone(pin_in(links.path, entry->d_name).path);
	if (directory)
		closedir(directory);
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

/* ---- XDP --------------------------------------------------------------------------------------------------------- */

static void close_skeleton(struct uplink_xdp_bpf **skeleton)
{
	uplink_xdp_bpf__destroy(*skeleton);
}

static void close_program(struct xdp_program **program)
{
	if (!libxdp_get_error(*program))
		xdp_program__close(*program);
}

static void close_multiprog(struct xdp_multiprog **multiprog)
{
	if (!libxdp_get_error(*multiprog))
		xdp_multiprog__close(*multiprog);
}

/* Whether the descriptor is one of this program. */
static bool is_of_id(int descriptor, uint32_t id)
{
	struct bpf_prog_info information = {0};
	uint32_t size = sizeof(information);

	return bpf_obj_get_info_by_fd(descriptor, &information, &size) == 0 && information.id == id;
}

/*
 * libxdp 1.3.1 keeps a duplicate of the program's descriptor and forgets the first one, which is the lowest that was
 * free before: we ask at each status, and a daemon lives long. Later versions close it themselves.
 */
static void close_forgotten(int lowest, const struct xdp_multiprog *multiprog)
{
	const struct xdp_program *program =
		libxdp_get_error(multiprog) ? NULL : xdp_multiprog__main_prog(multiprog);

	if (program && lowest != xdp_program__fd(program) && is_of_id(lowest, xdp_program__id(program)))
		close(lowest);
}

static struct xdp_multiprog *open_multiprog(int index)
{
	int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct xdp_multiprog *multiprog;

	if (lowest >= 0)
		close(lowest);
	multiprog = xdp_multiprog__get_from_ifindex(index);
	close_forgotten(lowest, multiprog);
	return multiprog;
}

/* The one that is wanted, and what hangs in its place where that cannot be had: bpf/uplink_xdp.bpf.c. */
static const char *const xdp_programs[] = {"uplink_xdp", "uplink_guard"};

static bool is_ours(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(xdp_programs); i++)
		if (strcmp(name, xdp_programs[i]) == 0)
			return true;
	return false;
}

/* The object's other one would be loaded beside it, for nothing. */
static void choose_program(struct bpf_object *object, const char *name)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
	}
}

static int xdp_attach_program(
	const char *pin_dir, int index, const char *name, enum xdp_attach_mode mode, struct error *error)
{
	_cleanup_(close_skeleton) struct uplink_xdp_bpf *skeleton = uplink_xdp_bpf__open();
	_cleanup_(close_program) struct xdp_program *program = NULL;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options);
	int result;

	if (!skeleton)
		return bpf_words_error(error, -errno, "opening the XDP program");
	result = generation_share_maps(skeleton->obj, pin_in(pin_dir, CURRENT).path);
	if (result < 0)
		return bpf_words_error(error, result, "sharing the maps with the XDP program");
	choose_program(skeleton->obj, name);
	options.obj = skeleton->obj;
	options.prog_name = name;
	program = xdp_program__create(&options);
	result = libxdp_get_error(program);
	if (result == 0)
		result = xdp_program__attach(program, index, mode, 0);
	return result < 0 ? bpf_words_error(error, result, "XDP") : 0;
}

/* Ours among those on the interface; NULL: not there. It lives as long as `multiprog`. */
static struct xdp_program *xdp_find(const struct xdp_multiprog *multiprog)
{
	struct xdp_program *program = NULL;

	if (libxdp_get_error(multiprog))
		return NULL;
	if (xdp_multiprog__is_legacy(multiprog)) {
		program = xdp_multiprog__main_prog(multiprog);
		return program && is_ours(xdp_program__name(program)) ? program : NULL;
	}
	while ((program = xdp_multiprog__next_prog(program, multiprog)))
		if (is_ours(xdp_program__name(program)))
			return program;
	return NULL;
}

static int xdp_attach_mode(const char *pin_dir, int index, enum xdp_attach_mode mode, struct error *error)
{
	int result = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(xdp_programs) && result < 0 && result != -EBUSY; i++) {
		bpf_words_keep();
		result = xdp_attach_program(pin_dir, index, xdp_programs[i], mode, error);
	}
	return result;
}

static int xdp_make(const char *pin_dir, const char *interface, int index, struct error *error)
{
	static const enum xdp_attach_mode modes[] = {XDP_MODE_NATIVE, XDP_MODE_SKB};
	int result = -EOPNOTSUPP;

	bpf_pins_ready();
	for (size_t i = 0; i < ARRAY_SIZE(modes) && result < 0; i++)
		result = xdp_attach_mode(pin_dir, index, modes[i], error);
	if (result < 0)
		bpf_pins_tidy();
	if (result == -EBUSY)
		return error_set(error, result,
			"another XDP program is attached to %s, and this kernel cannot run two; try: ip link "
			"set dev %s "
			"xdp off",
			interface, interface);
	return result;
}

/* Alone on the hook: one system call. */
static int xdp_replace_alone(const char *pin_dir, int index, uint64_t generation,
	const struct xdp_multiprog *multiprog, struct error *error)
{
	struct pin pin = pin_of(pin_dir, PROGRAM_UPLINK_XDP, generation);
	_cleanup_close_ int new = pin_open(&pin, error);
	bool native = xdp_multiprog__attach_mode(multiprog) != XDP_MODE_SKB;
	LIBBPF_OPTS(bpf_xdp_attach_opts, options,
		.old_prog_fd = xdp_program__fd(xdp_multiprog__main_prog(multiprog)));
	int result;

	if (new < 0)
		return new;
	result = bpf_xdp_attach(
		index, new, XDP_FLAGS_REPLACE | (native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE), &options);
	return result < 0 ? bpf_words_error(error, result, "XDP") : 0;
}

/* By libxdp's dispatcher: for a moment a packet meets both, which harms as little as two gateways in a row. */
static int xdp_replace_beside(const char *pin_dir, const char *interface, int index,
	const struct xdp_multiprog *multiprog, struct error *error)
{
	struct xdp_program *old = xdp_find(multiprog);
	int result = xdp_make(pin_dir, interface, index, error);

	if (result == 0)
		result = xdp_program__detach(old, index, xdp_multiprog__attach_mode(multiprog), 0);
	return result < 0 ? bpf_words_error(error, result, "XDP") : 0;
}

static int xdp_attach_or_replace(const char *pin_dir, const struct item *item, int index, struct error *error)
{
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog = open_multiprog(index);

	if (!xdp_find(multiprog))
		return xdp_make(pin_dir, item->interface, index, error);
	if (xdp_multiprog__is_legacy(multiprog))
		return xdp_replace_alone(pin_dir, index, item->attachment.generation, multiprog, error);
	return xdp_replace_beside(pin_dir, item->interface, index, multiprog, error);
}

/* It sends nothing before it is known how it runs. */
static int xdp_attach(const char *pin_dir, const struct item *item, int index, struct error *error)
{
	int result = turning_forbid(pin_dir, index);

	if (result == 0)
		result = xdp_attach_or_replace(pin_dir, item, index, error);
	return result == 0 ? turning_decide(pin_dir, item->interface, error) : result;
}

static int xdp_detach(const char *pin_dir, int index, struct error *error)
{
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog = open_multiprog(index);
	struct xdp_program *program = xdp_find(multiprog);
	int result;

	turning_forbid(pin_dir, index);
	if (!program)
		return 0;
	result = xdp_program__detach(program, index, xdp_multiprog__attach_mode(multiprog), 0);
	bpf_pins_tidy();
	return result < 0 ? bpf_words_error(error, result, "XDP") : 0;
}

static const struct xdp_mode_name {
	enum xdp_attach_mode mode;
	const char *name;
} xdp_modes[] = {{XDP_MODE_NATIVE, "native"}, {XDP_MODE_HW, "native"}, {XDP_MODE_SKB, "generic"}};

bool bpf_xdp_is_whole(const char *interface)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog =
		open_multiprog(if_nametoindex(interface));
	const struct xdp_program *program = xdp_find(multiprog);

	return program && strcmp(xdp_program__name(program), xdp_programs[0]) == 0;
}

const char *bpf_xdp_mode(const char *interface)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog =
		open_multiprog(if_nametoindex(interface));

	if (xdp_find(multiprog))
		for (size_t i = 0; i < ARRAY_SIZE(xdp_modes); i++)
			if (xdp_modes[i].mode == xdp_multiprog__attach_mode(multiprog))
				return xdp_modes[i].name;
	return "none";
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
	struct pin pin = pin_of(pin_dir, program, item->attachment.generation);
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

static int program_by_id(uint32_t id)
{
	int descriptor = id ? bpf_prog_get_fd_by_id(id) : -1;

	return descriptor < 0 ? -ENOENT : descriptor;
}

static int tcx_program(const char *pin_dir, enum program program, int index)
{
	_cleanup_close_ int link = tcx_open(pin_dir, program, index);
	struct bpf_link_info information = {0};
	uint32_t size = sizeof(information);

	if (link < 0 || bpf_obj_get_info_by_fd(link, &information, &size) < 0)
		return -ENOENT;
	return program_by_id(information.prog_id);
}

static void observe_generation(const char *pin_dir, struct item *item, const char *name, int descriptor)
{
	item->attachment.generation = descriptor < 0 ? 0 : generation_of_program(pin_dir, name, descriptor);
	item->attachment.outdated =
		!item->attachment.generation || item->attachment.generation != generation_current(pin_dir);
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
	observe_generation(pin_dir, item, program_name(program), descriptor);
	return items_add(items, item);
}

static int observe_xdp(const char *pin_dir, int index, struct item *item, struct items *items)
{
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog = open_multiprog(index);
	const struct xdp_program *found = xdp_find(multiprog);
	_cleanup_close_ int descriptor = found ? program_by_id(xdp_program__id(found)) : -ENOENT;

	if (!found)
		return 0;
	item->attachment.mode = ATTACH_AUTO;
	observe_generation(pin_dir, item, xdp_program__name(found), descriptor);
	item->attachment.outdated |= !turning_is_decided(pin_dir, item->interface);
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
	return result == 0 ? observe_xdp(pin_dir, index, &item, items) : result;
}
