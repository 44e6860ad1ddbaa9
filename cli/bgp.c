// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

static const struct column columns[] = {
	{"SESSION", "session"},
	{"INTERFACE", "interface"},
	{"PROVIDER", "provider"},
	{"NEIGHBOR", "neighbor"},
	{"LOCAL AS", "local_as", NULL, true},
	{"PEER AS", "peer_as", NULL, true},
	{"BGP", "bgp"},
	{"STATE", "bgp_state"},
	{"SINCE", "bgp_changed_ms", cell_duration, true},
	{"BFD", "bfd"},
	{"IMPORTS", "import"},
};

int run_bgp_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_BGP_LIST, filter_arguments(invocation), "sessions", columns,
		ARRAY_SIZE(columns));
}

int run_bgp_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "session", invocation->selector[0]);

	return print_list(invocation, METHOD_BGP_GET, arguments, "sessions", columns, ARRAY_SIZE(columns));
}
