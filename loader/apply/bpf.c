// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "apply/bpf_pins.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "bpf/gateway.skel.h"

static int make_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_errno(error, -errno, "making %s", path);
	return 0;
}

static int make_directories(const char *pin_dir, struct error *error)
{
	int result = make_directory(pin_dir, error);

	if (result == 0)
		result = make_directory(pin_programs(pin_dir).path, error);
	if (result == 0)
		result = make_directory(pin_map(pin_dir, LINKS_DIRECTORY).path, error);
	return result;
}

/* ---- Loading ------------------------------------------------------------------------------------------------------ */

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

static int pin_each_program(struct bpf_object *object, const char *pin_dir)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct pin pin = pin_program(pin_dir, bpf_program__name(program));
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

static int load_and_pin(const char *pin_dir, const struct item *item, struct error *error)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .pin_root_path = pin_dir);
	_cleanup_(close_skeleton) struct gateway_bpf *skeleton = gateway_bpf__open_opts(&options);
	int result;

	if (!skeleton)
		return bpf_words_error(error, -errno, "opening the BPF programs");
	result = set_sizes(skeleton->obj, item);
	if (result < 0)
		return bpf_words_error(error, result, "sizing the BPF maps");
	result = gateway_bpf__load(skeleton);
	if (result < 0)
		return bpf_words_error(error, result, "loading the BPF programs");
	result = pin_each_program(skeleton->obj, pin_dir);
	return result < 0 ? bpf_words_error(error, result, "pinning the BPF programs") : 0;
}

int bpf_load(const char *pin_dir, const struct item *item, struct error *error)
{
	int result = make_directories(pin_dir, error);

	bpf_words_keep();
	if (result == 0)
		result = load_and_pin(pin_dir, item, error);
	if (result < 0)
		bpf_remove(pin_dir, NULL);
	return result;
}

/* ---- Removing ----------------------------------------------------------------------------------------------------- */

/* With all that is in it. One that is not there is removed already. */
static int remove_directory(const char *path, struct error *error)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return errno == ENOENT ? 0 : error_errno(error, -errno, "%s", path);
	while (result == 0 && (entry = readdir(directory))) {
		struct pin inner = pin_map(path, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR)
			result = remove_directory(inner.path, error);
		else if (unlink(inner.path) < 0)
			result = error_errno(error, -errno, "removing %s", inner.path);
	}
	closedir(directory);
	if (result == 0 && rmdir(path) < 0)
		result = error_errno(error, -errno, "removing %s", path);
	return result;
}

int bpf_remove(const char *pin_dir, struct error *error)
{
	return remove_directory(pin_dir, error);
}

/* ---- Looking ------------------------------------------------------------------------------------------------------ */

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
	for (enum program program = 0; program < PROGRAMS; program++) {
		struct pin pin = pin_program(pin_dir, program_name(program));

		if (program != PROGRAM_UPLINK_XDP && access(pin.path, F_OK) < 0)
			return false;
	}
	return true;
}

/* What another build of gwd pinned, or one that was killed half-way, is there but has no size that anybody wants. */
int bpf_observe(const char *pin_dir, struct items *items, struct error *error)
{
	struct item item = {.kind = ITEM_OBJECT};

	if (access(pin_dir, F_OK) < 0)
		return 0;
	if (programs_are_pinned(pin_dir)) {
		item.object.flows = map_entries(pin_dir, MAP_FLOWS);
		item.object.devices = map_entries(pin_dir, MAP_DEVICES);
	}
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
			"this kernel loads no BPF programs of type %s for us (CONFIG_BPF_SYSCALL); try: run "
			"as root, or with "
			"CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
			libbpf_bpf_prog_type_str(needs[i]));
	}
	return 0;
}

uint32_t bpf_relay_overhead(int family)
{
	return family == AF_INET ? RELAY_OVERHEAD_V4 : RELAY_OVERHEAD_V6;
}
