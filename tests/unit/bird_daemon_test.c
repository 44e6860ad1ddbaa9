// SPDX-License-Identifier: Apache-2.0
/*
 * BIRD as bird/ starts, configures and watches it, beside a provider's: what each announces, hears and believes, and what
 * is left when one of them is silent, goes or dies. The tests go on with the same two daemons (bird_machine.h), in order.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bird_machine.h"

static void sessions_come_up(void)
{
	make_all();
	CU_ASSERT_FATAL(soon(both_told));
}

static void the_loopbacks_are_announced_and_nothing_else(void)
{
	CU_ASSERT(soon(peer_sees_all));
}

static void nothing_enters_our_kernel_but_markers(void)
{
	const char *imported = "";

	CU_ASSERT(soon(markers_up));
	imported = output(false, "birdc -s %s show route protocol hw_bgp_101", here.daemon.socket);
	CU_ASSERT_PTR_NOT_NULL(strstr(imported, "100.64.0.0/10"));
	CU_ASSERT_PTR_NULL(strstr(imported, "198.51.100.0/24"));
}

/* Whatever gwd has asked for: without the guard's interface nothing is announced. */
static void a_guard_that_lets_go_withdraws(void)
{
	end(&here.guard);
	CU_ASSERT(soon(peer_sees_nothing));
	start_guard();
	CU_ASSERT(soon(peer_sees_all));
}

static void withdrawing_is_verified_and_seen(void)
{
	announce_and_wait(none);
	CU_ASSERT(soon(peer_sees_nothing));
	CU_ASSERT(both_up());
	announce_and_wait(first);
	CU_ASSERT(soon(peer_sees_first));
	announce_and_wait(all);
	CU_ASSERT(soon(peer_sees_all));
	CU_ASSERT(both_up());
}

static void a_burst_is_coalesced(void)
{
	struct error error;
	unsigned before = here.configured;

	for (unsigned i = 0; i < 100; i++)
		announce(i % 2 ? all : none);
	announce(first);
	CU_ASSERT_EQUAL(bird_client_wait(here.client, 10000, &error), 0);
	CU_ASSERT(here.configured - before <= 3);
	CU_ASSERT(soon(peer_sees_first));
	announce_and_wait(all);
	CU_ASSERT(soon(peer_sees_all));
}

static void a_refused_file_changes_nothing(void)
{
	struct error error;

	write_text("bird/announce.conf", "this is not BIRD's language\n");
	configure(none);
	CU_ASSERT_EQUAL(bird_client_wait(here.client, 10000, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "announce.conf:1:"));
	CU_ASSERT(peer_sees_all());
	announce_and_wait(all);
}

/* BIRD took the file, but the file does not say what was asked for: too much, or too little. */
static void an_announcement_is_believed_when_seen(void)
{
	static const bool *const rows[][2] = {{all, first}, {first, all}};
	struct error error;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		announce_and_wait(rows[i][0]);
		configure(rows[i][1]);
		CU_ASSERT_EQUAL(bird_client_wait(here.client, 300, &error), -ETIMEDOUT);
		CU_ASSERT_EQUAL(here.result, -EAGAIN);
	}
	announce_and_wait(all);
}

/* How many of its routes the peer knows to be leaving; it counts for each of the two sessions. */
static bool peer_knows_leaving(const char *count)
{
	return strcmp(output(false,
			      "birdc -s %s/peer.ctl \"show route table all all where (65535,0) ~ "
			      "bgp_community\" |"
			      " awk '/BGP.community: .65535,0./ {n++} END {print n + 0}'",
			      here.folder),
		       count) == 0;
}

static bool peer_knows_all_leaving(void)
{
	return peer_knows_leaving("6\n");
}

static bool peer_knows_none_leaving(void)
{
	return peer_knows_leaving("0\n");
}

