/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers in network order, one after the other: written into a buffer, read from one. Neither runs over its end: what
 * does not fit, or is not there, is remembered in `over`, and zeros are read. Whoever is through asks once.
 */
#ifndef ARRAY_WIRE_H
#define ARRAY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
	uint8_t *start, *at, *end;
	bool over;
};

struct reader {
	const uint8_t *at, *end;
	bool over;
};

static inline struct writer writer_of(void *buffer, size_t size)
{
	return (struct writer){buffer, buffer, (uint8_t *)buffer + size, false};
}

static inline size_t written(const struct writer *writer)
{
	return (size_t)(writer->at - writer->start);
}

static inline struct reader reader_of(const void *bytes, size_t size)
{
	return (struct reader){bytes, (const uint8_t *)bytes + size, false};
}

/* All was there, and nothing is left. */
static inline bool read_whole(const struct reader *reader)
{
	return !reader->over && reader->at == reader->end;
}

static inline void put_bytes(struct writer *writer, const void *bytes, size_t size)
{
	if ((size_t)(writer->end - writer->at) < size) {
		writer->over = true;
		return;
	}
	memcpy(writer->at, bytes, size);
	writer->at += size;
}

static inline void get_bytes(struct reader *reader, void *bytes, size_t size)
{
	if ((size_t)(reader->end - reader->at) < size) {
		reader->over = true;
		reader->at = reader->end;
		memset(bytes, 0, size);
		return;
	}
	memcpy(bytes, reader->at, size);
	reader->at += size;
}

#define WIRE_NUMBER(bits, order_put, order_get)                                     \
	static inline void put_u##bits(struct writer *writer, uint##bits##_t value) \
	{                                                                           \
		uint##bits##_t wire = order_put(value);                             \
		put_bytes(writer, &wire, sizeof(wire));                             \
	}                                                                           \
	static inline uint##bits##_t get_u##bits(struct reader *reader)             \
	{                                                                           \
		uint##bits##_t wire;                                                \
		get_bytes(reader, &wire, sizeof(wire));                             \
		return order_get(wire);                                             \
	}

WIRE_NUMBER(8, , )
WIRE_NUMBER(16, __builtin_bswap16, __builtin_bswap16)
WIRE_NUMBER(32, __builtin_bswap32, __builtin_bswap32)
WIRE_NUMBER(64, __builtin_bswap64, __builtin_bswap64)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "like the programs");

/* A ring of bits, one a number: whose, its owner knows. */
static inline bool bit_is_set(const uint64_t *bits, size_t count, uint64_t number)
{
	return bits[number % count / 64] >> (number % 64) & 1;
}

static inline void bit_set(uint64_t *bits, size_t count, uint64_t number)
{
	bits[number % count / 64] |= 1ULL << (number % 64);
}

static inline void bit_clear(uint64_t *bits, size_t count, uint64_t number)
{
	bits[number % count / 64] &= ~(1ULL << (number % 64));
}

#endif
