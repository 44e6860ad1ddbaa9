// SPDX-License-Identifier: Apache-2.0
/* The gateways of the array, and this one in and out of service. */
#include "cli/gateway.h"

#include <time.h>

#include "base/clock.h"
#include "cli/nouns.h"
#include "cli/report.h"

#define LOOK_AGAIN_MS 500

/* ---- How they are ------------------------------------------------------------------------------------------------ */

static void cell_lag(const json_t *row, const char *field, char *text, size_t size)
{
	const json_t *value = json_object_get(row, field);

	if (json_is_integer(value))
		snprintf(text, size, "%.1f ms", (double)json_integer_value(value) / 1000);
	else
		snprintf(text, size, "-");
}

/* A gateway that drains serves nobody anew, and says why. */
static void cell_serving(const json_t *row, const char *field, char *text, size_t size)
{
	if (json_is_true(json_object_get(row, "drained")))
		snprintf(text, size, "%s",
			json_is_true(json_object_get(row, "announced")) ? "leaving" : "drained");
	else
		cell_value(row, field, text, size);
}

const struct column member_columns[] = {
	{"GATEWAY", "gateway"},
	{"NUMBER", "number", NULL, true},
	{"ADDRESS", "address"},
	{"STATE", "state"},
	{"SERVING", "serving", cell_serving},
	{"SINCE", "changed_ms", cell_duration, true},
	{"HEARD", "heard_age_ms", cell_duration, true},
	{"LAG", "lag_p50_us", cell_lag, true},
	{"LAG 99%", "lag_p99_us", cell_lag, true},
	{"SENT", "sent", NULL, true},
	{"RECEIVED", "received", NULL, true},
	{"LOST", "lost", NULL, true},
	{"ASKED AGAIN", "asked_again", NULL, true},
	{"REFUSED", "refused", NULL, true},
	{"FLOWS", "flows", NULL, true},
};
const size_t member_column_count = sizeof(member_columns) / sizeof(member_columns[0]);

int run_gateway_list(const struct invocation *invocation)
{
	return print_list(
		invocation, METHOD_GATEWAY_LIST, NULL, "gateways", member_columns, member_column_count);
}

int run_gateway_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "gateway", invocation->selector[0]);

	return print_list(
		invocation, METHOD_GATEWAY_GET, arguments, "gateways", member_columns, member_column_count);
}

/* ---- Out of service, and back ------------------------------------------------------------------------------------ */

struct drain {
	const struct invocation *invocation;
	json_t *row;     /* this gateway, as it was last */
	json_int_t told; /* connections, as last told; -1: not yet */
};

static json_int_t connections(const json_t *row)
{
	return json_integer_value(json_object_get(row, "connections"));
}

static bool is_over(const json_t *row)
{
	return !json_is_true(json_object_get(row, "announced")) && connections(row) == 0;
}

static enum reply_code look(struct drain *drain, struct error *error)
{
	enum reply_code code;

	json_decref(drain->row);
	drain->row = NULL;
	code = ask_one(drain->invocation, METHOD_GATEWAY_GET, NULL, &drain->row, error);
	if (code != REPLY_FINE || drain->invocation->json || connections(drain->row) == drain->told)
		return code;
	drain->told = connections(drain->row);
	fprintf(stderr, "%lld connections live here\n", (long long)drain->told);
	return code;
}

static void pause_a_moment(void)
{
	const struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};

	nanosleep(&moment, NULL);
}

static enum reply_code wait_for_end(struct drain *drain, struct error *error)
{
	uint64_t deadline = now_ms() + drain->invocation->wait_ms;
	enum reply_code code;

	while ((code = look(drain, error)) == REPLY_FINE && !is_over(drain->row)) {
		if (now_ms() >= deadline)
			return (enum reply_code)error_set(error, REPLY_TIMED_OUT,
				"the gateway is out of service, and %lld "
				"connections still live here: they go on",
				(long long)connections(drain->row));
		pause_a_moment();
	}
	return code;
}

