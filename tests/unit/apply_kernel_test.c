// SPDX-License-Identifier: Apache-2.0
/*
 * apply against a real kernel, in a network and mount namespace of this test's own: its own bpffs, its own directory of
 * wireguard-go's sockets. What the machine says is asked of iproute2, not of the code under test.
 */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/bpf.h"
#include "apply/monitor.h"
#include "apply/private.h"
#include "apply/room.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "flow/flow.h"

#define WORK     "/run/homeward-test" /* on a tmpfs of our own */
#define PINS     WORK "/bpf/homeward"
#define KEY_FILE WORK "/wg.key"

#define FIRST_KEY "gFEGFCVb1gzXNwVWlLwBZRVVc1LyNGr5s8R8nXbVlnI="
#define OTHER_KEY "oKL7nY5AQ0u6J0QVSnUo8ku1rFkEMdPwTu9PX+0dn0M="

/* ---- A configuration as a tree, by hand -------------------------------------------------------------------------- */

static struct prefix prefix(const char *text)
{
	struct prefix parsed = {0};

	if (prefix_parse(text, &parsed) < 0)
		abort();
	return parsed;
}

static struct address loopback_addresses[2];
static struct loopback loopbacks[] = {
	{.name = "control", .addresses = loopback_addresses, .address_count = 2}};
static struct prefix provider_prefixes[2];
static struct provider providers[] = {
	{.name = "acme", .number = 1, .prefixes = provider_prefixes, .prefix_count = 2}};
static struct prefix tunnel_addresses[2][2];
static struct tunnel tunnels[] = {
	{.name = "hwt-one",
		.number = 101,
		.provider = &providers[0],
		.addresses = tunnel_addresses[0],
		.address_count = 2,
		.wireguard = {.private_key_file = KEY_FILE,
			.listen_port = 51820,
			.keepalive_ms = 25000,
			.peer_public_key = "3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk="}},
	{.name = "hwt-two",
		.number = 102,
		.provider = &providers[0],
		.addresses = tunnel_addresses[1],
		.address_count = 2,
		.wireguard = {.private_key_file = KEY_FILE,
			.listen_port = 51821,
			.has_endpoint = true,
			.endpoint_port = 51820,
			.peer_public_key = "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E="}},
};
static struct prefix inside[2];
static char *uplinks[] = {"uplink0"};
static struct member members[] = {{.name = "edge-gw-01", .number = 1}, {.name = "edge-gw-02", .number = 2}};
static struct model model = {
	.gateway = "edge-gw-01",
	.number = 1,
	.array = {.mtu = 1400, .members = members, .member_count = 1},
	.loopbacks = loopbacks,
	.loopback_count = 1,
	.uplinks = uplinks,
	.uplink_count = 1,
	.inside = inside,
	.inside_count = 2,
	.providers = providers,
	.provider_count = 1,
	.tunnels = tunnels,
	.tunnel_count = 2,
	.mss_clamp = true,
	.tables = {.flows = 4096, .devices = 1024, .timeouts = {1, 2, 3, 4, 5, 6}},
	.counters = true,
};

static void fill_model(void)
{
	address_parse("10.0.0.11", &members[0].address);
	address_parse("10.0.0.12", &members[1].address);
	address_parse("192.0.2.1", &loopback_addresses[0]);
	address_parse("2001:db8::1", &loopback_addresses[1]);
	provider_prefixes[0] = prefix("100.64.0.0/10");
	provider_prefixes[1] = prefix("2001:db8:100::/40");
	tunnel_addresses[0][0] = prefix("169.254.1.1/30");
	tunnel_addresses[0][1] = prefix("fd00:1::1/126");
	tunnel_addresses[1][0] = prefix("169.254.1.5/30");
	tunnel_addresses[1][1] = prefix("fd00:2::1/126");
	address_parse("127.0.0.9", &tunnels[1].wireguard.endpoint_address);
	inside[0] = prefix("10.0.0.0/16");
	inside[1] = prefix("fd10::/32");
}

/* ---- A machine of our own ---------------------------------------------------------------------------------------- */

static char *command_output(const char *command)
{
	FILE *pipe = popen(command, "r");
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	int byte;

	while ((byte = fgetc(pipe)) != EOF)
		fputc(byte, stream);
	fclose(stream);
	pclose(pipe);
	return text;
}

static bool says(const char *command, const char *words)
{
	_cleanup_free_ char *output = command_output(command);
	bool found = strstr(output, words);

	if (!found)
		printf("# %s: \"%s\" is not in:\n%s", command, words, output);
	return found;
}

/* All that a plan may touch. */
static char *picture(void)
{
	return command_output(
		"ip -d -o link show | sed 's/[0-9]*: //; s/promiscuity.*//; s/qlen .*//' | sort; "
		"ip -o address show | sed 's/^[0-9]*: //' | grep -v 'inet6 fe80' | sort; ip rule; ip -6 "
		"rule; "
		"ip route show table all | grep -v fe80 | grep -v ff00 | sort; ip neigh show nud all | grep "
		"-v -e ff02 -e ' dev lo ';"
		"for i in lo uplink0; do tc filter show dev $i ingress; tc qdisc show dev $i; done;"
		"find " WORK "/bpf | grep -v /xdp$ | sort; ls /run/wireguard");
}

