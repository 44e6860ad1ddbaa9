/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ctl: the gateways of the array as rows. */
#ifndef CTL_MEMBERS_H
#define CTL_MEMBERS_H

#include "ctl/request.h"

/* "alive", "suspect", "dead"; "self"; "unknown" when nobody tells. */
const char *member_state_name(const struct status *status, const struct member_status *is);
/* Any loopback is. */
bool is_announced(const struct status *status);

/* Counts the flows of the next slice by their owner; true when the table's end is reached. */
bool tally_slice(struct request *request);

/* After the tally. */
json_t *member_row(const struct request *request, const struct member_status *is);
/* What is relayed, from the sums of all reasons. */
json_t *relay_object(const struct reason_count *totals);

#endif
