// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/gateway.h"

#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "tests/seed.h"

#define DEVICES     16
#define IP_AND_UDP  28
#define TABLES_SIZE ((LINES + DEVICES) * sizeof(struct line))

static const struct settings lifetimes = {.flow_mask = LINES - 1,
	.device_mask = DEVICES - 1,
	.hash_seed = SEED(1),
	.half_open_ms = 5000,
	.established_ms = 3600000,
	.closing_ms = 10000,
	.udp_ms = 180000,
	.icmp_ms = 30000,
	.device_ms = 3600000};

static struct array_time now(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct array_time){now_ms(), (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec};
}

static struct address address_of(uint8_t number)
{
	struct address address;
	char text[16];

	snprintf(text, sizeof(text), "127.0.0.%u", number);
	address_parse(text, &address);
	return address;
}

/* ---- Effects --------------------------------------------------------------------------------------------------------- */

static void send_datagram(void *self, uint8_t member, const void *datagram, size_t size)
{
	struct gateway *gateway = self;
	struct address to = address_of(member);

	channel_send(gateway->channel, &to, datagram, size);
	gateway->datagrams++;
	gateway->bytes += size + IP_AND_UDP;
}

static void merge(void *self, uint8_t member, const struct array_record *record)
{
	struct gateway *gateway = self;

	(void)member;
	lines_merge(&gateway->lines, record, flow_now_ms());
}

static void member_changed(void *self, uint8_t member, enum member_state state, bool serving)
{
	(void)self;
	(void)member;
	(void)state;
	(void)serving;
}

static void tunnels_changed(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count)
{
	(void)self;
	(void)member;
	(void)tunnels;
	(void)count;
}

static size_t walk(void *self, uint64_t *line, uint64_t end, struct array_record *records, size_t room)
{
	struct gateway *gateway = self;

	return lines_walk(&gateway->lines, line, end, records, room, flow_now_ms());
}

static uint64_t relay_silent_ms(void *self, uint8_t member)
{
	(void)self;
	(void)member;
	return ARRAY_RELAY_SILENT;
}

static void fill_random(void *self, void *bytes, size_t size)
{
	(void)self;
	randombytes_buf(bytes, size);
}

/* ---- A gateway ------------------------------------------------------------------------------------------------------- */

static void *map_lines(size_t count)
{
	void *memory = mmap(NULL, count * sizeof(struct line), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

void gateway_make(struct gateway *gateway, uint8_t number, uint8_t count)
{
	*gateway = (struct gateway){.number = number,
		.count = count,
		.flows = {.lines = map_lines(LINES), .count = LINES},
		.devices = {.lines = map_lines(DEVICES), .count = DEVICES},
		.lines = {&gateway->flows, &gateway->devices, &lifetimes}};
}

void gateway_join(struct gateway *gateway)
{
	const struct array_keys keys = {.keys = {{.id = 1, .bytes = {1, 2, 3}}}, .count = 1};
	const struct array_effects effects = {gateway, send_datagram, merge, member_changed, tunnels_changed,
		walk, relay_silent_ms, fill_random};
	struct address own = address_of(gateway->number);
	uint8_t others[GATEWAYS_MAX];
	struct error error;
	size_t count = 0;

	for (uint8_t number = 1; number <= gateway->count; number++)
		if (number != gateway->number)
			others[count++] = number;
	gateway->core = array_new(gateway->number, &keys, &effects, now());
	if (!gateway->core || channel_open(&own, ARRAY_PORT, &gateway->channel, &error) < 0 ||
		array_set_members(gateway->core, others, count, now()) < 0)
		exit(1);
	array_set_tables(gateway->core, lines_count(&gateway->lines), &lifetimes);
}

static void hear(void *self, const struct address *from, const void *datagram, size_t size)
{
	struct gateway *gateway = self;

	(void)from;
	array_receive(gateway->core, datagram, size, now());
}

void gateway_turn(struct gateway *gateway)
{
	struct pollfd poller = {channel_descriptor(gateway->channel), POLLIN, 0};
	struct address refused;

	channel_flush(gateway->channel);
	if (poll(&poller, 1, array_deadline(gateway->core) > now_ms()) == 1) {
		while (channel_next_refusal(gateway->channel, &refused))
			;
		channel_read(gateway->channel, hear, gateway);
	}
	array_tick(gateway->core, now());
}

void gateway_learn(struct gateway *gateway, uint32_t n)
{
	struct array_time time = now();
	struct array_record record = {.key = {.protocol = 6},
		.state = LINE_ESTABLISHED,
		.gateway = gateway->number,
		.owner = gateway->number,
		.tunnel = 101,
		.stamp = time.wall_ns};

	memcpy(record.key.source, &n, sizeof(n));
	lines_merge(&gateway->lines, &record, flow_now_ms());
	if (gateway->core)
		array_change(gateway->core, &record, time);
}

uint32_t gateway_flows(const struct gateway *gateway)
{
	static const struct flow_filter any;
	uint32_t index = 0, flows = 0;
	struct line line;

	while (flow_next(&gateway->flows, &index, LINES, &any, &line))
		flows++;
	return flows;
}

struct usage gateway_usage(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (struct usage){(double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
				      (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
		(double)used.ru_maxrss / 1024 - (double)TABLES_SIZE / (1 << 20)};
}
