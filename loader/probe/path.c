// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "probe/private.h"

socklen_t path_target(const struct probe *probe, uint16_t port, struct sockaddr_storage *target)
{
	return address_socket(model_probe_target(probe), port, target);
}

static int bind_to(int descriptor, const struct probe *probe, struct error *error)
{
	const char *device = probe->through ?: probe->tunnel ? probe->tunnel->name : NULL;
	const struct address *source = model_probe_source(probe);
	struct sockaddr_storage own;
	char text[ADDRESS_TEXT_SIZE];

	if (device &&
		setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		return error_errno(error, -errno, "by %s", device);
	/* The port is taken by connect(), for this target alone: our slice of them is small. Raw sockets have none. */
	setsockopt(descriptor, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	if (source && bind(descriptor, (struct sockaddr *)&own, address_socket(source, 0, &own)) < 0)
		return error_errno(error, -errno, "from %s", address_format(source, text));
	return 0;
}

int path_socket(const struct probe *probe, int type, int protocol, struct error *error)
{
	int family = address_is_v4(model_probe_target(probe)) ? AF_INET : AF_INET6, r;
	_cleanup_close_ int descriptor = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (descriptor < 0)
		return error_errno(error, -errno, "a socket");
	r = bind_to(descriptor, probe, error);
	return r < 0 ? r : TAKE_FD(descriptor);
}

int path_connect(struct attempt *attempt, int type, int protocol, uint16_t port, uint32_t events,
	sd_event_io_handler_t heard, struct error *error)
{
	struct sockaddr_storage target;
	socklen_t size = path_target(attempt->probe, port, &target);
	int r;

	attempt->socket = path_socket(attempt->probe, type, protocol, error);
	if (attempt->socket < 0)
		return attempt->socket;
	if (connect(attempt->socket, (struct sockaddr *)&target, size) < 0 && errno != EINPROGRESS)
		return error_set(error, -errno, "%s", strerror(errno));
	r = sd_event_add_io(attempt->event, &attempt->io, attempt->socket, events, heard, attempt);
	return r < 0 ? error_errno(error, r, "cannot listen for an answer") : 0;
}

void path_close(struct attempt *attempt)
{
	attempt->io = sd_event_source_disable_unref(attempt->io);
	close_descriptor(&attempt->socket);
}
