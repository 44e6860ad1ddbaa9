// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

/* What it decides about: the loopback or the tunnel. */
static void cell_subject(const json_t *row, const char *field, char *text, size_t size)
{
	const char *loopback = json_string_value(json_object_get(row, field));

	snprintf(text, size, "%s", loopback ? loopback : text_of(row, "tunnel"));
}

static void cell_last(const json_t *row, const char *field, char *text, size_t size)
{
	snprintf(text, size, "%s", text_of(json_object_get(row, field), "result"));
}

static void cell_took(const json_t *row, const char *field, char *text, size_t size)
{
	const json_t *last = json_object_get(row, field);

	if (json_is_object(last))
		snprintf(text, size, "%.1f ms", json_number_value(json_object_get(last, "took_us")) / 1000);
	else
		snprintf(text, size, "-");
}

static const struct column columns[] = {
	{"PROBE", "probe"},
	{"DECIDES", "loopback", cell_subject},
	{"KIND", "kind"},
	{"TARGET", "target"},
	{"STATE", "state"},
	{"SINCE", "changed_ms", cell_duration, true},
	{"LAST", "last", cell_last},
	{"TOOK", "last", cell_took, true},
	{"ATTEMPTS", "attempts", NULL, true},
	{"FAILED", "failed", NULL, true},
};

static const struct column transition_columns[] = {
	{"STATE", "state"},
	{"AGO", "age_ms", cell_duration, true},
	{"BECAUSE", "cause"},
};

int run_probe_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_PROBE_LIST, NULL, "probes", columns, ARRAY_SIZE(columns));
}

static void print_counters(const json_t *row)
{
	json_int_t held_ms = json_integer_value(json_object_get(row, "held_ms"));

	printf("\nin a row: %lld good of %lld to rise, %lld bad of %lld to fall\n",
		(long long)json_integer_value(json_object_get(row, "successes_in_row")),
		(long long)json_integer_value(json_object_get(row, "rise")),
		(long long)json_integer_value(json_object_get(row, "failures_in_row")),
		(long long)json_integer_value(json_object_get(row, "fall")));
	if (held_ms > 0)
		printf("held down for %lld more ms: it falls again and again\n", (long long)held_ms);
}

static void print_probe(const struct invocation *invocation, const json_t *row)
{
	struct table *table = table_new(stdout, columns, ARRAY_SIZE(columns), !invocation->no_headers,
		view_colors(invocation->color));

	table_row(table, row);
	table_end(table);
	print_counters(row);
	print_rows(invocation, json_object_get(row, "transitions"), transition_columns,
		ARRAY_SIZE(transition_columns));
}

int run_probe_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "probe", invocation->selector[0]), *row;
	struct error error = {0};
	enum reply_code code;

	if (invocation->json)
		return print_list(
			invocation, METHOD_PROBE_GET, arguments, "probes", columns, ARRAY_SIZE(columns));
	code = ask_one(invocation, METHOD_PROBE_GET, arguments, &row, &error);
	if (row)
		print_probe(invocation, row);
	json_decref(row);
	return report(invocation, code, &error);
}
