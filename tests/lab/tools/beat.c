/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that asks again and again: numbered requests. A line for each as it happens, times in seconds of CLOCK_REALTIME
 * as tcpdump has them:
 *
 *     TIME request NUMBER
 *     TIME reply NUMBER GATEWAY
 *
 * beat SOURCE LOOPBACK PORT INTERVAL_MS SECONDS [HOW]. Ends a second after the last request, so that late replies count.
 *
 *     flow    by UDP from one socket, so one flow (when nothing is said); PORT's service answers with its gateway's name
 *     anew    by UDP, each request from a port of its own, so a flow of its own
 *     http    by HTTP, a connection each: GET /health. "200" stands in the place of the gateway; no other status is a reply
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/tools/tool.h"

#define LATE_MS 1000
#define OPEN \
	512 /* requests that wait for their replies; who waits longer than it takes to ask so many has lost */

#define FIRST_PORT 10000
#define PORTS      20000 /* below those that the kernel gives to others */

enum how { FLOW, ANEW, HTTP };

static struct {
	enum how how;
	struct addrinfo *from, *to;
	struct pollfd sockets[OPEN]; /* -1: none */
	unsigned int numbers[OPEN];
} beat;

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

static void say(const char *what, unsigned int number, const char *rest)
{
	struct timespec t = now(CLOCK_REALTIME);

	printf("%lld.%06ld %s %u%s%s\n", (long long)t.tv_sec, t.tv_nsec / 1000, what, number,
		*rest ? " " : "", rest);
}

/* Numeric addresses only. */
static struct addrinfo *resolve(const char *address, const char *port, int type)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = type}, *found;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "beat: %s: %s\n", address, gai_strerror(error));
		exit(2);
	}
	return found;
}

/* A flow of its own: no earlier request had its port. Both families have the port at the same place. */
static void renew_port(unsigned int number)
{
	((struct sockaddr_in *)beat.from->ai_addr)->sin_port = htons(FIRST_PORT + number % PORTS);
}

/* -1: there is no way just now. */
static int connected(void)
{
	int fd = socket(beat.to->ai_family, beat.to->ai_socktype | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, beat.from->ai_addr, beat.from->ai_addrlen))
		die("a socket");
	if (connect(fd, beat.to->ai_addr, beat.to->ai_addrlen) == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static void forget(struct pollfd *socket)
{
	if (socket->fd >= 0)
		close(socket->fd);
	socket->fd = -1;
}

/* An ICMP error about an earlier request is no reason to stop asking. */
static void ask(unsigned int number)
{
	struct pollfd *socket = &beat.sockets[beat.how == FLOW ? 0 : number % OPEN];
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", number);

	say("request", number, "");
	if (beat.how != FLOW)
		forget(socket);
	if (beat.how == ANEW)
		renew_port(number);
	if (socket->fd < 0)
		*socket = (struct pollfd){.fd = connected(), .events = beat.how == HTTP ? POLLOUT : POLLIN};
	beat.numbers[socket - beat.sockets] = number;
	if (beat.how != HTTP && send(socket->fd, text, length, 0) < 0)
		send(socket->fd, text, length, 0);
}

/* "edge-gw-01 17" becomes "reply 17 edge-gw-01". */
static void hear_datagram(struct pollfd *socket)
{
	char gateway[64], line[128];
	unsigned int number;
	ssize_t length = recv(socket->fd, line, sizeof(line) - 1, 0);

	if (length < 0)
		return;
	line[length] = '\0';
	if (sscanf(line, "%63s %u", gateway, &number) == 2)
		say("reply", number, gateway);
	if (beat.how == ANEW)
		forget(socket);
}

/* Connected, it asks; the status line comes in one piece. */
static void hear_connection(struct pollfd *socket)
{
	static const char question[] = "GET /health HTTP/1.0\r\n\r\n";
	char line[128];
	int status;

	if (socket->events == POLLOUT && !(socket->revents & (POLLERR | POLLHUP)) &&
		send(socket->fd, question, sizeof(question) - 1, MSG_NOSIGNAL) > 0) {
		socket->events = POLLIN;
		return;
	}
	ssize_t length = recv(socket->fd, line, sizeof(line) - 1, 0);

	line[length > 0 ? length : 0] = '\0';
	if (sscanf(line, "HTTP/1.1 %d", &status) == 1 && status == 200)
		say("reply", beat.numbers[socket - beat.sockets], "200");
	forget(socket);
}

static void hear(int wait_ms)
{
	if (poll(beat.sockets, OPEN, wait_ms) <= 0)
		return;
	for (struct pollfd *socket = beat.sockets; socket < beat.sockets + OPEN; socket++)
		if (socket->fd >= 0 && socket->revents)
			beat.how == HTTP ? hear_connection(socket) : hear_datagram(socket);
}

static enum how how_of(const char *word)
{
	static const char *const words[] = {[FLOW] = "flow", [ANEW] = "anew", [HTTP] = "http"};

	for (enum how how = FLOW; how <= HTTP; how++)
		if (strcmp(word, words[how]) == 0)
			return how;
	fprintf(stderr, "beat: %s: flow, anew or http\n", word);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc != 6 && argc != 7) {
		fprintf(stderr,
			"usage: beat SOURCE LOOPBACK PORT INTERVAL_MS SECONDS [flow | anew | http]\n");
		return 2;
	}
	setlinebuf(stdout);
	beat.how = argc == 7 ? how_of(argv[6]) : FLOW;
	beat.from = resolve(argv[1], "0", beat.how == HTTP ? SOCK_STREAM : SOCK_DGRAM);
	beat.to = resolve(argv[2], argv[3], beat.how == HTTP ? SOCK_STREAM : SOCK_DGRAM);
	for (int i = 0; i < OPEN; i++)
		beat.sockets[i].fd = -1;

	long long interval = atoi(argv[4]), start = monotonic_ms(), stop = start + atoi(argv[5]) * 1000LL;
	unsigned int number = 0;

	while (monotonic_ms() < stop + LATE_MS) {
		long long next = start + number * interval, wait = next - monotonic_ms();

		if (next < stop && wait <= 0)
			ask(number++);
		else
			hear(next < stop ? (int)wait : LATE_MS);
	}
	freeaddrinfo(beat.from);
	freeaddrinfo(beat.to);
	return 0;
}
