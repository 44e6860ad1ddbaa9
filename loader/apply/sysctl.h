/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings under /proc/sys/net/<family>/conf/<interface>, of our own interfaces alone, and the range of ports from which
 * the kernel chooses for sockets that ask for none. procfs shows the
 * network namespace of whoever opens a file, so this needs no mount of its own.
 */
#ifndef APPLY_SYSCTL_H
#define APPLY_SYSCTL_H

#include <stdint.h>

#include "base/error.h"

int sysctl_read(const char *family, const char *interface, const char *name, int *value, struct error *error);
int sysctl_write(const char *family, const char *interface, const char *name, int value, struct error *error);

struct port_range {
	uint16_t first, last;
};
int sysctl_ports_read(struct port_range *range, struct error *error);
int sysctl_ports_write(const struct port_range *range, struct error *error);

#endif
