// SPDX-License-Identifier: Apache-2.0
#include "bird/client.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bird/render.h"
#include "bird/reply.h"
#include "bird/told.h"

#define RETRY_MS 10

/* What can be outstanding on the command connection, in the order in which it is asked for. */
enum request {
	REQUEST_CONFIGURE,
	REQUEST_ROUTES,
	REQUEST_SILENCE,
	REQUEST_SESSIONS,
	REQUEST_TOLD_LEAVING, /* after REQUEST_TOLD, and never put off for another of those */
	REQUEST_TOLD,
	REQUEST_BFD,
	REQUEST_COUNT,
	REQUEST_NONE = REQUEST_COUNT
};

static const char *const commands[REQUEST_COUNT] = {
	[REQUEST_CONFIGURE] = "configure\n",
	[REQUEST_ROUTES] = "show route table all where proto ~ \"hw_announce?\"\n",
	[REQUEST_SESSIONS] = "show protocols \"hw_*\"\n",
	[REQUEST_TOLD] = "show route table all where hw_is_destination()\n",
	[REQUEST_TOLD_LEAVING] = "show route table all where hw_is_leaving_destination()\n",
	[REQUEST_BFD] = "show bfd sessions\n", /* REQUEST_SILENCE: a command a session */
};

struct connection {
	int fd;
	bool greeted; /* BIRD speaks first */
	struct bird_reader reader;
};

struct bird_client {
	struct bird_handler handler;
	int epoll;
	struct connection command, pushed;
	enum request outstanding;
	bool wanted[REQUEST_COUNT];
	unsigned unanswered; /* refreshes since BIRD last ended a reply */
	bool sessions_stale; /* something was pushed while `show protocols` was under way: its rows may be older */

	struct address *expected; /* what `configure` is to announce */
	size_t expected_count, expected_seen;
	bool unexpected_seen;
	char (*silent)[BIRD_NAME_SIZE]; /* the sessions by which nothing is to leave */
	size_t silent_count, silent_asked;
	bool has_routers, has_links;
	struct told told; /* by the replies that are under way, or that just ended */
	bool told_stale;  /* asked for before BIRD was given another configuration: by other destinations */
	int configured;   /* how the last `configure` ended, as the handler is told */
	char words[BIRD_LINE_MAX];
};

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

static int send_text(const struct connection *connection, const char *text, struct error *error)
{
	size_t size = strlen(text);
	ssize_t sent = send(connection->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0)
		return error_errno(error, -errno, "BIRD's control socket");
	return (size_t)sent < size ? error_set(error, -EPROTO, "BIRD's control socket takes no commands") : 0;
}

/* What the reply before this one said is forgotten, where it is not the first half of an answer. */
static void begin_reply(struct bird_client *client, enum request request)
{
	client->outstanding = request;
	client->sessions_stale = false;
	client->expected_seen = 0;
	client->unexpected_seen = false;
	if (request == REQUEST_TOLD) {
		told_begin(&client->told);
		client->told_stale = false;
	} else if (request == REQUEST_TOLD_LEAVING) {
		told_begin_leaving(&client->told);
	}
}

static int send_request(const struct bird_client *client, enum request request, struct error *error)
{
	char text[BIRD_NAME_SIZE + 64];

	if (request != REQUEST_SILENCE)
		return send_text(&client->command, commands[request], error);
	snprintf(text, sizeof(text), "show route table all export '%s'\n",
		client->silent[client->silent_asked]);
	return send_text(&client->command, text, error);
}

static int send_next(struct bird_client *client, struct error *error)
{
	if (client->outstanding != REQUEST_NONE || !client->command.greeted)
		return 0;
	for (enum request request = 0; request < REQUEST_COUNT; request++) {
		if (!client->wanted[request])
			continue;
		client->wanted[request] = false;
		begin_reply(client, request);
		return send_request(client, request, error);
	}
	return 0;
}

/* ---- What the replies mean --------------------------------------------------------------------------------------- */

static void configure_ended(struct bird_client *client, int result, const char *words)
{
	client->configured = result;
	snprintf(client->words, sizeof(client->words), "%s", words);
	client->handler.configured(client->handler.context, result, client->words);
}

static void configure_line(struct bird_client *client, const struct bird_line *line)
{
	if (!line->last)
		return;
	if (line->code >= BIRD_FIRST_ERROR)
		configure_ended(client, -EINVAL, line->text);
	else if (line->code >= BIRD_RECONFIGURED && line->code <= BIRD_QUEUED) {
		client->wanted[REQUEST_ROUTES] = true;
		client->wanted[REQUEST_TOLD] = client->has_links;
	} else
		configure_ended(client, -EAGAIN, line->text);
}

