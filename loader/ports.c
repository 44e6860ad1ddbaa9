// SPDX-License-Identifier: Apache-2.0
/*
 * The ports from which this gateway opens connections: its slice, while the array has other gateways, so that an answer
 * that comes in elsewhere tells by its port whose it is. The kernel has one range for all of a network namespace; what it
 * was before stands in a file of the run directory until it is put back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/sysctl.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon.h"

#define BEFORE      "ports.before"
#define BEFORE_SIZE (PATH_MAX + sizeof("/" BEFORE))

static const char *before_path(const struct daemon *daemon, char path[BEFORE_SIZE])
{
	snprintf(path, BEFORE_SIZE, "%s/" BEFORE, daemon->run_dir);
	return path;
}

/* Once: what an earlier daemon found is what was there before us. */
static int remember(const struct daemon *daemon, const struct port_range *range, struct error *error)
{
	char path[BEFORE_SIZE];
	_cleanup_fclose_ FILE *file = fopen(before_path(daemon, path), "wxe");

	if (!file)
		return errno == EEXIST ? 0
				       : error_errno(error, -errno, "cannot remember the ports in %s", path);
	fprintf(file, "%u %u\n", range->first, range->last);
	return 0;
}

void ports_restore(const struct daemon *daemon)
{
	char path[BEFORE_SIZE];
	_cleanup_fclose_ FILE *file = fopen(before_path(daemon, path), "re");
	struct port_range range;
	struct error error;

	if (!file)
		return;
	if (fscanf(file, "%hu %hu", &range.first, &range.last) == 2 && sysctl_ports_write(&range, &error) < 0)
		log_error("%s", error.text);
	unlink(path);
}

int ports_keep(const struct daemon *daemon, struct error *error)
{
	struct port_range is, wanted;
	int r;

	if (!model_has_members(daemon->model)) {
		ports_restore(daemon);
		return 0;
	}
	model_ports(daemon->model, daemon->model->number, &wanted.first, &wanted.last);
	r = sysctl_ports_read(&is, error);
	if (r < 0 || (is.first == wanted.first && is.last == wanted.last))
		return r;
	r = remember(daemon, &is, error);
	return r < 0 ? r : sysctl_ports_write(&wanted, error);
}
