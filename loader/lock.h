/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One gwd a run directory, one gwd a network namespace.
 *
 * A run directory's lock is a file in it. A network namespace has no place for a file, but a name in it can have one
 * holder: that of an abstract socket. Any user may take that name, and nobody but root may keep gwd from starting. So gwd
 * listens there, answers nobody, and lets the kernel say whose the socket is (SO_PEERCRED): only root's is believed to be
 * a gwd. Whoever else sits there costs the protection against a second gwd, which is said in the log, and nothing more.
 */
#ifndef LOCK_H
#define LOCK_H

#include "base/error.h"

/* A descriptor to be kept open for as long as the lock is to be held; -EBUSY: another gwd holds it. */
int lock_run_dir(const char *run_dir, struct error *error);
int lock_namespace(struct error *error);

/* The lock's file; it stays locked until its descriptor is closed. */
void lock_run_dir_remove(const char *run_dir);

#endif
