// SPDX-License-Identifier: Apache-2.0
/* The machine as it is. Nothing here changes it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define SLEEPS      20
#define SLEEP_NS    3000000
#define LINE_LENGTH 256

int probe_number(const char *format, ...)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[LINE_LENGTH];
	va_list arguments;
	int number;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	file = fopen(path, "re");
	return file && fscanf(file, "%d", &number) == 1 ? number : UNKNOWN;
}

/* ---- The kernel -------------------------------------------------------------------------------------------------- */

static void probe_kernel(struct facts *facts)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	if (uname(&name) < 0)
		return;
	snprintf(facts->kernel, sizeof(facts->kernel), "%.*s", (int)sizeof(facts->kernel) - 1, name.release);
	if (sscanf(name.release, "%u.%u", &major, &minor) == 2)
		facts->kernel_version = (int)(major * 100 + minor);
	facts->btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	facts->tun = access("/dev/net/tun", R_OK | W_OK) == 0;
	facts->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static bool file_names(const char *path, const char *name)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, name))
			return true;
	return false;
}

/* Loaded, built in, or there to be loaded: known without loading it. */
static bool has_module(const char *release, const char *module)
{
	static const char *const lists[] = {"modules.builtin", "modules.dep"};
	char path[LINE_LENGTH], name[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	if (access(path, F_OK) == 0)
		return true;
	snprintf(name, sizeof(name), "/%s.ko", module);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/%s", release, lists[i]);
		if (file_names(path, name))
			return true;
	}
	return false;
}

/* The pin directory need not be there yet; its parent must. */
static bool on_bpffs(const char *pin_dir)
{
	_cleanup_free_ char *copy = strdup(pin_dir);
	struct statfs status;

	if (!copy || (statfs(pin_dir, &status) < 0 && statfs(dirname(copy), &status) < 0))
		return false;
	return status.f_type == BPF_FS_MAGIC;
}

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

/* The first line of `program --version`, on whichever stream it says so; empty when there is no such program. */
static void probe_version(const char *program, char *text, size_t size)
{
	_cleanup_fclose_ FILE *said = NULL;
	int pipes[2], status;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return;
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		execlp(program, program, "--version", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	said = fdopen(pipes[0], "r");
	if (child < 0 || !said || !fgets(text, (int)size, said))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		WEXITSTATUS(status) == 127)
		text[0] = '\0';
}

/* It has no option to tell its version by: whether it is there is enough. */
static void probe_strongswan(char *text, size_t size)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = strdup(path ? path : "/usr/sbin:/usr/bin");
	char *rest = NULL, file[512];

	for (char *part = copy ? strtok_r(copy, ":", &rest) : NULL; part; part = strtok_r(NULL, ":", &rest)) {
		snprintf(file, sizeof(file), "%s/charon-systemd", part);
		if (access(file, X_OK) == 0)
			snprintf(text, size, "charon-systemd");
	}
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

static void probe_clock(struct facts *facts)
{
	struct timex clock = {0}; /* modes 0: only asks */
	int state = adjtimex(&clock);

	facts->clock_synchronised = state < 0 ? UNKNOWN : state != TIME_ERROR && !(clock.status & STA_UNSYNC);
	facts->clock_error_us = clock.esterror;
}

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static void probe_lateness(struct facts *facts)
{
	for (int i = 0; i < SLEEPS; i++) {
		struct timespec before, after, time = {0, SLEEP_NS};
		int64_t late_us;

		clock_gettime(CLOCK_MONOTONIC, &before);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
		clock_gettime(CLOCK_MONOTONIC, &after);
		late_us = (nanoseconds(&after) - nanoseconds(&before) - SLEEP_NS) / 1000;
		if (late_us > facts->late_us)
			facts->late_us = late_us;
	}
}

/* ---- Sysctls ----------------------------------------------------------------------------------------------------- */

/* The second line of these files begins with the number of entries, in hex. */
static int second_line_number(FILE *file)
{
	char line[4096];
	unsigned number;

	if (!fgets(line, sizeof(line), file) || fscanf(file, "%x", &number) != 1)
		return UNKNOWN;
	return (int)number;
}

static int neighbour_entries(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	return file ? second_line_number(file) : UNKNOWN;
}

/* What is built in has no directory there, and may be unused. */
static int probe_translation(const char *release)
{
	char path[LINE_LENGTH];

	if (access("/sys/module/nf_nat", F_OK) == 0)
		return 1;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", release);
	return access(path, R_OK) == 0 && !file_names(path, "/nf_nat.ko") ? 0 : UNKNOWN;
}

static void probe_sysctls(struct facts *facts)
{
	facts->translates = probe_translation(facts->kernel);
	facts->rp_all = probe_number("/proc/sys/net/ipv4/conf/all/rp_filter");
	facts->rp_default = probe_number("/proc/sys/net/ipv4/conf/default/rp_filter");
	facts->neighbours[0] = neighbour_entries("/proc/net/stat/arp_cache");
	facts->neighbours[1] = neighbour_entries("/proc/net/stat/ndisc_cache");
	facts->neighbours_max[0] = probe_number("/proc/sys/net/ipv4/neigh/default/gc_thresh3");
	facts->neighbours_max[1] = probe_number("/proc/sys/net/ipv6/neigh/default/gc_thresh3");
}

int doctor_probe(const struct model *model, const char *pin_dir, struct facts *facts)
{
	*facts = (struct facts){0};
	facts->uplinks = calloc(model_uplink_count(model) + 1, sizeof(*facts->uplinks));
	facts->tunnels = calloc(model->tunnel_count + 1, sizeof(*facts->tunnels));
	facts->members = calloc(model->array.member_count + 1, sizeof(*facts->members));
	facts->routers = calloc(model->router_count + 1, sizeof(*facts->routers));
	facts->lans = calloc(model_lan_count(model) + 1, sizeof(*facts->lans));
	facts->probes = calloc(model->probe_count + 1, sizeof(*facts->probes));
	if (!facts->uplinks || !facts->tunnels || !facts->members || !facts->routers || !facts->lans ||
		!facts->probes)
		return -ENOMEM;
	probe_kernel(facts);
	facts->bpffs = on_bpffs(pin_dir);
	facts->kernel_wireguard = has_module(facts->kernel, "wireguard");
	facts->esp = has_module(facts->kernel, "esp4") && has_module(facts->kernel, "esp6") &&
		     has_module(facts->kernel, "xfrm_interface");
	facts->kernel_dummy = has_module(facts->kernel, "dummy");
	probe_version("bird", facts->bird, sizeof(facts->bird));
	probe_version("wireguard-go", facts->wireguard_go, sizeof(facts->wireguard_go));
	probe_strongswan(facts->strongswan, sizeof(facts->strongswan));
	probe_clock(facts);
	probe_lateness(facts);
	probe_sysctls(facts);
	probe_links(model, facts);
	probe_providers_side(model, facts);
	return probe_listeners(facts);
}

void facts_free(struct facts *facts)
{
	free(facts->uplinks);
	free(facts->tunnels);
	free(facts->members);
	free(facts->routers);
	free(facts->lans);
	free(facts->probes);
	free(facts->listeners);
	*facts = (struct facts){0};
}
