// SPDX-License-Identifier: Apache-2.0
/* The prober on real sockets, of this machine alone: a server in the same event loop answers. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "probe/private.h"

#define PROBES_MOST 4
#define FOR_GOOD    3600000
#define LATER_US    3400000

static struct {
	sd_event *event;
	sd_event_source *io;
	int listener, taken[64];
	size_t taken_count;
	uint16_t port;
	const char *says; /* NULL: nothing */
	struct answer answers[PROBES_MOST];
	unsigned counts[PROBES_MOST], enough; /* of the last probe's */
	unsigned stall_ms;                    /* at the first answer of the first probe */
	int waiting;                          /* 0, or one that is answered later */
	sd_event_source *timer;
	size_t last;
} world;

static const struct address here = {.bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}};

static int say(int to)
{
	if (write(to, world.says, strlen(world.says)) < 0)
		return -1;
	return shutdown(to, SHUT_WR);
}

static int say_later(sd_event_source *source, uint64_t due_us, void *userdata)
{
	(void)source, (void)due_us, (void)userdata;
	return say(world.waiting);
}

static int take(sd_event_source *source, int descriptor, uint32_t events, void *userdata)
{
	int taken = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);

	(void)source, (void)events, (void)userdata;
	if (taken < 0 || world.taken_count == ARRAY_SIZE(world.taken))
		return -1;
	world.taken[world.taken_count++] = taken;
	if (world.says && world.stall_ms) {
		world.waiting = taken;
		return sd_event_add_time_relative(
			world.event, &world.timer, CLOCK_MONOTONIC, LATER_US, 1000, say_later, NULL);
	}
	if (world.says)
		say(taken);
	return 0;
}

static void open_world(const char *says)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(own);

	memset(&world, 0, sizeof(world));
	world.says = says;
	world.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(world.listener, (struct sockaddr *)&own, sizeof(own)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(world.listener, 16), 0);
	CU_ASSERT_EQUAL_FATAL(getsockname(world.listener, (struct sockaddr *)&own, &size), 0);
	world.port = ntohs(own.sin_port);
	CU_ASSERT_FATAL(sd_event_new(&world.event) >= 0);
	CU_ASSERT_FATAL(sd_event_add_io(world.event, &world.io, world.listener, EPOLLIN, take, NULL) >= 0);
}

static void close_world(void)
{
	for (size_t i = 0; i < world.taken_count; i++)
		close(world.taken[i]);
	sd_event_source_unref(world.io);
	sd_event_source_unref(world.timer);
	sd_event_unref(world.event);
	close(world.listener);
}

static void hear(void *self, size_t which, const struct answer *answer)
{
	(void)self;
	world.answers[which] = *answer;
	if (which == 0 && world.counts[0] == 0)
		usleep(world.stall_ms * 1000);
	if (++world.counts[which] >= world.enough && which == world.last)
		sd_event_exit(world.event, 0);
}

static struct probe connects(const char *name)
{
	return (struct probe){.name = (char *)name,
		.tcp = {.enabled = true, .to = here, .port = world.port},
		.interval_ms = 50,
		.timeout_ms = 20000};
}

/* Until the last one has so many answers. */
static void run(struct probe *probes, size_t count, unsigned enough)
{
	const struct model model = {.probes = probes, .probe_count = count};
	const uint32_t first_ms[PROBES_MOST] = {world.stall_ms ? 200 : 0};
	struct prober *prober = NULL;
	struct error error;

	world.last = count - 1;
	world.enough = enough;
	CU_ASSERT_EQUAL_FATAL(prober_open(world.event, &model, first_ms, hear, NULL, &prober, &error), 0);
	CU_ASSERT(sd_event_loop(world.event) >= 0);
	prober_close(prober);
}

static void a_connection_is_an_answer(void)
{
	struct probe probes[2];

	open_world(NULL);
	probes[0] = connects("nobody listens");
	probes[0].tcp.port = 1;
	probes[1] = connects("works");
	run(probes, 2, 3);
	CU_ASSERT(world.counts[0] > 0 && !world.answers[0].good);
	CU_ASSERT_STRING_EQUAL(world.answers[0].words, "Connection refused");
	CU_ASSERT(world.answers[1].good);
	CU_ASSERT_STRING_EQUAL(world.answers[1].words, "connected");
	close_world();
}

