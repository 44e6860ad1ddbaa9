// SPDX-License-Identifier: Apache-2.0
/* gwctl: its command line, its help, its tables, and its commands against the real control socket. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/endpoint.h"
#include "cli/report.h"
#include "control_world.h"

#define OUTPUT_SIZE (1 << 20)
#define WORDS       16

static char output[OUTPUT_SIZE], complaints[OUTPUT_SIZE];

/* ---- The command line ------------------------------------------------------------------------------------------- */

/* Splits at blanks; the texts live until the next call. */
static enum reply_code parse(const char *line, struct invocation *invocation, struct error *error)
{
	static char copy[512];
	char *words[WORDS + 1] = {0}, *rest = copy;
	size_t count = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; count < WORDS && (word = strsep(&rest, " "));)
		if (*word)
			words[count++] = word;
	return arguments_parse(words, invocation, error);
}

static void usage_errors_are_told(void)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{"", "say what"},
		{"flew list", "no object “flew”"},
		{"flow", "needs a verb"},
		{"flow lost", "no verb “lost”"},
		{"flow list more", "“more” is one word too many"},
		{"status now", "“now” is one word too many"},
		{"device get", "needs ADDRESS"},
		{"flow get tcp 1.2.3.4", "needs PROTOCOL"},
		{"map diff a", "needs A B"},
		{"flow get a b c d e", "too many words, from “d” on"},
		{"flow list --nope", "no flag --nope"},
		{"flow list -x", "no flag -x"},
		{"flow list -jj", "no flag -jj"},
		{"flow list --tunne x", "no flag --tunne"},
		{"flow list --tunnel", "--tunnel needs a value: TUNNEL"},
		{"flow list --port 0", "“0” is not a port"},
		{"flow list --port 65536", "“65536” is not a port"},
		{"flow list --port 080", "“080” is not a port"},
		{"flow list --json=yes", "--json takes no value"},
		{"flow list --volatile", "flow list takes no --volatile"},
		{"map dump --tunnel x", "map dump takes no --tunnel"},
		{"status --port 1", "status takes no --port"},
		{"config check f --run-dir /x", "config check takes no --run-dir"},
		{"config apply f --confirm 10ms", "--confirm: at least a second"},
		{"gateway stop --watch", "gateway stop takes no --watch"},
		{"flow list --all", "flow list takes no --all"},
		{"device list --port 1", "device list takes no --port"},
		{"status --watch=", "“” is not a time"},
		{"status --watch=0", "“0” is not a time"},
		{"status --watch=1.5", "“1.5” is not a time"},
		{"status --timeout 99999999", "is not a time"},
		{"status --color sometimes", "auto, always or never"},
	};
	struct invocation invocation;
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(parse(rows[i].line, &invocation, &error), REPLY_USAGE);
		if (!strstr(error.text, rows[i].words))
			printf("%s: %s\n", rows[i].line, error.text);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, rows[i].words));
	}
}

