// SPDX-License-Identifier: Apache-2.0
/*
 * What is used here is not seen elsewhere: others' lines expire unless somebody tells them of the use. So the owner of a
 * flow, and for a device the gateway of its way home, tells of it again every quarter of its lifetime, if it was used
 * since. Nothing is remembered of a line: the tables are walked, evenly, once in a quarter of the shortest lifetime, and
 * what lives n times as long has its turn in every n-th pass, in which one its hash says. Who walks counts as well: how
 * many flows are ours is what the last pass found.
 */
#include "array/private.h"

#include "base/cleanup.h"

#define TICK_MS     20
#define PASS_MIN_MS 1000
#define AT_ONCE     64

static uint32_t smaller(uint32_t one, uint32_t other)
{
	return one < other ? one : other;
}

static uint32_t pass_ms(const struct settings *lifetimes)
{
	uint32_t shortest = smaller(smaller(lifetimes->established_ms, lifetimes->device_ms),
		smaller(lifetimes->udp_ms, lifetimes->icmp_ms));

	return shortest / 4 > PASS_MIN_MS ? shortest / 4 : PASS_MIN_MS;
}

/* FNV-1a */
static uint32_t hash_of(const struct line_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < sizeof(*key); i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return hash;
}

static bool is_due(const struct array_core *core, const struct array_record *record)
{
	uint32_t pass = pass_ms(&core->lifetimes);
	uint32_t lifetime = line_lifetime_ms(&core->lifetimes, record->state, record->key.protocol);
	uint32_t turns = lifetime / 4 > pass ? lifetime / 4 / pass : 1;
	uint8_t teller = record->key.protocol != 0 ? record->owner : record->gateway;

	return teller == core->gateway && record->state == LINE_ESTABLISHED &&
	       record->idle_ms <= (uint64_t)turns * pass &&
	       hash_of(&record->key) % turns == core->refresh.pass % turns;
}

static bool is_our_flow(const struct array_core *core, const struct array_record *record)
{
	return record->key.protocol != 0 && record->owner == core->gateway;
}

static void walk_on(struct array_core *core, uint64_t end, struct array_time now)
{
	struct array_record records[AT_ONCE];

	while (core->refresh.line < end) {
		size_t count = core->effects.walk(
			core->effects.self, &core->refresh.line, end, records, ARRAY_SIZE(records));

		for (size_t i = 0; i < count; i++) {
			core->refresh.flows += is_our_flow(core, &records[i]);
			if (is_due(core, &records[i]))
				array_change(core, &records[i], now);
		}
	}
}

void refresh_tick(struct array_core *core, struct array_time now)
{
	struct refresh *refresh = &core->refresh;
	uint64_t pass = pass_ms(&core->lifetimes), passed_ms = now.ms - refresh->began_ms;

	if (now.ms < refresh->due_ms || core->lines == 0)
		return;
	refresh->due_ms = now.ms + TICK_MS;
	walk_on(core, passed_ms < pass ? core->lines * passed_ms / pass : core->lines, now);
	if (passed_ms < pass)
		return;
	core->flows = TAKE(refresh->flows, 0);
	refresh->line = 0;
	refresh->pass++;
	refresh->began_ms = now.ms;
}