static void write_file(const char *path, const char *text)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (descriptor < 0 || write(descriptor, text, strlen(text)) < 0)
		abort();
	close(descriptor);
}

/* The operator's: of WireGuard, or what is one to the programs. */
#define MAKE_UNDERLAY                                            \
	"{ ip link add underlay0 type wireguard 2>/dev/null || " \
	"ip tuntap add dev underlay0 mode tun; } && "            \
	"ip address add 10.9.0.11/24 dev underlay0 && "          \
	"ip link set underlay0 mtu 1452 up"

static bool enter_machine(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0 || mkdir(WORK, 0700) < 0 ||
		mkdir("/run/wireguard", 0700) < 0 || mkdir(WORK "/bpf", 0700) < 0 ||
		mount("bpf", WORK "/bpf", "bpf", 0, NULL) < 0)
		return false;
	write_file(KEY_FILE, FIRST_KEY "\n");
	return system("ip link add uplink0 type veth peer name far && ip link set uplink0 up && ip link set "
		      "far up && ip link add uplink1 type veth peer name far1 && "
		      "ip address add 10.0.0.11/24 dev uplink0 && ip link set lo up && " MAKE_UNDERLAY) == 0;
}

/* ---- Observe, plan, apply ---------------------------------------------------------------------------------------- */

static struct apply *apply;

static void make_plan(const struct model *wanted, struct plan *plan)
{
	struct items observed = {0};
	struct error error;

	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &model, &observed, &error), 0);
	CU_ASSERT_EQUAL_FATAL(plan_make(&observed, wanted, plan), 0);
	items_free(&observed);
}

static int reach(const struct model *wanted, struct error *error)
{
	_cleanup_(plan_free) struct plan plan = {0};
	int result;

	make_plan(wanted, &plan);
	result = apply_run(apply, &plan, NULL, NULL, error);
	if (result < 0)
		printf("# %s\n", error->text);
	return result;
}

static bool nothing_to_do(void)
{
	_cleanup_(plan_free) struct plan plan = {0};

	make_plan(&model, &plan);
	plan_print(&plan, stdout);
	return plan.count == 0;
}

static void start_makes_it_all(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(apply_preflight(apply, &model, NULL, &error), 0);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(says("ip address show lo", "192.0.2.1/32"));
	CU_ASSERT(says("ip address show lo", "2001:db8::1/128"));
	CU_ASSERT(says("ip -d link show home0", "mtu 1400"));
	CU_ASSERT(says("ip -d link show home0", "NOARP"));
	CU_ASSERT(says("ip address show hwt-two", "fd00:2::1/126"));
	CU_ASSERT(says("ip link show hwt-one", "mtu 1400"));
	CU_ASSERT(says("ip rule", "7000:\tfrom 192.0.2.1 to 10.0.0.0/16 lookup main"));
	CU_ASSERT(says("ip rule", "7001:\tfrom 192.0.2.1 lookup 7770"));
	CU_ASSERT(says("ip -6 rule", "7001:\tfrom 2001:db8::1 lookup 7770"));
	CU_ASSERT(says("ip route get 100.64.1.1 from 192.0.2.1", "via 169.254.255.1 dev home0"));
	CU_ASSERT(says("ip route get 2001:db8:100::1 from 2001:db8::1", "via fe80::1 dev home0"));
	CU_ASSERT(says("ip neigh show dev home0", "169.254.255.1 lladdr 02:68:77:00:00:02"));
	CU_ASSERT(says("ip neigh show dev home0", "PERMANENT"));
	CU_ASSERT(says("wg show hwt-one", "allowed ips: 0.0.0.0/0, ::/0"));
	CU_ASSERT(says("wg show hwt-one", "persistent keepalive: every 25 seconds"));
	CU_ASSERT(says("wg show hwt-two", "endpoint: 127.0.0.9:51820"));
}

static void again_does_nothing(void)
{
	CU_ASSERT(nothing_to_do());
}

/* The reverse lookup of a request must pass whatever the machine's setting for all interfaces is. */
static void loose_reverse_path_passes(void)
{
	CU_ASSERT_EQUAL(system("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter"), 0);
	CU_ASSERT(says("ip route get 192.0.2.1 from 100.64.1.5 iif hwt-one 2>&1", "local 192.0.2.1"));
	CU_ASSERT_EQUAL(system("echo 1 >/proc/sys/net/ipv4/conf/hwt-one/rp_filter"), 0);
	CU_ASSERT(says(
		"ip route get 192.0.2.1 from 100.64.1.5 iif hwt-one 2>&1", "RTNETLINK answers: Invalid"));
	CU_ASSERT_EQUAL(system("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter"), 0);
}

