/* SPDX-License-Identifier: Apache-2.0 */
/* A request to gwd and its answer (ctl/protocol.h). */
#ifndef CLI_CONNECTION_H
#define CLI_CONNECTION_H

#include <jansson.h>

#include "cli/command.h"

typedef void (*row_handler)(void *to, json_t *row);                    /* the row is borrowed */
typedef bool (*text_handler)(void *to, const char *text, size_t size); /* false: this is no row */

/*
 * Asks `method` and hands each row to `row` as it arrives. Takes over `arguments` (NULL: none). Answers the
 * reply's code with its words; REPLY_UNREACHABLE, REPLY_NOT_PERMITTED or REPLY_TIMED_OUT when there was none.
 */
enum reply_code ask(const struct invocation *invocation, const char *method, json_t *arguments,
	row_handler row, void *to, struct error *error);

/* The same, but the rows stay the text that they came as, a line each without its end: a million are a matter of a second. */
enum reply_code ask_text(const struct invocation *invocation, const char *method, json_t *arguments,
	text_handler text, void *to, struct error *error);

#endif
