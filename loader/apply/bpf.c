// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply/bpf_generation.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "bpf/gateway.skel.h"
#include "bpf/uplink_xdp.skel.h"

/* ---- Loading ----------------------------------------------------------------------------------------------------- */

static const struct {
	const char *map;
	bool devices; /* else flows */
} sized[] = {{MAP_FLOWS, false}, {MAP_FLOW_COUNTERS, false}, {MAP_DEVICES, true}};

static int set_sizes(struct bpf_object *object, const struct item *item)
{
	for (size_t i = 0; i < ARRAY_SIZE(sized); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, sized[i].map);
		int result = map ? bpf_map__set_max_entries(
					   map, sized[i].devices ? item->object.devices : item->object.flows)
				 : -ENOENT;

		if (result < 0)
			return result;
	}
	return 0;
}

static bool map_fits(const struct bpf_map *map, const struct bpf_map_info *there)
{
	return there->type == bpf_map__type(map) && there->key_size == bpf_map__key_size(map) &&
	       there->value_size == bpf_map__value_size(map) &&
	       there->max_entries == bpf_map__max_entries(map) && there->map_flags == bpf_map__map_flags(map);
}

/* A descriptor of the current generation's map, which the caller closes; negative when there is none that fits. */
static int fitting_map(const char *pin_dir, const struct bpf_map *map)
{
	_cleanup_close_ int descriptor = bpf_map_open(pin_dir, bpf_map__name(map), NULL, NULL);
	struct bpf_map_info there = {0};
	uint32_t size = sizeof(there);

	if (descriptor < 0 || bpf_obj_get_info_by_fd(descriptor, &there, &size) < 0 || !map_fits(map, &there))
		return -ENOENT;
	return TAKE_FD(descriptor);
}

static bool tables_fit(struct bpf_object *object, const char *pin_dir)
{
	for (size_t i = 0; i < ARRAY_SIZE(sized); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, sized[i].map);
		_cleanup_close_ int descriptor = map ? fitting_map(pin_dir, map) : -1;

		if (descriptor < 0)
			return false;
	}
	return true;
}

/*
 * The settings hold the tables' masks: programs of the old generation, which go on for a moment, must not read those of
 * new tables.
 */
static int reuse_maps(struct bpf_object *object, const char *pin_dir)
{
	bool same_tables = tables_fit(object, pin_dir);
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		_cleanup_close_ int descriptor = -1;
		int result = 0;

		if (bpf_map__is_internal(map) ||
			(!same_tables && strcmp(bpf_map__name(map), MAP_SETTINGS) == 0))
			continue;
		descriptor = fitting_map(pin_dir, map);
		if (descriptor >= 0)
			result = bpf_map__reuse_fd(map, descriptor);
		if (result < 0)
			return result;
	}
	return 0;
}

static int pin_each_program(struct bpf_object *object, const char *directory)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		struct pin pin = pin_in(directory, bpf_program__name(program));
		int result = bpf_program__pin(program, pin.path);

		if (result < 0)
			return result;
	}
	return 0;
}

static void close_skeleton(struct gateway_bpf **skeleton)
{
	gateway_bpf__destroy(*skeleton);
}

static void close_uplink_skeleton(struct uplink_xdp_bpf **skeleton)
{
	uplink_xdp_bpf__destroy(*skeleton);
}

static int load_gateway(
	const char *pin_dir, const char *directory, const struct item *item, struct error *error)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = directory);
	_cleanup_(close_skeleton) struct gateway_bpf *skeleton = gateway_bpf__open_opts(&options);
	int result;

	if (!skeleton)
		return bpf_words_error(error, -errno, "opening the BPF programs");
	result = set_sizes(skeleton->obj, item);
	if (result < 0)
		return bpf_words_error(error, result, "sizing the BPF maps");
	result = reuse_maps(skeleton->obj, pin_dir);
	if (result < 0)
		return bpf_words_error(error, result, "sharing the BPF maps");
	result = gateway_bpf__load(skeleton);
	if (result < 0)
		return bpf_words_error(error, result, "loading the BPF programs");
	result = pin_each_program(skeleton->obj, directory);
	return result < 0 ? bpf_words_error(error, result, "pinning the BPF programs") : 0;
}

/*
 * libxdp loads its own copy when it attaches; this one is pinned to know that again, and to fail before anything
 * changes.
 */
static int load_uplink(const char *directory, struct error *error)
{
	_cleanup_(close_uplink_skeleton) struct uplink_xdp_bpf *skeleton = uplink_xdp_bpf__open();
	int result;

	if (!skeleton)
		return bpf_words_error(error, -errno, "opening the XDP program");
	result = generation_share_maps(skeleton->obj, directory);
	if (result == 0)
		result = uplink_xdp_bpf__load(skeleton);
	if (result == 0)
		result = pin_each_program(skeleton->obj, directory);
	return result < 0 ? bpf_words_error(error, result, "loading the XDP program") : 0;
}