/* What somebody changed is put right, and only that. */
static void drift_is_healed(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct error error = {0};

	CU_ASSERT_EQUAL(system("ip link set hwt-one mtu 1300; ip rule del from 192.0.2.1 lookup 7770;"
			       "wg set hwt-two listen-port 9999"),
		0);
	make_plan(&model, &plan);
	CU_ASSERT_EQUAL(plan.count, 4); /* mtu, rule, wireguard, and the rp_filter of the test above */
	CU_ASSERT_EQUAL_FATAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(says("wg show hwt-two", "listening port: 51821"));
}

static void lose_process(pid_t pid)
{
	struct pollfd poller = {.fd = children_descriptor(apply_children(apply)), .events = POLLIN};
	struct child_end end;

	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(poll(&poller, 1, 5000), 1);
	CU_ASSERT_FATAL(children_next_end(apply_children(apply), &end));
	CU_ASSERT_EQUAL(end.pid, pid);
	CU_ASSERT_EQUAL(child_pid(apply_children(apply), "hwt-one"), 0);
}

/* A tunnel ends with its process, or, where the kernel's own WireGuard has none, by somebody's hand. */
static void lost_tunnel_is_healed(void)
{
	_cleanup_free_ char *pins = command_output("ls " PINS "/links | grep -c tunnel_ingress");
	pid_t pid = child_pid(apply_children(apply), "hwt-one");
	struct error error = {0};

	if (pid > 0)
		lose_process(pid);
	else
		CU_ASSERT_EQUAL(system("ip link del hwt-one"), 0);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(says("wg show hwt-one", "listening port: 51820"));
	CU_ASSERT(says(
		"ls " PINS "/links | grep -c tunnel_ingress", pins)); /* none of the interface that is gone */
	CU_ASSERT(nothing_to_do());
}

/* As long as its process must wait before it is started again, everything else is healed; then it is, too. */
static void tunnel_that_waits_is_healed_later(void)
{
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan plan = {0};
	pid_t pid = child_pid(apply_children(apply), "hwt-one");
	struct error error = {0};

	if (pid > 0)
		lose_process(pid);
	else
		CU_ASSERT_EQUAL(system("ip link del hwt-one"), 0);
	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &model, &observed, &error), 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &model, &plan), 0);
	plan_leave_out(&plan, "hwt-one");
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

static void maps_say_what_the_model_says(void)
{
	struct reason_count totals[REASON_COUNT];
	struct error error = {0};
	uint32_t entries = 0;
	int map = bpf_map_open(PINS, MAP_FLOWS, &entries, &error);

	CU_ASSERT(map >= 0);
	CU_ASSERT_EQUAL(entries, 4096);
	close(map);
	CU_ASSERT(says("bpftool map dump pinned " PINS "/current/settings", "\"mtu\": 1400"));
	CU_ASSERT(says("bpftool map dump pinned " PINS "/current/interfaces", "\"value\": 102"));
	CU_ASSERT_EQUAL(bpf_reasons(PINS, totals, &error), 0);
	CU_ASSERT_EQUAL(bpf_usable_set(PINS, 1, 101, true, &error), 0);
	CU_ASSERT(says("bpftool map lookup pinned " PINS "/current/usable key 1 0 0 0",
		"137438953472")); /* bit 101 % 64 */
	CU_ASSERT_EQUAL(bpf_usable_set(PINS, 1, 101, false, &error), 0);
}

/* Where nobody relays, Geneve that comes to an uplink's address is somebody else's. */
static void an_underlay_needs_members(void)
{
	static const char lookup[] = "bpftool map lookup pinned " PINS "/current/locals key hex "
				     "00 00 00 00 00 00 00 00 00 00 ff ff 0a 00 00 0b 2>&1";
	struct error error = {0};

	CU_ASSERT(says(lookup, "Not found"));
	model.array.member_count = 2;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(lookup, "\"kind\": 3"));
	model.array.member_count = 1;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(lookup, "Not found"));
}

static void begin_underlay(void)
{
	model.array.member_count = 2;
	model.array.underlay = "underlay0";
	address_parse("10.9.0.11", &members[0].address);
	address_parse("10.9.0.12", &members[1].address);
}

static void end_underlay(void)
{
	model.array.member_count = 1;
	model.array.underlay = NULL;
	address_parse("10.0.0.11", &members[0].address);
	address_parse("10.0.0.12", &members[1].address);
}

static bool is_relayed_by(uint32_t index)
{
	struct settings settings = {0};
	struct error error;

	return bpf_settings_read(PINS, &settings, &error) == 0 && settings.underlay_ifindex == index;
}

static bool has_program(const char *interface, bool has)
{
	char command[200];

	snprintf(command, sizeof(command),
		"{ ls " PINS "/links | grep -qx uplink_ingress-%u || tc filter show dev %s ingress | "
		"grep -q uplink_ingress; } && echo yes || echo no",
		if_nametoindex(interface), interface);
	return says(command, has ? "yes" : "no");
}

