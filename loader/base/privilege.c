// SPDX-License-Identifier: Apache-2.0
#include "base/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BIT(capability) (1ULL << (capability))

const struct privilege privileges[] = {
	{CAP_NET_ADMIN, "CAP_NET_ADMIN", "links, routes, rules, sysctls, attaching programs; BIRD's routes",
		true},
	{CAP_BPF, "CAP_BPF", "maps and programs", true},
	{CAP_PERFMON, "CAP_PERFMON", "what the verifier lets programs do with pointers", true},
	{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "BGP listens at port 179", true},
	{CAP_NET_RAW, "CAP_NET_RAW", "probes by ICMP: raw sockets", false},
	{CAP_CHOWN, "CAP_CHOWN", "the control socket is given to control.group", false},
};
const size_t privilege_count = ARRAY_SIZE(privileges);

uint64_t privilege_kept(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < privilege_count; i++)
		bits |= BIT(privileges[i].capability);
	return bits;
}

/* ---- The process's sets: two words each -------------------------------------------------------------------------- */

struct sets {
	uint64_t effective, permitted, inheritable;
};

static int get_sets(struct sets *sets)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	sets->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return 0;
}

static int set_sets(const struct sets *sets)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)sets->effective, (uint32_t)sets->permitted, (uint32_t)sets->inheritable},
		{(uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32),
			(uint32_t)(sets->inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* ---- Limits ------------------------------------------------------------------------------------------------------ */

static int require(uint64_t permitted, struct error *error)
{
	for (size_t i = 0; i < privilege_count; i++)
		if (privileges[i].needed && !(permitted & BIT(privileges[i].capability)))
			return error_set(error, -EPERM, "gwd needs %s: run it as root, or give it that",
				privileges[i].name);
	return 0;
}

/* Who may not change the bounding set was given one by somebody who knew why. */
static void limit_children(void)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(privilege_kept() & BIT(i)))
			prctl(PR_CAPBSET_DROP, i);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int privilege_limit(struct error *error)
{
	struct sets sets = {0};
	int r = get_sets(&sets);

	if (r < 0)
		return error_errno(error, r, "cannot read the capabilities");
	r = require(sets.permitted, error);
	if (r < 0)
		return r;
	limit_children();
	sets.effective = sets.permitted & privilege_kept();
	sets.permitted &= privilege_kept() | BIT(CAP_SYS_ADMIN);
	sets.inheritable = 0;
	r = set_sets(&sets);
	return r < 0 ? error_errno(error, r, "cannot give up capabilities") : 0;
}

void privilege_no_core(void)
{
	/*
	 * 0 would keep the kernel from writing a file, but not from feeding a program (core_pattern "|…"); 1 does
	 * both.
	 */
	const struct rlimit nothing = {1, 1};

	setrlimit(RLIMIT_CORE, &nothing);
	prctl(PR_SET_DUMPABLE, 0);
}

/* ---- For a moment ------------------------------------------------------------------------------------------------ */

bool privilege_raise(void)
{
	struct sets sets = {0};

	if (get_sets(&sets) < 0 || sets.effective & BIT(CAP_SYS_ADMIN) ||
		!(sets.permitted & BIT(CAP_SYS_ADMIN)))
		return false;
	sets.effective |= BIT(CAP_SYS_ADMIN);
	return set_sets(&sets) == 0;
}

void privilege_lower(const bool *raised)
{
	struct sets sets = {0};

	if (!*raised || get_sets(&sets) < 0)
		return;
	sets.effective &= ~BIT(CAP_SYS_ADMIN);
	set_sets(&sets);
}
