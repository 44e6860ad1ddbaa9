// SPDX-License-Identifier: Apache-2.0
/*
 * The filter of an uplink, packet by packet, in both families and by both programs of the hook. Who listens, and who waits
 * for an answer, are real sockets of the scene's namespace.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/scene_test.h"

SCENE_LOADS(NULL); /* uplink_xdp alone, which is no part of the scene */

#define XDP_DROPPED 1
#define XDP_PASSED  2

#define NOWHERE      9 /* nobody listens */
#define SSH          22
#define SYSLOG       514
#define DNS          53
#define REDIRECTED   8080
#define FIXED_TUNNEL 51820 /* whose peer's address is configured: DEVICE_TOO */
#define OPEN_TUNNEL  51821
#define OUR_PORT     40000 /* of what we began */
#define GRE          47

static const uint32_t lo = 1; /* where a test's packets come in */

static struct uplink_xdp_bpf *xdp;

/* ---- What gwd would write ---------------------------------------------------------------------------------------- */

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void own(enum who who, enum family family, uint32_t kind)
{
	uint8_t address[16];

	address_of(who, family, address);
	update(scene.gateway->maps.own, address, &kind);
}

static void believe(uint16_t space, uint16_t which, enum who from, enum family family)
{
	struct prefix_key key = {.length = PREFIX_KEY_BITS + 128, .space = space, .which = which};
	struct prefix_value holder = {.provider = 1};

	address_of(from, family, key.address);
	update(scene.gateway->maps.prefixes, &key, &holder);
}

static void serve(uint32_t row, uint16_t number, enum service service)
{
	struct services services;

	CU_ASSERT_EQUAL_FATAL(
		bpf_map_lookup_elem(bpf_map__fd(scene.gateway->maps.services), &row, &services), 0);
	services.kinds[SERVICE_AT(number)] &= (uint8_t) ~(3 << SERVICE_SHIFT(number));
	services.kinds[SERVICE_AT(number)] |= (uint8_t)(service << SERVICE_SHIFT(number));
	update(scene.gateway->maps.services, &row, &services);
}

static void serve_port(uint16_t port, enum service service)
{
	serve(port >> 8, port, service);
}

static void filter(uint32_t effect)
{
	scene.settings.filter = effect != 0;
	scene_settings();
	if (effect)
		update(scene.gateway->maps.filters, &lo, &effect);
	else
		bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.filters), &lo);
}

static void write_filter(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		own(UNDERLAY, family, OWN_MACHINE);
		own(LOOPBACK, family, OWN_TUNNELS);
		own(TUNNEL_101, family, OWN_TUNNELS);
		believe(SPACE_PEER, FIXED_TUNNEL, DEVICE_TOO, family);
		believe(SPACE_TRUSTED, 0, INSIDE, family);
		believe(SPACE_TRUSTED, 0, MEMBER, family);
		believe(SPACE_TRUSTED, 0, TUNNEL_101, family); /* as part of a larger prefix */
	}
	serve_port(FIXED_TUNNEL, SERVICE_PEERS);
	serve_port(OPEN_TUNNEL, SERVICE_TUNNEL);
	serve_port(REDIRECTED, SERVICE_OPEN);
	serve(SERVICES_PROTOCOLS, GRE, SERVICE_OPEN);
}

/* ---- Sockets ------------------------------------------------------------------------------------------------------- */

static int bound(int domain, int type, const void *name, socklen_t length)
{
	int fd = socket(domain, type | SOCK_NONBLOCK, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	CU_ASSERT_EQUAL_FATAL(bind(fd, name, length), 0);
	return fd;
}

/* For both families. */
static void listen_everywhere(int type, uint16_t port)
{
	const struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = bound(AF_INET6, type, &name, sizeof(name));

	if (type == SOCK_STREAM)
		CU_ASSERT_EQUAL_FATAL(listen(fd, 5), 0);
}

static socklen_t name_of(enum who who, enum family family, uint16_t port, struct sockaddr_storage *name)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)name;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
	uint8_t address[16];

	memset(name, 0, sizeof(*name));
	address_of(who, family, address);
	name->ss_family = family == V4 ? AF_INET : AF_INET6;
	v4->sin_port = htons(port); /* the families' stand in one place */
	if (family == V4)
		memcpy(&v4->sin_addr, address + 12, 4);
	else
		memcpy(&v6->sin6_addr, address, 16);
	return family == V4 ? sizeof(*v4) : sizeof(*v6);
}

