// SPDX-License-Identifier: Apache-2.0
/* One screen: what an operator wants to see first. */
#include "base/cleanup.h"
#include "cli/gateway.h"
#include "cli/nouns.h"
#include "cli/report.h"
#include "cli/tunnel.h"

static const struct column loopback_columns[] = {
	{"LOOPBACK", "loopback"},
	{"ADDRESSES", "addresses"},
	{"ANNOUNCED", "announced"},
};

static const struct column drop_columns[] = {
	{"DROPPED", "reason"},
	{"PACKETS", "packets", NULL, true},
	{"BYTES", "bytes", NULL, true},
	{"BECAUSE", "words"},
};

static void print_gateway(const json_t *gateway)
{
	char uptime[CELL_SIZE];

	cell_duration(gateway, "uptime_ms", uptime, sizeof(uptime));
	printf("gateway %s (%lld), version %s, up %s, BIRD %s, attached by %s, XDP %s%s\n",
		text_of(gateway, "name"), (long long)json_integer_value(json_object_get(gateway, "number")),
		text_of(gateway, "version"), uptime,
		json_is_true(json_object_get(gateway, "bird_running")) ? "runs" : "does not run",
		text_of(gateway, "attach"), text_of(gateway, "xdp"),
		json_is_true(json_object_get(gateway, "xdp_relays")) ? ", relays" : "");
}

static void print_troubles(const struct invocation *invocation, const json_t *troubles)
{
	bool colors = view_colors(invocation->color);
	json_t *trouble;
	size_t i;

	json_array_foreach ((json_t *)troubles, i, trouble)
		printf("%sdegraded: %s%s\n", colors ? "\033[31m" : "", json_string_value(trouble),
			colors ? "\033[0m" : "");
}

static void print_table_use(const json_t *status, const char *name)
{
	const json_t *table = json_object_get(status, name);

	printf("%-8s %lld of %lld\n", name, (long long)json_integer_value(json_object_get(table, "count")),
		(long long)json_integer_value(json_object_get(table, "capacity")));
}

/* Of an array of one there is nothing to say. */
static void print_relay(const json_t *relay)
{
	const json_t *percent = json_object_get(relay, "relayed_percent");
	char requests[CELL_SIZE], responses[CELL_SIZE];

	if (!json_is_integer(percent))
		return;
	cell_packets(relay, "requests_sent", requests, sizeof(requests));
	cell_packets(relay, "responses_sent", responses, sizeof(responses));
	printf("%-8s %lld %% of the packets: %s requests, %s responses\n", "relayed",
		(long long)json_integer_value(percent), requests, responses);
}

static void print_screen(const struct invocation *invocation, const json_t *status)
{
	print_gateway(json_object_get(status, "gateway"));
	print_troubles(invocation, json_object_get(status, "degraded"));
	print_rows(invocation, json_object_get(status, "loopbacks"), loopback_columns,
		ARRAY_SIZE(loopback_columns));
	print_rows(invocation, json_object_get(status, "tunnels"), tunnel_columns, tunnel_column_count);
	print_rows(invocation, json_object_get(status, "members"), member_columns, member_column_count);
	putchar('\n');
	print_table_use(status, "flows");
	print_table_use(status, "devices");
	print_relay(json_object_get(status, "relay"));
	print_rows(invocation, json_object_get(status, "drops"), drop_columns, ARRAY_SIZE(drop_columns));
}

int run_status(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *status;
	enum reply_code code = ask_one(invocation, METHOD_STATUS, NULL, &status, &error);

	if (status && invocation->json)
		print_document(status);
	else if (status)
		print_screen(invocation, status);
	json_decref(status);
	return report(invocation, code, &error);
}
