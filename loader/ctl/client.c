// SPDX-License-Identifier: Apache-2.0
#include "ctl/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"

struct client {
	struct client_list *list;
	struct client *next;
	sd_event_source *source;
	int fd;
	uid_t who;
	bool last;  /* no further request is read: the client said its last, or too much */
	bool waits; /* the request in work has nothing to say until an event comes */
	uint64_t moved_ms;
	struct request request; /* its method is NULL: none is in work */
	struct output output;
	size_t received;
	char *line;
	size_t room; /* of the line, which grows up to the client's limit */
};

static void leave(struct client *client)
{
	struct client **link = &client->list->first;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->list->count--;
}

void client_close(struct client *client)
{
	const struct ctl_hooks *hooks = client->request.hooks;
	bool stopped = client->request.stopped;

	leave(client);
	sd_event_source_disable_unref(client->source);
	close(client->fd);
	output_free(&client->output);
	arguments_free(&client->request.arguments);
	free(client->line);
	free(client);
	if (stopped)
		hooks->stopped(hooks->self);
}

struct client *client_stalest(const struct client_list *list, uint64_t *idle_ms)
{
	struct client *stalest = list->first;

	for (struct client *client = list->first; client; client = client->next)
		if (client->moved_ms < stalest->moved_ms)
			stalest = client;
	if (stalest)
		*idle_ms = now_ms() - stalest->moved_ms;
	return stalest;
}

static void note_row(const struct request *request, int r)
{
	if (r < 0)
		log_error("control socket: a row of %s could not be written", request->method->name);
}

void request_row(struct request *request, json_t *object)
{
	note_row(request, output_line(request->output, object));
}

void request_text(struct request *request, const char *text, size_t size)
{
	note_row(request, size > 0 ? output_text(request->output, text, size) : -ENOMEM);
}

bool request_full(const struct request *request)
{
	return output_full(request->output);
}

void request_flush(struct request *request)
{
	output_flush(request->output);
}

/* Words may quote what a client sent, cut in the middle of a character. */
static json_t *words(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("the request is not UTF-8");
}

static void answer(struct client *client, int code)
{
	json_t *last = json_pack("{s:i}", "code", code);

	if (code != REPLY_FINE && client->request.error.text[0])
		json_object_set_new(last, "error", words(client->request.error.text));
	if (output_line(&client->output, last) < 0)
		client->last = true;
	arguments_free(&client->request.arguments);
	client->request.method = NULL;
}

/* Only root sends configurations, and only root may make the daemon hold so much. */
static size_t limit(const struct client *client)
{
	return client->who == 0 ? REQUEST_SIZE_MAX_OF_ROOT : REQUEST_SIZE_MAX;
}

static bool has_line(const struct client *client)
{
	return client->received && memchr(client->line, '\n', client->received);
}

static void begin(struct client *client)
{
	char *end = memchr(client->line, '\n', client->received);
	size_t size = (size_t)(end - client->line);
	struct request *request = &client->request;
	enum reply_code code;

	*request =
		(struct request){.views = request->views, .hooks = request->hooks, .output = &client->output};
	code = request_read(request, client->line, size, client->who);
	client->received -= size + 1;
	memmove(client->line, end + 1, client->received);
	if (code != REPLY_FINE)
		answer(client, code);
}

static void refuse_long(struct client *client)
{
	error_set(&client->request.error, REPLY_USAGE, "a request has at most %zu bytes", limit(client));
	answer(client, REPLY_USAGE);
	client->last = true;
	client->received = 0;
}

/* One step, of the request in work or of the next one. */
static void work(struct client *client)
{
	struct request *request = &client->request;
	int code;

	if (output_full(&client->output))
		return;
	if (!request->method && has_line(client))
		begin(client);
	else if (!request->method && client->received == limit(client))
		refuse_long(client);
	if (!request->method)
		return;
	code = request->method->step(request);
	client->waits = code == REQUEST_WAIT;
	if (code != REQUEST_MORE && code != REQUEST_WAIT)
		answer(client, code);
	if (request->stopped)
		client->last = true;
}

