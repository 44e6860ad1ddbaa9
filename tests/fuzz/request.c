// SPDX-License-Identifier: Apache-2.0
/*
 * The control socket. By the first byte: either one request after the other without a socket, which is quick; or a
 * client's bytes, whole or cut into pieces, to the server's side of a connection, until it closes for writing. Every
 * line is answered, by lines of JSON of which the last has a code, unless it waits for events; a server lets its client
 * go in the end, and is left with nothing to do.
 */
#include <fcntl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "ctl/client.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/control_world.h"

#define LINES     64 /* of each table: a list is to take one step or two, not a second */
#define STEPS_MAX 100000

static char reply[1 << 20];

static void make_world(void)
{
	world_make();
	rmdir(world.run_dir);
	world.flows.count = world.devices.count = LINES;
	if (sd_event_new(&world.event) < 0)
		abort();
	log_set_level(LOG_LEVEL_ERROR);
}

static void fill_tables(void)
{
	world.flows.lines[3] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[9] = world_line("2001:db8:100::7", 2, "2001:db8::1", LINE_HALF_OPEN);
	world_device(3, "100.64.1.5");
}

static void serve(void)
{
	for (int steps = 0; sd_event_run(world.event, 0) > 0; steps++)
		MUST(steps < STEPS_MAX);
}

/* Reads what is there; true: there may be more. */
static bool hear(int fd, size_t *used)
{
	ssize_t size = recv(fd, reply + *used, sizeof(reply) - *used, MSG_DONTWAIT);

	if (size > 0)
		*used += (size_t)size;
	MUST(*used < sizeof(reply));
	return size > 0;
}

/* Pieces go out as the server takes them; what does not fit waits for it to read. */
static void say(int fd, struct input input, size_t piece, size_t *used)
{
	while (input.size > 0) {
		size_t size = piece < input.size ? piece : input.size;
		ssize_t sent = send(fd, input.bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0)
			take_part(&input, (size_t)sent);
		else if (errno != EAGAIN)
			return; /* it said that it had enough */
		serve();
		hear(fd, used);
	}
}

/* How many lines carry a code. All are JSON, whole. */
static size_t check_replies(const char *line, size_t size)
{
	const char *stop = line + size, *end;
	size_t codes = 0;

	for (; line < stop; line = end + 1) {
		json_t *row;

		end = memchr(line, '\n', (size_t)(stop - line));
		MUST(end);
		row = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
		MUST(json_is_object(row));
		codes += json_object_get(row, "code") != NULL;
		json_decref(row);
	}
	return codes;
}

/* How many answers the bytes deserve; a line that is too long gets one, and is the last. */
static size_t count_requests(struct input input, bool *cut)
{
	size_t count = 0, start = 0;

	*cut = false;
	for (size_t i = 0; i < input.size; i++) {
		if (i - start == REQUEST_SIZE_MAX) {
			*cut = true;
			return count + 1;
		}
		if (input.bytes[i] == '\n') {
			count++;
			start = i + 1;
		}
	}
	*cut = input.size - start >= REQUEST_SIZE_MAX;
	return count + *cut;
}

static void ask(const struct ctl_views *views, const struct ctl_hooks *hooks, struct input line)
{
	struct output output = {.fd = -1};
	struct request request = {.views = views, .hooks = hooks, .output = &output};
	int code = request_read(&request, (const char *)line.bytes, line.size, 0), steps = 0;

	if (code == REPLY_FINE)
		while ((code = request.method->step(&request)) == REQUEST_MORE)
			MUST(++steps < STEPS_MAX && !output_full(&output));
	MUST(code == REQUEST_WAIT || (code >= REPLY_FINE && code <= REPLY_TIMED_OUT));
	MUST(code <= REPLY_DEGRADED || request.error.text[0]);
	MUST(output.used == 0 || check_replies(output.bytes, output.used) == 0);
	output_free(&output);
}

static void ask_each(const struct ctl_views *views, const struct ctl_hooks *hooks, struct input input)
{
	while (input.size > 0) {
		const uint8_t *end = memchr(input.bytes, '\n', input.size);
		struct input line = take_part(&input, end ? (size_t)(end - input.bytes) : input.size);

		ask(views, hooks, line);
		take_byte(&input);
	}
}

static void converse(
	const struct ctl_views *views, const struct ctl_hooks *hooks, struct input input, size_t piece)
{
	size_t used = 0, codes, wanted;
	struct client_list clients = {0};
	bool cut;
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	MUST(client_open(world.event, ends[0], views, hooks, &clients) == 0);
	wanted = count_requests(input, &cut);
	say(ends[1], input, piece, &used);
	shutdown(ends[1], SHUT_WR);
	do
		serve();
	while (hear(ends[1], &used));
	codes = check_replies(reply, used);
	MUST(world.stopped || clients.count == 1 ? codes <= wanted : codes == wanted);
	close(ends[1]);
	serve();
	MUST(clients.count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct ctl_views views = world_views();
	const struct ctl_hooks hooks = world_hooks();
	struct input input = {bytes, size};
	uint8_t how;

	if (!world.event)
		make_world();
	world.stopped = false;
	fill_tables();
	how = take_byte(&input);
	if (how < 224)
		ask_each(&views, &hooks, input);
	else
		converse(&views, &hooks, input, how == 224 ? SIZE_MAX : how - 224U);
	return 0;
}
