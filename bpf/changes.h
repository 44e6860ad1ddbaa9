/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling gwd that a line is worth a look, so that it says so to the other gateways. A change says which line, not what
 * it says: gwd reads the line itself, and so never an older state than the last. When the ring is full, gwd is away or
 * behind: the change is counted, and gwd walks the whole table for it (abi.h: change_lost).
 *
 * Without members nobody listens, and nothing is said.
 */
#ifndef HOMEWARD_CHANGES_H
#define HOMEWARD_CHANGES_H

#include "bpf/maps.h"

static __always_inline void tell(const struct settings *config, enum change_table table, __u32 line)
{
	struct change change = {.table = table, .line = line};

	if (config->relay == RELAY_OFF)
		return;
	if (bpf_ringbuf_output(&changes, &change, sizeof(change), 0))
		count(REASON_change_lost, 1, 0);
}

#endif