static bool is_expected(const struct bird_client *client, const struct address *address)
{
	for (size_t i = 0; i < client->expected_count; i++)
		if (address_equal(&client->expected[i], address))
			return true;
	return false;
}

/* Rows begin with the prefix; headings ("Table master4:") and details do not. */
static bool is_route(const struct bird_line *line, struct prefix *prefix)
{
	char first[PREFIX_TEXT_SIZE] = "";

	sscanf(line->text, "%49s", first);
	return line->code == BIRD_ROUTE_ROW && prefix_parse(first, prefix) == 0;
}

static void not_in_force(struct bird_client *client)
{
	if (client->configured == 0)
		configure_ended(client, -ESTALE, "BIRD does not show any more what it announced");
	else
		configure_ended(client, -EAGAIN, "BIRD does not announce yet what it is to announce");
}

/* The announced routes are as they are to be: those that are to hear nothing are asked, one after the other. */
static void ask_silence(struct bird_client *client)
{
	if (client->silent_asked < client->silent_count)
		client->wanted[REQUEST_SILENCE] = true;
	else
		configure_ended(client, 0, "announced as wanted");
}

static void routes_line(struct bird_client *client, const struct bird_line *line)
{
	struct prefix prefix;

	if (is_route(line, &prefix)) {
		if (is_expected(client, &prefix.address))
			client->expected_seen++;
		else
			client->unexpected_seen = true;
	}
	if (!line->last || client->wanted[REQUEST_CONFIGURE])
		return;
	if (line->code >= BIRD_FIRST_ERROR)
		configure_ended(client, -EAGAIN, line->text);
	else if (client->expected_seen != client->expected_count || client->unexpected_seen)
		not_in_force(client);
	else {
		client->silent_asked = 0;
		ask_silence(client);
	}
}

/* A session that BIRD does not know (any more) announces nothing either, but then it has not read the files yet. */
static void silence_line(struct bird_client *client, const struct bird_line *line)
{
	struct prefix prefix;

	client->unexpected_seen |= is_route(line, &prefix);
	if (!line->last || client->wanted[REQUEST_CONFIGURE]) /* other sessions may be asked then */
		return;
	client->silent_asked++;
	if (line->code >= BIRD_FIRST_ERROR)
		configure_ended(client, -EAGAIN, line->text);
	else if (client->unexpected_seen)
		not_in_force(client);
	else
		ask_silence(client);
}

static bool peer_of(const char *protocol, struct bird_peer *peer)
{
	*peer = (struct bird_peer){.router = bird_session_router(protocol)};
	return peer->router || bird_session_tunnel(protocol, &peer->tunnel);
}

static void sessions_line(struct bird_client *client, const struct bird_line *line)
{
	struct bird_session_row row;
	struct bird_peer peer;

	if (line->code == BIRD_PROTOCOL_ROW && !client->sessions_stale &&
		bird_session_row(line->text, &row) && peer_of(row.name, &peer))
		client->handler.session(
			client->handler.context, &peer, strcmp(row.words, "Established") == 0, row.words);
}

/* An error: BIRD has not read yet what it is asked by. The next refresh asks again. */
static void told_line(struct bird_client *client, const struct bird_line *line)
{
	told_add(&client->told, line);
	if (line->last && line->code < BIRD_FIRST_ERROR)
		client->wanted[REQUEST_TOLD_LEAVING] = !client->told_stale;
}

static void told_leaving_line(struct bird_client *client, const struct bird_line *line)
{
	told_mark_leaving(&client->told, line);
	if (line->last && line->code < BIRD_FIRST_ERROR && !client->told_stale)
		client->handler.told(client->handler.context, client->told.routes, client->told.count);
}

/* "172.31.1.254  eth1  Up  12:00:00.000  0.050  0.150": the neighbour, where, and its state in BIRD's words. */
static void bfd_line(struct bird_client *client, const struct bird_line *line)
{
	char neighbor[ADDRESS_TEXT_SIZE] = "", interface[IFNAMSIZ] = "", state[8] = "";
	struct address address;

	if (line->code == BIRD_BFD_ROW &&
		sscanf(line->text, "%45s %15s %7s", neighbor, interface, state) == 3 &&
		address_parse(neighbor, &address) == 0)
		client->handler.bfd(client->handler.context, &address, interface, strcmp(state, "Up") == 0);
}

