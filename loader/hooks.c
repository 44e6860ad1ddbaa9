// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf.h"
#include "conf/conf.h"
#include "daemon.h"

static void refresh(void *self)
{
	struct daemon *daemon = self;

	apply_refresh(daemon->apply, &daemon->status, NULL);
	replicate_refresh(daemon);
	steer_refresh(daemon);
}

static int explain(void *self, struct explanation *question, struct error *error)
{
	const struct daemon *daemon = self;

	return bpf_explain(daemon->pin_dir, question, error);
}

static int reasons(void *self, struct reason_count totals[REASON_COUNT], struct error *error)
{
	const struct daemon *daemon = self;

	return bpf_reasons(daemon->pin_dir, totals, error);
}

static int config_text(void *self, FILE *stream, struct error *error)
{
	const struct daemon *daemon = self;
	int r = conf_print(daemon->model, stream);

	return r < 0 ? error_errno(error, r, "cannot print the configuration") : 0;
}

static int stop(void *self, void (*say)(void *to, const char *words), void *to, struct error *error)
{
	return daemon_stop(self, say, to, error);
}

static void stopped(void *self)
{
	const struct daemon *daemon = self;

	sd_event_exit(daemon->event, 0);
}

const struct ctl_hooks daemon_hooks = {
	.refresh = refresh,
	.explain = explain,
	.reasons = reasons,
	.config_text = config_text,
	.config_diff = config_diff,
	.config_apply = config_apply,
	.config_confirm = config_confirm,
	.config_rollback = config_rollback,
	.drain = drain_set,
	.disable = disabled_set,
	.egress_switch = steer_switch,
	.stop = stop,
	.stopped = stopped,
};
