// SPDX-License-Identifier: Apache-2.0
/* A connection that is opened, and then reset: so nothing of it is left at either end. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "probe/private.h"

static int hear(sd_event_source *source, int descriptor, uint32_t events, void *userdata)
{
	struct attempt *attempt = userdata;
	int error = 0;
	socklen_t size = sizeof(error);

	(void)source, (void)events;
	if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		attempt_failed(attempt, -error, strerror(error));
	else
		attempt_good(attempt, "connected");
	return 0;
}

static int begin(struct attempt *attempt, struct error *error)
{
	const struct linger reset = {.l_onoff = 1};
	int r = path_connect(attempt, SOCK_STREAM, 0, attempt->probe->tcp.port, EPOLLOUT, hear, error);

	if (r == 0)
		setsockopt(attempt->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return r;
}

const struct question tcp_question = {begin, path_close};
