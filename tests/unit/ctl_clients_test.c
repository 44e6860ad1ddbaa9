// SPDX-License-Identifier: Apache-2.0
/* The control socket against clumsy, slow and hostile clients. */
#include "control_talk.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- Bad clients ------------------------------------------------------------------------------------------------ */

static void nonsense_is_answered_and_forgiven(void)
{
	static const char *const nonsense[] = {"\n", "hello\n", "{}\n", "[]\n", "{\"method\":7}\n",
		"{\"method\":\"nope\"}\n", "{\"method\":\"status\"\n",
		"{\"method\":\"status\",\"method\":\"version\"}\n", "{\"method\":\"version\",\"more\":1}\n",
		"{\"method\":\"version\",\"arguments\":[]}\n",
		"{\"method\":\"version\",\"arguments\":{\"port\":1}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"port\":\"1\"}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"port\":0}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"port\":65536}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"state\":\"dead\"}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"address\":\"1.2.3\"}}\n",
		"{\"method\":\"flow.list\",\"arguments\":{\"port\":1,\"port\":2}}\n",
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"tcp\"}}\n",
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"0\",\"source\":\"::\","
		"\"destination\":\"::\"}}\n",
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"tcp\",\"source\":\"1.2.3.4\","
		"\"destination\":"
		"\"2001:db8::1\"}}\n",
		"{\"method\":\"\xff\xfe\"}\n", "{\"method\":\"a\\u0000b\"}\n", "\xff\xff\xff\n",
		"{\"method\":\"\xc3\"}\n"};
	_cleanup_close_ int fd = -1;

	world_open();
	fd = connect_client();
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		say(fd, nonsense[i], strlen(nonsense[i]));
		hear(fd);
		CU_ASSERT_EQUAL(count_lines(reply), 1);
		CU_ASSERT_EQUAL(code_of(reply), REPLY_USAGE);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"error\":\""));
	}
	say(fd, "{\"method\":\"a\0b\"}\n{\"method\":\"version\"}\n", 38);
	CU_ASSERT_EQUAL(count_lines(hear(fd)), 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"code\":0}"));
	world_close();
}

static void deep_nesting_is_survived(void)
{
	_cleanup_close_ int fd = -1;
	char deep[12001];

	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\n';
	world_open();
	fd = connect_client();
	say(fd, deep, sizeof(deep));
	CU_ASSERT_EQUAL(code_of(hear(fd)), REPLY_USAGE);
	world_close();
}

static void a_huge_line_ends_the_connection(void)
{
	_cleanup_free_ char *huge = malloc(4 << 20);
	_cleanup_close_ int fd = -1;

	memset(huge, 'x', 4 << 20);
	world_open();
	fd = connect_client();
	say(fd, huge, 4 << 20);
	CU_ASSERT_EQUAL(code_of(hear(fd)), REPLY_USAGE);
	CU_ASSERT(recv(fd, reply, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"version\"}\n")), 0);
	world_close();
}

static void requests_may_come_in_pieces_and_in_heaps(void)
{
	static const char request[] = "{\"method\":\"version\"}\n";
	_cleanup_close_ int fd = -1;
	char heap[100 * (sizeof(request) - 1)];

	world_open();
	fd = connect_client();
	for (size_t i = 0; i + 1 < sizeof(request); i++)
		say(fd, request + i, 1);
	CU_ASSERT_EQUAL(count_lines(hear(fd)), 2);
	for (size_t i = 0; i < 100; i++)
		memcpy(heap + i * (sizeof(request) - 1), request, sizeof(request) - 1);
	say(fd, heap, sizeof(heap));
	CU_ASSERT_EQUAL(count_lines(hear(fd)), 200);
	world_close();
}

static void who_closes_for_writing_still_gets_the_answer(void)
{
	_cleanup_close_ int fd = -1;

	world_open();
	fd = connect_client();
	CU_ASSERT(send(fd, "{\"method\":\"flow.count\"}\n", 24, 0) == 24);
	shutdown(fd, SHUT_WR);
	CU_ASSERT_STRING_EQUAL(hear(fd), "{\"flows\":0}\n{\"code\":0}\n");
	CU_ASSERT_EQUAL(recv(fd, reply, 1, MSG_DONTWAIT), 0);
	world_close();
}

static void a_half_request_is_dropped_with_its_client(void)
{
	int fd;

	world_open();
	for (int i = 0; i < 100; i++) {
		fd = connect_client();
		say(fd, "{\"method\":\"gateway.sto", 22);
		close(fd);
		serve();
	}
	CU_ASSERT_EQUAL(world.stops, 0);
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"version\"}\n")), 0);
	world_close();
}

