// SPDX-License-Identifier: Apache-2.0
/* `doctor`: what `gwd --doctor` says, in its own words and with its own exit status. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/gwd.h"
#include "cli/nouns.h"
#include "cli/report.h"

static void become_doctor(const struct invocation *invocation)
{
	char *arguments[5] = {"gwd", "--doctor"};
	size_t count = 2;

	if (invocation->json)
		arguments[count++] = "--json";
	if (invocation->selector_count > 0)
		arguments[count++] = (char *)invocation->selector[0];
	exec_gwd(arguments);
}

int run_doctor(const struct invocation *invocation)
{
	struct error error;
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0)
		become_doctor(invocation);
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		error_set(&error, 0, "cannot start gwd --doctor: %s", strerror(errno));
		return report(invocation, REPLY_UNREACHABLE, &error);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : REPLY_UNREACHABLE;
}
