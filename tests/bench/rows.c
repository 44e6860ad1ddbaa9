// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rows.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int need(int result, const char *what)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static uint32_t number_of(const char *variable, uint32_t otherwise, uint32_t most)
{
	const char *text = getenv(variable);
	unsigned long number = text && *text ? strtoul(text, NULL, 10) : otherwise;

	if (number >= 1 && number <= most)
		return number;
	fprintf(stderr, "bench: %s: from 1 to %u\n", variable, most);
	exit(2);
}

struct effort effort(void)
{
	return (struct effort){.repeats = number_of("BENCH_REPEATS", 5, REPEATS_MOST),
		.packets = number_of("BENCH_PACKETS", 200000, 100000000),
		.flows = number_of("BENCH_FLOWS", 1 << 20, 1 << 20)};
}

void keep_to_one_core(void)
{
	cpu_set_t cores, last;
	int core = CPU_SETSIZE - 1;

	need(sched_getaffinity(0, sizeof(cores), &cores), "the cores that we may use");
	while (core > 0 && !CPU_ISSET(core, &cores))
		core--;
	CPU_ZERO(&last);
	CPU_SET(core, &last);
	need(sched_setaffinity(0, sizeof(last), &last), "one core");
}

void row_add(struct row *row, double sample)
{
	if (row->count < REPEATS_MOST)
		row->samples[row->count++] = sample;
}

/* The first reason stays. */
void row_spoil(struct row *row, const char *format, ...)
{
	va_list arguments;

	if (*row->unsound)
		return;
	va_start(arguments, format);
	vsnprintf(row->unsound, sizeof(row->unsound), format, arguments);
	va_end(arguments);
}

/* Names and reasons are our own words, without quotation marks. */
void row_print(const struct row *row)
{
	printf("{\"part\": \"%s\", \"of\": \"%s\", \"rival\": \"%s\", \"unit\": \"%s\", \"family\": %u, "
	       "\"flows\": %u, \"tunnels\": %u, \"unsound\": \"%s\", \"samples\": [",
		row->part, row->of, row->rival, row->unit, row->family, row->flows, row->tunnels,
		row->unsound);
	for (unsigned i = 0; i < row->count; i++)
		printf("%s%.6g", i ? ", " : "", row->samples[i]);
	printf("]}\n");
	fflush(stdout);
}
