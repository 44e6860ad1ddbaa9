// SPDX-License-Identifier: Apache-2.0
/* What the control socket answers, and that the documentation knows every method. */
#include "control_talk.h"
#include "ctl/rows.h"

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

static void a_full_table_is_told(void)
{
	char address[ADDRESS_TEXT_SIZE];

	world_open();
	for (uint32_t i = 0; i < 204; i++) { /* of 256: 79.7 % */
		snprintf(address, sizeof(address), "100.64.2.%u", i);
		world_device(i, address);
	}
	exchange("{\"method\":\"status\"}\n");
	CU_ASSERT_PTR_NULL(strstr(reply, "the table of"));
	world_device(204, "100.64.2.204");
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"the table of devices is 80 % full, "));
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
	CU_ASSERT_EQUAL(count_lines(exchange("{\"method\":\"bgp.list\"}\n")), 3);
	CU_ASSERT_EQUAL(
		count_lines(exchange("{\"method\":\"bgp.list\",\"arguments\":{\"provider\":\"acme\"}}\n")),
		2);
	CU_ASSERT_EQUAL(
		count_lines(exchange("{\"method\":\"bgp.get\",\"arguments\":{\"session\":\"ixp-1\"}}\n")), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"tunnel\":null,\"router\":\"ixp-1\",\"interface\":\"eth1\""));
	CU_ASSERT_EQUAL(count_lines(exchange(
				"{\"method\":\"tunnel.get\",\"arguments\":{\"tunnel\":\"acme-lgw-02\"}}\n")),
		2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"handshake_age_ms\":null"));
	CU_ASSERT_EQUAL(
		code_of(exchange("{\"method\":\"bgp.get\",\"arguments\":{\"session\":\"acme-lgw-02\"}}\n")),
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
		"\"tunnel_number\":101,\"answer\":null,\"answer_mtu\":null}"));
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

#define LAN_ENDS                                                                       \
	"\"source\":\"10.9.0.7\",\"source_port\":4000,\"destination\":\"198.18.0.1\"," \
	"\"destination_port\":53"
#define BACK_ENDS                                                                    \
	"\"source\":\"198.18.0.1\",\"source_port\":53,\"destination\":\"10.9.0.7\"," \
	"\"destination_port\":4000"
#define FROM_LAN ",\"from_lan\":\"eth1\""

static void world_open_egress(enum egress_mode mode)
{
	world_open();
	world_egress(mode);
}

/* The LAN's side is the flow's source, also of an error about an answer; the interface is said by its index. */
static void a_lan_is_asked_by_its_interface(void)
{
	world_open_egress(EGRESS_LOAD_SHARING);
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(LAN_ENDS, FROM_LAN ",\"hops\":2,\"size\":1400"))), 0);
	CU_ASSERT_EQUAL(world.asked.direction, EXPLAIN_LAN);
	CU_ASSERT_EQUAL(world.asked.ifindex, 5);
	CU_ASSERT_EQUAL(world.asked.hops, 2);
	CU_ASSERT_EQUAL(world.asked.length, 1400);
	CU_ASSERT_EQUAL(ntohs(world.asked.key.source_port), 4000);
	exchange(ASKED(BACK_ENDS, FROM_LAN ",\"icmp_error\":true"));
	CU_ASSERT_EQUAL(world.asked.kind, EXPLAIN_ICMP_ERROR);
	CU_ASSERT_EQUAL(ntohs(world.asked.key.source_port), 4000);
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(LAN_ENDS, ",\"from_lan\":\"eth0\""))), REPLY_NOT_FOUND);
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(LAN_ENDS, FROM_LAN ",\"from_uplink\":true"))), REPLY_USAGE);
	CU_ASSERT_EQUAL(
		code_of(exchange(ASKED(LAN_ENDS, FROM_LAN ",\"from_tunnel\":\"acme-lgw-01\""))), REPLY_USAGE);
	world.lan_status.ifindex = 0;
	CU_ASSERT_EQUAL(code_of(exchange(ASKED(LAN_ENDS, FROM_LAN))), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "there is no interface eth1 now"));
	world_close();
}

