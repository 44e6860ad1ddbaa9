// SPDX-License-Identifier: Apache-2.0
#include "lines.h"

uint64_t lines_count(const struct lines *lines)
{
	return (uint64_t)lines->flows->count + lines->devices->count;
}

/* Not one that was proved this moment and is not stamped yet: whoever does that says so afterwards. */
static bool is_told(const struct line *line, const struct settings *settings, uint32_t idle_ms)
{
	uint8_t state = TAG_STATE(line->tag);

	return (state == LINE_ESTABLISHED || state == LINE_CLOSING) && HOME_GATEWAY(line->home) != 0 &&
	       !STAMP_IS_WANTED(line->stamp) &&
	       idle_ms <= line_lifetime_ms(settings, state, line->key.protocol);
}

static bool read_line(const struct lines *lines, const struct flow_table *table, uint32_t index,
	uint32_t now_ms, struct array_record *record)
{
	struct line line;
	uint32_t idle_ms;

	if (index >= table->count || !flow_read(table, index, &line))
		return false;
	idle_ms = flow_idle_ms(&line, now_ms);
	if (!is_told(&line, lines->settings, idle_ms))
		return false;
	*record = (struct array_record){
		.key = line.key,
		.state = TAG_STATE(line.tag),
		.gateway = HOME_GATEWAY(line.home),
		.owner = HOME_OWNER(line.home),
		.tunnel = HOME_TUNNEL(line.home),
		.idle_ms = idle_ms,
		.stamp = line.stamp,
	};
	return true;
}

bool lines_read(
	const struct lines *lines, const struct change *change, uint32_t now_ms, struct array_record *record)
{
	const struct flow_table *table = change->table == CHANGE_FLOW ? lines->flows : lines->devices;

	return read_line(lines, table, change->line, now_ms, record);
}

static bool read_numbered(
	const struct lines *lines, uint64_t number, uint32_t now_ms, struct array_record *record)
{
	if (number < lines->flows->count)
		return read_line(lines, lines->flows, (uint32_t)number, now_ms, record);
	return read_line(lines, lines->devices, (uint32_t)(number - lines->flows->count), now_ms, record);
}

size_t lines_walk(const struct lines *lines, uint64_t *line, uint64_t end, struct array_record *records,
	size_t room, uint32_t now_ms)
{
	uint64_t last = end - *line > FLOW_SLICE ? *line + FLOW_SLICE : end;
	size_t count = 0;

	while (*line < last && count < room)
		count += read_numbered(lines, (*line)++, now_ms, &records[count]);
	return count;
}

enum flow_merged lines_merge(const struct lines *lines, const struct array_record *record, uint32_t now_ms)
{
	const struct line line = {
		.tag = TAG(0, record->state),
		.key = record->key,
		.home = HOME(now_ms - record->idle_ms, record->tunnel, record->gateway, record->owner),
		.stamp = record->stamp,
	};
	const struct flow_table *table = record->key.protocol ? lines->flows : lines->devices;

	return flow_merge(table, lines->settings, &line, now_ms);
}
