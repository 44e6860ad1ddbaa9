// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

static const struct column columns[] = {
	{"ADDRESS", "address"},
	{"PROVIDER", "provider"},
	{"GATEWAY", "gateway"},
	{"TUNNEL", "tunnel", cell_tunnel},
	{"IDLE", "idle_ms", cell_duration, true},
};

int run_device_list(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_DEVICE_LIST, filter_arguments(invocation), "devices", columns,
		ARRAY_SIZE(columns));
}

int run_device_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "address", invocation->selector[0]);

	return print_list(invocation, METHOD_DEVICE_GET, arguments, "devices", columns, ARRAY_SIZE(columns));
}
