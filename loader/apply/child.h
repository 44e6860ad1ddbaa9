/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children: the processes that gwd keeps running (wireguard-go, bird). This starts and ends them and knows
 * which is which; main hears of their deaths (SIGCHLD through its event loop), tells children_exited(), and
 * heals by observing and planning again. A child has a session of its own, so that ^C on gwd's terminal is
 * gwd's alone, and survives gwd.
 */
#ifndef APPLY_CHILD_H
#define APPLY_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define CHILD_NAME_SIZE 32

struct children;

struct children *children_new(void);
/* Forgets the children; ends none of them. */
void children_free(struct children *children);

/*
 * Starts `arguments[0]` (found in PATH) under a name. `environment` NULL: our own. Standard input is
 * /dev/null, output goes to our standard error. Answers the pid, or a negative errno with words.
 */
pid_t child_start(struct children *children, const char *name, char *const arguments[],
	char *const environment[], struct error *error);

/* 0 when there is none of that name. */
pid_t child_pid(const struct children *children, const char *name);

/* `pid` has been waited for. Returns its name, or NULL when it is none of ours; valid until the next call. */
const char *children_exited(struct children *children, pid_t pid);

/*
 * Ends any process by pid, ours or not: SIGTERM, after `patience_ms` SIGKILL, and waits until it is gone (a
 * child of ours is waited for, so main need not). 0 also when there is no such process.
 */
int process_end(struct children *children, pid_t pid, unsigned patience_ms);
bool process_alive(pid_t pid);

/* Who listens on this UNIX socket, also when another gwd started it; 0: nobody answers. */
pid_t process_behind(const char *socket_path);

#endif
