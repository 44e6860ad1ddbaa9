// SPDX-License-Identifier: Apache-2.0
/*
 * Whether our tables are still to be filled by the array. A gwd that ends while it waits for that leaves all that the next
 * one adopts, but tables that hold nothing: so a file in the run directory says it, from before the first step on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

#define NEWCOMER      "newcomer"
#define NEWCOMER_SIZE (PATH_MAX + sizeof("/" NEWCOMER))

static const char *newcomer_path(const struct daemon *daemon, char path[NEWCOMER_SIZE])
{
	snprintf(path, NEWCOMER_SIZE, "%s/" NEWCOMER, daemon->run_dir);
	return path;
}

int newcomer_begin(const struct daemon *daemon, struct error *error)
{
	char path[NEWCOMER_SIZE];
	_cleanup_close_ int file =
		open(newcomer_path(daemon, path), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return file < 0 ? error_errno(error, -errno, "cannot remember the start in %s", path) : 0;
}

bool is_newcomer(const struct daemon *daemon)
{
	char path[NEWCOMER_SIZE];

	return access(newcomer_path(daemon, path), F_OK) == 0;
}

void newcomer_forget(const struct daemon *daemon)
{
	char path[NEWCOMER_SIZE];

	unlink(newcomer_path(daemon, path));
}
