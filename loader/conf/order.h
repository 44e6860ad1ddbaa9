/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ORDER_H
#define CONF_ORDER_H

#include "conf/review.h"

/*
 * Puts a model that has passed all checks into its own order, whatever the file's was, and fills in what follows
 * from it: the gateway's number, the providers' numbers. 0, or -ENOMEM.
 */
int order_model(struct review *review, struct model *model);

#endif
