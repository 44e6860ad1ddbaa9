/* SPDX-License-Identifier: Apache-2.0 */
/* How a tunnel is shown, in its list and on the status screen. */
#ifndef CLI_TUNNEL_H
#define CLI_TUNNEL_H

#include "cli/view.h"

extern const struct column tunnel_columns[];
extern const size_t tunnel_column_count;

#endif
