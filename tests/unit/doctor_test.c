// SPDX-License-Identifier: Apache-2.0
/* The doctor: a machine without fault, then one fault a row; and what probing sees of this one. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

static struct member members[2];
static struct tunnel tunnels[2];
static struct model model;
static struct uplink_facts uplinks[2];
static struct tunnel_facts tunnel_facts[2];
static struct member_facts member_facts[2];
static struct listener listeners[1];
static struct router router;
static struct prefix router_address, destination;
static struct router_facts router_facts;
static struct egress_group egress;
static struct lan_facts lan_facts;
static struct probe probe;
static struct probe_facts probe_facts;
static struct facts facts;

static void make_world(void)
{
	static char *names[] = {"eth0"};

	address_parse("10.0.0.11", &members[0].address);
	address_parse("10.0.0.12", &members[1].address);
	members[0].name = "edge-gw-01";
	members[1].name = "edge-gw-02";
	members[0].number = 1;
	members[1].number = 2;
	tunnels[0] = (struct tunnel){.name = "acme-lgw-01",
		.wireguard = {.listen_port = 51820, .has_endpoint = true, .endpoint_port = 51820},
		.bgp = {.enabled = true, .bfd = {true, 50, 3}}};
	address_parse("203.0.113.1", &tunnels[0].wireguard.endpoint_address);
	model = (struct model){.gateway = "edge-gw-01",
		.number = 1,
		.array = {.mtu = 1400, .members = members, .member_count = 2},
		.uplinks = names,
		.uplink_count = 1,
		.tunnels = tunnels,
		.tunnel_count = 1};
	uplinks[0] = (struct uplink_facts){.name = "eth0",
		.exists = true,
		.mtu = 1500,
		.driver = "ixgbe",
		.queues = 4,
		.queues_max = 64,
		.xdp_mode = "native"};
	tunnel_facts[0] = (struct tunnel_facts){.rp_filter = 0, .path_mtu = 1500};
	member_facts[1] = (struct member_facts){.skew_known = true, .skew_ms = 12};
	listeners[0] = (struct listener){.udp = true, .port = 3784, .pid = 7, .program = "bird"};
	facts = (struct facts){.kernel = "6.1.0",
		.kernel_version = 601,
		.btf = true,
		.bpffs = true,
		.kernel_wireguard = true,
		.kernel_dummy = true,
		.relay_overhead = 52,
		.libbpf = "1.1",
		.bird = "BIRD version 2.0.12",
		.processors = 4,
		.clock_synchronised = 1,
		.late_us = 80,
		.neighbours = {10, 10},
		.neighbours_max = {1024, 1024},
		.uplinks = uplinks,
		.tunnels = tunnel_facts,
		.members = member_facts,
		.listeners = listeners,
		.listener_count = 1};
}

static void a_machine_without_fault_is_told_to_be(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
	for (size_t i = 0; i < diagnosis.finding_count; i++) {
		if (diagnosis.findings[i].level != FINDING_OK)
			printf("%s: %s\n", diagnosis.findings[i].check, diagnosis.findings[i].finding);
		CU_ASSERT_STRING_EQUAL(diagnosis.findings[i].advice, "");
		CU_ASSERT(strlen(diagnosis.findings[i].finding) > 0);
	}
}

/* A provider's side, where all is well, with a probe by HTTPS. */
static void on_the_providers_side(void)
{
	static char *lans[] = {"eth2"};

	prefix_parse("172.31.1.2/24", &router_address);
	prefix_parse("2001:db8:f::/64", &destination);
	router = (struct router){
		.name = "ixp-1", .interface = "eth1", .addresses = &router_address, .address_count = 1};
	address_parse("172.31.1.254", &router.bgp.neighbor);
	router_facts = (struct router_facts){true, true, UNKNOWN};
	egress = (struct egress_group){.name = "platform",
		.destinations = &destination,
		.destination_count = 1,
		.from = lans,
		.from_count = 1};
	lan_facts = (struct lan_facts){true, true};
	probe = (struct probe){.name = "cwmp",
		.http = {.enabled = true, .tls = true, .verify = true, .ca_file = "/etc/homeward/ca.pem"}};
	probe_facts = (struct probe_facts){.authority = AUTHORITY_FINE};
	model.routers = &router;
	model.egress = &egress;
	model.probes = &probe;
	model.router_count = model.egress_count = model.probe_count = 1;
	facts.routers = &router_facts;
	facts.lans = &lan_facts;
	facts.probes = &probe_facts;
	facts.forwarding_v6 = 1;
}

static void no_interface_of_router(void)
{
	on_the_providers_side();
	router_facts.exists = false;
}
static void no_address_of_router(void)
{
	on_the_providers_side();
	router_facts.missing = 0;
}
static void no_carrier_to_router(void)
{
	on_the_providers_side();
	router_facts.running = false;
}
static void no_bird_for_router(void)
{
	on_the_providers_side();
	tunnels[0].bgp.enabled = false;
	facts.bird[0] = '\0';
}
static void no_lan(void)
{
	on_the_providers_side();
	lan_facts.exists = false;
}
static void no_carrier_in_lan(void)
{
	on_the_providers_side();
	lan_facts.running = false;
}
static void nothing_forwarded(void)
{
	on_the_providers_side();
	facts.forwarding_v6 = 0;
}
/* It asks what is behind a tunnel's link. */
static void no_way_for_a_probe(void)
{
	on_the_providers_side();
	probe = (struct probe){.name = "far", .tunnel = &model.tunnels[0], .icmp.enabled = true};
	address_parse("192.0.2.77", &probe.icmp.to);
	address_parse("10.7.0.1", &probe.from);
	probe_facts.path = ENETUNREACH;
}

