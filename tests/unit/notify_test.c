// SPDX-License-Identifier: Apache-2.0
/* What the service manager hears: this test is one, with a socket of its own. */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "notify.h"

static struct tunnel tunnels[2];
static struct loopback loopbacks[2] = {{.name = "control"}, {.name = "voice"}};
static struct model model = {
	.tunnels = tunnels, .tunnel_count = 2, .loopbacks = loopbacks, .loopback_count = 2};
static struct tunnel_status tunnel_status[2] = {{.tunnel = &tunnels[0]}, {.tunnel = &tunnels[1]}};
static struct loopback_status loopback_status[2] = {{.loopback = &loopbacks[0]}, {.loopback = &loopbacks[1]}};
static struct status status = {.model = &model, .tunnels = tunnel_status, .loopbacks = loopback_status};

/* An abstract socket that sd_notify() finds. */
static int manage(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size;
	char name[64];

	size = snprintf(name, sizeof(name), "@homeward-notify-test-%d", getpid());
	memcpy(address.sun_path, name, size);
	address.sun_path[0] = '\0';
	CU_ASSERT_FATAL(bind(manager, (struct sockaddr *)&address,
				offsetof(struct sockaddr_un, sun_path) + (socklen_t)size) == 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return manager;
}

/* The next message; "": there is none. */
static const char *hear(int manager)
{
	static char text[1024];
	ssize_t size = recv(manager, text, sizeof(text) - 1, 0);

	text[size < 0 ? 0 : size] = '\0';
	return text;
}

static void the_line_tells_how_it_is(void)
{
	char text[128];

	CU_ASSERT_STRING_EQUAL(
		notify_words(&status, text, sizeof(text)), "0 of 2 tunnels usable, no loopback announced");
	tunnel_status[1].usable = loopback_status[0].announced = true;
	CU_ASSERT_STRING_EQUAL(
		notify_words(&status, text, sizeof(text)), "1 of 2 tunnels usable, announced: control");
	tunnel_status[0].usable = loopback_status[1].announced = true;
	CU_ASSERT_STRING_EQUAL(notify_words(&status, text, sizeof(text)),
		"2 of 2 tunnels usable, announced: control, voice");
	notify_words(&status, text, 24);
	CU_ASSERT_EQUAL(strlen(text), 23);
}

static void the_manager_hears_what_is_new(void)
{
	_cleanup_close_ int manager = manage();

	notify_status(&status);
	CU_ASSERT_STRING_EQUAL(hear(manager), "STATUS=2 of 2 tunnels usable, announced: control, voice");
	notify_status(&status);
	CU_ASSERT_STRING_EQUAL(hear(manager), "");
	tunnel_status[0].usable = false;
	notify_status(&status);
	CU_ASSERT_STRING_EQUAL(hear(manager), "STATUS=1 of 2 tunnels usable, announced: control, voice");
	notify_alive();
	CU_ASSERT_STRING_EQUAL(hear(manager), "WATCHDOG=1");
	notify_stopping();
	CU_ASSERT_PTR_NOT_NULL(strstr(hear(manager), "STOPPING=1"));
}

static void a_loop_that_runs_feeds_the_watchdog(void)
{
	_cleanup_close_ int manager = manage();
	sd_event *event;
	bool fed = false;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_USEC", "40000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	CU_ASSERT_FATAL(sd_event_new(&event) == 0);
	notify_ready(event, &status);
	for (int i = 0; i < 20 && !fed; i++) {
		const char *heard;

		sd_event_run(event, 20000);
		while (*(heard = hear(manager)))
			fed = fed || strcmp(heard, "WATCHDOG=1") == 0;
	}
	CU_ASSERT(fed);
	sd_event_unref(event);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void ready_is_told_once(void)
{
	_cleanup_close_ int manager = manage();
	sd_event *event;

	CU_ASSERT_FATAL(sd_event_new(&event) == 0);
	notify_ready(event, &status);
	CU_ASSERT_PTR_NOT_NULL(strstr(hear(manager), "READY=1\nSTATUS=1 of 2 tunnels usable"));
	CU_ASSERT_STRING_EQUAL(hear(manager), "");
	sd_event_unref(event);
	unsetenv("NOTIFY_SOCKET");
	notify_stopping(); /* to nobody */
}

UNIT_TESTS("notify", {"the line tells how it is", the_line_tells_how_it_is},
	{"the manager hears what is new", the_manager_hears_what_is_new},
	{"ready is told once", ready_is_told_once},
	{"a loop that runs feeds the watchdog", a_loop_that_runs_feeds_the_watchdog})
