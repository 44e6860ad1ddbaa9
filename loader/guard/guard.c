// SPDX-License-Identifier: Apache-2.0
#include "guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "guard/message.h"

struct guard {
	int listening, interface;
	int watched; /* the pidfd of gwd; -1: nobody is in charge */
	uint32_t patience_ms;
	uint64_t deadline_ms; /* while nobody is */
};

/* ---- The interface ----------------------------------------------------------------------------------------------- */

/* Nothing is ever to be sent there, so it shall not speak by itself either. */
static void be_silent(const char *interface)
{
	char path[128];
	_cleanup_close_ int file = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface);
	file = open(path, O_WRONLY | O_CLOEXEC);
	if (file >= 0 && write(file, "1", 1) < 0)
		log_debug("%s: %s", path, strerror(errno));
}

static int set_up(struct ifreq *request)
{
	_cleanup_close_ int asking = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	request->ifr_flags = 0;
	if (asking < 0 || ioctl(asking, SIOCGIFFLAGS, request) < 0)
		return -errno;
	request->ifr_flags |= IFF_UP;
	return ioctl(asking, SIOCSIFFLAGS, request) < 0 ? -errno : 0;
}

/* The descriptor that it lives by. */
static int hold(const char *interface, struct error *error)
{
	_cleanup_close_ int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int result;

	if (tun < 0)
		return error_errno(error, -errno, "the guard needs /dev/net/tun (try: modprobe tun)");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(tun, TUNSETIFF, &request) < 0)
		return error_errno(error, -errno, "the guard cannot make the interface %s", interface);
	be_silent(interface);
	result = set_up(&request);
	return result < 0 ? error_errno(error, result, "the interface %s", interface) : TAKE_FD(tun);
}

/* ---- Who is in charge -------------------------------------------------------------------------------------------- */

static int listen_at(const char *path, struct error *error)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int result = guard_address(path, &address, error);

	if (result < 0)
		return result;
	unlink(path); /* of a guard that was killed: gwd has looked that nobody answers there */
	umask(0177);
	if (descriptor < 0 || bind(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(descriptor, 4) < 0)
		return error_errno(error, -errno, "%s", path);
	return TAKE_FD(descriptor);
}

/* The descriptor that came beside the message; -1: none, or it is no message of ours. */
static int receive(int client, struct guard_message *message)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct iovec content = {message, sizeof(*message)};
	struct msghdr header = {.msg_iov = &content,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t size = recvmsg(client, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *rights = size >= 0 ? CMSG_FIRSTHDR(&header) : NULL;
	_cleanup_close_ int descriptor = -1;

	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
		rights->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&descriptor, CMSG_DATA(rights), sizeof(descriptor));
	if (size != sizeof(*message) || memcmp(message->magic, GUARD_MAGIC, sizeof(message->magic)) != 0)
		return -1;
	return TAKE_FD(descriptor);
}

static bool is_root(int client)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Whoever connects and says nothing holds us for a moment, no longer. */
static void hear_client(struct guard *guard)
{
	_cleanup_close_ int client = accept4(guard->listening, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = {.tv_usec = 100000};
	struct guard_message message = {0};
	int watched;

	if (client < 0 || !is_root(client))
		return;
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	watched = receive(client, &message);
	if (watched < 0)
		return;
	close_descriptor(&guard->watched);
	guard->watched = watched;
	guard->patience_ms = message.patience_ms;
	if (send(client, &message, sizeof(message), MSG_NOSIGNAL) < 0)
		log_warning("guard: gwd does not hear that it is watched: %s", strerror(errno));
}

static void lose_gwd(struct guard *guard)
{
	close_descriptor(&guard->watched);
	guard->watched = -1;
	guard->deadline_ms = now_ms() + guard->patience_ms;
	log_warning("guard: gwd is gone; the loopbacks are withdrawn in %u ms unless it is back by then",
		guard->patience_ms);
}

/* Until nobody has been in charge for too long. */
static void watch(struct guard *guard)
{
	for (;;) {
		struct pollfd pollers[] = {{.fd = guard->listening, .events = POLLIN},
			{.fd = guard->watched, .events = POLLIN}}; /* poll() ignores a descriptor of -1 */
		uint64_t now = now_ms();
		int wait = guard->watched < 0 ? (int)(guard->deadline_ms - now) : -1;

		if (guard->watched < 0 && now >= guard->deadline_ms)
			return;
		if (poll(pollers, ARRAY_SIZE(pollers), wait) < 0)
			continue;
		if (pollers[0].revents)
			hear_client(guard);
		else if (pollers[1].revents)
			lose_gwd(guard);
	}
}

int guard_run(const char *interface, const char *socket_path, uint32_t patience_ms, struct error *error)
{
	struct guard guard = {.listening = -1, .interface = -1, .watched = -1, .patience_ms = patience_ms};

	prctl(PR_SET_NAME, "gwd-guard");
	signal(SIGPIPE, SIG_IGN);
	guard.listening = listen_at(socket_path, error);
	if (guard.listening < 0)
		return guard.listening;
	guard.interface = hold(interface, error);
	if (guard.interface < 0)
		return guard.interface;
	guard.deadline_ms = now_ms() + patience_ms;
	watch(&guard);
	log_error("guard: no gwd for %u ms: letting go, BIRD withdraws the loopbacks", guard.patience_ms);
	unlink(socket_path);
	close(guard.interface);
	close(guard.listening);
	return 0;
}
