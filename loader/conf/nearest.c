// SPDX-License-Identifier: Apache-2.0
#include "conf/nearest.h"

#include <ctype.h>
#include <string.h>

#define KEY_MAX  31
#define NEAR_MAX 2

/* Levenshtein's distance, a row at a time: insertions, deletions and replacements from one word to the other. */
static unsigned distance(const char *one, const char *other)
{
	unsigned row[KEY_MAX + 1], length = (unsigned)strlen(other), diagonal, above, best;

	for (unsigned i = 0; i <= length; i++)
		row[i] = i;
	for (unsigned i = 1; *one; i++, one++) {
		diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= length; j++) {
			above = row[j];
			best = diagonal + (tolower((unsigned char)*one) != other[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[length];
}

const struct setting *nearest_setting(const struct section *section, const char *key)
{
	const struct setting *nearest = NULL;
	unsigned least = NEAR_MAX + 1, d;

	if (strlen(key) > KEY_MAX)
		return NULL;
	for (size_t i = 0; i < section->count; i++) {
		d = distance(key, section->settings[i].key);
		/* A word that changes as a whole is another word: "as" is no misspelt "log". */
		if (d < least && 2 * d < strlen(section->settings[i].key)) {
			least = d;
			nearest = &section->settings[i];
		}
	}
	return nearest;
}
