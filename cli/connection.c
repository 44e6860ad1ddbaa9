// SPDX-License-Identifier: Apache-2.0
#include "cli/connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define ROW_MAX (64U << 20)

struct connection {
	int fd;
	int timeout_ms;
	char *bytes;
	size_t used, size, taken; /* `taken` bytes of the buffer are done with */
};

static void connection_close(struct connection *connection)
{
	if (connection->fd >= 0)
		close(connection->fd);
	free(connection->bytes);
}

static enum reply_code connection_open(
	const struct invocation *invocation, struct connection *connection, struct error *error)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int size =
		snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", invocation->run_dir, CONTROL_SOCKET);
	int r;

	if (size < 0 || (size_t)size >= sizeof(name.sun_path))
		return error_set(
			error, REPLY_USAGE, "--run-dir: the name %s is too long", invocation->run_dir);
	connection->timeout_ms =
		(int)(invocation->timeout_ms ? invocation->timeout_ms : invocation->command->timeout_ms);
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd >= 0 && connect(connection->fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		return REPLY_FINE;
	r = errno;
	if (r == EACCES || r == EPERM)
		return error_set(error, REPLY_NOT_PERMITTED,
			"%s: you may not: be root, or in the group of the configuration's control.group",
			name.sun_path);
	return error_set(error, REPLY_UNREACHABLE,
		"gwd cannot be reached at %s: %s. Does it run? Is --run-dir right?", name.sun_path,
		strerror(r));
}

static enum reply_code broken(struct error *error, const char *doing)
{
	return error_set(error, REPLY_UNREACHABLE, "the connection to gwd broke while %s: %s", doing,
		errno ? strerror(errno) : "gwd closed it");
}

static enum reply_code send_request(
	struct connection *connection, const char *method, json_t *arguments, struct error *error)
{
	json_t *request = json_pack("{s:s, s:o*}", "method", method, "arguments", arguments);
	_cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t size, sent = 0;

	json_decref(request);
	if (!text)
		return error_set(error, REPLY_USAGE, "the arguments are not UTF-8");
	size = strlen(text);
	text[size++] = '\n'; /* in the place of the terminating zero */
	while (sent < size) {
		ssize_t n = send(connection->fd, text + sent, size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return broken(error, "asking");
		sent += n > 0 ? (size_t)n : 0;
	}
	return REPLY_FINE;
}

static int make_room(struct connection *connection)
{
	char *grown;

	if (connection->taken > 0) {
		connection->used -= connection->taken;
		memmove(connection->bytes, connection->bytes + connection->taken, connection->used);
		connection->taken = 0;
	}
	if (connection->used < connection->size)
		return 0;
	connection->size = connection->size ? connection->size * 2 : 65536;
	grown = connection->size <= ROW_MAX ? realloc(connection->bytes, connection->size) : NULL;
	if (!grown)
		return -ENOMEM;
	connection->bytes = grown;
	return 0;
}

static enum reply_code receive(struct connection *connection, struct error *error)
{
	struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
	int ready = poll(&wait, 1, connection->timeout_ms);
	ssize_t n;

	if (ready == 0)
		return error_set(error, REPLY_TIMED_OUT, "gwd said nothing for %d ms: see --timeout",
			connection->timeout_ms);
	if (make_room(connection) < 0)
		return error_set(error, REPLY_UNREACHABLE, "no memory for gwd's answer");
	errno = 0;
	n = recv(
		connection->fd, connection->bytes + connection->used, connection->size - connection->used, 0);
	if (n <= 0 && errno != EINTR)
		return broken(error, "it answered");
	connection->used += n > 0 ? (size_t)n : 0;
	return REPLY_FINE;
}

static enum reply_code not_understood(struct error *error)
{
	return error_set(error, REPLY_UNREACHABLE, "what answers is not gwd, or of another version");
}

/* The next line, in the buffer until the one after it is asked for. */
static enum reply_code read_line(
	struct connection *connection, const char **line, size_t *size, struct error *error)
{
	const char *start, *end;

	for (;;) {
		enum reply_code code;

		start = connection->bytes + connection->taken;
		end = connection->bytes ? memchr(start, '\n', connection->used - connection->taken) : NULL;
		if (end)
			break;
		code = receive(connection, error);
		if (code != REPLY_FINE)
			return code;
	}
	*line = start;
	*size = (size_t)(end - start);
	connection->taken += *size + 1;
	return REPLY_FINE;
}

static bool is_last(const char *line, size_t size)
{
	static const char begins[] = REPLY_LAST_BEGINS;

	return size >= strlen(begins) && memcmp(line, begins, strlen(begins)) == 0;
}

static enum reply_code read_last(const char *line, size_t size, struct error *error)
{
	json_t *last = json_loadb(line, size, 0, NULL);
	enum reply_code code = (enum reply_code)json_integer_value(json_object_get(last, "code"));

	if (!last)
		code = not_understood(error);
	else if (code != REPLY_FINE)
		error_set(error, code, "%s",
			json_string_value(json_object_get(last, "error")) ?: "gwd refused");
	json_decref(last);
	return code;
}

static enum reply_code read_reply(
	struct connection *connection, text_handler text, void *to, struct error *error)
{
	for (;;) {
		const char *line;
		size_t size;
		enum reply_code code = read_line(connection, &line, &size, error);

		if (code != REPLY_FINE)
			return code;
		if (is_last(line, size))
			return read_last(line, size, error);
		if (!text(to, line, size))
			return not_understood(error);
	}
}

enum reply_code ask_text(const struct invocation *invocation, const char *method, json_t *arguments,
	text_handler text, void *to, struct error *error)
{
	_cleanup_(connection_close) struct connection connection = {.fd = -1};
	enum reply_code code = connection_open(invocation, &connection, error);

	if (code != REPLY_FINE) {
		json_decref(arguments);
		return code;
	}
	code = send_request(&connection, method, arguments, error);
	return code == REPLY_FINE ? read_reply(&connection, text, to, error) : code;
}

struct reader {
	row_handler row;
	void *to;
};

static bool read_row(void *to, const char *text, size_t size)
{
	const struct reader *reader = to;
	json_t *row = json_loadb(text, size, 0, NULL);
	bool is_row = json_is_object(row);

	if (is_row)
		reader->row(reader->to, row);
	json_decref(row);
	return is_row;
}

enum reply_code ask(const struct invocation *invocation, const char *method, json_t *arguments,
	row_handler row, void *to, struct error *error)
{
	struct reader reader = {row, to};

	return ask_text(invocation, method, arguments, read_row, &reader, error);
}
