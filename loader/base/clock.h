/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock by which gwd waits and counts ages: milliseconds of CLOCK_MONOTONIC, which no change of the date moves.
 * The flow table has another one, coarse and of 32 bits: flow_now_ms().
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
