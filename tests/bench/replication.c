// SPDX-License-Identifier: Apache-2.0
/*
 * What replication costs: two gateways, a process each, with the daemon's own parts (core, channel, lines, tables) over
 * a loopback interface, without its event loop and its ring buffer. One learns so many flows a second, the other merges.
 *     replication [FLOWS_A_SECOND [SECONDS]]
 * Says how many came, how long from a batch to the merged records (by the core's own measure), and what share of a CPU
 * each side used. Figures to read, not a test. Run it in a network namespace whose lo is up.
 */
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "array/array.h"
#include "base/clock.h"
#include "base/scan.h"
#include "channel.h"
#include "lines.h"

#define LINES     (1 << 21)
#define SETTLE_MS 1000

static const struct settings lifetimes = {.flow_mask = LINES - 1,
	.hash_seed = 1,
	.half_open_ms = 5000,
	.established_ms = 3600000,
	.closing_ms = 10000,
	.udp_ms = 180000,
	.icmp_ms = 30000,
	.device_ms = 3600000};

struct gateway {
	uint8_t number, other;
	struct address own, others;
	struct flow_table flows, devices;
	struct lines lines;
	struct channel *channel;
	struct array_core *core;
};

static struct array_time now(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct array_time){now_ms(), (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec};
}

/* ---- A gateway ------------------------------------------------------------------------------------------------------- */

static void send_datagram(void *self, uint8_t member, const void *datagram, size_t size)
{
	struct gateway *gateway = self;

	(void)member;
	channel_send(gateway->channel, &gateway->others, datagram, size);
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

static void *map_lines(size_t count)
{
	void *memory = mmap(NULL, count * sizeof(struct line), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

static void open_gateway(struct gateway *gateway, uint8_t number)
{
	const struct array_keys keys = {.keys = {{.id = 1, .bytes = {1, 2, 3}}}, .count = 1};
	const struct array_effects effects = {gateway, send_datagram, merge, member_changed, tunnels_changed,
		walk, relay_silent_ms, fill_random};
	static const char *const addresses[] = {"127.0.0.1", "127.0.0.2"};
	struct error error;

	gateway->number = number;
	gateway->other = (uint8_t)(3 - number);
	address_parse(addresses[number - 1], &gateway->own);
	address_parse(addresses[2 - number], &gateway->others);
	gateway->flows = (struct flow_table){.lines = map_lines(LINES), .count = LINES};
	gateway->devices = (struct flow_table){.lines = map_lines(16), .count = 16};
	gateway->lines = (struct lines){&gateway->flows, &gateway->devices, &lifetimes};
	gateway->core = array_new(number, &keys, &effects, now());
	if (!gateway->core || channel_open(&gateway->own, ARRAY_PORT, &gateway->channel, &error) < 0)
		exit(1);
	array_set_members(gateway->core, &gateway->other, 1, now());
	array_set_tables(gateway->core, LINES + 16, &lifetimes);
}

static void hear(void *self, const struct address *from, const void *datagram, size_t size)
{
	struct gateway *gateway = self;

	(void)from;
	array_receive(gateway->core, datagram, size, now());
}

/* One turn of what the daemon's event loop does. */
static void turn(struct gateway *gateway)
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

/* ---- What happens ------------------------------------------------------------------------------------------------------ */

/* The n-th flow: into our table as the programs would, and told. */
static void learn(struct gateway *gateway, uint32_t n)
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
	array_change(gateway->core, &record, time);
}

static double cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void say(const struct gateway *gateway, const char *what, double seconds, double used)
{
	static const struct flow_filter any;
	struct array_status status;
	struct line line;
	uint32_t index = 0, flows = 0;

	while (flow_next(&gateway->flows, &index, LINES, &any, &line))
		flows++;
	array_status(gateway->core, gateway->other, &status);
	printf("%s: %u flows in the table, CPU %.0f %%, batches missing %llu, asked again %llu, lost %llu, "
	       "overflowed %llu",
		what, flows, used / seconds * 100, (unsigned long long)status.counts.batches_missing,
		(unsigned long long)status.counts.batches_asked,
		(unsigned long long)status.counts.batches_lost,
		(unsigned long long)channel_counts(gateway->channel).overflowed);
	if (status.lag_p50_us != ARRAY_LAG_UNKNOWN)
		printf(", lag p50 %u us, p99 %u us, most %u us", status.lag_p50_us, status.lag_p99_us,
			status.lag_most_us);
	printf("\n");
}

/* Until `seconds` after both know each other; `rate` flows a second are learned meanwhile. */
static void live(struct gateway *gateway, const char *what, uint32_t rate, uint32_t seconds)
{
	uint64_t begin, end;
	uint32_t done = 0;
	double used;

	while (!array_ready(gateway->core))
		turn(gateway);
	begin = now_ms() + SETTLE_MS;
	end = begin + seconds * 1000;
	while (now_ms() < begin)
		turn(gateway);
	used = cpu_seconds();
	while (now_ms() < end) {
		for (uint64_t due = (now_ms() - begin) * rate / 1000; done < due; done++)
			learn(gateway, done);
		turn(gateway);
	}
	used = cpu_seconds() - used;
	for (end += SETTLE_MS; now_ms() < end;)
		turn(gateway);
	say(gateway, what, seconds, used);
}

int main(int argc, char **argv)
{
	static struct gateway gateway;
	uint32_t rate = 10000, seconds = 10;
	pid_t other;

	if ((argc > 1 && scan_u32(argv[1], 1, 1000000, &rate) < 0) ||
		(argc > 2 && scan_u32(argv[2], 1, 100, &seconds) < 0) || sodium_init() < 0)
		return 2;
	other = fork();
	open_gateway(&gateway, other ? 1 : 2);
	live(&gateway, other ? "learns" : "merges", other ? rate : 0, seconds);
	return other ? wait(NULL) < 0 : 0;
}
