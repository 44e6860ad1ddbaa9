/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one gwd leaves to the next about probes, as a text; pure.
 *
 *	loopback NAME                              its probes keep it back
 *	probe NAME proven|excused|new PHASE        proven: was up once; excused: probe_excuse(); and the phase that was told last
 *
 * Names are those of the configuration that was in force then, and the next gwd may start with another one. So a loopback
 * goes on as the one that had its address, a probe only as one that asked the same; and what is new is as if it came with
 * `gwctl config apply`: a loopback that was not there has yet to be found well, a question that was not asked takes nothing
 * out of service.
 */
#ifndef HEALTH_RECALL_H
#define HEALTH_RECALL_H

#include "health/probe.h"
#include "model.h"

/* It asks the same of the same, for the same; how often and how patiently may differ. */
bool probe_asks_the_same(const struct probe *one, const struct probe *other);

/* `kept_back`: by probes, a loopback each. The caller frees it; NULL: no memory. */
char *recall_write(const struct model *model, const struct probe_state *states, const bool *kept_back);

/*
 * `former`: what was in force then; NULL: not known, and taken to be `model`. `states` have just been started; `kept_back` gets
 * a value for each of the model's loopbacks. A text that was never written is "".
 */
void recall_read(const char *text, const struct model *former, const struct model *model,
	struct probe_state *states, bool *kept_back);

#endif
