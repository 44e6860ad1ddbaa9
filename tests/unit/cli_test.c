// SPDX-License-Identifier: Apache-2.0
/* gwctl's questions against the real control socket, and what is shown of the answers. */
#include "cli_run.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cli/view.h"

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

/* Somebody says these words to whoever connects, in a child. */
static pid_t start_impostor(const char *words)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t child;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", world.run_dir, CONTROL_SOCKET);
	CU_ASSERT_FATAL(
		bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(listener, 1) == 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		int caller = accept(listener, NULL, NULL);

		_exit(write(caller, words, strlen(words)) < 0 || pause());
	}
	close(listener);
	return child;
}

static void what_is_not_gwd_is_told(void)
{
	static const char *const words[] = {
		"SSH-2.0-OpenSSH_9.2\n", "{\"zone\":0}\nno row\n", "\n", "{\"code\":0\n"};
	static const char *const lines[] = {"flow list", "-j flow list"};
	char name[128];

	world_make();
	snprintf(name, sizeof(name), "%s/%s", world.run_dir, CONTROL_SOCKET);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(words); i++) {
		pid_t impostor = start_impostor(words[i / 2]);

		CU_ASSERT_EQUAL(run(lines[i % 2]), REPLY_UNREACHABLE);
		CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "what answers is not gwd"));
		kill(impostor, SIGKILL);
		waitpid(impostor, NULL, 0);
		unlink(name);
	}
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
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "attached by tcx, XDP native, relays\n"));
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

static void what_icmp_tells_is_told(void)
{
	world_make();
	world.answer = (struct explanation){.reason = REASON_too_big, .answered = 1, .fits = 1400};
	start_server();
	CU_ASSERT_EQUAL(run("flow explain udp 192.0.2.1 100.64.1.5 --from-uplink --size 1500"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "response   is dropped: larger than the array's MTU"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "answer     ICMP tells the sender that 1400 bytes fit"));
	stop_server();
	world_make();
	world.answer = (struct explanation){.reason = REASON_hops_exceeded, .answered = 1};
	start_server();
	CU_ASSERT_EQUAL(run("flow explain udp 192.0.2.1 100.64.1.5 --from-uplink --hops 1"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "answer     ICMP tells the sender (time_exceeded)\n"));
	stop_server();
}

