// SPDX-License-Identifier: Apache-2.0
#include "base/scan.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Digits at the start of `text`, at least one, no leading zero; *rest is what follows. */
static int scan_digits(const char *text, uint64_t *value, const char **rest)
{
	const char *c = text;
	uint64_t sum = 0;

	if (*c == '0' && c[1] >= '0' && c[1] <= '9')
		return -EINVAL;
	for (; *c >= '0' && *c <= '9'; c++) {
		if (sum > UINT32_MAX)
			return -ERANGE;
		sum = sum * 10 + (uint64_t)(*c - '0');
	}
	if (c == text)
		return -EINVAL;
	*value = sum;
	*rest = c;
	return 0;
}

int scan_u32(const char *text, uint32_t minimum, uint32_t maximum, uint32_t *value)
{
	const char *rest;
	uint64_t number;
	int r = scan_digits(text, &number, &rest);

	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	if (number < minimum || number > maximum)
		return -ERANGE;
	*value = (uint32_t)number;
	return 0;
}

static const struct unit {
	const char *name;
	uint32_t milliseconds;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

int scan_duration(const char *text, uint32_t minimum_ms, uint32_t maximum_ms, uint32_t *milliseconds)
{
	const char *rest;
	uint64_t number;
	int r = scan_digits(text, &number, &rest);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		number *= units[i].milliseconds;
		if (number < minimum_ms || number > maximum_ms)
			return -ERANGE;
		*milliseconds = (uint32_t)number;
		return 0;
	}
	return -EINVAL;
}

const char *format_duration(uint32_t milliseconds, char *text)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && (milliseconds == 0 || milliseconds % units[i].milliseconds != 0))
		i++;
	snprintf(text, DURATION_TEXT_SIZE, "%u%s", milliseconds / units[i].milliseconds, units[i].name);
	return text;
}

int scan_bool(const char *text, bool *value)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
		return -EINVAL;
	*value = yes;
	return 0;
}
