/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "base/address.h"
#include "conf/review.h"

#define FOR_EACH(index, count) for (size_t index = 0; index < (count); index++)

/* A key's path, formatted: its text. */
char *check_key(char text[KEY_PATH_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What must fit together: reports what does not. The model is in the file's order, with holes where reading failed. */
void check_model(struct review *review, const struct model *model);

/* The parts of it that have a file of their own. */
void check_addresses(struct review *review, const struct model *model);
void check_ipsec(struct review *review, const struct model *model);
void check_probes(struct review *review, const struct model *model);
void check_egress(struct review *review, const struct model *model);

#endif
