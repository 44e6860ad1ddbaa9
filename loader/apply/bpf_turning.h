/* SPDX-License-Identifier: Apache-2.0 */
/* Where XDP may send a response on to another gateway itself: shared by the bpf*.c files and their tests. */
#ifndef APPLY_BPF_TURNING_H
#define APPLY_BPF_TURNING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Whether all checksums there are finished: of an uplink's mode of XDP ("native", …), its kind as netlink says it (empty:
 * none, so it is a network card or looks like one) and its driver (empty: unknown).
 */
bool turning_is_safe(const char *xdp_mode, const char *kind, const char *driver);

/* Before XDP is attached or detached there. */
int turning_forbid(const char *pin_dir, uint32_t index);
/* Once it is attached: lets it, where that is safe. */
int turning_decide(const char *pin_dir, const char *interface, struct error *error);
/* The map says what turning_decide() would make it say. */
bool turning_is_decided(const char *pin_dir, const char *interface);

#endif
