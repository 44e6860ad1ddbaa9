/* SPDX-License-Identifier: Apache-2.0 */
/* What every command says alike: errors, JSON documents, and the common way from a method to a list. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <jansson.h>

#include "cli/connection.h"
#include "cli/view.h"

/* Prints the words on standard error (as JSON if asked to) unless all is fine; answers `code`. */
int report(const struct invocation *invocation, enum reply_code code, const struct error *error);

/* {"schema":1, …the members of `body`} as one line on standard output. The body is borrowed. */
void print_document(const json_t *body);

/* Filters as given on the command line; a new reference. */
json_t *filter_arguments(const struct invocation *invocation);

/* Asks and prints the rows: a table of these columns, or the JSON list called `name`. */
int print_list(const struct invocation *invocation, const char *method, json_t *arguments, const char *name,
	const struct column *columns, size_t column_count);

/* A blank line and a table of them; nothing where there are none. The rows are borrowed. */
void print_rows(const struct invocation *invocation, const json_t *rows, const struct column *columns,
	size_t column_count);

/* Asks for one row. NULL in *row when there was none. The row is a new reference. */
enum reply_code ask_one(const struct invocation *invocation, const char *method, json_t *arguments,
	json_t **row, struct error *error);

#endif
