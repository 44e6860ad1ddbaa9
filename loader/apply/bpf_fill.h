/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of bpf_fill.c and of what adds to it: tables in memory of what the maps shall say. */
#ifndef APPLY_BPF_FILL_H
#define APPLY_BPF_FILL_H

#include <stddef.h>
#include <stdint.h>

#include "apply/netlink.h"
#include "model.h"

struct entry;

struct table {
	const char *map;
	size_t key_size, value_size;
	bool is_array; /* its entries cannot be deleted */
	struct entry *entries;
	size_t count, room;
	int result; /* the first failure of table_add() */
};

/*
 * In the order in which they are written; what is not wanted is deleted in the reverse order, when all is written. So the
 * filters' services, own addresses and uplinks, which keep out, come behind the prefixes, which let in. Only uplinks that
 * drop no more come before all: their services may go with their filters.
 */
enum {
	TABLE_PREFIXES,
	TABLE_LOCALS,
	TABLE_PROVIDERS,
	TABLE_TUNNELS,
	TABLE_INTERFACES,
	TABLE_MEMBERS,
	TABLE_EGRESS_GROUPS,
	TABLE_EGRESS_FROM,
	TABLE_SERVICES,
	TABLE_OWN,
	TABLE_FILTERS,
	TABLE_SETTINGS,
	TABLES
};

struct filling {
	const char *pin_dir;
	const struct model *model;
	struct table tables[TABLES];
};

void table_add(struct table *table, const void *key, const void *value);
/* The network that the prefix lies in; `holder` as struct prefix_value has it. */
void fill_prefix(struct filling *filling, uint16_t space, uint16_t which, const struct prefix *prefix,
	uint16_t holder);
/* `kind`: enum local_kind; `which` as struct local_entry has it. */
void fill_local(struct filling *filling, const struct address *address, uint16_t kind, uint16_t which);

/* Of tunnels (bpf_tunnels.c): one of the model's; and then that those which were ours and are not in the model are none. */
void fill_tunnel(struct filling *filling, const struct tunnel *tunnel);
int fill_old_tunnels(struct filling *filling, struct error *error);

/* Of filters (bpf_filter.c): an address of an interface of this machine, each; and then all else. */
void fill_own_address(struct filling *filling, uint32_t index, const struct prefix *prefix);
void fill_filters(struct filling *filling);

#endif