static void no_address_for_a_probe(void)
{
	no_way_for_a_probe();
	probe_facts.path = EADDRNOTAVAIL;
}

static void no_authority(void)
{
	on_the_providers_side();
	probe_facts.authority = AUTHORITY_UNREADABLE;
}
static void no_system_authority(void)
{
	no_authority();
	probe.http.ca_file = NULL;
}
static void no_certificate(void)
{
	on_the_providers_side();
	probe_facts.authority = AUTHORITY_NONE;
}
static void old_authority(void)
{
	on_the_providers_side();
	probe_facts.authority = AUTHORITY_ENDED;
}
static void ageing_authority(void)
{
	on_the_providers_side();
	probe_facts.authority = AUTHORITY_ENDING;
}
static void strict_for_link(void)
{
	static struct egress_link link = {.tunnel = tunnels};

	on_the_providers_side();
	egress.links = &link;
	egress.link_count = 1;
	facts.rp_all = 1;
}

static void a_provider_s_side_without_fault_is_told_to_be(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;
	static const char *const interfaces[] = {"", "acme-lgw-01", "acme-lgw-01", "eth1", "eth1", "eth0"};

	make_world();
	on_the_providers_side();
	router.bgp.bfd.enabled = true;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
	CU_ASSERT_EQUAL_FATAL(diagnosis.passage_count, ARRAY_SIZE(interfaces));
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		CU_ASSERT_STRING_EQUAL(diagnosis.passages[i].interface, interfaces[i]);
	diagnosis_free(&diagnosis);
	facts.forwarding_v6 = 0; /* nobody's concern where all destinations are of IPv4 */
	prefix_parse("198.18.0.0/24", &destination);
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
}

