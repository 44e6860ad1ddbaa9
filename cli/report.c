// SPDX-License-Identifier: Apache-2.0
#include "cli/report.h"

#include <stdlib.h>

int report(const struct invocation *invocation, enum reply_code code, const struct error *error)
{
	json_t *document;

	if (code == REPLY_FINE)
		return code;
	fflush(stdout);
	if (!invocation->json) {
		fprintf(stderr, "gwctl: %s\n", error->text);
		return code;
	}
	document = json_pack("{s:i, s:{s:i, s:s}}", "schema", PROTOCOL_SCHEMA, "error", "code", (int)code,
		"text", error->text);
	if (document) {
		json_dumpf(document, stderr, JSON_COMPACT);
		fputc('\n', stderr);
	}
	json_decref(document);
	return code;
}

void print_document(const json_t *body)
{
	json_t *document = json_pack("{s:i}", "schema", PROTOCOL_SCHEMA);

	json_object_update(document, (json_t *)body);
	json_dumpf(document, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(document);
}

static void add_text(json_t *arguments, enum argument_id id, const char *text)
{
	static const char *const names[] = ARGUMENT_NAMES;

	if (text)
		json_object_set_new(arguments, names[id], json_string(text));
}

json_t *filter_arguments(const struct invocation *invocation)
{
	json_t *arguments = json_object();

	add_text(arguments, ARGUMENT_PROVIDER, invocation->provider);
	add_text(arguments, ARGUMENT_TUNNEL, invocation->tunnel);
	add_text(arguments, ARGUMENT_GATEWAY, invocation->gateway);
	add_text(arguments, ARGUMENT_ADDRESS, invocation->address);
	add_text(arguments, ARGUMENT_STATE, invocation->state);
	if (invocation->port)
		json_object_set_new(arguments, "port", json_integer(atoi(invocation->port)));
	if (invocation->all)
		json_object_set_new(arguments, "all", json_true());
	return arguments;
}

struct listing {
	const char *name;
	size_t count;
};

static bool list_text(void *to, const char *text, size_t size)
{
	struct listing *listing = to;

	if (size == 0 || *text != '{')
		return false;
	if (listing->count++ == 0)
		printf("{\"schema\":%d,\"%s\":[", PROTOCOL_SCHEMA, listing->name);
	else
		putchar(',');
	fwrite(text, size, 1, stdout);
	return true;
}

static enum reply_code list_as_json(const struct invocation *invocation, const char *method,
	json_t *arguments, const char *name, struct error *error)
{
	struct listing listing = {.name = name};
	enum reply_code code = ask_text(invocation, method, arguments, list_text, &listing, error);

	if (listing.count > 0)
		puts("]}");
	else if (code == REPLY_FINE)
		printf("{\"schema\":%d,\"%s\":[]}\n", PROTOCOL_SCHEMA, name);
	return code;
}

static void list_row(void *to, json_t *row)
{
	table_row(to, row);
}

static enum reply_code list_as_table(const struct invocation *invocation, const char *method,
	json_t *arguments, const struct column *columns, size_t count, struct error *error)
{
	struct table *table =
		table_new(stdout, columns, count, !invocation->no_headers, view_colors(invocation->color));
	enum reply_code code = ask(invocation, method, arguments, list_row, table, error);

	table_end(table);
	return code;
}

int print_list(const struct invocation *invocation, const char *method, json_t *arguments, const char *name,
	const struct column *columns, size_t column_count)
{
	struct error error = {0};
	enum reply_code code = invocation->json ? list_as_json(invocation, method, arguments, name, &error)
						: list_as_table(invocation, method, arguments, columns,
							  column_count, &error);

	return report(invocation, code, &error);
}

void print_rows(
	const struct invocation *invocation, const json_t *rows, const struct column *columns, size_t count)
{
	struct table *table;
	json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	putchar('\n');
	table = table_new(stdout, columns, count, !invocation->no_headers, view_colors(invocation->color));
	json_array_foreach ((json_t *)rows, i, row)
		table_row(table, row);
	table_end(table);
}

static void keep_row(void *to, json_t *row)
{
	json_t **kept = to;

	json_decref(*kept);
	*kept = json_incref(row);
}

enum reply_code ask_one(const struct invocation *invocation, const char *method, json_t *arguments,
	json_t **row, struct error *error)
{
	*row = NULL;
	return ask(invocation, method, arguments, keep_row, row, error);
}
