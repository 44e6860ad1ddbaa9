/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How responses get to home0: policy rules, one default route a family in a table of our own, and the
 * permanent neighbour behind it; and how probes get behind a tunnel's link: the same without a neighbour, in another table,
 * for what is bound to the tunnel. No other route is ever made. All bear OUR_PROTOCOL, and only what bears it
 * is listed. BIRD's routes are its own: they are taken away where no BIRD is left to do it.
 */
#ifndef APPLY_ROUTE_H
#define APPLY_ROUTE_H

#include "apply/netlink.h"
#include "plan/plan.h"

/* Items of kind ITEM_RULE, ITEM_ROUTE or ITEM_WAY, ITEM_NEIGHBOUR. 0 or a negative errno, words in `error`. */
int rule_add(struct netlink *netlink, const struct item *item, struct error *error);
/* All of this priority that lead to this table, of both families: those that another program left. */
void rules_remove(struct netlink *netlink, uint32_t priority, uint32_t table);
int rule_remove(struct netlink *netlink, const struct item *item, struct error *error);
int route_add(struct netlink *netlink, const struct item *item, struct error *error);
int route_remove(struct netlink *netlink, const struct item *item, struct error *error);
int neighbour_add(struct netlink *netlink, const struct item *item, struct error *error);
int neighbour_remove(struct netlink *netlink, const struct item *item, struct error *error);

/* Adds all of ours to `items`. */
int routes_observe(struct netlink *netlink, struct items *items, struct error *error);

/* Removes what a BIRD has put into the main table within what the model's routers may tell. None is no error. */
int routes_remove_birds(struct netlink *netlink, const struct model *model, struct error *error);

#endif
