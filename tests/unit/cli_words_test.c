// SPDX-License-Identifier: Apache-2.0
/* gwctl before it asks anybody: its command line, its help, its tables, its completion. */
#include "cli_run.h"

#include "cli/complete.h"
#include "cli/endpoint.h"
#include "cli/report.h"

/* ---- The command line ------------------------------------------------------------------------------------------- */

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
		{"flow list --tunnel x --gateway ", "edge-gw-01,edge-gw-02"},
		{"gateway switch --to edge-gw-02", "edge-gw-02"},
		{"tunnel get ", "acme-lgw-01,acme-lgw-02"},
		{"tunnel get other", ""},
		{"tunnel get acme-lgw-01 ", ""},
		{"bgp get acme-lgw-0", "acme-lgw-01"}, /* the other has no session */
		{"bgp get i", "ixp-1"},
		{"flow explain udp a b --from-lan ", "eth1"},
		{"flow get u", "udp"},
		{"flow get udp ", ""},
		{"config check ", "", 1},
		{"map diff a ", "", 1},
		{"--run-dir /nonexistent tunnel get ", ""},
		{"--run-dir ", "", 1},
	};
	int file;

	world_make();
	world_egress(EGRESS_ACTIVE_STANDBY);
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

UNIT_TESTS("cli words", {"usage errors are told", usage_errors_are_told},
	{"flags stand anywhere", flags_stand_anywhere}, {"endpoints are scanned", endpoints_are_scanned},
	{"every command is in the help", every_command_is_in_the_help},
	{"every flag is in the help where it may stand", every_flag_is_in_the_help_where_it_may_stand},
	{"help is asked for at every level", help_is_asked_for_at_every_level},
	{"columns are aligned", columns_are_aligned}, {"durations are for people", durations_are_for_people},
	{"words are completed", words_are_completed},
	{"what words stand for is known to completion", what_words_stand_for_is_known})
