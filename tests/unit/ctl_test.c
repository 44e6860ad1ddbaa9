// SPDX-License-Identifier: Apache-2.0
/* The control socket against polite, clumsy and hostile clients, over a real socket, on one event loop. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "control_world.h"
#include "ctl/request.h"
#include "ctl/rows.h"

#define REPLY_SIZE (1 << 20)

static char reply[REPLY_SIZE];

static void world_open(void)
{
	world_make();
	world_listen();
}

static int connect_client(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", world.run_dir, CONTROL_SOCKET);
	CU_ASSERT_FATAL(connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	return fd;
}

/* Lets the server work until it has nothing to do. */
static void serve(void)
{
	for (int i = 0; i < 20000 && sd_event_run(world.event, 0) > 0; i++)
		;
}

static void say(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		serve();
	}
	serve();
}

/* All that comes until the server has nothing to say. */
static const char *hear(int fd)
{
	size_t used = 0;
	ssize_t n;

	do {
		serve();
		n = recv(fd, reply + used, sizeof(reply) - 1 - used, MSG_DONTWAIT);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 && used < sizeof(reply) - 1);
	reply[used] = '\0';
	return reply;
}

static const char *exchange(const char *request)
{
	_cleanup_close_ int fd = connect_client();

	say(fd, request, strlen(request));
	return hear(fd);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static int code_of(const char *text)
{
	const char *code = strstr(text, "{\"code\":");

	return code ? atoi(code + strlen("{\"code\":")) : -1;
}

static void a_flow_is_shown_as_the_design_says(void)
{
	static const char row[] =
		"{\"zone\":0,\"protocol\":\"tcp\",\"source\":\"100.64.1.5\",\"source_port\":40000,"
		"\"destination\":\"192.0.2.1\",\"destination_port\":7547,\"provider\":\"acme\",\"owner\":"
		"\"edge-gw-01\","
		"\"gateway\":\"edge-gw-01\",\"tunnel\":\"acme-lgw-01\",\"tunnel_number\":101,"
		"\"state\":\"established\",\"idle_ms\":";
	static const char counters[] =
		",\"request\":{\"packets\":9,\"bytes\":1203},\"response\":{\"packets\":7,"
		"\"bytes\":2210}}\n{\"code\":0}\n";

	world_open();
	world.flows.lines[40000] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.counters[40000] = (struct line_counters){9, 1203, 7, 2210};
	exchange("{\"method\":\"flow.list\"}\n");
	CU_ASSERT_EQUAL(strncmp(reply, row, strlen(row)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, counters));
	world_close();
}

static void names_that_are_gone_are_null(void)
{
	world_open();
	world.flows.lines[1] = world_line("203.0.113.9", 1, "192.0.2.1", LINE_CLOSING);
	world.flows.lines[1].home = HOME(flow_now_ms(), 999, 77, 78);
	exchange("{\"method\":\"flow.list\"}\n");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"provider\":null,\"owner\":null,\"gateway\":null,\"tunnel\":null"));
	world_close();
}

static void filters_reach_the_table(void)
{
	static const struct {
		const char *request;
		int flows;
	} rows[] = {
		{"{\"method\":\"flow.count\"}\n", 3},
		{"{\"method\":\"flow.count\",\"arguments\":{\"provider\":\"acme\"}}\n", 2},
		{"{\"method\":\"flow.count\",\"arguments\":{\"provider\":\"other\"}}\n", 0},
		{"{\"method\":\"flow.count\",\"arguments\":{\"tunnel\":\"acme-lgw-02\"}}\n", 1},
		{"{\"method\":\"flow.count\",\"arguments\":{\"address\":\"100.64.1.0/24\"}}\n", 1},
		{"{\"method\":\"flow.count\",\"arguments\":{\"address\":\"2001:db8:100::7\"}}\n", 1},
		{"{\"method\":\"flow.count\",\"arguments\":{\"port\":7547,\"state\":\"closing\"}}\n", 1},
		{"{\"method\":\"flow.count\",\"arguments\":{\"gateway\":\"edge-gw-02\"}}\n", 0},
	};
	char row[64];

	world_open();
	world.flows.lines[0] = world_line("100.64.1.5", 1, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[70] = world_line("2001:db8:100::7", 2, "2001:db8::1", LINE_CLOSING);
	world.flows.lines[WORLD_LINES - 1] = world_line("203.0.113.9", 3, "192.0.2.1", LINE_HALF_OPEN);
	world.flows.lines[0].home = HOME(flow_now_ms(), 102, 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(row, sizeof(row), "{\"flows\":%d}\n{\"code\":0}\n", rows[i].flows);
		CU_ASSERT_STRING_EQUAL(exchange(rows[i].request), row);
	}
	world_close();
}

/* As the programs do: an expired line is dead, whether or not the sweep has come by. */
static void the_expired_are_not_shown(void)
{
	world_open();
	world.flows.lines[0] = world_line("100.64.1.5", 1, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[0].home = HOME(flow_now_ms() - 700000, 101, 1, 1);
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"flow.list\"}\n"), "{\"code\":0}\n");
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"flow.count\"}\n"), "{\"flows\":0}\n{\"code\":0}\n");
	exchange("{\"method\":\"status\"}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"flows\":{\"count\":0,"));
	world_close();
}

