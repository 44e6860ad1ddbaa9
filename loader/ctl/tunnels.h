/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ctl: what the status screen shares with the list of tunnels. */
#ifndef CTL_TUNNELS_H
#define CTL_TUNNELS_H

#include <jansson.h>

#include "status.h"

json_t *tunnel_row(const struct tunnel_status *is);

#endif