/* While it is away the plan leaves it out, but the programs must know: nobody goes by another way then. */
static void an_underlay_comes_and_goes(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct error error = {0};

	begin_underlay();
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(has_program("underlay0", true));
	CU_ASSERT(says("ip -d link show underlay0", "mtu 1452"));
	CU_ASSERT(says("ip -d link show underlay0 | grep -c prog/xdp", "0\n"));
	CU_ASSERT(is_relayed_by(if_nametoindex("underlay0")));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(system("ip link del underlay0"), 0);
	make_plan(&model, &plan);
	plan_leave_out(&plan, "underlay0");
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT(is_relayed_by(UINT32_MAX));
	CU_ASSERT_EQUAL(system(MAKE_UNDERLAY), 0);
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(has_program("underlay0", true));
	CU_ASSERT(is_relayed_by(if_nametoindex("underlay0")));
	end_underlay();
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(has_program("underlay0", false));
	CU_ASSERT(says("ip address show underlay0", "10.9.0.11/24"));
	CU_ASSERT(is_relayed_by(0));
	CU_ASSERT(nothing_to_do());
}

/* Of a member the configuration says that it is there; how it is, is heard, and stays through another filling. */
static void members_are_suspect_until_heard(void)
{
	static const char member[] =
		"bpftool -j map lookup pinned " PINS
		"/current/members key 2 0 0 0 | jq -c '.formatted.value | [.state, .serving]'";
	static const char ways[] = "bpftool -j map lookup pinned " PINS "/current/providers key 1 0 0 0 |"
				   " jq -c '[.formatted.value.ways[] | select(.gateway == 2) | .tunnel]'";
	static const char settings[] = "bpftool -j map lookup pinned " PINS "/current/settings key 0 0 0 0 |"
				       " jq -c '.formatted.value | [.relay, .ports_first, .ports_slice]'";
	const struct bpf_member_tunnel tunnel = {.tunnel = 900, .provider = 1, .usable = true};
	struct error error = {0};

	CU_ASSERT(says(member, "[0,0]"));
	CU_ASSERT(says(settings, "[0,0,0]"));
	model.array.member_count = 2;
	model.array.ports_first = 32768;
	model.array.ports_slice = 1024;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(member, "[2,1]"));
	CU_ASSERT(says(settings, "[1,32768,1024]"));
	CU_ASSERT_EQUAL(bpf_member_set(PINS, 2, MEMBER_ALIVE, false, &error), 0);
	CU_ASSERT_EQUAL(bpf_member_tunnels_set(PINS, 2, &tunnel, 1, &error), 0);
	CU_ASSERT(nothing_to_do());
	model.mss_clamp = false;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(member, "[1,0]"));
	CU_ASSERT(says(ways, "[900]"));
	model.mss_clamp = true;
	model.array.member_count = 1;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(member, "[0,0]"));
	CU_ASSERT(says(ways, "[]"));
}

/* What left the model leaves the machine and the maps, and nothing else does. */
static void a_tunnel_less(void)
{
	struct error error = {0};

	model.tunnel_count = 1;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says("ip link show hwt-two 2>&1", "does not exist"));
	CU_ASSERT(says("ls /run/wireguard | grep -c hwt-two; wg show interfaces | grep -o 'hwt-[^ ]*'",
		"0\nhwt-one\n"));
	CU_ASSERT(says("bpftool map dump pinned " PINS "/current/interfaces | grep -c key", "1\n"));
	CU_ASSERT(says("bpftool map lookup pinned " PINS "/current/tunnels key 102 0 0 0", "\"ifindex\": 0"));
	CU_ASSERT(says("bpftool map dump pinned " PINS "/current/prefixes | grep -c key",
		"9\n")); /* 2 + 2 x 2 + 2, and the uplink's network */
	model.tunnel_count = 2;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

/* ---- A change, and its undoing ----------------------------------------------------------------------------------- */

/*
 * Everything a change may touch, in a form in which the number of an interface that was made again does not show: also
 * keys, endpoints, settings of interfaces and what the maps say.
 */
static char *state(void)
{
	_cleanup_free_ char *machine = command_output(
		"ip -d -o link show | sed 's/^[0-9]*: //; s/promiscuity.*//; s/qlen .*//' | sort;"
		"ip -o address show | sed 's/^[0-9]*: //' | grep -v 'inet6 fe80' | sort; ip rule; ip -6 rule;"
		"ip route show table all | grep -v fe80 | grep -v ff00 | sort; ls /run/wireguard;"
		"for i in $(wg show interfaces | xargs -n 1 | sort); do wg show $i dump | cut -f 1-4,8; done;"
		"cd /proc/sys/net; grep -r . ipv4/conf/*/rp_filter ipv6/conf/*/accept_ra "
		"ipv6/conf/*/addr_gen_mode;"
		"for i in uplink0 uplink1; do ip -d link show dev $i | grep -o 'name uplink_xdp'; done");
	_cleanup_free_ char *maps = command_output(
		"cd " PINS
		"; find . | sed 's/-[0-9]*$//' | sort; for m in prefixes locals providers settings; do"
		" bpftool -j map dump pinned current/$m | jq -c '.[].formatted' | sort; done;"
		"for t in 101 102 103; do bpftool -j map lookup pinned current/tunnels key $t 0 0 0 |"
		" jq -c '.formatted.value | {provider, zone, there: (.ifindex != 0)}'; done");
	char *both;

	return asprintf(&both, "%s%s", machine, maps) < 0 ? NULL : both;
}