static void what_leaves_says_so(void)
{
	here.leaving = true;
	announce_and_wait(all);
	CU_ASSERT(soon(peer_knows_all_leaving));
	CU_ASSERT(peer_sees_all());
	announce_and_wait(none);
	CU_ASSERT(soon(peer_sees_nothing));
	here.leaving = false;
	announce_and_wait(all);
	CU_ASSERT(soon(peer_sees_all));
	CU_ASSERT(soon(peer_knows_none_leaving));
}

#define TOLD_V4 "101:100.64.0.0/10"
#define TOLD_V6 "101:2001:db8:100::/40 "

static bool told_all(void)
{
	return strcmp(here.told, TOLD_V4 " " TOLD_V6) == 0;
}

static bool told_v4_leaving(void)
{
	return strcmp(here.told, TOLD_V4 "! " TOLD_V6) == 0;
}

static bool told_v4_alone(void)
{
	return strcmp(here.told, TOLD_V4 " ") == 0;
}

/* Without a refresh: it is heard when it happens. */
static bool heard(bool (*condition)(void))
{
	uint64_t started = now_ms();
	struct pollfd poller = {.fd = bird_client_fd(here.client), .events = POLLIN};
	struct error error;

	while (!condition() && now_ms() - started < 5000) {
		poll(&poller, 1, 10);
		if (bird_client_read(here.client, &error) < 0)
			return false;
	}
	return condition();
}

static void peer_does(const char *command)
{
	run(false, "birdc -s %s/peer.ctl %s", here.folder, command);
}

/* The first tunnel becomes a link: of what its neighbour announces, the destinations are told, and of those within. */
static void what_a_link_announces_is_heard(void)
{
	here.link = (struct egress_link){.tunnel = &here.m.tunnels[0]};
	here.group = (struct egress_group){.name = "platform",
		.destinations = here.m.import,
		.destination_count = 2,
		.links = &here.link,
		.link_count = 1};
	here.m.model.egress = &here.group;
	here.m.model.egress_count = 1;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(heard(told_all));
	CU_ASSERT(both_up());
	peer_does("enable leaving");
	CU_ASSERT(heard(told_v4_leaving));
	peer_does("disable leaving");
	CU_ASSERT(heard(told_all));
	peer_does("disable six");
	CU_ASSERT(heard(told_v4_alone));
	peer_does("enable six");
	CU_ASSERT(heard(told_all));
	here.m.model.egress_count = 0;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(both_up());
}

/* What the peer was told through the first tunnel, as BIRD shows it. */
static bool peer_was_told(const char *attribute)
{
	return strstr(output(false, "birdc -s %s/peer.ctl show route table a4 all 192.0.2.1/32", here.folder),
		       attribute) != NULL;
}

static bool peer_was_told_preferences(void)
{
	return peer_was_told("BGP.as_path: 64500 64500 64500\n") && peer_was_told("BGP.med: 20\n");
}

static bool peer_was_told_no_preferences(void)
{
	return peer_was_told("BGP.as_path: 64500\n") && !peer_was_told("BGP.med");
}

static bool imported_with_preference(void)
{
	return strstr(output(false, "birdc -s %s show route protocol hw_bgp_101 all", here.daemon.socket),
		       "BGP.local_pref: 90") != NULL;
}

static void preferences_change_without_a_reset(void)
{
	unsigned lost = here.lost;

	here.m.tunnels[0].bgp.med = 20;
	here.m.tunnels[0].bgp.prepend = 2;
	here.m.tunnels[0].bgp.local_pref = 90;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(soon(peer_was_told_preferences));
	CU_ASSERT(soon(imported_with_preference));
	CU_ASSERT(peer_has(2, FIRST_V4 SECOND_V4, V6));
	here.m.tunnels[0].bgp.med = here.m.tunnels[0].bgp.prepend = 0;
	here.m.tunnels[0].bgp.local_pref = 100;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(soon(peer_was_told_no_preferences));
	CU_ASSERT_EQUAL(here.lost, lost);
}

