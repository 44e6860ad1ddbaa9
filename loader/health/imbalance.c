// SPDX-License-Identifier: Apache-2.0
#include "health/imbalance.h"

#include <stdlib.h>
#include <string.h>

static void begin(
	struct imbalance *is, const uint16_t *shares, const uint64_t *packets, size_t count, uint64_t now_ms)
{
	is->begun = true;
	is->since_ms = now_ms;
	memcpy(is->shares, shares, count * sizeof(*shares));
	memcpy(is->before, packets, count * sizeof(*packets));
}

/* Counters that were begun anew have sent nothing. */
static uint64_t sent(const struct imbalance *is, const uint64_t *packets, size_t link)
{
	return packets[link] > is->before[link] ? packets[link] - is->before[link] : 0;
}

static int distance(const struct imbalance *is, size_t link)
{
	return abs(is->measured[link] - is->shares[link]);
}

static void measure(struct imbalance *is, const uint64_t *packets, size_t count, uint64_t all)
{
	is->looked = true;
	is->farthest = 0;
	for (size_t i = 0; i < count; i++) {
		is->measured[i] = (int16_t)(sent(is, packets, i) * 1000 / all);
		if (distance(is, i) > distance(is, is->farthest))
			is->farthest = (uint8_t)i;
	}
}

static enum imbalance_news judge(struct imbalance *is)
{
	int most = distance(is, is->farthest);
	bool otherwise = is->uneven ? most <= IMBALANCE_NEAR : most > IMBALANCE_FAR;

	is->looks = otherwise ? is->looks + 1 : 0;
	if (is->looks < IMBALANCE_LOOKS)
		return IMBALANCE_NO_NEWS;
	is->looks = 0;
	is->uneven = !is->uneven;
	return is->uneven ? IMBALANCE_BEGAN : IMBALANCE_ENDED;
}

enum imbalance_news imbalance_look(
	struct imbalance *is, const uint16_t *shares, const uint64_t *packets, size_t count, uint64_t now_ms)
{
	uint64_t all = 0;

	if (!is->begun || memcmp(is->shares, shares, count * sizeof(*shares)) != 0) {
		is->looks = 0;
		is->looked = false;
		begin(is, shares, packets, count, now_ms);
		return IMBALANCE_NO_NEWS;
	}
	for (size_t i = 0; i < count; i++)
		all += sent(is, packets, i);
	if (now_ms - is->since_ms < IMBALANCE_LOOK_MS || all < IMBALANCE_LEAST)
		return IMBALANCE_NO_NEWS;
	measure(is, packets, count, all);
	begin(is, shares, packets, count, now_ms);
	return judge(is);
}

bool imbalance_of(const struct imbalance *is, size_t link)
{
	return is->uneven && is->looked && distance(is, link) > IMBALANCE_NEAR;
}
