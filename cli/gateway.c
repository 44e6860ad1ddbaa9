// SPDX-License-Identifier: Apache-2.0
#include "cli/nouns.h"
#include "cli/report.h"

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