static void one_flow_is_found_from_both_directions(void)
{
	static const char *const requests[] = {
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"tcp\",\"source\":\"100.64.1.5\","
		"\"source_port\":40000,"
		"\"destination\":\"192.0.2.1\",\"destination_port\":7547}}\n",
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"6\",\"source\":\"192.0.2.1\","
		"\"source_port\":7547,"
		"\"destination\":\"100.64.1.5\",\"destination_port\":40000}}\n",
	};

	world_open();
	world.flows.lines[WORLD_LINES - 1] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		exchange(requests[i]);
		CU_ASSERT_EQUAL(count_lines(reply), 2);
		CU_ASSERT_EQUAL(code_of(reply), 0);
	}
	world.flows.lines[WORLD_LINES - 1].tag = TAG(1, LINE_DEAD);
	CU_ASSERT_EQUAL(code_of(exchange(requests[0])), REPLY_NOT_FOUND);
	world_close();
}

static void an_echo_is_known_by_its_id_at_either_end(void)
{
	static const char *const requests[] = {
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"icmp\",\"source\":\"2001:db8:100::"
		"7\","
		"\"source_port\":77,\"destination\":\"2001:db8::1\"}}\n",
		"{\"method\":\"flow.get\",\"arguments\":{\"protocol\":\"icmpv6\",\"source\":\"2001:db8::1\","
		"\"source_port\":77,\"destination\":\"2001:db8:100::7\"}}\n",
	};

	world_open();
	world.flows.lines[5] = world_line("2001:db8:100::7", 77, "2001:db8::1", LINE_ESTABLISHED);
	world.flows.lines[5].key.protocol = IPPROTO_ICMPV6;
	world.flows.lines[5].key.destination_port = 0;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		CU_ASSERT_EQUAL(code_of(exchange(requests[i])), 0);
	world_close();
}

static void a_flush_needs_a_filter_or_all(void)
{
	world_open();
	world.flows.lines[0] = world_line("100.64.1.5", 1, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[40000] = world_line("100.64.1.5", 2, "192.0.2.1", LINE_CLOSING);
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"flow.flush\"}\n")), REPLY_USAGE);
	CU_ASSERT_EQUAL(TAG_STATE(world.flows.lines[0].tag), LINE_ESTABLISHED);
	CU_ASSERT_STRING_EQUAL(
		exchange("{\"method\":\"flow.flush\",\"arguments\":{\"state\":\"closing\"}}\n"),
		"{\"flushed\":1}\n{\"code\":0}\n");
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"flow.flush\",\"arguments\":{\"all\":true}}\n"),
		"{\"flushed\":1}\n{\"code\":0}\n");
	CU_ASSERT_EQUAL(TAG_STATE(world.flows.lines[0].tag), LINE_DEAD);
	world_close();
}

static void devices_are_listed_and_found(void)
{
	static const char row[] =
		"{\"zone\":0,\"address\":\"2001:db8:100::7\",\"provider\":\"acme\","
		"\"gateway\":\"edge-gw-01\",\"tunnel\":\"acme-lgw-01\",\"tunnel_number\":101,\"idle_ms\":";

	world_open();
	world_device(3, "100.64.1.5");
	world_device(200, "2001:db8:100::7");
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"device.list\"}\n")), 3);
	exchange("{\"method\":\"device.get\",\"arguments\":{\"address\":\"2001:db8:100::7\"}}\n");
	CU_ASSERT_EQUAL(strncmp(reply, row, strlen(row)), 0);
	CU_ASSERT_EQUAL(
		code_of(exchange("{\"method\":\"device.get\",\"arguments\":{\"address\":\"100.64.9.9\"}}\n")),
		REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(
		count_lines(exchange("{\"method\":\"device.list\",\"arguments\":{\"address\":\"::/0\"}}\n")),
		2);
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"map.dump\"}\n")), 3);
	world_close();
}

