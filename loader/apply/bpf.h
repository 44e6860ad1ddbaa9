/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane as seen from user space: load, pin, fill, attach, ask.
 *
 * Whatever is made is pinned under the pin directory, so nothing hangs on this process: maps (by their names in
 * bpf/abi.h) and programs in `current/`, TCX links in `links/`. Everything below finds what it needs there again,
 * also after a crash or in the next gwd.
 *
 *	bpf.c             maps and programs: load, pin, remove, open
 *	bpf_generation.c  one generation of programs after the other, under traffic
 *	bpf_carry.c       what was learned, from one generation's maps to the next one's
 *	bpf_attach.c      programs to interfaces: TCX, clsact, XDP
 *	bpf_turning.c     where XDP may send by itself
 *	bpf_fill.c        the model into the maps
 *	bpf_members.c     the other gateways, as they tell us
 *	bpf_keys.c        what vouches for relays
 *	bpf_egress.c      which link has which share of an egress group
 *	bpf_filter.c      filters of uplinks
 *	bpf_ask.c         usable bits, explain, reasons
 */
#ifndef APPLY_BPF_H
#define APPLY_BPF_H

#include <stdbool.h>
#include <stdint.h>

#include "apply/netlink.h"
#include "base/error.h"
#include "plan/plan.h"

struct egress_table;
struct explanation;
struct reason_count;
struct settings;
struct usable_entry;

/* Once, before all else: libxdp pins its dispatchers on the bpffs that the pin directory is on. */
void bpf_pins_here(const char *pin_dir);

/* ---- Maps and programs (ITEM_OBJECT) --------------------------------------------------------------------------- */

/*
 * Loads what this gwd was built with beside what is there, shares its maps or fills new ones from them, and makes
 * it the current generation: attachments go by it from now on, and those made before are replaced one by one by
 * bpf_attach(). An item that names a generation which still is there is switched back to.
 */
int bpf_load(const char *pin_dir, const struct item *item, struct error *error);
/* What hung on an interface that is gone lets go of its program. */
void bpf_unpin_gone(const char *pin_dir);
/* All attachments are replaced: what the old generation still learned is carried over, and it goes. */
int bpf_settle(const char *pin_dir, struct error *error);
int bpf_remove(const char *pin_dir, struct error *error);
/* Adds the item when anything is pinned. */
int bpf_observe(const char *pin_dir, struct items *items, struct error *error);
/* A descriptor of a pinned map, which the caller closes, and how many entries it has (`entries` may be NULL). */
int bpf_map_open(const char *pin_dir, const char *map, uint32_t *entries, struct error *error);

/* ---- Attaching (ITEM_ATTACHMENT) ------------------------------------------------------------------------------- */

/* Replaces in one step what is attached there by us already. */
int bpf_attach(const char *pin_dir, const struct item *item, struct error *error);
int bpf_detach(const char *pin_dir, const struct item *item, struct error *error);
/* Adds what is attached to the interface, of our programs. */
int bpf_observe_attachments(const char *pin_dir, const char *interface, struct items *items);
/* "native", "generic" or "none". */
const char *bpf_xdp_mode(const char *interface);
/* Nothing else can hang there beside it: the kernel does not bear libxdp's dispatcher. */
bool bpf_xdp_is_alone(const char *interface);
/* The program there is the whole one, which may send: not the guard that hangs where that cannot be had. */
bool bpf_xdp_is_whole(const char *interface);
/* Whether XDP there relays by itself what surfaces and has its way home elsewhere. */
bool bpf_xdp_relays(const char *pin_dir, const char *interface);

/* ---- Filling (ITEM_ENTRIES) ------------------------------------------------------------------------------------ */

/* Writes what differs, and nothing else. */
int bpf_fill(const char *pin_dir, struct netlink *netlink, const struct model *model, struct error *error);
/* 1: the maps say what the model says, 0: they do not, or there are none. */
int bpf_is_filled(const char *pin_dir, struct netlink *netlink, const struct model *model);

/* Who holds this prefix in a space (bpf/abi.h), by number as the maps have it; 0: nobody does, or there are none. */
uint16_t bpf_prefix_holder(const char *pin_dir, uint16_t space, uint16_t which, const struct prefix *prefix);

