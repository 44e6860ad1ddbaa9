/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room before and behind a process that carries a tunnel, for what comes while a busy machine does not let it run: in its
 * UDP sockets, and in its TUN device, whose 500 packets are a quarter of a second of a moderate download. wireguard-go of 2022
 * (Debian 12's) asks for none in the sockets, and the kernel's default holds about a hundred full packets: some milliseconds of one
 * download. What does not fit is lost before any program of ours sees it, counted nowhere but in Udp.RcvbufErrors
 * (netstat -su). Later releases of wireguard-go ask for as much as we do.
 */
#ifndef APPLY_ROOM_H
#define APPLY_ROOM_H

#include <sys/types.h>

#define ROOM_PACKETS 2048      /* in a TUN device; what does not fit counts as dropped there (ip -s link) */
#define ROOM_BYTES   (7 << 20) /* in each socket, counted as the kernel counts (socket(7), SO_RCVBUF) */

/*
 * Gives that room to every UDP socket of a process that is no more privileged than we are (pidfd_getfd(2), Linux 5.6).
 * Answers how many have it now, or a negative errno: -EPERM where a security module forbids it, -ESRCH.
 */
int room_make(pid_t pid);

/* How many sockets who listens on a port of all addresses has here: one for each family that the kernel knows. */
int room_sockets(void);

#endif