static void the_status_says_what_is_degraded(void)
{
	struct uplink_status uplinks[] = {
		{.name = "eth0", .ifindex = 3, .up = true}, {.name = "eth1", .ifindex = 4}, {.name = "eth2"}};

	world_open();
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"degraded\":[]"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"drops\":[{\"reason\":\"source_not_provider\",\"drop\":true,\"packets\":3"));
	CU_ASSERT_PTR_NULL(strstr(reply, "home_flow"));
	CU_ASSERT_EQUAL(world.refreshes, 1);
	world.tunnel_status[0].usable = false;
	world.tunnel_status[0].bfd = SESSION_DOWN;
	world.tunnel_status[1].ifindex = 0;
	world.model.uplink_count = ARRAY_SIZE(uplinks);
	world.status.uplinks = uplinks;
	world.loopback_status.announced = false;
	world.status.bird_running = false;
	world.status.attach = NULL;
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"degraded\":[\"tunnel acme-lgw-01 is not usable: BGP is up and BFD is down; does the "
		"neighbour do BFD, single-hop, without TTL security?\","
		"\"tunnel acme-lgw-02 has no interface\","
		"\"uplink eth1 is down\",\"uplink eth2 is gone\","
		"\"loopback control is not announced\","
		"\"return_egress is not attached to home0, so no response goes home\","
		"\"BIRD is not running\"]"));
	world_close();
}

static void tunnels_and_sessions_are_listed(void)
{
	world_open();
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"tunnel.list\"}\n")), 3);
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"bgp.list\"}\n")), 2);
	CU_ASSERT_EQUAL(count_lines(exchange(
				"{\"method\":\"tunnel.get\",\"arguments\":{\"tunnel\":\"acme-lgw-02\"}}\n")),
		2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"handshake_age_ms\":null"));
	CU_ASSERT_EQUAL(
		code_of(exchange("{\"method\":\"bgp.get\",\"arguments\":{\"tunnel\":\"acme-lgw-02\"}}\n")),
		REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(
		code_of(exchange("{\"method\":\"tunnel.get\",\"arguments\":{\"tunnel\":\"nope\"}}\n")),
		REPLY_NOT_FOUND);
	world_close();
}

#define ENDS                                                                                   \
	"\"arguments\":{\"protocol\":\"tcp\",\"source\":\"100.64.1.5\",\"source_port\":40000," \
	"\"destination\":\"192.0.2.1\","                                                       \
	"\"destination_port\":7547}}\n"

static void an_explanation_names_everything(void)
{
	world_open();
	world.flows.lines[9] = world_line("100.64.1.5", 40000, "192.0.2.1", LINE_ESTABLISHED);
	world_device(3, "100.64.1.5");
	world.answer = (struct explanation){.reason = REASON_home_flow,
		.line = 10,
		.device_line = 4,
		.way_tunnel = 101,
		.way_gateway = 1};
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"flow.explain\"," ENDS)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"direction\":\"request\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(
		reply, "\"requests\":[{\"tunnel\":\"acme-lgw-01\",\"provider\":\"acme\",\"admitted\":true"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "{\"tunnel\":\"acme-lgw-02\",\"provider\":\"acme\",\"admitted\":false,"
			      "\"relayed_to\":null,\"reason\":\"source_not_provider\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"flow_entry\":{\"zone\":0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"device_entry\":{\"zone\":0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"response\":{\"sent\":true,\"dropped\":false,\"relayed\":false,\"reason\":\"home_flow\","
		"\"words\":\"sent home by "
		"the flow's own way\",\"gateway\":\"edge-gw-01\",\"tunnel\":\"acme-lgw-01\","
		"\"tunnel_number\":101}"));
	world.answer =
		(struct explanation){.reason = REASON_no_way_home, .line = UINT32_MAX, .device_line = 300};
	exchange("{\"method\":\"flow.explain\"," ENDS);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"flow_entry\":null,\"device_entry\":null,\"response\":{\"sent\":false"));
	world_close();
}

