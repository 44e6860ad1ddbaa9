// SPDX-License-Identifier: Apache-2.0
/*
 * XDP goes through libxdp: its dispatcher, which shares the hook, where the kernel can do that, else alone; native first,
 * then generic; the whole program first, then the guard without what relays (bpf/uplink_xdp.bpf.c).
 */
#include "apply/bpf_xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
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

/* ---- Attaching --------------------------------------------------------------------------------------------------- */

/* `maps`: the directory of those that it is to use. */
static int xdp_attach_program(
	const char *maps, int index, const char *name, enum xdp_attach_mode mode, struct error *error)
{
	_cleanup_(close_skeleton) struct uplink_xdp_bpf *skeleton = uplink_xdp_bpf__open();
	_cleanup_(close_program) struct xdp_program *program = NULL;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options);
	int result;

	if (!skeleton)
		return bpf_words_error(error, -errno, "opening the XDP program");
	result = generation_share_maps(skeleton->obj, maps);
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

static int xdp_attach_mode(const char *maps, int index, enum xdp_attach_mode mode, struct error *error)
{
	int result = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(xdp_programs) && result < 0 && result != -EBUSY; i++) {
		bpf_words_keep();
		result = xdp_attach_program(maps, index, xdp_programs[i], mode, error);
	}
	return result;
}

static int xdp_make(const char *maps, const char *interface, int index, struct error *error)
{
	static const enum xdp_attach_mode modes[] = {XDP_MODE_NATIVE, XDP_MODE_SKB};
	int result = -EOPNOTSUPP;

	bpf_pins_ready();
	for (size_t i = 0; i < ARRAY_SIZE(modes) && result < 0; i++)
		result = xdp_attach_mode(maps, index, modes[i], error);
	if (result < 0)
		bpf_pins_tidy();
	if (result == -EBUSY)
		return error_set(error, result,
			"another XDP program is attached to %s, and this "
			"kernel cannot run two; try: ip link set dev %s xdp off",
			interface, interface);
	return result;
}

/* Alone on the hook: one system call. */
static int xdp_replace_alone(const char *pin_dir, int index, uint64_t generation,
	const struct xdp_multiprog *multiprog, struct error *error)
{
	struct pin pin = generation_pin(pin_dir, xdp_programs[0], generation);
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
static int xdp_replace_beside(const char *maps, const char *interface, int index,
	const struct xdp_multiprog *multiprog, struct error *error)
{
	struct xdp_program *old = xdp_find(multiprog);
	int result = xdp_make(maps, interface, index, error);

	if (result == 0)
		result = xdp_program__detach(old, index, xdp_multiprog__attach_mode(multiprog), 0);
	return result < 0 ? bpf_words_error(error, result, "XDP") : 0;
}

static int xdp_attach_or_replace(const char *pin_dir, const struct item *item, int index, struct error *error)
{
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog = open_multiprog(index);
	struct pin maps = generation_maps(pin_dir, item->attachment.generation);

	if (!xdp_find(multiprog))
		return xdp_make(maps.path, item->interface, index, error);
	if (xdp_multiprog__is_legacy(multiprog))
		return xdp_replace_alone(pin_dir, index, item->attachment.generation, multiprog, error);
	return xdp_replace_beside(maps.path, item->interface, index, multiprog, error);
}

/* It sends nothing before it is known how it runs. */
int xdp_attach(const char *pin_dir, const struct item *item, int index, struct error *error)
{
	int result = turning_forbid(pin_dir, index);

	if (result == 0)
		result = xdp_attach_or_replace(pin_dir, item, index, error);
	return result == 0 ? turning_decide(pin_dir, item->interface, error) : result;
}

int xdp_detach(const char *pin_dir, int index, struct error *error)
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

int xdp_observe(const char *pin_dir, int index, struct item *item, struct items *items)
{
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog = open_multiprog(index);
	const struct xdp_program *found = xdp_find(multiprog);
	_cleanup_close_ int descriptor = found ? bpf_program_by_id(xdp_program__id(found)) : -ENOENT;

	if (!found)
		return 0;
	item->attachment.mode = ATTACH_AUTO;
	generation_observe(pin_dir, item, xdp_program__name(found), descriptor);
	item->attachment.outdated |= !turning_is_decided(pin_dir, item->interface);
	return items_add(items, item);
}

/* ---- How it hangs -------------------------------------------------------------------------------------------------- */

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

bool bpf_xdp_is_alone(const char *interface)
{
	_cleanup_privilege_ bool raised = privilege_raise();
	_cleanup_(close_multiprog) struct xdp_multiprog *multiprog =
		open_multiprog(if_nametoindex(interface));

	return xdp_find(multiprog) && xdp_multiprog__is_legacy(multiprog);
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
