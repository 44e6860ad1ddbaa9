/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two real BIRDs, each in a network namespace of its own: ours as bird/ starts and configures it, and a provider's.
 *
 *	this process                                       the peer
 *	AS 64500   acme-lgw.01  169.254.1.1  ────────────  pt1  169.254.1.2   AS 64501, its table and kernel table 101
 *	           acme-lgw-02      fd00:2::1  ────────────  pt2      fd00:2::2   AS 64502, its table and kernel table 102
 *	           eth1           172.31.1.1  ────────────  pt3   172.31.1.254   the same, as a router: kernel table 103
 *
 * The peer announces 100.64.0.0/10 and 198.51.100.0/24 by the first link: we import the former, tell nobody, and
 * keep it out of our kernel. What we announce is read in the peer's kernel. The namespaces and BIRDs die with this
 * process.
 *
 * BFD counts by the slower end, which is the peer: 3 s without it are its death, so a busy machine's pauses are none.
 */
#ifndef BIRD_MACHINE_H
#define BIRD_MACHINE_H

#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "bird/client.h"
#include "bird/daemon.h"
#include "guard/guard.h"
#include "bird_model.h"

static const char peer_config[] =
	"router id 203.0.113.1;\n"
	"log \"peer.log\" all;\n"
	"protocol device {}\n"
	"protocol bfd { interface \"pt*\" { interval 1000 ms; multiplier 3; idle tx interval 300 ms; }; }\n"
	"ipv4 table a4; ipv6 table a6; ipv4 table b4; ipv6 table b6; ipv4 table c4; ipv6 table c6;\n"
	"protocol static { ipv4 { table a4; }; route 100.64.0.0/10 blackhole; route 198.51.100.0/24 "
	"blackhole; }\n"
	"protocol static six { ipv6 { table a6; }; route 2001:db8:100::/40 blackhole; }\n"
	"protocol static leaving { disabled; ipv4 { table a4; preference 250; };\n"
	"	route 100.64.0.0/10 blackhole { bgp_community.add((65535,0)); }; }\n"
	"protocol static { ipv4 { table c4; }; route 100.127.0.0/16 blackhole; }\n"
	"protocol kernel { ipv4 { table c4; export where source = RTS_BGP; }; kernel table 103; }\n"
	"protocol kernel { ipv6 { table c6; export where source = RTS_BGP; }; kernel table 103; }\n"
	"protocol kernel { ipv4 { table a4; export where source = RTS_BGP; }; kernel table 101; }\n"
	"protocol kernel { ipv6 { table a6; export where source = RTS_BGP; }; kernel table 101; }\n"
	"protocol kernel { ipv4 { table b4; export where source = RTS_BGP; }; kernel table 102; }\n"
	"protocol kernel { ipv6 { table b6; export where source = RTS_BGP; }; kernel table 102; }\n"
	"template bgp edge {\n"
	"	connect delay time 1; connect retry time 1; error wait time 1, 1; bfd on; hold time 9;\n"
	"}\n"
	"protocol bgp a from edge {\n"
	"	local 169.254.1.2 as 64501; neighbor 169.254.1.1 as 64500;\n"
	"	include \"secret.conf\";\n"
	"	ipv4 { table a4; import all; export all; next hop self; };\n"
	"	ipv6 { table a6; import all; export all; next hop address fd00:1::2; }; }\n"
	"protocol bgp b from edge { local fd00:2::2 as 64502; neighbor fd00:2::1 as 64500;\n"
	"	ipv4 { table b4; import all; export all; next hop address 169.254.2.2; };\n"
	"	ipv6 { table b6; import all; export all; next hop self; }; }\n"
	"protocol bgp r from edge { local 172.31.1.254 as 64502; neighbor 172.31.1.1 as 64500;\n"
	"	ipv4 { table c4; import all; export all; next hop self; };\n"
	"	ipv6 { table c6; import all; export all; next hop address fd00:31::fe; }; }\n";

static const bool all[] = {true, true}, none[] = {false, false}, first[] = {true, false};