static int make_room(struct client *client)
{
	size_t room = client->room ? 2 * client->room : REQUEST_SIZE_MAX;
	char *grown;

	if (client->received < client->room)
		return 0;
	grown = realloc(client->line, room < limit(client) ? room : limit(client));
	if (!grown)
		return -ENOMEM;
	client->line = grown;
	client->room = room < limit(client) ? room : limit(client);
	return 0;
}

/* 0, or a negative errno when the connection is gone. */
static int receive(struct client *client)
{
	ssize_t count;

	if (client->received == limit(client) || client->last)
		return 0;
	if (make_room(client) < 0)
		return -ENOMEM;
	count = recv(
		client->fd, client->line + client->received, client->room - client->received, MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (count == 0)
		client->last = true;
	client->received += (size_t)count;
	client->moved_ms = now_ms();
	return 0;
}

/* Also a buffer that is full without a line in it: that must be refused. */
static bool has_work(const struct client *client)
{
	bool unread = has_line(client) || client->received == limit(client);

	if (client->request.method)
		return !client->waits;
	return unread && !client->request.stopped;
}

static int listen_for(struct client *client)
{
	bool reads = !client->last && client->received < limit(client);
	bool writes = has_work(client) || !output_empty(&client->output);

	return sd_event_source_set_io_events(
		client->source, (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
}

static bool is_done(const struct client *client)
{
	return client->last && !client->waits && !has_work(client) && output_empty(&client->output);
}

void clients_wake(struct client_list *list)
{
	for (struct client *client = list->first; client; client = client->next) {
		if (!client->waits)
			continue;
		work(client);
		output_flush(&client->output); /* a connection that is gone is heard of by on_io() */
		listen_for(client);
	}
}

/* These look things up in the model by pointer; a walk goes on by index, which is safe. */
static bool holds_model(const struct request *request)
{
	const struct arguments *arguments = &request->arguments;

	return request->method &&
	       (arguments->provider || arguments->tunnel || arguments->router || arguments->gateway);
}

void clients_interrupt(struct client_list *list)
{
	for (struct client *client = list->first; client; client = client->next) {
		if (!holds_model(&client->request))
			continue;
		error_set(&client->request.error, REPLY_DEGRADED,
			"another configuration came into force meanwhile; ask again");
		answer(client, REPLY_DEGRADED);
		client->waits = false;
		listen_for(client);
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *self)
{
	struct client *client = self;
	ssize_t sent;

	(void)source, (void)fd;
	if (events & (EPOLLERR | EPOLLHUP)) {
		client_close(client);
		return 0;
	}
	if ((events & EPOLLIN) && receive(client) < 0) {
		client_close(client);
		return 0;
	}
	work(client);
	sent = output_flush(&client->output);
	if (sent > 0)
		client->moved_ms = now_ms();
	if (sent < 0 || is_done(client) || listen_for(client) < 0)
		client_close(client);
	return 0;
}

static int who_is(int fd, uid_t *who)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*who = peer.uid;
	return 0;
}

int client_open(sd_event *event, int fd, const struct ctl_views *views, const struct ctl_hooks *hooks,
	struct client_list *list)
{
	struct client *client = calloc(1, sizeof(*client));
	int r = client ? who_is(fd, &client->who) : -ENOMEM;

	if (r >= 0)
		r = sd_event_add_io(event, &client->source, fd, EPOLLIN, on_io, client);
	if (r < 0) {
		close(fd);
		free(client);
		return r;
	}
	client->list = list;
	client->next = list->first;
	client->fd = client->output.fd = fd;
	client->request = (struct request){.views = views, .hooks = hooks};
	client->moved_ms = now_ms();
	list->first = client;
	list->count++;
	return 0;
}