/* We ask the stranger, who has not answered. */
static void ask_stranger(int type, enum family family)
{
	struct sockaddr_storage ours, theirs;
	socklen_t length = name_of(UNDERLAY, family, OUR_PORT, &ours);
	int fd = bound(ours.ss_family, type, &ours, length);

	name_of(STRANGER, family, DNS, &theirs);
	CU_ASSERT(connect(fd, (struct sockaddr *)&theirs, length) == 0 || type == SOCK_STREAM);
}

/* They stay open as long as the test. */
static void open_sockets(void)
{
	CU_ASSERT_EQUAL_FATAL(system("ip route add default via 10.0.0.1 dev up0 &&"
				     "ip -6 route add default via fd00:10::1 dev up0"),
		0);
	listen_everywhere(SOCK_STREAM, SSH);
	listen_everywhere(SOCK_DGRAM, SYSLOG);
	for (enum family family = V4; family <= V6; family += 2) {
		ask_stranger(SOCK_STREAM, family);
		ask_stranger(SOCK_DGRAM, family);
	}
}

/* ---- Rows ------------------------------------------------------------------------------------------------------------ */

static const struct shape quoted = {
	.kind = UDP, .from = LOOPBACK, .to = INSIDE, .from_port = 1, .to_port = 2};

#define FROM_STRANGER(kind_, to_, port, ...)                                                    \
	{                                                                                       \
		.kind = kind_, .from = STRANGER, .to = to_, .from_port = 1024, .to_port = port, \
		.payload = 64, __VA_ARGS__                                                      \
	}
#define IN REASON_passed_other

