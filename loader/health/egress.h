/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Egress groups: which of a group's links carry traffic. A pure state machine beside health: it hears whether a tunnel is
 * usable, what an operator commands, and the time; nobody outside sees a rule or a timer, and nothing here reads a clock.
 *
 *	active-standby   one link is in. It stays until it dies; then the first usable one in the group's order follows at
 *	                 once. With `preempt`, a better one takes over as soon as it was usable for `hold`. What an operator
 *	                 switched to stays until it dies, preempt or not.
 *	load-sharing     all usable links are in, by weight (share.h). One that becomes usable is in after `hold`.
 *
 * Of usable links only the best count, by what their neighbours announce (announces.h): one that is about to take the
 * destinations back, or announces fewer of them than another, is the last choice, and as good as any while there is no better
 * one. The first is out at once. The second is out as soon as the other announced more for `hold`: at once when it takes a
 * destination back itself, and not at all when the others only learnt of a new one later.
 *
 * `hold` is there so that traffic does not follow a link that comes and goes; it never stands between traffic and the only
 * link there is. One exception: when a group begins, the first link in its order is waited for so long, since it would be a
 * matter of chance otherwise which of them comes up first, and without `preempt` for good.
 *
 * Main writes the shares into the BPF maps, in one step a group. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef HEALTH_EGRESS_H
#define HEALTH_EGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "health/announces.h"
#include "health/share.h"
#include "model.h"

#define EGRESS_CAUSE_SIZE 128

struct egress_link_state {
	const struct egress_link *link;
	bool usable, in;
	enum announces announces;      /* its neighbour, while it is usable */
	enum announces proven;         /* and what of that stood for `hold`; not more than that */
	uint64_t usable_since_ms;      /* when it was last not usable, or leaving */
	uint64_t more_since_ms;        /* when it announced more than before, last */
	uint64_t since_ms;             /* when `in` changed last; the start when it never did */
	uint16_t slots;                /* of SHARE_SLOTS, that it has now */
	char cause[EGRESS_CAUSE_SIZE]; /* why it is in or not: "BFD down", "commanded" */
	char why[EGRESS_CAUSE_SIZE];   /* while it is not usable: health's word for it */
};

struct egress_group_state {
	const struct egress_group *group;
	struct egress_link_state links[EGRESS_LINKS_MAX]; /* in the group's order */
	enum announces needed;                            /* what a link must announce at least, to be in */
	bool begun;                                       /* a link was in */
	uint16_t commanded; /* the number of the tunnel that an operator switched to, 0: of none */
	uint64_t since_ms;  /* when its links in changed last */
};

/* What became of a tunnel. */
struct egress_news {
	uint16_t tunnel;
	bool usable;
	enum announces announces;
	const char *why;
};

struct egress;

/* Every link starts unusable and out. The model must outlive it. NULL: no memory. */
struct egress *egress_new(const struct model *model, uint64_t now_ms);
void egress_free(struct egress *egress);

/*
 * The link was in when an earlier daemon went, and `commanded` if an operator had switched to it. Before anything is
 * reported; the first report of this tunnel decides, and until it is known what its neighbour announces, that counts as all.
 */
void egress_adopt(struct egress *egress, uint16_t tunnel, bool commanded);
/* Another model comes into force: what is known of the groups (same name) and links (same number, same name) that stay goes over. */
void egress_carry(struct egress *egress, const struct egress *old, uint64_t now_ms);
/* What the old one has told since is not told again, by egress_next_change(). */
void egress_carry_told(struct egress *egress, const struct egress *old);

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/*
 * Heard, and judged by the next egress_tick(): what comes together is judged together. May be repeated. `announces`: ANNOUNCES_UNKNOWN leaves what was known; of no meaning when it is not usable. `why`: health's words
 * then. Nothing happens when no group has such a link.
 */
void egress_report(struct egress *egress, const struct egress_news *news, uint64_t now_ms);
/* Judges: to be called after what was reported, and at egress_deadline(); earlier does no harm. */
void egress_tick(struct egress *egress, uint64_t now_ms);
/* UINT64_MAX: nothing waits for time. */
uint64_t egress_deadline(const struct egress *egress);
/*
 * An operator switches an active-standby group over to one of its links. 0; -EOPNOTSUPP: the group shares its load;
 * -ENOENT: the tunnel is no link of it; -ENETDOWN: the link is not usable; -EBUSY: it is the last choice, and another is there.
 */
int egress_switch(struct egress *egress, const struct egress_group *group, const struct tunnel *tunnel,
	uint64_t now_ms);

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* One a group, in the model's order. */
const struct egress_group_state *egress_states(const struct egress *egress);
/*
 * The next group whose links in have changed since it was last asked for, in the model's order; `came` and `went`: a bit
 * for each link. False: no more. To be called after every event.
 */
bool egress_next_change(struct egress *egress, size_t *group, uint32_t *came, uint32_t *went);
/* The tunnel's number for each slot of a group, 0 in all when no link is in. */
void egress_table(const struct egress_group_state *state, uint16_t tunnels[SHARE_SLOTS]);
/* The tunnels' numbers of the links that are in, and 0 behind them. */
void egress_list_in(const struct egress_group_state *state, uint16_t tunnels[EGRESS_LINKS_MAX]);

#endif