static bool first_tunnel_hears_nothing(void)
{
	return peer_has(1, "", "") && peer_has(2, FIRST_V4 SECOND_V4, V6);
}

static bool first_tunnel_hears_of_leaving(void)
{
	return peer_knows_leaving("3\n");
}

static void one_tunnel_leaves_and_is_silent(void)
{
	struct error error;
	unsigned lost = here.lost;

	here.voices[0] = VOICE_LEAVES;
	announce_and_wait(all);
	CU_ASSERT(soon(first_tunnel_hears_of_leaving));
	CU_ASSERT(peer_sees_all());
	here.voices[0] = VOICE_SILENT;
	announce_and_wait(all);
	CU_ASSERT(soon(first_tunnel_hears_nothing));
	/* A file that says something else is not believed. */
	here.voices[0] = VOICE_SPEAKS;
	announce_and_wait(all);
	here.voices[0] = VOICE_SILENT;
	configure(all);
	CU_ASSERT_EQUAL(bird_client_wait(here.client, 300, &error), -ETIMEDOUT);
	CU_ASSERT_EQUAL(here.result, -EAGAIN);
	here.voices[0] = VOICE_SPEAKS;
	announce_and_wait(all);
	CU_ASSERT(soon(peer_sees_all));
	CU_ASSERT(soon(peer_knows_none_leaving));
	CU_ASSERT_EQUAL(here.lost, lost);
}

/* ---- A router: what it is told, and what it tells ------------------------------------------------------------------ */

static void make_router(void)
{
	run(false, "ip link add eth1 type veth peer name pt3 netns %d", here.peer_namespace);
	run(false, "ip addr add 172.31.1.1/24 dev eth1");
	run(false, "ip addr add fd00:31::1/64 dev eth1 nodad");
	run(true, "ip addr add 172.31.1.254/24 dev pt3");
	run(true, "ip addr add fd00:31::fe/64 dev pt3 nodad");
	run(false, "ip link set eth1 up");
	run(true, "ip link set pt3 up");
	here.m.model.router_count = 1;
}

static bool router_knows(const char *v4, const char *v6)
{
	return strstr(output(true, "ip -4 route show table 103"), v4) &&
	       strstr(output(true, "ip -6 route show table 103"), v6);
}

static bool router_knows_loopbacks(void)
{
	return router_knows("192.0.2.1 via 172.31.1.1 dev pt3", "2001:db8::1 via fd00:31::1 dev pt3");
}

static bool router_knows_imported(void)
{
	return router_knows_loopbacks() && router_knows("100.64.0.0/10 via 172.31.1.1 dev pt3",
						   "2001:db8:100::/40 via fd00:31::1 dev pt3");
}

static bool router_knows_loopbacks_alone(void)
{
	return router_knows_loopbacks() && !strstr(output(true, "ip -4 route show table 103"), "100.64.") &&
	       !strstr(output(true, "ip -6 route show table 103"), "2001:db8:100:");
}

static bool router_knows_nothing(void)
{
	return !*output(true, "ip -4 route show table 103") && !*output(true, "ip -6 route show table 103");
}

static bool router_knows_leaving(void)
{
	return strstr(output(false, "birdc -s %s/peer.ctl show route table c4 all 100.64.0.0/10",
			      here.folder),
		       "(65535,0)") != NULL;
}

static bool router_is_followed(void)
{
	return strcmp(output(false, "ip -4 route show proto bird"),
		       "100.127.0.0/16 via 172.31.1.254 dev eth1 metric 32 \n") == 0;
}

static bool router_answers(void)
{
	return here.router_answers;
}

static bool first_is_heard_by_bfd(void)
{
	return strcmp(output(false, "birdc -s %s/peer.ctl show bfd sessions | grep -c '^169.254.1.1 .* Up '",
			      here.folder),
		       "1\n") == 0;
}

/*
 * Without its provider the first tunnel's BGP begins anew, and the peer's BFD with it. Ours goes on and refuses the new
 * one's packets until it has heard nothing of the old one for 3 s. BGP is up before that, and falls once more.
 */