static void fill_flows(void)
{
	for (uint32_t i = 0; i < WORLD_LINES; i++)
		world.flows.lines[i] = world_line("100.64.1.5", (uint16_t)i, "192.0.2.1", LINE_ESTABLISHED);
}

/* The list is 20 MB; what waits for the deaf client stays far below that, and others are served. */
static void who_never_reads_only_waits_for_itself(void)
{
	_cleanup_close_ int deaf = -1;
	size_t rows = 0;

	world_open();
	fill_flows();
	deaf = connect_client();
	say(deaf, "{\"method\":\"flow.list\"}\n{\"method\":\"flow.list\"}\n", 46);
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"version\"}\n")), 0);
		serve();
		CU_ASSERT_EQUAL(sd_event_run(world.event, 0), 0); /* nothing to do: no busy loop either */
	}
	CU_ASSERT(recv(deaf, reply, sizeof(reply), MSG_PEEK) < 1 << 19);
	while (strlen(hear(deaf)) > 0)
		rows += count_lines(reply);
	CU_ASSERT_EQUAL(rows, 2 * (WORLD_LINES + 1));
	world_close();
}

static void a_step_is_bounded(void)
{
	_cleanup_close_ int fd = -1;
	struct request request = {.views = &(struct ctl_views){&world.status, &world.flows, &world.devices,
					  &world.settings, &world.events}};
	struct output output = {.fd = -1};

	world_open();
	fill_flows();
	request.output = &output;
	request.method = &ctl_methods[0];
	for (int i = 0; i < 100; i++)
		if (!output_full(&output))
			for (size_t k = 0; k < ctl_method_count; k++)
				if (strcmp(ctl_methods[k].name, METHOD_FLOW_LIST) == 0)
					ctl_methods[k].step(&request);
	CU_ASSERT(output_full(&output));
	CU_ASSERT(output.used < OUTPUT_FULL + 1024);
	output_free(&output);
	world_close();
}

/* Who never reads all that waits for him. */
static void a_slow_reader_costs_no_more_than_what_waits_for_him(void)
{
	static char row[400];
	int ends[2], less = OUTPUT_FULL / 4; /* than waits, fits into the socket */
	struct output output = {0};

	memset(row, ' ', sizeof(row));
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	CU_ASSERT_EQUAL(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &less, sizeof(less)), 0);
	output.fd = ends[0];
	for (int i = 0; i < 100000; i++) {
		while (!output_full(&output))
			CU_ASSERT_EQUAL(output_text(&output, row, sizeof(row)), 0);
		CU_ASSERT(output_flush(&output) >= 0);
		CU_ASSERT(recv(ends[1], reply, 1000, 0) > 0);
		CU_ASSERT(!output_empty(&output));
	}
	CU_ASSERT(output.size < 4 * OUTPUT_FULL);
	output_free(&output);
	close(ends[0]);
	close(ends[1]);
}

#define CLIENTS_MAX 256 /* of server.c */

static void too_many_clients_are_turned_away_in_words(void)
{
	int fds[CLIENTS_MAX + 8];
	int served = 0, refused = 0;

	world_open();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_client();
		serve();
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		say(fds[i], "{\"method\":\"version\"}\n", 21);
		hear(fds[i]);
		served += code_of(reply) == 0;
		refused += code_of(reply) == REPLY_UNREACHABLE && strstr(reply, "too many clients");
		close(fds[i]);
	}
	serve();
	CU_ASSERT_EQUAL(served, CLIENTS_MAX);
	CU_ASSERT_EQUAL(refused, 8);
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"version\"}\n")), 0);
	world_close();
}

/* So that the process may open no further descriptor. */
static void allow_descriptors(bool yes)
{
	static struct rlimit before;
	struct rlimit limit;

	if (yes) {
		CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
		return;
	}
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)fcntl(0, F_DUPFD, 0); /* the lowest that is free */
	close((int)limit.rlim_cur);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void who_cannot_be_accepted_waits_without_keeping_the_daemon_busy(void)
{
	_cleanup_close_ int fd = -1;
	int turns = 0;

	world_open();
	fd = connect_client();
	allow_descriptors(false);
	while (turns < 100 && sd_event_run(world.event, 100000) > 0)
		turns++;
	allow_descriptors(true);
	CU_ASSERT(turns < 5);
	while (turns++ < 100 && sd_event_run(world.event, 100000) >= 0)
		;
	say(fd, "{\"method\":\"version\"}\n", 21);
	CU_ASSERT_EQUAL(code_of(hear(fd)), 0);
	world_close();
}

