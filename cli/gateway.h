/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of gateways, for `gateway list` and the screen. */
#ifndef CLI_GATEWAY_H
#define CLI_GATEWAY_H

#include "cli/view.h"

extern const struct column member_columns[];
extern const size_t member_column_count;

#endif