static struct machine {
	char folder[64];
	struct bird_model m;
	struct bird_daemon daemon;
	struct bird_client *client;
	pid_t peer_namespace, peer_bird, bird, guard;
	bool established[2]; /* of 101 and 102 */
	unsigned lost;       /* how often that of 101 */
	bool leaving;        /* what is announced */
	enum voice voices[5];
	bool unproven[5];    /* what is announced too */
	bool router_answers; /* by BFD */
	char words[2][48];
	char told[256]; /* what 101 announces of a group: "100.64.0.0/10 2001:db8::1/128! " */
	struct egress_link link;
	struct egress_group group;
	unsigned configured; /* how often */
	int result;          /* of the last time */
	char reason[256];
} here;

/* ---- Tools ------------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What a command says on its standard output, in a static buffer, and how it ended. `peer`: in the peer's namespace. */
static const char *output_of(int *status, bool peer, const char *format, va_list arguments)
{
	static char text[4096];
	char command[512], whole[1024], enter[64] = "";
	FILE *pipe;

	vsnprintf(command, sizeof(command), format, arguments);
	if (peer)
		snprintf(enter, sizeof(enter), "nsenter -t %d -n ", here.peer_namespace);
	snprintf(whole, sizeof(whole), "exec 2>&1 %s%s", enter, command);
	pipe = popen(whole, "re");
	text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
	*status = pclose(pipe);
	return text;
}

/* Answers "" when the command fails: a table without routes is none to `ip`. */
static const char *output(bool peer, const char *format, ...)
{
	va_list arguments;
	const char *text;
	int status;

	va_start(arguments, format);
	text = output_of(&status, peer, format, arguments);
	va_end(arguments);
	return status == 0 ? text : "";
}

static void run(bool peer, const char *format, ...)
{
	va_list arguments;
	const char *text;
	int status;

	va_start(arguments, format);
	text = output_of(&status, peer, format, arguments);
	va_end(arguments);
	if (status != 0)
		printf("%s: %s\n", format, text);
	CU_ASSERT_EQUAL_FATAL(status, 0);
}

static pid_t start(char *const argv[])
{
	pid_t child = fork();

	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], argv);
	_exit(127);
}

static void end(pid_t *child)
{
	if (*child <= 0)
		return;
	kill(*child, SIGKILL);
	kill(*child, SIGCONT);
	waitpid(*child, NULL, 0);
	*child = 0;
}

