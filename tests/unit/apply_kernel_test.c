// SPDX-License-Identifier: Apache-2.0
/* apply against a real kernel: what a gateway is made of, what is healed, what a change brings. The machine: apply_machine.h. */
#include "apply_machine.h"

#include <bpf/bpf.h>
#include <endian.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "apply/bpf.h"
#include "apply/room.h"
#include "apply/route.h"
#include "bpf/abi.h"
#include "bpf/hash.h"
#include "flow/flow.h"

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

/* A label that begins as ours does is its owner's: also on a TUN device. */
static void labels_of_others_are_left_alone(void)
{
	CU_ASSERT_EQUAL(
		system("ip link add labelled type veth peer name label && "
		       "ip link set labelled alias 'homeward underlay' && "
		       "ip link set label alias 'homeward ipsec0' && ip tuntap add labeltun mode tun && "
		       "ip link set labeltun alias 'homeward ipsec0x'"),
		0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(system("ip link del labelled; ip link del labeltun"), 0);
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
static void lose_tunnel(void)
{
	pid_t pid = child_pid(apply_children(apply), "hwt-one");

	if (pid > 0)
		lose_process(pid);
	else
		CU_ASSERT_EQUAL(system("ip link del hwt-one"), 0);
}

static void lost_tunnel_is_healed(void)
{
	_cleanup_free_ char *pins = command_output("ls " PINS "/links | grep -c tunnel_ingress");
	struct error error = {0};

	lose_tunnel();
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(says("wg show hwt-one", "listening port: 51820"));
	CU_ASSERT(says(
		"ls " PINS "/links | grep -c tunnel_ingress", pins)); /* none of the interface that is gone */
	CU_ASSERT(nothing_to_do());
}

static struct tunnel_entry entry_of(uint32_t number)
{
	_cleanup_close_ int map = bpf_map_open(PINS, MAP_TUNNELS, NULL, NULL);
	struct tunnel_entry entry = {0};

	CU_ASSERT_EQUAL(bpf_map_lookup_elem(map, &number, &entry), 0);
	return entry;
}

/* Its process must wait before it is started again: everything else is healed. */
static void heal_without_tunnel(void)
{
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan plan = {0};
	struct error error = {0};

	CU_ASSERT_NOT_EQUAL(entry_of(101).reach[1].mask, 0);
	lose_tunnel();
	CU_ASSERT_EQUAL_FATAL(apply_observe(apply, &model, &observed, &error), 0);
	CU_ASSERT_EQUAL(plan_make(&observed, &model, &plan), 0);
	plan_leave_out(&plan, "hwt-one");
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT_EQUAL(entry_of(101).provider, 1);
	CU_ASSERT_EQUAL(entry_of(101).reach[1].mask, 0);
}

static void tunnel_that_waits_is_healed_later(void)
{
	struct error error = {0};

	heal_without_tunnel();
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
}

/* Without an interface its entry is found, too. */
static void tunnel_that_waits_may_leave(void)
{
	struct error error = {0};

	heal_without_tunnel();
	model.tunnels++;
	model.tunnel_count--;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT_EQUAL(entry_of(101).provider, 0);
	CU_ASSERT_EQUAL(entry_of(102).provider, 1);
	model.tunnels--;
	model.tunnel_count++;
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

static void expect_reach(uint64_t v6, uint64_t v6_mask, uint64_t v4, uint64_t v4_mask)
{
	struct error error = {0};
	struct tunnel_entry entry;

	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	entry = entry_of(101);
	CU_ASSERT_EQUAL(be64toh(entry.reach[0].bits), v6);
	CU_ASSERT_EQUAL(be64toh(entry.reach[0].mask), v6_mask);
	CU_ASSERT_EQUAL(be64toh(entry.reach[1].bits), v4);
	CU_ASSERT_EQUAL(be64toh(entry.reach[1].mask), v4_mask);
}

static void tunnels_know_their_providers_widest_prefixes(void)
{
	const struct prefix v4 = provider_prefixes[0], v6 = provider_prefixes[1];

	expect_reach(0x20010db801000000, 0xffffffffff000000, 0xffff64400000, 0xffffffffffc00000);
	provider_prefixes[1] = prefix("2001:db8:100::/65");
	expect_reach(0, 0, 0xffff64400000, 0xffffffffffc00000);
	provider_prefixes[0] = prefix("100.64.0.0/12");
	provider_prefixes[1] = prefix("100.96.0.0/11");
	expect_reach(0, 0, 0xffff64600000, 0xffffffffffe00000);
	provider_prefixes[0] = v4;
	provider_prefixes[1] = v6;
	expect_reach(0x20010db801000000, 0xffffffffff000000, 0xffff64400000, 0xffffffffffc00000);
}

/* The prefixes cannot be written, so nothing behind them is: what is before them is seen. */
static void an_entry_that_changes_reaches_nobody_meanwhile(void)
{
	const struct prefix whole = provider_prefixes[0];
	_cleanup_close_ int prefixes = bpf_map_open(PINS, MAP_PREFIXES, NULL, NULL);
	_cleanup_(netlink_close_pointer) struct netlink *netlink = NULL;
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(netlink_open(NETLINK_ROUTE, 0, &netlink), 0);
	CU_ASSERT_EQUAL(unlink(PINS "/current/" MAP_PREFIXES), 0);
	CU_ASSERT_NOT_EQUAL(entry_of(101).reach[1].mask, 0);
	provider_prefixes[0] = prefix("100.64.0.0/12");
	CU_ASSERT_EQUAL(bpf_fill(PINS, netlink, &model, &error), -ENOENT);
	CU_ASSERT_EQUAL(entry_of(101).provider, 1);
	CU_ASSERT_EQUAL(entry_of(101).reach[1].mask, 0);
	provider_prefixes[0] = whole;
	CU_ASSERT_EQUAL(bpf_obj_pin(prefixes, PINS "/current/" MAP_PREFIXES), 0);
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
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

/* Each tunnel has a way of its own, for what is bound to it; nobody else has any. */
static void probes_have_ways(void)
{
	static struct probe probes[] = {{.name = "one", .tunnel = &tunnels[0], .icmp.enabled = true},
		{.name = "one6", .tunnel = &tunnels[0], .icmp.enabled = true},
		{.name = "two6", .tunnel = &tunnels[1], .icmp.enabled = true}};
	struct error error = {0};

	address_parse("203.0.113.1", &probes[0].icmp.to);
	address_parse("2001:db8:f::1", &probes[1].icmp.to);
	address_parse("2001:db8:f::1", &probes[2].icmp.to);
	model.probes = probes;
	model.probe_count = ARRAY_SIZE(probes);
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(says("ip route get 203.0.113.1 from 169.254.1.1 oif hwt-one", "hwt-one table 777100101"));
	CU_ASSERT(says("ip route get 2001:db8:f::1 from fd00:1::1 oif hwt-one", "hwt-one table 777100101"));
	CU_ASSERT(says("ip route get 2001:db8:f::1 from fd00:2::1 oif hwt-two", "hwt-two table 777100102"));
	CU_ASSERT(says("ip route get 2001:db8:f::1 from fd00:1::1 2>&1", "unreachable"));
	CU_ASSERT(says("bpftool map dump pinned " PINS "/current/prefixes | grep -c '\"space\": 5'", "3\n"));
	CU_ASSERT_EQUAL(system("ip link set hwt-one down"), 0); /* the kernel takes its ways along */
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(says("ip route get 2001:db8:f::1 from fd00:1::1 oif hwt-one", "hwt-one table 777100101"));
	model.probe_count = 0;
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(says(
		"ip route show table all | grep -c 7771; ip rule | grep -c 7771; ip -6 rule | grep -c 7771",
		"0\n0\n0\n"));
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
	CU_ASSERT_EQUAL(bpf_member_tunnels_set(PINS, 2, &tunnel, 1, NULL, &error), 0);
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

/* A start and an apply refuse it; what runs goes on, and keeps nothing else from being healed. */
static void a_key_that_cannot_be_read_is_no_change(void)
{
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0640), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(chmod(KEY_FILE, 0600), 0);
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
	CU_ASSERT_EQUAL(apply_preflight(apply, &model, &model, &error), -EINVAL);
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
	CU_ASSERT_FALSE(status.xdp_relays);
}

/* These uplinks are veths, whose checksums may be unfinished: XDP may pass, and nothing else, whoever said otherwise. */
static void xdp_sends_nothing_on_a_veth(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct error error = {0};
	char command[160];

	CU_ASSERT(nothing_to_do());
	snprintf(command, sizeof(command),
		"bpftool map update pinned " PINS "/current/turning key %u 0 0 0 value 1 0 0 0",
		if_nametoindex(model.uplinks[0]));
	CU_ASSERT_EQUAL(system(command), 0);
	make_plan(&model, &plan);
	CU_ASSERT_EQUAL(plan.count, 1);
	CU_ASSERT_EQUAL_FATAL(apply_run(apply, &plan, NULL, NULL, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(says("bpftool -j map dump pinned " PINS "/current/turning", "[]"));
	CU_ASSERT_NOT_EQUAL(bpf_xdp_is_alone("uplink0"), says("ip -d link show uplink0", "xdp_dispatcher"));
}

/* Where the whole XDP program cannot be had the guard hangs in its place: it is ours, and of this build. */
static void the_guard_in_its_place_is_as_it_should_be(void)
{
	struct error error = {0};

	CU_ASSERT(bpf_xdp_is_whole("uplink0"));
	CU_ASSERT_EQUAL(
		system("xdp-loader unload -a uplink0 >/dev/null 2>&1 || ip link set dev uplink0 xdp off;"
		       "bpftool net attach xdpdrv pinned " PINS "/current/uplink_guard dev uplink0"),
		0);
	CU_ASSERT_FALSE(bpf_xdp_is_whole("uplink0"));
	CU_ASSERT(nothing_to_do());
	CU_ASSERT_EQUAL(system("ip link set dev uplink0 xdp off"), 0);
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(bpf_xdp_is_whole("uplink0"));
}

/* Tagged as it is found: by the hash of its table. */
static struct line established_flow(void)
{
	struct line flow = {.key = {.source_port = 7, .protocol = 6}, .home = HOME(1, 101, 1, 1), .stamp = 5};
	struct settings settings = {0};
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(bpf_settings_read(PINS, &settings, &error), 0);
	flow.tag = TAG(hash_of(&flow.key, settings.hash_seed), LINE_ESTABLISHED);
	return flow;
}

static struct line *line_of(struct flow_table *table, const struct line *flow)
{
	struct error error = {0};
	uint32_t count = 0;
	int map = bpf_map_open(PINS, MAP_FLOWS, &count, &error);

	CU_ASSERT_EQUAL_FATAL(flow_table_open(map, -1, count, table, &error), 0);
	close(map);
	return &table->lines[TAG_HASH(flow->tag) & (count - 1)];
}

static bool flow_is_there(uint32_t lines)
{
	const struct line flow = established_flow();
	struct flow_table table;
	const struct line *line = line_of(&table, &flow);
	bool there = table.count == lines && memcmp(line, &flow, sizeof(flow)) == 0;

	flow_table_close(&table);
	return there;
}

/* With another prefix inside. Its last step fails. */
static void refuse_larger_tables(void)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct prefix other[] = {prefix("10.0.0.0/17")};
	struct model refused = model;
	struct error error = {0};

	refused.tables.flows = 8192;
	refused.inside = other;
	refused.inside_count = ARRAY_SIZE(other);
	make_plan(&refused, &plan);
	plan.steps[plan.count - 1] =
		(struct step){STEP_ADD, {.kind = ITEM_ADDRESS, .interface = "nosuch"}, {0}};
	CU_ASSERT_EQUAL(apply_run(apply, &plan, NULL, NULL, &error), -ENODEV);
}

/* Programs and tables are replaced beneath what is attached: the links stay, and so does every flow. */
static void new_programs_take_over(void)
{
	const char *links = "for l in " PINS
			    "/links/*; do bpftool -j link show pinned $l | jq -c '[.id, .ifindex]'; done";
	_cleanup_free_ char *links_before = command_output(links), *links_after = NULL;
	const struct line flow = established_flow();
	struct flow_table table;
	struct error error = {0};

	*line_of(&table, &flow) = flow;
	flow_table_close(&table);
	refuse_larger_tables();
	CU_ASSERT(flow_is_there(4096)); /* switched back */
	CU_ASSERT(nothing_to_do());     /* nor is anything of it in the maps that both generations have */
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

#define EARLIER_NAME "generation-00000000000000aa"
#define EARLIER      PINS "/" EARLIER_NAME

static void pin_array(
	const char *path, uint32_t value_size, uint32_t entries, uint32_t key, const void *value)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "earlier", sizeof(key), value_size, entries, &options);

	CU_ASSERT_EQUAL(bpf_map_update_elem(map, &key, value, BPF_ANY), 0);
	CU_ASSERT_EQUAL(bpf_obj_pin(map, path), 0);
	close(map);
}

/* Of a build whose hash had a seed of 32 bits: its tags say nothing here, and there is no secret yet. */
static void tables_of_an_earlier_build_are_taken_over(void)
{
	enum { SETTINGS_THEN = 64 };
	struct settings settings = {.reserved3 = 0x5eed, .flow_mask = 1023, .mtu = 1400};
	struct line flow = established_flow();
	struct error error = {0};

	CU_ASSERT_EQUAL(mkdir(EARLIER, 0700), 0);
	flow.tag = TAG(0x1234567890a5f7ULL, LINE_ESTABLISHED);
	pin_array(EARLIER "/flows_1", sizeof(flow), 1024, 0x1f7, &flow);
	pin_array(EARLIER "/settings", SETTINGS_THEN, 1, 0, &settings);
	CU_ASSERT_EQUAL(system("ln -sfn " EARLIER_NAME " " PINS "/current"), 0);
	CU_ASSERT_FALSE(nothing_to_do());
	CU_ASSERT_EQUAL(reach(&model, &error), 0);
	CU_ASSERT(nothing_to_do());
	CU_ASSERT(flow_is_there(4096));
	CU_ASSERT_EQUAL(bpf_settings_read(PINS, &settings, &error), 0);
	for (size_t i = 0; i < HASH_SEED_WORDS; i++)
		CU_ASSERT(settings.hash_seed[i]);
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

static void stop_leaves_nothing(void)
{
	struct error error = {0};

	CU_ASSERT_EQUAL_FATAL(reach(NULL, &error), 0);
	CU_ASSERT(is_as_before());
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

/* What a BIRD that was killed left of what routers told; what it could not have been told, or another put there, stays. */
static void what_a_dead_bird_left_is_removed(void)
{
	struct prefix import[] = {prefix("100.64.0.0/10"), prefix("2001:db8:100::/40"), prefix("::/0")};
	struct router router = {.bgp = {.import = import, .import_count = 2}};
	struct model with_router = {.routers = &router, .router_count = 1};
	struct error error;

	CU_ASSERT_EQUAL_FATAL(
		system("for route in '100.64.0.0/10 metric 32' 100.64.7.0/24 '100.64.8.0/24 table 77' "
		       "100.0.0.0/8 198.51.100.0/24 2001:db8:107::/48 2001:db8:200::/40 default; do "
		       "ip route add $route dev uplink0 proto bird || exit; done; "
		       "ip -6 route add default dev uplink0 proto bird && "
		       "ip route add 100.64.9.0/24 dev uplink0 proto static"),
		0);
	CU_ASSERT_EQUAL(apply_remove_birds_routes(apply, &model, &error), 0);
	CU_ASSERT(says("ip -br route show proto bird | wc -l", "5\n"));
	CU_ASSERT_EQUAL(apply_remove_birds_routes(apply, &with_router, &error), 0);
	CU_ASSERT(says("ip route show proto bird | cut -d' ' -f1 | sort | xargs",
		"100.0.0.0/8 198.51.100.0/24 default\n"));
	CU_ASSERT(says(
		"ip -6 route show proto bird | cut -d' ' -f1 | sort | xargs", "2001:db8:200::/40 default\n"));
	CU_ASSERT(says("ip route show table 77", "100.64.8.0/24"));
	CU_ASSERT(says("ip route show proto static", "100.64.9.0/24"));
	router.bgp.import_count = 3;
	CU_ASSERT_EQUAL(apply_remove_birds_routes(apply, &with_router, &error), 0);
	CU_ASSERT(says("ip -6 route show proto bird | wc -l", "0\n"));
	CU_ASSERT_EQUAL(system("ip route flush proto bird; ip route flush table 77; "
			       "ip route flush proto static dev uplink0"),
		0);
}

/* That of an interface which need not be there: it is seen, and goes. */
static void a_rule_may_be_an_interfaces(void)
{
	const struct item rule = {.kind = ITEM_RULE,
		.interface = "hwt-none",
		.rule = {.priority = LINK_RULE_PRIORITY, .table = HOME_TABLE}};
	_cleanup_(items_free) struct items observed = {0};
	struct error error = {0};
	size_t seen = 0;

	CU_ASSERT_EQUAL_FATAL(rule_add(apply->netlink, &rule, &error), 0);
	CU_ASSERT(says("ip -6 rule show", "7002:\tfrom all oif hwt-none [detached] lookup 7770 proto 72"));
	CU_ASSERT_EQUAL(routes_observe(apply->netlink, &observed, &error), 0);
	for (size_t i = 0; i < observed.count; i++)
		seen += observed.items[i].kind == ITEM_RULE &&
			strcmp(observed.items[i].interface, rule.interface) == 0 &&
			observed.items[i].rule.priority == rule.rule.priority &&
			observed.items[i].rule.table == rule.rule.table &&
			address_equal(&observed.items[i].rule.from, &rule.rule.from);
	CU_ASSERT_EQUAL(seen, 1);
	CU_ASSERT_EQUAL(rule_remove(apply->netlink, &rule, &error), 0);
	CU_ASSERT(says("ip -6 rule show | grep -c hwt-none || true", "0\n"));
}

APPLY_TESTS("apply", {"a start makes links, keys, maps, programs, routes and rules", start_makes_it_all},
	{"a second start does nothing", again_does_nothing},
	{"the labels of others are left alone", labels_of_others_are_left_alone},
	{"requests pass the reverse path filter, also with all=1", loose_reverse_path_passes},
	{"what was changed by hand is put right, and only that", drift_is_healed},
	{"a tunnel that is gone is made again", lost_tunnel_is_healed},
	{"wireguard-go's sockets have room for what comes in a burst", wireguard_has_room},
	{"a tunnel that waits is healed later", tunnel_that_waits_is_healed_later},
	{"a tunnel that waits may leave", tunnel_that_waits_may_leave},
	{"the maps say what the model says", maps_say_what_the_model_says},
	{"tunnels know their providers' widest prefixes", tunnels_know_their_providers_widest_prefixes},
	{"an entry that changes reaches nobody meanwhile", an_entry_that_changes_reaches_nobody_meanwhile},
	{"an underlay needs members", an_underlay_needs_members},
	{"an underlay comes and goes", an_underlay_comes_and_goes},
	{"members are suspect until they are heard", members_are_suspect_until_heard},
	{"what probes ask behind a link has a way of its own", probes_have_ways},
	{"a tunnel less: it leaves the machine and the maps", a_tunnel_less},
	{"programs on an uplink that left are found", an_old_uplink_is_found},
	{"a key that cannot be read is no change", a_key_that_cannot_be_read_is_no_change},
	{"a new key is taken over", a_new_key_is_taken_over},
	{"explain is answered by the data plane", explain_answers},
	{"the status is filled", status_is_filled},
	{"XDP sends nothing on a veth", xdp_sends_nothing_on_a_veth},
	{"the guard in the place of the whole XDP program is as it should be",
		the_guard_in_its_place_is_as_it_should_be},
	{"new programs take over: links and flows stay", new_programs_take_over},
	{"tables of an earlier build are taken over", tables_of_an_earlier_build_are_taken_over},
	{"damaged pins are healed", damaged_pins_are_healed},
	{"clsact can be forced, and replaces tcx", clsact_can_be_forced},
	{"tables of another size bring new maps and programs", larger_tables_bring_new_programs},
	{"what a dead BIRD left is removed", what_a_dead_bird_left_is_removed},
	{"a rule may be an interface's", a_rule_may_be_an_interfaces},
	{"a stop leaves the machine as it was", stop_leaves_nothing})
