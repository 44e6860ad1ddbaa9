// SPDX-License-Identifier: Apache-2.0
/* gwd's end of the guard's socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guard/guard.h"
#include "guard/message.h"

#define PATIENCE_S 2

/* A descriptor, or a negative errno with words. `pid` (or NULL) is told who is at the other end: root, or nobody. */
static int connect_to(const char *path, pid_t *pid, struct error *error)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un address;
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int result = guard_address(path, &address, error);

	if (result < 0)
		return result;
	if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_errno(error, -errno, "the guard's socket %s", path);
	if (peer.uid != geteuid())
		return error_set(error, -EPERM, "the guard's socket %s is served by user %u", path, peer.uid);
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (pid)
		*pid = peer.pid;
	return TAKE_FD(descriptor);
}

pid_t guard_find(const char *socket_path)
{
	pid_t pid = 0;
	_cleanup_close_ int descriptor = connect_to(socket_path, &pid, NULL);

	return descriptor < 0 ? 0 : pid;
}

static ssize_t send_with(int descriptor, struct guard_message *message, int pidfd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	struct iovec content = {message, sizeof(*message)};
	struct msghdr header = {.msg_iov = &content,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(rights), &pidfd, sizeof(pidfd));
	return sendmsg(descriptor, &header, MSG_NOSIGNAL);
}

int guard_arm(const char *socket_path, uint32_t patience_ms, struct error *error)
{
	struct guard_message message = {.patience_ms = patience_ms}, answer;
	_cleanup_close_ int descriptor = connect_to(socket_path, NULL, error), self = -1;

	if (descriptor < 0)
		return descriptor;
	memcpy(message.magic, GUARD_MAGIC, sizeof(message.magic));
	self = pidfd_open(getpid(), 0);
	if (self < 0 || send_with(descriptor, &message, self) < 0)
		return error_errno(error, -errno, "arming the guard");
	if (recv(descriptor, &answer, sizeof(answer), 0) != sizeof(answer) ||
		memcmp(&answer, &message, sizeof(answer)) != 0)
		return error_set(error, -EPROTO, "the guard does not confirm that it is armed");
	return 0;
}
