// SPDX-License-Identifier: Apache-2.0
/*
 * Puts flows into the pinned flow table of a gateway, as if they had come by one of its tunnels: established connections, each
 * from a device of its own.
 *
 *     fill MAPS_FOLDER FLOWS TUNNEL GATEWAY      says how many got a line
 */
#include "tests/lab/tools/tables.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "tests/bench/generate.h"

static __u64 now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static struct line_key flow_of(__u32 number)
{
	static const __u8 loopback[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	struct line_key key = {.source = {[10] = 0xff, 0xff},
		.source_port = htons(40000),
		.destination_port = htons(7547),
		.protocol = 6 /* TCP, whose flows live for hours */};
	__u32 device = htonl(DEVICES_BASE + number);

	memcpy(key.source + DEVICE_AT_V4, &device, sizeof(device));
	memcpy(key.destination, loopback, sizeof(loopback));
	return key;
}

int main(int argc, char **argv)
{
	__u32 flows = argc == 5 ? strtoul(argv[2], NULL, 10) : 0, inserted = 0;
	struct settings settings;
	struct pinned_table pinned;
	struct table table;

	if (!flows || flows > 1U << FLOWS_BITS) {
		fprintf(stderr, "fill MAPS_FOLDER FLOWS TUNNEL GATEWAY\n");
		return 2;
	}
	settings = settings_of(argv[1]);
	pinned = table_open(argv[1], MAP_FLOWS);
	table = (struct table){pinned.lines, pinned.mask, &settings, now_ns(CLOCK_MONOTONIC_COARSE)};
	for (__u32 number = 0; number < flows; number++) {
		struct line_key key = flow_of(number);
		__u64 home = HOME(table_now(&table), atoi(argv[3]), atoi(argv[4]), atoi(argv[4]));
		struct finding new = {.tag = LINE_ESTABLISHED, .home = home};

		inserted += table_insert(&table, &key, hash_of(&key, settings.hash_seed),
				    now_ns(CLOCK_REALTIME), &new) == INSERTED;
	}
	printf("%u\n", inserted);
	return 0;
}
