/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: rows of JSON into text for people. A table knows its columns; a column says which field it shows and,
 * when the field's plain value will not do, how. Rows are kept until there are enough of them to see how wide
 * the columns are.
 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/command.h"

/* Writes the cell's text; `size` is enough for anything sensible, longer texts are cut. */
typedef void (*cell_format)(const json_t *row, const char *field, char *text, size_t size);
#define CELL_SIZE 256

struct column {
	const char *heading;
	const char *field;
	cell_format format; /* NULL: the plain value */
	bool right;         /* numbers stand to the right */
};

/* The plain value: a text, a number, yes or no, a list with commas; "-" for null. */
void cell_value(const json_t *row, const char *field, char *text, size_t size);
/* Milliseconds for people: "12 ms", "3.4 s", "5m12s", "3h02m", "12d04h". */
void cell_duration(const json_t *row, const char *field, char *text, size_t size);
/* Of {packets, bytes}: "1.2 MB". */
void cell_bytes(const json_t *row, const char *field, char *text, size_t size);
/* Of {packets, bytes}: the packets. */
void cell_packets(const json_t *row, const char *field, char *text, size_t size);
/* "source" with "source_port": "100.64.1.5:40000", "[2001:db8::5]:40000". */
void cell_endpoint(const json_t *row, const char *field, char *text, size_t size);

/* A tunnel's name; another gateway's tunnel has but a number here: "tunnel_number". */
void cell_tunnel(const json_t *row, const char *field, char *text, size_t size);

const char *text_of(const json_t *row, const char *field); /* "-" when it is no text */
void format_duration_for_people(json_int_t milliseconds, char *text, size_t size);

/* A line a column, with its heading before the value; one without a value has no line. */
void print_details(const json_t *row, const struct column *columns, size_t column_count);

bool view_colors(enum color_mode mode);

struct table;
struct table *table_new(
	FILE *stream, const struct column *columns, size_t column_count, bool headings, bool colors);
/* The row is borrowed and not needed afterwards. */
void table_row(struct table *table, const json_t *row);
/* Prints what is left and frees the table. */
void table_end(struct table *table);

#endif