static void a_lan_s_packet_is_told(void)
{
	world_make();
	world_egress(EGRESS_ACTIVE_STANDBY);
	world.answer = (struct explanation){.provider = 101,
		.way_tunnel = 102,
		.reason = REASON_egress_shared,
		.way_reason = REASON_egress_shared};
	start_server();
	CU_ASSERT_EQUAL(run("flow explain udp 10.9.0.7:4000 198.18.0.1:53 --from-lan eth1"), 0);
	CU_ASSERT_STRING_EQUAL(output,
		"egress     udp 10.9.0.7:4000 → 198.18.0.1:53: from a LAN, seen at lan\n"
		"group      platform, active-standby\n"
		"link       acme-lgw-02: the one link that is in\n"
		"packet     leaves: sent by the link that the egress group's shares say (egress_shared)\n");
	CU_ASSERT_EQUAL(run("flow explain udp 198.18.0.1:53 10.9.0.7:4000 --from-lan eth1 --icmp-error"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "egress     an ICMP error about udp 198.18.0.1:53 → "
					      "10.9.0.7:4000, back to its source: from a LAN"));
	CU_ASSERT_EQUAL(run("-j flow explain udp 10.9.0.7:4000 198.18.0.1:53 --from-lan eth1"), 0);
	CU_ASSERT(is_one_document(output));
	CU_ASSERT_EQUAL(run("flow explain udp 10.9.0.7:4000 198.18.0.1:53 --from-lan eth7"), REPLY_NOT_FOUND);
	stop_server();
	world_make();
	world_egress(EGRESS_ACTIVE_STANDBY);
	world.answer = (struct explanation){.reason = REASON_passed_other};
	start_server();
	CU_ASSERT_EQUAL(run("flow explain udp 10.9.0.7:4000 10.9.0.1:53 --from-lan eth1"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "group      none: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "packet     stays: not the gateway's business"));
	CU_ASSERT_PTR_NULL(strstr(output, "\nlink "));
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

static void one_tunnel_is_told_at_length(void)
{
	world_make();
	world.tunnels[0].wireguard.enabled = false;
	world.tunnels[0].ipsec.enabled = true;
	world.tunnel_status[0].cause = "BFD down";
	world.tunnel_status[0].ipsec = (struct ipsec_status){.ike = "ESTABLISHED",
		.ike_age_ms = 182000,
		.ike_rekey_ms = 13200000,
		.reauthenticate_ms = -1};
	snprintf(world.tunnel_status[0].ipsec_error, sizeof(world.tunnel_status[0].ipsec_error), "no answer");
	start_server();
	CU_ASSERT_EQUAL(run("tunnel get acme-lgw-01"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "CAUSE\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "BFD down\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nkind               ipsec\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output, "\nIKE                ESTABLISHED for 3m02s, new keys in 3h40m\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nESP                none\n"));
	CU_ASSERT_PTR_NULL(strstr(output, "reauthenticates"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nlast complaint     no answer\n"));
	CU_ASSERT_EQUAL(run("tunnel get acme-lgw-02"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nkind               wireguard\n"));
	CU_ASSERT_PTR_NULL(strstr(output, "IKE"));
	stop_server();
}

static void a_tunnel_is_disabled_and_waited_for(void)
{
	world_make();
	start_server();
	CU_ASSERT_EQUAL(run("-j tunnel disable acme-lgw-01 --wait"), 0);
	CU_ASSERT(is_one_document(output));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"service\":\"disabled\""));
	CU_ASSERT_EQUAL(run("tunnel list --no-headers"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "  disabled  "));
	CU_ASSERT_EQUAL(run("-j tunnel enable acme-lgw-01"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"service\":\"enabled\""));
	CU_ASSERT_EQUAL(run("tunnel disable nope"), REPLY_NOT_FOUND);
	stop_server();
	world_make();
	world.leaves = true;
	start_server();
	CU_ASSERT_EQUAL(run("tunnel disable acme-lgw-01 --wait=1ms"), REPLY_TIMED_OUT);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "still leaving"));
	CU_ASSERT_EQUAL(run("tunnel disable acme-lgw-01"), 0); /* does not wait */
	stop_server();
}

static void a_service_is_handed_over(void)
{
	world_make();
	world.member_status[1].serving = false;
	start_server();
	CU_ASSERT_EQUAL(run("gateway switch --to edge-gw-02"), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(complaints, "edge-gw-02 cannot take over: it announces nothing"));
	CU_ASSERT_EQUAL(run("gateway switch --to edge-gw-07"), REPLY_NOT_FOUND);
	stop_server();
	world_make();
	start_server();
	CU_ASSERT_EQUAL(run("gateway switch --to edge-gw-02 --wait"), 0);
	CU_ASSERT_STRING_EQUAL(complaints, "0 connections live here\nin service: edge-gw-02\n");
	CU_ASSERT_EQUAL(run("-j gateway switch"), 0);
	CU_ASSERT(is_one_document(output));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"drained\":true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\"in_service\":[\"edge-gw-02\"]"));
	stop_server();
}

UNIT_TESTS("cli", {"flows are listed as the design says", flows_are_listed_as_the_design_says},
	{"errors have their codes", errors_have_their_codes},
	{"who may not connect is told", who_may_not_connect_is_told},
	{"colors are for terminals and heed NO_COLOR", colors_are_for_terminals_and_heed_no_color},
	{"a daemon that says nothing times out", a_daemon_that_says_nothing_times_out},
	{"what is not gwd is told", what_is_not_gwd_is_told},
	{"the status is one screen", the_status_is_one_screen},
	{"an explanation is told in sentences", an_explanation_is_told_in_sentences},
	{"what ICMP tells is told", what_icmp_tells_is_told},
	{"a LAN's packet is told", a_lan_s_packet_is_told},
	{"rates are shown while watching", rates_are_shown_while_watching},
	{"events are told a line each", events_are_told_a_line_each},
	{"the other commands answer", the_other_commands_answer}, {"gateways are shown", gateways_are_shown},
	{"a drain waits for connections", a_drain_waits_for_connections},
	{"a service is handed over", a_service_is_handed_over},
	{"one tunnel is told at length", one_tunnel_is_told_at_length},
	{"a tunnel is disabled and waited for", a_tunnel_is_disabled_and_waited_for})
