// SPDX-License-Identifier: Apache-2.0
#include "cli/tunnel.h"

#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/nouns.h"
#include "cli/report.h"

const struct column tunnel_columns[] = {
	{"TUNNEL", "tunnel"},
	{"NUMBER", "number", NULL, true},
	{"PROVIDER", "provider"},
	{"DRIVER", "driver"},
	{"USABLE", "usable"},
	{"SERVICE", "service"},
	{"SINCE", "usable_changed_ms", cell_duration, true},
	{"BFD", "bfd"},
	{"BGP", "bgp"},
	{"RECEIVED", "received", cell_bytes, true},
	{"SENT", "sent", cell_bytes, true},
	{"HANDSHAKE", "handshake_age_ms", cell_duration, true},
	{"CAUSE", "cause"},
};
const size_t tunnel_column_count = ARRAY_SIZE(tunnel_columns);

int run_tunnel_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_TUNNEL_LIST, filter_arguments(invocation), "tunnels",
		tunnel_columns, tunnel_column_count);
}

/* ---- One of them ------------------------------------------------------------------------------------------------- */

static json_t *tunnel_argument(const struct invocation *invocation)
{
	return json_pack("{s:s}", "tunnel", invocation->selector[0]);
}

/* "ESTABLISHED for 5m12s, new keys in 3h40m": of "ike" or "esp". */
static void cell_association(const json_t *ipsec, const char *field, char *text, size_t size)
{
	char age_field[16], rekey_field[16], age[32], rekey[32];

	snprintf(age_field, sizeof(age_field), "%s_age_ms", field);
	snprintf(rekey_field, sizeof(rekey_field), "%s_rekey_ms", field);
	cell_duration(ipsec, age_field, age, sizeof(age));
	cell_duration(ipsec, rekey_field, rekey, sizeof(rekey));
	if (json_is_integer(json_object_get(ipsec, age_field)))
		snprintf(text, size, "%s for %s, new keys in %s", text_of(ipsec, field), age, rekey);
	else
		snprintf(text, size, "%s", text_of(ipsec, field));
}

static const struct column details[] = {
	{"kind", "kind"},
	{"interface", "interface_index"},
	{"addresses", "addresses"},
	{"UDP port", "listen_port"},
	{"BGP", "bgp_state"},
};

static const struct column ipsec_details[] = {
	{"IKE", "ike", cell_association},
	{"ESP", "esp", cell_association},
	{"reauthenticates in", "reauthenticate_ms", cell_duration},
	{"last complaint", "error"},
};

static void print_tunnel(const struct invocation *invocation, const json_t *row)
{
	struct table *table = table_new(stdout, tunnel_columns, tunnel_column_count, !invocation->no_headers,
		view_colors(invocation->color));
	const json_t *ipsec = json_object_get(row, "ipsec");

	table_row(table, row);
	table_end(table);
	putchar('\n');
	print_details(row, details, ARRAY_SIZE(details));
	if (json_is_object(ipsec))
		print_details(ipsec, ipsec_details, ARRAY_SIZE(ipsec_details));
}

int run_tunnel_get(const struct invocation *invocation)
{
	json_t *arguments = tunnel_argument(invocation), *row;
	struct error error = {0};
	enum reply_code code;

	if (invocation->json)
		return print_list(invocation, METHOD_TUNNEL_GET, arguments, "tunnels", tunnel_columns,
			tunnel_column_count);
	code = ask_one(invocation, METHOD_TUNNEL_GET, arguments, &row, &error);
	if (row)
		print_tunnel(invocation, row);
	json_decref(row);
	return report(invocation, code, &error);
}

/* ---- Out of service, and back ------------------------------------------------------------------------------------ */

#define LOOK_AGAIN_MS 200

static enum reply_code look(const struct invocation *invocation, json_t **row, struct error *error)
{
	json_decref(*row);
	*row = NULL;
	return ask_one(invocation, METHOD_TUNNEL_GET, tunnel_argument(invocation), row, error);
}

/* Until BIRD shows that nothing is announced there any more. */
static enum reply_code wait_until_it_left(
	const struct invocation *invocation, json_t **row, struct error *error)
{
	const struct timespec moment = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
	uint64_t deadline = now_ms() + invocation->wait_ms;
	enum reply_code code;

	while ((code = look(invocation, row, error)) == REPLY_FINE &&
		strcmp(text_of(*row, "service"), "leaving") == 0) {
		if (now_ms() >= deadline)
			return (enum reply_code)error_set(error, REPLY_TIMED_OUT,
				"the tunnel is still leaving: BIRD has not withdrawn there yet");
		nanosleep(&moment, NULL);
	}
	return code;
}

static int set_service(const struct invocation *invocation, const char *method)
{
	struct error error = {0};
	json_t *row = NULL;
	enum reply_code code = ask_one(invocation, method, tunnel_argument(invocation), &row, &error);

	if (code == REPLY_FINE && invocation->wait_ms)
		code = wait_until_it_left(invocation, &row, &error);
	else if (code == REPLY_FINE)
		code = look(invocation, &row, &error);
	if (row && invocation->json)
		print_document(row);
	json_decref(row);
	return report(invocation, code, &error);
}

int run_tunnel_disable(const struct invocation *invocation)
{
	return set_service(invocation, METHOD_TUNNEL_DISABLE);
}

int run_tunnel_enable(const struct invocation *invocation)
{
	return set_service(invocation, METHOD_TUNNEL_ENABLE);
}
