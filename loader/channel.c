// SPDX-License-Identifier: Apache-2.0
#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TOGETHER     32 /* datagrams a system call */
#define ATTEMPTS     2
#define CONTROL_SIZE 512
#define BUFFER_BYTES (8 << 20) /* a burst of a whole table's worth of changes while we do something else */

/* As many datagrams as go by one system call. */
struct batch {
	struct mmsghdr messages[TOGETHER];
	struct iovec pieces[TOGETHER];
	struct sockaddr_in6 addresses[TOGETHER];
	char control[TOGETHER][CMSG_SPACE(sizeof(uint32_t))];
	uint8_t bytes[TOGETHER][CHANNEL_DATAGRAM_MAX];
};

struct channel {
	int descriptor;
	uint16_t port;
	unsigned waiting; /* to be sent */
	struct channel_counts counts;
	struct batch out, in;
};

/* One family for both: v4 addresses are mapped into v6, here as everywhere. */
static struct sockaddr_in6 socket_address(const struct address *address, uint16_t port)
{
	struct sockaddr_in6 made = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memcpy(&made.sin6_addr, address->bytes, sizeof(made.sin6_addr));
	return made;
}

static int set(int descriptor, int level, int option, int value)
{
	return setsockopt(descriptor, level, option, &value, sizeof(value));
}

/* FORCE passes over the system's maximum, with the capability that gwd has; else the maximum must do. */
static void set_buffers(int descriptor)
{
	if (set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0)
		set(descriptor, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
	if (set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0)
		set(descriptor, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
}

static int open_socket(const struct address *own, uint16_t port, struct error *error)
{
	_cleanup_close_ int descriptor =
		socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	struct sockaddr_in6 address = socket_address(own, port);
	char text[ADDRESS_TEXT_SIZE];

	if (descriptor < 0)
		return error_errno(error, -errno, "a socket for the array");
	set_buffers(descriptor);
	if (set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0) < 0 ||
		set(descriptor, IPPROTO_IPV6, IPV6_FREEBIND, 1) < 0 ||
		set(descriptor, SOL_SOCKET, SO_RXQ_OVFL, 1) < 0 ||
		set(descriptor, IPPROTO_IPV6, IPV6_RECVERR, 1) < 0 ||
		set(descriptor, IPPROTO_IP, IP_RECVERR, 1) < 0 ||
		bind(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(error, -errno, "the array's channel, UDP port %u of %s", port,
			address_format(own, text));
	return TAKE_FD(descriptor);
}

static void prepare(struct batch *batch, bool receiving)
{
	for (unsigned i = 0; i < TOGETHER; i++) {
		struct msghdr *header = &batch->messages[i].msg_hdr;

		batch->pieces[i] = (struct iovec){batch->bytes[i], CHANNEL_DATAGRAM_MAX};
		*header = (struct msghdr){.msg_name = &batch->addresses[i],
			.msg_namelen = sizeof(batch->addresses[i]),
			.msg_iov = &batch->pieces[i],
			.msg_iovlen = 1};
		if (receiving) {
			header->msg_control = batch->control[i];
			header->msg_controllen = sizeof(batch->control[i]);
		}
	}
}

int channel_open(const struct address *own, uint16_t port, struct channel **channel, struct error *error)
{
	int descriptor = open_socket(own, port, error);
	struct channel *opened;

	if (descriptor < 0)
		return descriptor;
	opened = calloc(1, sizeof(*opened));
	if (!opened) {
		close(descriptor);
		return error_errno(error, -ENOMEM, "the array's channel");
	}
	opened->descriptor = descriptor;
	opened->port = port;
	prepare(&opened->out, false);
	*channel = opened;
	return 0;
}

void channel_close(struct channel *channel)
{
	if (!channel)
		return;
	close(channel->descriptor);
	free(channel);
}

int channel_descriptor(const struct channel *channel)
{
	return channel->descriptor;
}

bool channel_has_carrier(const struct channel *channel, const char *interface)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(channel->descriptor, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING);
}

struct channel_counts channel_counts(const struct channel *channel)
{
	return channel->counts;
}

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

/* An error may be a refusal of what was sent earlier, told now: so each is tried twice before it is left out. */
void channel_flush(struct channel *channel)
{
	unsigned done = 0, failures = 0;

	while (done < channel->waiting) {
		int sent = sendmmsg(
			channel->descriptor, channel->out.messages + done, channel->waiting - done, 0);

		if (sent > 0) {
			done += (unsigned)sent;
			failures = 0;
		} else if (++failures == ATTEMPTS) {
			channel->counts.unsent++;
			done++;
			failures = 0;
		}
	}
	channel->waiting = 0;
}

void channel_send(struct channel *channel, const struct address *to, const void *datagram, size_t size)
{
	struct batch *out = &channel->out;
	unsigned at = channel->waiting;

	if (size > CHANNEL_DATAGRAM_MAX) {
		channel->counts.unsent++;
		return;
	}
	memcpy(out->bytes[at], datagram, size);
	out->pieces[at].iov_len = size;
	out->addresses[at] = socket_address(to, channel->port);
	if (++channel->waiting == TOGETHER)
		channel_flush(channel);
}

/* ---- Hearing ----------------------------------------------------------------------------------------------------- */

/* The kernel says with each datagram how many were lost before it, 32 bits of it. */
static void note_overflow(struct channel *channel, struct msghdr *header)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	uint32_t lost;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL)
		return;
	memcpy(&lost, CMSG_DATA(control), sizeof(lost));
	channel->counts.overflowed += (uint32_t)(lost - (uint32_t)channel->counts.overflowed);
}

unsigned channel_read(struct channel *channel,
	void (*hear)(void *self, const struct address *from, const void *datagram, size_t size), void *self)
{
	struct batch *in = &channel->in;
	int count;

	prepare(in, true);
	count = recvmmsg(channel->descriptor, in->messages, TOGETHER, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		struct address from;

		note_overflow(channel, &in->messages[i].msg_hdr);
		memcpy(from.bytes, &in->addresses[i].sin6_addr, sizeof(from.bytes));
		hear(self, &from, in->bytes[i], in->messages[i].msg_len);
	}
	return count < 0 ? 0 : (unsigned)count;
}

/* Told in a part of its own beside the address that we had sent to. */
static bool is_refusal(struct msghdr *header)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		const struct sock_extended_err *told = (const struct sock_extended_err *)CMSG_DATA(part);

		if ((part->cmsg_type == IP_RECVERR || part->cmsg_type == IPV6_RECVERR) &&
			told->ee_errno == ECONNREFUSED)
			return true;
	}
	return false;
}

bool channel_next_refusal(struct channel *channel, struct address *from)
{
	char control[CONTROL_SIZE] __attribute__((aligned(8)));
	struct sockaddr_in6 to = {0};

	for (;;) {
		struct msghdr header = {.msg_name = &to,
			.msg_namelen = sizeof(to),
			.msg_control = control,
			.msg_controllen = sizeof(control)};

		if (recvmsg(channel->descriptor, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return false;
		if (!is_refusal(&header))
			continue;
		memcpy(from->bytes, &to.sin6_addr, sizeof(from->bytes));
		return true;
	}
}
