/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children: the processes that gwd keeps running (wireguard-go, bird, the guard). This starts, adopts and ends them
 * and knows which is which; main hears of their ends by a descriptor and heals by observing and planning again. A
 * child has a session of its own, so that ^C on gwd's terminal is gwd's alone, and survives gwd. The next gwd
 * adopts it: it is no child of that one to the kernel, so every one is watched by its pidfd, and none by SIGCHLD.
 *
 * A child that ended is not forgotten: how soon it may be started again grows with every early end (base/backoff.h).
 */
#ifndef APPLY_CHILD_H
#define APPLY_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define CHILD_NAME_SIZE 32

struct children;

/* NULL: no memory, or no descriptor. */
struct children *children_new(void);
/* Forgets the children; ends none of them. */
void children_free(struct children *children);

/*
 * Starts `arguments[0]` (found in PATH) under a name, with our own environment but for `settings`, "NAME=value" each and NULL
 * behind the last; NULL: none. Standard input is /dev/null, output goes to our standard error. Answers the pid, or a negative
 * errno with words.
 */
pid_t child_start(struct children *children, const char *name, char *const arguments[],
	char *const settings[], struct error *error);
/* Watches a process that an earlier gwd started. 0, also when it is watched already, or a negative errno with words. */
int child_adopt(struct children *children, const char *name, pid_t pid, struct error *error);

/* 0 when none of that name runs. */
pid_t child_pid(const struct children *children, const char *name);

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

struct child_end {
	char name[CHILD_NAME_SIZE];
	pid_t pid;
	char cause[64];   /* "ended with status 1", "was killed by signal 9", … */
	uint32_t wait_ms; /* before it may be started again */
};

/* Readable when children_next_end() has something to tell. */
int children_descriptor(const struct children *children);
/* False: no other child ended. */
bool children_next_end(struct children *children, struct child_end *end);

/* May a child of this name be started now? */
bool child_is_due(const struct children *children, const char *name);
/* The names that must wait, one a call: *index begins at 0. NULL: no more. */
const char *children_waiting(const struct children *children, size_t *index);
/* How many ms until the first of them is due; UINT64_MAX: none waits. */
uint64_t children_wait_ms(const struct children *children);

/* ---- Any process ------------------------------------------------------------------------------------------------- */

/*
 * Ends any process by pid, ours or not: SIGTERM, after `patience_ms` SIGKILL, and waits until it is gone. A child
 * that is ended so is forgotten: its end is told to nobody. 0 also when there is no such process.
 */
int process_end(struct children *children, pid_t pid, unsigned patience_ms);
/* The same, but a child that is ended so is told of as any that ended, and waits before it may be started again. */
int process_kill(pid_t pid, unsigned patience_ms);
bool process_alive(pid_t pid);

/* Who listens on this UNIX socket, also when another gwd started it; 0: nobody. -EAGAIN: somebody who takes no connection. */
pid_t process_behind(const char *socket_path);

#endif