static const struct row {
	const char *shows;
	enum reason reason; /* IN: it passes */
	struct shape in;
	enum family family; /* 0: both */
} rows[] = {
	{"a datagram to nobody", REASON_filtered_unserved, FROM_STRANGER(UDP, UNDERLAY, NOWHERE)},
	{"a SYN to nobody", REASON_filtered_unserved, FROM_STRANGER(TCP, UNDERLAY, NOWHERE, .flags = SYN)},
	{"a segment to nobody", REASON_filtered_unserved,
		FROM_STRANGER(TCP, UNDERLAY, NOWHERE, .flags = ACK)},
	{"options before it", REASON_filtered_unserved,
		FROM_STRANGER(UDP, UNDERLAY, NOWHERE, .extensions = 3)},
	{"a first fragment", REASON_filtered_unserved,
		FROM_STRANGER(UDP, UNDERLAY, NOWHERE, .more_fragments = true, .fragment_id = 7)},
	{"a later fragment", IN,
		FROM_STRANGER(UDP, UNDERLAY, NOWHERE, .fragment_offset = 1376, .fragment_id = 7)},
	{"a datagram to who listens", IN, FROM_STRANGER(UDP, UNDERLAY, SYSLOG)},
	{"a SYN to who listens", IN, FROM_STRANGER(TCP, UNDERLAY, SSH, .flags = SYN)},
	{"the same behind options", IN, FROM_STRANGER(TCP, UNDERLAY, SSH, .flags = SYN, .extensions = 3)},
	{"a datagram to a port of TCP", REASON_filtered_unserved, FROM_STRANGER(UDP, UNDERLAY, SSH)},
	{"an answer to our question", IN,
		{.kind = UDP, .from = STRANGER, .to = UNDERLAY, .from_port = DNS, .to_port = OUR_PORT}},
	{"an answer from another port", REASON_filtered_unserved,
		{.kind = UDP, .from = STRANGER, .to = UNDERLAY, .from_port = DNS + 1, .to_port = OUR_PORT}},
	{"an answer from another host", REASON_filtered_unserved,
		{.kind = UDP, .from = DEVICE, .to = UNDERLAY, .from_port = DNS, .to_port = OUR_PORT}},
	{"the SYN-ACK of a connection of ours", IN,
		{.kind = TCP,
			.from = STRANGER,
			.to = UNDERLAY,
			.from_port = DNS,
			.to_port = OUR_PORT,
			.flags = SYN | ACK}},
	{"a SYN-ACK of none", REASON_filtered_unserved,
		{.kind = TCP,
			.from = STRANGER,
			.to = UNDERLAY,
			.from_port = DNS + 1,
			.to_port = OUR_PORT,
			.flags = SYN | ACK}},
	{"a tunnel's port, from its peer", IN,
		{.kind = UDP, .from = DEVICE_TOO, .to = UNDERLAY, .from_port = 1, .to_port = FIXED_TUNNEL}},
	{"a first fragment from the peer", IN,
		{.kind = UDP,
			.from = DEVICE_TOO,
			.to = UNDERLAY,
			.from_port = 1,
			.to_port = FIXED_TUNNEL,
			.payload = 64,
			.more_fragments = true,
			.fragment_id = 7}},
	{"a tunnel's port, from another", REASON_filtered_stranger,
		FROM_STRANGER(UDP, UNDERLAY, FIXED_TUNNEL)},
	{"the port of a tunnel whose peer roams", IN, FROM_STRANGER(UDP, UNDERLAY, OPEN_TUNNEL)},
	{"a segment to that port", REASON_filtered_unserved,
		FROM_STRANGER(TCP, UNDERLAY, OPEN_TUNNEL, .flags = SYN)},
	{"a datagram to a port without a socket", IN, FROM_STRANGER(UDP, UNDERLAY, REDIRECTED)},
	{"a port without a socket that is served", IN,
		FROM_STRANGER(TCP, UNDERLAY, REDIRECTED, .flags = SYN)},
	{"another protocol that is served", IN, FROM_STRANGER(OTHER_PROTOCOL, UNDERLAY, 0)},
	{"an echo request", IN, FROM_STRANGER(ECHO_REQUEST, UNDERLAY, 0)},
	{"an ICMP error", IN, FROM_STRANGER(TOO_BIG, UNDERLAY, 0, .quotes = &quoted)},
	{"DHCP", IN, FROM_STRANGER(UDP, UNDERLAY, 68), V4},
	{"DHCPv6", IN, FROM_STRANGER(UDP, UNDERLAY, 546), V6},
	{"the other family's DHCP", REASON_filtered_unserved, FROM_STRANGER(UDP, UNDERLAY, 68), V6},
	{"a datagram to nobody, from inside", IN,
		{.kind = UDP, .from = INSIDE, .to = UNDERLAY, .from_port = 1, .to_port = NOWHERE}},
	{"the same from a member, whom it tells that gwd is away", IN,
		{.kind = UDP, .from = MEMBER, .to = UNDERLAY, .from_port = 6082, .to_port = 6082}},
	{"a request to a loopback, from outside", REASON_filtered_outside,
		FROM_STRANGER(TCP, LOOPBACK, SSH, .flags = SYN)},
	{"a device's, which should come by its tunnel", REASON_filtered_outside,
		{.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = 1, .to_port = SYSLOG}},
	{"an echo request to a loopback", REASON_filtered_outside, FROM_STRANGER(ECHO_REQUEST, LOOPBACK, 0)},
	{"an ICMP error about what a loopback said", IN,
		FROM_STRANGER(TOO_BIG, LOOPBACK, 0, .quotes = &quoted)},
	{"a request to a loopback, from inside", IN,
		{.kind = TCP, .from = INSIDE, .to = LOOPBACK, .from_port = 1, .to_port = SSH, .flags = SYN}},
	{"to a tunnel's own address", REASON_filtered_outside,
		FROM_STRANGER(TCP, TUNNEL_101, 179, .flags = SYN)},
	{"from one of our addresses, as it claims", REASON_filtered_own_source,
		{.kind = UDP, .from = LOOPBACK, .to = UNDERLAY, .from_port = 1, .to_port = SYSLOG}},
	{"the same of a trusted prefix", REASON_filtered_own_source,
		{.kind = UDP, .from = TUNNEL_101, .to = UNDERLAY, .from_port = 1, .to_port = SYSLOG}},
	{"what is forwarded", IN, FROM_STRANGER(UDP, INSIDE, NOWHERE)},
	{"a response that surfaces", IN,
		{.kind = TCP, .from = LOOPBACK, .to = DEVICE, .from_port = SSH, .to_port = 1, .flags = ACK}},
	{"multicast", IN, FROM_STRANGER(UDP, MULTICAST, NOWHERE)},
	{"to a link-local address", IN, FROM_STRANGER(UDP, LINK_LOCAL, NOWHERE)},
};