static bool is_same_state(const char *was)
{
	_cleanup_free_ char *is = state();

	if (strcmp(was, is) == 0)
		return true;
	write_file(WORK "/was", was);
	write_file(WORK "/is", is);
	return system("diff -U0 " WORK "/was " WORK "/is") == 0;
}

/* What a change can bring: each of these differs from `model` in its own way. */
static struct prefix changed_prefixes[2], changed_inside[1], new_addresses[1];
static struct address changed_loopbacks[2];
static struct loopback changed_loopback[] = {
	{.name = "control", .addresses = changed_loopbacks, .address_count = 2}};
static struct provider changed_providers[] = {
	{.name = "acme", .number = 1, .prefixes = changed_prefixes, .prefix_count = 2}};
static struct tunnel changed_tunnels[2];
static char *changed_uplinks[] = {"uplink1"};
static struct model changed;

static void fill_changed(void)
{
	changed = model;
	changed.array.mtu = 1380;
	changed.array.underlay = "underlay0";
	address_parse("192.0.2.1", &changed_loopbacks[0]);
	address_parse("192.0.2.2", &changed_loopbacks[1]);
	changed_prefixes[0] = prefix("100.64.0.0/11");
	changed_prefixes[1] = prefix("2001:db8:100::/40");
	changed_inside[0] = prefix("10.0.0.0/17");
	new_addresses[0] = prefix("169.254.1.9/30");
	changed_tunnels[0] = tunnels[1]; /* another port, keepalive and endpoint */
	changed_tunnels[0].provider = &changed_providers[0];
	changed_tunnels[0].wireguard.listen_port = 51899;
	changed_tunnels[0].wireguard.keepalive_ms = 10000;
	address_parse("127.0.0.10", &changed_tunnels[0].wireguard.endpoint_address);
	changed_tunnels[1] = tunnels[0]; /* instead of hwt-one, which goes */
	changed_tunnels[1].provider = &changed_providers[0];
	changed_tunnels[1].name = "hwt-new";
	changed_tunnels[1].number = 103;
	changed_tunnels[1].addresses = new_addresses;
	changed_tunnels[1].address_count = 1;
	changed_tunnels[1].wireguard.listen_port = 51822;
	changed.loopbacks = changed_loopback;
	changed.uplinks = changed_uplinks;
	changed.inside = changed_inside;
	changed.inside_count = 1;
	changed.providers = changed_providers;
	changed.tunnels = changed_tunnels;
}

/* A peer that roamed, and a key file written anew: what the device has stands nowhere else. */
static void make_irreplaceable(void)
{
	CU_ASSERT_EQUAL(system("wg set hwt-one peer 3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk= endpoint "
			       "127.0.0.77:7777; wg set hwt-two peer "
			       "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E= endpoint [::1]:8888"),
		0);
	write_file(KEY_FILE, OTHER_KEY "\n");
}

static void every_step_of_a_change_is_undone(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	_cleanup_free_ char *was = NULL;
	struct error error = {0};
	char text[STEP_TEXT_SIZE];

	fill_changed();
	make_irreplaceable();
	was = state();
	make_plan(&changed, &plan);
	CU_ASSERT(plan.count > 30);
	for (size_t i = 1; i <= plan.count; i++) {
		apply->fail_at = i;
		CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -EIO);
		apply->fail_at = 0;
		if (!is_same_state(was)) {
			printf("# after the failure of: %s\n", step_format(&plan.steps[i - 1], text));
			CU_FAIL("the state is not the one before");
		}
	}
	write_file(KEY_FILE, FIRST_KEY "\n");
}

/* The same change without a fault, and back. Both are seen from the configuration in force. */
static void a_change_is_made_and_taken_back(void)
{
	_cleanup_free_ char *was = state();
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan plan = {0}, none = {0};
	struct error error = {0};

	CU_ASSERT_EQUAL(reach(&changed, &error), 0);
	CU_ASSERT(says("wg show hwt-two", "endpoint: 127.0.0.10:51820"));
	CU_ASSERT(says("ip link show hwt-one 2>&1", "does not exist"));
	CU_ASSERT(says("ip link show uplink0 | grep -c prog/xdp", "0\n"));
	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &changed, &observed, &error), 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &changed, &none), 0);
	plan_print(&none, stdout);
	CU_ASSERT_EQUAL(none.count, 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &model, &plan), 0);
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT(says("wg show hwt-two", "endpoint: 127.0.0.9:51820"));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(system("wg set hwt-one peer 3xQkpZr0oE6bQKUdl5ZSbtSbCKF0DjNvfBfFqxtSHWk= endpoint "
			       "127.0.0.77:7777; wg set hwt-two peer "
			       "aPQ3b1pXq2GmA0WzSx4Iq7C7cMZ8eHkWZ3kPzYJmO2E= endpoint [::1]:8888"),
		0);
	CU_ASSERT(is_same_state(was));
	CU_ASSERT(nothing_to_do()); /* a peer that roams is not put right */
}

