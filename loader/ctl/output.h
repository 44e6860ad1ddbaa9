/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside ctl: what is still to be sent to one client, lines of JSON in a buffer. Those who write look at output_full()
 * and stop, which bounds it.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_FULL 65536 /* bytes waiting: no more rows until the client has read some */

struct output {
	int fd; /* borrowed; non-blocking */
	char *bytes;
	size_t sent, used, size;
};

void output_free(struct output *output);
bool output_full(const struct output *output);
bool output_empty(const struct output *output);
/* One line; takes over the reference. 0, or -ENOMEM (also for a NULL object), with nothing written. */
int output_line(struct output *output, json_t *object);
/* The same of a text that is one already. */
int output_text(struct output *output, const char *text, size_t size);
/* Sends what the socket takes. How many bytes, or a negative errno when the connection is gone. */
ssize_t output_flush(struct output *output);

#endif
