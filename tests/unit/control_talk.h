/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the control socket: a client that says what it is told to say, and keeps what it hears in `reply`. */
#ifndef CONTROL_TALK_H
#define CONTROL_TALK_H

#include "unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "control_world.h"
#include "ctl/request.h"

#define REPLY_SIZE (1 << 20)

static char reply[REPLY_SIZE];

static inline void world_open(void)
{
	world_make();
	world_listen();
}

static inline int connect_client(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", world.run_dir, CONTROL_SOCKET);
	CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	return fd;
}

/* Lets the server work until it has nothing to do. */
static inline void serve(void)
{
	for (int i = 0; i < 20000 && sd_event_run(world.event, 0) > 0; i++)
		;
}

static inline void say(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		serve();
	}
	serve();
}

/* All that comes until the server has nothing to say. */
static inline const char *hear(int fd)
{
	size_t used = 0;
	ssize_t n;

	do {
		serve();
		n = recv(fd, reply + used, sizeof(reply) - 1 - used, MSG_DONTWAIT);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 && used < sizeof(reply) - 1);
	reply[used] = '\0';
	return reply;
}

static inline const char *exchange(const char *request)
{
	_cleanup_close_ int fd = connect_client();

	say(fd, request, strlen(request));
	return hear(fd);
}

static inline size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static inline int code_of(const char *text)
{
	const char *code = strstr(text, "{\"code\":");

	return code ? atoi(code + strlen("{\"code\":")) : -1;
}

#endif
