/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink, as much as we need: build a message, send it, wait for its acknowledgement, and when the kernel
 * refuses, keep its own words (extended ack). The only file that knows libmnl is netlink.c; effects speak in
 * these terms.
 *
 * One request is outstanding at a time. All answer 0 or a negative errno.
 */
#ifndef APPLY_NETLINK_H
#define APPLY_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Marks addresses, rules, routes and neighbours as ours: the field `protocol` exists for that. */
#define OUR_PROTOCOL 72

#define MESSAGE_SIZE 4096

struct netlink;

struct message {
	union {
		struct nlmsghdr header;
		char bytes[MESSAGE_SIZE];
	};
};

/* `protocol`: NETLINK_ROUTE, NETLINK_GENERIC. `groups`: a mask of RTMGRP_*, 0 for requests. */
int netlink_open(int protocol, unsigned groups, struct netlink **netlink);
void netlink_close(struct netlink *netlink);
int netlink_descriptor(const struct netlink *netlink);

static inline void netlink_close_pointer(struct netlink **netlink)
{
	netlink_close(*netlink);
}

/* Starts a message with the family's own header (struct ifinfomsg, …) behind the netlink header. */
void message_start(
	struct message *message, uint16_t type, uint16_t flags, const void *family_header, size_t size);
void message_put(struct message *message, uint16_t type, const void *bytes, size_t size);
void message_put_u8(struct message *message, uint16_t type, uint8_t value);
void message_put_u16(struct message *message, uint16_t type, uint16_t value);
void message_put_u32(struct message *message, uint16_t type, uint32_t value);
void message_put_text(struct message *message, uint16_t type, const char *text);
struct nlattr *message_nest(struct message *message, uint16_t type);
void message_nest_end(struct message *message, struct nlattr *nest);

/* Sends and waits for the acknowledgement. A refusal is in `error` in the kernel's words. */
int netlink_request(struct netlink *netlink, struct message *message, struct error *error);

/* Called for each message of an answer; a negative result ends the reading and is returned. */
typedef int (*message_callback)(const struct nlmsghdr *header, void *context);
int netlink_dump(struct netlink *netlink, struct message *message, message_callback callback, void *context,
	struct error *error);

/* Reads what a listening socket has, without waiting. -ENOBUFS: the kernel lost some, dump and compare. */
int netlink_listen(struct netlink *netlink, message_callback callback, void *context);

/* Looks a generic netlink family up. -ENOENT when the kernel has none of that name. */
int netlink_generic_family(struct netlink *netlink, const char *name, uint16_t *family, struct error *error);

/* ---- Reading attributes ----------------------------------------------------------------------------------------- */

#define ATTRIBUTES_MAX 80
struct attributes {
	const struct nlattr *by_type[ATTRIBUTES_MAX];
};

const void *message_payload(const struct nlmsghdr *header);
/* The attributes behind a family header of `size` bytes. */
void attributes_of_message(const struct nlmsghdr *header, size_t size, struct attributes *attributes);
void attributes_of_nest(const struct nlattr *nest, struct attributes *attributes);
/* The attribute's bytes, or NULL when it is absent or shorter than `size`. */
const void *attribute_bytes(const struct attributes *attributes, uint16_t type, size_t size);
size_t attribute_size(const struct attributes *attributes, uint16_t type);
const char *attribute_text(const struct attributes *attributes, uint16_t type); /* "" when absent */
uint8_t attribute_u8(const struct attributes *attributes, uint16_t type, uint8_t absent);
uint16_t attribute_u16(const struct attributes *attributes, uint16_t type, uint16_t absent);
uint32_t attribute_u32(const struct attributes *attributes, uint16_t type, uint32_t absent);
/* Calls back for each element of a nest that is a list. */
void attributes_each(const struct nlattr *nest, void (*callback)(const struct nlattr *element, void *context),
	void *context);

#endif