#define ASKED(ends, more) "{\"method\":\"flow.explain\",\"arguments\":{\"protocol\":\"udp\"," ends more "}}\n"
#define OUT                                                                           \
	"\"source\":\"192.0.2.1\",\"source_port\":53,\"destination\":\"100.64.1.5\"," \
	"\"destination_port\":4000"
#define STRANGE "\"source\":\"203.0.113.9\",\"destination\":\"203.0.113.8\""

/* What is asked of the BPF program last. */
static void a_question_says_what_the_packet_is(void)
{
	static const struct {
		const char *request;
		int code;
		enum explain_direction seen;
		enum explain_kind kind;
	} rows[] = {
		{ASKED(OUT, ""), 0, EXPLAIN_RESPONSE, EXPLAIN_PACKET},
		{ASKED(OUT, ",\"from_uplink\":true,\"hops\":3,\"size\":1500"), 0, EXPLAIN_UPLINK,
			EXPLAIN_PACKET},
		{ASKED(OUT, ",\"fragment\":77"), 0, EXPLAIN_RESPONSE, EXPLAIN_FRAGMENT},
		{ASKED(OUT, ",\"from_uplink\":true,\"icmp_error\":true"), 0, EXPLAIN_UPLINK,
			EXPLAIN_ICMP_ERROR},
		{ASKED(OUT, ",\"fragment\":77,\"icmp_error\":true"), REPLY_USAGE, 0, 0},
		{ASKED(OUT, ",\"from_uplink\":true,\"from_tunnel\":\"acme-lgw-01\""), REPLY_USAGE, 0, 0},
		{ASKED(OUT, ",\"from_tunnel\":\"nope\""), REPLY_NOT_FOUND, 0, 0},
		{ASKED(OUT, ",\"hops\":256"), REPLY_USAGE, 0, 0},
		{ASKED(OUT, ",\"size\":0"), REPLY_USAGE, 0, 0},
		{ASKED(STRANGE, ""), REPLY_NOT_FOUND, 0, 0},
		{ASKED(STRANGE, ",\"from_uplink\":true"), 0, EXPLAIN_UPLINK, EXPLAIN_PACKET},
	};

	world_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&world.asked, 0, sizeof(world.asked));
		CU_ASSERT_EQUAL(code_of(exchange(rows[i].request)), rows[i].code);
		CU_ASSERT_EQUAL(world.asked.direction, rows[i].seen);
		CU_ASSERT_EQUAL(world.asked.kind, rows[i].kind);
	}
	exchange(rows[1].request);
	CU_ASSERT_EQUAL(world.asked.hops, 3);
	CU_ASSERT_EQUAL(world.asked.length, 1500);
	CU_ASSERT_EQUAL(ntohs(world.asked.key.source_port), 4000);
	exchange(rows[2].request);
	CU_ASSERT_EQUAL(world.asked.fragment_id, 77);
	CU_ASSERT_EQUAL(world.asked.key.source_port, 0);
	exchange(
		rows[3].request); /* about a response, so it is a request; here it surfaces from the inside all the same */
	CU_ASSERT_EQUAL(ntohs(world.asked.key.source_port), 53);
	world_close();
}

/* An ICMP error about a response comes in by a tunnel; about a request it leaves. */
static void an_error_goes_back_to_the_source(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(OUT, ",\"icmp_error\":true"))), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"direction\":\"request\",\"seen_at\":\"tunnel\",\"kind\":"
					     "\"icmp_error\",\"zone\":0,\"protocol\":\"udp\",\"source\":"
					     "\"100.64.1.5\",\"source_port\":4000"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"tunnel\":\"acme-lgw-01\",\"provider\":\"acme\",\"admitted\":true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"response\":null"));
	CU_ASSERT_EQUAL(code_of(exchange(ASKED("\"source\":\"100.64.1.5\",\"destination\":\"192.0.2.1\"",
				",\"icmp_error\":true"))),
		0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"direction\":\"response\",\"seen_at\":\"home0\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"requests\":null"));
	world_close();
}

/* One tunnel alone is asked, even of another provider; nothing is admitted, nothing answers. */
static void the_tunnel_may_be_said(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(STRANGE, ",\"from_tunnel\":\"acme-lgw-02\""))), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"requests\":[{\"tunnel\":\"acme-lgw-02\","));
	CU_ASSERT_PTR_NULL(strstr(reply, "acme-lgw-01"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"response\":null"));
	world_close();
}

