/* SPDX-License-Identifier: Apache-2.0 */
/* What is said on the guard's socket: one message, with a pidfd beside it, and the same one back when it is done. */
#ifndef GUARD_MESSAGE_H
#define GUARD_MESSAGE_H

#include <stdint.h>
#include <sys/un.h>

#include "base/error.h"

struct guard_message {
	char magic[4]; /* "HWg1" */
	uint32_t patience_ms;
};

#define GUARD_MAGIC "HWg1"

static inline int guard_address(const char *path, struct sockaddr_un *address, struct error *error)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if ((size_t)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path) <
		sizeof(address->sun_path))
		return 0;
	return error_set(
		error, -ENAMETOOLONG, "%s: a socket's path is shorter; use a shorter --run-dir", path);
}

#endif