static void old_kernel(void)
{
	facts.kernel_version = 504;
}
static void no_tcx(void)
{
	model.attach = ATTACH_TCX;
}
static void no_bpf(void)
{
	strcpy(facts.bpf_trouble, "this kernel loads no BPF programs");
}
static void no_btf(void)
{
	facts.btf = false;
}
static void no_bpffs(void)
{
	facts.bpffs = false;
}
static void no_wireguard(void)
{
	facts.kernel_wireguard = false;
}
static void only_go(void)
{
	facts.kernel_wireguard = false;
	facts.tun = true;
	strcpy(facts.wireguard_go, "wireguard-go v0");
}
static void go_without_tun(void)
{
	only_go();
	facts.tun = false;
}
static void ipsec_without_strongswan(void)
{
	tunnels[0].ipsec.enabled = true;
	address_parse("203.0.113.1", &tunnels[0].ipsec.remote);
	facts.tun = true;
}
static void ipsec_without_tun(void)
{
	ipsec_without_strongswan();
	strcpy(facts.strongswan, "charon-systemd");
	facts.tun = false;
}
static void ipsec_in_user_space(void)
{
	ipsec_without_tun();
	facts.tun = true;
}
static void ipsec_twice_in_user_space(void)
{
	ipsec_in_user_space();
	tunnels[1] = tunnels[0];
	tunnel_facts[1] = tunnel_facts[0];
	model.tunnel_count = 2;
}
/* On Linux 6.1, beside a tunnel of the kernel's WireGuard. */
static void ipsec_beside_wireguard(void)
{
	ipsec_in_user_space();
	facts.esp = true;
	facts.kernel_version = 601;
	tunnels[1] = (struct tunnel){.name = "acme-lgw-02"};
	tunnel_facts[1] = tunnel_facts[0];
	model.tunnel_count = 2;
}
static void esp_by(char *proposal)
{
	static char *proposals[1];

	ipsec_beside_wireguard();
	proposals[0] = proposal;
	tunnels[0].ipsec.esp_proposals = proposals;
	tunnels[0].ipsec.esp_proposal_count = 1;
}
static void esp_by_aes(void)
{
	esp_by("aes256gcm16-ecp384");
}
static void esp_by_either(void)
{
	esp_by("chacha20poly1305-aes256gcm16-ecp384");
}
static void esp_by_strongswans_own(void)
{
	esp_by("default");
}
static void esp_by_chacha(void)
{
	esp_by("chacha20poly1305-ecp384");
}
static void esp_of_a_newer_kernel(void)
{
	ipsec_beside_wireguard();
	facts.kernel_version = 606;
}
static void esp_beside_wireguard_go(void)
{
	ipsec_beside_wireguard();
	only_go();
}
static void esp_alone(void)
{
	ipsec_beside_wireguard();
	model.tunnel_count = 1;
}
/* AES-GCM adds least, and of the rest nobody knows. */
static void ipsec_in_a_small_path(void)
{
	ipsec_without_tun();
	facts.esp = true;
	tunnel_facts[0].path_mtu = 1463;
}
static void ipsec_in_a_tight_path(void)
{
	ipsec_in_a_small_path();
	tunnel_facts[0].path_mtu = 1464;
}
static void ipsec_over_small_ipv6(void)
{
	ipsec_in_a_small_path();
	address_parse("2001:db8::99", &tunnels[0].ipsec.remote);
	model.array.mtu = 1419;
	tunnel_facts[0].path_mtu = 1500;
}
static void ipsec_over_tight_ipv6(void)
{
	ipsec_over_small_ipv6();
	model.array.mtu = 1418;
}
static void no_bird(void)
{
	facts.bird[0] = '\0';
}
static void old_bird(void)
{
	strcpy(facts.bird, "BIRD version 1.6.8");
}
static void bird_3(void)
{
	strcpy(facts.bird, "BIRD version 3.0.1");
}
static void no_uplink(void)
{
	uplinks[0].exists = false;
}
static void generic_xdp(void)
{
	strcpy(uplinks[0].xdp_mode, "generic");
}
static void few_queues(void)
{
	uplinks[0].queues = 1;
}
static void ena_queues(void)
{
	strcpy(uplinks[0].driver, "ena");
	uplinks[0].queues = uplinks[0].queues_max = 8;
}
static void virtio_queues(void)
{
	strcpy(uplinks[0].driver, "virtio_net");
	uplinks[0].queues = uplinks[0].queues_max = 4;
}
static void uncut_relays(void)
{
	strcpy(uplinks[0].driver, "veth");
	uplinks[0].hands_on = 1;
}
static void small_uplink(void)
{
	uplinks[0].mtu = 1451;
}
static void with_underlay(void)
{
	model.array.underlay = "wg-array";
	uplinks[0].mtu = 1400; /* relays do not go there */
	uplinks[1] = (struct uplink_facts){
		.name = "wg-array", .exists = true, .mtu = 1452, .driver = "tun", .has_address = true};
}
static void no_underlay(void)
{
	with_underlay();
	uplinks[1].exists = false;
}
static void ethernet_underlay(void)
{
	with_underlay();
	uplinks[1].has_headers = true;
}
static void strange_underlay(void)
{
	with_underlay();
	uplinks[1].has_address = false;
}
static void small_underlay(void)
{
	with_underlay();
	uplinks[1].mtu = 1451;
}
/* On the first uplink; it found something, or would have. */
static void with_filter(bool drops)
{
	static char *filtered[] = {"eth0"};

	model.filter = (struct filter){.enabled = true,
		.watch = filtered,
		.watch_count = drops ? 0 : 1,
		.drop = filtered,
		.drop_count = drops ? 1 : 0};
	uplinks[0].filter = drops ? FILTER_DROP : FILTER_WATCH;
}
static void a_filter_dropped(void)
{
	with_filter(true);
	facts.dropped[0] = (struct filtered_facts){"filtered_unserved", 1200};
	facts.dropped[2] = (struct filtered_facts){"filtered_outside", 3};
}
static void a_filter_watched(void)
{
	with_filter(false);
	facts.translates = 1;
	facts.watched[1] = (struct filtered_facts){"watched_stranger", 7};
}
static void a_filter_found_nothing(void)
{
	with_filter(true);
}
static void a_filter_is_not_there(void)
{
	with_filter(true);
	uplinks[0].filter = FILTER_OFF;
}
static void a_filter_has_no_program(void)
{
	with_filter(true);
	strcpy(uplinks[0].xdp_mode, "none");
}
static void a_filter_and_perhaps_nat(void)
{
	with_filter(true);
	facts.translates = UNKNOWN;
}
static void a_filter_sees_tags(void)
{
	with_filter(true);
	uplinks[0].hides_tags = UNKNOWN;
	uplinks[0].has_vlans = true;
}
static void a_filter_has_no_vlans(void)
{
	with_filter(true);
	uplinks[0].hides_tags = 1;
}
static void a_filter_is_to_drop(void)
{
	with_filter(true);
	uplinks[0].filter = FILTER_WATCH;
}
static void a_filter_is_to_watch(void)
{
	with_filter(false);
	uplinks[0].filter = FILTER_DROP;
}
static void a_filter_and_nat(void)
{
	with_filter(true);
	facts.translates = 1;
}
static void a_filter_of_a_bond(void)
{
	with_filter(true);
	strcpy(uplinks[0].driver, "bonding");
}
static void a_filter_does_not_see_tags(void)
{
	with_filter(true);
	uplinks[0].hides_tags = 1;
	uplinks[0].has_vlans = true;
}
static void small_path(void)
{
	tunnel_facts[0].path_mtu = 1459;
}
static void strict_for_all(void)
{
	facts.rp_all = 1;
}
static void strict_for_one(void)
{
	tunnel_facts[0].rp_filter = 1;
}
static void strict_by_default(void)
{
	tunnel_facts[0].rp_filter = UNKNOWN;
	facts.rp_default = 1;
}
static void crowded(void)
{
	facts.neighbours[1] = 1000;
}
static void udp_listener(void)
{
	strcpy(listeners[0].program, "snmpd");
}
static void tcp_listener(void)
{
	listeners[0] = (struct listener){.port = 22, .pid = 9, .program = "sshd"};
}
static void nobodys_listener(void)
{
	listeners[0] = (struct listener){.udp = true, .port = 111};
}
static void free_clock(void)
{
	facts.clock_synchronised = 0;
}
static void wrong_clock(void)
{
	facts.clock_error_us = 2000000;
}
static void other_clock(void)
{
	member_facts[1].skew_ms = 1500;
}
static void quite_other_clock(void)
{
	member_facts[1].skew_ms = -12000;
}
static void late_timers(void)
{
	facts.late_us = 40000;
}
static void very_late_timers(void)
{
	facts.late_us = 120000;
}

