/* SPDX-License-Identifier: Apache-2.0 */
/* XDP on an uplink: for bpf_attach.c, which is the one way in, alone. */
#ifndef APPLY_BPF_XDP_H
#define APPLY_BPF_XDP_H

#include "base/error.h"
#include "plan/plan.h"

/* In the place of an earlier one, if there is one. */
int xdp_attach(const char *pin_dir, const struct item *item, int index, struct error *error);
/* What is not attached is detached already. */
int xdp_detach(const char *pin_dir, int index, struct error *error);
/* Adds the item, completed, when one of our programs hangs there. */
int xdp_observe(const char *pin_dir, int index, struct item *item, struct items *items);

#endif