static int load_generation(const char *pin_dir, uint64_t number, const struct item *item, struct error *error)
{
	struct pin directory = generation_directory(pin_dir, number), current = pin_in(pin_dir, CURRENT);
	int result = 0;

	if (number == generation_current(pin_dir))
		result = generation_set_aside(pin_dir, error);
	if (result == 0)
		result = remove_directory(
			directory.path, error); /* of a gwd that was killed while it loaded */
	if (result == 0)
		result = make_directory(directory.path, error);
	if (result == 0)
		result = load_gateway(pin_dir, directory.path, item, error);
	if (result == 0)
		result = load_uplink(directory.path, error);
	if (result == 0)
		result = carry_maps(current.path, directory.path, error);
	if (result == 0)
		result = generation_switch(pin_dir, number, error);
	if (result < 0)
		remove_directory(directory.path, NULL);
	return result;
}

int bpf_load(const char *pin_dir, const struct item *item, struct error *error)
{
	bool back = item->object.generation && generation_exists(pin_dir, item->object.generation);
	int result = make_directory(pin_dir, error);

	bpf_words_keep();
	if (result == 0)
		result = make_directory(pin_in(pin_dir, LINKS_DIRECTORY).path, error);
	if (result == 0 && back)
		return generation_switch(pin_dir, item->object.generation, error);
	if (result == 0)
		result = load_generation(
			pin_dir, generation_of_build(item->object.flows, item->object.devices), item, error);
	if (result < 0 && !generation_current(pin_dir))
		bpf_remove(pin_dir, NULL);
	return result;
}

int bpf_settle(const char *pin_dir, struct error *error)
{
	bpf_unpin_gone(pin_dir);
	return generations_settle(pin_dir, error);
}

int bpf_remove(const char *pin_dir, struct error *error)
{
	return remove_directory(pin_dir, error);
}

/* ---- Looking ----------------------------------------------------------------------------------------------------- */

int bpf_map_open(const char *pin_dir, const char *map, uint32_t *entries, struct error *error)
{
	struct pin pin = pin_map(pin_dir, map);
	_cleanup_close_ int descriptor = pin_open(&pin, error);
	struct bpf_map_info information = {0};
	uint32_t size = sizeof(information);

	if (descriptor < 0)
		return descriptor;
	if (bpf_obj_get_info_by_fd(descriptor, &information, &size) < 0)
		return error_errno(error, -errno, "%s", pin.path);
	if (entries)
		*entries = information.max_entries;
	return TAKE_FD(descriptor);
}

static uint32_t map_entries(const char *pin_dir, const char *map)
{
	uint32_t entries = 0;
	_cleanup_close_ int descriptor = bpf_map_open(pin_dir, map, &entries, NULL);

	return descriptor < 0 ? 0 : entries;
}

static bool programs_are_pinned(const char *pin_dir)
{
	for (enum program program = 0; program < PROGRAMS; program++)
		if (access(pin_program(pin_dir, program_name(program)).path, F_OK) < 0)
			return false;
	return true;
}

/* What another build of gwd pinned, or one that was killed half-way, or somebody damaged, is there but outdated. */
int bpf_observe(const char *pin_dir, struct items *items, struct error *error)
{
	struct item item = {.kind = ITEM_OBJECT};

	if (access(pin_dir, F_OK) < 0)
		return 0;
	item.object.flows = map_entries(pin_dir, MAP_FLOWS);
	item.object.devices = map_entries(pin_dir, MAP_DEVICES);
	item.object.generation = generation_current(pin_dir);
	item.object.outdated =
		!programs_are_pinned(pin_dir) ||
		item.object.generation != generation_of_build(item.object.flows, item.object.devices);
	return items_add(items, &item) < 0 ? error_errno(error, -ENOMEM, "observing") : 0;
}

int bpf_probe(struct error *error)
{
	static const enum bpf_prog_type needs[] = {BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP};

	bpf_words_keep();
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		int result = libbpf_probe_bpf_prog_type(needs[i], NULL);

		if (result == 1)
			continue;
		return error_set(error, result < 0 ? result : -EOPNOTSUPP,
			"this kernel loads no BPF programs of type %s for us (CONFIG_BPF_SYSCALL); "
			"try: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
			libbpf_bpf_prog_type_str(needs[i]));
	}
	return 0;
}

uint32_t bpf_relay_overhead(int family)
{
	return family == AF_INET ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6;
}
