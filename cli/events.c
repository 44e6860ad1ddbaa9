// SPDX-License-Identifier: Apache-2.0
/* `events`: what happened, a line each, at once: columns of fixed width, since what comes later is not known. */
#include "cli/nouns.h"
#include "cli/report.h"

#define LINE "%-24s  %-8s  %-16s  %-11s  %s\n"

static void print_event(void *to, json_t *row)
{
	const struct invocation *invocation = to;
	const json_t *lost = json_object_get(row, "lost");

	if (invocation->json)
		print_document(row);
	else if (lost)
		printf("(%lld events were forgotten before they could be read)\n",
			(long long)json_integer_value(lost));
	else
		printf(LINE, text_of(row, "time"), text_of(row, "object"), text_of(row, "name"),
			text_of(row, "event"), text_of(row, "cause"));
	fflush(stdout);
}

int run_events(const struct invocation *invocation)
{
	json_t *arguments = invocation->no_follow ? json_object() : json_pack("{s:b}", "follow", 1);
	struct error error = {0};

	if (!invocation->json && !invocation->no_headers)
		printf(LINE, "TIME", "OBJECT", "NAME", "EVENT", "CAUSE");
	fflush(stdout);
	return report(invocation,
		ask(invocation, METHOD_EVENTS, arguments, print_event, (void *)invocation, &error), &error);
}
