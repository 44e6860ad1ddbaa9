/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_READ_H
#define CONF_READ_H

#include "conf/review.h"
#include "conf/settings.h"

/*
 * Slots become a model, in the file's order, so that item i of a list is item i of the model. What cannot be read
 * is reported and stays zero: a NULL text, the address ::, the prefix ::/0, the number 0, none of which a good
 * value is. Values used twice where the table says `unique` are reported too. 0, or -ENOMEM; the model is the
 * caller's to free in any case.
 */
int read_model(struct review *review, const struct slot *top, struct model *model);

#endif
