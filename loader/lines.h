/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the tables' lines and the array's records.
 *
 * A line says when it was last used by our clock, a record how long ago: so the clocks of two gateways never meet. Only
 * what is established or closing and has not expired is told, and only with a way home. To the array the lines of both
 * tables are numbered through: the flows', then the devices'.
 */
#ifndef LINES_H
#define LINES_H

#include "array/array.h"
#include "flow/flow.h"
#include "flow/merge.h"

struct lines {
	const struct flow_table *flows, *devices;
	const struct settings *settings; /* the programs' */
};

/* How many there are. */
uint64_t lines_count(const struct lines *lines);
/* What a changed line says now. False: nothing that others are told. */
bool lines_read(
	const struct lines *lines, const struct change *change, uint32_t now_ms, struct array_record *record);
/* As array_effects.walk. */
size_t lines_walk(const struct lines *lines, uint64_t *line, uint64_t end, struct array_record *records,
	size_t room, uint32_t now_ms);
enum flow_merged lines_merge(const struct lines *lines, const struct array_record *record, uint32_t now_ms);

#endif
