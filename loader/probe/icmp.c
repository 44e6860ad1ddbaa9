// SPDX-License-Identifier: Apache-2.0
/*
 * An echo on a raw socket (datagram sockets for ICMP need a range of groups that is set nowhere). The socket is connected
 * and filtered, so that the kernel gives it little but its own answer; the token tells that from any other.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "probe/private.h"

/* ICMP and ICMPv6 have one form of echo. */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint64_t token;
} __attribute__((packed));

#define ECHO_ID 0x4857 /* "HW", for whoever looks at a trace; the token is what counts */

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

static bool is_v4(const struct attempt *attempt)
{
	return address_is_v4(model_probe_target(attempt->probe));
}

/* RFC 1071: a sum of words as they stand gives one as it is to stand. */
static uint16_t checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / sizeof(uint16_t)];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

static bool is_answer(const struct attempt *attempt, const uint8_t *packet, size_t size)
{
	size_t header = is_v4(attempt) && size > 0 ? (packet[0] & 15) * 4u : 0;
	struct echo echo;

	if (size < header + sizeof(echo))
		return false;
	memcpy(&echo, packet + header, sizeof(echo));
	return echo.type == (is_v4(attempt) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) &&
	       echo.id == htons(ECHO_ID) && echo.sequence == htons(attempt->sequence) &&
	       echo.token == attempt->token;
}

static int hear(sd_event_source *source, int descriptor, uint32_t events, void *userdata)
{
	struct attempt *attempt = userdata;
	uint8_t packet[256];
	ssize_t size;

	(void)source, (void)events;
	while ((size = recv(descriptor, packet, sizeof(packet), 0)) >= 0)
		if (is_answer(attempt, packet, (size_t)size)) {
			attempt_good(attempt, "echo reply");
			return 0;
		}
	if (errno != EAGAIN && errno != EINTR)
		attempt_failed(attempt, -errno, strerror(errno));
	return 0;
}

/* Replies alone; and what routers say about our question, as errors. */
static void filter(const struct attempt *attempt)
{
	const uint32_t unwanted = ~(1u << ICMP_ECHOREPLY);
	const int on = 1;
	struct icmp6_filter filter6;

	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	if (is_v4(attempt)) {
		setsockopt(attempt->socket, SOL_RAW, ICMP_FILTER, &unwanted, sizeof(unwanted));
		setsockopt(attempt->socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	} else {
		setsockopt(attempt->socket, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
		setsockopt(attempt->socket, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	}
}

static int begin(struct attempt *attempt, struct error *error)
{
	struct echo echo = {.type = is_v4(attempt) ? ICMP_ECHO : ICMP6_ECHO_REQUEST, .id = htons(ECHO_ID)};
	int r = path_connect(
		attempt, SOCK_RAW, is_v4(attempt) ? IPPROTO_ICMP : IPPROTO_ICMPV6, 0, EPOLLIN, hear, error);

	if (r < 0)
		return r;
	filter(attempt);
	if (getrandom(&attempt->token, sizeof(attempt->token), 0) < 0)
		return error_errno(error, -errno, "no randomness");
	attempt->sequence++;
	echo.sequence = htons(attempt->sequence);
	echo.token = attempt->token;
	if (is_v4(attempt)) /* the kernel makes that of ICMPv6 */
		echo.checksum = checksum(&echo);
	if (send(attempt->socket, &echo, sizeof(echo), 0) < 0)
		return error_set(error, -errno, "%s", strerror(errno));
	return 0;
}

const struct question icmp_question = {begin, path_close};
