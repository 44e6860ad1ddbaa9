// SPDX-License-Identifier: Apache-2.0
/* The configuration: shown, compared, replaced, confirmed, taken back. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/methods.h"

int config_show_step(struct request *request)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int r;

	if (!stream)
		return error_set(&request->error, REPLY_DEGRADED, "no memory for the configuration's text");
	r = request->hooks->config_text(request->hooks->self, stream, &request->error);
	fclose(stream);
	if (r < 0)
		return REPLY_DEGRADED;
	request_row(request, json_pack("{s:s}", "config", text));
	return REPLY_FINE;
}

/* "problem" and "step" are the names of the rows. */
static void tell(void *to, const char *what, const char *words)
{
	struct request *request = to;

	request->count++;
	request_row(request, json_pack("{s:s}", what, words));
	request_flush(request);
}

static struct ctl_config config_of(const struct request *request)
{
	const struct arguments *arguments = &request->arguments;

	return (struct ctl_config){
		.file = arguments->file ? arguments->file : "the configuration",
		.text = arguments->config,
		.confirm_ms = arguments->confirm_ms,
	};
}

static int code_of(int result)
{
	switch (result) {
	case 0:
		return REPLY_FINE;
	case -EBADMSG:
		return REPLY_INVALID;
	case -ENODATA:
		return REPLY_NOT_FOUND;
	default:
		return REPLY_DEGRADED;
	}
}

int config_diff_step(struct request *request)
{
	const struct ctl_config config = config_of(request);
	const struct ctl_listener listener = {request, tell};
	_cleanup_free_ char *before = NULL, *after = NULL;
	int r = request->hooks->config_diff(
		request->hooks->self, &config, &before, &after, &listener, &request->error);

	if (r < 0)
		return code_of(r);
	request_row(request, json_pack("{s:s, s:s}", "before", before, "after", after));
	/* A key file that was written anew is a difference too, though no text shows it. */
	return strcmp(before, after) == 0 && request->count == 0 ? REPLY_FINE : REPLY_DEGRADED;
}

int config_apply_step(struct request *request)
{
	const struct ctl_config config = config_of(request);
	const struct ctl_listener listener = {request, tell};

	return code_of(
		request->hooks->config_apply(request->hooks->self, &config, &listener, &request->error));
}

int config_confirm_step(struct request *request)
{
	return code_of(request->hooks->config_confirm(request->hooks->self, &request->error));
}

int config_rollback_step(struct request *request)
{
	const struct ctl_listener listener = {request, tell};

	return code_of(request->hooks->config_rollback(request->hooks->self, &listener, &request->error));
}
