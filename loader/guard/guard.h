/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: a dead man's switch for a gateway that nobody is in charge of any more.
 *
 * gwd may go and come back without a packet lost, since BIRD, the tunnels and the programs stay. But a gateway
 * whose gwd does not come back still calls traffic to itself, and nobody looks whether it can serve it. So BIRD's
 * routes to the loopbacks depend on an interface, and that interface lives as long as this process, which does one
 * thing: it watches gwd (by its pidfd, so no other process is ever taken for it), and when gwd is gone and no
 * successor has come within the time, it ends. The interface is gone with it, BIRD withdraws by itself, within a
 * millisecond, and the others serve.
 *
 *	gwd starts ──► guard_run(): holds the interface, not armed: the time runs
 *	gwd runs   ──► guard_arm(): hands over its pidfd (SCM_RIGHTS); the time stands still
 *	gwd ends   ──► the pidfd says so; the time runs
 *	the next gwd ► guard_arm() with its own; or, when the time is over, it finds no guard and starts another
 *
 * It is gwd's own program (/proc/self/exe --guard …): always there, always of the same version, nothing more to
 * install. A guard that dies withdraws; gwd starts another at once. Whether a gwd that lives still works is the
 * watchdog's matter.
 */
#ifndef GUARD_GUARD_H
#define GUARD_GUARD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

#define GUARD_OPTION "--guard" /* gwd --guard INTERFACE SOCKET MILLISECONDS */

/*
 * The process: returns when the time is over (0), or when it cannot hold the interface (a negative errno, with
 * words).
 */
int guard_run(const char *interface, const char *socket_path, uint32_t patience_ms, struct error *error);

/* Who holds the interface, whoever started it; 0: nobody answers. */
pid_t guard_find(const char *socket_path);
/* From now on it watches the calling process, and lets go `patience_ms` after that has ended. */
int guard_arm(const char *socket_path, uint32_t patience_ms, struct error *error);

#endif
