/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that sends datagrams at a pace, or as many as it can, and listens to no answer.
 *
 *     pour SOURCE LOOPBACK PORT PER_SECOND MILLISECONDS SIZE [new]
 *
 * PER_SECOND 0: as many as go. new: each is of another flow, that is from another port, and there are no more of them than
 * ports. Says how many it sent.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/tools/tool.h"

#define PORT_FIRST 2000
#define PORTS      60000

static struct addrinfo *from, *to;
static char datagram[1400];

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM},
			*found;

	if (getaddrinfo(address, port, &hints, &found))
		die(address);
	return found;
}

/* The port stands at the same place in both families' addresses. 0: any. */
static int opened(uint16_t port)
{
	int fd = socket(from->ai_family, SOCK_DGRAM, 0);

	((struct sockaddr_in *)from->ai_addr)->sin_port = htons(port);
	if (fd < 0 || bind(fd, from->ai_addr, from->ai_addrlen) || connect(fd, to->ai_addr, to->ai_addrlen))
		die("a socket");
	return fd;
}

int main(int argc, char **argv)
{
	bool new = argc == 8 && strcmp(argv[7], "new") == 0;
	uint64_t start, end, rate, sent = 0;
	size_t size;
	int fd = -1;

	if (argc != 7 && !new) {
		fprintf(stderr, "usage: pour SOURCE LOOPBACK PORT PER_SECOND MILLISECONDS SIZE [new]\n");
		return 2;
	}
	from = resolve(argv[1], "0");
	to = resolve(argv[2], argv[3]);
	rate = strtoull(argv[4], NULL, 10);
	size = strtoull(argv[6], NULL, 10) % sizeof(datagram);
	start = now_us();
	end = start + strtoull(argv[5], NULL, 10) * 1000;
	while (now_us() < end && !(new &&sent == PORTS)) {
		if (rate && start + sent * 1000000 / rate > now_us()) {
			usleep(200);
			continue;
		}
		if (new || fd < 0)
			fd = opened(new ? (uint16_t)(PORT_FIRST + sent) : 0);
		if (send(fd, datagram, size, 0) < 0)
			send(fd, datagram, size, 0); /* the first one told of an ICMP error */
		if (new)
			close(fd);
		sent++;
	}
	printf("sent %llu in %llu ms\n", (unsigned long long)sent,
		(unsigned long long)(now_us() - start) / 1000);
	return 0;
}