static void the_configuration_comes_as_text(void)
{
	world_open();
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"config.show\"}\n"),
		"{\"config\":\"gateway: edge-gw-01\\n\"}\n{\"code\":0}\n");
	world_close();
}

/* Two flows are ours, one of them open; one is the other gateway's. */
static void own_flows(void)
{
	world.flows.lines[1] = world_line("100.64.1.5", 1, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[2] = world_line("100.64.1.5", 2, "192.0.2.1", LINE_CLOSING);
	world.flows.lines[3] = world_line("100.64.1.5", 3, "192.0.2.1", LINE_ESTABLISHED);
	world.flows.lines[3].home = HOME(flow_now_ms(), 201, 2, 2);
}

static void gateways_are_listed(void)
{
	world_open();
	own_flows();
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"gateway.list\"}\n")), 3);
	CU_ASSERT_EQUAL(world.refreshes, 1);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "{\"gateway\":\"edge-gw-01\",\"number\":1,\"address\":\"10.0.0.11\","
			      "\"state\":\"self\",\"serving\":true,\"drained\":false,\"announced\":true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"flows\":2,\"connections\":1,\"flows_there\":null,\"tunnels\":[{\"tunnel_number\":101,"
		"\"tunnel\":\"acme-lgw-01\",\"provider\":\"acme\",\"usable\":true}"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"refused\":8,\"overflowed\":9,\"unsent\":10,"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"state\":\"alive\",\"serving\":true,\"drained\":null"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"lag_p50_us\":1234,\"lag_p99_us\":null,\"sent\":10,\"received\":20,"
		"\"lost\":3,\"asked_again\":4,\"refused\":5,\"overflowed\":null,"
		"\"unsent\":null,\"clock_skew_ms\":-7,"
		"\"flows\":1,\"connections\":1,\"flows_there\":6,\"tunnels\":[{\"tunnel_number\":201,"
		"\"tunnel\":null,\"provider\":\"acme\",\"usable\":true},"
		"{\"tunnel_number\":202,\"tunnel\":null,\"provider\":null,\"usable\":false}]"));
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"gateway.get\"}\n")), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "edge-gw-01"));
	exchange("{\"method\":\"gateway.get\",\"arguments\":{\"gateway\":\"edge-gw-02\"}}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"gateway\":\"edge-gw-02\""));
	CU_ASSERT_EQUAL(
		code_of(exchange("{\"method\":\"gateway.get\",\"arguments\":{\"gateway\":\"nope\"}}\n")),
		REPLY_NOT_FOUND);
	world_close();
}

/* Its way home is another gateway's tunnel, of which we have no name. */
static void a_foreign_tunnel_has_a_number(void)
{
	world_open();
	own_flows();
	exchange("{\"method\":\"flow.list\",\"arguments\":{\"gateway\":\"edge-gw-02\"}}\n");
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"owner\":\"edge-gw-02\",\"gateway\":\"edge-gw-02\",\"tunnel\":null,"
			      "\"tunnel_number\":201"));
	world.answer = (struct explanation){
		.reason = REASON_relayed_response, .line = 4, .way_tunnel = 201, .way_gateway = 2};
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"flow.explain\"," ENDS)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"response\":{\"sent\":true,\"dropped\":false,\"relayed\":true,"
					     "\"reason\":\"relayed_response\""));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"gateway\":\"edge-gw-02\",\"tunnel\":null,\"tunnel_number\":201}"));
	world_close();
}

static void a_gateway_is_drained_and_back(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"gateway.drain\"}\n")), 0);
	exchange("{\"method\":\"gateway.get\"}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"serving\":false,\"drained\":true,\"announced\":false"));
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(
		reply, "\"degraded\":[\"loopback control is not announced: the gateway is drained\"]"));
	world.loopback_status.announced = true; /* not withdrawn yet */
	exchange("{\"method\":\"status\"}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"degraded\":[\"the gateway drains: it withdraws"));
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"gateway.undrain\"}\n")), 0);
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), 0);
	world.drain_fails = true;
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"gateway.drain\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "cannot remember it"));
	world_close();
}

