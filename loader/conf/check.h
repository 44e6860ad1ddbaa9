/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf/review.h"

/* What must fit together: reports what does not. The model is in the file's order, with holes where reading failed. */
void check_model(struct review *review, const struct model *model);

/* The parts of it that are about probes, and egress groups. */
void check_ipsec(struct review *review, const struct model *model);
void check_probes(struct review *review, const struct model *model);
void check_egress(struct review *review, const struct model *model);

#endif
