// SPDX-License-Identifier: Apache-2.0
/* What another gateway says of a line, merged by the programs' own code: the rule stands in bpf/table.h. */
#include "flow/merge.h"

#include "bpf/table.h"

#define NS_PER_MS 1000000ULL

/* In the order of enum merged. */
_Static_assert((int)FLOW_MERGED == (int)MERGED && (int)FLOW_KNOWN == (int)MERGE_KNOWN &&
		       (int)FLOW_RIVALLED == (int)MERGE_RIVALLED && (int)FLOW_REFUSED == (int)MERGE_REFUSED,
	"two names of one thing");

enum flow_merged flow_merge(const struct flow_table *table, const struct settings *settings,
	const struct line *record, uint32_t now_ms)
{
	const struct table lines = {
		.lines = table->lines,
		.mask = table->count - 1,
		.settings = settings,
		.now_ns = now_ms * NS_PER_MS,
	};

	if (!table->lines)
		return FLOW_REFUSED;
	return (enum flow_merged)table_merge(&lines, &record->key, hash_of(&record->key, settings->hash_seed),
		TAG_STATE(record->tag), record->home, record->stamp);
}