/* An uplink that left the configuration while nobody looked is found by the programs on it. */
static void an_old_uplink_is_found(void)
{
	struct error error = {0};

	uplinks[0] = "uplink1";
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says("ip link show uplink0 | grep -c prog/xdp", "0\n"));
	CU_ASSERT(says("ip link show uplink1", "prog/xdp"));
	uplinks[0] = "uplink0";
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

static void a_new_key_is_taken_over(void)
{
	struct error error = {0};

	CU_ASSERT(says("wg show hwt-one private-key", FIRST_KEY));
	write_file(KEY_FILE, OTHER_KEY "\n");
	CU_ASSERT_FALSE(nothing_to_do());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says("wg show hwt-one private-key", OTHER_KEY));
	CU_ASSERT(nothing_to_do());
	write_file(KEY_FILE, "no key\n");
	CU_ASSERT_EQUAL(reach(&model, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, KEY_FILE " holds no key"));
	CU_ASSERT_PTR_NULL(strstr(error.text, "no key\n"));
	write_file(KEY_FILE, OTHER_KEY "\n");
}

/* The data plane itself answers: a device of acme goes home by acme's one usable tunnel. */
static void explain_answers(void)
{
	struct explanation question = {.direction = EXPLAIN_RESPONSE, .key = {.protocol = 17}};
	struct address device, loopback = loopback_addresses[0];
	struct error error = {0};

	address_parse("100.64.1.5", &device);
	memcpy(question.key.source, device.bytes, 16);
	memcpy(question.key.destination, loopback.bytes, 16);
	CU_ASSERT_EQUAL(bpf_usable_set(PINS, 1, 102, true, &error), 0);
	CU_ASSERT_EQUAL(bpf_explain(PINS, &question, &error), 0);
	CU_ASSERT_EQUAL(question.way_tunnel, 102);
	CU_ASSERT_EQUAL(question.provider, 1);
	CU_ASSERT_EQUAL(bpf_usable_set(PINS, 1, 102, false, &error), 0);
}

static void status_is_filled(void)
{
	struct tunnel_status tunnel_rows[2] = {{.tunnel = &tunnels[0]}, {.tunnel = &tunnels[1]}};
	struct uplink_status uplink_row = {.name = model.uplinks[0]};
	struct status status = {.model = &model, .tunnels = tunnel_rows, .uplinks = &uplink_row};
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(apply_refresh(apply, &status, &error), 0);
	CU_ASSERT(tunnel_rows[0].ifindex > 0);
	CU_ASSERT(tunnel_rows[1].ifindex > 0);
	CU_ASSERT_EQUAL(strncmp(tunnel_rows[0].driver, "wireguard", 9), 0);
	CU_ASSERT_EQUAL(tunnel_rows[0].handshake_age_ms, UINT64_MAX);
	CU_ASSERT_EQUAL(uplink_row.ifindex, if_nametoindex(model.uplinks[0]));
	CU_ASSERT(uplink_row.up);
	CU_ASSERT_STRING_NOT_EQUAL(status.attach, "none");
	CU_ASSERT_STRING_NOT_EQUAL(status.xdp, "none");
}

#define HASH 0x1234567890a5f7ULL

static struct line *line_of(struct flow_table *table)
{
	struct error error = {0};
	uint32_t count = 0;
	int map = bpf_map_open(PINS, MAP_FLOWS, &count, &error);

	CU_ASSERT_EQUAL_FATAL(flow_table_open(map, -1, count, table, &error), 0);
	close(map);
	return &table->lines[HASH & (count - 1)];
}

static const struct line flow = {.tag = TAG(HASH, LINE_ESTABLISHED),
	.key = {.source_port = 7, .protocol = 6},
	.home = HOME(1, 101, 1, 1),
	.stamp = 5};

static bool flow_is_there(uint32_t lines)
{
	struct flow_table table;
	const struct line *line = line_of(&table);
	bool there = table.count == lines && memcmp(line, &flow, sizeof(flow)) == 0;

	flow_table_close(&table);
	return there;
}

/* Programs and tables are replaced beneath what is attached: the links stay, and so does every flow. */
static void new_programs_take_over(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	const char *links = "for l in " PINS
			    "/links/*; do bpftool -j link show pinned $l | jq -c '[.id, .ifindex]'; done";
	_cleanup_free_ char *links_before = command_output(links), *links_after = NULL;
	struct flow_table table;
	struct error error = {0};

	*line_of(&table) = flow;
	flow_table_close(&table);
	model.tables.flows = 8192;
	make_plan(&model, &plan);
	plan.steps[plan.count - 1] =
		(struct step){STEP_ADD, {.kind = ITEM_ADDRESS, .interface = "nosuch"}, {0}};
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -ENODEV);
	CU_ASSERT(flow_is_there(4096)); /* switched back */
	model.tables.flows = 4096;
	CU_ASSERT(nothing_to_do());
	model.tables.flows = 8192;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(flow_is_there(8192));
	CU_ASSERT(nothing_to_do());
	model.tables.flows = 4096;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(flow_is_there(4096));
	CU_ASSERT(nothing_to_do());
	links_after = command_output(links);
	CU_ASSERT_STRING_EQUAL(links_before, links_after);
	CU_ASSERT(says("ls " PINS " | grep -c generation", "1\n"));
}

