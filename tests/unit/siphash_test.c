// SPDX-License-Identifier: Apache-2.0
/* SipHash as the relay computes it, against libsodium's. */
#include "bpf/siphash.h"

#include <sodium.h>
#include <string.h>

#include "tests/unit/unit.h"

#define WORDS 6

static __u64 reference(const __u64 key[2], const __u64 *words, size_t count)
{
	__u64 code;

	crypto_shorthash_siphash24((uint8_t *)&code, (const uint8_t *)words, 8 * count, (const uint8_t *)key);
	return code;
}

static void any_text_has_the_code_that_libsodium_says(void)
{
	__u64 key[2], words[WORDS];

	CU_ASSERT_FATAL(sodium_init() >= 0);
	for (int i = 0; i < 1000; i++) {
		randombytes_buf(key, sizeof(key));
		randombytes_buf(words, sizeof(words));
		CU_ASSERT_EQUAL(siphash_of(key, words, WORDS), reference(key, words, WORDS));
		CU_ASSERT_EQUAL(siphash_of(key, words, 1), reference(key, words, 1));
	}
}

/* The vector of the paper's appendix has 15 bytes; this one is of the reference implementation's list: 8 bytes. */
static void the_published_vector_is_met(void)
{
	static const uint8_t expected[8] = {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93};
	uint8_t bytes[16];
	__u64 key[2], word, code;

	for (uint8_t i = 0; i < 16; i++)
		bytes[i] = i;
	memcpy(key, bytes, sizeof(key));
	memcpy(&word, bytes, sizeof(word));
	code = siphash_of(key, &word, 1);
	CU_ASSERT_EQUAL(memcmp(&code, expected, sizeof(code)), 0);
}

UNIT_TESTS("siphash",
	{"any text has the code that libsodium says", any_text_has_the_code_that_libsodium_says},
	{"the published vector is met", the_published_vector_is_met})
