/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_NEAREST_H
#define CONF_NEAREST_H

#include "conf/settings.h"

/* The setting whose key somebody who wrote `key` may have meant: up to two slips of the pen. NULL: none is near. */
const struct setting *nearest_setting(const struct section *section, const char *key);

#endif
