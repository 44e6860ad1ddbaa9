// SPDX-License-Identifier: Apache-2.0
#include "apply/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_setting(
	const char *family, const char *interface, const char *name, int flags, struct error *error)
{
	char path[128];
	int descriptor;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, name);
	descriptor = open(path, flags | O_CLOEXEC);
	return descriptor < 0 ? error_errno(error, -errno, "%s", path) : descriptor;
}

int sysctl_read(const char *family, const char *interface, const char *name, int *value, struct error *error)
{
	_cleanup_close_ int descriptor = open_setting(family, interface, name, O_RDONLY, error);
	char text[16] = {0};

	if (descriptor < 0)
		return descriptor;
	if (read(descriptor, text, sizeof(text) - 1) < 0)
		return error_errno(error, -errno, "net.%s.conf.%s.%s", family, interface, name);
	*value = atoi(text);
	return 0;
}

int sysctl_write(const char *family, const char *interface, const char *name, int value, struct error *error)
{
	_cleanup_close_ int descriptor = open_setting(family, interface, name, O_WRONLY, error);
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", value);

	if (descriptor < 0)
		return descriptor;
	if (write(descriptor, text, size) != size)
		return error_errno(error, -errno, "net.%s.conf.%s.%s", family, interface, name);
	return 0;
}

#define PORTS "/proc/sys/net/ipv4/ip_local_port_range" /* of IPv6, too */

int sysctl_ports_read(struct port_range *range, struct error *error)
{
	_cleanup_fclose_ FILE *file = fopen(PORTS, "re");

	if (!file || fscanf(file, "%hu %hu", &range->first, &range->last) != 2)
		return error_errno(error, file ? -EIO : -errno, PORTS);
	return 0;
}

int sysctl_ports_write(const struct port_range *range, struct error *error)
{
	_cleanup_close_ int descriptor = open(PORTS, O_WRONLY | O_CLOEXEC);
	char text[16];
	int size = snprintf(text, sizeof(text), "%u %u", range->first, range->last);

	if (descriptor < 0 || write(descriptor, text, size) != size)
		return error_errno(error, -errno, PORTS);
	return 0;
}
