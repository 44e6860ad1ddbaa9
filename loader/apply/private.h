/* SPDX-License-Identifier: Apache-2.0 */
/* What apply.c, observe.c and preflight.c share, and nobody else sees. */
#ifndef APPLY_PRIVATE_H
#define APPLY_PRIVATE_H

#include "apply/apply.h"
#include "apply/netlink.h"

struct apply {
	char *pin_dir;
	struct netlink *netlink;
	struct children *children;
};

#endif
