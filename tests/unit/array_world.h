/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for the array's core: up to four gateways with a table each, a network between them that loses, doubles and
 * reorders what it carries and can be cut, and a time that passes as fast as they let it. All is drawn from a seed, so
 * what happened once happens again.
 */
#ifndef ARRAY_WORLD_H
#define ARRAY_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "array/array.h"
#include "unit.h"

#define NODES     4
#define LINES     600 /* a key each: flows, and every tenth a device */
#define SLICE     50
#define FLIGHTS   200000
#define TAPE      4000
#define STEPS_MAX 3000000
#define START_MS  1000000
#define WALL_NS   1700000000000000000ULL

struct world;

struct node {
	struct world *world;
	struct array_core *core;
	uint8_t number;
	bool on;
	int64_t clock_ns; /* ahead of the world's */
	struct array_keys keys;
	struct array_record lines[LINES];
	bool used[LINES];
	enum member_state states[NODES + 1];
	int16_t slots[NODES + 1]; /* of their clocks */
	bool servings[NODES + 1];
	unsigned deaths; /* that it was told of */
	struct array_tunnel tunnels[NODES + 1][ARRAY_TUNNELS_MAX];
	size_t tunnel_counts[NODES + 1];
	uint64_t relay_silent_ms;       /* what is said of all members … */
	uint64_t relayed_ms[NODES + 1]; /* … but those whose last relay came then */
	uint64_t merged;
};

struct flight {
	uint64_t at_us, number;
	uint8_t to, from;
	uint16_t size;
	uint8_t bytes[ARRAY_DATAGRAM_MAX];
};

struct world {
	struct node nodes[NODES];
	unsigned count;
	uint64_t now_us, seed;
	unsigned loss, doubled; /* percent */
	unsigned delay_us;      /* up to */
	bool cut[NODES + 1][NODES + 1];
	struct flight **flights; /* a heap: the next to land first */
	size_t flying;
	struct flight *tape; /* what was sent, for who records it */
	size_t taped;
	bool taping;
	uint64_t steps, sent, carried;
};

static uint64_t draw(struct world *world)
{
	world->seed ^= world->seed << 13;
	world->seed ^= world->seed >> 7;
	world->seed ^= world->seed << 17;
	return world->seed * 0x2545f4914f6cdd1dULL >> 16;
}

static struct array_time time_of(const struct node *node)
{
	const struct world *world = node->world;

	return (struct array_time){
		START_MS + world->now_us / 1000, WALL_NS + world->now_us * 1000 + (uint64_t)node->clock_ns};
}

/* ---- The network ----------------------------------------------------------------------------------------------------- */

static bool lands_before(const struct flight *one, const struct flight *other)
{
	return one->at_us < other->at_us || (one->at_us == other->at_us && one->number < other->number);
}

static void launch(struct world *world, struct flight *flight)
{
	size_t i = world->flying++;

	if (world->flying > FLIGHTS)
		abort();
	for (; i > 0 && lands_before(flight, world->flights[(i - 1) / 2]); i = (i - 1) / 2)
		world->flights[i] = world->flights[(i - 1) / 2];
	world->flights[i] = flight;
}

static struct flight *land(struct world *world)
{
	struct flight *first = world->flights[0], *last = world->flights[--world->flying];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < world->flying; i = child) {
		if (child + 1 < world->flying &&
			lands_before(world->flights[child + 1], world->flights[child]))
			child++;
		if (!lands_before(world->flights[child], last))
			break;
		world->flights[i] = world->flights[child];
	}
	world->flights[i] = last;
	return first;
}

static void carry(struct world *world, const struct flight *flight)
{
	struct flight *copy;

	if (draw(world) % 100 < world->loss)
		return;
	copy = malloc(sizeof(*copy));
	*copy = *flight;
	copy->number = world->carried++;
	copy->at_us = world->now_us + 50 + (world->delay_us ? draw(world) % world->delay_us : 0);
	launch(world, copy);
}

static void node_send(void *self, uint8_t member, const void *datagram, size_t size)
{
	const struct node *node = self;
	struct world *world = node->world;
	struct flight flight = {.to = member, .from = node->number, .size = (uint16_t)size};

	CU_ASSERT_FATAL(size <= sizeof(flight.bytes));
	world->sent++;
	memcpy(flight.bytes, datagram, size);
	if (world->taping && world->taped < TAPE)
		world->tape[world->taped++] = flight;
	if (world->cut[node->number][member])
		return;
	carry(world, &flight);
	if (draw(world) % 100 < world->doubled)
		carry(world, &flight);
}