static void flags_stand_anywhere(void)
{
	struct invocation invocation;
	struct error error;

	CU_ASSERT_EQUAL(parse("-j flow --tunnel=a list --run-dir /x --port 80 --watch=500ms --timeout 3 "
			      "--color never",
				&invocation, &error),
		REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(invocation.command->verb, "list");
	CU_ASSERT(invocation.json && !invocation.no_headers && !invocation.help);
	CU_ASSERT_STRING_EQUAL(invocation.tunnel, "a");
	CU_ASSERT_STRING_EQUAL(invocation.run_dir, "/x");
	CU_ASSERT_STRING_EQUAL(invocation.port, "80");
	CU_ASSERT_EQUAL(invocation.watch_ms, 500);
	CU_ASSERT_EQUAL(invocation.timeout_ms, 3000);
	CU_ASSERT_EQUAL(invocation.color, COLOR_NEVER);
	CU_ASSERT_EQUAL(parse("map diff - x", &invocation, &error), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(invocation.selector[0], "-");
	CU_ASSERT_EQUAL(parse("tunnel get -- --odd", &invocation, &error), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(invocation.selector[0], "--odd");
	CU_ASSERT_EQUAL(parse("status --watch", &invocation, &error), REPLY_FINE);
	CU_ASSERT_EQUAL(invocation.watch_ms, 2000);
	CU_ASSERT_STRING_EQUAL(invocation.run_dir, RUN_DIR_DEFAULT);
}

static void endpoints_are_scanned(void)
{
	static const struct {
		const char *text, *address;
		uint16_t port;
	} good[] = {{"192.0.2.1", "192.0.2.1", 0}, {"192.0.2.1:80", "192.0.2.1", 80},
		{"192.0.2.1:0", "192.0.2.1", 0}, {"2001:db8::1", "2001:db8::1", 0},
		{"[2001:db8::1]", "2001:db8::1", 0}, {"[2001:db8::1]:65535", "2001:db8::1", 65535},
		{"[2001:DB8:0::1]:7", "2001:db8::1", 7}, {"::", "::", 0}};
	static const char *const bad[] = {"", ":", "[]", "[", "[::1", "[::1]80", "[::1]:", "[::1]:65536",
		"[::1]:080", "[192.0.2.1]:80", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:80:80", "192.0.2:80",
		"host:80", "1:2", "::ffff:1.2.3.4", "[::1]:-1", "192.0.2.1 :80"};
	struct endpoint endpoint;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CU_ASSERT_EQUAL(endpoint_parse(good[i].text, &endpoint), 0);
		CU_ASSERT_STRING_EQUAL(endpoint.address, good[i].address);
		CU_ASSERT_EQUAL(endpoint.port, good[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(endpoint_parse(bad[i], &endpoint), -EINVAL);
}

/* ---- Help -------------------------------------------------------------------------------------------------------- */

static char *help_text(const char *object, const struct command *command)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	help_print(stream, object, command);
	fclose(stream);
	return text;
}

static void every_command_is_in_the_help(void)
{
	_cleanup_free_ char *all = help_text(NULL, NULL);

	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];
		_cleanup_free_ char *own = help_text(command->object, command);
		_cleanup_free_ char *object = help_text(command->object, NULL);
		char synopsis[64];

		snprintf(synopsis, sizeof(synopsis), "\n  %s%s%s", command->object, command->verb ? " " : "",
			command->verb ? command->verb : "");
		CU_ASSERT(strlen(command->words) >= 10);
		CU_ASSERT_PTR_NOT_NULL(command->run);
		CU_ASSERT_PTR_NOT_NULL(strstr(all, synopsis));
		CU_ASSERT_PTR_NOT_NULL(strstr(all, command->words));
		CU_ASSERT_PTR_NOT_NULL(strstr(object, command->words));
		CU_ASSERT_PTR_NOT_NULL(strstr(own, command->words));
	}
}

static void every_flag_is_in_the_help_where_it_may_stand(void)
{
	_cleanup_free_ char *all = help_text(NULL, NULL);

	for (size_t i = 0; i < flag_count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "--%s", flags[i].name);
		CU_ASSERT_PTR_NOT_NULL(strstr(all, name));
		CU_ASSERT(strlen(flags[i].words) > 3);
		for (size_t k = 0; k < command_count; k++) {
			_cleanup_free_ char *own = help_text(NULL, &commands[k]);

			CU_ASSERT_EQUAL(
				strstr(own, flags[i].words) != NULL, (commands[k].flags & flags[i].set) != 0);
		}
	}
}

static void help_is_asked_for_at_every_level(void)
{
	struct invocation invocation;
	struct error error;

	CU_ASSERT_EQUAL(parse("--help", &invocation, &error), REPLY_FINE);
	CU_ASSERT(invocation.help && !invocation.object);
	CU_ASSERT_EQUAL(parse("flow -h", &invocation, &error), REPLY_FINE);
	CU_ASSERT(invocation.help && !invocation.command);
	CU_ASSERT_EQUAL(parse("flow get --help", &invocation, &error), REPLY_FINE);
	CU_ASSERT(invocation.help && invocation.command);
	CU_ASSERT_EQUAL(parse("flow lost --help", &invocation, &error), REPLY_USAGE);
}

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

static char *render(const char *json, bool headings, bool colors)
{
	static const struct column columns[] = {{"NAME", "name"}, {"UP", "up"},
		{"IDLE", "idle_ms", cell_duration, true}, {"END", "source", cell_endpoint},
		{"BYTES", "sent", cell_bytes, true}};
	json_t *rows = json_loads(json, 0, NULL), *row;
	char *text = NULL;
	size_t size, i;
	FILE *stream = open_memstream(&text, &size);
	struct table *table = table_new(stream, columns, ARRAY_SIZE(columns), headings, colors);

	json_array_foreach (rows, i, row)
		table_row(table, row);
	table_end(table);
	fclose(stream);
	json_decref(rows);
	return text;
}

#define TWO_ROWS                                                                                            \
	"[{\"name\":\"a\",\"up\":true,\"idle_ms\":12,\"source\":\"10.0.0.1\",\"source_port\":80,\"sent\":"  \
	"{\"packets\":1,\"bytes\":999}},{\"name\":\"länger\",\"up\":false,\"idle_ms\":3725000,\"source\":" \
	"\"::1\","                                                                                          \
	"\"source_port\":7,\"sent\":{\"packets\":1,\"bytes\":1234567}}]"

static void columns_are_aligned(void)
{
	_cleanup_free_ char *text = render(TWO_ROWS, true, false);
	_cleanup_free_ char *bare = render(TWO_ROWS, false, false);
	_cleanup_free_ char *colored = render(TWO_ROWS, false, true);
	_cleanup_free_ char *none = render("[]", true, false);

	CU_ASSERT_STRING_EQUAL(text, "NAME    UP    IDLE  END           BYTES\n"
				     "a       yes  12 ms  10.0.0.1:80   999 B\n"
				     "länger  no   1h02m  [::1]:7      1.2 MB\n");
	CU_ASSERT_STRING_EQUAL(bare, strchr(text, '\n') + 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(colored, "\033[32myes\033[0m"));
	CU_ASSERT_PTR_NOT_NULL(strstr(colored, "\033[31mno\033[0m "));
	CU_ASSERT_STRING_EQUAL(none, "");
}

static void durations_are_for_people(void)
{
	static const struct {
		json_int_t ms;
		const char *text;
	} rows[] = {{0, "0 ms"}, {999, "999 ms"}, {1000, "1.0 s"}, {59999, "59.9 s"}, {60000, "1m00s"},
		{3599999, "59m59s"}, {3600000, "1h00m"}, {86400000, "1d00h"}, {1000000000, "11d13h"}};
	char text[CELL_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		format_duration_for_people(rows[i].ms, text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, rows[i].text);
	}
}

/* ---- Whole commands against a server in a child ------------------------------------------------------------------ */

static pid_t server;

/* In a child, since gwctl waits for it. Its own event loop: one does not survive a fork. */
static void start_server(void)
{
	int ready[2];
	char byte;

	CU_ASSERT_FATAL(pipe(ready) == 0);
	fflush(NULL);
	server = fork();
	if (server == 0) {
		world_listen();
		close(ready[1]);
		sd_event_loop(world.event);
		_exit(0);
	}
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 0);
	close(ready[0]);
}