static void write_text(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", here.folder, name);
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

/* ---- The handler ------------------------------------------------------------------------------------------------- */

static void on_session(void *context, const struct bird_peer *peer, bool established, const char *words)
{
	uint16_t tunnel = peer->tunnel;

	(void)context;
	if (here.established[0] && tunnel == 101 && !established)
		here.lost++;
	if (tunnel != 101 && tunnel != 102)
		return;
	here.established[tunnel - 101] = established;
	if (words)
		snprintf(here.words[tunnel - 101], sizeof(here.words[0]), "%s", words);
}

static void on_configured(void *context, int result, const char *words)
{
	(void)context;
	here.configured++;
	here.result = result;
	snprintf(here.reason, sizeof(here.reason), "%s", words);
}

static void on_told(void *context, const struct told_route *routes, size_t count)
{
	char prefix[PREFIX_TEXT_SIZE];

	(void)context;
	here.told[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(here.told + strlen(here.told), sizeof(here.told) - strlen(here.told), "%u:%s%s ",
			routes[i].tunnel, prefix_format(&routes[i].prefix, prefix),
			routes[i].leaving ? "!" : "");
}

static void on_bfd(void *context, const struct address *neighbor, const char *interface, bool up)
{
	(void)context;
	if (address_equal(neighbor, &here.m.routers[0].bgp.neighbor) && strcmp(interface, "eth1") == 0)
		here.router_answers = up;
}

static const struct bird_handler handler = {
	.session = on_session, .told = on_told, .bfd = on_bfd, .configured = on_configured};

/* Serves the client as main does, until a condition holds; false: not in time. */
static bool until(bool (*condition)(void), unsigned timeout_ms)
{
	uint64_t started = now_ms(), refreshed = started;
	struct pollfd poller = {.events = POLLIN};
	struct error error;

	CU_ASSERT_PTR_NOT_NULL_FATAL(here.client);
	poller.fd = bird_client_fd(here.client);

	while (!condition()) {
		uint64_t now = now_ms();

		if (now - started > timeout_ms)
			return false;
		poll(&poller, 1, 10);
		if (bird_client_read(here.client, &error) < 0) {
			printf("%s\n", error.text);
			return false;
		}
		if (now - refreshed >= 1000 && bird_client_refresh(here.client, &error) == 0)
			refreshed = now;
	}
	return true;
}

/* What is sure to come, but a busy machine takes its time. */
static bool soon(bool (*condition)(void))
{
	return until(condition, 30000);
}

static bool first_up(void)
{
	return here.established[0];
}

static bool first_down(void)
{
	return !here.established[0];
}

static bool both_up(void)
{
	return here.established[0] && here.established[1];
}

static bool both_told(void)
{
	return both_up() && strcmp(here.words[0], "Established") == 0 &&
	       strcmp(here.words[1], "Established") == 0;
}

/* ---- What the kernels say ---------------------------------------------------------------------------------------- */

#define FIRST_V4  "192.0.2.1 via 169.254.%d.1 dev pt%d metric 32 \n"
#define SECOND_V4 "192.0.2.2 via 169.254.%d.1 dev pt%d metric 32 \n"

static bool peer_has(unsigned link, const char *v4, const char *v6)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), v4, link, link, link, link);
	if (strcmp(output(true, "ip -4 route show table %u proto bird", 100 + link), wanted) != 0)
		return false;
	snprintf(wanted, sizeof(wanted), v6, link, link);
	return strcmp(output(true, "ip -6 route show table %u proto bird", 100 + link), wanted) == 0;
}

#define V6 "2001:db8::1 via fd00:%d::1 dev pt%d metric 32 pref medium\n"

static bool peer_sees_all(void)
{
	return peer_has(1, FIRST_V4 SECOND_V4, V6) && peer_has(2, FIRST_V4 SECOND_V4, V6);
}

static bool peer_sees_nothing(void)
{
	return peer_has(1, "", "") && peer_has(2, "", "");
}

static bool peer_sees_first(void)
{
	return peer_has(1, FIRST_V4, V6) && peer_has(2, FIRST_V4, V6);
}

#define MARKER_V4 "198.18.0.101 via 169.254.1.2 dev acme-lgw.01 table 7777 metric 32 \n"
#define MARKER_V6 "100::66 via fd00:2::2 dev acme-lgw-02 table 7777 metric 32 pref medium\n"

/* And no other route of BIRD's in any table. */
static bool markers_are(const char *v4, const char *v6)
{
	return strcmp(output(false, "ip -4 route show table all proto bird"), v4) == 0 &&
	       strcmp(output(false, "ip -6 route show table all proto bird"), v6) == 0;
}

static bool markers_up(void)
{
	return markers_are(MARKER_V4, MARKER_V6);
}

static bool markers_down(void)
{
	return markers_are("", "");
}

/* ---- Set up, in the order of the tests --------------------------------------------------------------------------- */

