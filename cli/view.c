// SPDX-License-Identifier: Apache-2.0
#include "cli/view.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ROWS_KEPT 512 /* decide the widths */
#define GREEN     "\033[32m"
#define RED       "\033[31m"
#define PLAIN     "\033[0m"

struct table {
	FILE *stream;
	const struct column *columns;
	size_t column_count;
	bool headings, colors;
	size_t *widths;
	char **cells; /* row_count × column_count */
	size_t row_count;
};

const char *text_of(const json_t *row, const char *field)
{
	const char *text = json_string_value(json_object_get(row, field));

	return text ? text : "-";
}

static void join(const json_t *list, char *text, size_t size)
{
	size_t used = 0, i;
	json_t *item;

	snprintf(text, size, "-");
	json_array_foreach ((json_t *)list, i, item) {
		int n = snprintf(
			text + used, size - used, "%s%s", i ? ", " : "", json_string_value(item) ?: "-");

		if (n < 0 || used + (size_t)n >= size)
			return;
		used += (size_t)n;
	}
}

void cell_value(const json_t *row, const char *field, char *text, size_t size)
{
	const json_t *value = json_object_get(row, field);

	if (json_is_integer(value))
		snprintf(text, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(text, size, "%s", json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		join(value, text, size);
	else
		snprintf(text, size, "%s", text_of(row, field));
}

void format_duration_for_people(json_int_t milliseconds, char *text, size_t size)
{
	long long seconds = milliseconds / 1000;

	if (milliseconds < 1000)
		snprintf(text, size, "%lld ms", (long long)milliseconds);
	else if (seconds < 60)
		snprintf(text, size, "%lld.%lld s", seconds, (long long)milliseconds % 1000 / 100);
	else if (seconds < 3600)
		snprintf(text, size, "%lldm%02llds", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(text, size, "%lldh%02lldm", seconds / 3600, seconds % 3600 / 60);
	else
		snprintf(text, size, "%lldd%02lldh", seconds / 86400, seconds % 86400 / 3600);
}

void cell_duration(const json_t *row, const char *field, char *text, size_t size)
{
	const json_t *value = json_object_get(row, field);

	if (json_is_integer(value))
		format_duration_for_people(json_integer_value(value), text, size);
	else
		snprintf(text, size, "-");
}

void cell_bytes(const json_t *row, const char *field, char *text, size_t size)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double bytes = (double)json_integer_value(json_object_get(json_object_get(row, field), "bytes"));
	size_t unit = 0;

	while (bytes >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		unit++;
	}
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

void cell_packets(const json_t *row, const char *field, char *text, size_t size)
{
	cell_value(json_object_get(row, field), "packets", text, size);
}

void cell_endpoint(const json_t *row, const char *field, char *text, size_t size)
{
	const char *address = text_of(row, field);
	char port_field[32];
	json_int_t port;

	snprintf(port_field, sizeof(port_field), "%s_port", field);
	port = json_integer_value(json_object_get(row, port_field));
	if (port == 0)
		snprintf(text, size, "%s", address);
	else
		snprintf(
			text, size, strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, (long long)port);
}

void cell_tunnel(const json_t *row, const char *field, char *text, size_t size)
{
	cell_value(row, json_is_string(json_object_get(row, field)) ? field : "tunnel_number", text, size);
}

void print_details(const json_t *row, const struct column *columns, size_t column_count)
{
	char text[CELL_SIZE] = "";

	for (const struct column *column = columns; column < columns + column_count; column++) {
		(column->format ? column->format : cell_value)(row, column->field, text, sizeof(text));
		if (*text && strcmp(text, "-") != 0)
			printf("%-18s %s\n", column->heading, text);
	}
}

bool view_colors(enum color_mode mode)
{
	const char *refused = getenv("NO_COLOR");

	if (mode != COLOR_AUTO)
		return mode == COLOR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(refused && refused[0]);
}

struct table *table_new(
	FILE *stream, const struct column *columns, size_t column_count, bool headings, bool colors)
{
	struct table *table = calloc(1, sizeof(*table));

	table->stream = stream;
	table->columns = columns;
	table->column_count = column_count;
	table->headings = headings;
	table->colors = colors;
	table->widths = calloc(column_count, sizeof(*table->widths));
	table->cells = calloc(column_count * ROWS_KEPT, sizeof(*table->cells));
	for (size_t i = 0; i < column_count && headings; i++)
		table->widths[i] = strlen(columns[i].heading);
	return table;
}

/* Characters, not bytes, for names that are not ASCII. */
static size_t shown_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *color_of(const struct table *table, const char *text)
{
	static const char *const good[] = {"yes", "up", "alive"}, *const bad[] = {"no", "down", "dead"};

	if (!table->colors)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (strcmp(text, good[i]) == 0)
			return GREEN;
		if (strcmp(text, bad[i]) == 0)
			return RED;
	}
	return NULL;
}

static void print_cell(const struct table *table, size_t i, const char *text)
{
	int padding = (int)(table->widths[i] - shown_width(text));
	bool last = i + 1 == table->column_count, right = table->columns[i].right;
	const char *color = color_of(table, text);

	fprintf(table->stream, "%*s%s%s%s%*s%s", right ? padding : 0, "", color ? color : "", text,
		color ? PLAIN : "", right || last ? 0 : padding, "", last ? "\n" : "  ");
}

static void print_kept(struct table *table)
{
	if (table->headings && table->row_count > 0)
		for (size_t i = 0; i < table->column_count; i++)
			print_cell(table, i, table->columns[i].heading);
	table->headings = table->headings && table->row_count == 0;
	for (size_t k = 0; k < table->row_count * table->column_count; k++) {
		print_cell(table, k % table->column_count, table->cells[k]);
		free(table->cells[k]);
	}
	table->row_count = 0;
}

void table_row(struct table *table, const json_t *row)
{
	char **cells = table->cells + table->row_count * table->column_count;
	char text[CELL_SIZE];

	for (size_t i = 0; i < table->column_count; i++) {
		const struct column *column = &table->columns[i];

		(column->format ? column->format : cell_value)(row, column->field, text, sizeof(text));
		cells[i] = strdup(text);
		if (shown_width(text) > table->widths[i])
			table->widths[i] = shown_width(text);
	}
	if (++table->row_count == ROWS_KEPT)
		print_kept(table);
}

void table_end(struct table *table)
{
	print_kept(table);
	free(table->cells);
	free(table->widths);
	free(table);
}