static void stop_server(void)
{
	char name[128];

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(name, sizeof(name), "%s/%s", world.run_dir, CONTROL_SOCKET);
	unlink(name);
	world_close();
}

static void read_back(FILE *file, char *text)
{
	rewind(file);
	text[fread(text, 1, OUTPUT_SIZE - 1, file)] = '\0';
	fclose(file);
}

/* Runs a command as gwctl would; what it says is in output and complaints. */
static int run(const char *line)
{
	struct invocation invocation;
	struct error error;
	FILE *out = tmpfile(), *err = tmpfile();
	int saved_out, saved_err, code = (int)parse(line, &invocation, &error);

	CU_ASSERT_EQUAL_FATAL(code, REPLY_FINE);
	if (strcmp(invocation.run_dir, RUN_DIR_DEFAULT) == 0)
		invocation.run_dir = world.run_dir;
	fflush(NULL);
	saved_out = dup(STDOUT_FILENO);
	saved_err = dup(STDERR_FILENO);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	code = invocation.command->run(&invocation);
	fflush(NULL);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(out, output);
	read_back(err, complaints);
	return code;
}

static bool is_one_document(const char *text)
{
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	bool fine = json_integer_value(json_object_get(document, "schema")) == PROTOCOL_SCHEMA;

	json_decref(document);
	return fine;
}

static void flows_are_listed_as_the_design_says(void)
{
	static const char start[] =
		"{\"schema\":1,\"flows\":[{\"zone\":0,\"protocol\":\"tcp\",\"source\":"
		"\"100.64.1.5\",\"source_port\":40000,"
		"\"destination\":\"192.0.2.1\",\"destination_port\":7547,\"provider\":"
		"\"acme\",\"owner\":\"edge-gw-01\","
		"\"gateway\":\"edge-gw-01\",\"tunnel\":\"acme-lgw-01\",\"tunnel_number\":101,\"state\":"
		"\"established\",\"idle_ms\":";

	world_make();
	world.flows.lines[7] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[8] = world_line("2001:db8:100::7", 2, "2001:db8::1", LINE_CLOSING);
	start_server();
	CU_ASSERT_EQUAL(run("-j flow list"), 0);
	CU_ASSERT_EQUAL(strncmp(output, start, strlen(start)), 0);
	CU_ASSERT(is_one_document(output));
	CU_ASSERT_STRING_EQUAL(complaints, "");
	CU_ASSERT_EQUAL(run("flow list --no-headers --state closing"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(
		output, "tcp  [2001:db8:100::7]:2  [2001:db8::1]:7547  acme  edge-gw-01  acme-lgw-01"));
	CU_ASSERT_PTR_NULL(strstr(output, "100.64"));
	CU_ASSERT_EQUAL(run("-j flow list --state half_open"), 0);
	CU_ASSERT_STRING_EQUAL(output, "{\"schema\":1,\"flows\":[]}\n");
	CU_ASSERT_EQUAL(run("flow count --address 100.64.0.0/10"), 0);
	CU_ASSERT_STRING_EQUAL(output, "1\n");
	CU_ASSERT_EQUAL(run("flow get tcp [2001:db8::1]:7547 [2001:db8:100::7]:2"), 0);
	CU_ASSERT_EQUAL(run("flow flush --port 40000"), 0);
	CU_ASSERT_STRING_EQUAL(output, "1\n");
	stop_server();
}

static void errors_have_their_codes(void)
{
	static const struct {
		const char *line;
		int code;
		const char *words;
	} rows[] = {
		{"tunnel get nope", REPLY_NOT_FOUND, "gwctl: no tunnel is called “nope”\n"},
		{"flow list --tunnel nope", REPLY_NOT_FOUND, "gwctl: no tunnel is called “nope”\n"},
		{"-j device get 100.64.1.5", REPLY_NOT_FOUND,
			"{\"schema\":1,\"error\":{\"code\":3,\"text\":\"no device 100.64.1.5/32 was "
			"seen\"}}\n"},
		{"flow get tcp 192.0.2.1:x 1.2.3.4", REPLY_USAGE, "is no end of a flow"},
		{"flow get bogus 192.0.2.1:1 100.64.1.5:2", REPLY_USAGE, "“bogus” is not a protocol"},
		{"flow flush", REPLY_USAGE, "takes every flow out"},
		{"status --run-dir /nonexistent", REPLY_UNREACHABLE,
			"gwd cannot be reached at /nonexistent/control.sock"},
	};

	world_make();
	start_server();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(run(rows[i].line), rows[i].code);
		CU_ASSERT_PTR_NOT_NULL(strstr(complaints, rows[i].words));
		CU_ASSERT_STRING_EQUAL(output, "");
	}
	stop_server();
}