/* ---- Members --------------------------------------------------------------------------------------------------- */

/* A tunnel of another gateway, in our numbering of providers and zones. */
struct bpf_member_tunnel {
	uint16_t tunnel, provider, zone;
	bool usable;
};

/* `state`: enum member_state. -ENOENT: the configuration has no such member. */
int bpf_member_set(const char *pin_dir, uint8_t number, uint8_t state, bool serving, struct error *error);
/* Whether we serve: if not, other gateways' flows do not become ours when they do not serve either. */
int bpf_serving_set(const char *pin_dir, uint8_t self, bool serving, struct error *error);
/* How far its clock is from ours, in time slots of relays. -ENOENT as above. */
int bpf_member_clock_set(const char *pin_dir, uint8_t number, int16_t slots, struct error *error);
/* How an earlier gwd left it: who was alive is suspect until it is heard again, who was dead stays dead. */
int bpf_member_adopt(const char *pin_dir, uint8_t number, uint8_t *state, bool *serving, struct error *error);
/*
 * All tunnels of another gateway, instead of those it had; none (count 0) when it left. Answers how many are left out: their
 * provider is not ours, or has PROVIDER_WAYS_MAX ways already, or another gateway has a tunnel of that number. `released` (or
 * NULL): whether there is a number or a place now for what was left out of others.
 */
int bpf_member_tunnels_set(const char *pin_dir, uint8_t gateway, const struct bpf_member_tunnel *tunnels,
	size_t count, bool *released, struct error *error);
/* When a valid relay of the member last came, in the tables' milliseconds; 0: never. */
int bpf_heard(const char *pin_dir, uint8_t number, uint32_t *relay_ms, struct error *error);
/* What vouches for relays: SipHash's key, and how members name it. */
struct bpf_relay_key {
	uint8_t id; /* 1..255 */
	uint64_t words[2];
};

/* The first one vouches for what we relay, any for what comes; all others are forgotten. */
int bpf_relay_keys_set(
	const char *pin_dir, const struct bpf_relay_key *keys, size_t count, struct error *error);
/* What is to be added to bpf_ktime_get_coarse_ns() for ns of CLOCK_REALTIME. */
int bpf_clock_set(const char *pin_dir, uint64_t offset_ns, struct error *error);

/* ---- Egress groups ---------------------------------------------------------------------------------------------- */

/* By the group's number; all zeros when there is none yet. */
int bpf_egress_read(const char *pin_dir, uint16_t group, struct egress_table *table, struct error *error);
/* In one step, and only when it differs. */
int bpf_egress_write(
	const char *pin_dir, uint16_t group, const struct egress_table *table, struct error *error);
/* Those of groups that the model has not. */
int bpf_egress_forget_others(const char *pin_dir, const struct model *model, struct error *error);
/* What a link has sent; zeros: nothing yet. */
int bpf_egress_sent(const char *pin_dir, uint16_t tunnel, struct reason_count *sent, struct error *error);

/* ---- Filters of uplinks ------------------------------------------------------------------------------------------ */

/* What the programs do there, once they are attached; FILTER_OFF also: nobody told them. */
enum filter_mode bpf_filter_mode(const char *pin_dir, const char *uplink);

/* ---- Asking ---------------------------------------------------------------------------------------------------- */

/* The tunnels of a gateway that are usable, as bits; all zeros when there is no such map yet. */
int bpf_usable_read(const char *pin_dir, uint8_t gateway, struct usable_entry *entry, struct error *error);
int bpf_usable_set(const char *pin_dir, uint8_t gateway, uint16_t tunnel, bool usable, struct error *error);
/* What the programs go by now. */
int bpf_settings_read(const char *pin_dir, struct settings *settings, struct error *error);
/* Runs the program `explain` on the question, which becomes the answer. */
int bpf_explain(const char *pin_dir, struct explanation *question, struct error *error);
/* `totals`: REASON_COUNT entries, sums over the processors. */
int bpf_reasons(const char *pin_dir, struct reason_count *totals, struct error *error);

/* 0, or the words of what this kernel cannot do. */
int bpf_probe(struct error *error);
/* What relaying adds to a packet on an uplink of this family (AF_INET, AF_INET6). */
uint32_t bpf_relay_overhead(int family);

#endif
