/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/review.h"
#include "conf/settings.h"

/* What libcyaml read: the slots of the top section, and the schema that knows how to free them. */
struct raw {
	struct slot *top;
	struct schema *schema;
};

/* Text that yaml_review() has cleaned becomes slots. 0, -ENOMEM, or -EINVAL and a problem. raw_free() in any case. */
int raw_load(struct review *review, const char *text, size_t size, struct raw *raw);
void raw_free(struct raw *raw);

#endif