static const struct fault {
	void (*make)(void);
	enum finding_level level;
	const char *check, *words, *advice;
} faults[] = {
	{old_kernel, FINDING_PROBLEM, "kernel", "too old", "6.1"},
	{no_tcx, FINDING_PROBLEM, "kernel", "no TCX", "attach: auto"},
	{no_bpf, FINDING_PROBLEM, "bpf", "loads no BPF programs", "root"},
	{no_btf, FINDING_WARNING, "bpf", "btf", "CONFIG_DEBUG_INFO_BTF"},
	{no_bpffs, FINDING_PROBLEM, "bpffs", "not on a bpffs", "mount -t bpf"},
	{ipsec_without_strongswan, FINDING_PROBLEM, "ipsec", "not to be found", "apt install charon-systemd"},
	{ipsec_without_tun, FINDING_PROBLEM, "ipsec", "/dev/net/tun", "modprobe tun"},
	{ipsec_in_user_space, FINDING_WARNING, "ipsec", "in user space", "xfrm_interface"},
	{ipsec_twice_in_user_space, FINDING_PROBLEM, "ipsec", "2 IPsec tunnels", "WireGuard"},
	{ipsec_beside_wireguard, FINDING_WARNING, "ipsec", "tunnel acme-lgw-01 may use AES",
		"chacha20poly1305"},
	{esp_by_aes, FINDING_WARNING, "ipsec", "tunnel acme-lgw-01 may use AES", "chacha20poly1305"},
	{esp_by_strongswans_own, FINDING_WARNING, "ipsec", "tunnel acme-lgw-01 may use AES",
		"chacha20poly1305"},
	{esp_by_either, FINDING_WARNING, "ipsec", "tunnel acme-lgw-01 may use AES", "chacha20poly1305"},
	{no_wireguard, FINDING_PROBLEM, "wireguard", "neither", "apt install wireguard-go"},
	{only_go, FINDING_WARNING, "wireguard", "wireguard-go v0 does it", "modprobe wireguard"},
	{go_without_tun, FINDING_PROBLEM, "wireguard", "/dev/net/tun", "modprobe tun"},
	{no_bird, FINDING_PROBLEM, "versions", "not to be found", "apt install bird2"},
	{old_bird, FINDING_WARNING, "versions", "1.6.8", "2.0.12"},
	{bird_3, FINDING_WARNING, "versions", "3.0.1", "2.0.12"},
	{no_uplink, FINDING_PROBLEM, "uplinks", "no such interface", "name an interface"},
	{generic_xdp, FINDING_WARNING, "uplinks", "generic", "queues"},
	{few_queues, FINDING_WARNING, "uplinks", "1 queues in use", "ethtool -L"},
	{ena_queues, FINDING_WARNING, "uplinks", "8 of 8 queues", "half"},
	{virtio_queues, FINDING_WARNING, "uplinks", "4 queues for 4 processors", "twice as many"},
	{uncut_relays, FINDING_WARNING, "uplinks", "eth0: driver veth hands on what it should cut",
		"ethtool -K eth0 tx-udp_tnl-segmentation off"},
	{no_interface_of_router, FINDING_PROBLEM, "routers", "ixp-1: there is no interface eth1", "make it"},
	{no_address_of_router, FINDING_PROBLEM, "routers", "eth1 does not have the address 172.31.1.2/24",
		"ip address add 172.31.1.2/24 dev eth1"},
	{no_carrier_to_router, FINDING_WARNING, "routers", "eth1 is down or has no carrier", "cable"},
	{no_bird_for_router, FINDING_PROBLEM, "versions", "not to be found", "apt install bird2"},
	{no_lan, FINDING_PROBLEM, "egress", "LAN eth2: there is no such interface", "make it"},
	{no_carrier_in_lan, FINDING_WARNING, "egress", "LAN eth2 is down or has no carrier", "cable"},
	{nothing_forwarded, FINDING_PROBLEM, "egress", "platform has destinations of IPv6",
		"net.ipv6.conf.all.forwarding=1"},
	{strict_for_link, FINDING_PROBLEM, "rp_filter", "drops the answers of its egress group", "sysctl"},
	{no_authority, FINDING_PROBLEM, "probes", "cwmp: /etc/homeward/ca.pem cannot be read", "put"},
	{no_system_authority, FINDING_PROBLEM, "probes", "ca-certificates.crt cannot be read", "put"},
	{no_certificate, FINDING_PROBLEM, "probes", "has no certificate in it", "PEM"},
	{old_authority, FINDING_PROBLEM, "probes", "has expired", "renew"},
	{no_way_for_a_probe, FINDING_WARNING, "probes", "far: no way from 10.7.0.1 to 192.0.2.77 by ",
		"priority 6999"},
	{no_address_for_a_probe, FINDING_WARNING, "probes", "Cannot assign requested address", "VRF"},
	{ageing_authority, FINDING_WARNING, "probes", "expires within 14 days", "renew"},
	{small_uplink, FINDING_PROBLEM, "mtu", "1451, and relayed packets of the array have 1452",
		"array.mtu"},
	{no_underlay, FINDING_PROBLEM, "uplinks", "underlay wg-array: there is no such interface",
		"Homeward does not"},
	{ethernet_underlay, FINDING_PROBLEM, "uplinks", "wg-array is no WireGuard interface", "in uplinks"},
	{strange_underlay, FINDING_PROBLEM, "uplinks", "wg-array does not have this gateway's address",
		"ip address add"},
	{small_underlay, FINDING_PROBLEM, "mtu",
		"underlay wg-array has an MTU of 1451, and relayed packets of the array have 1452",
		"array.mtu"},
	{a_filter_and_nat, FINDING_WARNING, "filter", "the kernel has NAT", "filter.watch"},
	{a_filter_of_a_bond, FINDING_WARNING, "filter", "its filter sees nothing", "leave the uplink out"},
	{a_filter_does_not_see_tags, FINDING_WARNING, "filter", "takes their tags off", "rxvlan off"},
	{a_filter_has_no_program, FINDING_WARNING, "filter",
		"its filter is not in force: no XDP program is attached", "log"},
	{a_filter_is_to_drop, FINDING_WARNING, "filter",
		"its filter is not in force: what nobody here serves is only counted so far", "gwctl reload"},
	{a_filter_is_to_watch, FINDING_WARNING, "filter",
		"its filter is not in force: what nobody here serves is still dropped", "gwctl reload"},
	{small_path, FINDING_WARNING, "mtu", "carries 1459 bytes, a full packet of the array needs 1460",
		"array.mtu"},
	{ipsec_in_a_small_path, FINDING_PROBLEM, "mtu",
		"carries 1463 bytes, a full packet of the array needs at least 1464 in ESP: the kernel drops "
		"it",
		"array.mtu 1374,"},
	{ipsec_in_a_tight_path, FINDING_WARNING, "mtu", "needs up to 1492 in ESP: the kernel may drop it",
		"array.mtu 1374,"},
	{ipsec_over_small_ipv6, FINDING_PROBLEM, "mtu", "needs at least 1504 in ESP", "array.mtu 1390,"},
	{ipsec_over_tight_ipv6, FINDING_WARNING, "mtu", "needs up to 1528 in ESP", "array.mtu 1390,"},
	{strict_for_all, FINDING_PROBLEM, "rp_filter", "all 1, its own 0", "sysctl"},
	{strict_for_one, FINDING_PROBLEM, "rp_filter", "all 0, its own 1", "sysctl"},
	{strict_by_default, FINDING_PROBLEM, "rp_filter", "default 1", "sysctl"},
	{crowded, FINDING_WARNING, "neighbours", "ipv6 neighbour table has 1000 of at most 1024",
		"gc_thresh3=4096"},
	{udp_listener, FINDING_WARNING, "listeners", "snmpd (pid 7) listens on udp/3784", "bind it"},
	{tcp_listener, FINDING_WARNING, "listeners", "sshd (pid 9) listens on tcp/22", "firewall"},
	{nobodys_listener, FINDING_WARNING, "listeners", "somebody listens on udp/111", "bind it"},
	{free_clock, FINDING_WARNING, "clock", "nobody keeps the clock", "chrony"},
	{wrong_clock, FINDING_WARNING, "clock", "wrong by 2000 ms", "chrony"},
	{other_clock, FINDING_WARNING, "clock", "edge-gw-02 is 1500 ms ahead of ours", "chrony"},
	{quite_other_clock, FINDING_PROBLEM, "clock",
		"edge-gw-02 is 12000 ms behind ours: what one tells of flows the other refuses", "chrony"},
	{late_timers, FINDING_WARNING, "timers", "late by up to 40 ms", "bfd.interval"},
	{very_late_timers, FINDING_PROBLEM, "timers", "acme-lgw-01 gives up after 150 ms", "bfd.interval"},
};

