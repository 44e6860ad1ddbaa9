// SPDX-License-Identifier: Apache-2.0
#include "apply/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

extern char **environ;

struct child {
	char name[CHILD_NAME_SIZE];
	pid_t pid;
	struct child *next;
};

struct children {
	struct child *first;
	char exited[CHILD_NAME_SIZE];
};

struct children *children_new(void)
{
	return calloc(1, sizeof(struct children));
}

void children_free(struct children *children)
{
	struct child *next;

	if (!children)
		return;
	for (struct child *child = children->first; child; child = next) {
		next = child->next;
		free(child);
	}
	free(children);
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	/* gwd blocks the signals that its event loop reads: a child must not inherit that. */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	return -posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

static pid_t spawn(char *const arguments[], char *const environment[])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	result = set_attributes(&attributes);
	if (result == 0)
		result = -posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments,
			environment ? environment : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result < 0 ? result : pid;
}

pid_t child_start(struct children *children, const char *name, char *const arguments[],
	char *const environment[], struct error *error)
{
	struct child *child = calloc(1, sizeof(*child));
	pid_t pid;

	if (!child)
		return error_errno(error, -ENOMEM, "starting %s", arguments[0]);
	pid = spawn(arguments, environment);
	if (pid < 0) {
		free(child);
		return error_errno(error, pid, "starting %s", arguments[0]);
	}
	strncpy(child->name, name, sizeof(child->name) - 1);
	child->pid = pid;
	child->next = children->first;
	children->first = child;
	return pid;
}

pid_t child_pid(const struct children *children, const char *name)
{
	for (const struct child *child = children->first; child; child = child->next)
		if (strcmp(child->name, name) == 0)
			return child->pid;
	return 0;
}

const char *children_exited(struct children *children, pid_t pid)
{
	for (struct child **link = &children->first; *link; link = &(*link)->next) {
		struct child *child = *link;

		if (child->pid != pid)
			continue;
		memcpy(children->exited, child->name, sizeof(children->exited));
		*link = child->next;
		free(child);
		return children->exited;
	}
	return NULL;
}

bool process_alive(pid_t pid)
{
	siginfo_t information = {0};

	/* A child that has ended but was not waited for yet still has its pid: look without taking it from
	 * main. */
	if (waitid(P_PID, pid, &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_pid == pid)
		return false;
	return kill(pid, 0) == 0;
}

/* 0: it ended; -ETIMEDOUT. */
static int wait_end(int descriptor, unsigned patience_ms)
{
	struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
	int ready;

	do
		ready = poll(&poll_for, 1, patience_ms);
	while (ready < 0 && errno == EINTR);
	return ready == 1 ? 0 : -ETIMEDOUT;
}

int process_end(struct children *children, pid_t pid, unsigned patience_ms)
{
	_cleanup_close_ int descriptor = pidfd_open(pid, 0);
	int result;

	if (descriptor < 0)
		return errno == ESRCH ? 0 : -errno;
	if (pidfd_send_signal(descriptor, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return -errno;
	result = wait_end(descriptor, patience_ms);
	if (result < 0) {
		pidfd_send_signal(descriptor, SIGKILL, NULL, 0);
		result = wait_end(descriptor, 5000);
	}
	if (result == 0 && children_exited(children, pid))
		waitpid(pid, NULL, 0);
	return result;
}

pid_t process_behind(const char *socket_path)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t size = sizeof(peer);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
		return 0;
	return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? 0 : peer.pid;
}