/* The run directory of the world is root's alone. */
static void who_may_not_connect_is_told(void)
{
	int status;
	pid_t child;

	if (geteuid() != 0) {
		printf("SKIP cli: who may not connect is told: only root can become somebody else\n");
		return;
	}
	world_make();
	world_listen();
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(100);
		_exit(run("status") == REPLY_NOT_PERMITTED && strstr(complaints, "you may not") ? 0 : 101);
	}
	waitpid(child, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	world_close();
}

static void colors_are_for_terminals_and_heed_no_color(void)
{
	unsetenv("NO_COLOR");
	CU_ASSERT(view_colors(COLOR_ALWAYS));
	CU_ASSERT_FALSE(view_colors(COLOR_NEVER));
	setenv("NO_COLOR", "1", 1);
	CU_ASSERT_FALSE(view_colors(COLOR_AUTO));
	CU_ASSERT(view_colors(COLOR_ALWAYS));
	unsetenv("NO_COLOR");
}

static void a_daemon_that_says_nothing_times_out(void)
{
	world_make();
	world_listen(); /* nobody runs its loop */
	CU_ASSERT_EQUAL(run("status --timeout 50ms"), REPLY_TIMED_OUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "gwd said nothing for 50 ms"));
	world_close();
}

static void the_status_is_one_screen(void)
{
	world_make();
	world.tunnel_status[1].usable = false;
	world_device(3, "100.64.1.5");
	start_server();
	CU_ASSERT_EQUAL(run("status"), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "gateway edge-gw-01 (1), version "));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\ndegraded: tunnel acme-lgw-02 is not usable\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "control   192.0.2.1, 2001:db8::1  yes\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "acme-lgw-01     101  acme      wireguard-go  yes"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nflows    0 of 65536\ndevices  1 of 256\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "source_not_provider        3    180  the source is not"));
	CU_ASSERT_STRING_EQUAL(complaints, "gwctl: degraded: tunnel acme-lgw-02 is not usable\n");
	CU_ASSERT_EQUAL(run("status -j"), REPLY_DEGRADED);
	CU_ASSERT(is_one_document(output));
	stop_server();
}

