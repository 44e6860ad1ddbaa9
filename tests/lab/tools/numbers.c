/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbered packets, and what became of them: for scenarios in which none may be lost.
 *
 *     numbers serve ADDRESS PORT                            says "ready", and sends every datagram back
 *     numbers ask SOURCE ADDRESS PORT RATE SECONDS          RATE numbered datagrams a second, one flow
 *
 * The asker says "running" when the first answer is there, and at its end
 *
 *     sent N answered M twice D longest MILLISECONDS
 *
 * and before that a line "lost NUMBER…" when some are missing, at most LOST_SHOWN of them.
 *
 * answered: of the N how many came back, twice: how many came back more than once, longest: the longest time without an
 * answer. An answer may be late by LATE_MS. ICMP errors are no reason to stop.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/tools/tool.h"

#define LATE_MS    3000
#define BUFFER     (8 << 20)
#define LOST_SHOWN 30
#define PAYLOAD    64 /* bytes of a datagram */
#define BURST      8  /* at most so many in a millisecond, when the machine stood still for a while */

#ifndef IP_FREEBIND
#define IP_FREEBIND 15
#endif

/* Numeric addresses only. */
static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM},
			*found;
	int error = getaddrinfo(address, port, &hints, &found);

	if (error) {
		fprintf(stderr, "numbers: %s: %s\n", address, gai_strerror(error));
		exit(2);
	}
	return found;
}

/* The loopback's address may be gone for a moment: bound it stays. */
static int bound(const char *address, const char *port)
{
	struct addrinfo *to = resolve(address, port);
	int fd = socket(to->ai_family, SOCK_DGRAM, 0), one = 1, buffer = BUFFER;

	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (fd < 0 || bind(fd, to->ai_addr, to->ai_addrlen) < 0)
		die(address);
	freeaddrinfo(to);
	return fd;
}

static _Noreturn void serve(const char *address, const char *port)
{
	int fd = bound(address, port);
	struct sockaddr_storage peer;
	char datagram[2048];

	puts("ready");
	fflush(stdout);
	for (;;) {
		socklen_t length = sizeof(peer);
		ssize_t size = recvfrom(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&peer, &length);

		if (size >= 0)
			sendto(fd, datagram, (size_t)size, 0, (struct sockaddr *)&peer, length);
	}
}

/* ---- Asking ----------------------------------------------------------------------------------------------------------- */

static struct {
	int fd;
	uint32_t total, sent, answered, twice;
	uint8_t *answers; /* by number */
	uint64_t last_us, longest_us;
} ask;

static void ask_next(void)
{
	char datagram[PAYLOAD] = {0};

	memcpy(datagram, &ask.sent, sizeof(ask.sent));
	if (send(ask.fd, datagram, sizeof(datagram), 0) < 0) /* an error about an earlier one: once more */
		send(ask.fd, datagram, sizeof(datagram), 0);
	ask.sent++;
}

static void note_answer(uint32_t number)
{
	uint64_t now = now_us();

	if (number >= ask.total)
		return;
	if (ask.answers[number]++) {
		ask.twice++;
		return;
	}
	if (ask.answered++ == 0)
		puts("running");
	else if (now - ask.last_us > ask.longest_us)
		ask.longest_us = now - ask.last_us;
	ask.last_us = now;
}

static void hear(void)
{
	char datagram[2048];
	uint32_t number;

	while (recv(ask.fd, datagram, sizeof(datagram), MSG_DONTWAIT) == PAYLOAD) {
		memcpy(&number, datagram, sizeof(number));
		note_answer(number);
	}
}

static void run(uint64_t interval_us)
{
	uint64_t start = now_us(), end = start + ask.total * interval_us + LATE_MS * 1000;
	struct pollfd poller = {.fd = ask.fd, .events = POLLIN};

	while (now_us() < end && ask.answered < ask.total) {
		uint64_t now = now_us();

		for (int i = 0; i < BURST && ask.sent < ask.total && start + ask.sent * interval_us <= now;
			i++)
			ask_next();
		poll(&poller, 1, 1);
		hear();
	}
}

static void print_lost(void)
{
	unsigned shown = 0;

	if (ask.answered == ask.total)
		return;
	printf("lost");
	for (uint32_t number = 0; number < ask.total && shown < LOST_SHOWN; number++)
		if (!ask.answers[number] && ++shown)
			printf(" %u", number);
	printf("\n");
}

int main(int argc, char **argv)
{
	struct addrinfo *to;
	int rate;

	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	if (argc != 7 || strcmp(argv[1], "ask") != 0) {
		fprintf(stderr, "usage: numbers serve ADDRESS PORT | ask SOURCE ADDRESS PORT RATE SECONDS\n");
		return 2;
	}
	setlinebuf(stdout);
	rate = atoi(argv[5]);
	ask.total = (uint32_t)(rate * atoi(argv[6]));
	ask.answers = calloc(ask.total, 1);
	ask.fd = bound(argv[2], "0");
	to = resolve(argv[3], argv[4]);
	if (!ask.answers || connect(ask.fd, to->ai_addr, to->ai_addrlen) < 0)
		die(argv[3]);
	freeaddrinfo(to);
	run(1000000 / (uint64_t)rate);
	print_lost();
	printf("sent %u answered %u twice %u longest %llu\n", ask.sent, ask.answered, ask.twice,
		(unsigned long long)(ask.longest_us / 1000));
	free(ask.answers);
	close(ask.fd);
	return 0;
}
