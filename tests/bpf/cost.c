// SPDX-License-Identifier: Apache-2.0
/*
 * What a packet costs in each program, in ns: the median of several rounds, one warm flow, so cache misses of a large
 * table are not in it. Figures to read, not a test.
 *
 * First by BPF_PROG_TEST_RUN, which gives a program the same packet again and again. That is no way to look at relays:
 * the second round would get what the first one made of it. So these rows are live: packets go into a TUN, into home0 and
 * into the far end of the uplink, one by one, and the kernel's own statistics say what the program attached there took.
 * They are dearer than those above by what reading the clock costs twice; each relay stands beside the same packet of a
 * flow that is not relayed, and says its ratio.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/uplink_xdp.skel.h"
#include "tests/bpf/envelope.h"
#include "tests/bpf/scene.h"

#define ROUNDS     9
#define REPEAT     500000
#define LIVE       20000 /* packets a round */
#define OUR_PORT   20007 /* in the slices of ports below: ours, */
#define THEIR_PORT 21007 /* and the member's */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t duration_of(int program, const uint8_t *packet, size_t length, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = length, .repeat = repeat);

	if (bpf_prog_test_run_opts(program, &options)) {
		perror("test run");
		exit(1);
	}
	return options.duration;
}

static void print_cost(const char *what, int program, const struct shape *shape, bool ethernet, int repeat)
{
	printf("%-52s", what);
	for (enum family family = V4; family <= V6; family += 2) {
		uint8_t packet[PACKET_MAX];
		size_t length = packet_build(shape, family, ethernet, packet);
		uint32_t ns[ROUNDS];

		for (int i = 0; i < ROUNDS; i++)
			ns[i] = duration_of(program, packet, length, repeat);
		qsort(ns, ROUNDS, sizeof(ns[0]), compare);
		printf("  v%d %4u", family, ns[ROUNDS / 2]);
	}
	printf("  ns\n");
}

/* The inner packet's families, over v4. In XDP alone: behind TC a round would leave another packet to the next. */
static void print_relay_cost(const char *what, int program, const struct shape *shape, int repeat)
{
	printf("%-52s", what);
	for (enum family family = V4; family <= V6; family += 2) {
		struct envelope envelope = envelope_from_member(V4, RELAY_REQUEST, 103);
		uint8_t packet[PACKET_MAX], relay[PACKET_MAX];
		size_t length = packet_build(shape, family, false, packet);
		uint32_t ns[ROUNDS];

		length = envelope_build(&envelope, packet, length, relay);
		for (int i = 0; i < ROUNDS; i++)
			ns[i] = duration_of(program, relay, length, repeat);
		qsort(ns, ROUNDS, sizeof(ns[0]), compare);
		printf("  v%d %4u", family, ns[ROUNDS / 2]);
	}
	printf("  ns\n");
}

/* ---- Live ---------------------------------------------------------------------------------------------------------- */

static int need(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static void attach(const char *interface, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface), .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));

	bpf_tc_hook_create(&hook);
	errno = -bpf_tc_attach(&hook, &options);
	need(-errno, interface);
}

