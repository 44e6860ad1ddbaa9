// SPDX-License-Identifier: Apache-2.0
/*
 * The process. It is found behind its control socket, or, when it hangs or has lost that, by the path of its configuration in
 * its environment.
 */
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apply/child.h"
#include "apply/private.h"
#include "base/cleanup.h"
#include "base/log.h"

#define STEP_MS         10
#define START_STEPS     500
#define END_PATIENCE_MS 3000
#define PROGRAM         "charon-systemd"
#define SETTING         "STRONGSWAN_CONF=" /* of its environment: where its configuration is */

/* What libstrongswan's plugins cannot do together with others is left out; those that are not installed are passed over. */
static const char configuration[] = "# Written by gwd.\n"
				    "charon-systemd {\n"
				    "  load = random nonce openssl aes sha1 sha2 hmac kdf drbg gmp mgf1 gcm "
				    "xcbc x509 revocation constraints pubkey "
				    "pkcs1 pkcs8 pem %s socket-default vici\n"
				    "  install_virtual_ip = no\n"
				    "  make_before_break = yes\n"
				    "  retransmit_tries = 4\n"
				    "  retransmit_timeout = 2\n"
				    "  retransmit_base = 1.5\n"
				    "  %s\n"
				    "  journal { default = -1 }\n"
				    "  filelog { stderr {\n"
				    "    default = 0\n"
				    "    ike = 1\n"
				    "    esp = 1\n"
				    "    ike_name = yes\n"
				    "    flush_line = yes\n"
				    "  } }\n"
				    "  plugins {\n"
				    "    vici { socket = unix://%s }\n"
				    "    %s\n"
				    "  }\n"
				    "}\n";

const char *ipsec_path(const struct apply *apply, const char *file, char *text)
{
	snprintf(text, IPSEC_PATH_SIZE, "%s/ipsec%s%s", apply->run_dir, *file ? "/" : "", file);
	return text;
}

static int write_configuration(
	const struct apply *apply, const struct ipsec_driver *driver, struct error *error)
{
	char path[IPSEC_PATH_SIZE], socket[IPSEC_PATH_SIZE];
	_cleanup_fclose_ FILE *stream = NULL;

	if (strlen(apply->run_dir) + sizeof("/ipsec/strongswan.conf") + IFNAMSIZ > IPSEC_PATH_SIZE)
		return error_set(error, -ENAMETOOLONG, "%s is too long for a socket's path", apply->run_dir);
	if ((mkdir(apply->run_dir, 0755) < 0 && errno != EEXIST) ||
		(mkdir(ipsec_path(apply, "", path), 0700) < 0 && errno != EEXIST))
		return error_errno(error, -errno, "%s", ipsec_path(apply, "", path));
	unlink(ipsec_path(apply, "vici", socket));
	stream = fopen(ipsec_path(apply, "strongswan.conf", path), "we");
	if (!stream ||
		fprintf(stream, configuration, driver->plugins, driver->settings, socket,
			driver->plugin_settings) < 0 ||
		fflush(stream) != 0)
		return error_errno(error, -errno, "%s", path);
	return 0;
}

/* ---- Which it is ------------------------------------------------------------------------------------------------- */

/* Of a process: is there this text, with its NUL, in a file of /proc? */
static bool proc_says(const char *pid, const char *file, const char *text)
{
	char path[64], line[IPSEC_PATH_SIZE + 32];
	_cleanup_fclose_ FILE *stream = NULL;
	_cleanup_free_ char *entry = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, file);
	stream = fopen(path, "re");
	while (stream && getdelim(&entry, &room, '\0', stream) > 0) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(entry, "\n"), entry);
		if (strcmp(line, text) == 0)
			return true;
	}
	return false;
}