/* A child without root's rights asks; its exit status is the code it got. */
static int code_for_nobody(const char *request)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int fd;

		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(100);
		fd = connect_client();
		fcntl(fd, F_SETFL, 0);
		if (send(fd, request, strlen(request), 0) < 0 || recv(fd, reply, sizeof(reply) - 1, 0) <= 0)
			_exit(101);
		_exit(code_of(reply));
	}
	for (int i = 0; i < 5000 && waitpid(child, &status, WNOHANG) == 0; i++)
		sd_event_run(world.event, 1000);
	return WEXITSTATUS(status);
}

static void changes_are_for_root(void)
{
	char socket_name[128];
	struct stat is;

	if (geteuid() != 0) {
		printf("SKIP ctl: changes are for root: only root can become somebody else\n");
		return;
	}
	world_open();
	snprintf(socket_name, sizeof(socket_name), "%s/%s", world.run_dir, CONTROL_SOCKET);
	CU_ASSERT_EQUAL(stat(socket_name, &is), 0);
	CU_ASSERT_EQUAL(is.st_mode & 07777, 0660);
	CU_ASSERT(chmod(world.run_dir, 0755) == 0 && chmod(socket_name, 0666) == 0);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"flow.count\"}\n"), REPLY_FINE);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"gateway.stop\"}\n"), REPLY_NOT_PERMITTED);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"gateway.drain\"}\n"), REPLY_NOT_PERMITTED);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"gateway.undrain\"}\n"), REPLY_NOT_PERMITTED);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"gateway.switch\"}\n"), REPLY_NOT_PERMITTED);
	CU_ASSERT_FALSE(world.status.drained);
	CU_ASSERT_EQUAL(code_for_nobody("{\"method\":\"flow.flush\",\"arguments\":{\"all\":true}}\n"),
		REPLY_NOT_PERMITTED);
	CU_ASSERT_EQUAL(world.stops, 0);
	world_close();
}

static void the_socket_belongs_to_one_daemon(void)
{
	const struct ctl_views views = {
		&world.status, &world.flows, &world.devices, &world.settings, &world.events};
	const struct ctl_hooks hooks = {0};
	struct error error;
	struct ctl *second = NULL;

	world_open();
	CU_ASSERT_EQUAL(ctl_open(world.event, world.run_dir, &views, &hooks, &second, &error), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "another gwd"));
	world.model.control_group = "no-such-group";
	ctl_close(world.ctl);
	world.ctl = NULL;
	CU_ASSERT_EQUAL(ctl_open(world.event, world.run_dir, &views, &hooks, &second, &error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no-such-group"));
	world_close();
}

/* Who holds a part of the model when another takes its place is told so, and may ask again. */
static void a_new_model_interrupts_who_holds_the_old(void)
{
	static const char filtered[] = "{\"method\":\"flow.list\",\"arguments\":{\"provider\":\"acme\"}}\n";
	_cleanup_close_ int fd = -1;

	world_open();
	fill_flows();
	fd = connect_client();
	say(fd, filtered, strlen(filtered));
	ctl_interrupt(world.ctl);
	CU_ASSERT_EQUAL(code_of(hear(fd)), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "another configuration came into force"));
	say(fd, "{\"method\":\"version\"}\n", 21);
	CU_ASSERT_EQUAL(code_of(hear(fd)), 0);
	world_close();
}

UNIT_TESTS("ctl clients",
	{"a new model interrupts who holds the old", a_new_model_interrupts_who_holds_the_old},
	{"nonsense is answered and forgiven", nonsense_is_answered_and_forgiven},
	{"deep nesting is survived", deep_nesting_is_survived},
	{"a huge line ends the connection", a_huge_line_ends_the_connection},
	{"requests may come in pieces and in heaps", requests_may_come_in_pieces_and_in_heaps},
	{"who closes for writing still gets the answer", who_closes_for_writing_still_gets_the_answer},
	{"a half request is dropped with its client", a_half_request_is_dropped_with_its_client},
	{"who never reads only waits for itself", who_never_reads_only_waits_for_itself},
	{"a step is bounded", a_step_is_bounded},
	{"a slow reader costs no more than what waits for him",
		a_slow_reader_costs_no_more_than_what_waits_for_him},
	{"too many clients are turned away in words", too_many_clients_are_turned_away_in_words},
	{"who cannot be accepted waits without keeping the daemon busy",
		who_cannot_be_accepted_waits_without_keeping_the_daemon_busy},
	{"changes are for root", changes_are_for_root},
	{"the socket belongs to one daemon", the_socket_belongs_to_one_daemon})
