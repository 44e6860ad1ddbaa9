// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf_generation.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/gateway.skel.h"
#include "bpf/uplink_xdp.skel.h"

#define NAME_FORMAT "generation-%016" PRIx64
#define SET_ASIDE   1 /* no digest, for all that is likely */
#define MAPS_MAX    64

/* ---- Numbers and names ------------------------------------------------------------------------------------------- */

uint64_t generation_of_build(uint32_t flows, uint32_t devices)
{
	crypto_generichash_state state;
	size_t gateway_size, uplink_size;
	const void *gateway = gateway_bpf__elf_bytes(&gateway_size);
	const void *uplink = uplink_xdp_bpf__elf_bytes(&uplink_size);
	const uint32_t sizes[] = {flows, devices};
	uint64_t number;

	crypto_generichash_init(&state, NULL, 0, sizeof(number));
	crypto_generichash_update(&state, gateway, gateway_size);
	crypto_generichash_update(&state, uplink, uplink_size);
	crypto_generichash_update(&state, (const unsigned char *)sizes, sizeof(sizes));
	crypto_generichash_final(&state, (unsigned char *)&number, sizeof(number));
	return number > SET_ASIDE ? number : SET_ASIDE + 1;
}

static uint64_t number_of(const char *name)
{
	uint64_t number;
	int end = 0;

	return sscanf(name, NAME_FORMAT "%n", &number, &end) == 1 && !name[end] ? number : 0;
}

uint64_t generation_current(const char *pin_dir)
{
	struct pin link = pin_in(pin_dir, CURRENT);
	char target[PIN_PATH_SIZE];
	ssize_t size = readlink(link.path, target, sizeof(target) - 1);

	if (size < 0)
		return 0;
	target[size] = 0;
	return number_of(target);
}

struct pin generation_directory(const char *pin_dir, uint64_t number)
{
	char name[64];

	snprintf(name, sizeof(name), NAME_FORMAT, number);
	return pin_in(pin_dir, name);
}

bool generation_exists(const char *pin_dir, uint64_t number)
{
	return access(generation_directory(pin_dir, number).path, F_OK) == 0;
}

int generation_switch(const char *pin_dir, uint64_t number, struct error *error)
{
	struct pin link = pin_in(pin_dir, CURRENT), new = pin_in(pin_dir, CURRENT "-new");
	char name[64];

	snprintf(name, sizeof(name), NAME_FORMAT, number);
	unlink(new.path);
	if (symlink(name, new.path) < 0 || rename(new.path, link.path) < 0)
		return error_errno(error, -errno, "switching %s to %s", link.path, name);
	return 0;
}

int generation_set_aside(const char *pin_dir, struct error *error)
{
	struct pin own = generation_directory(pin_dir, generation_current(pin_dir));
	struct pin other = generation_directory(pin_dir, SET_ASIDE);
	int result = remove_directory(other.path, error);

	if (result < 0)
		return result;
	if (rename(own.path, other.path) < 0)
		return error_errno(error, -errno, "renaming %s", own.path);
	return generation_switch(pin_dir, SET_ASIDE, error);
}

/* ---- Which program is of which generation ------------------------------------------------------------------------ */

/* What a program does and on which maps: the kernel's tag is a hash of the instructions, without the maps in them. */
struct identity {
	uint8_t tag[BPF_TAG_SIZE];
	uint32_t maps[MAPS_MAX], map_count;
};

static bool identify(int descriptor, struct identity *identity)
{
	struct bpf_prog_info information = {.nr_map_ids = MAPS_MAX};
	uint32_t size = sizeof(information);

	memset(identity, 0, sizeof(*identity));
	information.map_ids = (uintptr_t)identity->maps;
	if (bpf_obj_get_info_by_fd(descriptor, &information, &size) < 0)
		return false;
	memcpy(identity->tag, information.tag, sizeof(identity->tag));
	identity->map_count = information.nr_map_ids;
	return true;
}

static bool is_of(const char *pin_dir, uint64_t number, const char *program, const struct identity *identity)
{
	struct pin pin = pin_in(generation_directory(pin_dir, number).path, program);
	_cleanup_close_ int descriptor = number ? pin_open(&pin, NULL) : -1;
	struct identity other;

	return descriptor >= 0 && identify(descriptor, &other) &&
	       memcmp(identity, &other, sizeof(other)) == 0;
}

/* Calls `act` for each generation but the current one, until it answers other than 0. */
static int each_other(const char *pin_dir,
	int (*act)(const char *pin_dir, uint64_t number, void *context, struct error *error), void *context,
	struct error *error)
{
	uint64_t current = generation_current(pin_dir), number;
	_cleanup_closedir_ DIR *directory = opendir(pin_dir);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return 0;
	while (result == 0 && (entry = readdir(directory))) {
		number = number_of(entry->d_name);
		if (number && number != current)
			result = act(pin_dir, number, context, error);
	}
	return result;
}

struct search {
	const char *program;
	struct identity identity;
	uint64_t found;
};

static int search_in(const char *pin_dir, uint64_t number, void *context, struct error *error)
{
	struct search *search = context;

	(void)error;
	if (!is_of(pin_dir, number, search->program, &search->identity))
		return 0;
	search->found = number;
	return 1;
}

static uint64_t generation_of(const char *pin_dir, const char *program, int descriptor)
{
	struct search search = {.program = program};

	if (!identify(descriptor, &search.identity))
		return 0;
	if (is_of(pin_dir, generation_current(pin_dir), program, &search.identity))
		return generation_current(pin_dir);
	each_other(pin_dir, search_in, &search, NULL);
	return search.found;
}

void generation_observe(const char *pin_dir, struct item *item, const char *program, int descriptor)
{
	item->attachment.generation = descriptor < 0 ? 0 : generation_of(pin_dir, program, descriptor);
	item->attachment.outdated =
		!item->attachment.generation || item->attachment.generation != generation_current(pin_dir);
}

struct pin generation_maps(const char *pin_dir, uint64_t generation)
{
	if (generation && generation_exists(pin_dir, generation))
		return generation_directory(pin_dir, generation);
	return pin_in(pin_dir, CURRENT);
}

struct pin generation_pin(const char *pin_dir, const char *program, uint64_t generation)
{
	if (generation && generation_exists(pin_dir, generation))
		return pin_in(generation_directory(pin_dir, generation).path, program);
	return pin_program(pin_dir, program);
}

/* ---- Maps, and the end ------------------------------------------------------------------------------------------- */

int generation_share_maps(struct bpf_object *object, const char *directory)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		struct pin pin = pin_in(directory, bpf_map__name(map));
		_cleanup_close_ int descriptor = -1;
		int result;

		if (bpf_map__is_internal(map))
			continue;
		descriptor = pin_open(&pin, NULL);
		if (descriptor < 0)
			return descriptor;
		result = bpf_map__set_pin_path(map, NULL); /* pinned it is already */
		if (result == 0)
			result = bpf_map__reuse_fd(map, descriptor);
		if (result < 0)
			return result;
	}
	return 0;
}

static int settle(const char *pin_dir, uint64_t number, void *context, struct error *error)
{
	struct pin directory = generation_directory(pin_dir, number);
	int result = carry_tables(directory.path, pin_in(pin_dir, CURRENT).path, error);

	(void)context;
	return result < 0 ? result : remove_directory(directory.path, error);
}

int generations_settle(const char *pin_dir, struct error *error)
{
	return each_other(pin_dir, settle, NULL, error);
}
