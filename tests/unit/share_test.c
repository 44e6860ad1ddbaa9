// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "health/share.h"

static void count(const uint8_t slots[SHARE_SLOTS], unsigned counts[SHARE_LINKS])
{
	memset(counts, 0, SHARE_LINKS * sizeof(*counts));
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		if (slots[i] != SHARE_NONE)
			counts[slots[i]]++;
}

static void shares_are_exact(void)
{
	static const uint16_t weights[] = {1, 1, 2};
	uint8_t slots[SHARE_SLOTS];
	unsigned counts[SHARE_LINKS];

	share_deal(weights, 3, 7, slots);
	count(slots, counts);
	CU_ASSERT(counts[0] == 1024 && counts[1] == 1024 && counts[2] == 2048);
}

static void what_is_left_is_shared_by_weight(void)
{
	static const uint16_t weights[] = {1, 3, 4};
	uint8_t slots[SHARE_SLOTS];
	unsigned counts[SHARE_LINKS];

	share_deal(weights, 3, 1 | 2, slots);
	count(slots, counts);
	CU_ASSERT(counts[0] == 1024 && counts[1] == 3072 && counts[2] == 0);
	share_deal(weights, 3, 4, slots);
	count(slots, counts);
	CU_ASSERT_EQUAL(counts[2], SHARE_SLOTS);
}

static void without_a_link_there_is_none(void)
{
	static const uint16_t weights[] = {1, 1};
	uint8_t slots[SHARE_SLOTS];

	share_deal(weights, 2, 0, slots);
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		CU_ASSERT_EQUAL_FATAL(slots[i], SHARE_NONE);
	share_deal(weights, 0, UINT32_MAX, slots);
	CU_ASSERT_EQUAL(slots[0], SHARE_NONE);
}

/* From any set of living links to that without one of them: its slots move, all others stay; read backwards, it returns. */
static void only_the_share_of_one_moves(void)
{
	static const uint16_t weights[] = {1, 1, 2, 5, 3};
	uint8_t before[SHARE_SLOTS], after[SHARE_SLOTS];

	for (uint32_t living = 1; living < 1u << 5; living++)
		for (uint8_t dies = 0; dies < 5; dies++) {
			if (!(living >> dies & 1) || living == 1u << dies)
				continue;
			share_deal(weights, 5, living, before);
			share_deal(weights, 5, living & ~(1u << dies), after);
			for (size_t i = 0; i < SHARE_SLOTS; i++) {
				bool moved = before[i] != after[i];

				CU_ASSERT_EQUAL_FATAL(moved, before[i] == dies);
				CU_ASSERT_TRUE_FATAL(living >> after[i] & 1);
			}
		}
}

/* Nobody sits on neighbouring slots: a hash that is a little uneven is not one link's. */
static void shares_are_mixed(void)
{
	static const uint16_t weights[] = {7, 7};
	uint8_t slots[SHARE_SLOTS];

	share_deal(weights, 2, 3, slots);
	for (size_t i = 2; i < SHARE_SLOTS; i++)
		CU_ASSERT_FATAL(slots[i] != slots[i - 1] || slots[i] != slots[i - 2]);
}

static void sixteen_links_have_their_shares(void)
{
	uint16_t weights[SHARE_LINKS];
	uint8_t slots[SHARE_SLOTS];
	unsigned counts[SHARE_LINKS];

	for (size_t i = 0; i < SHARE_LINKS; i++)
		weights[i] = 100;
	share_deal(weights, SHARE_LINKS, 0xffff, slots);
	count(slots, counts);
	for (size_t i = 0; i < SHARE_LINKS; i++)
		CU_ASSERT_EQUAL(counts[i], SHARE_SLOTS / SHARE_LINKS);
	share_deal(weights, SHARE_LINKS, 0x8001, slots);
	count(slots, counts);
	CU_ASSERT(counts[0] > 1900 && counts[15] > 1900);
}

UNIT_TESTS("share", {"shares are exact", shares_are_exact},
	{"what is left is shared by weight", what_is_left_is_shared_by_weight},
	{"without a living link no slot has one", without_a_link_there_is_none},
	{"a link that dies or returns moves only its share", only_the_share_of_one_moves},
	{"shares are mixed", shares_are_mixed},
	{"sixteen links have their shares", sixteen_links_have_their_shares})
