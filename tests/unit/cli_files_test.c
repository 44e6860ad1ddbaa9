// SPDX-License-Identifier: Apache-2.0
/* gwctl and files: dumps that are compared, a configuration that is checked, compared and applied. */
#include "cli_run.h"

#include <sys/stat.h>

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

UNIT_TESTS("cli files", {"a dump is stable to the byte", a_dump_is_stable_to_the_byte},
	{"dumps are compared", dumps_are_compared}, {"a check is what gwd says", a_check_is_what_gwd_says},
	{"a file is compared and applied", a_file_is_compared_and_applied})
