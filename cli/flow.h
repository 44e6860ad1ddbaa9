/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FLOW_H
#define CLI_FLOW_H

#include <jansson.h>

#include "cli/command.h"

/* The selector PROTOCOL SOURCE[:PORT] DESTINATION[:PORT] as arguments, a new reference. */
enum reply_code flow_ends(const struct invocation *invocation, json_t **arguments, struct error *error);

#endif
