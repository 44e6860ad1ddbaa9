/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints how fast the processor's time stamp counter counts, in kHz. A kernel in a machine that qemu computes has this
 * counter too, and would find out itself by devices of which it can miss a tick: it was once wrong by 14 times.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define APART_US 200000
#define TRIES    64

struct moment {
	uint64_t ticks, ns, error_ns;
};

static uint64_t ticks(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Both clocks at once: the try in which least came between them. */
static struct moment look(void)
{
	struct moment best = {.error_ns = UINT64_MAX};

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = now_ns(), counted = ticks(), error = now_ns() - before;

		if (error < best.error_ns)
			best = (struct moment){counted, before + error / 2, error};
	}
	return best;
}

int main(void)
{
	struct moment first = look(), last;

	usleep(APART_US);
	last = look();
	if (last.ticks == first.ticks) {
		fprintf(stderr, "ticks: this processor has no such counter\n");
		return 1;
	}
	printf("%.0f\n", (double)(last.ticks - first.ticks) * 1000000 / (double)(last.ns - first.ns));
	return 0;
}
