// SPDX-License-Identifier: Apache-2.0
/* Walking a table: what matches, what is flushed, what has grown too old. */
#include "flow/flow.h"

#include <arpa/inet.h>
#include <string.h>

/* A device has no destination: its zeros are not the address `::`. */
static bool address_matches(const struct prefix *prefix, const struct line *line)
{
	struct address source = flow_source(line), destination = flow_destination(line);

	return prefix_contains(prefix, &source) ||
	       (line->key.protocol != 0 && prefix_contains(prefix, &destination));
}

static bool source_in(const struct prefix *prefixes, size_t count, const struct line *line)
{
	struct address source = flow_source(line);

	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], &source))
			return true;
	return false;
}

static bool expired(const struct settings *lifetimes, const struct line *line, uint32_t now_ms)
{
	return flow_idle_ms(line, now_ms) >
	       line_lifetime_ms(lifetimes, TAG_STATE(line->tag), line->key.protocol);
}

bool flow_matches(const struct flow_filter *filter, const struct line *line)
{
	const struct line_key *key = &line->key;
	uint16_t port = htons(filter->port);

	if (filter->tunnel && filter->tunnel != HOME_TUNNEL(line->home))
		return false;
	if (filter->gateway && filter->gateway != HOME_GATEWAY(line->home))
		return false;
	if (filter->state && filter->state != TAG_STATE(line->tag))
		return false;
	if (filter->protocol && filter->protocol != key->protocol)
		return false;
	if (filter->has_zone && filter->zone != key->zone)
		return false;
	if (filter->port && port != key->source_port && port != key->destination_port)
		return false;
	if (filter->has_address && !address_matches(&filter->address, line))
		return false;
	if (filter->lifetimes && expired(filter->lifetimes, line, filter->now_ms))
		return false;
	return !filter->has_prefixes || source_in(filter->prefixes, filter->prefix_count, line);
}

bool flow_next(const struct flow_table *table, uint32_t *index, uint32_t end,
	const struct flow_filter *filter, struct line *copy)
{
	while (*index < end) {
		uint32_t here = (*index)++;

		if (flow_read(table, here, copy) && flow_matches(filter, copy))
			return true;
	}
	return false;
}

static uint32_t end_of_slice(const struct flow_table *table, uint32_t from, uint32_t slice)
{
	return from >= table->count || slice > table->count - from ? table->count : from + slice;
}

uint32_t flow_flush(struct flow_table *table, uint32_t *index, uint32_t slice,
	const struct flow_filter *filter, uint32_t now_ms)
{
	uint32_t end = end_of_slice(table, *index, slice), killed = 0;
	struct line line;

	while (flow_next(table, index, end, filter, &line))
		killed += flow_kill(table, *index - 1, &line, now_ms);
	return killed;
}

/* Dead since so long that nobody writes through an old finding any more. */
static bool is_over(const struct settings *lifetimes, const struct line *line, uint32_t now_ms)
{
	return flow_idle_ms(line, now_ms) >
	       line_lifetime_ms(lifetimes, TAG_STATE(line->tag), line->key.protocol) + DEAD_GRACE_MS;
}

/* ---- Claims of a gwd that died ------------------------------------------------------------------------------------ */

static uint64_t tag_at(const struct flow_table *table, uint32_t index)
{
	return __atomic_load_n(&table->lines[index].tag, __ATOMIC_ACQUIRE);
}

static bool is_watched(const struct flow_sweep *sweep, uint32_t index)
{
	for (unsigned i = 0; i < sweep->claim_count; i++)
		if (sweep->claims[i].index == index)
			return true;
	return false;
}

static void watch_claims(const struct flow_table *table, struct flow_sweep *sweep, uint32_t from,
	uint32_t end, uint32_t now_ms)
{
	for (uint32_t i = from; i < end && sweep->claim_count < CLAIMS_WATCHED; i++) {
		uint64_t tag = tag_at(table, i);

		if (TAG_STATE(tag) == LINE_CLAIMED && !is_watched(sweep, i))
			sweep->claims[sweep->claim_count++] = (struct flow_claim){tag, i, now_ms};
	}
}

/* Of those that were seen before: one that is published is no claim any more, one that stands for long is nobody's. */
static uint32_t bury_claims(struct flow_table *table, struct flow_sweep *sweep, uint32_t now_ms)
{
	unsigned kept = 0;
	uint32_t buried = 0;

	for (unsigned i = 0; i < sweep->claim_count; i++) {
		const struct flow_claim *claim = &sweep->claims[i];

		if (tag_at(table, claim->index) != claim->tag)
			continue;
		if (now_ms - claim->since_ms < CLAIM_STALE_MS)
			sweep->claims[kept++] = *claim;
		else
			buried += flow_bury(table, claim->index, &(struct line){.tag = claim->tag});
	}
	sweep->claim_count = kept;
	return buried;
}

/* ---- All that is over --------------------------------------------------------------------------------------------- */

uint32_t flow_sweep(struct flow_table *table, struct flow_sweep *sweep, uint32_t slice,
	const struct settings *settings, uint32_t now_ms)
{
	static const struct flow_filter any;
	uint32_t from = sweep->index < table->count ? sweep->index : 0;
	uint32_t end = end_of_slice(table, from, slice), buried = bury_claims(table, sweep, now_ms);
	struct line line;

	watch_claims(table, sweep, from, end, now_ms);
	for (sweep->index = from; flow_next(table, &sweep->index, end, &any, &line);)
		if (is_over(settings, &line, now_ms))
			buried += flow_bury(table, sweep->index - 1, &line);
	return buried;
}
