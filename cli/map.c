// SPDX-License-Identifier: Apache-2.0
/*
 * Dumps of the tables and what differs between two. A dump is text: a line of version, then a line an entry, sorted as
 * bytes. What changes by itself (times, counters) is left out unless --volatile asks for it, so that two gateways that
 * know the same give the same bytes (tunnels by number: their names only their own gateway knows). The daemon sends rows as they lie in its table; the sorting is done here.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)
#define HEADER           "homeward map dump, version " TEXT_OF(MAP_DUMP_VERSION)

struct entry {
	char *line;
	json_t *row; /* NULL unless JSON is wanted */
};

struct dump {
	const struct invocation *invocation;
	struct entry *entries;
	size_t count, size;
};

static int by_line(const void *one, const void *other)
{
	return strcmp(((const struct entry *)one)->line, ((const struct entry *)other)->line);
}

static void dump_add(struct dump *dump, char *line, json_t *row)
{
	if (dump->count == dump->size) {
		dump->size = dump->size ? dump->size * 2 : 1024;
		dump->entries = realloc(dump->entries, dump->size * sizeof(*dump->entries));
		if (!dump->entries)
			abort();
	}
	dump->entries[dump->count++] = (struct entry){line, row};
}

static void dump_free(struct dump *dump)
{
	for (size_t i = 0; i < dump->count; i++) {
		free(dump->entries[i].line);
		json_decref(dump->entries[i].row);
	}
	free(dump->entries);
}

static bool is_flow(const json_t *row)
{
	return json_object_get(row, "protocol") != NULL;
}

static long long number_in(const json_t *row, const char *object, const char *field)
{
	const json_t *inside = object ? json_object_get(row, object) : row;

	return (long long)json_integer_value(json_object_get(inside, field));
}

static void print_volatile(FILE *stream, const json_t *row)
{
	fprintf(stream, " idle_ms=%lld", number_in(row, NULL, "idle_ms"));
	if (is_flow(row))
		fprintf(stream, " request=%lld/%lld response=%lld/%lld", number_in(row, "request", "packets"),
			number_in(row, "request", "bytes"), number_in(row, "response", "packets"),
			number_in(row, "response", "bytes"));
}

static char *map_line(const json_t *row, bool volatile_too)
{
	char source[CELL_SIZE], destination[CELL_SIZE];
	char *line = NULL;
	size_t size;
	FILE *stream = open_memstream(&line, &size);

	if (!stream)
		abort();
	if (is_flow(row)) {
		cell_endpoint(row, "source", source, sizeof(source));
		cell_endpoint(row, "destination", destination, sizeof(destination));
		fprintf(stream, "flow zone=%lld %s %s %s owner=%s", number_in(row, NULL, "zone"),
			text_of(row, "protocol"), source, destination, text_of(row, "owner"));
	} else {
		fprintf(stream, "device zone=%lld %s", number_in(row, NULL, "zone"), text_of(row, "address"));
	}
	fprintf(stream, " gateway=%s tunnel=%lld", text_of(row, "gateway"),
		number_in(row, NULL, "tunnel_number"));
	if (is_flow(row))
		fprintf(stream, " state=%s", text_of(row, "state"));
	if (volatile_too)
		print_volatile(stream, row);
	fclose(stream);
	return line;
}

static void strip_volatile(json_t *row)
{
	json_object_del(row, "idle_ms");
	json_object_del(row, "request");
	json_object_del(row, "response");
}

static void take_row(void *to, json_t *row)
{
	struct dump *dump = to;
	const struct invocation *invocation = dump->invocation;
	char *line = map_line(row, invocation->volatile_too);

	if (!invocation->volatile_too)
		strip_volatile(row);
	dump_add(dump, line, invocation->json ? json_incref(row) : NULL);
}

static void print_text(const struct dump *dump)
{
	puts(HEADER);
	for (size_t i = 0; i < dump->count; i++)
		puts(dump->entries[i].line);
}