static void a_router_is_told_what_a_tunnel_tells(void)
{
	make_router();
	here.m.tunnels[0].provider = NULL;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_imported));
	CU_ASSERT(soon(first_is_heard_by_bfd));
	CU_ASSERT(soon(router_knows_imported));
	CU_ASSERT(soon(router_is_followed));
	CU_ASSERT(soon(router_answers));
}

/* Also the last tunnel is left by somebody who has heard of it. */
static void a_router_hears_that_a_tunnel_leaves(void)
{
	here.voices[0] = VOICE_LEAVES;
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_leaving));
	CU_ASSERT(router_knows_imported());
	here.voices[0] = VOICE_SILENT;
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_loopbacks_alone));
	here.voices[0] = VOICE_SPEAKS;
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_imported));
	CU_ASSERT_FALSE(router_knows_leaving());
}

/* BGP and BFD are up all the while, and it is imported. */
static void a_router_is_told_nothing_that_probes_do_not_prove(void)
{
	here.unproven[0] = true;
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_loopbacks_alone));
	CU_ASSERT(first_up());
	CU_ASSERT_PTR_NOT_NULL(
		strstr(output(false, "birdc -s %s show route protocol hw_bgp_101", here.daemon.socket),
			"100.64.0.0/10"));
	here.unproven[0] = false;
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_imported));
}

static void a_router_is_told_nothing_without_the_guard(void)
{
	end(&here.guard);
	CU_ASSERT(soon(router_knows_nothing));
	start_guard();
	CU_ASSERT(soon(router_knows_imported));
	CU_ASSERT(soon(peer_sees_all));
}

static bool imported_by_the_tunnel(void)
{
	return strstr(output(false, "birdc -s %s show route protocol hw_bgp_101", here.daemon.socket),
		       "via 169.254.1.2 on acme-lgw.01") != NULL;
}

static void a_router_is_told_no_prefix_of_a_provider(void)
{
	here.m.tunnels[0].provider = &here.m.provider;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(soon(imported_by_the_tunnel));
	CU_ASSERT_FALSE(until(router_knows_imported, 5000));
	CU_ASSERT(router_knows_loopbacks_alone());
	CU_ASSERT(router_is_followed());
}

static void a_router_that_goes_takes_its_routes_along(void)
{
	here.m.model.router_count = 0;
	install(all);
	announce_and_wait(all);
	CU_ASSERT(soon(router_knows_nothing));
	CU_ASSERT(soon(both_told));
	CU_ASSERT(soon(markers_up));
}

/* ---- When something is silent, goes or dies ------------------------------------------------------------------------ */

static void silence_is_heard_by_markers_and_sessions(void)
{
	uint64_t started = now_ms();

	CU_ASSERT_FATAL(soon(markers_up));
	kill(here.peer_bird, SIGSTOP);
	CU_ASSERT(until(markers_down, 6000));
	printf("silence to markers gone: %lu ms\n", now_ms() - started);
	CU_ASSERT(until(first_down, 5000));
	kill(here.peer_bird, SIGCONT);
	CU_ASSERT(soon(markers_up));
	CU_ASSERT(soon(both_told));
	CU_ASSERT(soon(peer_sees_all));
}

static void a_link_may_go_and_come_back(void)
{
	run(false, "ip link del acme-lgw.01");
	CU_ASSERT(until(first_down, 5000));
	make_link("acme-lgw.01", 1);
	CU_ASSERT(soon(both_told));
	CU_ASSERT(soon(markers_up));
}

static void passwords_are_used(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/secret", here.folder);
	write_text("secret", "wrong \\ one\n");
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
	here.m.tunnels[0].bgp.password_file = path;
	write_text("secret.conf", "password \"right \\ one\";\n");
	run(false, "birdc -s %s/peer.ctl configure", here.folder);
	install(all);
	announce(all);
	CU_ASSERT(until(first_down, 5000));
	CU_ASSERT_FALSE(until(first_up, 5000));
	write_text("secret", "right \\ one\n");
	install(all);
	announce(all);
	CU_ASSERT(soon(both_told));
	CU_ASSERT_PTR_NULL(strstr(output(false, "cat bird/bird.log bird/tunnels.conf"), "right"));
}

