// SPDX-License-Identifier: Apache-2.0
/* The gateway as a whole: its version, its end. */
#include "base/cleanup.h"
#include "ctl/methods.h"

int version_step(struct request *request)
{
	request_row(request, json_pack("{s:s, s:i}", "version", VERSION, "table_version", ABI_VERSION));
	return REPLY_FINE;
}

static void say_step(void *to, const char *words)
{
	struct request *request = to;

	request_row(request, json_pack("{s:s}", "step", words));
	request_flush(request);
}

int gateway_stop_step(struct request *request)
{
	int r = request->hooks->stop(request->hooks->self, say_step, request, &request->error);

	request->stopped = r >= 0;
	return r < 0 ? REPLY_DEGRADED : REPLY_FINE;
}