/* ---- A gateway ------------------------------------------------------------------------------------------------------- */

static struct line_key key_of(size_t line)
{
	struct line_key key = {.source = {10, (uint8_t)(line >> 8), (uint8_t)line}};

	if (line % 10 == 0)
		return key;
	key.destination[0] = 192;
	key.source_port = (uint16_t)line;
	key.protocol = line % 3 == 0 ? 6 : 17;
	return key;
}

static size_t line_of(const struct line_key *key)
{
	return (size_t)key->source[1] << 8 | key->source[2];
}

static void node_merge(void *self, uint8_t member, const struct array_record *record)
{
	struct node *node = self;
	size_t i = line_of(&record->key);
	struct array_record *line = &node->lines[i];
	struct line_key key = key_of(i);

	CU_ASSERT_FATAL(i < LINES && memcmp(&key, &record->key, sizeof(key)) == 0);
	CU_ASSERT(member != node->number);
	node->merged++;
	if (node->used[i] && (record->stamp < line->stamp ||
				     (record->stamp == line->stamp && record->gateway <= line->gateway)))
		return;
	node->used[i] = true;
	*line = *record;
}

static size_t node_walk(void *self, uint64_t *line, uint64_t end, struct array_record *records, size_t room)
{
	const struct node *node = self;
	uint64_t slice_end = end - *line > SLICE ? *line + SLICE : end;
	size_t count = 0;

	CU_ASSERT_FATAL(*line < end && end <= LINES && room > 0);
	while (*line < slice_end && count < room) {
		if (node->used[*line])
			records[count++] = node->lines[*line];
		++*line;
	}
	return count;
}

static void node_member_changed(void *self, uint8_t member, enum member_state state, bool serving)
{
	struct node *node = self;

	node->deaths += state == MEMBER_DEAD && node->states[member] != MEMBER_DEAD;
	node->states[member] = state;
	node->servings[member] = serving;
}

static void node_tunnels_changed(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count)
{
	struct node *node = self;

	memcpy(node->tunnels[member], tunnels, count * sizeof(*tunnels));
	node->tunnel_counts[member] = count;
}

static uint64_t node_relay_silent(void *self, uint8_t member)
{
	const struct node *node = self;

	return node->relayed_ms[member] ? time_of(node).ms - node->relayed_ms[member] : node->relay_silent_ms;
}

static void node_clock_changed(void *self, uint8_t member, int16_t slots)
{
	((struct node *)self)->slots[member] = slots;
}

static void node_random(void *self, void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)draw(((struct node *)self)->world);
}

static const struct settings world_lifetimes = {.established_ms = 3600000,
	.closing_ms = 10000,
	.udp_ms = 30000,
	.icmp_ms = 30000,
	.device_ms = 3600000};

static struct array_keys keys_of(const char *text)
{
	struct array_keys keys;

	CU_ASSERT_EQUAL_FATAL(array_keys_parse(text, &keys, NULL), 0);
	return keys;
}

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* With whatever is in its table: gwd may start on what an earlier one left. */
static void node_start(struct node *node)
{
	struct array_effects effects = {node, node_send, node_merge, node_member_changed,
		node_tunnels_changed, node_walk, node_relay_silent, node_random, node_clock_changed};
	uint8_t members[NODES];
	size_t count = 0;

	for (unsigned i = 0; i < node->world->count; i++)
		if (node->world->nodes[i].number != node->number)
			members[count++] = node->world->nodes[i].number;
	memset(node->states, 0, sizeof(node->states));
	node->core = array_new(node->number, &node->keys, &effects, time_of(node));
	CU_ASSERT_PTR_NOT_NULL_FATAL(node->core);
	CU_ASSERT_EQUAL(array_set_members(node->core, members, count, time_of(node)), 0);
	array_set_tables(node->core, LINES, &world_lifetimes);
	array_set_serving(node->core, true, time_of(node));
	node->on = true;
}

static inline void node_stop(struct node *node)
{
	array_free(node->core);
	node->core = NULL;
	node->on = false;
}

static inline void node_forget(struct node *node)
{
	memset(node->lines, 0, sizeof(node->lines));
	memset(node->used, 0, sizeof(node->used));
}

/* A packet taught it something; told says whether the core hears of it. */
static void node_learn(struct node *node, size_t i, bool told)
{
	struct array_time now = time_of(node);
	struct array_record *line = &node->lines[i];
	uint64_t after = node->used[i] ? line->stamp + 1 : 0;

	*line = (struct array_record){.key = key_of(i),
		.state = LINE_ESTABLISHED,
		.gateway = node->number,
		.owner = node->number,
		.tunnel = (uint16_t)(node->number * 100 + i % 7),
		.stamp = now.wall_ns > after ? now.wall_ns : after};
	node->used[i] = true;
	if (told)
		array_change(node->core, line, now);
}

