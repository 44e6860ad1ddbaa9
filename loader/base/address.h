/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes of both families in one shape, so that all else has one code path.
 *
 * An address is 16 bytes in network order; a v4 address is mapped into v6 (::ffff:a.b.c.d, RFC 4291 2.5.5.2).
 * A prefix's length always counts from the first of the 128 bits: 10.0.0.0/8 has length 104. Text is strict:
 * what inet_pton() takes, nothing more, and a v4-mapped address written as v6 is refused, since it would be
 * two names of one thing.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46
#define PREFIX_TEXT_SIZE  50
#define V4_BITS_BEFORE    96

struct address {
	uint8_t bytes[16];
};

struct prefix {
	struct address address; /* an interface's own address keeps its host bits, a network's are zero */
	uint8_t length;         /* 0..128, counted in the mapped form */
};

bool address_is_v4(const struct address *address);
/* Any but the sixteen zeros of a model in which nothing was written, which are "::" too: nobody's address. */
bool address_is_set(const struct address *address);
bool address_equal(const struct address *one, const struct address *other);
int address_compare(const struct address *one, const struct address *other);
/* 4 (v4) or 16 (v6) bytes in network order, as the kernel wants them; *size says how many. */
const uint8_t *address_wire(const struct address *address, size_t *size);
/* AF_INET or AF_INET6. */
int address_family(const struct address *address);
/* As the kernel wants a socket's, with this port; its size. */
socklen_t address_socket(const struct address *address, uint16_t port, struct sockaddr_storage *storage);
struct address address_from_wire(int family, const void *bytes);
/* fe80::/10 is every link's, so it tells none apart. */
bool address_is_link_local(const struct address *address);

/* 0, or -EINVAL. */
int address_parse(const char *text, struct address *address);
/* Writes at most ADDRESS_TEXT_SIZE bytes and returns `text`. */
const char *address_format(const struct address *address, char *text);

/* "10.0.0.0/8": the length is required. 0, or -EINVAL. Host bits are kept: see prefix_is_network(). */
int prefix_parse(const char *text, struct prefix *prefix);
const char *prefix_format(const struct prefix *prefix, char *text);
/* The length as people write it: 0..32 for v4. */
unsigned prefix_shown_length(const struct prefix *prefix);
/* No bit is set behind the prefix's length. */
bool prefix_is_network(const struct prefix *prefix);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
bool prefix_overlaps(const struct prefix *one, const struct prefix *other);
/* One of v6 in which the mapped form of every v4 address lies: where bits alone are compared it would hold them too. */
bool prefix_holds_v4(const struct prefix *prefix);
/* The prefix with its host bits cleared. */
struct prefix prefix_network(const struct prefix *prefix);

#endif
