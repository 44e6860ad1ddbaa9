/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New flows as fast as wanted, of both families in turns, from sources all over a provider's prefixes: each packet is of a
 * device that was never seen. Whole and true packets, sums and all, so that whoever gets them answers what they are owed.
 *
 *     flood INTERFACE PREFIX4 LOOPBACK4 PREFIX6 LOOPBACK6 PER_SECOND MILLISECONDS KIND…
 *
 * The interface is one without Ethernet, such as a tunnel. KIND is syn, ack (both to TCP port 80), udp (port 9) or ping; the
 * kinds take turns too. Says how many packets it sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/tools/tool.h"

#define TCP_PORT    80
#define UDP_PORT    9
#define TCP_SYN     0x02
#define TCP_ACK     0x10
#define KINDS_MOST  8
#define PACKET_MOST 96
#define NAP_US      200

struct kind {
	const char *name;
	uint8_t protocol[2]; /* in IPv4, in IPv6 */
	uint8_t size;        /* behind the IP header */
};

static const struct kind kinds[] = {
	{"syn", {IPPROTO_TCP, IPPROTO_TCP}, 20},
	{"ack", {IPPROTO_TCP, IPPROTO_TCP}, 20},
	{"udp", {IPPROTO_UDP, IPPROTO_UDP}, 12},
	{"ping", {IPPROTO_ICMP, IPPROTO_ICMPV6}, 16},
};

/* A family's addresses, and where in its header they stand. */
struct family {
	int number;
	uint16_t ethertype;
	uint8_t header, source_at, address_size;
	uint8_t prefix[16], loopback[16];
	unsigned prefix_length;
};

static struct family families[] = {
	{.number = AF_INET, .ethertype = ETH_P_IP, .header = 20, .source_at = 12, .address_size = 4},
	{.number = AF_INET6, .ethertype = ETH_P_IPV6, .header = 40, .source_at = 8, .address_size = 16},
};

/* splitmix64: quick, and another run draws others. */
static uint64_t draw(void)
{
	static uint64_t state;
	uint64_t z;

	if (!state && getrandom(&state, sizeof(state), 0) < 0)
		die("getrandom");
	z = state += 0x9e3779b97f4a7c15ULL;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* ---- Packets ----------------------------------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

/* Never as 0, which in UDP says that there is none; all ones are as true. */
static void put_sum(uint8_t *at, uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(at, sum == 0xffff ? sum : ~sum);
}

static void put_source(const struct family *family, uint8_t *source)
{
	uint64_t random[2] = {draw(), draw()};
	const uint8_t *bytes = (const uint8_t *)random;

	for (unsigned i = 0; i < family->address_size; i++) {
		unsigned fixed = family->prefix_length > 8 * i ? family->prefix_length - 8 * i : 0;
		uint8_t mask = fixed >= 8 ? 0 : (uint8_t)(0xff >> fixed);

		source[i] = (uint8_t)((family->prefix[i] & ~mask) | (bytes[i] & mask));
	}
}

static void put_ip(const struct family *family, uint8_t *packet, uint8_t protocol, uint8_t size)
{
	bool v4 = family->number == AF_INET;
	uint8_t *source = packet + family->source_at;

	packet[0] = v4 ? 0x45 : 0x60;
	put16(packet + (v4 ? 2 : 4), v4 ? family->header + size : size);
	packet[v4 ? 9 : 6] = protocol;
	packet[v4 ? 8 : 7] = 64;
	put_source(family, source);
	memcpy(source + family->address_size, family->loopback, family->address_size);
	if (v4)
		put_sum(packet + 10, add(0, packet, family->header));
}

/* Where its checksum stands, from there on. */
static size_t put_upper(const struct kind *kind, bool v4, uint8_t *upper)
{
	uint16_t port = (uint16_t)(1024 + draw() % 60000);

	if (strcmp(kind->name, "ping") == 0) {
		upper[0] = v4 ? 8 : 128;
		put16(upper + 4, port);
		return 2;
	}
	put16(upper, port);
	put16(upper + 2, kind->protocol[0] == IPPROTO_UDP ? UDP_PORT : TCP_PORT);
	if (kind->protocol[0] == IPPROTO_UDP) {
		put16(upper + 4, kind->size);
		return 6;
	}
	put16(upper + 6, (uint32_t)draw());
	upper[12] = 5 << 4;
	upper[13] = strcmp(kind->name, "syn") == 0 ? TCP_SYN : TCP_ACK;
	put16(upper + 14, 0xffff);
	return 16;
}

static size_t build(const struct family *family, const struct kind *kind, uint8_t packet[PACKET_MOST])
{
	bool v4 = family->number == AF_INET;
	uint8_t protocol = kind->protocol[!v4], *upper = packet + family->header;
	uint32_t sum = 0;
	size_t sum_at;

	memset(packet, 0, PACKET_MOST);
	put_ip(family, packet, protocol, kind->size);
	sum_at = put_upper(kind, v4, upper);
	if (protocol != IPPROTO_ICMP)
		sum = add(protocol + kind->size, packet + family->source_at, 2 * family->address_size);
	put_sum(upper + sum_at, add(sum, upper, kind->size));
	return family->header + kind->size;
}

/* ---- Sending ------------------------------------------------------------------------------------------------------------- */

/* Past the queue, and so past whoever listens to what goes out: who watches the lab need not read a flood. */
static int open_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0)
		die("a packet socket");
	return fd;
}