static bool is_in_our_network(const char *pid)
{
	struct stat theirs, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	return stat(path, &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
	       theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

/* One that hangs cannot be asked. It bears the path of its configuration in its environment. */
static pid_t find_charon(const struct apply *apply)
{
	_cleanup_closedir_ DIR *directory = opendir("/proc");
	char path[IPSEC_PATH_SIZE], setting[IPSEC_PATH_SIZE + 32];
	const struct dirent *entry;

	snprintf(setting, sizeof(setting), SETTING "%s", ipsec_path(apply, "strongswan.conf", path));
	while (directory && (entry = readdir(directory)))
		if (proc_says(entry->d_name, "comm", PROGRAM) && is_in_our_network(entry->d_name) &&
			proc_says(entry->d_name, "environ", setting))
			return (pid_t)strtol(entry->d_name, NULL, 10);
	return 0;
}

static pid_t behind_socket(const struct apply *apply)
{
	char path[IPSEC_PATH_SIZE];

	return process_behind(ipsec_path(apply, "vici", path));
}

pid_t ipsec_charon_pid(const struct apply *apply)
{
	pid_t pid = behind_socket(apply);

	return pid > 0 ? pid : find_charon(apply);
}

/* ---- Starting and ending ----------------------------------------------------------------------------------------- */

static int wait_for_socket(const struct apply *apply, pid_t pid, struct error *error)
{
	for (int i = 0; i < START_STEPS; i++) {
		if (!process_alive(pid))
			return error_set(error, -ECHILD, "charon ended at once; its words stand above");
		if (behind_socket(apply) == pid)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	}
	return error_set(error, -ETIMEDOUT, "charon does not answer");
}

static pid_t launch(struct apply *apply, const char *child, struct error *error)
{
	char path[IPSEC_PATH_SIZE], setting[IPSEC_PATH_SIZE + 32];
	char *arguments[] = {PROGRAM, NULL}, *settings[] = {setting, NULL};
	pid_t pid;

	snprintf(setting, sizeof(setting), SETTING "%s", ipsec_path(apply, "strongswan.conf", path));
	pid = child_start(apply->children, child, arguments, settings, error);
	if (pid == -ENOENT)
		return error_set(
			error, pid, "charon-systemd is not in PATH; try: apt install charon-systemd");
	return pid;
}

pid_t ipsec_charon_start(
	struct apply *apply, const struct ipsec_driver *driver, const char *child, struct error *error)
{
	int result = ipsec_charon_end(apply, error); /* one without an interface of ours was left half-made */
	pid_t pid;

	if (result == 0)
		result = write_configuration(apply, driver, error);
	if (result < 0)
		return result;
	pid = launch(apply, child, error);
	if (pid < 0)
		return pid;
	result = wait_for_socket(apply, pid, error);
	if (result < 0)
		process_kill(pid, 0); /* and not forgotten: it waits before it is started again */
	return result < 0 ? result : pid;
}

static int clean(struct apply *apply, struct error *error)
{
	int result = ipsec_kernel.clean(apply, error);

	return result < 0 ? result : ipsec_user.clean(apply, error);
}

int ipsec_charon_end(struct apply *apply, struct error *error)
{
	pid_t pid = ipsec_charon_pid(apply);
	char path[IPSEC_PATH_SIZE];
	unsigned patience_ms = ipsec_is_silent(apply) ? 0 : END_PATIENCE_MS;
	int result = pid > 0 ? process_end(apply->children, pid, patience_ms) : 0;

	if (result < 0)
		return error_errno(error, result, "ending charon (pid %d)", pid);
	apply->ipsec_silent_until_ms = 0;
	apply->ipsec_silences = 0;
	unlink(ipsec_path(apply, "vici", path));
	unlink(ipsec_path(apply, "strongswan.conf", path));
	rmdir(ipsec_path(apply, "", path));
	return clean(apply, error);
}

int ipsec_charon_adopt(struct apply *apply, const char *child, struct error *error)
{
	pid_t pid = child_pid(apply->children, child) ? 0 : ipsec_charon_pid(apply);

	return pid > 0 ? child_adopt(apply->children, child, pid, error) : 0;
}
