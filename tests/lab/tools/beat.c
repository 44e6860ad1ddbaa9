/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that asks again and again: numbered UDP requests to the service that answers with its gateway's name. A line
 * for each as it happens, times in seconds of CLOCK_REALTIME as tcpdump has them:
 *
 *     TIME request NUMBER
 *     TIME reply NUMBER GATEWAY
 *
 * One socket, so one flow: beat SOURCE LOOPBACK PORT INTERVAL_MS SECONDS. Ends a second after the last request, so
 * that late replies count.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LATE_MS 1000

static void die(const char *what)
{
	fprintf(stderr, "beat: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct timespec now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t;
}

static long long monotonic_ms(void)
{
	struct timespec t = now(CLOCK_MONOTONIC);

	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void say(const char *what, const char *rest)
{
	struct timespec t = now(CLOCK_REALTIME);

	printf("%lld.%06ld %s %s\n", (long long)t.tv_sec, t.tv_nsec / 1000, what, rest);
}

/* Numeric addresses only. */
static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM},
			*found;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "beat: %s: %s\n", address, gai_strerror(error));
		exit(2);
	}
	return found;
}

static int connected(const char *source, const char *loopback, const char *port)
{
	struct addrinfo *from = resolve(source, "0"), *to = resolve(loopback, port);
	int fd = socket(to->ai_family, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, from->ai_addr, from->ai_addrlen) || connect(fd, to->ai_addr, to->ai_addrlen))
		die(source);
	freeaddrinfo(from);
	freeaddrinfo(to);
	return fd;
}

/* An ICMP error about an earlier request is no reason to stop asking. */
static void ask(int fd, unsigned int number)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", number);

	say("request", text);
	if (send(fd, text, length, 0) < 0)
		send(fd, text, length, 0);
}

/* "edge-gw-01 17" becomes "reply 17 edge-gw-01". */
static void hear(int fd)
{
	char gateway[64], line[128];
	unsigned int number;
	ssize_t length = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	char turned[128];

	if (length < 0)
		return;
	line[length] = '\0';
	if (sscanf(line, "%63s %u", gateway, &number) != 2)
		return;
	snprintf(turned, sizeof(turned), "%u %s", number, gateway);
	say("reply", turned);
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: beat SOURCE LOOPBACK PORT INTERVAL_MS SECONDS\n");
		return 2;
	}
	setlinebuf(stdout);

	int fd = connected(argv[1], argv[2], argv[3]);
	long long interval = atoi(argv[4]), start = monotonic_ms(), stop = start + atoi(argv[5]) * 1000LL;
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	unsigned int number = 0;

	while (monotonic_ms() < stop + LATE_MS) {
		long long next = start + number * interval, wait = next - monotonic_ms();

		if (next < stop && wait <= 0)
			ask(fd, number++);
		else if (poll(&poller, 1, next < stop ? (int)wait : LATE_MS) > 0)
			hear(fd);
	}
	close(fd);
	return 0;
}