static bool tells(const struct diagnosis *diagnosis, const struct fault *fault)
{
	for (size_t i = 0; i < diagnosis->finding_count; i++) {
		const struct finding *finding = &diagnosis->findings[i];

		if (finding->level == fault->level && strcmp(finding->check, fault->check) == 0 &&
			strstr(finding->finding, fault->words) && strstr(finding->advice, fault->advice))
			return true;
	}
	return false;
}

/* Each fault alone is told once, at its level, with what to do, and nothing else is. */
static void each_fault_is_told_with_what_to_do(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_(diagnosis_free) struct diagnosis diagnosis;
		size_t told = 0;

		make_world();
		faults[i].make();
		CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
		for (size_t k = 0; k < diagnosis.finding_count; k++)
			told += diagnosis.findings[k].level != FINDING_OK;
		if (told != 1 || !tells(&diagnosis, &faults[i]))
			diagnosis_print(&diagnosis, stdout);
		CU_ASSERT_EQUAL(told, 1);
		CU_ASSERT(tells(&diagnosis, &faults[i]));
		CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), faults[i].level);
	}
}

static void esp_that_is_never_put_off_is_fine(void)
{
	static void (*const fine[])(void) = {
		esp_by_chacha, esp_of_a_newer_kernel, esp_beside_wireguard_go, esp_alone};

	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		_cleanup_(diagnosis_free) struct diagnosis diagnosis;

		make_world();
		fine[i]();
		CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
		for (size_t k = 0; k < diagnosis.finding_count; k++)
			if (strcmp(diagnosis.findings[k].check, "ipsec") == 0)
				CU_ASSERT_EQUAL(diagnosis.findings[k].level, FINDING_OK);
	}
}

