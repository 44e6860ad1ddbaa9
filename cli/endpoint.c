// SPDX-License-Identifier: Apache-2.0
#include "cli/endpoint.h"

#include <errno.h>
#include <string.h>

#include "base/scan.h"

/* `text` up to `size` is an address. */
static int take_address(const char *text, size_t size, struct endpoint *endpoint, struct address *address)
{
	char cut[ADDRESS_TEXT_SIZE];

	if (size >= sizeof(cut))
		return -EINVAL;
	memcpy(cut, text, size);
	cut[size] = '\0';
	if (address_parse(cut, address) < 0)
		return -EINVAL;
	address_format(address, endpoint->address);
	return 0;
}

static int take_port(const char *text, struct endpoint *endpoint)
{
	uint32_t port;

	if (scan_u32(text, 0, UINT16_MAX, &port) < 0)
		return -EINVAL;
	endpoint->port = (uint16_t)port;
	return 0;
}

static int parse_bracketed(const char *text, struct endpoint *endpoint)
{
	const char *end = strchr(text, ']');
	struct address address;

	if (!end || take_address(text + 1, (size_t)(end - text - 1), endpoint, &address) < 0 ||
		address_is_v4(&address))
		return -EINVAL;
	if (end[1] == '\0')
		return 0;
	return end[1] == ':' ? take_port(end + 2, endpoint) : -EINVAL;
}

int endpoint_parse(const char *text, struct endpoint *endpoint)
{
	const char *colon = strchr(text, ':');
	struct endpoint parsed = {0};
	struct address address;
	int r;

	if (text[0] == '[')
		r = parse_bracketed(text, &parsed);
	else if (colon && !strchr(colon + 1, ':'))
		r = take_address(text, (size_t)(colon - text), &parsed, &address) < 0
			    ? -EINVAL
			    : take_port(colon + 1, &parsed);
	else
		r = take_address(text, strlen(text), &parsed, &address);
	if (r == 0)
		*endpoint = parsed;
	return r;
}