static void the_status_knows_the_array(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"members\":[{\"gateway\":\"edge-gw-01\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"relay\":{\"relayed_percent\":0,"));
	world.member_status[1].clock_skew_ms = -3600000;
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(
		reply, "\"gateway edge-gw-02: its clock is 3600 s behind ours, so relays are refused\""));
	world.member_status[1].state = MEMBER_DEAD;
	world.loopback_status.announced = false;
	world.status.waits_for = "a snapshot of the tables";
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"degraded\":[\"loopback control is not announced: it waits for a snapshot of the tables\","
		"\"gateway edge-gw-02 is dead: nothing was heard of it for a while\"]"));
	world.model.array.member_count = 1;
	exchange("{\"method\":\"status\"}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"members\":[],\"relay\":null"));
	world_close();
}

static void the_daemon_exits_behind_the_reply_of_a_stop(void)
{
	_cleanup_close_ int fd = -1;

	world_open();
	fd = connect_client();
	say(fd, "{\"method\":\"gateway.stop\"}\n", 26);
	CU_ASSERT_STRING_EQUAL(hear(fd),
		"{\"step\":\"withdrew the loopbacks\"}\n{\"step\":\"removed home0\"}\n{\"code\":0}\n");
	CU_ASSERT(world.stopped);
	world_close();
}

static void a_stop_that_fails_leaves_the_daemon(void)
{
	world_open();
	world.stop_fails = true;
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"gateway.stop\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "home0 is busy"));
	CU_ASSERT_FALSE(world.stopped);
	world_close();
}

static void happens(enum event_kind kind, const char *name, const char *cause)
{
	struct event event = {.kind = kind, .monotonic_ms = 5, .time = {1795233600, 0}};

	snprintf(event.name, sizeof(event.name), "%s", name);
	snprintf(event.cause, sizeof(event.cause), "%s", cause);
	events_add(&world.events, &event);
}

static void what_happened_is_told(void)
{
	world_open();
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"events\"}\n"), "{\"code\":0}\n");
	happens(EVENT_TUNNEL_NOT_USABLE, "acme-lgw-01", "BFD down");
	happens(EVENT_BIRD_LOST, "", "its process ended");
	CU_ASSERT_STRING_EQUAL(exchange("{\"method\":\"events\"}\n"),
		"{\"number\":1,\"time\":\"2026-11-21T04:00:00.000Z\",\"monotonic_ms\":5,\"object\":"
		"\"tunnel\","
		"\"name\":\"acme-lgw-01\",\"event\":\"not_usable\",\"cause\":\"BFD down\"}\n"
		"{\"number\":2,\"time\":\"2026-11-21T04:00:00.000Z\",\"monotonic_ms\":5,\"object\":\"bird\","
		"\"name\":null,\"event\":\"lost\",\"cause\":\"its process ended\"}\n{\"code\":0}\n");
	world_close();
}

#define FOLLOW "{\"method\":\"events\",\"arguments\":{\"follow\":true}}\n"

/* Without the event loop: an event in the middle of `gateway stop` must go out before the daemon does. */
static void who_follows_hears_at_once_and_costs_nothing_between(void)
{
	_cleanup_close_ int fd = -1, other = -1;
	char bytes[4096];
	ssize_t size;

	world_open();
	fd = connect_client();
	other = connect_client();
	happens(EVENT_BIRD_BACK, "", "before");
	say(fd, FOLLOW, strlen(FOLLOW));
	say(other, FOLLOW, strlen(FOLLOW));
	CU_ASSERT_EQUAL(count_lines(hear(fd)), 1);
	CU_ASSERT_EQUAL(sd_event_run(world.event, 0), 0); /* no busy loop */
	happens(EVENT_BIRD_LOST, "", "after");
	size = recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);
	CU_ASSERT_FATAL(size > 0);
	bytes[size] = '\0';
	CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "\"cause\":\"after\"}\n"));
	CU_ASSERT_EQUAL(count_lines(bytes), 1);
	CU_ASSERT_EQUAL(count_lines(hear(other)), 2);
	close(TAKE_FD(fd)); /* one leaves, the other stays */
	happens(EVENT_BIRD_BACK, "", "again");
	serve();
	happens(EVENT_BIRD_LOST, "", "again");
	CU_ASSERT_EQUAL(count_lines(hear(other)), 2);
	world_close();
}

