/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations: how programs are replaced under traffic.
 *
 *	PIN/current -> generation-NUMBER
 *	PIN/generation-NUMBER/     all maps and all programs of one build, at one size of the tables
 *	PIN/links/                 TCX links, which outlive generations
 *
 * A generation is loaded beside the one that runs. It shares every map that fits, so what one learns the other
 * knows; a map whose size or layout is another one is new, and filled from the old one. Then `current` is switched,
 * in one rename, and one attachment after the other is replaced in place, each in one system call: no packet ever
 * meets a hook without a program. When all are replaced the old generation is settled: what its programs still
 * learned is carried over, and its pins go. Until then it can be switched back to.
 */
#ifndef APPLY_BPF_GENERATION_H
#define APPLY_BPF_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/bpf_pins.h"
#include "base/error.h"
#include "plan/plan.h"

struct bpf_object;

/* The number of what this gwd was built with, at these sizes: its digest. Never 0. */
uint64_t generation_of_build(uint32_t flows, uint32_t devices);
/* 0: there is none. */
uint64_t generation_current(const char *pin_dir);
struct pin generation_directory(const char *pin_dir, uint64_t number);
bool generation_exists(const char *pin_dir, uint64_t number);

int generation_switch(const char *pin_dir, uint64_t number, struct error *error);
/*
 * The current generation becomes another number, so that its own is free to be loaded again: its pins are damaged.
 */
int generation_set_aside(const char *pin_dir, struct error *error);
/*
 * Which generation an attached program is of (same instructions, same maps), as an item says it; 0: of none that is pinned,
 * or its descriptor is negative since it was not to be had.
 */
void generation_observe(const char *pin_dir, struct item *item, const char *program, int descriptor);
/* Where a generation's maps are pinned, or a program of it; 0: the current one's. */
struct pin generation_maps(const char *pin_dir, uint64_t generation);
struct pin generation_pin(const char *pin_dir, const char *program, uint64_t generation);
/* Carries over what the others still learned, and removes them. */
int generations_settle(const char *pin_dir, struct error *error);

/* Makes an object that is not loaded yet use the maps of a generation's directory. */
int generation_share_maps(struct bpf_object *object, const char *directory);

/* ---- Carrying over (bpf_carry.c) --------------------------------------------------------------------------------- */

/*
 * Fills each map of one directory from its namesake in another, where they are not the same map. Without any the tables' hash
 * gets its secret.
 */
int carry_maps(const char *from, const char *to, struct error *error);
/* The flow and device tables alone: what is in `from` and not in `to`, or newer there. `to` may be in use. */
int carry_tables(const char *from, const char *to, struct error *error);

#endif
