// SPDX-License-Identifier: Apache-2.0
#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

/* "25.0 %"; "-" where nothing was measured. */
static void cell_permille(const json_t *row, const char *field, char *text, size_t size)
{
	const json_t *value = json_object_get(row, field);
	json_int_t permille = json_integer_value(value);

	if (json_is_integer(value))
		snprintf(text, size, "%lld.%lld %%", (long long)permille / 10, (long long)permille % 10);
	else
		snprintf(text, size, "-");
}

static const struct column columns[] = {
	{"EGRESS", "egress"},
	{"MODE", "mode"},
	{"TUNNEL", "tunnel"},
	{"WEIGHT", "weight", NULL, true},
	{"USABLE", "usable"},
	{"ANNOUNCES", "announces"},
	{"IN", "in"},
	{"SINCE", "changed_ms", cell_duration, true},
	{"SHARE", "share_permille", cell_permille, true},
	{"MEASURED", "measured_permille", cell_permille, true},
	{"UNEVEN", "uneven"},
	{"PACKETS", "sent", cell_packets, true},
	{"SENT", "sent", cell_bytes, true},
	{"CAUSE", "cause"},
};

int run_egress_list(const struct invocation *invocation)
{
	return print_list(
		invocation, METHOD_EGRESS_LIST, json_object(), "links", columns, ARRAY_SIZE(columns));
}

int run_egress_get(const struct invocation *invocation)
{
	json_t *arguments = json_pack("{s:s}", "egress", invocation->selector[0]);

	return print_list(invocation, METHOD_EGRESS_GET, arguments, "links", columns, ARRAY_SIZE(columns));
}

int run_egress_switch(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *row = NULL;
	enum reply_code code = ask_one(invocation, METHOD_EGRESS_SWITCH,
		json_pack("{s:s, s:s}", "egress", invocation->selector[0], "tunnel", invocation->selector[1]),
		&row, &error);

	json_decref(row);
	return report(invocation, code, &error);
}
