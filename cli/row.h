/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows from text. A list may have millions of them, nearly all plain: objects of words, whole numbers, and objects of
 * such. These are read here, in a fifth of the time that jansson takes; whatever else comes jansson reads.
 */
#ifndef CLI_ROW_H
#define CLI_ROW_H

#include <jansson.h>
#include <stddef.h>

/* An object, a new reference; NULL: the text is none. */
json_t *row_read(const char *text, size_t size);

#endif
