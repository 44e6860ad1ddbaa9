// SPDX-License-Identifier: Apache-2.0
/*
 * charon in user space owns a TUN device, which it calls ipsec0, and every path that it opens it also writes down as a route
 * by the device of that name, into a table of its own. Nobody shall go by those routes: their table is asked for a mark that
 * no packet has. But they must be possible, or charon takes the path down again. Its device has become our interface,
 * under the tunnel's name; so an empty device without a function is left in its place, `held`, for the routes to lead to.
 */
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "apply/child.h"
#include "apply/private.h"
#include "apply/room.h"
#include "apply/route.h"
#include "apply/sysctl.h"
#include "base/cleanup.h"
#include "base/log.h"

#define STEP_MS         10
#define START_STEPS     200
#define END_PATIENCE_MS 3000
#define HELD_ALIAS      "held by homeward for strongSwan"
#define SOCKETS         4 /* ports 500 and 4500, of both families */
#define PROGRAM         "charon-systemd"
#define SETTING         "STRONGSWAN_CONF=" /* of its environment: where its configuration is */

extern char **environ;

/* What libstrongswan's plugins cannot do together with others is left out; those that are not installed are passed over. */
static const char configuration[] = "# Written by gwd.\n"
				    "charon-systemd {\n"
				    "  load = random nonce openssl aes sha1 sha2 hmac kdf drbg gmp mgf1 gcm "
				    "xcbc x509 revocation constraints pubkey "
				    "pkcs1 pkcs8 pem kernel-libipsec kernel-netlink socket-default vici\n"
				    "  install_virtual_ip = no\n"
				    "  make_before_break = yes\n"
				    "  retransmit_tries = 4\n"
				    "  retransmit_timeout = 2\n"
				    "  retransmit_base = 1.5\n"
				    "  routing_table = %d\n"
				    "  routing_table_prio = %d\n"
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
				    "    kernel-libipsec { allow_peer_ts = yes }\n"
				    "    kernel-netlink {\n"
				    "      roam_events = no\n"
				    "      fwmark = 0x%x\n"
				    "    }\n"
				    "  }\n"
				    "}\n";

#define ROUTES_TABLE    7779
#define ROUTES_PRIORITY 7779
#define ROUTES_MARK     0x68775e7e /* nobody's */

const char *ipsec_path(const struct apply *apply, const char *file, char *text)
{
	snprintf(text, IPSEC_PATH_SIZE, "%s/ipsec%s%s", apply->run_dir, *file ? "/" : "", file);
	return text;
}

static int write_configuration(const struct apply *apply, struct error *error)
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
		fprintf(stream, configuration, ROUTES_TABLE, ROUTES_PRIORITY, socket, ROUTES_MARK) < 0 ||
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

/* ---- Its device -------------------------------------------------------------------------------------------------- */

/* "iff:	ipsec0" stands in the description of the descriptor that owns the device. */
static bool read_device(const char *path, char name[IFNAMSIZ])
{
	_cleanup_fclose_ FILE *stream = fopen(path, "re");
	char line[128];

	while (stream && fgets(line, sizeof(line), stream))
		if (sscanf(line, "iff: %15s", name) == 1)
			return true;
	return false;
}

static bool find_device(pid_t pid, char name[IFNAMSIZ])
{
	char folder[64], path[96];
	_cleanup_closedir_ DIR *directory = NULL;
	const struct dirent *entry;

	snprintf(folder, sizeof(folder), "/proc/%d/fdinfo", pid);
	directory = opendir(folder);
	while (directory && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%.16s", folder, entry->d_name);
		if (entry->d_name[0] != '.' && read_device(path, name))
			return true;
	}
	return false;
}

static int find_held(const struct link *link, void *context)
{
	if (strcmp(link->alias, HELD_ALIAS) == 0)
		snprintf(context, IFNAMSIZ, "%s", link->name);
	return 0;
}

static int remove_held(struct apply *apply, struct error *error)
{
	char name[IFNAMSIZ] = "";
	int result = link_each(apply->netlink, find_held, name, error);

	return result < 0 || !*name ? result : link_remove(apply->netlink, name, error);
}

static int make_device(const char *name, struct error *error)
{
	_cleanup_close_ int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (descriptor < 0 || ioctl(descriptor, TUNSETIFF, &request) < 0 ||
		ioctl(descriptor, TUNSETPERSIST, 1) < 0)
		return error_errno(error, -errno, "the interface %s", name);
	return 0;
}

