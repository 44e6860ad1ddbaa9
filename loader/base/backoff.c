// SPDX-License-Identifier: Apache-2.0
#include "base/backoff.h"

uint32_t backoff_next(uint32_t before_ms, uint64_t lived_ms)
{
	if (before_ms == 0 || lived_ms >= BACKOFF_FORGET_MS)
		return BACKOFF_FIRST_MS;
	return before_ms >= BACKOFF_MOST_MS / 2 ? BACKOFF_MOST_MS : 2 * before_ms;
}
