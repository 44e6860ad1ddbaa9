// SPDX-License-Identifier: Apache-2.0
#include "cli/flow.h"

#include "base/cleanup.h"
#include "cli/endpoint.h"
#include "cli/nouns.h"
#include "cli/report.h"

static const struct column columns[] = {
	{"PROTOCOL", "protocol"},
	{"SOURCE", "source", cell_endpoint},
	{"DESTINATION", "destination", cell_endpoint},
	{"PROVIDER", "provider"},
	{"GATEWAY", "gateway"},
	{"TUNNEL", "tunnel", cell_tunnel},
	{"OWNER", "owner"},
	{"STATE", "state"},
	{"IDLE", "idle_ms", cell_duration, true},
	{"REQUEST", "request", cell_bytes, true},
	{"RESPONSE", "response", cell_bytes, true},
};

int run_flow_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_FLOW_LIST, filter_arguments(invocation), "flows", columns,
		ARRAY_SIZE(columns));
}

static int add_end(
	json_t *arguments, const char *text, const char *name, const char *port_name, struct error *error)
{
	struct endpoint end;

	if (endpoint_parse(text, &end) < 0)
		return error_set(error, REPLY_USAGE,
			"“%s” is no end of a flow: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1]:80",
			text);
	json_object_set_new(arguments, name, json_string(end.address));
	json_object_set_new(arguments, port_name, json_integer(end.port));
	return REPLY_FINE;
}

enum reply_code flow_ends(const struct invocation *invocation, json_t **arguments, struct error *error)
{
	json_t *ends = json_pack("{s:s}", "protocol", invocation->selector[0]);
	int r = add_end(ends, invocation->selector[1], "source", "source_port", error);

	if (r == REPLY_FINE)
		r = add_end(ends, invocation->selector[2], "destination", "destination_port", error);
	if (r != REPLY_FINE)
		json_decref(ends);
	else
		*arguments = ends;
	return (enum reply_code)r;
}

int run_flow_get(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *arguments;
	enum reply_code code = flow_ends(invocation, &arguments, &error);

	if (code != REPLY_FINE)
		return report(invocation, code, &error);
	return print_list(invocation, METHOD_FLOW_GET, arguments, "flows", columns, ARRAY_SIZE(columns));
}

/* A number, plain on its own, or the row as a document. */
static int print_number(const struct invocation *invocation, const char *method, const char *field)
{
	struct error error = {0};
	json_t *row;
	enum reply_code code = ask_one(invocation, method, filter_arguments(invocation), &row, &error);

	if (row && invocation->json)
		print_document(row);
	else if (row)
		printf("%lld\n", (long long)json_integer_value(json_object_get(row, field)));
	json_decref(row);
	return report(invocation, code, &error);
}

int run_flow_count(const struct invocation *invocation)
{
	return print_number(invocation, METHOD_FLOW_COUNT, "flows");
}

int run_flow_flush(const struct invocation *invocation)
{
	return print_number(invocation, METHOD_FLOW_FLUSH, "flushed");
}
