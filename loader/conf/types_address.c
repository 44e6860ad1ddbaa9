// SPDX-License-Identifier: Apache-2.0
/*
 * The types of scalars that are addresses: a host's, a network's, a host's on its link, an endpoint's.
 */
#include "conf/types.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"

/* What no host can have as its own: RFC 6890 and its registries. */
static const struct {
	struct prefix prefix;
	const char *words;
} no_host[] = {
#define V4(a, b, c, d, length)                                                                      \
	{                                                                                           \
		{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}, V4_BITS_BEFORE + (length) \
	}
#define V6(first, last, length)                  \
	{                                        \
		{{first, [15] = (last)}}, length \
	}
	{V4(0, 0, 0, 0, 8), "unspecified (0.0.0.0/8)"},
	{V4(127, 0, 0, 0, 8), "the host itself (127.0.0.0/8)"},
	{V4(224, 0, 0, 0, 4), "multicast (224.0.0.0/4)"},
	{V4(240, 0, 0, 0, 4), "reserved (240.0.0.0/4)"},
	{V6(0, 0, 128), "unspecified (::)"},
	{V6(0, 1, 128), "the host itself (::1)"},
	{V6(0xff, 0, 8), "multicast (ff00::/8)"},
#undef V4
#undef V6
};

static int check_host(const struct scalar *scalar, const struct address *address)
{
	for (size_t i = 0; i < ARRAY_SIZE(no_host); i++)
		if (prefix_contains(&no_host[i].prefix, address))
			return refuse(scalar, "\"%s\" is %s: a host's own address is wanted", scalar->text,
				no_host[i].words);
	return 0;
}

static int read_host(const struct scalar *scalar, void *field)
{
	struct address address;
	int r;

	if (address_parse(scalar->text, &address) < 0)
		return refuse(scalar, "\"%s\" is not an address such as 192.0.2.1 or \"2001:db8::1\"",
			scalar->text);
	r = check_host(scalar, &address);
	if (r == 0)
		*(struct address *)field = address;
	return r;
}

static const char *show_host(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting;
	return address_is_set(field) ? address_format(field, buffer) : NULL;
}

const struct type type_host = {read_host, show_host, "an address"};

static const char *show_prefix(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting;
	return prefix_format(field, buffer);
}

/* The maps have one trie for both families, and whoever writes a prefix of v6 says nothing of v4. */
static int check_apart(const struct scalar *scalar, const struct prefix *prefix)
{
	if (!prefix_holds_v4(prefix))
		return 0;
	return refuse(scalar,
		"\"%s\" holds ::ffff:0:0/96, as which the programs know IPv4: write one without it",
		scalar->text);
}

static int read_network(const struct scalar *scalar, void *field)
{
	struct prefix prefix, network;
	char text[PREFIX_TEXT_SIZE];
	int r;

	if (prefix_parse(scalar->text, &prefix) < 0)
		return refuse(scalar, "\"%s\" is not a prefix such as 10.0.0.0/8 or \"2001:db8::/32\"",
			scalar->text);
	network = prefix_network(&prefix);
	if (!prefix_is_network(&prefix))
		return refuse(scalar, "\"%s\" has bits set behind its length: write %s", scalar->text,
			prefix_format(&network, text));
	if (prefix_shown_length(&prefix) < scalar->setting->minimum)
		return refuse(scalar, "\"%s\" is every address there is: write the prefixes that are meant",
			scalar->text);
	/* From 0 on: of routes, which BIRD keeps apart. */
	r = scalar->setting->minimum ? check_apart(scalar, &prefix) : 0;
	if (r == 0)
		*(struct prefix *)field = prefix;
	return r;
}

const struct type type_network = {read_network, show_prefix, "a prefix"};

/* Neither the first nor, with v4, the last address of a link is a host's, but on links of one or two addresses. */
static bool names_the_link(const struct prefix *link)
{
	struct prefix network = prefix_network(link);
	unsigned host_bits = 128 - link->length;

	if (host_bits < 2)
		return false;
	if (address_equal(&network.address, &link->address))
		return true;
	if (!address_is_v4(&link->address))
		return false;
	for (unsigned bit = link->length; bit < 128; bit++)
		if (!(link->address.bytes[bit / 8] & (0x80 >> bit % 8)))
			return false;
	return true;
}

static int read_link(const struct scalar *scalar, void *field)
{
	struct prefix prefix;
	int r;

	if (prefix_parse(scalar->text, &prefix) < 0)
		return refuse(scalar,
			"\"%s\" is not an address with its length, "
			"such as 169.254.1.1/30 or \"fd00:1::1/126\"",
			scalar->text);
	r = check_host(scalar, &prefix.address);
	if (r == 0)
		r = check_apart(scalar, &prefix);
	if (r < 0)
		return r;
	if (names_the_link(&prefix))
		return refuse(scalar, "\"%s\" is the link's first or last address, which no host may have",
			scalar->text);
	*(struct prefix *)field = prefix;
	return 0;
}

const struct type type_link = {read_link, show_prefix, "an address with its prefix length"};

/* The address between `text` and the last colon, without brackets. */
int target_parse(const char *text, struct address *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	char host[ADDRESS_TEXT_SIZE];
	bool brackets = text[0] == '[';
	uint32_t number;
	size_t length;

	if (!colon || colon == text || scan_u32(colon + 1, 1, 65535, &number) < 0)
		return -EINVAL;
	if (brackets && colon[-1] != ']')
		return -EINVAL;
	length = (size_t)(colon - text) - (brackets ? 2 : 0);
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text + brackets, length);
	host[length] = '\0';
	if (address_parse(host, address) < 0 || address_is_v4(address) == brackets)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

static int read_endpoint(const struct scalar *scalar, void *field)
{
	struct wireguard *wireguard = field;
	struct address address;
	uint16_t port;
	int r;

	if (target_parse(scalar->text, &address, &port) < 0)
		return refuse(scalar,
			"\"%s\" is not an address and port such as "
			"198.51.100.1:51820 or \"[2001:db8::1]:51820\"",
			scalar->text);
	r = check_host(scalar, &address);
	if (r < 0)
		return r;
	wireguard->has_endpoint = true;
	wireguard->endpoint_address = address;
	wireguard->endpoint_port = port;
	return 0;
}

static const char *show_endpoint(const struct setting *setting, const void *field, char *buffer)
{
	const struct wireguard *wireguard = field;
	bool v4 = address_is_v4(&wireguard->endpoint_address);
	char host[ADDRESS_TEXT_SIZE];

	(void)setting;
	if (!wireguard->has_endpoint)
		return NULL;
	snprintf(buffer, SHOWN_SIZE, v4 ? "%s:%u" : "[%s]:%u",
		address_format(&wireguard->endpoint_address, host), wireguard->endpoint_port);
	return buffer;
}

const struct type type_endpoint = {read_endpoint, show_endpoint, "an address and a port"};