static void an_explanation_is_told_in_sentences(void)
{
	world_make();
	world.flows.lines[9] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	world.answer = (struct explanation){
		.reason = REASON_home_flow, .line = 10, .way_tunnel = 101, .way_gateway = 1};
	start_server();
	CU_ASSERT_EQUAL(run("flow explain tcp 100.64.1.5:40000 192.0.2.1:7547"), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "request    tcp 100.64.1.5:40000 → 192.0.2.1:7547: from a device"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "provider   acme holds 100.64.1.5\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "admitted   by tunnel acme-lgw-01: a request to a loopback"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "refused    by tunnel acme-lgw-02: the source is not in"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output,
		"flow       established, way home acme-lgw-01 of edge-gw-01, owner edge-gw-01, last seen"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "device     was not seen"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "response   leaves by acme-lgw-01 of edge-gw-01: sent home by the flow's own "
			       "way (home_flow)\n"));
	CU_ASSERT_EQUAL(run("flow explain tcp 192.0.2.1:7547 100.64.1.5:40000"), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "response   tcp 192.0.2.1:7547 → 100.64.1.5:40000: from a loopback"));
	CU_ASSERT_PTR_NULL(strstr(output, "admitted"));
	CU_ASSERT_EQUAL(run("flow explain tcp 10.1.1.1:1 10.1.1.2:2"), REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(run("flow explain tcp 192.0.2.1:7547 100.64.1.5:40000 --icmp-error"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "request    an ICMP error about tcp 192.0.2.1:7547 → "
					      "100.64.1.5:40000, back to its source: from a device"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "admitted   by tunnel acme-lgw-01"));
	CU_ASSERT_PTR_NULL(strstr(output, "\nresponse"));
	CU_ASSERT_EQUAL(run("flow explain udp 192.0.2.1 100.64.1.5 --fragment 77 --from-uplink"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "response   a later fragment of udp 192.0.2.1 → 100.64.1.5: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "seen at uplink\n"));
	CU_ASSERT_EQUAL(run("-j flow explain tcp 192.0.2.1:7547 100.64.1.5:40000"), 0);
	CU_ASSERT(is_one_document(output));
	stop_server();
}

static void rates_are_shown_while_watching(void)
{
	static const char *const names[] = {
#define X(name, drop, words) #name,
		REASONS(X)
#undef X
	};
	json_t *document, *row;
	size_t i;

	world_make();
	start_server();
	CU_ASSERT_EQUAL(run("stats"), 0);
	CU_ASSERT_PTR_NULL(strstr(output, "PER SECOND"));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(output, names[i]));
	CU_ASSERT_EQUAL(run("stats --watch"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "PER SECOND"));
	CU_ASSERT_EQUAL(run("-j stats --watch"), 0);
	document = json_loads(output, 0, NULL);
	json_array_foreach (json_object_get(document, "reasons"), i, row) {
		json_int_t rate = json_integer_value(json_object_get(row, "packets_per_second"));

		CU_ASSERT_EQUAL(rate > 0, strcmp(text_of(row, "reason"), "home_flow") == 0);
		CU_ASSERT(json_is_integer(json_object_get(row, "bytes_per_second")));
	}
	CU_ASSERT_EQUAL(i, REASON_COUNT);
	json_decref(document);
	stop_server();
}

static void events_are_told_a_line_each(void)
{
	struct event event = {.kind = EVENT_TUNNEL_NOT_USABLE,
		.name = "acme-lgw-01",
		.cause = "BFD down",
		.monotonic_ms = 7};

	world_make();
	events_add(&world.events, &event);
	events_add(&world.events, &event);
	start_server();
	CU_ASSERT_EQUAL(run("events --no-follow"), 0);
	CU_ASSERT_STRING_EQUAL(output,
		"TIME                      OBJECT    NAME              EVENT        CAUSE\n"
		"1970-01-01T00:00:00.000Z  tunnel    acme-lgw-01       not_usable   BFD down\n"
		"1970-01-01T00:00:00.000Z  tunnel    acme-lgw-01       not_usable   BFD down\n");
	CU_ASSERT_EQUAL(run("-j events --no-follow"), 0);
	CU_ASSERT_PTR_EQUAL(strstr(output, "{\"schema\":1,\"number\":1,\"time\":"), output);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "}\n{\"schema\":1,\"number\":2,"));
	CU_ASSERT_EQUAL(run("events --timeout 200ms"), REPLY_TIMED_OUT); /* follows; nothing happens */
	stop_server();
}

static void the_other_commands_answer(void)
{
	static const char *const lines[] = {"tunnel list", "tunnel get acme-lgw-01", "bgp list",
		"bgp get acme-lgw-01", "device list", "stats", "version", "config show", "map dump",
		"gateway stop"};
	char json_line[64];

	world_make();
	world_device(3, "100.64.1.5");
	start_server();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		CU_ASSERT_EQUAL(run(lines[i]), 0);
		CU_ASSERT(strlen(output) + strlen(complaints) > 10);
	}
	CU_ASSERT_STRING_EQUAL(complaints, "withdrew the loopbacks\nremoved home0\n");
	for (size_t i = 0; i + 1 < ARRAY_SIZE(lines); i++) {
		snprintf(json_line, sizeof(json_line), "-j %s", lines[i]);
		CU_ASSERT_EQUAL(run(json_line), 0);
		CU_ASSERT(is_one_document(output));
		CU_ASSERT_STRING_EQUAL(complaints, "");
	}
	stop_server();
	CU_ASSERT_EQUAL(run("version"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "gwd   does not answer"));
}

/* ---- The array --------------------------------------------------------------------------------------------------- */

