// SPDX-License-Identifier: Apache-2.0
/*
 * Relays on live interfaces: a device's traffic comes in at gateway 2, whose tunnel it is, and the application is on
 * gateway 1, the flows' owner. Requests are relayed there, responses back, all by the kernel's own stacks.
 *
 *	device ── tun0 ═ pump ═ tun103 ── gateway 2 (member) ── up0 ═ veth ═ up0 ── gateway 1 (the scene) ── application
 *
 * The tunnel is two TUNs and a process that carries packets between them, offloads and all, so that what comes in are
 * packets without a MAC header, GSO ones among them. Each machine is a process in a network namespace of its own.
 *
 * Then the same once more by an underlay: up0 is the kernel's WireGuard, on a veth of its own; where the kernel has none it
 * is such a pair of TUNs, which is the same to the programs.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/scene.h"

SCENE_LOADS("tunnel_ingress", "return_egress", "uplink_ingress");

#define TUNNEL      103
#define PORT        7000
#define STREAM      2000000
#define DATAGRAM    30000
#define PATIENCE_S  60
#define BUFFER_SIZE 131072

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAIL bpf live: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void shell(const char *command)
{
	need(!system(command), command);
}

static void put(const struct bpf_map *map, const void *key, const void *value)
{
	need(!bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

static void attach(const char *interface, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface), .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));

	bpf_tc_hook_create(&hook);
	need(!bpf_tc_attach(&hook, &options), interface);
}

/* The port is in gateway 1's slice, so that gateway 2 knows whose each flow is. */
static void give_port(void)
{
	scene.settings.ports_first = PORT;
	scene.settings.ports_slice = 1;
}

/* ---- Links --------------------------------------------------------------------------------------------------------- */

static int open_tun(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	need(fd >= 0 && !ioctl(fd, TUNSETIFF, &request), name);
	need(!ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), "offloads of a TUN");
	return fd;
}

static void pump(int a, int b)
{
	struct pollfd ends[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
	static uint8_t packet[BUFFER_SIZE];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (poll(ends, 2, -1) > 0)
		for (int i = 0; i < 2; i++)
			if (ends[i].revents & POLLIN) {
				ssize_t length = read(ends[i].fd, packet, sizeof(packet));

				if (length > 0 && write(ends[1 - i].fd, packet, length) < 0)
					continue; /* lost, as packets are */
			}
	exit(0);
}

static void connect_by_veth(pid_t member)
{
	char command[100];

	snprintf(command, sizeof(command), "ip link set up0-peer netns %d name up0", member);
	shell(command);
}

static int open_namespace(pid_t process)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	need(fd >= 0, path);
	return fd;
}

static void connect_by_tuns(pid_t member)
{
	int here = open_namespace(getpid()), there = open_namespace(member), near, far;

	shell("ip link delete up0");
	near = open_tun("up0");
	need(!setns(there, CLONE_NEWNET), "the member's namespace");
	far = open_tun("up0");
	need(!setns(here, CLONE_NEWNET), "our own namespace");
	if (fork() == 0)
		pump(near, far);
}

/* On the veth, which is called wire0 now. The member's up0 is set up by the member. */
static const char wireguards[] =
	"a=$(wg genkey) b=$(wg genkey);"
	"set -e; ip link set up0-peer netns $MEMBER name wire0; ip link set up0 down; ip link set up0 name "
	"wire0;"
	"ip address flush dev wire0; ip address add 172.30.0.1/24 dev wire0; ip link set wire0 mtu 1600 up;"
	"ip link add up0 type wireguard; echo $a | wg set up0 private-key /proc/self/fd/0 listen-port 51820 "
	"peer "
	"$(echo $b | wg pubkey) allowed-ips 0.0.0.0/0,::/0 endpoint 172.30.0.2:51820;"
	"exec nsenter -t $MEMBER -n sh -ec 'ip address add 172.30.0.2/24 dev wire0; ip link set wire0 mtu "
	"1600 up;"
	"ip link add up0 type wireguard; echo $1 | wg set up0 private-key /proc/self/fd/0 listen-port 51820 "
	"peer "
	"$(echo $2 | wg pubkey) allowed-ips 0.0.0.0/0,::/0 endpoint 172.30.0.1:51820' sh $b $a";

static void connect_by_wireguard(pid_t member)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", member);
	setenv("MEMBER", number, true);
	shell(wireguards);
}

static void connect_by_underlay(pid_t member)
{
	if (system("ip link add probe type wireguard 2>/dev/null && ip link delete probe") == 0)
		connect_by_wireguard(member);
	else
		connect_by_tuns(member);
	shell("ip address add 10.0.0.11/24 dev up0 && ip address add fd00:10::11/64 dev up0 nodad");
}

