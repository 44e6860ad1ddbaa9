/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every part of `make bench` shares: it keeps to one core, takes each figure several times in turns with its
 * rivals', and writes a line of JSON for it. tests/bench/run collects the lines, report.py compares and draws.
 */
#ifndef TESTS_BENCH_ROWS_H
#define TESTS_BENCH_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_MOST 64
#define SIZES_MOST   8

/* How much is measured: BENCH_REPEATS (5) times BENCH_PACKETS (200000), at sizes of at most BENCH_FLOWS (1048576). */
struct effort {
	unsigned repeats;
	uint32_t packets, flows;
};
struct effort effort(void);

/* Keeps to the last core that we may use. */
void keep_to_one_core(void);

/* Answers `result`, or says what did not work, with errno's words, and exits. */
int need(int result, const char *what);
_Noreturn void fail(const char *what);

/* A figure: what was measured, whose it is, at which size, and each time that it was taken. */
struct row {
	const char *part, *of, *rival, *unit;
	unsigned family; /* 4, 6, or 0 */
	uint32_t flows, tunnels;
	unsigned count;
	double samples[REPEATS_MOST];
	char unsound[128]; /* why it is no figure; "" when it is one */
};

void row_add(struct row *row, double sample);
void row_spoil(struct row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
void row_print(const struct row *row);

#endif
