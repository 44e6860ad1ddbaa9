/* SPDX-License-Identifier: Apache-2.0 */
/* A secret of the tables' hash (bpf/hash.h) that is the same each time. */
#ifndef TESTS_SEED_H
#define TESTS_SEED_H

#define SEED_MIXED(word)       ((((word) ^ (word) >> 29) * 0xbf58476d1ce4e5b9ULL) ^ (word) >> 17)
#define SEED_WORD(number, i)   SEED_MIXED(SEED_MIXED(((number)*11ULL + (i) + 1) * 0x9e3779b97f4a7c15ULL))
#define SEED_TRIPLE(number, i) SEED_WORD(number, i), SEED_WORD(number, (i) + 1), SEED_WORD(number, (i) + 2)
#define SEED(number)                                                                    \
	{                                                                               \
		SEED_TRIPLE(number, 0), SEED_TRIPLE(number, 3), SEED_TRIPLE(number, 6), \
			SEED_WORD(number, 9), SEED_WORD(number, 10)                     \
	}

#endif
