/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a flow's promotion at one gateway to its line at another: the whole way, through the program, the ring buffer,
 * both gwds and the wire between them.
 *
 *     lag LOOPBACK PORT MAPS_FOLDER
 *
 * It is the service at LOOPBACK. It answers each datagram, which is what makes a flow of it, and then looks into the other
 * gateway's flow table, MAPS_FOLDER, until the flow stands there, every PAUSE_NS. When nothing has come for QUIET_MS it
 * says how many flows there were, and how long it took: "flows N arrived N p50 US p99 US most US". A time is from just
 * before the answer is sent to the look that found the flow. Flows should be new ones; what came before is not timed.
 */
#include "tests/lab/tools/tables.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define FLOWS_MAX 65536
#define BATCH     16
#define PAUSE_NS  50000
#define QUIET_MS  2000

struct flow {
	struct line_key key;
	__u64 promoted_ns;
};

static struct settings settings; /* the other gateway's */
static struct pinned_table table;
static struct flow waiting[FLOWS_MAX];
static __u32 lags_us[FLOWS_MAX];
static unsigned waiting_count, flow_count, arrived;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

/* ---- The service ---------------------------------------------------------------------------------------------------- */

static struct line_key key_of(const struct sockaddr_storage *from, const struct sockaddr_storage *to)
{
	const struct sockaddr_in6 *source = (const void *)from, *destination = (const void *)to;
	const struct sockaddr_in *source_v4 = (const void *)from, *destination_v4 = (const void *)to;
	struct line_key key = {.protocol = IPPROTO_UDP};

	/* The port stands at the same place in both. */
	key.source_port = source->sin6_port;
	key.destination_port = destination->sin6_port;
	if (from->ss_family == AF_INET6) {
		memcpy(key.source, &source->sin6_addr, 16);
		memcpy(key.destination, &destination->sin6_addr, 16);
		return key;
	}
	memset(key.source + 10, 0xff, 2);
	memset(key.destination + 10, 0xff, 2);
	memcpy(key.source + 12, &source_v4->sin_addr, 4);
	memcpy(key.destination + 12, &destination_v4->sin_addr, 4);
	return key;
}

static int serve(const char *address, const char *port, struct sockaddr_storage *own)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM},
			*found;
	int size = 1 << 22, fd;

	if (getaddrinfo(address, port, &hints, &found))
		die(address);
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen))
		die(address);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	memcpy(own, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

static bool answer_one(int fd, const struct sockaddr_storage *own)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct flow flow;
	char text[64];
	ssize_t length = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &size);

	if (length < 0)
		return false;
	flow.key = key_of(&from, own);
	flow.promoted_ns = now_ns();
	if (sendto(fd, text, (size_t)length, 0, (struct sockaddr *)&from, size) == length &&
		flow_count < FLOWS_MAX) {
		waiting[waiting_count++] = flow;
		flow_count++;
	}
	return true;
}

/* ---- The other gateway's table -------------------------------------------------------------------------------------- */

static bool stands_there(const struct line_key *key)
{
	__u64 hash = hash_of(key, settings.hash_seed);

	for (__u32 i = 0; i < TABLE_WINDOW; i++) {
		const struct line *line = &table.lines[(hash + i) & table.mask];
		__u64 tag = peek(&line->tag);

		if (TAG_STATE(tag) == LINE_FREE)
			return false;
		if (IN_SERVICE(tag) && TAG_HASH(tag) == hash && same_key(&line->key, key))
			return true;
	}
	return false;
}

static void look(void)
{
	for (unsigned i = waiting_count; i-- > 0;) {
		if (!stands_there(&waiting[i].key))
			continue;
		lags_us[arrived++] = (__u32)((now_ns() - waiting[i].promoted_ns) / 1000);
		waiting[i] = waiting[--waiting_count];
	}
}

/* ---- What came of it -------------------------------------------------------------------------------------------------- */

static int compare(const void *one, const void *other)
{
	__u32 a = *(const __u32 *)one, b = *(const __u32 *)other;

	return a < b ? -1 : a > b;
}

static void say(void)
{
	printf("flows %u arrived %u", flow_count, arrived);
	if (arrived > 0) {
		qsort(lags_us, arrived, sizeof(lags_us[0]), compare);
		printf(" p50 %u p99 %u most %u us", lags_us[arrived / 2], lags_us[(size_t)arrived * 99 / 100],
			lags_us[arrived - 1]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	struct sockaddr_storage own;
	struct pollfd poller = {.events = POLLIN};
	__u64 heard_ns = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: lag LOOPBACK PORT MAPS_FOLDER\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	settings = settings_of(argv[3]);
	table = table_open(argv[3], MAP_FLOWS);
	poller.fd = serve(argv[1], argv[2], &own);
	fprintf(stderr, "ready\n");
	while (!heard_ns || now_ns() < heard_ns + QUIET_MS * 1000000ULL) {
		struct timespec pause = {0, waiting_count ? PAUSE_NS : 100000000};

		if (ppoll(&poller, 1, &pause, NULL) > 0)
			heard_ns = now_ns();
		for (int i = 0; i < BATCH && answer_one(poller.fd, &own); i++)
			;
		look();
	}
	say();
	return 0;
}