static void bird_dies(int by)
{
	struct pollfd poller = {.events = POLLIN};
	struct error error;

	CU_ASSERT_FATAL(soon(markers_up));
	poller.fd = bird_client_fd(here.client);
	kill(here.bird, by);
	waitpid(here.bird, NULL, 0);
	CU_ASSERT_EQUAL(poll(&poller, 1, 1000), 1);
	while ((here.result = bird_client_read(here.client, &error)) == 0)
		;
	CU_ASSERT_EQUAL(here.result, -ECONNRESET);
	CU_ASSERT(markers_up());
	bird_client_close(here.client);
	here.client = NULL;
	memset(here.established, 0, sizeof(here.established));
	CU_ASSERT(bird_client_open(&here.client, here.daemon.socket, &handler, 50, &error) < 0);
}

static void a_dead_bird_changes_no_marker(void)
{
	static const int signals[] = {SIGKILL, SIGTERM};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		bird_dies(signals[i]);
		start_bird();
		CU_ASSERT(soon(both_told));
		CU_ASSERT(soon(peer_sees_all));
		CU_ASSERT(soon(markers_up));
	}
}

/* A BIRD that is not scheduled any more has to be noticed by somebody. */
static void a_deaf_bird_is_noticed(void)
{
	struct error error;
	int result = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(here.client);
	kill(here.bird, SIGSTOP);
	for (unsigned i = 0; i < BIRD_PATIENCE + 1 && result == 0; i++)
		result = bird_client_refresh(here.client, &error);
	CU_ASSERT_EQUAL(result, -ETIMEDOUT);
	kill(here.bird, SIGCONT);
}

UNIT_TESTS("bird daemon", {"sessions come up, by v4 and by v6", sessions_come_up},
	{"the loopbacks are announced and nothing else", the_loopbacks_are_announced_and_nothing_else},
	{"nothing enters our kernel but markers", nothing_enters_our_kernel_but_markers},
	{"a guard that lets go withdraws", a_guard_that_lets_go_withdraws},
	{"withdrawing is verified and seen", withdrawing_is_verified_and_seen},
	{"a burst is coalesced", a_burst_is_coalesced},
	{"a refused file changes nothing", a_refused_file_changes_nothing},
	{"an announcement is believed when it is seen", an_announcement_is_believed_when_seen},
	{"what leaves says so", what_leaves_says_so},
	{"what a link's neighbour announces is heard", what_a_link_announces_is_heard},
	{"preferences change without a reset", preferences_change_without_a_reset},
	{"one tunnel leaves and is silent, the others speak on", one_tunnel_leaves_and_is_silent},
	{"a router is told what a tunnel tells", a_router_is_told_what_a_tunnel_tells},
	{"a router hears that a tunnel leaves", a_router_hears_that_a_tunnel_leaves},
	{"a router is told nothing that probes do not prove",
		a_router_is_told_nothing_that_probes_do_not_prove},
	{"a router is told nothing without the guard", a_router_is_told_nothing_without_the_guard},
	{"a router is told no prefix of a provider", a_router_is_told_no_prefix_of_a_provider},
	{"a router that goes takes its routes along", a_router_that_goes_takes_its_routes_along},
	{"silence is heard by markers and sessions", silence_is_heard_by_markers_and_sessions},
	{"a link may go and come back", a_link_may_go_and_come_back},
	{"passwords are used", passwords_are_used},
	{"a dead BIRD changes no marker", a_dead_bird_changes_no_marker},
	{"a deaf BIRD is noticed", a_deaf_bird_is_noticed}, {"nothing is left behind", remove_all})