static int run_by(const struct bpf_program *program, const uint8_t *packet, size_t length)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length);

	CU_ASSERT_EQUAL(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	return (int)options.retval;
}

/* What shall happen: a verdict, and one packet of the reason counted. */
static void play(const struct row *row, const struct bpf_program *program, enum family family, bool watches)
{
	bool found = row->reason != IN, drops = found && !watches;
	enum reason counted = found && watches ? WATCHED(row->reason) : row->reason;
	uint64_t before = scene_count(counted);
	uint8_t packet[PACKET_MAX];
	int verdict = run_by(program, packet, packet_build(&row->in, family, true, packet));
	bool ok = verdict == (drops ? XDP_DROPPED : XDP_PASSED) && scene_count(counted) == before + found;

	if (!ok)
		printf("FAIL bpf serve: %s (v%d, %s)\n", row->shows, family, bpf_program__name(program));
	CU_ASSERT(ok);
}

static void play_all(const struct bpf_program *program, bool watches)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (enum family family = V4; family <= V6; family += 2)
			if (!rows[i].family || rows[i].family == family)
				play(&rows[i], program, family, watches);
}

static void what_nobody_serves_is_dropped(void)
{
	xdp = scene_load_xdp();
	scene_reset();
	write_filter();
	open_sockets();
	filter(FILTER_DROPS);
	play_all(xdp->progs.uplink_xdp, false);
	play_all(xdp->progs.uplink_guard, false);
}

static void who_watches_counts_it_and_lets_it_in(void)
{
	filter(FILTER_WATCHES);
	play_all(xdp->progs.uplink_xdp, true);
}

static const struct shape unserved = FROM_STRANGER(UDP, UNDERLAY, NOWHERE);

static int run_unserved(enum family family)
{
	uint8_t packet[PACKET_MAX];

	return run_by(xdp->progs.uplink_xdp, packet, packet_build(&unserved, family, true, packet));
}

static void without_a_filter_all_passes(void)
{
	uint32_t effect = FILTER_DROPS, another = 77;

	filter(0);
	for (enum family family = V4; family <= V6; family += 2)
		CU_ASSERT_EQUAL(run_unserved(family), XDP_PASSED);
	update(scene.gateway->maps.filters, &another, &effect);
	scene.settings.filter = 1;
	scene_settings();
	for (enum family family = V4; family <= V6; family += 2)
		CU_ASSERT_EQUAL(run_unserved(family), XDP_PASSED);
	bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.filters), &another);
}

static void another_protocol_is_dropped_unless_it_is_served(void)
{
	const struct row row = {
		"another protocol", REASON_filtered_unserved, FROM_STRANGER(OTHER_PROTOCOL, UNDERLAY, 0)};

	filter(FILTER_DROPS);
	serve(SERVICES_PROTOCOLS, GRE, SERVICE_ASK);
	play(&row, xdp->progs.uplink_xdp, V4, false);
	play(&row, xdp->progs.uplink_xdp, V6, false);
	serve(SERVICES_PROTOCOLS, GRE, SERVICE_OPEN);
}

/* Where it is cut, the stack sees that itself. */
static void what_is_cut_short_is_the_stack_s(void)
{
	uint8_t packet[PACKET_MAX];

	for (enum family family = V4; family <= V6; family += 2) {
		size_t length = packet_build(&unserved, family, true, packet);

		for (size_t cut = ETHERNET_LENGTH; cut <= length; cut++)
			CU_ASSERT_EQUAL(run_by(xdp->progs.uplink_xdp, packet, cut),
				cut < length ? XDP_PASSED : XDP_DROPPED);
	}
}