/* Pins that somebody damaged: the programs are loaded anew, the maps stay. */
static void damaged_pins_are_healed(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL(unlink(PINS "/current/uplink_ingress"), 0);
	CU_ASSERT_FALSE(nothing_to_do());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(flow_is_there(4096));
}

/* The tunnels are closed while their program changes hands, and keep their addresses of both families. */
static void clsact_can_be_forced(void)
{
	struct error error = {0};

	model.attach = ATTACH_CLSACT;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says("tc filter show dev hwt-one ingress", "tunnel_ingress"));
	CU_ASSERT(says("tc filter show dev home0 egress", "return_egress"));
	CU_ASSERT(says("ip route show dev hwt-one", "169.254.1.0/30"));
	CU_ASSERT(says("ip -6 route show dev hwt-one", "fd00:1::/126"));
	CU_ASSERT(nothing_to_do());
}

static void larger_tables_bring_new_programs(void)
{
	struct error error = {0};
	uint32_t entries = 0;

	model.tables.flows = 8192;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	close(bpf_map_open(PINS, MAP_FLOWS, &entries, &error));
	CU_ASSERT_EQUAL(entries, 8192);
	CU_ASSERT(nothing_to_do());
	model.attach = ATTACH_AUTO;
	model.tables.flows = 4096;
}

static char *before;

static bool is_as_before(void)
{
	_cleanup_free_ char *after = picture();

	if (strcmp(before, after) == 0)
		return true;
	write_file(WORK "/before", before);
	write_file(WORK "/after", after);
	return system("diff -U0 " WORK "/before " WORK "/after") == 0;
}

static void stop_leaves_nothing(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(reach(NULL, &error), 0);
	CU_ASSERT(is_as_before());
}

/* Wherever a start fails, nothing of it is left. The failing step: an address on an interface that is not there. */
static void failure_is_undone_everywhere(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	const struct step broken = {STEP_ADD, {.kind = ITEM_ADDRESS, .interface = "nosuch"}, {0}};
	struct error error = {0};

	make_plan(&model, &plan);
	for (size_t i = 1; i < plan.count; i++) {
		struct step kept = plan.steps[i];
		size_t count = plan.count;

		if (plan.steps[i].item.kind == plan.steps[i - 1].item.kind)
			continue; /* one of each row of a kind is enough */
		plan.steps[i] = broken;
		plan.count = i + 1;
		CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -ENODEV);
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "there is no interface nosuch"));
		plan.steps[i] = kept;
		plan.count = count;
		CU_ASSERT(is_as_before());
	}
}

static void preflight_names_the_thing(void)
{
	struct address outside = members[0].address;
	struct error error = {0};

	CU_ASSERT_EQUAL(system("ip link add hwt-one type veth peer name other"), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "hwt-one"));
	CU_ASSERT_EQUAL(system("ip link del hwt-one; ip address add 192.0.2.1/32 dev uplink0"), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EADDRINUSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "192.0.2.1 stands on the interface uplink0"));
	CU_ASSERT_EQUAL(system("ip address del 192.0.2.1/32 dev uplink0; ip link set uplink0 mtu 1450"), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), 0);
	model.array.member_count =
		2; /* only the first is looked at: the second is what makes relaying possible */
	members[0].address = inside[0].address;
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EMSGSIZE);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "need 1452"));
	members[0].address = outside;
	model.array.member_count = 1;
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0644), 0);
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, KEY_FILE));
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0600), 0);
	uplinks[0] = "nosuch";
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), -ENODEV);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "nosuch"));
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, &model, &error), 0); /* in force, and lost just now */
	uplinks[0] = "uplink0";
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1500"), 0);
}

static void expect_refusal(int result, const char *words)
{
	struct error error = {0};

	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), result);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, words));
	if (!strstr(error.text, words))
		printf("# %s\n", error.text);
}

static void preflight_wants_an_underlay(void)
{
	struct error error = {0};

	begin_underlay();
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1400"), 0); /* which relays do not go by */
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), 0);
	CU_ASSERT_EQUAL(system("ip link set uplink0 mtu 1500; ip link set underlay0 mtu 1451"), 0);
	expect_refusal(-EMSGSIZE, "the underlay underlay0 has an MTU of 1451");
	CU_ASSERT_EQUAL(system("ip link set underlay0 mtu 1452"), 0);
	address_parse("10.9.0.13", &members[0].address);
	expect_refusal(-EADDRNOTAVAIL, "the underlay underlay0 does not have");
	address_parse("10.9.0.11", &members[0].address);
	model.array.underlay = "uplink1";
	expect_refusal(-EINVAL, "the underlay uplink1 is no WireGuard interface");
	model.array.underlay = "nosuch";
	expect_refusal(-ENODEV, "the underlay nosuch: there is no such interface");
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, &model, &error), 0); /* in force, and lost just now */
	end_underlay();
}