/* The address of the link is not there: that says nothing of the other end. */
static void what_keeps_us_from_asking_is_no_answer(void)
{
	static struct prefix link = {.address = {.bytes = {[10] = 0xff, 0xff, 192, 0, 2, 77}}, .length = 120};
	static const struct tunnel tunnel = {.name = "lo", .addresses = &link, .address_count = 1};
	const struct address other_end = {.bytes = {[10] = 0xff, 0xff, 192, 0, 2, 1}};
	struct probe probes[3];

	open_world(NULL);
	probes[0] = connects("by TCP");
	probes[0].tunnel = &tunnel;
	probes[0].tcp.to = other_end;
	probes[1] = (struct probe){.name = "by HTTP",
		.tunnel = &tunnel,
		.http = {.enabled = true, .url = "http://192.0.2.1/", .to = other_end, .port = 80},
		.interval_ms = 50,
		.timeout_ms = 20000};
	probes[2] = connects("works");
	run(probes, 3, 5);
	CU_ASSERT_EQUAL(world.counts[0], 0);
	CU_ASSERT_EQUAL(world.counts[1], 0);
	close_world();
}

static void a_port_is_not_taken_before_it_is_needed(void)
{
	static struct prefix link = {.address = {.bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}}, .length = 104};
	static const struct tunnel tunnel = {.name = "lo", .addresses = &link, .address_count = 1};
	struct probe probe;
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	struct error error;
	int descriptor;

	open_world(NULL);
	probe = connects("tcp");
	probe.tunnel = &tunnel;
	descriptor = path_socket(&probe, SOCK_STREAM, 0, &error);
	CU_ASSERT_FATAL(descriptor >= 0);
	CU_ASSERT_EQUAL(getsockname(descriptor, (struct sockaddr *)&own, &size), 0);
	CU_ASSERT_EQUAL(own.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CU_ASSERT_EQUAL(own.sin_port, 0);
	close(descriptor);
	close_world();
}

#define BODY_LENGTH 3000

/* A body with a word at its beginning, one in its third kilobyte. */
static char *long_answer(void)
{
	static char text[BODY_LENGTH + 128];
	int head = snprintf(text, sizeof(text),
		"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BODY_LENGTH);

	memset(text + head, '.', BODY_LENGTH);
	memcpy(text + head + 10, "early", 5);
	memcpy(text + head + 2500, "late", 4);
	text[head + BODY_LENGTH] = '\0';
	return text;
}

static void a_regular_expression_must_match_early(void)
{
	char url[64];
	struct probe probes[3];

	open_world(long_answer());
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", world.port);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i] = (struct probe){.name = "http",
			.http = {.enabled = true, .url = url, .to = here, .port = world.port, .verify = true},
			.interval_ms = i < 2 ? FOR_GOOD : 50,
			.timeout_ms = 20000};
	probes[0].http.regex = "e.rly";
	probes[1].http.regex = "l.te";
	probes[2].http.body = "late";
	run(probes, 3, 5);
	CU_ASSERT(world.answers[0].good);
	CU_ASSERT_FALSE(world.answers[1].good);
	CU_ASSERT_STRING_EQUAL(world.answers[1].words, "HTTP 200, but its body does not match \"l.te\"");
	CU_ASSERT(world.answers[2].good);
	close_world();
}

/* The loop stands for most of the second one's time; it is answered long after that, but soon enough for one that did not stand. */
static void a_time_does_not_run_while_the_loop_stands(void)
{
	char url[64];
	struct probe probes[2];

	open_world("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	world.stall_ms = 2400;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", world.port);
	probes[0] = connects("stalls");
	probes[0].tcp.port = 1;
	probes[0].interval_ms = FOR_GOOD;
	probes[1] = (struct probe){.name = "http",
		.http = {.enabled = true, .url = url, .to = here, .port = world.port, .verify = true},
		.interval_ms = FOR_GOOD,
		.timeout_ms = 3000};
	run(probes, 2, 1);
	CU_ASSERT_STRING_EQUAL(world.answers[1].words, "HTTP 200");
	close_world();
}

static void how_long_it_waits_is_known(void)
{
	struct probe probes[2];
	const uint32_t first_ms[] = {FOR_GOOD, 0};
	struct model model = {.probes = probes, .probe_count = 2};
	struct prober *prober = NULL;
	struct error error;

	open_world(NULL);
	probes[0] = connects("later");
	probes[1] = connects("now");
	CU_ASSERT_EQUAL_FATAL(prober_open(world.event, &model, first_ms, hear, NULL, &prober, &error), 0);
	CU_ASSERT(prober_waits_ms(prober, 0) <= FOR_GOOD);
	CU_ASSERT(prober_waits_ms(prober, 0) > FOR_GOOD / 2);
	CU_ASSERT_EQUAL(prober_waits_ms(prober, 1), 0);
	prober_close(prober);
	close_world();
}

UNIT_TESTS("prober", {"a connection is an answer", a_connection_is_an_answer},
	{"what keeps us from asking is no answer", what_keeps_us_from_asking_is_no_answer},
	{"a port is not taken before it is needed", a_port_is_not_taken_before_it_is_needed},
	{"a regular expression must match early", a_regular_expression_must_match_early},
	{"a time does not run while the loop stands", a_time_does_not_run_while_the_loop_stands},
	{"how long it waits is known", how_long_it_waits_is_known})
