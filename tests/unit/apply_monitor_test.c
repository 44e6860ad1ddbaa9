// SPDX-License-Identifier: Apache-2.0
/* What the kernel tells of links, addresses and marker routes, and what the monitor makes of it. */
#include "apply_machine.h"

#include "apply/monitor.h"

static struct {
	unsigned ups, downs, lost, changed;
	uint16_t tunnel;
	char interface[16];
} heard;

static void hear_bfd(void *self, uint16_t tunnel, bool up)
{
	(void)self;
	heard.tunnel = tunnel;
	heard.ups += up;
	heard.downs += !up;
}

static void hear_link(void *self, const char *interface)
{
	(void)self;
	heard.lost++;
	snprintf(heard.interface, sizeof(heard.interface), "%s", interface ? interface : "?");
}

static void hear_change(void *self, const char *interface)
{
	(void)self;
	heard.changed += strcmp(interface, "brief") == 0;
}

static void monitor_hears_markers_and_links(void)
{
	const struct monitor_callbacks callbacks = {NULL, hear_bfd, hear_link, hear_change};
	_cleanup_(monitor_close_pointer) struct monitor *monitor = NULL;
	struct error error = {0};

	CU_ASSERT_EQUAL(system("ip route add 198.18.0.101/32 dev uplink0 table 7777"), 0);
	CU_ASSERT_EQUAL_FATAL(monitor_open(&callbacks, &monitor, &error), 0);
	CU_ASSERT_EQUAL(heard.ups, 1);
	CU_ASSERT_EQUAL(heard.tunnel, 101);
	CU_ASSERT_EQUAL(
		system("ip -6 route add 100::2:1/128 dev uplink0 table 7777 2>/dev/null;" /* no marker */
		       "ip -6 route add 100::201/128 dev uplink0 table 7777;"
		       "ip route add 198.18.0.9/32 dev uplink0 table 7778;"
		       "ip route del 198.18.0.101/32 table 7777"),
		0);
	CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
	CU_ASSERT_EQUAL(heard.ups, 2);
	CU_ASSERT_EQUAL(heard.downs, 1);
	CU_ASSERT_EQUAL(heard.tunnel, 101);
	CU_ASSERT_EQUAL(system("ip link add brief type veth peer name brief2; ip link del brief"), 0);
	CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
	CU_ASSERT(heard.lost > 0);
	CU_ASSERT_EQUAL(strncmp(heard.interface, "brief", 5), 0);
}

/* What was lost and made again before anybody read of it is no loss. */
static void monitor_tells_no_old_news(void)
{
	const struct monitor_callbacks callbacks = {NULL, hear_bfd, hear_link, hear_change};
	_cleanup_(monitor_close_pointer) struct monitor *monitor = NULL;
	struct error error = {0};

	CU_ASSERT_EQUAL(system("ip link add brief type veth peer name brief2; ip link set brief up; ip link "
			       "set brief2 up"),
		0);
	CU_ASSERT_EQUAL_FATAL(monitor_open(&callbacks, &monitor, &error), 0);
	memset(&heard, 0, sizeof(heard));
	CU_ASSERT_EQUAL(system("ip link del brief; ip link add brief type veth peer name brief2;"
			       "ip link set brief up; ip link set brief2 up"),
		0);
	CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
	CU_ASSERT_EQUAL(heard.lost, 0);
	CU_ASSERT_EQUAL(system("ip link set brief down"), 0);
	CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
	CU_ASSERT_EQUAL(heard.lost, 1);
	CU_ASSERT_STRING_EQUAL(heard.interface, "brief");
	CU_ASSERT_EQUAL(system("ip link del brief"), 0);
}

/* An uplink that is back has its addresses a moment later: both are to be heard of. */
static void monitor_hears_links_that_come(void)
{
	const struct monitor_callbacks callbacks = {NULL, hear_bfd, hear_link, hear_change};
	_cleanup_(monitor_close_pointer) struct monitor *monitor = NULL;
	static const char *const changes[] = {"ip link set brief up", "ip addr add 10.99.0.1/24 dev brief",
		"ip addr add fd99::1/64 dev brief", "ip addr del 10.99.0.1/24 dev brief"};
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(monitor_open(&callbacks, &monitor, &error), 0);
	memset(&heard, 0, sizeof(heard));
	CU_ASSERT_EQUAL(system("ip link add brief type veth peer name brief2; ip link set brief2 up"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
		heard.changed = 0;
		CU_ASSERT_EQUAL(system(changes[i]), 0);
		CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
		CU_ASSERT(heard.changed > 0);
	}
	CU_ASSERT_EQUAL(system("ip link del brief"), 0);
}

/* More than the socket holds is changed unread: the kernel drops, the monitor must still end with the truth. */
static void monitor_survives_an_overflow(void)
{
	const struct monitor_callbacks callbacks = {NULL, hear_bfd, hear_link, hear_change};
	_cleanup_(monitor_close_pointer) struct monitor *monitor = NULL;
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(monitor_open(&callbacks, &monitor, &error), 0);
	memset(&heard, 0, sizeof(heard));
	CU_ASSERT_EQUAL(
		system("for i in $(seq 1000); do echo route add 198.18.0.7/32 dev uplink0 table 7777; "
		       "echo route del 198.18.0.7/32 table 7777; done >" WORK "/batch; "
		       "echo route add 198.18.0.8/32 dev uplink0 table 7777 >>" WORK "/batch;"
		       "ip -batch " WORK "/batch; rm " WORK "/batch"),
		0);
	CU_ASSERT_EQUAL(monitor_read(monitor, &error), 0);
	CU_ASSERT_STRING_EQUAL(heard.interface, "?");
	CU_ASSERT_EQUAL(heard.tunnel, 8);
	CU_ASSERT_EQUAL(heard.ups, heard.downs + 1);
	CU_ASSERT_EQUAL(
		system("ip route flush table 7777; ip -6 route flush table 7777; ip route flush table 7778"),
		0);
}

APPLY_TESTS("apply monitor", {"monitor hears marker routes and lost links", monitor_hears_markers_and_links},
	{"monitor tells no old news", monitor_tells_no_old_news},
	{"monitor hears links that come, and their addresses", monitor_hears_links_that_come},
	{"monitor ends with the truth after an overflow", monitor_survives_an_overflow})