static void gateways_are_shown(void)
{
	world_make();
	world.flows.lines[3] = world_line("100.64.1.5", 3, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[3].home = HOME(flow_now_ms(), 201, 2, 2);
	start_server();
	CU_ASSERT_EQUAL(run("gateway list"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "edge-gw-01       1  10.0.0.11  self   yes"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "edge-gw-02       2  10.0.0.12  alive  yes"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "  1.2 ms        -    10        20     3            4        5      1\n"));
	CU_ASSERT_EQUAL(run("gateway get edge-gw-02 --no-headers"), 0);
	CU_ASSERT_EQUAL(strncmp(output, "edge-gw-02", 10), 0);
	CU_ASSERT_EQUAL(run("gateway get nope"), REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(run("flow list --no-headers"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "edge-gw-02  201     edge-gw-02  established")
				       ?: strstr(output, "edge-gw-02  201  edge-gw-02  established"));
	CU_ASSERT_EQUAL(run("status"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "edge-gw-02       2  10.0.0.12  alive"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "relayed  0 % of the packets: 0 requests, 0 responses\n"));
	stop_server();
}

/* Waiting ends with the last connection, or with the time. */
static void a_drain_waits_for_connections(void)
{
	world_make();
	world.flows.lines[3] = world_line("100.64.1.5", 3, "192.0.2.1", LINE_CLOSING);
	start_server();
	CU_ASSERT_EQUAL(run("gateway drain --wait"), 0);
	CU_ASSERT_STRING_EQUAL(complaints, "0 connections live here\n");
	CU_ASSERT_EQUAL(run("gateway list --no-headers"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "  drained  "));
	CU_ASSERT_EQUAL(run("-j gateway undrain"), 0);
	CU_ASSERT(is_one_document(output));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"drained\":false"));
	stop_server();
	world_make();
	world.flows.lines[3] = world_line("100.64.1.5", 3, "192.0.2.1", LINE_ESTABLISHED);
	start_server();
	CU_ASSERT_EQUAL(run("gateway drain --wait=1ms"), REPLY_TIMED_OUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "1 connections still live here: they go on"));
	CU_ASSERT_EQUAL(run("-j gateway drain"), 0); /* does not wait */
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"connections\":1"));
	stop_server();
}

/* ---- Dumps ------------------------------------------------------------------------------------------------------- */

static void fill_tables(bool backwards)
{
	static const char *const sources[] = {"100.64.1.5", "2001:db8:100::7", "100.64.1.40"};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		size_t place = backwards ? ARRAY_SIZE(sources) - 1 - i : i;

		world.flows.lines[place] = world_line(sources[i], 9, "192.0.2.1", LINE_ESTABLISHED);
		world.flows.lines[place].home = HOME(flow_now_ms() - (backwards ? 5000 : 0), 101, 1, 1);
		world.flows.counters[place].request_packets = backwards;
		world_device((uint32_t)place, sources[i]);
	}
}

static char *dump(bool backwards, const char *line)
{
	world_make();
	fill_tables(backwards);
	start_server();
	CU_ASSERT_EQUAL(run(line), 0);
	stop_server();
	return strdup(output);
}

static void a_dump_is_stable_to_the_byte(void)
{
	_cleanup_free_ char *one = dump(false, "map dump");
	_cleanup_free_ char *other = dump(true, "map dump");
	_cleanup_free_ char *json_one = dump(false, "-j map dump");
	_cleanup_free_ char *json_other = dump(true, "-j map dump");
	_cleanup_free_ char *with_times = dump(true, "map dump --volatile");

	CU_ASSERT_STRING_EQUAL(one,
		"homeward map dump, version 2\n"
		"device zone=0 100.64.1.40 gateway=edge-gw-01 tunnel=101\n"
		"device zone=0 100.64.1.5 gateway=edge-gw-01 tunnel=101\n"
		"device zone=0 2001:db8:100::7 gateway=edge-gw-01 tunnel=101\n"
		"flow zone=0 tcp 100.64.1.40:9 192.0.2.1:7547 owner=edge-gw-01 gateway=edge-gw-01 "
		"tunnel=101 "
		"state=established\n"
		"flow zone=0 tcp 100.64.1.5:9 192.0.2.1:7547 owner=edge-gw-01 gateway=edge-gw-01 "
		"tunnel=101 "
		"state=established\n"
		"flow zone=0 tcp [2001:db8:100::7]:9 192.0.2.1:7547 owner=edge-gw-01 gateway=edge-gw-01 "
		"tunnel=101 state=established\n");
	CU_ASSERT_STRING_EQUAL(one, other);
	CU_ASSERT_STRING_EQUAL(json_one, json_other);
	CU_ASSERT_PTR_NULL(strstr(json_one, "idle_ms"));
	CU_ASSERT_PTR_NOT_NULL(strstr(with_times, "request=1/0 response=0/0\n"));
}

static void write_file(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(name, "w");

	fputs(text, file);
}

#define HEADER "homeward map dump, version 2\n"

