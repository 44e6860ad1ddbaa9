/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include "conf/review.h"

/*
 * Reads the bytes as one YAML document, records the place of every key, and reports all that does not agree with
 * the table of settings: unknown, missing and duplicate keys, wrong kinds, empty values. *clean becomes the
 * document without what was reported (free() it): what had a wrong kind is empty there. 0, also with problems; or
 * -EINVAL: no document to go on with; -ENOMEM.
 */
int yaml_review(struct review *review, const char *bytes, size_t size, char **clean, size_t *clean_size);

#endif