static void a_link_is_explained(void)
{
	static const struct {
		enum egress_mode mode;
		struct explanation answer;
		const char *said;
	} rows[] = {
		{EGRESS_LOAD_SHARING,
			{.provider = 101,
				.way_tunnel = 102,
				.reason = REASON_egress_shared,
				.way_reason = REASON_egress_shared},
			"\"tunnel\":\"acme-lgw-02\",\"tunnel_number\":102,\"choice\":\"share\","},
		{EGRESS_LOAD_SHARING,
			{.provider = 101,
				.way_tunnel = 102,
				.reason = REASON_egress_pinned,
				.way_reason = REASON_egress_pinned},
			"\"egress\":{\"egress\":\"platform\",\"mode\":\"load-sharing\",\"sent\":true,"},
		{EGRESS_LOAD_SHARING,
			{.provider = 101,
				.way_tunnel = 102,
				.reason = REASON_egress_pinned,
				.way_reason = REASON_egress_pinned},
			"\"choice\":\"pinned\",\"answer\":null"},
		{EGRESS_ACTIVE_STANDBY,
			{.provider = 101,
				.way_tunnel = 101,
				.reason = REASON_egress_shared,
				.way_reason = REASON_egress_shared},
			"\"choice\":\"active\","},
		{EGRESS_ACTIVE_STANDBY,
			{.provider = 101,
				.reason = REASON_no_egress_link,
				.way_reason = REASON_no_egress_link},
			"\"sent\":false,\"dropped\":true,\"reason\":\"no_egress_link\""},
		{EGRESS_ACTIVE_STANDBY,
			{.provider = 101,
				.way_tunnel = 101,
				.reason = REASON_too_big,
				.way_reason = REASON_egress_shared,
				.answered = 1,
				.fits = 1400},
			"\"choice\":\"active\",\"answer\":\"packet_too_big\",\"answer_mtu\":1400}"},
		{EGRESS_ACTIVE_STANDBY, {.reason = REASON_passed_other},
			"\"egress\":{\"egress\":null,\"mode\":null,\"sent\":false,\"dropped\":false,"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		world_open_egress(rows[i].mode);
		world.answer = rows[i].answer;
		CU_ASSERT_EQUAL(code_of(exchange(ASKED(LAN_ENDS, FROM_LAN))), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"direction\":\"egress\",\"seen_at\":\"lan\""));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, rows[i].said));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"response\":null"));
		world_close();
	}
}

static void what_a_link_carries_is_told(void)
{
	static const char list[] = "{\"method\":\"egress.list\"}\n";

	world_open_egress(EGRESS_LOAD_SHARING);
	CU_ASSERT_EQUAL(count_lines(exchange(list)), 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"from\":[\"eth1\"]"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"share_permille\":500,\"measured_permille\":520,\"uneven\":false"));
	world.egress_status.imbalance.measured[1] = 449;
	exchange(list);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"share_permille\":500,\"measured_permille\":449,\"uneven\":true"));
	world.egress_status.imbalance.looked = false;
	exchange(list);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"measured_permille\":null,\"uneven\":false"));
	CU_ASSERT_PTR_NULL(strstr(reply, "\"uneven\":true"));
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
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"refused\":8,\"unkept\":null,\"overflowed\":9,\"unsent\":10,"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"state\":\"alive\",\"serving\":true,\"drained\":null"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"lag_p50_us\":1234,\"lag_p99_us\":null,\"sent\":10,\"received\":20,"
		"\"lost\":3,\"asked_again\":4,\"refused\":5,\"unkept\":11,\"overflowed\":null,"
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
		strstr(reply, "\"gateway\":\"edge-gw-02\",\"tunnel\":null,\"tunnel_number\":201,"
			      "\"answer\":null,\"answer_mtu\":null}"));
	world_close();
}

/* What is dropped may be told to its sender. */
static void an_answer_by_icmp_is_explained(void)
{
	world_open();
	world.answer = (struct explanation){.reason = REASON_too_big, .answered = 1, .fits = 1400};
	exchange("{\"method\":\"flow.explain\"," ENDS);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"dropped\":true,"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"answer\":\"packet_too_big\",\"answer_mtu\":1400}"));
	world.answer = (struct explanation){.reason = REASON_hops_exceeded, .answered = 1};
	exchange("{\"method\":\"flow.explain\"," ENDS);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"answer\":\"time_exceeded\",\"answer_mtu\":null}"));
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
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"gateway edge-gw-02: its clock is 3600 s behind ours, so what "
					     "we tell it of flows is refused\""));
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
	{"an answer by ICMP is explained", an_answer_by_icmp_is_explained},
	{"the status knows the array", the_status_knows_the_array},
	{"names that are gone are null", names_that_are_gone_are_null},
	{"filters reach the table", filters_reach_the_table},
	{"the expired are not shown", the_expired_are_not_shown},
	{"one flow is found from both directions", one_flow_is_found_from_both_directions},
	{"an echo is known by its id at either end", an_echo_is_known_by_its_id_at_either_end},
	{"a flush needs a filter or all", a_flush_needs_a_filter_or_all},
	{"devices are listed and found", devices_are_listed_and_found},
	{"a full table is told", a_full_table_is_told},
	{"the status says what is degraded", the_status_says_what_is_degraded},
	{"tunnels and sessions are listed", tunnels_and_sessions_are_listed},
	{"an explanation names everything", an_explanation_names_everything},
	{"a question says what the packet is", a_question_says_what_the_packet_is},
	{"an error goes back to the source", an_error_goes_back_to_the_source},
	{"the tunnel may be said", the_tunnel_may_be_said},
	{"a LAN is asked by its interface", a_lan_is_asked_by_its_interface},
	{"a link is explained", a_link_is_explained},
	{"what a link carries is told", what_a_link_carries_is_told},
	{"the configuration comes as text", the_configuration_comes_as_text},
	{"every method is complete and documented", every_method_is_complete_and_documented},
	{"every event is documented", every_event_is_documented})
