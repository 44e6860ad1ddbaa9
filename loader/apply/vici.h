/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VICI, strongSwan's control protocol (README of its vici plugin): commands and their replies as packets on a UNIX socket,
 * each a message of sections, lists and values. It is what swanctl(8) speaks; Debian has no header of libvici, and swanctl
 * would want every secret in a file of its own.
 *
 * Commands under construction stand one behind the other in a stream of bytes, just as they are sent. A stream remembers
 * its first failure, so that whoever writes one need not look at each step; it may hold secrets and is wiped.
 */
#ifndef APPLY_VICI_H
#define APPLY_VICI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct vici {
	uint8_t *bytes;
	size_t size, room;
	size_t packet; /* where the one under construction begins */
	int failure;   /* 0, or the first: -ENOMEM, -EMSGSIZE */
};

void vici_free(struct vici *stream);

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

void vici_command(struct vici *stream, const char *name);
void vici_section(struct vici *stream, const char *name);
void vici_section_end(struct vici *stream);
void vici_value(struct vici *stream, const char *name, const char *text);
void vici_number(struct vici *stream, const char *name, uint32_t number);
void vici_bytes(struct vici *stream, const char *name, const void *bytes, size_t size);
void vici_list(struct vici *stream, const char *name);
void vici_item(struct vici *stream, const void *bytes, size_t size);
void vici_list_end(struct vici *stream);

/* The commands of a stream, one a call, in bytes that stay the stream's; *at begins at 0. False: no more, or it is damaged. */
bool vici_next(const struct vici *stream, size_t *at, struct vici *command);
bool vici_is(const struct vici *command, const char *name);

/* ---- Talking ----------------------------------------------------------------------------------------------------- */

/* A value of a reply: "acme/child-sas/acme-1/state", "INSTALLED"; the items of a list have one path. Both are texts. */
typedef void vici_visit(void *context, const char *path, const char *value);

/*
 * Sends every command of the stream and reads its reply; the first that is refused ends it. 0, or a negative errno with
 * charon's words: -ECONNREFUSED and the like when nobody is there, -EAGAIN when who is there says nothing within a second
 * (to a question: within 0.3 s), -EPROTO for a refusal.
 */
int vici_tell(const char *socket_path, const struct vici *stream, struct error *error);
/* Sends one command; `visit` sees all values of its reply, and before them those of `event` (or NULL), which it streams. */
int vici_ask(const char *socket_path, const struct vici *command, const char *event, vici_visit *visit,
	void *context, struct error *error);

/* A descriptor on which events of this name come from now on, or a negative errno. */
int vici_listen(const char *socket_path, const char *event);
/*
 * Visits the values of the events that are there, without waiting for more. 0; 1: there are more than anybody should read at
 * once; a negative errno: no more will come.
 */
int vici_hear(int descriptor, vici_visit *visit, void *context);

/* The commands of a stream, or a reply, value by value, for tests. 0, or -EPROTO when it is none. */
int vici_parse(const uint8_t *message, size_t size, vici_visit *visit, void *context);

#endif