static void what_a_filter_found_is_told(void)
{
	static const struct fault told[] = {
		{a_filter_dropped, FINDING_OK, "filter",
			"filters have dropped 1200 filtered_unserved, 3 filtered_outside", ""},
		{a_filter_watched, FINDING_OK, "filter", "would have dropped 7 watched_stranger", ""},
		{a_filter_watched, FINDING_OK, "filter", "uplink eth0: its filter lets in, and counts,", ""},
		{a_filter_found_nothing, FINDING_OK, "filter", "uplink eth0: its filter drops", ""},
		{a_filter_is_not_there, FINDING_OK, "filter",
			"its filter is not in force: gwd was not told of it", ""},
		{a_filter_and_perhaps_nat, FINDING_OK, "filter", "translates addresses is unknown: what", ""},
		{a_filter_sees_tags, FINDING_OK, "filter", "uplink eth0: its filter drops", ""},
		{a_filter_has_no_vlans, FINDING_OK, "filter", "uplink eth0: its filter drops", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		_cleanup_(diagnosis_free) struct diagnosis diagnosis;

		make_world();
		told[i].make();
		CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
		CU_ASSERT(tells(&diagnosis, &told[i]));
		CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
	}
}

/* Several, and without a TUN device. */
static void the_kernel_bears_ipsec(void)
{
	static const struct fault nothing_wrong = {NULL, FINDING_OK, "ipsec", "kernel has ESP", ""};
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	ipsec_twice_in_user_space();
	facts.tun = false;
	facts.esp = true;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT(tells(&diagnosis, &nothing_wrong));
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
}

static void every_check_has_a_fault(void)
{
	for (size_t i = 0; i < doctor_check_count; i++) {
		bool known = strcmp(doctor_checks[i].name, "home0") == 0; /* either device will do */

		for (size_t k = 0; k < ARRAY_SIZE(faults); k++)
			known |= strcmp(faults[k].check, doctor_checks[i].name) == 0;
		CU_ASSERT(known);
	}
}

static void what_is_unknown_is_no_fault(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	uplinks[0].queues = uplinks[0].queues_max = UNKNOWN;
	uplinks[0].xdp_mode[0] = uplinks[0].driver[0] = '\0';
	uplinks[0].hands_on = UNKNOWN;
	member_facts[1] = (struct member_facts){.skew_ms = 99999};
	tunnel_facts[0] = (struct tunnel_facts){UNKNOWN, UNKNOWN};
	facts.rp_all = facts.rp_default = UNKNOWN;
	facts.neighbours[0] = facts.neighbours_max[1] = UNKNOWN;
	facts.clock_synchronised = UNKNOWN;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
}

static void what_xdp_does_on_an_uplink_is_told(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;
	static const struct fault relays = {
		NULL, FINDING_OK, "uplinks", "uplink eth0: driver ixgbe, XDP native, relays", ""};
	static const struct fault is_alone = {NULL, FINDING_OK, "uplinks",
		"uplink eth0: driver ixgbe, XDP native, relays, alone on its hook", ""};

	make_world();
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_FALSE(tells(&diagnosis, &relays));
	diagnosis_free(&diagnosis);
	uplinks[0].xdp_relays = true;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT(tells(&diagnosis, &relays));
	diagnosis_free(&diagnosis);
	uplinks[0].xdp_alone = true;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT(tells(&diagnosis, &is_alone));
}

static void alone_nothing_is_relayed(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	model.array.member_count = 1;
	uncut_relays();
	uplinks[0].mtu = 1400;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
	CU_ASSERT_EQUAL(diagnosis.passage_count, 3);
}

static void an_underlay_that_can_be_one_is_no_fault(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	with_underlay();
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_OK);
	CU_ASSERT_STRING_EQUAL(diagnosis.passages[diagnosis.passage_count - 1].interface, "wg-array");
}

static void the_firewall_s_list_is_complete(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;
	static const struct {
		const char *protocol, *interface;
		uint16_t port;
	} wanted[] = {{"udp", "", 51820}, {"tcp", "acme-lgw-01", 179}, {"udp", "acme-lgw-01", 3784},
		{"udp", "eth0", 6081}, {"udp", "eth0", 6082}};

	make_world();
	model.array.replication = REPLICATION_BROADCAST;
	CU_ASSERT_EQUAL(doctor_judge(&model, &facts, &diagnosis), 0);
	CU_ASSERT_EQUAL_FATAL(diagnosis.passage_count, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		CU_ASSERT_STRING_EQUAL(diagnosis.passages[i].protocol, wanted[i].protocol);
		CU_ASSERT_STRING_EQUAL(diagnosis.passages[i].interface, wanted[i].interface);
		CU_ASSERT_EQUAL(diagnosis.passages[i].port, wanted[i].port);
	}
}

