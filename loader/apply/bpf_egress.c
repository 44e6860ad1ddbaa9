// SPDX-License-Identifier: Apache-2.0
/*
 * Egress groups in the maps, but for what the configuration says of them (bpf_fill.c): which tunnel each slot has, and what
 * the links have sent.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

int bpf_egress_read(const char *pin_dir, uint16_t group, struct egress_table *table, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_EGRESS_TABLES, NULL, error);
	uint32_t key = group;

	memset(table, 0, sizeof(*table));
	if (map == -ENOENT)
		return 0;
	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, table) < 0 && errno != ENOENT)
		return error_errno(error, -errno, "reading the map %s", MAP_EGRESS_TABLES);
	return 0;
}

int bpf_egress_write(
	const char *pin_dir, uint16_t group, const struct egress_table *table, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_EGRESS_TABLES, NULL, error);
	struct egress_table old;
	uint32_t key = group;

	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, &old) == 0 && memcmp(&old, table, sizeof(old)) == 0)
		return 0;
	if (bpf_map_update_elem(map, &key, table, BPF_ANY) < 0)
		return error_errno(error, -errno, "writing the map %s", MAP_EGRESS_TABLES);
	return 0;
}

int bpf_egress_forget_others(const char *pin_dir, const struct model *model, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_EGRESS_TABLES, NULL, error);
	uint32_t key, next;

	if (map < 0)
		return map;
	for (bool more = bpf_map_get_next_key(map, NULL, &next) == 0; more;) {
		bool known = false;

		key = next;
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		for (size_t i = 0; i < model->egress_count; i++)
			known |= model->egress[i].number == key;
		if (!known)
			bpf_map_delete_elem(map, &key);
	}
	return 0;
}

int bpf_egress_sent(const char *pin_dir, uint16_t tunnel, struct reason_count *sent, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_EGRESS_COUNTS, NULL, error);
	int cpus = libbpf_num_possible_cpus();
	struct reason_count counts[cpus > 0 ? cpus : 1];
	uint32_t key = tunnel;

	*sent = (struct reason_count){0};
	if (map < 0)
		return map;
	if (bpf_map_lookup_elem(map, &key, counts) < 0)
		return errno == ENOENT ? 0
				       : error_errno(error, -errno, "reading the map %s", MAP_EGRESS_COUNTS);
	for (int i = 0; i < cpus; i++) {
		sent->packets += counts[i].packets;
		sent->bytes += counts[i].bytes;
	}
	return 0;
}
