/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMINE_H
#define EXAMINE_H

#include <stdbool.h>

#include "model.h"

/* Prints what in this machine would hurt a gateway of this configuration; answers the exit status. */
int examine(const struct model *model, const char *pin_dir, bool json);

#endif
