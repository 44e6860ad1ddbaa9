// SPDX-License-Identifier: Apache-2.0
/* Numbers of all kinds: what became of packets, and which version this is. */
#include <time.h>

#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

/* With --watch there are rates, known from the second time on. */
static const struct column columns[] =
	{
		{"REASON", "reason"},
		{"DROP", "drop"},
		{"PACKETS", "packets", NULL, true},
		{"BYTES", "bytes", NULL, true},
		{"MEANING", "words"},
},
			   watched_columns[] = {
				   {"REASON", "reason"},
				   {"DROP", "drop"},
				   {"PACKETS", "packets", NULL, true},
				   {"PER SECOND", "packets_per_second", NULL, true},
				   {"BYTES", "bytes", NULL, true},
				   {"PER SECOND", "bytes_per_second", NULL, true},
				   {"MEANING", "words"},
};

/* What --watch saw the time before: rates are differences of counters. */
static struct {
	json_t *rows; /* NULL: this is the first time */
	struct timespec time;
} before;

static double seconds_since(const struct timespec *then, const struct timespec *now)
{
	return (double)(now->tv_sec - then->tv_sec) + (double)(now->tv_nsec - then->tv_nsec) / 1e9;
}

/* A counter that is smaller than before belongs to a gateway that was made anew. */
static json_t *rate(const json_t *row, const json_t *earlier, const char *field, double seconds)
{
	json_int_t now = json_integer_value(json_object_get(row, field));
	json_int_t then = json_integer_value(json_object_get(earlier, field));

	return json_integer(
		now > then && seconds > 0 ? (json_int_t)((double)(now - then) / seconds + 0.5) : 0);
}

static void add_rates(json_t *rows, const struct timespec *now)
{
	double seconds = seconds_since(&before.time, now);
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		const json_t *earlier = json_array_get(before.rows, i);

		json_object_set_new(row, "packets_per_second", rate(row, earlier, "packets", seconds));
		json_object_set_new(row, "bytes_per_second", rate(row, earlier, "bytes", seconds));
	}
}

static void keep_row(void *to, json_t *row)
{
	json_array_append(to, row);
}

static void print_table(const struct invocation *invocation, const json_t *rows)
{
	bool watched = invocation->watch_ms > 0;
	struct table *table = table_new(stdout, watched ? watched_columns : columns,
		watched ? ARRAY_SIZE(watched_columns) : ARRAY_SIZE(columns), !invocation->no_headers,
		view_colors(invocation->color));
	json_t *row;
	size_t i;

	json_array_foreach ((json_t *)rows, i, row)
		table_row(table, row);
	table_end(table);
}

static void print_json(json_t *rows)
{
	json_t *body = json_pack("{s:O}", "reasons", rows);

	print_document(body);
	json_decref(body);
}

int run_stats(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *rows = json_array();
	enum reply_code code = ask(invocation, METHOD_STATS, NULL, keep_row, rows, &error);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (code == REPLY_FINE) {
		if (before.rows)
			add_rates(rows, &now);
		if (invocation->json)
			print_json(rows);
		else
			print_table(invocation, rows);
	}
	json_decref(before.rows);
	before.rows = rows;
	before.time = now;
	return report(invocation, code, &error);
}

/* A daemon that does not answer has no version; that is no error of the question. */
int run_version(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *daemon, *body;

	ask_one(invocation, METHOD_VERSION, NULL, &daemon, &error);
	body = json_pack("{s:s, s:o}", "gwctl", VERSION, "gwd",
		daemon ? json_incref(json_object_get(daemon, "version")) : json_null());
	if (invocation->json)
		print_document(body);
	else
		printf("gwctl %s\ngwd   %s\n", VERSION,
			daemon ? text_of(daemon, "version") : "does not answer");
	json_decref(body);
	json_decref(daemon);
	return REPLY_FINE;
}
