// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apply/child.h"
#include "base/backoff.h"
#include "base/cleanup.h"

static struct children *children;

static pid_t start(const char *name, const char *script)
{
	char *arguments[] = {"sh", "-c", (char *)script, NULL};
	struct error error = {0};

	return child_start(children, name, arguments, NULL, &error);
}

/* The next end that is told, within five seconds. */
static struct child_end next_end(void)
{
	struct pollfd poller = {.fd = children_descriptor(children), .events = POLLIN};
	struct child_end end = {0};

	CU_ASSERT_EQUAL(poll(&poller, 1, 5000), 1);
	CU_ASSERT(children_next_end(children, &end));
	return end;
}

static int exit_status(pid_t pid)
{
	struct child_end end = next_end();
	int status = -1;

	CU_ASSERT_EQUAL(end.pid, pid);
	sscanf(end.cause, "ended with status %d", &status);
	return status;
}

static void a_child_is_known_until_it_exited(void)
{
	pid_t pid = start("one", "exit 7");

	CU_ASSERT(pid > 0);
	CU_ASSERT_EQUAL(child_pid(children, "one"), pid);
	CU_ASSERT_EQUAL(child_pid(children, "two"), 0);
	CU_ASSERT_EQUAL(exit_status(pid), 7);
	CU_ASSERT_EQUAL(child_pid(children, "one"), 0);
	CU_ASSERT_FALSE(children_next_end(children, &(struct child_end){0}));
}

/* Started by somebody else, as by an earlier gwd: a grandchild, whose parent is gone. */
static void an_adopted_process_is_watched(void)
{
	struct child_end end;
	struct error error;
	FILE *pipe = popen("sleep 100 >/dev/null 2>&1 & echo $!", "r");
	pid_t pid = 0;

	CU_ASSERT_EQUAL(fscanf(pipe, "%d", &pid), 1);
	pclose(pipe);
	CU_ASSERT_EQUAL(child_adopt(children, "sleeper", pid, &error), 0);
	CU_ASSERT_EQUAL(child_adopt(children, "sleeper", pid, &error), 0);
	CU_ASSERT_EQUAL(child_pid(children, "sleeper"), pid);
	CU_ASSERT_FALSE(children_next_end(children, &end));
	kill(pid, SIGKILL);
	end = next_end();
	CU_ASSERT_STRING_EQUAL(end.name, "sleeper");
	CU_ASSERT_EQUAL(end.pid, pid);
	CU_ASSERT_PTR_NOT_NULL(strstr(end.cause, "earlier gwd"));
}

static void a_child_that_ended_waits_for_its_restart(void)
{
	struct child_end end;
	size_t index = 0;

	CU_ASSERT(child_is_due(children, "short-lived"));
	CU_ASSERT(start("short-lived", "kill -KILL $$") > 0);
	end = next_end();
	CU_ASSERT_STRING_EQUAL(end.cause, "was killed by signal 9");
	CU_ASSERT_EQUAL(end.wait_ms, BACKOFF_FIRST_MS);
	CU_ASSERT_FALSE(child_is_due(children, "short-lived"));
	CU_ASSERT_STRING_EQUAL(children_waiting(children, &index), "short-lived");
	CU_ASSERT(children_wait_ms(children) <= BACKOFF_FIRST_MS);
	CU_ASSERT(start("short-lived", "exit 0") > 0);
	CU_ASSERT(child_is_due(children, "short-lived"));
	end = next_end();
	CU_ASSERT_EQUAL(end.wait_ms, 2 * BACKOFF_FIRST_MS);
}

static void the_wait_doubles_and_is_forgotten(void)
{
	CU_ASSERT_EQUAL(backoff_next(0, 5), 1000);
	CU_ASSERT_EQUAL(backoff_next(1000, 5), 2000);
	CU_ASSERT_EQUAL(backoff_next(8000, 59999), 16000);
	CU_ASSERT_EQUAL(backoff_next(16000, 0), 30000);
	CU_ASSERT_EQUAL(backoff_next(30000, 0), 30000);
	CU_ASSERT_EQUAL(backoff_next(30000, 60000), 1000);
}

static void a_missing_program_is_named(void)
{
	char *arguments[] = {"no-such-program", NULL};
	struct error error = {0};

	CU_ASSERT_EQUAL(child_start(children, "x", arguments, NULL, &error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no-such-program"));
	CU_ASSERT_EQUAL(child_pid(children, "x"), 0);
}

/* What is said anew is said once, and the rest is ours. */
static void a_child_has_its_settings(void)
{
	char *arguments[] = {"sh", "-c",
		"test \"$TOLD,$TOLD_ALSO,$KEPT,$EMPTY\" = new,also,kept, && test \"$(env | grep -c ^TOLD=)\" "
		"= 1",
		NULL};
	char *settings[] = {"TOLD=new", "EMPTY=", NULL};
	struct error error = {0};

	setenv("TOLD", "old", true);
	setenv("TOLD_ALSO", "also", true);
	setenv("KEPT", "kept", true);
	setenv("EMPTY", "not", true);
	CU_ASSERT_EQUAL(exit_status(child_start(children, "x", arguments, settings, &error)), 0);
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
	{"a child has its settings", a_child_has_its_settings},
	{"a child starts with clean signals in its own session", a_child_starts_clean},
	{"a stubborn process is killed", a_stubborn_process_is_killed},
	{"a zombie is not alive", a_zombie_is_not_alive},
	{"an adopted process is watched", an_adopted_process_is_watched},
	{"a child that ended waits for its restart", a_child_that_ended_waits_for_its_restart},
	{"the wait doubles and is forgotten", the_wait_doubles_and_is_forgotten},
};

int main(void)
{
	int status;

	children = children_new();
	status = unit_run("child", tests, ARRAY_SIZE(tests));
	children_free(children);
	return status;
}
