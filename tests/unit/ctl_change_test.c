// SPDX-License-Identifier: Apache-2.0
/* What is changed by the control socket, and what is told of changes. */
#include "control_talk.h"

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

#define SWITCH    "{\"method\":\"gateway.switch\"}\n"
#define SWITCH_TO "{\"method\":\"gateway.switch\",\"arguments\":{\"gateway\":\"edge-gw-02\"}}\n"

/* Refused to one, and to any, with what stands against it; nothing is done. */
static void expect_no_successor(const char *why)
{
	static const char *const asked[] = {SWITCH, SWITCH_TO};

	for (size_t i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(code_of(exchange(asked[i])), REPLY_DEGRADED);
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, why));
		CU_ASSERT_FALSE(world.status.drained);
	}
	world_close();
	world_open();
}

static void only_who_can_take_over_does(void)
{
	struct member_status *other = &world.member_status[1];

	world_open();
	other->state = MEMBER_NONE;
	expect_no_successor("it was never heard");
	other->state = MEMBER_SUSPECT;
	expect_no_successor("it is not heard at the moment");
	other->state = MEMBER_DEAD;
	expect_no_successor("it is dead");
	other->ready = false;
	expect_no_successor("it does not know yet what the array knows");
	other->serving = false;
	expect_no_successor("it announces nothing");
	other->lag_p50_us = 1500000;
	expect_no_successor("it is out of step");
	world.member_tunnels[0].usable = false;
	expect_no_successor("no usable tunnel to acme");
	world.member_tunnels[0].provider = &world.providers[1];
	expect_no_successor("no usable tunnel to acme");
	world.model.array.member_count = 1;
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH)), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "there is no other gateway"));
	world_close();
}

static void a_gateway_is_switched_over(void)
{
	static const char to_self[] =
		"{\"method\":\"gateway.switch\",\"arguments\":{\"gateway\":\"edge-gw-01\"}}\n";

	world_open();
	CU_ASSERT_EQUAL(code_of(exchange(to_self)), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "edge-gw-01 cannot take over: it is this gateway"));
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH)), 0);
	CU_ASSERT_TRUE(world.status.drained);
	world_close();
	world_open();
	world.member_status[1].lag_p50_us = 2000000; /* by a clock that is 1.9 s behind */
	world.member_status[1].clock_skew_ms = -1900;
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH_TO)), 0);
	CU_ASSERT_TRUE(world.status.drained);
	CU_ASSERT_EQUAL(world.refreshes, 1);
	world_close();
	world_open();
	world.member_status[1].lag_p50_us = 0; /* by a clock that is 1.5 s ahead */
	world.member_status[1].clock_skew_ms = 1500;
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH_TO)), 0);
	world_close();
	world_open(); /* nobody is reached by us either */
	world.member_tunnels[0].usable = false;
	world.tunnel_status[0].usable = world.tunnel_status[1].usable = false;
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH_TO)), 0);
	world.drain_fails = true;
	CU_ASSERT_EQUAL(code_of(exchange(SWITCH_TO)), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "cannot remember it"));
	world_close();
}

static void a_tunnel_is_disabled_and_back(void)
{
	static const char
		disable[] = "{\"method\":\"tunnel.disable\",\"arguments\":{\"tunnel\":\"acme-lgw-01\"}}\n",
		enable[] = "{\"method\":\"tunnel.enable\",\"arguments\":{\"tunnel\":\"acme-lgw-01\"}}\n",
		get[] = "{\"method\":\"tunnel.get\",\"arguments\":{\"tunnel\":\"acme-lgw-01\"}}\n";

	world_open();
	world.leaves = true;
	CU_ASSERT_EQUAL(code_of(exchange(disable)), 0);
	exchange(get);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"service\":\"leaving\""));
	world.tunnel_status[0].leaving = false;
	exchange(get);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"cause\":\"disabled by an operator\",\"service\":\"disabled\""));
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(reply, "\"degraded\":[\"tunnel acme-lgw-01 is disabled by an operator\"]"));
	CU_ASSERT_EQUAL(code_of(exchange(enable)), 0);
	exchange(get);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"service\":\"enabled\""));
	world.drain_fails = true;
	CU_ASSERT_EQUAL(code_of(exchange(disable)), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "cannot remember it"));
	world_close();
}

static void a_router_that_is_away_degrades(void)
{
	world_open();
	world.router_status.bgp = SESSION_DOWN;
	CU_ASSERT_EQUAL(code_of(exchange("{\"method\":\"status\"}\n")), REPLY_DEGRADED);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\"degraded\":[\"router ixp-1: BGP is down\"]"));
	world.router_status.bgp = SESSION_UP;
	world.router_status.bfd = SESSION_DOWN;
	exchange("{\"method\":\"status\"}\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "router ixp-1: BGP is up and BFD is not"));
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

UNIT_TESTS("ctl change", {"a gateway is drained and back", a_gateway_is_drained_and_back},
	{"only who can take over does", only_who_can_take_over_does},
	{"a gateway is switched over", a_gateway_is_switched_over},
	{"a tunnel is disabled and back", a_tunnel_is_disabled_and_back},
	{"a router that is away degrades", a_router_that_is_away_degrades},
	{"a configuration is compared", a_configuration_is_compared},
	{"a configuration is applied and confirmed", a_configuration_is_applied_and_confirmed},
	{"a large configuration is taken from root", a_large_configuration_is_taken_from_root},
	{"the daemon exits behind the reply of a stop", the_daemon_exits_behind_the_reply_of_a_stop},
	{"a stop that fails leaves the daemon", a_stop_that_fails_leaves_the_daemon},
	{"what happened is told", what_happened_is_told},
	{"who follows hears at once and costs nothing between",
		who_follows_hears_at_once_and_costs_nothing_between},
	{"a slow follower loses the oldest and is told", a_slow_follower_loses_the_oldest_and_is_told},
	{"who follows half closed stays", who_follows_half_closed_stays})