/* What is between the gateways. */
static const struct medium {
	const char *name;
	void (*connect)(pid_t member);
	bool is_underlay;
} media[] = {{"uplink", connect_by_veth, false}, {"underlay", connect_by_underlay, true}}, *medium;

/* ---- Gateway 1: the scene, with a return device that works -------------------------------------------------------- */

static const char gateway_1[] =
	"ip link set home0 down && ip link set home0 address 02:68:6f:6d:65:30 mtu 1400 arp off &&"
	"ip link set home0 up && ip link set home0-peer up && ip address add 192.0.2.1/32 dev lo &&"
	"ip address add 2001:db8::1/128 dev lo && ip rule add from 192.0.2.1 lookup 77 &&"
	"ip -6 rule add from 2001:db8::1 lookup 77 &&"
	"ip route add default via 169.254.255.1 dev home0 onlink table 77 &&"
	"ip neighbour add 169.254.255.1 lladdr 02:68:6f:6d:65:31 dev home0 nud permanent &&"
	"ip -6 route add default via fe80::1 dev home0 table 77 &&"
	"ip neighbour add fe80::1 lladdr 02:68:6f:6d:65:31 dev home0 nud permanent &&"
	"ethtool -K up0 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off 2>/dev/null;"
	"ip link set up0 mtu 1500 up";

static void open_gateway_1(enum family underlay)
{
	shell(gateway_1);
	give_port();
	scene.settings.underlay_ifindex = medium->is_underlay ? if_nametoindex("up0") : 0;
	scene_relay(RELAY_AUTHENTICATED, underlay);
	scene_usable(SCENE_MEMBER, TUNNEL, true);
	scene_usable(SCENE_GATEWAY, 101, false);
	scene_usable(SCENE_GATEWAY, 102, false);
	attach("home0", BPF_TC_EGRESS, scene.gateway->progs.return_egress);
	attach("up0", BPF_TC_INGRESS, scene.gateway->progs.uplink_ingress);
}

/* ---- Gateway 2: the member, with the tunnel ------------------------------------------------------------------------ */

static const char gateway_2[] =
	"ip link set up0 mtu 1500 up && ip address add 10.0.0.12/24 dev up0 && ip address add fd00:10::12/64 "
	"dev up0 "
	"nodad &&"
	"ethtool -K up0 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off 2>/dev/null;"
	"ip link set tun103 mtu 1400 up";

static void swap_roles(enum family underlay)
{
	struct tunnel_entry tunnel = {
		.ifindex = if_nametoindex("tun103"), .provider = 1, .gateway = SCENE_MEMBER};
	struct member_entry ours = {.state = MEMBER_NONE}, theirs = {.state = MEMBER_ALIVE, .serving = 1};
	struct local_entry local = {LOCAL_UNDERLAY, 0};
	uint32_t number = TUNNEL, ifindex = tunnel.ifindex, us = SCENE_MEMBER, them = SCENE_GATEWAY;

	give_port();
	scene.settings.underlay_ifindex = medium->is_underlay ? if_nametoindex("up0") : 0;
	scene.settings.relay = RELAY_AUTHENTICATED;
	scene.settings.gateway = SCENE_MEMBER;
	scene_settings();
	address_of(MEMBER, underlay, ours.address);
	address_of(UNDERLAY, underlay, theirs.address);
	put(scene.gateway->maps.members, &us, &ours);
	put(scene.gateway->maps.members, &them, &theirs);
	put(scene.gateway->maps.locals, ours.address, &local);
	bpf_map_delete_elem(bpf_map__fd(scene.gateway->maps.locals), theirs.address);
	put(scene.gateway->maps.tunnels, &number, &tunnel);
	put(scene.gateway->maps.interfaces, &ifindex, &number);
	scene_usable(SCENE_MEMBER, TUNNEL, true);
}

/* ---- The device --------------------------------------------------------------------------------------------------------- */

static const char device[] =
	"ip link set lo up && ip link set tun0 mtu 1400 up &&"
	"ip address add 100.64.1.5/32 dev tun0 && ip route add default dev tun0 &&"
	"ip address add 2001:db8:100::5/128 dev tun0 nodad && ip -6 route add default dev tun0";

