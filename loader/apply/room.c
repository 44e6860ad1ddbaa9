// SPDX-License-Identifier: Apache-2.0
#include "apply/room.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

static int option_of(int socket, int option)
{
	int value = -1;

	return getsockopt(socket, SOL_SOCKET, option, &value, &(socklen_t){sizeof(value)}) < 0 ? -1 : value;
}

static bool is_udp(int socket)
{
	int family = option_of(socket, SO_DOMAIN);

	return option_of(socket, SO_TYPE) == SOCK_DGRAM && (family == AF_INET || family == AF_INET6);
}

static bool is_socket(const char *folder, const char *descriptor)
{
	char path[64], target[16] = "";

	snprintf(path, sizeof(path), "%s/%.16s", folder, descriptor);
	return readlink(path, target, sizeof(target) - 1) > 0 && strncmp(target, "socket:", 7) == 0;
}

/* 1: the descriptor is a UDP socket and has room; 0: it is not, or no more. The copy of it is ours for this moment. */
static int make_in(int process, int descriptor)
{
	_cleanup_close_ int socket = syscall(SYS_pidfd_getfd, process, descriptor, 0);
	int bytes = ROOM_BYTES;

	if (socket < 0)
		return errno == EBADF ? 0 : -errno;
	if (!is_udp(socket))
		return 0;
	return setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ? -errno : 1;
}

int room_make(pid_t pid)
{
	_cleanup_close_ int process = syscall(SYS_pidfd_open, pid, 0);
	_cleanup_closedir_ DIR *directory = NULL;
	const struct dirent *entry;
	char folder[32];
	int found = 0;

	if (process < 0)
		return -errno;
	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	directory = opendir(folder);
	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		int result = is_socket(folder, entry->d_name) ? make_in(process, atoi(entry->d_name)) : 0;

		if (result < 0)
			return result;
		found += result;
	}
	return found;
}

int room_sockets(void)
{
	_cleanup_close_ int v6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return v6 < 0 ? 1 : 2;
}