/* One that does not read fills its buffer and the socket's; the ring goes on without it. */
static void a_slow_follower_loses_the_oldest_and_is_told(void)
{
	_cleanup_close_ int fd = -1;
	const char *lost;

	world_open();
	fd = connect_client();
	say(fd, FOLLOW, strlen(FOLLOW));
	for (int i = 0; i < 20000; i++)
		happens(EVENT_BFD_UP, "acme-lgw-01", "its neighbour answers");
	CU_ASSERT(count_lines(hear(fd)) < 20000);
	lost = strstr(reply, "\n{\"lost\":");
	CU_ASSERT_PTR_NOT_NULL_FATAL(lost);
	CU_ASSERT_EQUAL(count_lines(reply) - 1 + strtoul(lost + strlen("\n{\"lost\":"), NULL, 10), 20000);
	world_close();
}

static void who_follows_half_closed_stays(void)
{
	_cleanup_close_ int fd = -1;

	world_open();
	fd = connect_client();
	say(fd, FOLLOW, strlen(FOLLOW));
	shutdown(fd, SHUT_WR);
	serve();
	happens(EVENT_BIRD_LOST, "", "after");
	CU_ASSERT_EQUAL(count_lines(hear(fd)), 1);
	world_close();
}

/* ---- The configuration, changed ---------------------------------------------------------------------------------- */

#define CONFIG(method, arguments) "{\"method\":\"config." method "\",\"arguments\":{" arguments "}}\n"

static void a_configuration_is_compared(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("diff", "\"config\":\"gateway: edge-gw-01\\n\""))), 0);
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("diff", "\"config\":\"gateway: new\""))), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"step\":\"add tunnel acme-lgw-03\"}\n"
					     "{\"before\":\"gateway: edge-gw-01\\n\",\"after\":\"gateway: "
					     "new\"}\n"));
	CU_ASSERT_STRING_EQUAL(world.config, "gateway: edge-gw-01\n");
	CU_ASSERT_EQUAL(
		code_of(exchange(CONFIG("diff", "\"config\":\"wrong\",\"file\":\"f.yaml\""))), REPLY_INVALID);
	CU_ASSERT_STRING_EQUAL(reply, "{\"problem\":\"gateway.yaml:1: key: wrong\"}\n"
				      "{\"code\":6,\"error\":\"f.yaml is refused: 1 problem\"}\n");
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("diff", ""))), REPLY_USAGE);
	world_close();
}

static void a_configuration_is_applied_and_confirmed(void)
{
	world_open();
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("confirm", ""))), REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(
		code_of(exchange(CONFIG("apply", "\"config\":\"gateway: new\",\"confirm_ms\":5000"))), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"step\":\"add tunnel acme-lgw-03\"}\n"));
	CU_ASSERT_STRING_EQUAL(world.config, "gateway: new");
	CU_ASSERT_EQUAL(world.confirm_ms, 5000);
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("confirm", ""))), 0);
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("rollback", ""))), 0);
	CU_ASSERT_EQUAL(
		code_of(exchange(CONFIG("apply", "\"config\":\"a\",\"confirm_ms\":999"))), REPLY_USAGE);
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("apply", "\"config\":7"))), REPLY_USAGE);
	CU_ASSERT_EQUAL(code_of(exchange(CONFIG("apply", "\"config\":\"a\",\"file\":7"))), REPLY_USAGE);
	world_close();
}

/* The largest that there may be, each byte of it escaped. */
static void a_large_configuration_is_taken_from_root(void)
{
	const size_t most = 1 << 20;
	_cleanup_free_ char *line = malloc(2 * most + 100);
	_cleanup_close_ int fd = -1;
	size_t size = (size_t)sprintf(line, "{\"method\":\"config.apply\",\"arguments\":{\"config\":\"");

	for (size_t i = 0; i < most; i++, size += 2)
		memcpy(line + size, "\\n", 2);
	size += (size_t)sprintf(line + size, "\"}}\n");
	world_open();
	fd = connect_client();
	say(fd, line, size);
	CU_ASSERT_EQUAL(code_of(hear(fd)), 0);
	CU_ASSERT_EQUAL(world.applied_size, most);
	world_close();
}

static void fill_flows(void);

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

/* ---- The documentation knows every method ------------------------------------------------------------------------ */

