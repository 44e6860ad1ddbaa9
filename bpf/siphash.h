/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") of a text of whole 64-bit words, which is all
 * that a claim needs. For programs and for user space; a little-endian machine.
 */
#ifndef HOMEWARD_SIPHASH_H
#define HOMEWARD_SIPHASH_H

#include <linux/types.h>

struct siphash {
	__u64 v0, v1, v2, v3;
};

static inline __attribute__((always_inline)) __u64 rotate_left(__u64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline __attribute__((always_inline)) void siphash_round(struct siphash *hash)
{
	hash->v0 += hash->v1;
	hash->v1 = rotate_left(hash->v1, 13) ^ hash->v0;
	hash->v0 = rotate_left(hash->v0, 32);
	hash->v2 += hash->v3;
	hash->v3 = rotate_left(hash->v3, 16) ^ hash->v2;
	hash->v0 += hash->v3;
	hash->v3 = rotate_left(hash->v3, 21) ^ hash->v0;
	hash->v2 += hash->v1;
	hash->v1 = rotate_left(hash->v1, 17) ^ hash->v2;
	hash->v2 = rotate_left(hash->v2, 32);
}

static inline __attribute__((always_inline)) void siphash_word(struct siphash *hash, __u64 word)
{
	hash->v3 ^= word;
	siphash_round(hash);
	siphash_round(hash);
	hash->v0 ^= word;
}

/* `count` is known when this is compiled: the loops are unrolled. */
static inline __attribute__((always_inline)) __u64 siphash_of(
	const __u64 key[2], const __u64 *words, int count)
{
	struct siphash hash = {
		.v0 = key[0] ^ 0x736f6d6570736575ULL,
		.v1 = key[1] ^ 0x646f72616e646f6dULL,
		.v2 = key[0] ^ 0x6c7967656e657261ULL,
		.v3 = key[1] ^ 0x7465646279746573ULL,
	};

	for (int i = 0; i < count; i++)
		siphash_word(&hash, words[i]);
	siphash_word(&hash, (__u64)count << 59); /* the length in bytes, in the uppermost */
	hash.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(&hash);
	return hash.v0 ^ hash.v1 ^ hash.v2 ^ hash.v3;
}

#endif
