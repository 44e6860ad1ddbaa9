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
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"

extern char **environ;

struct child {
	char name[CHILD_NAME_SIZE];
	pid_t pid;      /* 0: it ended */
	int descriptor; /* its pidfd; -1 when it ended */
	uint64_t started_ms, due_ms;
	uint32_t
		wait_ms; /* before its present life, or before the next one when it ended; 0: it never had to */
	struct child *next;
};

struct children {
	int epoll; /* readable when a pidfd is: somebody ended */
	struct child *first;
};

struct children *children_new(void)
{
	struct children *children = calloc(1, sizeof(*children));

	if (!children)
		return NULL;
	children->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (children->epoll >= 0)
		return children;
	free(children);
	return NULL;
}

static void stop_watching(struct child *child)
{
	close_descriptor(&child->descriptor);
	child->descriptor = -1;
	child->pid = 0;
}

static void free_child(struct child *child)
{
	stop_watching(child);
	free(child);
}

void children_free(struct children *children)
{
	struct child *next;

	if (!children)
		return;
	for (struct child *child = children->first; child; child = next) {
		next = child->next;
		free_child(child);
	}
	close_descriptor(&children->epoll);
	free(children);
}

/* ---- Starting and adopting --------------------------------------------------------------------------------------- */

static size_t count_texts(char *const texts[])
{
	size_t count = 0;

	while (texts && texts[count])
		count++;
	return count;
}

/* Is it said anew? */
static bool is_replaced(const char *text, char *const settings[], size_t count)
{
	size_t size = strcspn(text, "=") + 1;

	for (size_t i = 0; i < count; i++)
		if (strncmp(text, settings[i], size) == 0)
			return true;
	return false;
}

/* Ours, and the settings. Freed by the caller, the texts are not. */
static char **make_environment(char *const settings[])
{
	size_t count = count_texts(settings), used = count;
	char **environment = calloc(count + count_texts(environ) + 1, sizeof(*environment));

	if (!environment)
		return NULL;
	for (size_t i = 0; i < count; i++)
		environment[i] = settings[i];
	for (char **text = environ; text && *text; text++)
		if (!is_replaced(*text, settings, count))
			environment[used++] = *text;
	return environment;
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

static pid_t spawn(char *const arguments[], char *const settings[])
{
	_cleanup_free_ char **environment = make_environment(settings);
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = 0;
	int result;

	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	result = set_attributes(&attributes);
	if (result == 0)
		result = -posix_spawnp(&pid, arguments[0], &actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result < 0 ? result : pid;
}

static struct child *find(const struct children *children, const char *name)
{
	for (struct child *child = children->first; child; child = child->next)
		if (strcmp(child->name, name) == 0)
			return child;
	return NULL;
}

static struct child *find_or_add(struct children *children, const char *name)
{
	struct child *child = find(children, name);

	if (child)
		return child;
	child = calloc(1, sizeof(*child));
	if (!child)
		return NULL;
	strncpy(child->name, name, sizeof(child->name) - 1);
	child->descriptor = -1;
	child->next = children->first;
	children->first = child;
	return child;
}

static int watch(struct children *children, struct child *child, pid_t pid)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = child};
	_cleanup_close_ int descriptor = pidfd_open(pid, 0);

	if (descriptor < 0 || epoll_ctl(children->epoll, EPOLL_CTL_ADD, descriptor, &event) < 0)
		return -errno;
	stop_watching(child);
	child->descriptor = TAKE_FD(descriptor);
	child->pid = pid;
	child->started_ms = now_ms();
	return 0;
}

pid_t child_start(struct children *children, const char *name, char *const arguments[],
	char *const settings[], struct error *error)
{
	struct child *child = find_or_add(children, name);
	pid_t pid;
	int result;

	if (!child)
		return error_errno(error, -ENOMEM, "starting %s", arguments[0]);
	pid = spawn(arguments, settings);
	if (pid < 0)
		return error_errno(error, pid, "starting %s", arguments[0]);
	result = watch(children, child, pid);
	if (result == 0)
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return error_errno(error, result, "watching %s", arguments[0]);
}

int child_adopt(struct children *children, const char *name, pid_t pid, struct error *error)
{
	struct child *child = find_or_add(children, name);
	int result = child ? 0 : -ENOMEM;

	if (child && child->pid != pid)
		result = watch(children, child, pid);
	return result < 0 ? error_errno(error, result, "watching %s (pid %d)", name, pid) : 0;
}

pid_t child_pid(const struct children *children, const char *name)
{
	const struct child *child = find(children, name);

	return child ? child->pid : 0;
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

int children_descriptor(const struct children *children)
{
	return children->epoll;
}

/* Only a parent is told the status. */
static void tell_cause(pid_t pid, char *cause, size_t size)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) != pid)
		snprintf(cause, size, "ended (an earlier gwd started it: its status is not known)");
	else if (WIFSIGNALED(status))
		snprintf(cause, size, "was killed by signal %d", WTERMSIG(status));
	else
		snprintf(cause, size, "ended with status %d", WEXITSTATUS(status));
}

bool children_next_end(struct children *children, struct child_end *end)
{
	struct epoll_event event;
	struct child *child;
	uint64_t now = now_ms();

	if (epoll_wait(children->epoll, &event, 1, 0) != 1)
		return false;
	child = event.data.ptr;
	child->wait_ms = backoff_next(child->wait_ms, now - child->started_ms);
	child->due_ms = now + child->wait_ms;
	memset(end, 0, sizeof(*end));
	memcpy(end->name, child->name, sizeof(end->name));
	end->pid = child->pid;
	end->wait_ms = child->wait_ms;
	tell_cause(child->pid, end->cause, sizeof(end->cause));
	stop_watching(child);
	return true;
}

static bool is_waiting(const struct child *child)
{
	return child->pid == 0 && child->due_ms > now_ms();
}

bool child_is_due(const struct children *children, const char *name)
{
	const struct child *child = find(children, name);

	return !child || !is_waiting(child);
}

const char *children_waiting(const struct children *children, size_t *index)
{
	const struct child *child = children->first;

	for (size_t i = 0; child; child = child->next, i++)
		if (i >= *index && is_waiting(child)) {
			*index = i + 1;
			return child->name;
		}
	return NULL;
}

uint64_t children_wait_ms(const struct children *children)
{
	uint64_t now = now_ms(), least = UINT64_MAX;

	for (const struct child *child = children->first; child; child = child->next)
		if (is_waiting(child) && child->due_ms - now < least)
			least = child->due_ms > now ? child->due_ms - now : 0;
	return least;
}

static void forget(struct children *children, pid_t pid)
{
	for (struct child **link = &children->first; *link; link = &(*link)->next) {
		struct child *child = *link;

		if (child->pid != pid)
			continue;
		waitpid(pid, NULL, WNOHANG);
		*link = child->next;
		free_child(child);
		return;
	}
}

/* ---- Any process ------------------------------------------------------------------------------------------------- */

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

int process_kill(pid_t pid, unsigned patience_ms)
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
	return result;
}

int process_end(struct children *children, pid_t pid, unsigned patience_ms)
{
	int result = process_kill(pid, patience_ms);

	if (result == 0)
		forget(children, pid);
	return result;
}

pid_t process_behind(const char *socket_path)
{
	/* One that hangs, with a full queue of connections, must not hang us too. */
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t size = sizeof(peer);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? -EAGAIN : 0;
	return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? 0 : peer.pid;
}