static void dumps_are_compared(void)
{
	static const struct {
		const char *a, *b, *differences;
		int code;
	} rows[] = {
		{HEADER "flow 1\nflow 2\n", HEADER "flow 1\nflow 2\n", "", REPLY_FINE},
		{HEADER, HEADER, "", REPLY_FINE},
		{HEADER "flow 2\nflow 1\n", HEADER "flow 1\nflow 2\n", "", REPLY_FINE},
		{HEADER "flow 1\nflow 2\n", HEADER "flow 2\nflow 3\n", "- flow 1\n+ flow 3\n",
			REPLY_DEGRADED},
		{HEADER "flow 1\nflow 1\n", HEADER "flow 1\n", "- flow 1\n", REPLY_DEGRADED},
		{HEADER, HEADER "flow 1", "+ flow 1\n", REPLY_DEGRADED},
		{HEADER, "", "", REPLY_INVALID},
		{"homeward map dump, version 1\n", HEADER, "", REPLY_INVALID},
	};
	char a[] = "/tmp/cli_test_a.XXXXXX", b[] = "/tmp/cli_test_b.XXXXXX", line[128];

	close(mkstemp(a));
	close(mkstemp(b));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_file(a, rows[i].a);
		write_file(b, rows[i].b);
		snprintf(line, sizeof(line), "map diff %s %s", a, b);
		CU_ASSERT_EQUAL(run(line), rows[i].code);
		CU_ASSERT_STRING_EQUAL(output, rows[i].differences);
		CU_ASSERT_EQUAL(strlen(complaints) > 0, rows[i].code == REPLY_INVALID);
	}
	write_file(a, HEADER "flow 1\n");
	write_file(b, HEADER);
	snprintf(line, sizeof(line), "-j map diff %s %s", a, b);
	CU_ASSERT_EQUAL(run(line), REPLY_DEGRADED);
	CU_ASSERT_STRING_EQUAL(
		output, "{\"schema\":1,\"differences\":[{\"only_in\":\"a\",\"line\":\"flow 1\"}]}\n");
	unlink(a);
	unlink(b);
	CU_ASSERT_EQUAL(run(line), REPLY_INVALID);
	CU_ASSERT_EQUAL(run("map diff - -"), REPLY_USAGE);
}

/* ---- Completion -------------------------------------------------------------------------------------------------- */

/* What complete() offers for a line, with commas; its last word may be empty. */
static const char *offers(const char *line, int *file)
{
	static char text[4096], copy[512];
	char *words[WORDS + 1] = {"--run-dir", world.run_dir}, *rest = copy;
	FILE *stream = fmemopen(text, sizeof(text), "w");
	size_t count = 2;

	text[0] = '\0'; /* a stream that nothing is written to leaves it as it was */
	snprintf(copy, sizeof(copy), "%s", line);
	while (count < WORDS && rest)
		words[count++] = strsep(&rest, " ");
	*file = complete(words, stream);
	fclose(stream);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = c[1] ? ',' : '\0';
	return text;
}

static void words_are_completed(void)
{
	static const struct {
		const char *line, *offers;
		int file;
	} rows[] = {
		{"fl", "flow"},
		{"nothing", ""},
		{"bgp ", "list,get"},
		{"bgp l", "list"},
		{"bgp list ", ""},
		{"nothing ", ""},
		{"--json flow coun", "count"},
		{"flow list --pro", "--provider"},
		{"flow list --provider ", "acme"},
		{"flow list --port ", ""},
		{"flow list --state h", "half_open"},
		{"flow list --tunnel ", "acme-lgw-01,acme-lgw-02"},
		{"flow list --tunnel x --gateway ", "edge-gw-01"},
		{"tunnel get ", "acme-lgw-01,acme-lgw-02"},
		{"tunnel get other", ""},
		{"tunnel get acme-lgw-01 ", ""},
		{"bgp get acme-lgw-02", "acme-lgw-02"},
		{"flow get u", "udp"},
		{"flow get udp ", ""},
		{"config check ", "", 1},
		{"map diff a ", "", 1},
		{"--run-dir /nonexistent tunnel get ", ""},
		{"--run-dir ", "", 1},
	};
	int file;

	world_make();
	start_server();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *offered = offers(rows[i].line, &file);

		if (strcmp(offered, rows[i].offers) != 0)
			printf("[%s]: [%s]\n", rows[i].line, offered);
		CU_ASSERT_STRING_EQUAL(offered, rows[i].offers);
		CU_ASSERT_EQUAL(file, rows[i].file);
	}
	stop_server();
}

static void check_kinds(const char *words)
{
	char copy[128], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", words ?: "");
	while ((word = strsep(&rest, " ")) && *word) {
		if (!complete_knows(word))
			printf("cli/complete.c has no row for %s\n", word);
		CU_ASSERT(complete_knows(word));
	}
}

/* What a new command or flag brings must not be forgotten there. */
static void what_words_stand_for_is_known(void)
{
	for (size_t i = 0; i < command_count; i++)
		check_kinds(commands[i].selector);
	for (size_t i = 0; i < flag_count; i++)
		check_kinds(flags[i].value);
}

/* ---- config check: gwd is found by PATH here, since no gwd stands beside this test ------------------------------- */