static void every_method_is_complete_and_documented(void)
{
	_cleanup_fclose_ FILE *stream = fopen("docs/json.md", "r");
	char heading[64];
	size_t documented = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
	reply[fread(reply, 1, sizeof(reply) - 1, stream)] = '\0';
	for (size_t i = 0; i < ctl_method_count; i++) {
		CU_ASSERT_PTR_NOT_NULL(ctl_methods[i].step);
		CU_ASSERT(strlen(ctl_methods[i].words) > 0);
		snprintf(heading, sizeof(heading), "\n### `%s`", ctl_methods[i].name);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, heading));
	}
	for (const char *c = reply; (c = strstr(c, "\n### `")); c++)
		documented++;
	CU_ASSERT_EQUAL(documented, ctl_method_count);
}

static void every_event_is_documented(void)
{
	_cleanup_fclose_ FILE *stream = fopen("docs/json.md", "r");
	char row[256];

	CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
	reply[fread(reply, 1, sizeof(reply) - 1, stream)] = '\0';
	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		snprintf(row, sizeof(row), "\n| `%s` | `%s` | %s |\n", event_kinds[i].object,
			event_kinds[i].event, event_kinds[i].words);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, row));
	}
}

UNIT_TESTS("ctl", {"a flow is shown as the design says", a_flow_is_shown_as_the_design_says},
	{"gateways are listed", gateways_are_listed},
	{"a foreign tunnel has a number", a_foreign_tunnel_has_a_number},
	{"a gateway is drained and back", a_gateway_is_drained_and_back},
	{"the status knows the array", the_status_knows_the_array},
	{"names that are gone are null", names_that_are_gone_are_null},
	{"filters reach the table", filters_reach_the_table},
	{"the expired are not shown", the_expired_are_not_shown},
	{"one flow is found from both directions", one_flow_is_found_from_both_directions},
	{"an echo is known by its id at either end", an_echo_is_known_by_its_id_at_either_end},
	{"a flush needs a filter or all", a_flush_needs_a_filter_or_all},
	{"devices are listed and found", devices_are_listed_and_found},
	{"the status says what is degraded", the_status_says_what_is_degraded},
	{"tunnels and sessions are listed", tunnels_and_sessions_are_listed},
	{"an explanation names everything", an_explanation_names_everything},
	{"a question says what the packet is", a_question_says_what_the_packet_is},
	{"an error goes back to the source", an_error_goes_back_to_the_source},
	{"the tunnel may be said", the_tunnel_may_be_said},
	{"the configuration comes as text", the_configuration_comes_as_text},
	{"a configuration is compared", a_configuration_is_compared},
	{"a configuration is applied and confirmed", a_configuration_is_applied_and_confirmed},
	{"a large configuration is taken from root", a_large_configuration_is_taken_from_root},
	{"a new model interrupts who holds the old", a_new_model_interrupts_who_holds_the_old},
	{"the daemon exits behind the reply of a stop", the_daemon_exits_behind_the_reply_of_a_stop},
	{"a stop that fails leaves the daemon", a_stop_that_fails_leaves_the_daemon},
	{"nonsense is answered and forgiven", nonsense_is_answered_and_forgiven},
	{"deep nesting is survived", deep_nesting_is_survived},
	{"a huge line ends the connection", a_huge_line_ends_the_connection},
	{"requests may come in pieces and in heaps", requests_may_come_in_pieces_and_in_heaps},
	{"who closes for writing still gets the answer", who_closes_for_writing_still_gets_the_answer},
	{"a half request is dropped with its client", a_half_request_is_dropped_with_its_client},
	{"who never reads only waits for itself", who_never_reads_only_waits_for_itself},
	{"a step is bounded", a_step_is_bounded},
	{"too many clients are turned away in words", too_many_clients_are_turned_away_in_words},
	{"who cannot be accepted waits without keeping the daemon busy",
		who_cannot_be_accepted_waits_without_keeping_the_daemon_busy},
	{"changes are for root", changes_are_for_root},
	{"the socket belongs to one daemon", the_socket_belongs_to_one_daemon},
	{"what happened is told", what_happened_is_told},
	{"who follows hears at once and costs nothing between",
		who_follows_hears_at_once_and_costs_nothing_between},
	{"a slow follower loses the oldest and is told", a_slow_follower_loses_the_oldest_and_is_told},
	{"who follows half closed stays", who_follows_half_closed_stays},
	{"every method is complete and documented", every_method_is_complete_and_documented},
	{"every event is documented", every_event_is_documented})