/* Programs that are missing are missed before anything is made, and only when they are needed. */
static void preflight_wants_programs(void)
{
	_cleanup_free_ char *path = strdup(getenv("PATH"));
	struct error error = {0};

	setenv("PATH", "/nowhere", true);
	model.tunnel_count = 0;
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, NULL, &error), 0);
	model.tunnel_count = 2;
	if (apply_preflight(apply, &model, NULL, &error) <
		0) /* a kernel with WireGuard needs no wireguard-go */
		CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "apt install wireguard-go"));
	setenv("PATH", path, true);
}

static void preflight_wants_a_bpffs(void)
{
	struct apply *elsewhere;
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(apply_open(WORK "/homeward", &elsewhere, &error), 0);
	CU_ASSERT_EQUAL(apply_preflight(elsewhere, &model, NULL, &error), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "mount -t bpf bpf"));
	apply_close(elsewhere);
}

/* ---- The monitor ------------------------------------------------------------------------------------------------- */

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

/* The kernel's WireGuard has no process that must be let run, and its sockets are the kernel's. */
static void expect_room(const char *name, const char *port)
{
	char command[128], wanted[32];

	if (!child_pid(apply_children(apply), name))
		return;
	snprintf(command, sizeof(command), "ss -H -ulnm 'sport = :%s' | grep -o 'rb[0-9]*'", port);
	snprintf(wanted, sizeof(wanted), "rb%d\nrb%d\n", 2 * ROOM_BYTES, 2 * ROOM_BYTES);
	CU_ASSERT(says(command, wanted));
}

/* hwt-one's process was started again by the test before, hwt-two's was given another port by hand and back by us. */
static void wireguard_has_room(void)
{
	expect_room("hwt-one", "51820");
	expect_room("hwt-two", "51821");
}

static const struct unit_test tests[] = {
	{"monitor hears marker routes and lost links", monitor_hears_markers_and_links},
	{"monitor tells no old news", monitor_tells_no_old_news},
	{"monitor hears links that come, and their addresses", monitor_hears_links_that_come},
	{"monitor ends with the truth after an overflow", monitor_survives_an_overflow},
	{"preflight names what is in the way", preflight_names_the_thing},
	{"preflight wants an underlay that can be one", preflight_wants_an_underlay},
	{"preflight wants the programs it needs", preflight_wants_programs},
	{"preflight wants a bpffs", preflight_wants_a_bpffs},
	{"a failing step leaves the machine as it was, at each kind of step", failure_is_undone_everywhere},
	{"a start makes links, keys, maps, programs, routes and rules", start_makes_it_all},
	{"a second start does nothing", again_does_nothing},
	{"requests pass the reverse path filter, also with all=1", loose_reverse_path_passes},
	{"what was changed by hand is put right, and only that", drift_is_healed},
	{"a tunnel that is gone is made again", lost_tunnel_is_healed},
	{"wireguard-go's sockets have room for what comes in a burst", wireguard_has_room},
	{"a tunnel that waits is healed later", tunnel_that_waits_is_healed_later},
	{"the maps say what the model says", maps_say_what_the_model_says},
	{"an underlay needs members", an_underlay_needs_members},
	{"an underlay comes and goes", an_underlay_comes_and_goes},
	{"members are suspect until they are heard", members_are_suspect_until_heard},
	{"a tunnel less: it leaves the machine and the maps", a_tunnel_less},
	{"every step of a change is made to fail: the state is the one before",
		every_step_of_a_change_is_undone},
	{"a change is made, and taken back", a_change_is_made_and_taken_back},
	{"programs on an uplink that left are found", an_old_uplink_is_found},
	{"a new key is taken over", a_new_key_is_taken_over},
	{"explain is answered by the data plane", explain_answers},
	{"the status is filled", status_is_filled},
	{"new programs take over: links and flows stay", new_programs_take_over},
	{"damaged pins are healed", damaged_pins_are_healed},
	{"clsact can be forced, and replaces tcx", clsact_can_be_forced},
	{"tables of another size bring new maps and programs", larger_tables_bring_new_programs},
	{"a stop leaves the machine as it was", stop_leaves_nothing},
};

/* After a failure too: wireguard-go must not outlive this. */
static void stop_whatever_is_there(void)
{
	struct items observed = {0};
	struct plan plan = {0};
	struct error error;

	if (apply_observe(apply, &model, &observed, &error) < 0 || plan_make(&observed, NULL, &plan) < 0 ||
		apply_run(apply, &plan, NULL, NULL, &error) < 0)
		printf("# %s\n", error.text);
	items_free(&observed);
	plan_free(&plan);
}

int main(void)
{
	struct error error;
	int status;

	if (geteuid() != 0) {
		printf("SKIP apply_kernel: needs root, to make namespaces and a bpffs\n");
		return 0;
	}
	if (!enter_machine()) {
		printf("FAIL apply_kernel: making a machine: %s\n", strerror(errno));
		return 1;
	}
	fill_model();
	if (apply_open(PINS, &apply, &error) < 0) {
		printf("FAIL apply_kernel: %s\n", error.text);
		return 1;
	}
	before = picture();
	status = unit_run("apply", tests, ARRAY_SIZE(tests));
	stop_whatever_is_there();
	apply_close(apply);
	free(before);
	return status;
}