/* Tunnel 101 as a device: what is written into it has come out of the tunnel. */
static int open_tunnel(void)
{
	struct ifreq request = {.ifr_name = "tun101", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = need(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
	uint32_t number = 101, ifindex;

	need(ioctl(fd, TUNSETIFF, &request), "a TUN");
	need(system("ip link set tun101 up"), "tun101");
	ifindex = if_nametoindex("tun101");
	need(bpf_map_update_elem(bpf_map__fd(scene.gateway->maps.interfaces), &ifindex, &number, BPF_ANY),
		"interfaces");
	return fd;
}

static int open_frames(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
	int fd = need(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "a packet socket");

	need(bind(fd, (struct sockaddr *)&address, sizeof(address)), interface);
	return fd;
}

/* Where packets go in, and whose turn it is then. */
struct entrance {
	int fd;
	const struct bpf_program *program;
	bool ethernet;
	bool turns; /* uplink_xdp may send */
	uint8_t to[6];
};
static struct entrance from_tunnel, from_stack, from_uplink, before_skb;

static void mac_of(const char *interface, uint8_t mac[6])
{
	struct ifreq request = {0};
	int fd = need(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "a socket");

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	need(ioctl(fd, SIOCGIFHWADDR, &request), interface);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

static void open_entrances(const struct uplink_xdp_bpf *xdp)
{
	static const char neighbours[] = "ip neighbour add 10.0.0.12 lladdr 02:00:00:00:00:12 dev up0 &&"
					 "ip neighbour add fd00:10::12 lladdr 02:00:00:00:00:12 dev up0 &&"
					 "ip link set home0-peer up";

	need(-system(neighbours), "the member");
	from_tunnel = (struct entrance){open_tunnel(), scene.gateway->progs.tunnel_ingress, false};
	from_stack = (struct entrance){open_frames("home0"), scene.gateway->progs.return_egress, true};
	from_uplink = (struct entrance){open_frames("up0-peer"), scene.gateway->progs.uplink_ingress, true};
	mac_of("up0", from_uplink.to);
	before_skb = from_uplink;
	before_skb.program = xdp->progs.uplink_xdp;
	before_skb.turns = true;
	attach("tun101", BPF_TC_INGRESS, from_tunnel.program);
	attach("home0", BPF_TC_EGRESS, from_stack.program);
	attach("up0", BPF_TC_INGRESS, from_uplink.program);
	need(bpf_xdp_attach(if_nametoindex("up0"), bpf_program__fd(before_skb.program), 0, NULL), "up0");
	need(bpf_enable_stats(BPF_STATS_RUN_TIME), "statistics of programs");
}

static struct bpf_prog_info statistics(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	need(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), "statistics");
	return info;
}

static void send_one(const struct entrance *entrance, const uint8_t *packet, size_t length)
{
	if (write(entrance->fd, packet, length) < 0 && errno != ENOBUFS) /* the program drops it */
		need(-1, "a packet");
}

static uint32_t live_round(const struct entrance *entrance, const uint8_t *packet, size_t length)
{
	struct bpf_prog_info before = statistics(entrance->program), after;

	for (int i = 0; i < LIVE; i++)
		send_one(entrance, packet, length);
	after = statistics(entrance->program);
	if (after.run_cnt - before.run_cnt < LIVE) {
		fprintf(stderr, "the program saw %llu of %d packets\n",
			(unsigned long long)(after.run_cnt - before.run_cnt), LIVE);
		exit(1);
	}
	return (after.run_time_ns - before.run_time_ns) / (after.run_cnt - before.run_cnt);
}

/* A relayed packet is of the flow whose way, or owner, the member is. */
struct live_row {
	const char *what;
	const struct entrance *entrance;
	const struct shape *shape;
	enum relay_kind relay;         /* it comes in one; 0: bare */
	uint16_t tunnel;               /* that this one names */
	enum reason reason;            /* what must become of it, or the figure is of something else */
	const struct live_row *after;  /* one packet of this went before */
	const struct live_row *beside; /* the same, not relayed */
};

static size_t build(const struct live_row *row, enum family family, uint8_t packet[PACKET_MAX])
{
	struct envelope envelope = envelope_from_member(V4, row->relay, row->tunnel);
	uint8_t inner[PACKET_MAX];
	size_t length;

	if (!row->relay)
		length = packet_build(row->shape, family, row->entrance->ethernet, packet);
	else
		length = envelope_build(
			&envelope, inner, packet_build(row->shape, family, false, inner), packet);
	if (row->entrance->ethernet)
		memcpy(packet, row->entrance->to, sizeof(row->entrance->to));
	return length;
}

static void let_turn(bool may)
{
	int map = bpf_map__fd(scene.gateway->maps.turning);
	uint32_t uplink = if_nametoindex("up0"), one = 1;

	if (may)
		need(bpf_map_update_elem(map, &uplink, &one, BPF_ANY), "turning");
	else
		bpf_map_delete_elem(map, &uplink);
}

static void begin(bool turns)
{
	scene_reset();
	let_turn(turns);
	scene.settings.ports_first = 20000;
	scene.settings.ports_slice = 1000;
	scene_relay(RELAY_AUTHENTICATED, V4);
	scene_usable(SCENE_MEMBER, 103, true);
}

static uint32_t live_cost(const struct live_row *row, enum family family)
{
	uint8_t packet[PACKET_MAX];
	uint32_t ns[ROUNDS];
	size_t length;

	begin(row->entrance->turns);
	if (row->after)
		send_one(row->after->entrance, packet, build(row->after, family, packet));
	length = build(row, family, packet);
	for (int i = 0; i < ROUNDS; i++)
		ns[i] = live_round(row->entrance, packet, length);
	if (scene_count(row->reason) < (uint64_t)ROUNDS * LIVE) {
		fprintf(stderr, "%s: only %llu packets met that\n", row->what,
			(unsigned long long)scene_count(row->reason));
		exit(1);
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	return ns[ROUNDS / 2];
}

static void print_live(const struct live_row *row)
{
	printf("%-52s", row->what);
	for (enum family family = V4; family <= V6; family += 2) {
		uint32_t beside = row->beside ? live_cost(row->beside, family) : 0;
		uint32_t ns = live_cost(row, family);

		printf("  v%d %4u", family, ns);
		if (beside)
			printf(" (%.1f x)", (double)ns / beside);
	}
	printf("  ns\n");
}

#define TO_LOOPBACK   .to = LOOPBACK, .from_port = 40000, .to_port = 7547, .payload = 64
#define FROM_LOOPBACK .from = LOOPBACK, .to = DEVICE, .from_port = 7547, .to_port = 40000, .payload = 64

#define LIVE_REQUEST(port)                                                                          \
	{                                                                                           \
		.kind = UDP, .from = DEVICE, .to = LOOPBACK, .from_port = 40000, .to_port = (port), \
		.payload = 64                                                                       \
	}
#define LIVE_RESPONSE(port)                                                                         \
	{                                                                                           \
		.kind = UDP, .from = LOOPBACK, .to = DEVICE, .from_port = (port), .to_port = 40000, \
		.payload = 64                                                                       \
	}

static void print_relays(const struct uplink_xdp_bpf *xdp)
{
	static const struct shape request = LIVE_REQUEST(OUR_PORT), response = LIVE_RESPONSE(OUR_PORT);
	static const struct shape theirs = LIVE_REQUEST(THEIR_PORT), members = LIVE_RESPONSE(THEIR_PORT);
	static const struct live_row rows[] = {
		{"live, tunnel_ingress: a request of ours", &from_tunnel, &request, 0, 0,
			REASON_passed_request},
		{"live, return_egress: a response, by our tunnel", &from_stack, &response, 0, 0,
			REASON_home_flow, &rows[0]},
		{"live, tunnel_ingress: relays a request", &from_tunnel, &theirs, 0, 0,
			REASON_relayed_request, NULL, &rows[0]},
		{"live, uplink_ingress: takes a relayed request", &from_uplink, &request, RELAY_REQUEST, 103,
			REASON_passed_relay, NULL, &rows[0]},
		{"live, return_egress: relays a response", &from_stack, &response, 0, 0,
			REASON_relayed_response, &rows[3], &rows[1]},
		{"live, uplink_ingress: takes a relayed response", &from_uplink, &members, RELAY_RESPONSE,
			101, REASON_home_relay, &rows[2], &rows[1]},
		{"live, uplink_ingress: relays what surfaced", &from_uplink, &response, 0, 0,
			REASON_relayed_response, &rows[3], &rows[1]},
		{"live, uplink_xdp: relays what surfaced", &before_skb, &response, 0, 0,
			REASON_relayed_response, &rows[3], &rows[6]},
	};

	open_entrances(xdp);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		print_live(&rows[i]);
}

int main(void)
{
	static const struct shape datagram = {.kind = UDP, .from = DEVICE, TO_LOOPBACK};
	static const struct shape segment = {.kind = TCP, .from = DEVICE, .flags = ACK, TO_LOOPBACK};
	static const struct shape spoofed = {.kind = UDP, .from = STRANGER, TO_LOOPBACK};
	static const struct shape answer = {.kind = UDP, FROM_LOOPBACK};
	static const struct shape last_hops = {.kind = UDP, .hops = 255, FROM_LOOPBACK};
	static const struct shape inside = {.kind = TCP, .from = INSIDE, .flags = ACK, TO_LOOPBACK};
	static const struct shape underlay = {
		.kind = UDP, .from = INSIDE, .to = UNDERLAY, .to_port = 51820, .payload = 64};
	static const struct shape forged = {
		.kind = UDP, .from = INSIDE, .to = UNDERLAY, .to_port = RELAY_PORT, .payload = 64};
	const struct uplink_xdp_bpf *before;
	int tunnel, home, uplink, xdp;

	scene_open();
	before = scene_load_xdp();
	xdp = bpf_program__fd(before->progs.uplink_xdp);
	tunnel = bpf_program__fd(scene.gateway->progs.tunnel_ingress);
	home = bpf_program__fd(scene.gateway->progs.return_egress);
	uplink = bpf_program__fd(scene.gateway->progs.uplink_ingress);
	print_cost("tunnel_ingress: UDP of a known flow", tunnel, &datagram, false, REPEAT);
	print_cost("tunnel_ingress: TCP, half-open, asks for a socket", tunnel, &segment, false, REPEAT);
	print_cost("tunnel_ingress: spoofed, dropped", tunnel, &spoofed, false, REPEAT);
	print_cost("return_egress: by the flow's way", home, &answer, true, REPEAT);
	print_cost("uplink_ingress: a backend's answer", uplink, &last_hops, true, 250);
	print_cost("uplink_ingress: not ours", uplink, &inside, true, REPEAT);
	print_cost("uplink_xdp: not a relay", xdp, &underlay, true, REPEAT);
	print_cost("uplink_xdp: a forged relay, dropped", xdp, &forged, true, REPEAT);
	scene_relay(RELAY_AUTHENTICATED, V4);
	print_relay_cost("uplink_xdp: a true relay", xdp, &datagram, REPEAT);
	scene.settings.counters = 0;
	scene_settings();
	print_cost("tunnel_ingress: UDP, without counters", tunnel, &datagram, false, REPEAT);
	print_cost("return_egress: without counters", home, &answer, true, REPEAT);
	print_relays(before);
	scene_close();
	return 0;
}
