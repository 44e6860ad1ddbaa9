// SPDX-License-Identifier: Apache-2.0
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define LOCK_FILE "gwd.lock"
#define NAME      "homeward-gwd"

/* ---- One a run directory ----------------------------------------------------------------------------------------- */

struct lock_path {
	char text[PATH_MAX + sizeof("/" LOCK_FILE)];
};

static struct lock_path lock_path(const char *run_dir)
{
	struct lock_path path;

	snprintf(path.text, sizeof(path.text), "%s/" LOCK_FILE, run_dir);
	return path;
}

int lock_run_dir(const char *run_dir, struct error *error)
{
	struct lock_path path = lock_path(run_dir);
	_cleanup_close_ int file = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0)
		return error_errno(error, -errno, "%s", path.text);
	if (flock(file, LOCK_EX | LOCK_NB) < 0)
		return error_set(error, -EBUSY,
			"another gwd runs with the run directory %s: "
			"stop it, or give this one another --run-dir",
			run_dir);
	return TAKE_FD(file);
}

void lock_run_dir_remove(const char *run_dir)
{
	unlink(lock_path(run_dir).text);
}

/* ---- One a network namespace ------------------------------------------------------------------------------------- */

/* A gwd that has the name listens a moment later; one whose queue is full is no easier to tell from others. */
#define PATIENCE 20
#define STEP_MS  10

static socklen_t address_of_name(struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path + 1, NAME, strlen(NAME));
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(NAME);
}

/* 0 and whose it is, as the kernel noted it when he began to listen; or why that cannot be told. */
static int ask_holder(struct ucred *holder)
{
	_cleanup_close_ int asking = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of_name(&address), holder_size = sizeof(*holder);

	if (asking < 0 || connect(asking, (struct sockaddr *)&address, size) < 0 ||
		getsockopt(asking, SOL_SOCKET, SO_PEERCRED, holder, &holder_size) < 0)
		return -errno;
	return 0;
}

static int judge_holder(struct error *error)
{
	struct ucred holder = {.uid = (uid_t)-1};
	char who[64] = "somebody who does not answer";
	int result;

	for (int i = 0; (result = ask_holder(&holder)) < 0 && i < PATIENCE; i++)
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	if (result == 0 && holder.uid == geteuid())
		return error_set(error, -EBUSY,
			"another gwd runs in this network namespace (pid "
			"%d): one namespace is one gateway (`gwctl status`?)",
			holder.pid);
	if (result == 0)
		snprintf(who, sizeof(who), "user %u (pid %d)", holder.uid, holder.pid);
	log_warning("%s holds the name @" NAME " and is no gwd: going on, but a second gwd in this network "
		    "namespace would not be refused",
		who);
	return 0;
}

int lock_namespace(struct error *error)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = address_of_name(&address);
	int result;

	if (descriptor < 0)
		return error_errno(error, -errno, "cannot make a socket");
	if (bind(descriptor, (struct sockaddr *)&address, size) == 0)
		return listen(descriptor, SOMAXCONN) < 0
			       ? error_errno(error, -errno, "cannot listen at @" NAME)
			       : TAKE_FD(descriptor);
	if (errno != EADDRINUSE)
		return error_errno(error, -errno, "cannot bind a socket to @" NAME);
	result = judge_holder(error);
	return result < 0 ? result : TAKE_FD(descriptor);
}
