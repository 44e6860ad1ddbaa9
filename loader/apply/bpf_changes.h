/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes that the programs tell of (bpf/abi.h, "Changes"), read from the pinned ring buffer.
 *
 * How far they were read stands in the map, so whoever opens it next, after a restart or a crash, goes on there; what
 * was told meanwhile waits in it. What found no room is counted and no more: its reader then looks at whole tables.
 */
#ifndef APPLY_BPF_CHANGES_H
#define APPLY_BPF_CHANGES_H

#include <stdint.h>

#include "base/error.h"

struct bpf_changes;
struct change;

/* `hear` is called for each change by bpf_changes_read(). */
int bpf_changes_open(const char *pin_dir, void (*hear)(void *self, const struct change *change), void *self,
	struct bpf_changes **changes, struct error *error);
/* NULL is closed already. */
void bpf_changes_close(struct bpf_changes *changes);

/* Readable when there is something to read. */
int bpf_changes_descriptor(const struct bpf_changes *changes);
/* Reads at most so many, and answers how many it were. */
uint32_t bpf_changes_read(struct bpf_changes *changes, uint32_t most);
/* How many were lost since the maps were made. */
int bpf_changes_lost(const struct bpf_changes *changes, uint64_t *lost, struct error *error);

#endif
