// SPDX-License-Identifier: Apache-2.0
/*
 * gwd, the daemon of one gateway: what its command line asks for, and no more. What it does while it runs stands in
 * daemon.c. Exit statuses are gwctl's (ctl/protocol.h): 0 fine, 1 failed, 2 usage, 6 configuration invalid or
 * unreadable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/scan.h"
#include "base/privilege.h"
#include "conf/conf.h"
#include "ctl/protocol.h"
#include "daemon.h"
#include "examine.h"
#include "guard/guard.h"
#include "model.h"
#include "options.h"

/* The model of a file whose named key files are in order too; NULL when the problems were printed. */
static struct model *read_configuration(const char *path)
{
	struct conf_problems problems;
	struct model *model;
	int r = conf_read(path, &model, &problems);

	if (r == 0) {
		conf_problems_free(&problems);
		r = conf_check_files(model, path, &problems);
	}
	conf_problems_print(&problems, stderr);
	conf_problems_free(&problems);
	if (r < 0) {
		model_free(model);
		return NULL;
	}
	return model;
}

/* gwd's own child, started by nobody else: no option of the table. */
static int be_guard(int argc, char **argv)
{
	struct error error;
	uint32_t patience_ms;

	if (argc != 5 || scan_u32(argv[4], 0, UINT32_MAX, &patience_ms) < 0)
		return REPLY_USAGE;
	if (guard_run(argv[2], argv[3], patience_ms, &error) == 0)
		return REPLY_FINE;
	log_error("%s", error.text);
	return REPLY_DEGRADED;
}

int main(int argc, char **argv)
{
	struct options options = {
		.config = "/etc/homeward/gateway.yaml",
		.run_dir = "/run/homeward",
		.pin_dir = "/sys/fs/bpf/homeward",
	};
	_cleanup_(model_free_pointer) struct model *model = NULL;
	struct error error;
	int status;

	if (argc > 1 && strcmp(argv[1], GUARD_OPTION) == 0)
		return be_guard(argc, argv);
	status = options_parse(argc, argv, &options);
	if (status >= 0)
		return status;
	privilege_no_core();
	model = read_configuration(options.config);
	if (!model)
		return REPLY_INVALID;
	if (options.doctor)
		return examine(model, options.run_dir, options.pin_dir, options.json);
	if (options.check)
		return options.print && conf_print(model, stdout) < 0 ? REPLY_DEGRADED : REPLY_FINE;
	log_set_level(model->log);
	if (privilege_limit(&error) < 0 ||
		daemon_run(model, options.config, options.run_dir, options.pin_dir, &error) < 0) {
		log_error("%s", error.text);
		return REPLY_DEGRADED;
	}
	return REPLY_FINE;
}