static int hold(struct netlink *netlink, const char *name, struct error *error)
{
	char held[IFNAMSIZ] = "";
	int result = link_each(netlink, find_held, held, error);

	if (result < 0 || *held)
		return result;
	result = make_device(name, error);
	if (result == 0)
		result = link_set_alias(netlink, name, HELD_ALIAS, error);
	if (result == 0)
		sysctl_write("ipv6", name, "addr_gen_mode", 1, NULL);
	return result < 0 ? result : link_set_up(netlink, name, true, error);
}

/* Down until it is opened: charon sets it up by itself, and nothing guards it yet. Nobody but us can have told it of a peer. */
static int take_device(struct apply *apply, const char *device, const char *name, struct error *error)
{
	char alias[64];
	int result;

	snprintf(alias, sizeof(alias), OUR_ALIAS " %s", device);
	result = link_set_alias(apply->netlink, device, alias, error);
	if (result == 0)
		result = link_set_up(apply->netlink, device, false, error);
	if (result == 0)
		result = link_rename(apply->netlink, device, name, error);
	return result < 0 ? result : hold(apply->netlink, device, error);
}

/* ---- Starting and ending ----------------------------------------------------------------------------------------- */

/* Our own environment, and where its configuration is. Freed by the caller, the texts are not. */
static char **make_environment(char *setting)
{
	size_t count = 0, used = 1;
	char **environment;

	while (environ[count])
		count++;
	environment = calloc(count + 2, sizeof(*environment));
	if (!environment)
		return NULL;
	environment[0] = setting;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], SETTING, strlen(SETTING)) != 0)
			environment[used++] = environ[i];
	return environment;
}

static int wait_for_device(struct apply *apply, pid_t pid, char device[IFNAMSIZ], struct error *error)
{
	for (int i = 0; i < START_STEPS; i++) {
		if (!process_alive(pid))
			return error_set(error, -ECHILD, "charon ended at once; its words stand above");
		if (behind_socket(apply) == pid)
			return find_device(pid, device)
				       ? 0
				       : error_set(error, -ENODEV,
						 "charon made no device: its plugin kernel-libipsec is "
						 "missing (try: apt "
						 "install libcharon-extra-plugins), or /dev/net/tun is");
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	}
	return error_set(error, -ETIMEDOUT, "charon does not answer");
}

static void make_room(pid_t pid)
{
	int found = room_make(pid);

	if (found < SOCKETS / 2)
		log_warning("charon's sockets keep the room that the kernel gives them%s%s: packets that "
			    "come while it "
			    "does not "
			    "run may be lost",
			found < 0 ? ": " : "", found < 0 ? strerror(-found) : "");
}

static pid_t launch(struct apply *apply, const char *name, struct error *error)
{
	char path[IPSEC_PATH_SIZE], setting[IPSEC_PATH_SIZE + 32];
	char *arguments[] = {PROGRAM, NULL};
	_cleanup_free_ char **environment = NULL;
	pid_t pid;

	snprintf(setting, sizeof(setting), SETTING "%s", ipsec_path(apply, "strongswan.conf", path));
	environment = make_environment(setting);
	if (!environment)
		return error_errno(error, -ENOMEM, "charon");
	pid = child_start(apply->children, name, arguments, environment, error);
	if (pid == -ENOENT)
		return error_set(
			error, pid, "charon-systemd is not in PATH; try: apt install charon-systemd");
	return pid;
}

int ipsec_charon_start(struct apply *apply, const char *name, struct error *error)
{
	char device[IFNAMSIZ];
	int result = ipsec_charon_end(apply, error); /* one without an interface of ours was left half-made */
	pid_t pid;

	if (result == 0)
		result = write_configuration(apply, error);
	if (result < 0)
		return result;
	pid = launch(apply, name, error);
	if (pid < 0)
		return pid;
	result = wait_for_device(apply, pid, device, error);
	if (result == 0)
		result = take_device(apply, device, name, error);
	if (result == 0)
		result = link_set_queue(apply->netlink, name, ROOM_PACKETS, error);
	if (result == 0)
		make_room(pid);
	else
		process_kill(pid, 0); /* and not forgotten: it waits before it is started again */
	return result;
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
	rules_remove(apply->netlink, ROUTES_PRIORITY, ROUTES_TABLE); /* one that was killed left them */
	return remove_held(apply, error);
}

int ipsec_charon_adopt(struct apply *apply, const char *name, const char *word, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL; /* apply's is being read just now */
	pid_t pid = child_pid(apply->children, name) ? 0 : ipsec_charon_pid(apply);
	int result;

	if (pid <= 0)
		return 0;
	make_room(pid); /* an earlier gwd may have done neither */
	result = netlink_open(NETLINK_ROUTE, 0, &netlink);
	if (result < 0)
		return error_errno(error, result, "netlink");
	result = hold(netlink, word, error);
	return result < 0 ? result : child_adopt(apply->children, name, pid, error);
}
