// SPDX-License-Identifier: Apache-2.0
/*
 * What BIRD says. The reader: the same bytes give the same lines however they are cut, and no row overflows. The
 * client: both its connections are fed by turns, between what gwd does to it; it reports only what stands to
 * reason, and it neither hangs nor writes to a connection without end. The client is compiled in, since its
 * connections are made here.
 */
#include "bird/client.c"

#include <fcntl.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

/* ---- The reader -------------------------------------------------------------------------------------------------- */

#define LINES_MAX 64

static size_t read_lines(struct input input, size_t piece, struct bird_line *lines)
{
	struct bird_reader reader = {0};
	size_t count = 0;

	while (input.size > 0 && count < LINES_MAX) {
		struct input part = take_part(&input, piece);
		const char *bytes = (const char *)part.bytes;

		while (count < LINES_MAX && bird_reader_next(&reader, &bytes, &part.size, &lines[count]))
			count++;
	}
	return count;
}

static void check_line(const struct bird_line *line)
{
	struct bird_session_row row;
	struct prefix net = {0};
	char protocol[64];
	uint16_t tunnel = 0;

	MUST(memchr(line->text, '\0', sizeof(line->text)));
	MUST(line->code <= 9999 && (line->kind == BIRD_LINE_REPLY || (line->code == 0 && !line->last)));
	if (bird_session_row(line->text, &row))
		MUST(row.name[0] && row.state[0]);
	if (bird_route_row(line->text, &net, protocol))
		MUST(protocol[0] && strlen(protocol) < sizeof(protocol) && net.length <= 128);
	if (bird_pushed_route(line->text))
		MUST(!bird_pushed_state(line->text, &row));
	if (bird_pushed_state(line->text, &row) && bird_session_tunnel(row.name, &tunnel))
		MUST(tunnel > 0);
}

static void check_reader(struct input input)
{
	static struct bird_line whole[LINES_MAX], cut[LINES_MAX];
	size_t piece = 1 + take_byte(&input) % 32;
	size_t count = read_lines(input, SIZE_MAX, whole);

	MUST(read_lines(input, piece, cut) == count);
	for (size_t i = 0; i < count; i++) {
		MUST(whole[i].kind == cut[i].kind && whole[i].code == cut[i].code &&
			whole[i].last == cut[i].last && strcmp(whole[i].text, cut[i].text) == 0);
		check_line(&whole[i]);
	}
}

/* ---- The client -------------------------------------------------------------------------------------------------- */

struct heard {
	unsigned configured;
};

static void on_told(void *context, const struct told_route *routes, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++)
		MUST(routes[i].tunnel > 0 && routes[i].prefix.length <= 128);
}

static void on_bfd(void *context, const struct address *neighbor, const char *interface, bool up)
{
	(void)context, (void)neighbor, (void)interface, (void)up;
}

static void on_session(void *context, const struct bird_peer *peer, bool established, const char *words)
{
	(void)context;
	MUST((peer->tunnel > 0) == !peer->router);
	MUST(!words || (strlen(words) < sizeof(((struct bird_session_row *)0)->words) &&
			       established == (strcmp(words, "Established") == 0)));
}

static void on_configured(void *context, int result, const char *words)
{
	((struct heard *)context)->configured++;
	MUST(result == 0 || result == -EAGAIN || result == -ESTALE || result == -EINVAL);
	MUST(strlen(words) < BIRD_LINE_MAX);
}

static int make_connection(struct connection *connection)
{
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	connection->fd = ends[0];
	return ends[1];
}

/* Takes what the client asked. How many commands; all are whole. */
static size_t hear_commands(int fd)
{
	char text[4096];
	ssize_t size = recv(fd, text, sizeof(text), MSG_DONTWAIT);
	size_t count = 0;

	MUST(size < (ssize_t)sizeof(text));
	MUST(size <= 0 || text[size - 1] == '\n');
	for (ssize_t i = 0; i < size; i++)
		count += text[i] == '\n';
	return count;
}

static int configure(struct bird_client *client)
{
	struct address addresses[2] = {
		{{[10] = 0xff, 0xff, 192, 0, 2, 1}}, {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
	struct loopback loopback = {.name = "control", .addresses = addresses, .address_count = 2};
	struct tunnel tunnel = {.number = 101, .bgp = {.enabled = true}};
	struct router router = {.name = "ixp-1"};
	struct egress_link link = {.tunnel = &tunnel};
	struct egress_group group = {.links = &link, .link_count = 1};
	struct model model = {.loopbacks = &loopback,
		.egress = &group,
		.egress_count = 1,
		.loopback_count = 1,
		.tunnels = &tunnel,
		.tunnel_count = 1,
		.routers = &router,
		.router_count = 1};
	const struct announcement announcement = {
		&(bool){true}, &(enum voice){VOICE_SILENT}, false, true, &(bool){true}};
	struct error error;

	return bird_client_configure(client, &model, &announcement, &error);
}

/* One turn: bytes on one of the connections and what the client makes of them, or something that gwd does. */
static int play(struct bird_client *client, const int far[2], struct input *input)
{
	uint8_t turn = take_byte(input);
	struct input part;
	struct error error;

	if (turn == 0)
		return configure(client);
	if (turn == 0x80)
		return bird_client_refresh(client, &error);
	part = take_part(input, turn & 0x7f);
	MUST(send(far[turn >> 7], part.bytes, part.size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)part.size);
	return bird_client_read(client, &error);
}

static void check_client(struct input input)
{
	struct heard heard = {0};
	struct bird_handler handler = {on_session, on_told, on_bfd, on_configured, &heard};
	struct bird_client *client = client_new(&handler);
	int far[2] = {make_connection(&client->command), make_connection(&client->pushed)};
	int result = 0;

	while (result == 0 && input.size > 0) {
		result = play(client, far, &input);
		MUST(hear_commands(far[0]) <= 1); /* BIRD drops a connection with more */
		MUST(hear_commands(far[1]) <= 1);
		MUST(client->expected_seen <= BIRD_LINE_MAX || client->expected_count);
	}
	MUST(result <= 0);
	close(far[0]);
	close(far[1]);
	bird_client_close(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, size};

	if (take_byte(&input) & 1)
		check_reader(input);
	else
		check_client(input);
	return 0;
}