static void print_json(const struct dump *dump)
{
	json_t *flows = json_array(), *devices = json_array();
	json_t *body = json_pack(
		"{s:i, s:o, s:o}", "map_version", MAP_DUMP_VERSION, "flows", flows, "devices", devices);

	for (size_t i = 0; i < dump->count; i++)
		json_array_append(is_flow(dump->entries[i].row) ? flows : devices, dump->entries[i].row);
	print_document(body);
	json_decref(body);
}

int run_map_dump(const struct invocation *invocation)
{
	_cleanup_(dump_free) struct dump dump = {.invocation = invocation};
	struct error error = {0};
	enum reply_code code = ask(invocation, METHOD_MAP_DUMP, NULL, take_row, &dump, &error);

	if (code != REPLY_FINE)
		return report(invocation, code, &error);
	if (dump.count > 0)
		qsort(dump.entries, dump.count, sizeof(*dump.entries), by_line);
	if (invocation->json)
		print_json(&dump);
	else
		print_text(&dump);
	return REPLY_FINE;
}

static int read_lines(FILE *stream, const char *name, struct dump *dump, struct error *error)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool first = true;

	while ((length = getline(&line, &size, stream)) >= 0) {
		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (first && strcmp(line, HEADER) != 0)
			return error_set(error, REPLY_INVALID, "%s is not a dump: its first line is not “%s”",
				name, HEADER);
		if (!first)
			dump_add(dump, strdup(line), NULL);
		first = false;
	}
	if (first)
		return error_set(error, REPLY_INVALID, "%s is empty: not a dump", name);
	if (dump->count > 0)
		qsort(dump->entries, dump->count, sizeof(*dump->entries), by_line);
	return REPLY_FINE;
}

static int read_dump(const char *name, struct dump *dump, struct error *error)
{
	_cleanup_fclose_ FILE *opened = NULL;

	if (strcmp(name, "-") == 0)
		return read_lines(stdin, "standard input", dump, error);
	opened = fopen(name, "r");
	if (!opened)
		return error_set(error, REPLY_INVALID, "cannot read %s: %s", name, strerror(errno));
	return read_lines(opened, name, dump, error);
}

static void tell_difference(json_t *differences, bool json, char side, const char *line)
{
	if (json)
		json_array_append_new(differences,
			json_pack("{s:s, s:s}", "only_in", side == '-' ? "a" : "b", "line", line));
	else
		printf("%c %s\n", side, line);
}

static size_t compare(const struct dump *a, const struct dump *b, bool json, json_t *differences)
{
	size_t i = 0, k = 0, count = 0;

	while (i < a->count || k < b->count) {
		int order = i == a->count   ? 1
			    : k == b->count ? -1
					    : strcmp(a->entries[i].line, b->entries[k].line);

		count += order != 0;
		if (order < 0)
			tell_difference(differences, json, '-', a->entries[i].line);
		else if (order > 0)
			tell_difference(differences, json, '+', b->entries[k].line);
		i += order <= 0;
		k += order >= 0;
	}
	return count;
}

int run_map_diff(const struct invocation *invocation)
{
	_cleanup_(dump_free) struct dump a = {0}, b = {0};
	struct error error = {0};
	json_t *body, *differences;
	size_t count;
	int code = REPLY_FINE;

	if (strcmp(invocation->selector[0], "-") == 0 && strcmp(invocation->selector[1], "-") == 0)
		code = error_set(&error, REPLY_USAGE, "only one of the two can be standard input");
	if (code == REPLY_FINE)
		code = read_dump(invocation->selector[0], &a, &error);
	if (code == REPLY_FINE)
		code = read_dump(invocation->selector[1], &b, &error);
	if (code != REPLY_FINE)
		return report(invocation, (enum reply_code)code, &error);
	differences = json_array();
	count = compare(&a, &b, invocation->json, differences);
	body = json_pack("{s:o}", "differences", differences);
	if (invocation->json)
		print_document(body);
	json_decref(body);
	return count > 0 ? REPLY_DEGRADED : REPLY_FINE;
}
