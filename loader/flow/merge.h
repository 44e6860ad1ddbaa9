/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing into a table what another gateway says: the one change of user space that makes lines, beside those of flow.h
 * that end them. The newest stamp wins; who is behind hears nothing of it. A packet may change the same line at the same
 * moment, and neither waits for the other.
 */
#ifndef FLOW_MERGE_H
#define FLOW_MERGE_H

#include "flow/flow.h"

enum flow_merged {
	FLOW_MERGED, /* the line says so now */
	FLOW_KNOWN,  /* it says so already, or something newer; or what was said is as good as dead by now */
	FLOW_RIVALLED, /* packets were faster, again and again: it may be tried again */
	FLOW_REFUSED,  /* there is no line for it, and none was to be had */
};

/*
 * `record` is a line as it should be: its key, its state in the tag (half-open, established or closing; the hash is
 * ours to know), its home word by our clock, its stamp. The table's size and `settings` are what the programs go by.
 */
enum flow_merged flow_merge(const struct flow_table *table, const struct settings *settings,
	const struct line *record, uint32_t now_ms);

#endif
