/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_SUCCESSOR_H
#define CTL_SUCCESSOR_H

#include "base/error.h"
#include "status.h"

/*
 * Whether this gateway may leave its service to a member: to this one (of the model's), or to whoever it will be (NULL).
 * 0, or a negative errno with words that say what stands against it.
 */
int successor_check(const struct status *status, const struct member *to, struct error *error);

#endif
