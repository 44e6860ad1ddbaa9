// SPDX-License-Identifier: Apache-2.0
/* Who may keep gwd from starting, in a network namespace of this test's. The other holders are processes of their own. */
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "lock.h"

#define NOBODY 65534

/* Holds the name as any program could, and listens there if it is told to. */
static int hold_name(int type, bool listens)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0homeward-gwd"};
	int descriptor = socket(AF_UNIX, type, 0);

	return bind(descriptor, (struct sockaddr *)&address,
		       offsetof(struct sockaddr_un, sun_path) + 1 + strlen("homeward-gwd")) == 0 &&
	       (!listens || listen(descriptor, 1) == 0);
}

static int hold_lock(int type, bool listens)
{
	struct error error;

	(void)type;
	(void)listens;
	return lock_namespace(&error) >= 0;
}

/* A process of that user's that holds the name until it is ended. */
static pid_t start_holder(uid_t user, int (*hold)(int type, bool listens), int type, bool listens)
{
	int ready[2];
	char holds = 0;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		holds = setuid(user) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && hold(type, listens);
		_exit(write(ready[1], &holds, 1) != 1 || pause());
	}
	CU_ASSERT_EQUAL(read(ready[0], &holds, 1), 1);
	CU_ASSERT_EQUAL(holds, 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void expect_lock(int wanted)
{
	struct error error = {0};
	_cleanup_close_ int lock = lock_namespace(&error);

	CU_ASSERT_EQUAL(lock < 0 ? lock : 0, wanted);
	if (wanted < 0)
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "another gwd"));
}

static void the_second_is_refused_until_the_first_ends(void)
{
	pid_t first = start_holder(0, hold_lock, 0, false);

	expect_lock(-EBUSY);
	end_holder(first);
	expect_lock(0);
}

static void nobody_else_can_refuse(void)
{
	static const struct {
		int type;
		bool listens;
	} rows[] = {
		{SOCK_SEQPACKET, true}, {SOCK_SEQPACKET, false}, {SOCK_STREAM, true}, {SOCK_DGRAM, false}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pid_t other = start_holder(NOBODY, hold_name, rows[i].type, rows[i].listens);

		expect_lock(0);
		end_holder(other);
	}
}

/* Whoever wants to connect may; that must neither end the lock nor hide whose it is, for as long as the queue is not full. */
static void callers_change_nothing(void)
{
	pid_t first = start_holder(0, hold_lock, 0, false);

	for (int i = 0; i < 100; i++)
		expect_lock(-EBUSY);
	end_holder(first);
}

static void another_namespace_is_another_matter(void)
{
	pid_t first = start_holder(0, hold_lock, 0, false);

	CU_ASSERT_EQUAL(unshare(CLONE_NEWNET), 0);
	expect_lock(0);
	end_holder(first);
}

static void a_run_directory_has_one_daemon(void)
{
	char folder[] = "/tmp/lock-test.XXXXXX";
	struct error error = {0};
	_cleanup_close_ int lock = -1, again = -1;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	lock = lock_run_dir(folder, &error);
	CU_ASSERT(lock >= 0);
	again = lock_run_dir(folder, &error);
	CU_ASSERT_EQUAL(again, -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, folder));
	lock_run_dir_remove(folder);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static const struct unit_test tests[] = {
	{"a second gwd is refused until the first ends", the_second_is_refused_until_the_first_ends},
	{"nobody else can refuse", nobody_else_can_refuse},
	{"callers change nothing", callers_change_nothing},
	{"another namespace is another matter", another_namespace_is_another_matter},
	{"a run directory has one daemon", a_run_directory_has_one_daemon},
};

int main(void)
{
	if (geteuid() != 0) {
		printf("SKIP lock: needs root, to be others\n");
		return 0;
	}
	if (unshare(CLONE_NEWNET) < 0) {
		printf("FAIL lock: making a namespace: %s\n", strerror(errno));
		return 1;
	}
	log_set_level(LOG_LEVEL_ERROR);
	return unit_run("lock", tests, ARRAY_SIZE(tests));
}
