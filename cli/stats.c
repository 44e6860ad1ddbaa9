// SPDX-License-Identifier: Apache-2.0
/* Numbers of all kinds: what became of packets, and which version this is. */
#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

static const struct column columns[] = {
	{"REASON", "reason"},
	{"DROP", "drop"},
	{"PACKETS", "packets", NULL, true},
	{"BYTES", "bytes", NULL, true},
	{"MEANING", "words"},
};

int run_stats(const struct invocation *invocation)
{
	return print_list(invocation, METHOD_STATS, NULL, "reasons", columns, ARRAY_SIZE(columns));
}

/* A daemon that does not answer has no version; that is no error of the question. */
int run_version(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *daemon, *body;

	ask_one(invocation, METHOD_VERSION, NULL, &daemon, &error);
	body = json_pack("{s:s, s:o}", "gwctl", VERSION, "gwd",
		daemon ? json_incref(json_object_get(daemon, "version")) : json_null());
	if (invocation->json)
		print_document(body);
	else
		printf("gwctl %s\ngwd   %s\n", VERSION,
			daemon ? text_of(daemon, "version") : "does not answer");
	json_decref(body);
	json_decref(daemon);
	return REPLY_FINE;
}
