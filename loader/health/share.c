// SPDX-License-Identifier: Apache-2.0
#include "health/share.h"

#include <stdbool.h>
#include <string.h>

struct deal {
	const uint16_t *weights;
	size_t count;
	uint32_t living;
	uint8_t *slots;
};

static bool is_in(uint32_t links, size_t link)
{
	return links >> link & 1;
}

/*
 * The link whose turn it is: each gets its weight in credit, and who has most of it pays for the slot with all of theirs.
 * `first` is asked first: of small hands it decides, so it is not always the same.
 */
static uint8_t take_turn(const struct deal *deal, uint32_t among, size_t first, int32_t credit[SHARE_LINKS])
{
	uint8_t best = SHARE_NONE;
	int32_t total = 0;

	for (size_t k = 0; k < deal->count; k++) {
		size_t i = (first + k) % deal->count;

		if (!is_in(among, i))
			continue;
		credit[i] += deal->weights[i];
		total += deal->weights[i];
		if (best == SHARE_NONE || credit[i] > credit[best])
			best = (uint8_t)i;
	}
	if (best != SHARE_NONE)
		credit[best] -= total;
	return best;
}

/* One of the links, whichever, that is the same for the same hand among the same links. */
static size_t who_begins(const struct deal *deal, const uint16_t *hand, uint32_t among)
{
	uint32_t hash = (hand[0] * 2654435761u ^ among * 2246822519u) >> 16;
	uint32_t skip = hash % (uint32_t)__builtin_popcount(among);

	for (size_t i = 0; i < deal->count; i++)
		if (is_in(among, i) && skip-- == 0)
			return i;
	return 0;
}

/* Deals out `hand` among these links, and again what the dead among them got. */
static void deal_out(const struct deal *deal, const uint16_t *hand, size_t size, uint32_t among)
{
	size_t first = who_begins(deal, hand, among);
	int32_t credit[SHARE_LINKS] = {0};
	uint16_t again[SHARE_SLOTS];

	for (size_t i = 0; i < size; i++)
		deal->slots[hand[i]] = take_turn(deal, among, first, credit);
	for (size_t link = 0; link < deal->count; link++) {
		size_t count = 0;

		if (!is_in(among, link) || is_in(deal->living, link))
			continue;
		for (size_t i = 0; i < size; i++)
			if (deal->slots[hand[i]] == link)
				again[count++] = hand[i];
		if (count)
			deal_out(deal, again, count, among & ~(1u << link));
	}
}

void share_deal(const uint16_t *weights, size_t count, uint32_t living, uint8_t slots[SHARE_SLOTS])
{
	const uint32_t all = (uint32_t)((1ULL << count) - 1);
	const struct deal deal = {weights, count, living & all, slots};
	uint16_t hand[SHARE_SLOTS];

	memset(slots, SHARE_NONE, SHARE_SLOTS);
	if (!deal.living)
		return;
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		hand[i] = (uint16_t)i;
	deal_out(&deal, hand, SHARE_SLOTS, all);
}
