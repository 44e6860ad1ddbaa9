/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file, NAME.c, whose LLVMFuzzerTestOneInput() libFuzzer calls with bytes
 * of its making, under ASan and UBSan; corpus/NAME/ holds inputs to begin with. It looks for more than crashes: what
 * MUST hold is said in code, and an input that breaks it is kept like one that crashes.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                                \
	do {                                                                                           \
		if (!(condition)) {                                                                    \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                       \
		}                                                                                      \
	} while (0)

/* Bytes that a target takes its decisions from; zeros when they are used up. */
struct input {
	const uint8_t *bytes;
	size_t size;
};

static inline uint8_t take_byte(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->bytes++;
}

/* Up to `size` bytes of what is left. */
static inline struct input take_part(struct input *input, size_t size)
{
	struct input part = {input->bytes, size < input->size ? size : input->size};

	input->bytes += part.size;
	input->size -= part.size;
	return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
