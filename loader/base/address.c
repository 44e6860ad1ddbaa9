// SPDX-License-Identifier: Apache-2.0
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/scan.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_is_v4(const struct address *address)
{
	return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

int address_compare(const struct address *one, const struct address *other)
{
	return memcmp(one->bytes, other->bytes, sizeof(one->bytes));
}

bool address_is_set(const struct address *address)
{
	static const struct address nothing;

	return !address_equal(address, &nothing);
}

bool address_equal(const struct address *one, const struct address *other)
{
	return address_compare(one, other) == 0;
}

const uint8_t *address_wire(const struct address *address, size_t *size)
{
	bool v4 = address_is_v4(address);

	*size = v4 ? 4 : 16;
	return address->bytes + (v4 ? 12 : 0);
}

int address_family(const struct address *address)
{
	return address_is_v4(address) ? AF_INET : AF_INET6;
}

socklen_t address_socket(const struct address *address, uint16_t port, struct sockaddr_storage *storage)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
	size_t size;
	const uint8_t *wire = address_wire(address, &size);

	*storage = (struct sockaddr_storage){.ss_family = (sa_family_t)address_family(address)};
	if (storage->ss_family == AF_INET) {
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, wire, size);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, wire, size);
	return sizeof(*v6);
}

struct address address_from_wire(int family, const void *bytes)
{
	struct address address = {0};

	if (family == AF_INET) {
		memcpy(address.bytes, mapped, sizeof(mapped));
		memcpy(address.bytes + 12, bytes, 4);
	} else {
		memcpy(address.bytes, bytes, 16);
	}
	return address;
}

bool address_is_link_local(const struct address *address)
{
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

int address_parse(const char *text, struct address *address)
{
	uint8_t wire[16];
	struct address parsed;

	if (inet_pton(AF_INET, text, wire) == 1) {
		*address = address_from_wire(AF_INET, wire);
		return 0;
	}
	if (inet_pton(AF_INET6, text, wire) != 1)
		return -EINVAL;
	parsed = address_from_wire(AF_INET6, wire);
	if (address_is_v4(&parsed))
		return -EINVAL;
	*address = parsed;
	return 0;
}

const char *address_format(const struct address *address, char *text)
{
	size_t size;
	const uint8_t *wire = address_wire(address, &size);

	inet_ntop(address_family(address), wire, text, ADDRESS_TEXT_SIZE);
	return text;
}

int prefix_parse(const char *text, struct prefix *prefix)
{
	const char *slash = strchr(text, '/');
	char address[ADDRESS_TEXT_SIZE];
	struct prefix parsed;
	uint32_t length;
	bool v4;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (address_parse(address, &parsed.address) < 0)
		return -EINVAL;
	v4 = address_is_v4(&parsed.address);
	if (scan_u32(slash + 1, 0, v4 ? 32 : 128, &length) < 0)
		return -EINVAL;
	parsed.length = (uint8_t)(length + (v4 ? V4_BITS_BEFORE : 0));
	*prefix = parsed;
	return 0;
}

unsigned prefix_shown_length(const struct prefix *prefix)
{
	return address_is_v4(&prefix->address) ? prefix->length - V4_BITS_BEFORE : prefix->length;
}

const char *prefix_format(const struct prefix *prefix, char *text)
{
	char address[ADDRESS_TEXT_SIZE];

	address_format(&prefix->address, address);
	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", address, prefix_shown_length(prefix));
	return text;
}

static uint8_t mask_of_byte(unsigned length, size_t byte)
{
	if (length >= 8 * (byte + 1))
		return 0xff;
	if (length <= 8 * byte)
		return 0;
	return (uint8_t)(0xff << (8 - length % 8));
}

static bool equal_for(const struct address *one, const struct address *other, unsigned length)
{
	for (size_t i = 0; i < sizeof(one->bytes); i++)
		if ((one->bytes[i] ^ other->bytes[i]) & mask_of_byte(length, i))
			return false;
	return true;
}

struct prefix prefix_network(const struct prefix *prefix)
{
	struct prefix network = *prefix;

	for (size_t i = 0; i < sizeof(network.address.bytes); i++)
		network.address.bytes[i] &= mask_of_byte(prefix->length, i);
	return network;
}

bool prefix_is_network(const struct prefix *prefix)
{
	struct prefix network = prefix_network(prefix);

	return address_equal(&network.address, &prefix->address);
}

/*
 * ::/0 does not contain the v4 addresses, although the mapped form lies within it: to the people who write
 * prefixes the families are two worlds.
 */
bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	return address_is_v4(&prefix->address) == address_is_v4(address) &&
	       equal_for(&prefix->address, address, prefix->length);
}

bool prefix_holds_v4(const struct prefix *prefix)
{
	static const struct address zero = {.bytes = {[10] = 0xff, [11] = 0xff}};

	return !address_is_v4(&prefix->address) && equal_for(&prefix->address, &zero, prefix->length);
}

bool prefix_overlaps(const struct prefix *one, const struct prefix *other)
{
	unsigned shorter = one->length < other->length ? one->length : other->length;

	return address_is_v4(&one->address) == address_is_v4(&other->address) &&
	       equal_for(&one->address, &other->address, shorter);
}