static void a_check_is_what_gwd_says(void)
{
	char directory[] = "/tmp/cli_test.XXXXXX", gwd[64], path[64];
	_cleanup_free_ char *before = strdup(getenv("PATH") ?: "/bin");

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s:/bin", directory);
	snprintf(gwd, sizeof(gwd), "%s/gwd", directory);
	setenv("PATH", "/nonexistent", 1);
	CU_ASSERT_EQUAL(run("config check good"), REPLY_UNREACHABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "cannot run gwd"));
	setenv("PATH", path, 1);
	write_file(gwd, "#!/bin/sh\n[ \"$1\" = --check ] && [ \"$2\" = good ] && exit 0\n"
			"echo '<3>bad:7: tunnels: unknown key' >&2\nexit 1\n");
	chmod(gwd, 0755);
	CU_ASSERT_EQUAL(run("config check good"), REPLY_FINE);
	CU_ASSERT_EQUAL(run("-j config check good"), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(output, "{\"schema\":1,\"valid\":true}\n");
	CU_ASSERT_EQUAL(run("config check bad"), REPLY_INVALID);
	CU_ASSERT_STRING_EQUAL(complaints, "gwctl: bad:7: tunnels: unknown key\n");
	CU_ASSERT_EQUAL(run("-j config check bad"), REPLY_INVALID);
	CU_ASSERT_STRING_EQUAL(complaints,
		"{\"schema\":1,\"error\":{\"code\":6,\"text\":\"bad:7: tunnels: unknown key\"}}\n");
	setenv("PATH", before, 1);
	unlink(gwd);
	rmdir(directory);
}

/* ---- The configuration, changed ----------------------------------------------------------------------------------- */

static void a_file_is_compared_and_applied(void)
{
	char file[] = "/tmp/cli_test.XXXXXX", line[128];

	close(mkstemp(file));
	world_make();
	start_server();
	write_file(file, "gateway: edge-gw-01\n");
	snprintf(line, sizeof(line), "config diff %s", file);
	CU_ASSERT_EQUAL(run(line), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(output, "");
	write_file(file, "gateway: new\n");
	CU_ASSERT_EQUAL(run(line), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\n-gateway: edge-gw-01\n+gateway: new\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nsteps:\n  add tunnel acme-lgw-03\n"));
	CU_ASSERT_STRING_EQUAL(complaints, "");
	snprintf(line, sizeof(line), "-j config diff %s", file);
	CU_ASSERT_EQUAL(run(line), REPLY_DEGRADED);
	CU_ASSERT(is_one_document(output));
	snprintf(line, sizeof(line), "config apply %s --confirm 5s", file);
	CU_ASSERT_EQUAL(run(line), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(
		complaints, "add tunnel acme-lgw-03\nin force for 5 s; to keep it: gwctl config confirm\n");
	CU_ASSERT_EQUAL(run("config show"), REPLY_FINE);
	CU_ASSERT_STRING_EQUAL(output, "gateway: new\n");
	CU_ASSERT_EQUAL(run("config confirm"), REPLY_FINE);
	CU_ASSERT_EQUAL(run("config confirm"), REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(run("config rollback"), REPLY_FINE);
	write_file(file, "wrong\n");
	CU_ASSERT_EQUAL(run(line), REPLY_INVALID);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "gateway.yaml:1: key: wrong\ngwctl: /tmp/cli_test."));
	unlink(file);
	CU_ASSERT_EQUAL(run(line), REPLY_INVALID);
	stop_server();
}

UNIT_TESTS("cli", {"usage errors are told", usage_errors_are_told},
	{"flags stand anywhere", flags_stand_anywhere}, {"endpoints are scanned", endpoints_are_scanned},
	{"every command is in the help", every_command_is_in_the_help},
	{"every flag is in the help where it may stand", every_flag_is_in_the_help_where_it_may_stand},
	{"help is asked for at every level", help_is_asked_for_at_every_level},
	{"columns are aligned", columns_are_aligned}, {"durations are for people", durations_are_for_people},
	{"flows are listed as the design says", flows_are_listed_as_the_design_says},
	{"errors have their codes", errors_have_their_codes},
	{"who may not connect is told", who_may_not_connect_is_told},
	{"colors are for terminals and heed NO_COLOR", colors_are_for_terminals_and_heed_no_color},
	{"a daemon that says nothing times out", a_daemon_that_says_nothing_times_out},
	{"the status is one screen", the_status_is_one_screen},
	{"an explanation is told in sentences", an_explanation_is_told_in_sentences},
	{"rates are shown while watching", rates_are_shown_while_watching},
	{"events are told a line each", events_are_told_a_line_each},
	{"the other commands answer", the_other_commands_answer}, {"gateways are shown", gateways_are_shown},
	{"a drain waits for connections", a_drain_waits_for_connections},
	{"a dump is stable to the byte", a_dump_is_stable_to_the_byte},
	{"dumps are compared", dumps_are_compared}, {"words are completed", words_are_completed},
	{"what words stand for is known to completion", what_words_stand_for_is_known},
	{"a check is what gwd says", a_check_is_what_gwd_says},
	{"a file is compared and applied", a_file_is_compared_and_applied})
