// SPDX-License-Identifier: Apache-2.0
/*
 * An operator takes the gateway out of service, or back in. A file in the run directory remembers it for the next gwd, so
 * that no restart or upgrade puts a gateway back that somebody works at; a stop forgets it with all else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

#define DRAINED      "drained"
#define DRAINED_SIZE (PATH_MAX + sizeof("/" DRAINED))

static const char *drained_path(const struct daemon *daemon, char path[DRAINED_SIZE])
{
	snprintf(path, DRAINED_SIZE, "%s/" DRAINED, daemon->run_dir);
	return path;
}

static int remember(const struct daemon *daemon, bool drained, struct error *error)
{
	char path[DRAINED_SIZE];
	_cleanup_close_ int file = -1;

	drained_path(daemon, path);
	if (!drained)
		return unlink(path) < 0 && errno != ENOENT ? error_errno(error, -errno, "removing %s", path)
							   : 0;
	file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return file < 0 ? error_errno(error, -errno, "cannot remember it in %s", path) : 0;
}

void drain_adopt(struct daemon *daemon)
{
	char path[DRAINED_SIZE];

	if (access(drained_path(daemon, path), F_OK) < 0)
		return;
	daemon->status.drained = true;
	health_drain(daemon->health, true, true, now_ms());
}

void drain_forget(const struct daemon *daemon)
{
	remember(daemon, false, NULL);
}

int drain_set(void *self, bool drained, struct error *error)
{
	struct daemon *daemon = self;
	int r = remember(daemon, drained, error);

	if (r < 0 || daemon->status.drained == drained)
		return r;
	daemon->status.drained = drained;
	health_drain(daemon->health, drained, false, now_ms());
	if (drained)
		tell(daemon, EVENT_GATEWAY_DRAINED, daemon->model->gateway,
			"the loopbacks are announced as leaving, then withdrawn");
	else
		tell(daemon, EVENT_GATEWAY_UNDRAINED, daemon->model->gateway,
			"the loopbacks are announced again");
	watch_changes(daemon);
	return 0;
}
