/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash of a flow or device: where its line stands in a table (table.h), and which slot of an egress group is its. Devices
 * choose their keys, so the hash has a secret of the gateway's own, a word for each half of a key's words and one more: drawn
 * once, kept for as long as there are tables, told to nobody.
 *
 * Pair-multiply-shift (Thorup: "High speed hashing for integers and strings", 2015): halves and words of the secret are added
 * crosswise and multiplied, a pair at a time, and of the sum the upper half counts. What is guaranteed of it, for any two keys,
 * whoever chose them, as long as he knows nothing of the secret: each is equally likely to stand anywhere, wherever the other
 * one does. So two keys share a home of so many lines by the chance of one in so many, and of n keys a window has, on
 * average, no more than if dice had dealt them. That holds for pairs, and is proved; that it looks like dice to more than
 * two at a time, which a window cares for, is the business of the mixing behind it: a bijection, so it takes nothing from what
 * was proved, and without it devices with consecutive addresses would stand in rows, too close to each other by one seed in
 * twenty. With it such plans spread as if by chance (tests/unit/hash_test.c).
 *
 * Not guaranteed: anything against one who sees where keys stand, or learns it, by timing for instance, from many: the
 * hash is no cipher, and its secret can be computed from its results. They do not leave the gateway.
 *
 * The upper bits of the 56 are from the lower half of the sum. They are good for telling most keys apart, and nothing relies
 * on them: whoever finds a tag compares the key.
 */
#ifndef HOMEWARD_HASH_H
#define HOMEWARD_HASH_H

#include <linux/types.h>

#include "bpf/abi.h"

#define HASH_BITS 56

/* A key as words, whoever wrote its fields: else a compiler may take them for not yet written. */
typedef __u64 __attribute__((may_alias)) key_word;

_Static_assert(HASH_SEED_WORDS == 2 * KEY_WORDS + 1, "a word for each half, and one more");

static inline __attribute__((always_inline)) __u64 hash_of(
	const struct line_key *key, const __u64 seed[HASH_SEED_WORDS])
{
	const key_word *words = (const key_word *)key;
	__u64 sum = seed[2 * KEY_WORDS];
	__u32 home;

	for (__u32 i = 0; i < KEY_WORDS; i++)
		sum += (seed[2 * i] + (__u32)words[i]) * (seed[2 * i + 1] + (words[i] >> 32));
	home = sum >> 32;
	home = (home ^ home >> 16) * 0x7feb352d;
	home ^= home >> 15;
	return (__u64)((__u32)sum >> 8) << 32 | home;
}

#endif
