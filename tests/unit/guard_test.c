// SPDX-License-Identifier: Apache-2.0
/* The guard as a process of its own, in a network namespace of this test's, and processes that play gwd. */
#include "unit.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "guard/guard.h"

#define INTERFACE   "hwguard-test"
#define PATIENCE_MS 400
#define LONG_MS     20000 /* what a guard waits for the first gwd, which may be started slowly */

static pid_t guard;
static uint64_t alone_ms; /* since when nobody has been in charge, if not later */

static void wait_ms(unsigned milliseconds)
{
	nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

static bool holds(void)
{
	return if_nametoindex(INTERFACE) != 0;
}

/* A test that was not scheduled for all of the guard's time cannot tell whether it held meanwhile. */
static bool time_is_over(uint32_t patience_ms)
{
	return now_ms() - alone_ms >= patience_ms;
}

static void start_guard(uint32_t patience_ms)
{
	struct error error;

	alone_ms = now_ms();
	guard = fork();
	if (guard == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(guard_run(INTERFACE, "guard.sock", patience_ms, &error) < 0);
	}
	for (int i = 0; i < 200 && guard_find("guard.sock") != guard; i++)
		wait_ms(10);
	CU_ASSERT(guard_find("guard.sock") == guard || time_is_over(patience_ms));
}

static int guard_status(void)
{
	int status = -1;

	waitpid(guard, &status, 0);
	guard = 0;
	return status;
}

/* A process that arms the guard and lives until it is killed. */
static pid_t start_gwd(void)
{
	struct error error;
	int ready[2];
	char armed = 0;
	pid_t pid;

	CU_ASSERT_EQUAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		armed = guard_arm("guard.sock", PATIENCE_MS, &error) == 0;
		_exit(write(ready[1], &armed, 1) != 1 || pause());
	}
	CU_ASSERT_EQUAL(read(ready[0], &armed, 1), 1);
	CU_ASSERT_EQUAL(armed, 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void kill_gwd(pid_t pid)
{
	alone_ms = now_ms();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void it_lets_go_and_not_before(void)
{
	CU_ASSERT(holds() || time_is_over(PATIENCE_MS));
	CU_ASSERT_EQUAL(guard_status(), 0);
	CU_ASSERT(time_is_over(PATIENCE_MS));
	CU_ASSERT_FALSE(time_is_over(LONG_MS));
	CU_ASSERT_FALSE(holds());
}

static void nobody_comes_at_all(void)
{
	start_guard(PATIENCE_MS);
	it_lets_go_and_not_before();
	CU_ASSERT_EQUAL(access("guard.sock", F_OK), -1);
}

static void it_lets_go_in_time_and_not_before(void)
{
	pid_t gwd;

	start_guard(LONG_MS);
	gwd = start_gwd();
	wait_ms(2 * PATIENCE_MS);
	CU_ASSERT(holds());
	kill_gwd(gwd);
	wait_ms(PATIENCE_MS / 2);
	it_lets_go_and_not_before();
}

static void a_successor_in_time_is_watched(void)
{
	pid_t gwd, next;

	start_guard(LONG_MS);
	gwd = start_gwd();
	kill_gwd(gwd);
	wait_ms(PATIENCE_MS / 8); /* it is missed by then */
	next = start_gwd();
	wait_ms(2 * PATIENCE_MS);
	CU_ASSERT(holds());
	kill_gwd(next);
	it_lets_go_and_not_before();
}

static int connect_and_say(const char *words)
{
	int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "guard.sock"};

	CU_ASSERT_EQUAL(connect(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
	if (words)
		CU_ASSERT(send(descriptor, words, strlen(words), MSG_NOSIGNAL) >= 0);
	return descriptor;
}

/* Garbage arms nothing, a client that says nothing holds up nothing, and only root is let in. */
static void others_are_not_heard(void)
{
	struct stat status;
	int silent, garbage;
	pid_t gwd;

	start_guard(LONG_MS);
	CU_ASSERT_EQUAL(stat("guard.sock", &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
	garbage = connect_and_say("garbage");
	silent = connect_and_say(NULL);
	gwd = start_gwd();
	kill_gwd(gwd);
	close(connect_and_say("HWg1\xff\xff\xff\xff")); /* a right message, and nobody to be watched */
	CU_ASSERT_EQUAL(guard_status(), 0);
	CU_ASSERT_FALSE(holds());
	close(garbage);
	close(silent);
}

static const struct unit_test tests[] = {
	{"nobody comes at all", nobody_comes_at_all},
	{"it lets go in time, and not before", it_lets_go_in_time_and_not_before},
	{"a successor in time is watched", a_successor_in_time_is_watched},
	{"others are not heard", others_are_not_heard},
};

int main(void)
{
	char folder[] = "/tmp/guard-test-XXXXXX";
	int status;

	if (geteuid() != 0) {
		printf("SKIP guard: needs root, to make an interface\n");
		return 0;
	}
	if (unshare(CLONE_NEWNET) < 0 || !mkdtemp(folder) || chdir(folder) < 0) {
		printf("FAIL guard: making a place to work in: %s\n", strerror(errno));
		return 1;
	}
	status = unit_run("guard", tests, ARRAY_SIZE(tests));
	if (guard > 0)
		kill(guard, SIGKILL);
	unlink("guard.sock");
	rmdir(folder);
	return status;
}