static void make_peer_namespace(void)
{
	int ready[2];
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe2(ready, O_CLOEXEC), 0);
	here.peer_namespace = fork();
	if (here.peer_namespace == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1 || pause());
	}
	close(ready[1]);
	CU_ASSERT_EQUAL_FATAL(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

/* A veth pair without link-local addresses stands for a tunnel, which has none either. */
static void make_link(const char *name, unsigned number)
{
	run(false, "ip link add %s type veth peer name pt%u netns %d", name, number, here.peer_namespace);
	run(false, "ip link set %s addrgenmode none", name);
	run(true, "ip link set pt%u addrgenmode none", number);
	run(false, "ip addr add 169.254.%u.1/30 dev %s", number, name);
	run(false, "ip addr add fd00:%u::1/126 dev %s nodad", number, name);
	run(true, "ip addr add 169.254.%u.2/30 dev pt%u", number, number);
	run(true, "ip addr add fd00:%u::2/126 dev pt%u nodad", number, number);
	run(false, "ip link set %s up", name);
	run(true, "ip link set pt%u up", number);
}

static void start_peer_bird(void)
{
	char namespace[16], config[128], control[128];

	snprintf(namespace, sizeof(namespace), "%d", here.peer_namespace);
	snprintf(config, sizeof(config), "%s/peer.conf", here.folder);
	snprintf(control, sizeof(control), "%s/peer.ctl", here.folder);
	here.peer_bird = start((char *[]){"nsenter", "-t", namespace, "-n", here.daemon.program, "-f", "-c",
		config, "-s", control, NULL});
}

static struct announcement announcement_of(const bool *announced)
{
	struct announcement announcement = announcing(announced, here.voices, here.leaving);

	announcement.unproven = here.unproven;
	return announcement;
}

static void install(const bool *announced)
{
	const struct announcement announcement = announcement_of(announced);
	struct error error;

	if (bird_daemon_install(&here.daemon, &here.m.model, &announcement, &error) < 0)
		CU_FAIL_FATAL(error.text);
}

static void start_bird(void)
{
	struct error error;

	here.bird = start(here.daemon.argv);
	if (bird_client_open(&here.client, here.daemon.socket, &handler, 5000, &error) < 0)
		CU_FAIL_FATAL(error.text);
}

/* The real one: it dies with this test, and the interface with it. */
static void start_guard(void)
{
	struct error error;

	here.guard = fork();
	if (here.guard == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		guard_run(GUARD_INTERFACE, "guard.sock", 3600000, &error);
		_exit(1);
	}
	for (int i = 0; i < 300 && guard_find("guard.sock") != here.guard; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void make_all(void)
{
	struct error error;

	strcpy(here.folder, "/tmp/bird-daemon-test-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(here.folder));
	CU_ASSERT_EQUAL_FATAL(chdir(here.folder), 0);
	bird_model_make(&here.m);
	here.m.tunnels[1].bgp.peer_as = 64502;
	here.m.model.tunnel_count = 2;
	if (bird_daemon_init(&here.daemon, here.folder, &error) < 0)
		CU_FAIL_FATAL(error.text);
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNET), 0);
	make_peer_namespace();
	make_link("acme-lgw.01", 1);
	make_link("acme-lgw-02", 2);
	start_guard();
	write_text("peer.conf", peer_config);
	write_text("secret.conf", "");
	start_peer_bird();
	install(all);
	start_bird();
}

static void configure(const bool *announced)
{
	const struct announcement announcement = announcement_of(announced);
	struct error error;

	CU_ASSERT_PTR_NOT_NULL_FATAL(here.client);
	if (bird_client_configure(here.client, &here.m.model, &announcement, &error) < 0)
		CU_FAIL_FATAL(error.text);
}

static void announce(const bool *announced)
{
	const struct announcement announcement = announcement_of(announced);
	struct error error;

	if (bird_daemon_install_announced(&here.daemon, &here.m.model, &announcement, &error) < 0)
		CU_FAIL_FATAL(error.text);
	configure(announced);
}

static void announce_and_wait(const bool *announced)
{
	struct error error;

	announce(announced);
	if (bird_client_wait(here.client, 10000, &error) < 0)
		CU_FAIL_FATAL(error.text);
}

static void remove_all(void)
{
	static const char *const files[] = {
		"peer.conf", "peer.ctl", "peer.log", "secret.conf", "secret", "guard.sock"};

	bird_client_close(here.client);
	end(&here.bird);
	end(&here.peer_bird);
	end(&here.peer_namespace);
	end(&here.guard);
	bird_daemon_remove(&here.daemon);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlink(files[i]);
	CU_ASSERT_EQUAL(rmdir(here.folder), 0);
}

#endif
