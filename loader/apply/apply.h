/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observe → plan → apply: the hands of gwd.
 *
 *	observe.c    what is there of ours, as items
 *	apply.c      runs a plan's steps in order; when one fails, undoes those done, last first
 *	remember.c   what undoing needs and a plan does not hold
 *	preflight.c  what would make it fail later, said before anything is made
 *	tunnel.c     the kinds of tunnels
 *	link.c route.c sysctl.c wireguard*.c ipsec*.c bpf*.c    one effect a file
 *	netlink.c    the only one that knows libmnl       child.c  processes       monitor.c  what the kernel tells
 *
 * Nothing is remembered here that the machine itself does not know: our interfaces bear an alias, our addresses,
 * rules and routes a protocol number, maps and links are pinned. So a gwd that was killed, and its successor, see
 * the same, and healing is applying again. Everything happens in the network namespace of the caller.
 *
 * All answer 0, or a negative errno with words.
 */
#ifndef APPLY_APPLY_H
#define APPLY_APPLY_H

#include "apply/child.h"
#include "base/error.h"
#include "plan/plan.h"
#include "status.h"

struct apply;

/*
 * `pin_dir`: a directory on a bpffs, which need not exist yet (its parent must). `run_dir`: where processes that need it are
 * given a folder.
 */
int apply_open(const char *pin_dir, const char *run_dir, struct apply **apply, struct error *error);
/* Lets go; nothing in the machine changes, children go on. */
void apply_close(struct apply *apply);

static inline void apply_close_pointer(struct apply **apply)
{
	apply_close(*apply);
}

/* The registry of children, in which main may start its own (bird). Owned by `apply`. */
struct children *apply_children(struct apply *apply);
const char *apply_pin_dir(const struct apply *apply);

/*
 * Would the model work here? Makes nothing. Call it before the first plan. `in_force` (or NULL) is what it is to replace:
 * an uplink of both that is lost just now is no reason to refuse.
 */
int apply_preflight(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error);

/* Adds all that is there of ours. `model`: whose key files and map entries are compared; it must outlive the items. */
int apply_observe(
	struct apply *apply, const struct model *model, struct items *observed, struct error *error);

/*
 * `observed` was seen from the configuration in force. When the maps, or strongSwan, say what `wanted` says too, that is
 * noted, so that no plan is made for them.
 */
void apply_compare_entries(struct apply *apply, const struct model *wanted, struct items *observed);

/*
 * Gives the providers and the egress groups the numbers by which the maps know their prefixes already, and new ones free
 * numbers: a name or a link more or less renumbers nobody.
 */
void apply_number(struct apply *apply, struct model *model);
/*
 * The same where the configuration in force is known, by whose numbers the maps were filled: who stays by its name keeps its
 * number, also when another one gets its prefixes.
 */
void apply_number_after(struct apply *apply, struct model *model, const struct model *in_force);

/*
 * Runs the steps in order. `say` (or NULL) hears each step, as step_format() writes it, before it is done. When one
 * fails, those done are undone, last first, and `error` holds the step and the kernel's words.
 */
int apply_run(struct apply *apply, const struct plan *plan, void (*say)(void *to, const char *words),
	void *to, struct error *error);

/*
 * Where no BIRD is left to do it: removes from the main table what one that was killed had put there, within what the model's
 * routers may tell.
 */
int apply_remove_birds_routes(struct apply *apply, const struct model *model, struct error *error);

/* Watches the processes behind our interfaces that an earlier gwd started. */
int apply_adopt(struct apply *apply, struct error *error);
/*
 * Ends and removes what is left of processes that the model has no need of; NULL: nothing is wanted. apply_tend() does it
 * for the model in force.
 */
int apply_tidy(struct apply *apply, const struct model *model, struct error *error);
/* What tunnels need again and again while they run. Call it once a second. */
void apply_tend(struct apply *apply, const struct model *model);

/*
 * Brings what apply knows of the status up to date: each tunnel's interface, driver, counters and handshake; each uplink's
 * interface; how the programs are attached. Interfaces that are not there get zeros.
 */
int apply_refresh(struct apply *apply, struct status *status, struct error *error);

#endif