/* ---- The world ------------------------------------------------------------------------------------------------------- */

static struct world *world_new(unsigned count, uint64_t seed)
{
	struct world *world = calloc(1, sizeof(*world));

	world->count = count;
	world->seed = seed;
	world->flights = calloc(FLIGHTS, sizeof(*world->flights));
	world->tape = calloc(TAPE, sizeof(*world->tape));
	for (unsigned i = 0; i < count; i++) {
		world->nodes[i].world = world;
		world->nodes[i].number = (uint8_t)(i + 1);
		world->nodes[i].keys = keys_of("1 " KEY_A);
		world->nodes[i].relay_silent_ms = ARRAY_RELAY_SILENT;
	}
	return world;
}

static void world_start(struct world *world)
{
	for (unsigned i = 0; i < world->count; i++)
		node_start(&world->nodes[i]);
}

static void world_free(struct world *world)
{
	CU_ASSERT(world->steps < STEPS_MAX);
	for (unsigned i = 0; i < world->count; i++)
		array_free(world->nodes[i].core);
	while (world->flying > 0)
		free(land(world));
	free(world->flights);
	free(world->tape);
	free(world);
}

static void deliver(struct world *world)
{
	struct flight *flight = land(world);
	struct node *node = &world->nodes[flight->to - 1];

	if (node->on)
		array_receive(node->core, flight->bytes, flight->size, time_of(node));
	free(flight);
}

static uint64_t next_us(const struct world *world, uint64_t end_us)
{
	uint64_t next =
		world->flying > 0 && world->flights[0]->at_us < end_us ? world->flights[0]->at_us : end_us;

	for (unsigned i = 0; i < world->count; i++) {
		const struct node *node = &world->nodes[i];
		uint64_t deadline = node->on ? array_deadline(node->core) : UINT64_MAX;
		uint64_t at = deadline <= START_MS ? 0 : deadline - START_MS;

		if (deadline != UINT64_MAX && at * 1000 < next)
			next = at * 1000;
	}
	return next > world->now_us ? next : world->now_us;
}

static void run(struct world *world, unsigned ms)
{
	uint64_t end = world->now_us + ms * 1000ULL;

	while (world->now_us < end && world->steps++ < STEPS_MAX) {
		world->now_us = next_us(world, end);
		while (world->flying > 0 && world->flights[0]->at_us <= world->now_us)
			deliver(world);
		for (unsigned i = 0; i < world->count; i++)
			if (world->nodes[i].on &&
				array_deadline(world->nodes[i].core) <= time_of(&world->nodes[i]).ms)
				array_tick(world->nodes[i].core, time_of(&world->nodes[i]));
	}
}

/* Everybody who is on learns something now and then. */
static inline void live(struct world *world, unsigned ms, unsigned changes_each_ms)
{
	for (unsigned i = 0; i < ms; i++) {
		for (unsigned c = 0; c < changes_each_ms; c++) {
			struct node *node = &world->nodes[draw(world) % world->count];
			size_t line = draw(world) % LINES;

			if (node->on)
				node_learn(node, line, true);
		}
		run(world, 1);
	}
}

/* Nobody uses them any more, so nobody is told again. */
static inline void rest(struct world *world)
{
	for (unsigned n = 0; n < world->count; n++)
		for (size_t i = 0; i < LINES; i++)
			world->nodes[n].lines[i].idle_ms = UINT32_MAX;
}

static size_t lines_used(const struct node *node)
{
	size_t count = 0;

	for (size_t i = 0; i < LINES; i++)
		count += node->used[i];
	return count;
}

static size_t differences(const struct world *world)
{
	size_t count = 0;

	for (unsigned n = 1; n < world->count; n++)
		for (size_t i = 0; i < LINES; i++)
			count += world->nodes[n].used[i] != world->nodes[0].used[i] ||
				 memcmp(&world->nodes[n].lines[i], &world->nodes[0].lines[i],
					 sizeof(struct array_record)) != 0;
	return count;
}

static inline struct array_status status_of(const struct node *node, uint8_t member)
{
	struct array_status status = {0};

	CU_ASSERT(array_status(node->core, member, &status));
	return status;
}

static inline void expect_equal(const struct world *world, size_t at_least)
{
	CU_ASSERT_EQUAL(differences(world), 0);
	CU_ASSERT(lines_used(&world->nodes[0]) >= at_least);
}

#endif
