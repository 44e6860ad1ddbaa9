/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXAMINE_H
#define EXAMINE_H

#include <stdbool.h>

#include "model.h"

struct facts;

/* Prints what in this machine would hurt a gateway of this configuration; answers the exit status. */
int examine(const struct model *model, const char *run_dir, const char *pin_dir, bool json);

/* What the gwd of that gateway knows, if it runs here: how the members' clocks differ. Else nothing is changed. */
void examine_running(const struct model *model, const char *run_dir, struct facts *facts);

#endif
