// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apply/child.h"
#include "base/cleanup.h"

static struct children *children;

static pid_t start(const char *name, const char *script)
{
	char *arguments[] = {"sh", "-c", (char *)script, NULL};
	struct error error = {0};

	return child_start(children, name, arguments, NULL, &error);
}

static int exit_status(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	children_exited(children, pid);
	return WEXITSTATUS(status);
}

static void a_child_is_known_until_it_exited(void)
{
	pid_t pid = start("one", "exit 7");

	CU_ASSERT(pid > 0);
	CU_ASSERT_EQUAL(child_pid(children, "one"), pid);
	CU_ASSERT_EQUAL(child_pid(children, "two"), 0);
	CU_ASSERT_PTR_NULL(children_exited(children, pid + 1));
	CU_ASSERT_EQUAL(exit_status(pid), 7);
	CU_ASSERT_EQUAL(child_pid(children, "one"), 0);
}

static void a_missing_program_is_named(void)
{
	char *arguments[] = {"no-such-program", NULL};
	struct error error = {0};

	CU_ASSERT_EQUAL(child_start(children, "x", arguments, NULL, &error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no-such-program"));
	CU_ASSERT_EQUAL(child_pid(children, "x"), 0);
}

/* gwd blocks signals and reads them as events; a child must get them as everybody does, in a session of its own. */
static void a_child_starts_clean(void)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	signal(SIGUSR1, SIG_IGN);
	pid = start("clean", "exec </proc/self/status; while read word rest; do case $word in"
			     " SigBlk:) blocked=$rest;; SigIgn:) ignored=$rest;; esac; done;"
			     " test $blocked = 0000000000000000 && test $(ps -o sid= -p $$) = $$ &&"
			     " case $ignored in *0000000) exit 0;; esac; exit 1"); /* signals 1 to 28 */
	CU_ASSERT_EQUAL(exit_status(pid), 0);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void a_stubborn_process_is_killed(void)
{
	pid_t pid = start("stubborn", "trap '' TERM; while :; do sleep 0.01; done");

	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* let it set its trap */
	CU_ASSERT(process_alive(pid));
	CU_ASSERT_EQUAL(process_end(children, pid, 100), 0);
	CU_ASSERT_FALSE(process_alive(pid));
	CU_ASSERT_EQUAL(child_pid(children, "stubborn"), 0);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), -1); /* waited for already */
	CU_ASSERT_EQUAL(process_end(children, pid, 100), 0);
}

/* A child that ended but was not waited for is not alive, and stays for whoever waits. */
static void a_zombie_is_not_alive(void)
{
	pid_t pid = start("zombie", "exit 3");

	for (int i = 0; i < 500 && process_alive(pid); i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	CU_ASSERT_FALSE(process_alive(pid));
	CU_ASSERT_EQUAL(exit_status(pid), 3);
}

static const struct unit_test tests[] = {
	{"a child is known until it exited", a_child_is_known_until_it_exited},
	{"a missing program is named", a_missing_program_is_named},
	{"a child starts with clean signals in its own session", a_child_starts_clean},
	{"a stubborn process is killed", a_stubborn_process_is_killed},
	{"a zombie is not alive", a_zombie_is_not_alive},
};

int main(void)
{
	int status;

	children = children_new();
	status = unit_run("child", tests, ARRAY_SIZE(tests));
	children_free(children);
	return status;
}