/* Out of service by this method; `drain` has this gateway's row then. */
static enum reply_code leave(struct drain *drain, const char *method, json_t *arguments, struct error *error)
{
	enum reply_code code = ask_one(drain->invocation, method, arguments, &drain->row, error);

	if (code != REPLY_FINE)
		return code;
	return drain->invocation->wait_ms ? wait_for_end(drain, error) : look(drain, error);
}

int run_gateway_drain(const struct invocation *invocation)
{
	struct drain drain = {.invocation = invocation, .told = -1};
	struct error error = {0};
	enum reply_code code = leave(&drain, METHOD_GATEWAY_DRAIN, NULL, &error);

	if (drain.row && invocation->json)
		print_document(drain.row);
	json_decref(drain.row);
	return report(invocation, code, &error);
}

/* ---- Handed over ------------------------------------------------------------------------------------------------- */

static void take_server(void *to, json_t *row)
{
	if (json_is_true(json_object_get(row, "serving")))
		json_array_append(to, json_object_get(row, "gateway"));
}

static void tell_servers(const json_t *servers)
{
	const json_t *name;
	size_t i;

	fputs("in service:", stderr);
	json_array_foreach (servers, i, name)
		fprintf(stderr, "%s %s", i ? "," : "", json_string_value(name));
	if (json_array_size(servers) > 1)
		fputs("; each provider's routers choose among them, by MED, prepend and what they prefer",
			stderr);
	fputc('\n', stderr);
}

/* Who was fit to take over may have gone meanwhile. */
static enum reply_code find_servers(const struct drain *drain, json_t *servers, struct error *error)
{
	enum reply_code code = ask(drain->invocation, METHOD_GATEWAY_LIST, NULL, take_server, servers, error);

	if (code != REPLY_FINE)
		return code;
	if (drain->row)
		json_object_set(drain->row, "in_service", servers);
	if (json_array_size(servers) == 0)
		return (enum reply_code)error_set(error, REPLY_DEGRADED,
			"no gateway is in service any more: gwctl gateway undrain takes this one back");
	if (!drain->invocation->json)
		tell_servers(servers);
	return code;
}

int run_gateway_switch(const struct invocation *invocation)
{
	struct drain drain = {.invocation = invocation, .told = -1};
	struct error error = {0}, unseen = {0};
	json_t *servers = json_array();
	json_t *to = invocation->to ? json_pack("{s:s}", "gateway", invocation->to) : NULL;
	enum reply_code code = leave(&drain, METHOD_GATEWAY_SWITCH, to, &error);

	if (code == REPLY_FINE)
		code = find_servers(&drain, servers, &error);
	else if (code == REPLY_TIMED_OUT)
		find_servers(&drain, servers, &unseen);
	if (drain.row && invocation->json)
		print_document(drain.row);
	json_decref(drain.row);
	json_decref(servers);
	return report(invocation, code, &error);
}

int run_gateway_undrain(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *row;
	enum reply_code code = ask_one(invocation, METHOD_GATEWAY_UNDRAIN, NULL, &row, &error);

	if (code == REPLY_FINE && invocation->json)
		code = ask_one(invocation, METHOD_GATEWAY_GET, NULL, &row, &error);
	if (row && invocation->json)
		print_document(row);
	json_decref(row);
	return report(invocation, code, &error);
}

/* ---- Its end ------------------------------------------------------------------------------------------------------ */

static void tell_step(void *to, json_t *row)
{
	const struct invocation *invocation = to;

	if (invocation->json)
		print_document(row);
	else
		fprintf(stderr, "%s\n", text_of(row, "step"));
	fflush(stdout);
}

/* A document a step: they are told while it happens. */
int run_gateway_stop(const struct invocation *invocation)
{
	struct error error = {0};
	enum reply_code code = ask(
		invocation, METHOD_GATEWAY_STOP, NULL, tell_step, (struct invocation *)invocation, &error);

	return report(invocation, code, &error);
}
