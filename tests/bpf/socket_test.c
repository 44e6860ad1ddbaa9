// SPDX-License-Identifier: Apache-2.0
/*
 * TCP segments of flows without a line: a connected socket of this machine is the proof that one belongs to a
 * connection. The sockets are real; both ends live on lo, with the device's address on it, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/scene_test.h"

SCENE_LOADS("tunnel_ingress");

#define SERVICE_PORT 7547

static void add_address(enum who who, enum family family)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg message;
		struct rtattr attribute;
		uint8_t address[16];
	} request = {0};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	size_t length = family == V4 ? 4 : 16;
	uint8_t mapped[16];

	address_of(who, family, mapped);
	memcpy(request.address, mapped + 16 - length, length);
	request.attribute = (struct rtattr){RTA_LENGTH(length), IFA_LOCAL};
	request.message = (struct ifaddrmsg){.ifa_family = family == V4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = length * 8,
		.ifa_flags = IFA_F_NODAD,
		.ifa_index = 1};
	request.header =
		(struct nlmsghdr){.nlmsg_len = NLMSG_LENGTH(sizeof(request.message)) + RTA_LENGTH(length),
			.nlmsg_type = RTM_NEWADDR,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE};
	CU_ASSERT_FATAL(send(fd, &request, request.header.nlmsg_len, 0) > 0);
	close(fd);
}

static socklen_t name_of(enum who who, enum family family, uint16_t port, struct sockaddr_storage *name)
{
	uint8_t address[16];

	memset(name, 0, sizeof(*name));
	address_of(who, family, address);
	if (family == V4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)name;

		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, address + 12, 4);
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;

	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	memcpy(&v6->sin6_addr, address, 16);
	return sizeof(*v6);
}

static int bound_socket(enum who who, enum family family, uint16_t port)
{
	struct sockaddr_storage name;
	socklen_t length = name_of(who, family, port, &name);
	int fd, yes = 1;

	add_address(who, family);
	fd = socket(name.ss_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&name, length), 0);
	return fd;
}

/* A fresh v6 address has its local route a moment later: a work queue of the kernel's makes it. */
static int connect_soon(int fd, const struct sockaddr_storage *name, socklen_t length)
{
	int result;

	for (unsigned left = 5000; (result = connect(fd, (const struct sockaddr *)name, length)) < 0;
		left--) {
		if (errno != ENETUNREACH || left == 0)
			break;
		usleep(1000);
	}
	return result;
}

/* A segment of the device's port; the state of its line then. */
static enum line_state state_of_line_after(enum family family, uint16_t port, uint16_t service, uint8_t flags)
{
	struct shape shape = {.kind = TCP,
		.from = DEVICE,
		.to = LOOPBACK,
		.from_port = port,
		.to_port = service,
		.flags = flags,
		.acknowledgement = 99};
	uint8_t packet[PACKET_MAX];
	struct line *line;
	unsigned count;

	scene_run(
		scene.gateway->progs.tunnel_ingress, packet, packet_build(&shape, family, false, packet), 0);
	line = scene_line(scene.flows, &count);
	return count == 1 ? TAG_STATE(line->tag) : LINE_FREE;
}

static enum line_state state_after(enum family family, uint16_t port, uint8_t flags)
{
	return state_of_line_after(family, port, SERVICE_PORT, flags);
}

static void only_a_connected_socket_proves_a_connection(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		int listener = bound_socket(LOOPBACK, family, SERVICE_PORT), device, accepted;
		struct sockaddr_storage name;
		socklen_t length = name_of(LOOPBACK, family, SERVICE_PORT, &name);

		CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
		scene_reset();
		CU_ASSERT_EQUAL(state_after(family, 41000, ACK), LINE_HALF_OPEN); /* a listener is none */
		CU_ASSERT_EQUAL(state_after(family, 41000, ACK), LINE_HALF_OPEN);

		device = bound_socket(DEVICE, family, 41001);
		CU_ASSERT_EQUAL_FATAL(connect_soon(device, &name, length), 0);
		accepted = accept(listener, NULL, NULL);
		CU_ASSERT_FATAL(accepted >= 0);
		scene_reset();
		CU_ASSERT_EQUAL(state_after(family, 41002, ACK), LINE_HALF_OPEN); /* not this one's port */
		scene_reset();
		CU_ASSERT_EQUAL(state_after(family, 41001, ACK), LINE_ESTABLISHED);
		scene_reset();
		CU_ASSERT_EQUAL(state_after(family, 41001, SYN), LINE_HALF_OPEN);
		CU_ASSERT_EQUAL(
			state_after(family, 41001, ACK), LINE_ESTABLISHED); /* no SYN-ACK of ours was seen */
		close(accepted);
		close(device);
		close(listener);
	}
}

/*
 * The gateway opens a connection, and the device's SYN-ACK meets a socket in SYN_SENT. It stays there
 * because the device's queue of one is full: the kernel then does not answer a SYN.
 */
static void the_answer_to_our_own_syn_is_a_connection(void)
{
	for (enum family family = V4; family <= V6; family += 2) {
		int device = bound_socket(DEVICE, family, 41003);
		int first = bound_socket(LOOPBACK, family, 8001), ours = bound_socket(LOOPBACK, family, 8002);
		struct sockaddr_storage name;
		socklen_t length = name_of(DEVICE, family, 41003, &name);

		CU_ASSERT_EQUAL_FATAL(listen(device, 0), 0);
		CU_ASSERT_EQUAL_FATAL(connect_soon(first, &name, length), 0);
		CU_ASSERT_EQUAL_FATAL(fcntl(ours, F_SETFL, O_NONBLOCK), 0);
		CU_ASSERT(connect(ours, (struct sockaddr *)&name, length) < 0 && errno == EINPROGRESS);
		scene_reset();
		CU_ASSERT_EQUAL(state_of_line_after(family, 41003, 8003, SYN | ACK), LINE_HALF_OPEN);
		scene_reset();
		CU_ASSERT_EQUAL(state_of_line_after(family, 41003, 8002, SYN | ACK), LINE_ESTABLISHED);
		close(ours);
		close(first);
		close(device);
	}
}

SCENE_TESTS("bpf socket",
	{"only a connected socket proves a connection", only_a_connected_socket_proves_a_connection},
	{"the answer to our own SYN is a connection", the_answer_to_our_own_syn_is_a_connection})
