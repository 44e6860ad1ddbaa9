// SPDX-License-Identifier: Apache-2.0
/*
 * The guard as a child of ours (what it is for: guard/guard.h). It is there before BIRD announces, is armed when all is
 * well, and armed again when the configuration's patience may have changed.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "apply/child.h"
#include "base/backoff.h"
#include "base/log.h"
#include "bird/daemon.h"
#include "daemon.h"
#include "guard/guard.h"

#define GUARD_SOCKET "guard.sock"
#define START_STEPS  200
#define STEP_MS      10
#define END_PATIENCE 2000
#define OWN_PROGRAM  "/proc/self/exe" /* also when the file was replaced meanwhile */

struct socket_path {
	char text[PATH_MAX + sizeof("/" GUARD_SOCKET)];
};

static struct socket_path socket_path(const struct daemon *daemon)
{
	struct socket_path path;

	snprintf(path.text, sizeof(path.text), "%s/" GUARD_SOCKET, daemon->run_dir);
	return path;
}

static int start(struct daemon *daemon, const char *path, struct error *error)
{
	char patience[16];
	char *arguments[] = {OWN_PROGRAM, GUARD_OPTION, GUARD_INTERFACE, (char *)path, patience, NULL};
	pid_t pid;

	snprintf(patience, sizeof(patience), "%u", daemon->model->guard_ms);
	pid = child_start(apply_children(daemon->apply), GUARD_CHILD, arguments, NULL, error);
	if (pid < 0)
		return pid;
	for (int i = 0; i < START_STEPS && process_alive(pid); i++) {
		if (guard_find(path) == pid)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	}
	return error_set(error, -ETIMEDOUT, "the guard does not start; its own words stand before this");
}

int guards_start(struct daemon *daemon, struct error *error)
{
	struct socket_path path = socket_path(daemon);
	pid_t pid = bird_is_wanted(daemon->model) ? guard_find(path.text) : 0;

	if (!bird_is_wanted(daemon->model))
		return 0;
	if (pid > 0)
		return child_adopt(apply_children(daemon->apply), GUARD_CHILD, pid, error);
	return start(daemon, path.text, error);
}

int guards_arm(struct daemon *daemon, struct error *error)
{
	if (!bird_is_wanted(daemon->model))
		return 0;
	return guard_arm(socket_path(daemon).text, daemon->model->guard_ms, error);
}

void guards_end(struct daemon *daemon)
{
	struct socket_path path = socket_path(daemon);
	pid_t pid = guard_find(path.text);

	if (pid > 0)
		process_end(apply_children(daemon->apply), pid, END_PATIENCE);
	unlink(path.text);
}

void guards_lost(struct daemon *daemon, uint32_t wait_ms)
{
	struct error error;

	if (wait_ms > BACKOFF_FIRST_MS)
		return;
	if (guards_start(daemon, &error) < 0 || guards_arm(daemon, &error) < 0)
		log_error("%s", error.text);
}

int guards_heal(struct daemon *daemon, struct error *error)
{
	struct children *children = apply_children(daemon->apply);
	int r;

	if (!bird_is_wanted(daemon->model) || child_pid(children, GUARD_CHILD) ||
		!child_is_due(children, GUARD_CHILD))
		return 0;
	r = guards_start(daemon, error);
	return r < 0 ? r : guards_arm(daemon, error);
}
