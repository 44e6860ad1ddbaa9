// SPDX-License-Identifier: Apache-2.0
#include "cli/gwd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void exec_gwd(char *const arguments[])
{
	char path[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - sizeof("gwd"));
	char *slash = NULL;

	if (size > 0) {
		path[size] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash) {
		memcpy(slash + 1, "gwd", sizeof("gwd"));
		execv(path, arguments);
	}
	execvp("gwd", arguments);
	fprintf(stderr, "cannot run gwd, neither beside gwctl nor by PATH: %s\n", strerror(errno));
	_exit(127);
}