static void findings_are_told_as_json(void)
{
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	json_t *document;

	make_world();
	no_bpffs();
	doctor_judge(&model, &facts, &diagnosis);
	diagnosis_print_json(&diagnosis, stream);
	fclose(stream);
	document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(document);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(document, "schema")), 1);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "findings")), diagnosis.finding_count);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(document, "firewall")), diagnosis.passage_count);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"check\":\"bpffs\",\"level\":\"problem\",\"finding\":"));
	json_decref(document);
}

/* ---- Probing, on this machine ------------------------------------------------------------------------------------ */

static const struct listener *listener_of(const struct facts *seen, bool udp, uint16_t port)
{
	for (size_t i = 0; i < seen->listener_count; i++)
		if (seen->listeners[i].udp == udp && seen->listeners[i].port == port)
			return &seen->listeners[i];
	return NULL;
}

/* A socket of ours; *port says where. */
static int listen_at(int type, int family, const char *address, uint16_t *port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr *name = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd = socket(family, type, 0);

	inet_pton(family, address, family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
	CU_ASSERT_EQUAL(bind(fd, name, size), 0);
	if (type == SOCK_STREAM)
		listen(fd, 1);
	getsockname(fd, name, &size);
	*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

static void who_listens_on_every_address_is_named(void)
{
	static const struct {
		int type, family;
		const char *address;
		bool told;
	} rows[] = {{SOCK_DGRAM, AF_INET, "0.0.0.0", true}, {SOCK_DGRAM, AF_INET6, "::", true},
		{SOCK_STREAM, AF_INET, "0.0.0.0", true}, {SOCK_STREAM, AF_INET6, "::", true},
		{SOCK_DGRAM, AF_INET, "127.0.0.1", false}, {SOCK_STREAM, AF_INET6, "::1", false}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(facts_free) struct facts seen = {0};
		uint16_t port;
		_cleanup_close_ int fd = listen_at(rows[i].type, rows[i].family, rows[i].address, &port);
		const struct listener *listener;

		CU_ASSERT_EQUAL(probe_listeners(&seen), 0);
		listener = listener_of(&seen, rows[i].type == SOCK_DGRAM, port);
		CU_ASSERT_EQUAL(listener != NULL, rows[i].told);
		if (!listener)
			continue;
		CU_ASSERT_EQUAL(listener->pid, getpid());
		CU_ASSERT_STRING_EQUAL(listener->program, "doctor_test");
	}
}

static void a_device_s_features_are_known_by_name(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CU_ASSERT_EQUAL(probe_feature(fd, "lo", "loopback"), 1);
	CU_ASSERT_EQUAL(probe_feature(fd, "lo", "tx-vlan-hw-insert"), 0);
	CU_ASSERT_EQUAL(probe_feature(fd, "lo", "no-such-feature"), UNKNOWN);
	CU_ASSERT_EQUAL(probe_feature(fd, "no-such-0", "loopback"), UNKNOWN);
}

/* It expired on 2020-01-02, and nobody has its key. */
static const char old_certificate[] = "-----BEGIN CERTIFICATE-----\n"
				      "MIIBAzCBqgIBATAKBggqhkjOPQQDAjAOMQwwCgYDVQQDDANvbGQwHhcNMjAwMTAx\n"
				      "MDAwMDAwWhcNMjAwMTAyMDAwMDAwWjAOMQwwCgYDVQQDDANvbGQwWTATBgcqhkjO\n"
				      "PQIBBggqhkjOPQMBBwNCAAQLGLZdvcUo8qDVXomrkjGE84n5Uv9nLdxzzZMht1iP\n"
				      "QbApds9ep4igYpi3jb3JMyUmIgpCOzchBJUmzZZ36UwJMAoGCCqGSM49BAMCA0gA\n"
				      "MEUCIQDCg/dcj20+mDXO2Sby0yE68DNTGMnXQ3Mh6uFXLNCMZgIgOy5yl9OPfhoK\n"
				      "MnrIk7Y1DUiWm9FKM2ygRiZSWCAOrVo=\n"
				      "-----END CERTIFICATE-----\n";

static void write_old_certificate(const char *path)
{
	FILE *file = fopen(path, "w");

	fputs(old_certificate, file);
	fclose(file);
}

/* For `days` from now on; false: there is no openssl here. */
static bool write_certificate(const char *path, int days)
{
	char command[256];

	snprintf(command, sizeof(command),
		"openssl req -x509 -newkey rsa:2048 -nodes -days %d -subj /CN=a -keyout /dev/null -out %s "
		"2>/dev/null",
		days, path);
	return system(command) == 0;
}

static enum authority authority_seen(const char *file)
{
	_cleanup_(facts_free) struct facts seen;

	on_the_providers_side();
	probe.http.ca_file = (char *)file;
	CU_ASSERT_EQUAL(doctor_probe(&model, "/proc", &seen), 0);
	return seen.probes[0].authority;
}

static void certificates_are_seen(void)
{
	char directory[] = "/tmp/doctor.XXXXXX", path[64];

	make_world();
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/ca.pem", directory);
	CU_ASSERT_EQUAL(authority_seen(path), AUTHORITY_UNREADABLE);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL(authority_seen(path), AUTHORITY_NONE); /* and nobody waits for it */
	unlink(path);
	if (write_certificate(path, 30)) {
		CU_ASSERT_EQUAL(authority_seen(path), AUTHORITY_FINE);
		CU_ASSERT_EQUAL(authority_seen("/proc/version"), AUTHORITY_NONE);
		write_certificate(path, 3);
		CU_ASSERT_EQUAL(authority_seen(path), AUTHORITY_ENDING);
		write_old_certificate(path);
		CU_ASSERT_EQUAL(authority_seen(path), AUTHORITY_ENDED);
	}
	unlink(path);
	rmdir(directory);
}

static void a_provider_s_side_is_seen(void)
{
	static char *lans[] = {"lo", "no-such-0"};
	_cleanup_(facts_free) struct facts seen;

	make_world();
	on_the_providers_side();
	router.interface = "lo";
	egress.from = lans;
	egress.from_count = 2;
	model.probe_count = 0;
	CU_ASSERT_EQUAL(doctor_probe(&model, "/proc", &seen), 0);
	CU_ASSERT(seen.routers[0].exists);
	CU_ASSERT_EQUAL(seen.routers[0].missing, 0);
	CU_ASSERT(seen.lans[0].exists);
	CU_ASSERT_FALSE(seen.lans[1].exists);
	CU_ASSERT(seen.forwarding_v6 == 0 || seen.forwarding_v6 == 1);
	CU_ASSERT(probe_address("lo", &members[0].address) == false);
	facts_free(&seen);
	prefix_parse("127.0.0.1/8", &router_address);
	CU_ASSERT_EQUAL(doctor_probe(&model, "/proc", &seen), 0);
	CU_ASSERT_EQUAL(seen.routers[0].missing, UNKNOWN);
	CU_ASSERT(seen.routers[0].running);
}

/* lo is everywhere; nothing of the machine is asserted that another may not have. */
static void this_machine_is_seen(void)
{
	static char *names[] = {"lo", "no-such-0"};
	_cleanup_(facts_free) struct facts seen;
	_cleanup_(diagnosis_free) struct diagnosis diagnosis;

	make_world();
	address_parse("127.0.0.1", &tunnels[0].wireguard.endpoint_address);
	model.uplinks = names;
	model.uplink_count = 2;
	model.array.underlay = names[0];
	address_parse("127.0.0.1", &members[0].address);
	CU_ASSERT_EQUAL(doctor_probe(&model, "/proc", &seen), 0);
	CU_ASSERT(seen.kernel_version >= 500);
	CU_ASSERT(seen.processors > 0);
	CU_ASSERT_FALSE(seen.bpffs);
	CU_ASSERT(seen.uplinks[0].exists && seen.uplinks[0].mtu > 1000);
	CU_ASSERT_FALSE(seen.uplinks[1].exists);
	CU_ASSERT(seen.uplinks[2].exists && seen.uplinks[2].has_address && seen.uplinks[2].has_headers);
	CU_ASSERT(seen.tunnels[0].path_mtu > 1000);
	CU_ASSERT_EQUAL(seen.tunnels[0].rp_filter, UNKNOWN);
	CU_ASSERT(seen.late_us > 0);
	CU_ASSERT(seen.neighbours_max[0] > 0);
	CU_ASSERT_EQUAL(doctor_judge(&model, &seen, &diagnosis), 0);
	CU_ASSERT_EQUAL(diagnosis_worst(&diagnosis), FINDING_PROBLEM);
}

UNIT_TESTS("doctor", {"a machine without fault is told to be", a_machine_without_fault_is_told_to_be},
	{"each fault is told with what to do", each_fault_is_told_with_what_to_do},
	{"ESP that is never put off is fine", esp_that_is_never_put_off_is_fine},
	{"what a filter found is told", what_a_filter_found_is_told},
	{"the kernel bears several IPsec tunnels", the_kernel_bears_ipsec},
	{"every check has a fault", every_check_has_a_fault},
	{"what is unknown is no fault", what_is_unknown_is_no_fault},
	{"alone nothing is relayed", alone_nothing_is_relayed},
	{"what XDP does on an uplink is told", what_xdp_does_on_an_uplink_is_told},
	{"an underlay that can be one is no fault", an_underlay_that_can_be_one_is_no_fault},
	{"the firewall's list is complete", the_firewall_s_list_is_complete},
	{"findings are told as JSON", findings_are_told_as_json},
	{"who listens on every address is named", who_listens_on_every_address_is_named},
	{"a device's features are known by name", a_device_s_features_are_known_by_name},
	{"this machine is seen", this_machine_is_seen},
	{"a provider's side without fault is told to be", a_provider_s_side_without_fault_is_told_to_be},
	{"a provider's side is seen", a_provider_s_side_is_seen},
	{"certificates are seen", certificates_are_seen})