static bool send_one(int fd, int interface, const struct family *family, const struct kind *kind)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(family->ethertype), .sll_ifindex = interface};
	uint8_t packet[PACKET_MOST];
	size_t size = build(family, kind, packet);

	if (sendto(fd, packet, size, 0, (struct sockaddr *)&to, sizeof(to)) >= 0)
		return true;
	if (errno != ENOBUFS && errno != EAGAIN)
		die("sending");
	return false;
}

static void flood(
	int interface, uint64_t per_second, uint64_t for_us, const struct kind *const *wanted, size_t count)
{
	uint64_t start = now_us(), tried = 0, sent = 0;
	int fd = open_socket();

	while (now_us() < start + for_us) {
		if (tried * 1000000 > per_second * (now_us() - start)) {
			usleep(NAP_US);
			continue;
		}
		sent += send_one(fd, interface, &families[tried % 2], wanted[tried / 2 % count]);
		tried++;
	}
	printf("sent %llu of %llu in %llu ms\n", (unsigned long long)sent, (unsigned long long)tried,
		(unsigned long long)(now_us() - start) / 1000);
	close(fd);
}

/* ---- What is wanted -------------------------------------------------------------------------------------------------------- */

static void read_family(struct family *family, char *prefix, const char *loopback)
{
	char *slash = strchr(prefix, '/');

	if (slash)
		*slash = '\0';
	if (!slash || inet_pton(family->number, prefix, family->prefix) != 1 ||
		inet_pton(family->number, loopback, family->loopback) != 1) {
		fprintf(stderr, "flood: %s or %s is no address of the family\n", prefix, loopback);
		exit(2);
	}
	family->prefix_length = (unsigned)atoi(slash + 1);
}

static const struct kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "flood: there is no kind %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	const struct kind *wanted[KINDS_MOST];
	size_t count = 0;
	int interface;

	if (argc < 9 || argc > 8 + KINDS_MOST) {
		fprintf(stderr, "usage: flood INTERFACE PREFIX4 LOOPBACK4 PREFIX6 LOOPBACK6 PER_SECOND "
				"MILLISECONDS KIND...\n");
		return 2;
	}
	interface = (int)if_nametoindex(argv[1]);
	if (!interface)
		die(argv[1]);
	read_family(&families[0], argv[2], argv[3]);
	read_family(&families[1], argv[4], argv[5]);
	while (argv[8 + count]) {
		wanted[count] = kind_of(argv[8 + count]);
		count++;
	}
	flood(interface, strtoull(argv[6], NULL, 10), strtoull(argv[7], NULL, 10) * 1000, wanted, count);
	return 0;
}
