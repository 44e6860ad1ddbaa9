/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in another process's UDP sockets, for what comes while a busy machine does not let it run. wireguard-go of 2022
 * (Debian 12's) asks for none, and the kernel's default holds about a hundred full packets: some milliseconds of one
 * download. What does not fit is lost before any program of ours sees it, counted nowhere but in Udp.RcvbufErrors
 * (netstat -su). Later releases of wireguard-go ask for as much as we do.
 */
#ifndef APPLY_ROOM_H
#define APPLY_ROOM_H

#include <sys/types.h>

#define ROOM_BYTES (7 << 20) /* in each socket, counted as the kernel counts (socket(7), SO_RCVBUF) */

/*
 * Gives that room to every UDP socket of a process that is no more privileged than we are (pidfd_getfd(2), Linux 5.6).
 * Answers how many have it now, or a negative errno: -EPERM where a security module forbids it, -ESRCH.
 */
int room_make(pid_t pid);

/* How many sockets who listens on a port of all addresses has here: one for each family that the kernel knows. */
int room_sockets(void);

#endif
