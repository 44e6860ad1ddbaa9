// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "tests/bench/generate.h"
#include "tests/bench/network.h"
#include "tests/bench/rows.h"
#include "tests/bench/world.h"

unsigned if_nametoindex(const char *name); /* <net/if.h> does not go with <linux/if.h> */

/* Routers without a filter by source; the member and the backend never have to be asked for their Ethernet address. */
static const char links[] =
	"for f in 4 6; do echo 1 >/proc/sys/net/ipv$f/conf/all/forwarding; done &&"
	"echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter && echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter "
	"&&"
	"echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad && echo 0 "
	">/proc/sys/net/ipv6/conf/default/router_solicitations &&"
	"ip link set lo up &&"
	"ip link add up0 address " WORLD_MAC " type veth peer name up0-peer &&"
	"ip link add gen0 address " WORLD_MAC " type veth peer name gen0-peer &&"
	"ip link add home0 type veth peer name home0-peer &&"
	"for i in up0 gen0 home0; do"
	" ip link set $i up && ip link set $i-peer up && tc qdisc add dev $i clsact || exit; done &&"
	"ip address add 10.0.0.11/24 dev up0 && ip address add fd00:10::11/64 dev up0 nodad &&"
	"for host in 12 20; do for net in 10.0.0. fd00:10::; do"
	" ip neighbour add $net$host lladdr 02:00:00:00:00:$host dev up0 nud permanent || exit; done; done &&"
	"ip route add 192.0.2.1/32 via 10.0.0.20 && ip route add 2001:db8::1/128 via fd00:10::20";

static void open_tunnel(unsigned n)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = need(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");

	snprintf(request.ifr_name, sizeof(request.ifr_name), "tun%u", n);
	need(ioctl(fd, TUNSETIFF, &request), "a TUN");
	need(ioctl(fd, TUNSETPERSIST, 1),
		"a TUN"); /* goes with its namespace: one by one they take minutes to go */
}

static uint32_t index_of(const char *name)
{
	uint32_t index = if_nametoindex(name);

	return index ? index : (uint32_t)need(-1, name);
}

static void for_each_tunnel(const char *tool, const char *format, unsigned tunnels)
{
	FILE *commands = network_tool(tool);

	for (unsigned n = 0; n < tunnels; n++)
		fprintf(commands, format, n);
	network_tool_done(commands, tool);
}

static void open_tunnels(struct network *network, unsigned tunnels)
{
	if (!tunnels)
		return;
	for (unsigned n = 0; n < tunnels; n++)
		open_tunnel(n);
	for_each_tunnel("ip -batch -", "link set tun%u up\n", tunnels);
	for_each_tunnel("tc -batch -", "qdisc add dev tun%u clsact\n", tunnels);
	network->first_tunnel = index_of("tun0");
	for (unsigned n = 0; n < tunnels; n++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "tun%u", n);
		if (index_of(name) != network->first_tunnel + n)
			fail("the tunnels' interfaces are not numbered in turn");
	}
}

void network_open(struct network *network, unsigned tunnels)
{
	need(unshare(CLONE_NEWNET), "a network namespace (are we root?)");
	network->fd = need(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "the network namespace");
	if (system(links))
		fail("the interfaces of a network namespace cannot be made");
	network->uplink = index_of("up0");
	network->far_uplink = index_of("up0-peer");
	network->entrance = index_of("gen0");
	network->home = index_of("home0");
	open_tunnels(network, tunnels);
}

void network_enter(const struct network *network)
{
	need(setns(network->fd, CLONE_NEWNET), "entering a network namespace");
}

/* ---- Programs ------------------------------------------------------------------------------------------------------ */

void network_attach_tc(uint32_t interface, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)interface, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));

	errno = -bpf_tc_attach(&hook, &options);
	need(-errno, bpf_program__name(program));
}

void network_attach_xdp(uint32_t interface, const struct bpf_program *program)
{
	errno = -bpf_xdp_attach(
		(int)interface, bpf_program__fd(program), 1U << 2 /* XDP_FLAGS_DRV_MODE */, NULL);
	need(-errno, bpf_program__name(program));
}

double network_send(const struct bpf_program *program, uint32_t interface, uint32_t packets)
{
	static const uint8_t frame[GENERATED];
	struct xdp_md context = {.data_end = sizeof(frame), .ingress_ifindex = interface};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		.repeat = (int)packets, .ctx_in = &context, .ctx_size_in = sizeof(context),
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	need(bpf_prog_test_run_opts(bpf_program__fd(program), &options), bpf_program__name(program));
	return options.duration;
}

/* ---- Tools --------------------------------------------------------------------------------------------------------- */

FILE *network_tool(const char *tool)
{
	FILE *commands = popen(tool, "we");

	if (!commands)
		need(-1, tool);
	return commands;
}

void network_tool_done(FILE *commands, const char *tool)
{
	if (pclose(commands))
		fail(tool);
}

void network_forget_flows(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} request = {{sizeof(request), NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			     NLM_F_REQUEST | NLM_F_ACK},
		{.version = NFNETLINK_V0}};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer = {0};
	int fd = need(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), "netlink");

	need((int)send(fd, &request, sizeof(request), 0), "netlink");
	need((int)recv(fd, &answer, sizeof(answer), 0), "netlink");
	errno = -answer.error.error;
	need(answer.error.error ? -1 : 0, "forgetting conntrack's flows");
	close(fd);
}