static socklen_t application(enum family family, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (void *)address;
	struct sockaddr_in6 *v6 = (void *)address;
	uint8_t bytes[16];

	memset(address, 0, sizeof(*address));
	address_of(LOOPBACK, family, bytes);
	if (family == V4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		memcpy(&v4->sin_addr, bytes + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(PORT);
	memcpy(&v6->sin6_addr, bytes, 16);
	return sizeof(*v6);
}

static void limit_patience(int fd, int seconds)
{
	struct timeval patience = {seconds, 0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

/* Who listens waits for ever: a slow machine may take long until it is an application's turn. */
static int open_socket(enum family family, int type, bool listens)
{
	struct sockaddr_storage address;
	socklen_t length = application(family, &address);
	int fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);

	if (listens) {
		need(!bind(fd, (void *)&address, length), "the application's address");
		need(type != SOCK_STREAM || !listen(fd, 5), "the application's port");
		return fd;
	}
	limit_patience(fd, type == SOCK_STREAM ? PATIENCE_S : 1);
	if (connect(fd, (void *)&address, length)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What the device and the application say to each other; each knows what the other must say. */
static uint8_t byte_at(size_t offset)
{
	return offset * 31 >> 3;
}

static bool send_stream(int fd)
{
	uint8_t chunk[16384];

	for (size_t sent = 0; sent < STREAM;) {
		size_t length = STREAM - sent < sizeof(chunk) ? STREAM - sent : sizeof(chunk);
		ssize_t result;

		for (size_t i = 0; i < length; i++)
			chunk[i] = byte_at(sent + i);
		result = send(fd, chunk, length, MSG_NOSIGNAL);
		if (result <= 0)
			return false;
		sent += result;
	}
	return true;
}

static bool receive_stream(int fd)
{
	uint8_t chunk[16384];

	for (size_t received = 0; received < STREAM;) {
		ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

		if (length <= 0)
			return false;
		for (ssize_t i = 0; i < length; i++)
			if (chunk[i] != byte_at(received + i))
				return false;
		received += length;
	}
	return true;
}

static void applications(enum family family)
{
	int listener = open_socket(family, SOCK_STREAM, true),
	    datagrams = open_socket(family, SOCK_DGRAM, true);

	if (fork() == 0) {
		static uint8_t datagram[DATAGRAM];
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t length;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while ((length = recvfrom(datagrams, datagram, sizeof(datagram), 0, (void *)&from, &size)) >=
			0) {
			sendto(datagrams, datagram, length, 0, (void *)&from, size);
			size = sizeof(from);
		}
		exit(0);
	}
	if (fork() == 0) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while ((fd = accept(listener, NULL, NULL)) >= 0) {
			limit_patience(fd, PATIENCE_S);
			if (receive_stream(fd))
				send_stream(fd);
			close(fd);
		}
		exit(0);
	}
}

/* ---- What is to be seen ------------------------------------------------------------------------------------------------ */

static bool echoes(enum family family, size_t length)
{
	static uint8_t sent[DATAGRAM], received[DATAGRAM];
	int fd = open_socket(family, SOCK_DGRAM, false);
	bool same = false;

	for (size_t i = 0; i < length; i++)
		sent[i] = byte_at(i + length);
	for (int attempt = 0; fd >= 0 && attempt < PATIENCE_S && !same; attempt++)
		same = send(fd, sent, length, 0) == (ssize_t)length &&
		       recv(fd, received, sizeof(received), 0) == (ssize_t)length &&
		       !memcmp(sent, received, length);
	close(fd);
	return same;
}

static bool streams(enum family family)
{
	int fd = open_socket(family, SOCK_STREAM, false);
	bool whole = fd >= 0 && send_stream(fd) && receive_stream(fd);

	close(fd);
	return whole;
}

static void set_limits(uint16_t ports_slice, uint16_t mtu)
{
	scene.settings.ports_slice = ports_slice;
	scene.settings.mtu = mtu;
	scene_settings();
}

/*
 * Gateway 2 forgets all, the port's slice too, in the midst of a connection: it asks whose it is, and gateway 1 takes it.
 * A tunnel may carry more than the array has as its MTU: what the device sends then is asked for all the same.
 */
static bool is_asked_for(enum family family, uint16_t mtu)
{
	uint64_t before = scene_count(REASON_asked_members);
	int fd = open_socket(family, SOCK_STREAM, false);
	bool whole;

	set_limits(0, mtu);
	memset(scene.flows, 0, SCENE_LINES * sizeof(*scene.flows));
	whole = fd >= 0 && send_stream(fd);
	set_limits(1, SCENE_MTU);
	whole = whole && receive_stream(fd);
	close(fd);
	return whole && scene_count(REASON_asked_members) > before;
}

#define SILENCE_MS 2500 /* longer than both rounds of questions */

/* Routes to members lead nowhere for a while: what cannot be asked for never comes to our stack, which would reset it. */
static bool outlives_silence(enum family family)
{
	uint64_t unasked = scene_count(REASON_relay_unreachable), passed = scene_count(REASON_passed_request);
	uint32_t underlay = scene.settings.underlay_ifindex;
	int fd = open_socket(family, SOCK_STREAM, false);
	bool whole;

	scene.settings.underlay_ifindex = UINT32_MAX;
	set_limits(0, SCENE_MTU);
	memset(scene.flows, 0, SCENE_LINES * sizeof(*scene.flows));
	scene.settings.underlay_ifindex = underlay;
	if (fork() == 0) {
		usleep(SILENCE_MS * 1000);
		scene_settings();
		exit(0);
	}
	whole = fd >= 0 && send_stream(fd);
	set_limits(1, SCENE_MTU);
	whole = whole && receive_stream(fd);
	close(fd);
	return whole && scene_count(REASON_relay_unreachable) > unasked &&
	       scene_count(REASON_passed_request) == passed;
}

static int failures;

static void report(bool ok, enum family underlay, enum family family, const char *what)
{
	printf("%s bpf live: v%d over v%d, by %s: %s\n", ok ? "PASS" : "FAIL", family, underlay, medium->name,
		what);
	failures += !ok;
}

static void play_device(enum family underlay)
{
	for (enum family family = V4; family <= V6; family += 2) {
		report(echoes(family, 100), underlay, family, "a datagram goes there and comes back");
		report(echoes(family, 5000), underlay, family, "fragments too");
		report(echoes(family, DATAGRAM), underlay, family, "many of them");
		report(streams(family), underlay, family, "a TCP connection carries all its bytes both ways");
		report(is_asked_for(family, SCENE_MTU), underlay, family,
			"one that its gateway forgot is asked for, and goes on");
		report(is_asked_for(family, SCENE_MTU - 100), underlay, family,
			"also when its segments are larger than the array's MTU");
	}
	report(outlives_silence(underlay), underlay, underlay, "what could not be asked for is not reset");
}

/* ---- The play ------------------------------------------------------------------------------------------------------- */

static void signal_ready(int fd)
{
	need(write(fd, "x", 1) == 1, "a pipe");
}

static void wait_for(int fd)
{
	char byte;

	need(read(fd, &byte, 1) == 1, "the other machine");
}

/* The gateways' programs and maps, which all plays have: most of the time would go to loading them. */
static struct scene machines[2];

/* Gateway 2 first, then the device, which leaves that machine for one of its own. */
static int member(enum family underlay, int ready, int go)
{
	int tun103, tun0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	scene = machines[1];
	scene_enter();
	shell("ip link delete up0");
	tun103 = open_tun("tun103");
	signal_ready(ready);
	wait_for(go);
	shell(gateway_2);
	swap_roles(underlay);
	attach("tun103", BPF_TC_INGRESS, scene.gateway->progs.tunnel_ingress);
	attach("up0", BPF_TC_INGRESS, scene.gateway->progs.uplink_ingress);
	signal_ready(ready);
	wait_for(go);
	need(!unshare(CLONE_NEWNET), "the device's namespace");
	tun0 = open_tun("tun0");
	shell(device);
	if (fork() == 0)
		pump(tun0, tun103);
	play_device(underlay);
	report(scene_count(REASON_relayed_request) > 0 && scene_count(REASON_home_relay) > 0, underlay,
		underlay, "and all of it was relayed");
	return failures;
}

static int play(enum family underlay)
{
	int ready[2], go[2], status = 1;
	pid_t child;

	need(!pipe(ready) && !pipe(go), "a pipe");
	fflush(stdout);
	child = fork();
	if (child == 0)
		exit(member(underlay, ready[1], go[0]));
	scene = machines[0];
	scene_enter();
	wait_for(ready[0]);
	medium->connect(child);
	open_gateway_1(underlay);
	signal_ready(go[1]);
	wait_for(ready[0]);
	applications(V4);
	applications(V6);
	signal_ready(go[1]);
	waitpid(child, &status, 0);
	return status;
}

static int play_apart(enum family underlay)
{
	pid_t gateway = fork();
	int status = 1;

	if (gateway == 0)
		exit(play(underlay) != 0);
	waitpid(gateway, &status, 0);
	return status;
}

int main(void)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < 2; i++) {
		scene_load_of(SCENE_LINES);
		machines[i] = scene;
	}
	for (medium = media; medium < media + sizeof(media) / sizeof(media[0]); medium++)
		for (enum family underlay = V4; underlay <= V6; underlay += 2)
			failed |= play_apart(underlay);
	return failed != 0;
}