/* The stack takes a datagram of IPv6 without a length for all that is there. */
static void a_header_that_contradicts_itself_hides_nothing(void)
{
	static const struct {
		enum reason reason;
		struct shape in;
	} tries[] = {
		{REASON_filtered_unserved, FROM_STRANGER(UDP, UNDERLAY, NOWHERE)},
		{REASON_filtered_stranger, FROM_STRANGER(UDP, UNDERLAY, FIXED_TUNNEL)},
		{REASON_filtered_outside, FROM_STRANGER(UDP, LOOPBACK, SYSLOG)},
		{REASON_filtered_own_source,
			{.kind = UDP, .from = LOOPBACK, .to = UNDERLAY, .from_port = 1, .to_port = SYSLOG}},
	};
	uint8_t packet[PACKET_MAX];

	for (size_t i = 0; i < 2 * sizeof(tries) / sizeof(tries[0]); i++) {
		enum family family = i % 2 ? V6 : V4;
		uint64_t before = scene_count(tries[i / 2].reason);
		size_t length = packet_build(&tries[i / 2].in, family, true, packet);

		memset(packet + ETHERNET_LENGTH + (family == V4 ? 20 : 40) + 4, 0, 2);
		CU_ASSERT_EQUAL(run_by(xdp->progs.uplink_xdp, packet, length), XDP_DROPPED);
		CU_ASSERT_EQUAL(scene_count(tries[i / 2].reason), before + 1);
	}
}

/* Behind more headers than are walked; to our own addresses it is the stack's. */
static void what_cannot_be_read_comes_to_no_loopback(void)
{
	const struct row to_loopback = {"a request behind many options", REASON_filtered_outside,
		FROM_STRANGER(UDP, LOOPBACK, SYSLOG, .extensions = 7)};
	const struct row from_ours = {"from an address of ours, behind many options",
		REASON_filtered_own_source, {.kind = UDP, .from = LOOPBACK, .to = UNDERLAY, .extensions = 7}};
	const struct row to_us = {
		"to us, behind many options", IN, FROM_STRANGER(UDP, UNDERLAY, NOWHERE, .extensions = 7)};

	play(&to_loopback, xdp->progs.uplink_xdp, V6, false);
	play(&from_ours, xdp->progs.uplink_xdp, V6, false);
	play(&to_us, xdp->progs.uplink_xdp, V6, false);
}

/* A VLAN's frames are another network's; what comes behind the packet is Ethernet's. */
static void a_tagged_frame_passes_and_a_padded_one_does_not(void)
{
	static const uint8_t tag[4] = {0x81, 0x00, 0x00, 0x64};
	uint8_t packet[PACKET_MAX], tagged[PACKET_MAX + sizeof(tag)];

	for (enum family family = V4; family <= V6; family += 2) {
		size_t length = packet_build(&unserved, family, true, packet);

		memcpy(tagged, packet, 12);
		memcpy(tagged + 12, tag, sizeof(tag));
		memcpy(tagged + 16, packet + 12, length - 12);
		CU_ASSERT_EQUAL(run_by(xdp->progs.uplink_xdp, tagged, length + sizeof(tag)), XDP_PASSED);
		memset(packet + length, 0, 18);
		CU_ASSERT_EQUAL(run_by(xdp->progs.uplink_xdp, packet, length + 18), XDP_DROPPED);
	}
	uplink_xdp_bpf__destroy(xdp);
}

SCENE_TESTS("bpf serve", {"what nobody serves is dropped", what_nobody_serves_is_dropped},
	{"who watches counts it and lets it in", who_watches_counts_it_and_lets_it_in},
	{"without a filter all passes", without_a_filter_all_passes},
	{"another protocol is dropped unless it is served", another_protocol_is_dropped_unless_it_is_served},
	{"what is cut short is the stack's", what_is_cut_short_is_the_stack_s},
	{"a header that contradicts itself hides nothing", a_header_that_contradicts_itself_hides_nothing},
	{"what cannot be read comes to no loopback", what_cannot_be_read_comes_to_no_loopback},
	{"a tagged frame passes, and a padded one does not", a_tagged_frame_passes_and_a_padded_one_does_not})
