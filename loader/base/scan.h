/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict scanners: a text is a value as a whole or not at all. No sign, no leading zero ("010" is 8 to some
 * and 10 to others), no blank, no rest behind it. All answer 0, -EINVAL (not of this form) or -ERANGE (of the
 * form, out of bounds), and write their result only on success.
 */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

int scan_u32(const char *text, uint32_t minimum, uint32_t maximum, uint32_t *value);
/* "250ms", "30s", "5m", "2h": a number and a unit, into milliseconds. */
int scan_duration(const char *text, uint32_t minimum_ms, uint32_t maximum_ms, uint32_t *milliseconds);
#define DURATION_TEXT_SIZE 16
/* The canonical text: the largest unit that divides the value. Writes DURATION_TEXT_SIZE bytes, returns
 * `text`. */
const char *format_duration(uint32_t milliseconds, char *text);
/* "yes" or "no", as YAML's people write it; "true" and "false" too. */
int scan_bool(const char *text, bool *value);

#endif
