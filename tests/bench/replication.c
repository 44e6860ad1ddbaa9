// SPDX-License-Identifier: Apache-2.0
/*
 * What replication costs: gateways (gateway.h), a process each, over a loopback interface.
 *
 *	replication live FLOWS_A_SECOND [GATEWAYS [SECONDS]]
 *		The first one learns so many flows a second, the others merge. Says how many came, how long from a
 *		batch to the merged records (by the core's own measure), what share of a CPU and how much memory each
 *		used, and what it sent. 0 flows: what it costs to be an array.
 *	replication snapshot FLOWS
 *		The first one has so many, the second one comes empty. Says how long until it has them.
 *
 * Figures to read, not a test. Run it in a network namespace whose lo is up.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/scan.h"
#include "tests/bench/gateway.h"

#define SETTLE_MS  1000
#define FLOWS_MAX  1500000 /* more leaves too little room in the table */
#define LEARNER    1
#define PATIENCE_S 120

/* What was so when the measuring began. */
struct begin {
	uint64_t ms, datagrams, bytes;
	double cpu_seconds;
};

static struct begin begin(const struct gateway *gateway)
{
	return (struct begin){now_ms(), gateway->datagrams, gateway->bytes, gateway_usage().cpu_seconds};
}

static void say_usage(const struct gateway *gateway, const char *what, const struct begin *begin)
{
	double seconds = (double)(now_ms() - begin->ms) / 1000;
	struct usage usage = gateway_usage();

	printf("gateway %u %s: CPU %.1f %%, memory beside its tables %.1f MiB, sent %.0f datagrams/s, %.1f "
	       "kB/s",
		gateway->number, what, (usage.cpu_seconds - begin->cpu_seconds) / seconds * 100,
		usage.memory_mib, (double)(gateway->datagrams - begin->datagrams) / seconds,
		(double)(gateway->bytes - begin->bytes) / seconds / 1000);
}

static void say_flows(const struct gateway *gateway)
{
	struct array_status status;

	array_status(gateway->core, gateway->number == LEARNER ? LEARNER + 1 : LEARNER, &status);
	printf("; %u flows, batches missing %llu, asked again %llu, lost %llu, overflowed %llu",
		gateway_flows(gateway), (unsigned long long)status.counts.batches_missing,
		(unsigned long long)status.counts.batches_asked,
		(unsigned long long)status.counts.batches_lost,
		(unsigned long long)channel_counts(gateway->channel).overflowed);
	if (status.lag_p50_us != ARRAY_LAG_UNKNOWN)
		printf(", lag p50 %u us, p99 %u us, most %u us", status.lag_p50_us, status.lag_p99_us,
			status.lag_most_us);
	printf("\n");
}

/* ---- Live ------------------------------------------------------------------------------------------------------------ */

static void turn_until(struct gateway *gateway, uint64_t end_ms)
{
	while (now_ms() < end_ms)
		gateway_turn(gateway);
}

/* All are ready at about the same moment, so they measure the same seconds. */
static void live(struct gateway *gateway, uint32_t rate, uint32_t seconds)
{
	bool learns = gateway->number == LEARNER;
	struct begin then;
	uint32_t done = 0;

	gateway_join(gateway);
	while (!array_ready(gateway->core))
		gateway_turn(gateway);
	turn_until(gateway, now_ms() + SETTLE_MS);
	then = begin(gateway);
	while (now_ms() < then.ms + seconds * 1000) {
		for (uint64_t due = (now_ms() - then.ms) * rate / 1000; learns && done < due; done++)
			gateway_learn(gateway, done);
		gateway_turn(gateway);
	}
	say_usage(gateway, learns ? "learns" : "merges", &then);
	turn_until(gateway, now_ms() + SETTLE_MS);
	say_flows(gateway);
}

/* ---- A snapshot ------------------------------------------------------------------------------------------------------ */

static bool is_ready_there(const struct gateway *gateway)
{
	struct array_status status;

	return array_status(gateway->core, LEARNER + 1, &status) && status.session && status.ready;
}

static void give_snapshot(struct gateway *gateway, uint32_t flows, int started)
{
	struct begin then;

	for (uint32_t n = 0; n < flows; n++)
		gateway_learn(gateway, n);
	gateway_join(gateway);
	while (!array_ready(gateway->core))
		gateway_turn(gateway);
	close(started);
	then = begin(gateway);
	while (!is_ready_there(gateway) && now_ms() < then.ms + PATIENCE_S * 1000)
		gateway_turn(gateway);
	say_usage(gateway, "gives", &then);
	say_flows(gateway);
}

static void read_snapshot(struct gateway *gateway, int started)
{
	struct begin then;
	uint64_t took_ms;
	char none;

	if (read(started, &none, 1) < 0) /* until the other one closes it */
		exit(1);
	then = begin(gateway);
	gateway_join(gateway);
	while (!array_ready(gateway->core))
		gateway_turn(gateway);
	took_ms = now_ms() - then.ms;
	say_usage(gateway, "reads", &then);
	say_flows(gateway);
	printf("a snapshot of %u flows in %.2f s\n", gateway_flows(gateway), (double)took_ms / 1000);
	turn_until(gateway, now_ms() + SETTLE_MS);
}

/* ---- Processes ------------------------------------------------------------------------------------------------------- */

static int wait_for_all(void)
{
	int status, failed = 0;

	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

static int measure_live(uint32_t rate, uint8_t count, uint32_t seconds)
{
	static struct gateway gateway;

	for (uint8_t number = 1; number <= count; number++) {
		if (fork() != 0)
			continue;
		gateway_make(&gateway, number, count);
		live(&gateway, rate, seconds);
		exit(0);
	}
	return wait_for_all();
}

static int measure_snapshot(uint32_t flows)
{
	static struct gateway gateway;
	int started[2];
	pid_t other;

	if (pipe(started) < 0 || (other = fork()) < 0)
		return 1;
	close(started[other == 0]);
	gateway_make(&gateway, other ? LEARNER : LEARNER + 1, 2);
	if (other)
		give_snapshot(&gateway, flows, started[1]);
	else
		read_snapshot(&gateway, started[0]);
	return other ? wait_for_all() : 0;
}

int main(int argc, char **argv)
{
	uint32_t number = 0, gateways = 2, seconds = 10;

	if (argc < 3 || argc > 5 || sodium_init() < 0 || scan_u32(argv[2], 0, FLOWS_MAX, &number) < 0 ||
		(argc > 3 && scan_u32(argv[3], 2, GATEWAYS_MAX, &gateways) < 0) ||
		(argc > 4 && scan_u32(argv[4], 1, 100, &seconds) < 0))
		return 2;
	setlinebuf(stdout);
	if (strcmp(argv[1], "live") == 0)
		return measure_live(number, (uint8_t)gateways, seconds);
	return strcmp(argv[1], "snapshot") == 0 ? measure_snapshot(number) : 2;
}