static int command_line(struct bird_client *client, const struct bird_line *line, struct error *error)
{
	static void (*const meanings[REQUEST_COUNT])(struct bird_client *, const struct bird_line *) = {
		[REQUEST_CONFIGURE] = configure_line,
		[REQUEST_ROUTES] = routes_line,
		[REQUEST_SILENCE] = silence_line,
		[REQUEST_SESSIONS] = sessions_line,
		[REQUEST_TOLD] = told_line,
		[REQUEST_TOLD_LEAVING] = told_leaving_line,
		[REQUEST_BFD] = bfd_line,
	};

	if (!client->command.greeted) {
		client->command.greeted =
			line->kind == BIRD_LINE_REPLY && line->last && line->code == BIRD_READY;
		return client->command.greeted
			       ? 0
			       : error_set(error, -EPROTO, "this is no BIRD: \"%s\"", line->text);
	}
	if (line->kind != BIRD_LINE_REPLY || client->outstanding == REQUEST_NONE)
		return error_set(error, -EPROTO, "BIRD says what it was not asked: \"%s\"", line->text);
	meanings[client->outstanding](client, line);
	if (line->last) {
		client->outstanding = REQUEST_NONE;
		client->unanswered = 0;
	}
	return 0;
}

/* A line that is not understood may be the one that tells of lost ones ("<3 messages lost>"): ask. */
static int pushed_line(struct bird_client *client, const struct bird_line *line, struct error *error)
{
	struct bird_session_row row;
	struct bird_peer peer;

	if (!client->pushed.greeted) {
		client->pushed.greeted = true;
		return send_text(&client->pushed, "echo all 65536\n", error);
	}
	if (line->kind == BIRD_LINE_REPLY)
		return 0;
	if (line->kind == BIRD_LINE_PUSHED && bird_pushed_route(line->text)) {
		client->wanted[REQUEST_TOLD] = client->has_links;
		return 0;
	}
	if (line->kind == BIRD_LINE_PUSHED) {
		if (!bird_pushed_state(line->text, &row) || !peer_of(row.name, &peer))
			return 0;
		client->handler.session(client->handler.context, &peer, strcmp(row.state, "up") == 0, NULL);
	}
	client->wanted[REQUEST_SESSIONS] = true;
	client->sessions_stale = true;
	return 0;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

typedef int (*line_meaning)(struct bird_client *, const struct bird_line *, struct error *);

static int read_connection(
	struct bird_client *client, struct connection *connection, line_meaning meaning, struct error *error)
{
	struct bird_line line;
	char buffer[4096];
	int result = 0;

	for (;;) {
		ssize_t received = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		const char *bytes = buffer;
		size_t size = received > 0 ? (size_t)received : 0;

		if (received < 0)
			return errno == EAGAIN ? 0 : error_errno(error, -errno, "BIRD's control socket");
		if (received == 0)
			return error_set(error, -ECONNRESET, "BIRD closed its control socket");
		while (result == 0 && bird_reader_next(&connection->reader, &bytes, &size, &line))
			result = meaning(client, &line, error);
		if (result < 0)
			return result;
	}
}

int bird_client_read(struct bird_client *client, struct error *error)
{
	int result = read_connection(client, &client->pushed, pushed_line, error);

	if (result == 0)
		result = read_connection(client, &client->command, command_line, error);
	return result < 0 ? result : send_next(client, error);
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static struct bird_client *client_new(const struct bird_handler *handler)
{
	struct bird_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->handler = *handler;
	client->command.fd = client->pushed.fd = -1;
	client->outstanding = REQUEST_NONE;
	client->wanted[REQUEST_SESSIONS] = true;
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	return client;
}

/* Anew, when there was a connection before. */
static int connect_to(const struct bird_client *client, struct connection *connection, const char *path)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	close_descriptor(&connection->fd);
	/* A BIRD that hangs, with a full queue of connections, must not hang us too. */
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		return -errno;
	return 0;
}

static void pause_ms(int milliseconds)
{
	poll(NULL, 0, milliseconds);
}

/* Reads until BIRD has greeted on both connections. */
static int await_greetings(struct bird_client *client, uint64_t deadline, struct error *error)
{
	struct pollfd poller = {.fd = client->epoll, .events = POLLIN};

	while (!client->command.greeted || !client->pushed.greeted) {
		uint64_t now = now_ms();
		int result;

		if (now >= deadline)
			return error_set(error, -ETIMEDOUT, "BIRD does not greet on its control socket");
		poll(&poller, 1, (int)(deadline - now));
		result = bird_client_read(client, error);
		if (result < 0)
			return result;
	}
	return 0;
}

int bird_client_open(struct bird_client **client, const char *socket_path, const struct bird_handler *handler,
	unsigned timeout_ms, struct error *error)
{
	uint64_t deadline = now_ms() + timeout_ms;
	struct bird_client *opened = client_new(handler);
	int result;

	if (!opened)
		return error_errno(error, -ENOMEM, "BIRD's client");
	while ((result = connect_to(opened, &opened->command, socket_path)) < 0 ||
		(result = connect_to(opened, &opened->pushed, socket_path)) < 0) {
		if (now_ms() >= deadline)
			break;
		pause_ms(RETRY_MS);
	}
	if (result < 0)
		result = error_errno(error, result, "BIRD's control socket %s", socket_path);
	else
		result = await_greetings(opened, deadline, error);
	if (result < 0)
		bird_client_close(opened);
	else
		*client = opened;
	return result;
}

void bird_client_close(struct bird_client *client)
{
	if (!client)
		return;
	close_descriptor(&client->command.fd);
	close_descriptor(&client->pushed.fd);
	close_descriptor(&client->epoll);
	free(client->expected);
	free(client->silent);
	told_free(&client->told);
	free(client);
}

int bird_client_fd(const struct bird_client *client)
{
	return client->epoll;
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static struct address *announced_addresses(
	const struct model *model, const struct announcement *announcement, size_t *count)
{
	size_t room = 1;
	struct address *addresses;

	for (size_t i = 0; i < model->loopback_count; i++)
		room += model->loopbacks[i].address_count;
	addresses = calloc(room, sizeof(*addresses));
	*count = 0;
	for (size_t i = 0; addresses && i < model->loopback_count; i++)
		for (size_t j = 0; announcement->loopbacks[i] && j < model->loopbacks[i].address_count; j++)
			addresses[(*count)++] = model->loopbacks[i].addresses[j];
	return addresses;
}

static void *silent_sessions(
	const struct model *model, const struct announcement *announcement, size_t *count)
{
	char(*names)[BIRD_NAME_SIZE] = calloc(model->tunnel_count + model->router_count + 1, sizeof(*names));

	*count = 0;
	for (size_t i = 0; names && i < model->tunnel_count; i++)
		if (model->tunnels[i].bgp.enabled && announcement->tunnels[i] == VOICE_SILENT)
			bird_tunnel_session(model->tunnels[i].number, names[(*count)++]);
	for (size_t i = 0; names && announcement->withdrawn && i < model->router_count; i++)
		bird_router_session(model->routers[i].name, names[(*count)++]);
	return names;
}

static bool has_links(const struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model_announced_to(model, &model->tunnels[i]))
			return true;
	return false;
}

int bird_client_configure(struct bird_client *client, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	size_t count, silent_count;
	struct address *addresses = announced_addresses(model, announcement, &count);
	void *silent = silent_sessions(model, announcement, &silent_count);

	if (!addresses || !silent) {
		free(addresses);
		free(silent);
		return error_errno(error, -ENOMEM, "the announced set");
	}
	free(client->expected);
	free(client->silent);
	client->expected = addresses;
	client->expected_count = count;
	client->silent = silent;
	client->silent_count = silent_count;
	client->has_routers = model->router_count > 0;
	client->has_links = has_links(model);
	client->configured = -EAGAIN;
	client->wanted[REQUEST_SILENCE] = false;
	client->wanted[REQUEST_TOLD_LEAVING] = false;
	client->told_stale = true;
	client->wanted[REQUEST_CONFIGURE] = true;
	return send_next(client, error);
}

int bird_client_refresh(struct bird_client *client, struct error *error)
{
	if (client->outstanding != REQUEST_NONE && ++client->unanswered >= BIRD_PATIENCE)
		return error_set(error, -ETIMEDOUT, "BIRD does not answer on its control socket");
	client->wanted[REQUEST_SESSIONS] = true;
	client->wanted[REQUEST_BFD] = client->has_routers;
	client->wanted[REQUEST_TOLD] |= client->has_links;
	if (client->configured == -EAGAIN || client->configured == -ESTALE)
		client->wanted[REQUEST_CONFIGURE] = true;
	else if (client->configured == 0)
		client->wanted[REQUEST_ROUTES] = true;
	return send_next(client, error);
}

static bool is_idle(const struct bird_client *client)
{
	if (client->outstanding != REQUEST_NONE)
		return false;
	for (size_t i = 0; i < REQUEST_COUNT; i++)
		if (client->wanted[i])
			return false;
	return true;
}

int bird_client_wait(struct bird_client *client, unsigned timeout_ms, struct error *error)
{
	struct pollfd poller = {.fd = client->epoll, .events = POLLIN};
	uint64_t deadline = now_ms() + timeout_ms;

	for (;;) {
		uint64_t now = now_ms();
		int result = bird_client_read(client, error);

		if (result < 0)
			return result;
		if (is_idle(client)) {
			if (client->configured == 0)
				return 0;
			if (client->configured != -EAGAIN)
				return error_set(error, client->configured, "BIRD: %s", client->words);
			client->wanted[REQUEST_ROUTES] = true;
			pause_ms(RETRY_MS);
		} else if (now < deadline) {
			poll(&poller, 1, (int)(deadline - now));
		}
		if (now >= deadline)
			return error_set(error, -ETIMEDOUT, "BIRD: no answer to \"configure\" in time: %s",
				client->words);
	}
}
