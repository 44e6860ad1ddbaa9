// SPDX-License-Identifier: Apache-2.0
#include "ctl/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GROWTH 4096

void output_free(struct output *output)
{
	free(output->bytes);
	output->bytes = NULL;
	output->sent = output->used = output->size = 0;
}

bool output_full(const struct output *output)
{
	return output->used - output->sent >= OUTPUT_FULL;
}

bool output_empty(const struct output *output)
{
	return output->used == output->sent;
}

static int append(const char *bytes, size_t count, void *to)
{
	struct output *output = to;

	if (output->used + count > output->size) {
		size_t size = (output->used + count) * 3 / 2 + GROWTH;
		char *grown = realloc(output->bytes, size);
		if (!grown)
			return -1;
		output->bytes = grown;
		output->size = size;
	}
	memcpy(output->bytes + output->used, bytes, count);
	output->used += count;
	return 0;
}

static int end_line(struct output *output, size_t before, int r)
{
	if (r == 0 && append("\n", 1, output) == 0)
		return 0;
	output->used = before;
	return -ENOMEM;
}

int output_line(struct output *output, json_t *object)
{
	size_t before = output->used;
	int r = object ? json_dump_callback(object, append, output, JSON_COMPACT) : -1;

	json_decref(object);
	return end_line(output, before, r);
}

int output_text(struct output *output, const char *text, size_t size)
{
	return end_line(output, output->used, append(text, size, output));
}

/* What was sent makes room as soon as that is the larger part: who reads slowly has us hold no more than what waits for him. */
static void reclaim(struct output *output)
{
	size_t waiting = output->used - output->sent;

	if (output->sent == 0 || output->sent < waiting)
		return;
	memmove(output->bytes, output->bytes + output->sent, waiting);
	output->sent = 0;
	output->used = waiting;
}

ssize_t output_flush(struct output *output)
{
	ssize_t sent = 0;

	if (!output_empty(output))
		sent = send(output->fd, output->bytes + output->sent, output->used - output->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	output->sent += (size_t)sent;
	reclaim(output);
	return sent;
}
