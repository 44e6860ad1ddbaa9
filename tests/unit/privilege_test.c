// SPDX-License-Identifier: Apache-2.0
/* What gwd gives up, as the kernel sees it (/proc/self/status). In children, since there is no way back. */
#include "unit.h"

#include <linux/capability.h>
#include <signal.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/privilege.h"

#define SYS_ADMIN (1ULL << CAP_SYS_ADMIN)

/* The hexadecimal number behind "CapEff:" and the like; all ones when there is none. */
static uint64_t status_bits(const char *name)
{
	_cleanup_fclose_ FILE *status = fopen("/proc/self/status", "r");
	size_t size = strlen(name);
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, name, size) == 0)
			return strtoull(line + size, NULL, 16);
	return UINT64_MAX;
}

/* The exit status of check() in a child. */
static int in_child(int (*check)(void))
{
	int status;
	pid_t child;

	if (geteuid() != 0) {
		printf("SKIP privilege: only root has something to give up\n");
		return 0;
	}
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(check());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define EXPECT(condition, number)      \
	do                             \
		if (!(condition))      \
			return number; \
	while (0)

static int limit(void)
{
	struct error error;
	uint64_t kept = privilege_kept();

	EXPECT(privilege_limit(&error) == 0, 1);
	EXPECT(status_bits("CapEff:") == kept, 2);
	EXPECT(status_bits("CapPrm:") == (kept | SYS_ADMIN), 3);
	EXPECT(status_bits("CapBnd:") == kept, 4);
	EXPECT(status_bits("CapInh:") == 0, 5);
	EXPECT(status_bits("CapAmb:") == 0, 6);
	return 0;
}

static void all_but_the_table_is_given_up(void)
{
	CU_ASSERT_EQUAL(in_child(limit), 0);
}

static int limit_and_execute(void)
{
	char script[128];
	struct error error;

	EXPECT(privilege_limit(&error) == 0, 1);
	snprintf(script, sizeof(script), "test \"$(grep CapEff: /proc/self/status)\" = \"CapEff:\t%016llx\"",
		(unsigned long long)privilege_kept());
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	return 2;
}

static void children_get_no_more(void)
{
	CU_ASSERT_EQUAL(in_child(limit_and_execute), 0);
}

static int raise_and_lower(void)
{
	struct error error;

	EXPECT(privilege_limit(&error) == 0, 1);
	{
		_cleanup_privilege_ bool raised = privilege_raise();

		EXPECT(raised, 2);
		EXPECT(status_bits("CapEff:") == (privilege_kept() | SYS_ADMIN), 3);
		{
			_cleanup_privilege_ bool again = privilege_raise();

			EXPECT(!again, 4);
		}
		EXPECT(status_bits("CapEff:") == (privilege_kept() | SYS_ADMIN), 5);
	}
	EXPECT(status_bits("CapEff:") == privilege_kept(), 6);
	return 0;
}

static void one_is_raised_for_a_moment(void)
{
	CU_ASSERT_EQUAL(in_child(raise_and_lower), 0);
}

static int limit_without(void)
{
	struct error error = {0};

	EXPECT(setuid(65534) == 0, 1);
	EXPECT(privilege_limit(&error) == -EPERM, 2);
	EXPECT(strstr(error.text, "CAP_NET_ADMIN"), 3);
	return 0;
}

static void what_is_missing_is_named(void)
{
	CU_ASSERT_EQUAL(in_child(limit_without), 0);
}

static int no_core(void)
{
	struct rlimit limit;

	privilege_no_core();
	EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur <= 1 && limit.rlim_max <= 1, 1);
	EXPECT(prctl(PR_GET_DUMPABLE) == 0, 2);
	return 0;
}

static void there_is_no_core(void)
{
	CU_ASSERT_EQUAL(in_child(no_core), 0);
}

UNIT_TESTS("privilege", {"all but the table is given up", all_but_the_table_is_given_up},
	{"children get no more", children_get_no_more},
	{"one is raised for a moment", one_is_raised_for_a_moment},
	{"what is missing is named", what_is_missing_is_named}, {"there is no core", there_is_no_core})
