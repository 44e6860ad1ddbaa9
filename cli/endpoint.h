/* SPDX-License-Identifier: Apache-2.0 */
/* One end of a flow as people write it: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. */
#ifndef CLI_ENDPOINT_H
#define CLI_ENDPOINT_H

#include <stdint.h>

#include "base/address.h"

struct endpoint {
	char address[ADDRESS_TEXT_SIZE]; /* canonical */
	uint16_t port;                   /* 0: not given */
};

/* 0, or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *endpoint);

#endif
