// SPDX-License-Identifier: Apache-2.0
#include "cli/tunnel.h"

#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

const struct column tunnel_columns[] = {
	{"TUNNEL", "tunnel"},
	{"NUMBER", "number", NULL, true},
	{"PROVIDER", "provider"},
	{"DRIVER", "driver"},
	{"USABLE", "usable"},
	{"SINCE", "usable_changed_ms", cell_duration, true},
	{"BFD", "bfd"},
	{"BGP", "bgp"},
	{"RECEIVED", "received", cell_bytes, true},
	{"SENT", "sent", cell_bytes, true},
	{"HANDSHAKE", "handshake_age_ms", cell_duration, true},
};
const size_t tunnel_column_count = ARRAY_SIZE(tunnel_columns);

int run_tunnel_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_TUNNEL_LIST, filter_arguments(invocation), "tunnels",
		tunnel_columns, tunnel_column_count);
}

int run_tunnel_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "tunnel", invocation->selector[0]);

	return print_list(
		invocation, METHOD_TUNNEL_GET, arguments, "tunnels", tunnel_columns, tunnel_column_count);
}
