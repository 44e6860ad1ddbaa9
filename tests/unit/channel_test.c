// SPDX-License-Identifier: Apache-2.0
/* The array's channel between two addresses of a loopback interface, in a network namespace of this test's own. */
#include "unit.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "channel.h"

#define PORT 6082

struct heard {
	struct address from;
	size_t size;
	uint8_t bytes[CHANNEL_DATAGRAM_MAX];
};

static struct heard heard[200];
static unsigned heard_count;

static void hear(void *self, const struct address *from, const void *datagram, size_t size)
{
	struct heard *row = &heard[heard_count % ARRAY_SIZE(heard)];

	(void)self;
	row->from = *from;
	row->size = size;
	memcpy(row->bytes, datagram, size);
	heard_count++;
}

static struct address address(const char *text)
{
	struct address parsed = {0};

	CU_ASSERT_EQUAL_FATAL(address_parse(text, &parsed), 0);
	return parsed;
}

static struct channel *channel_at(const char *text)
{
	static bool alone;
	struct address own = address(text);
	struct channel *channel = NULL;
	struct error error = {0};

	if (!alone) {
		CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNET), 0);
		CU_ASSERT_EQUAL_FATAL(system("ip link set lo up && ip addr add fd00::1/128 dev lo && "
					     "ip addr add fd00::2/128 dev lo"),
			0);
		alone = true;
	}
	heard_count = 0;
	CU_ASSERT_EQUAL_FATAL(channel_open(&own, PORT, &channel, &error), 0);
	return channel;
}

/* What was sent is there when the call returns, as a rule; a busy kernel may put it off. */
#define SETTLE_MS 200

static unsigned read_all(struct channel *channel)
{
	struct pollfd poller = {channel_descriptor(channel), POLLIN, 0};
	unsigned all = 0;

	while (poll(&poller, 1, SETTLE_MS) == 1 && !(poller.revents & POLLERR))
		all += channel_read(channel, hear, NULL);
	return all;
}

static void carries(const char *one, const char *other)
{
	struct channel *from = channel_at(one), *to = channel_at(other);
	struct address address_one = address(one), address_other = address(other);

	channel_send(from, &address_other, "good day", 8);
	CU_ASSERT_EQUAL(read_all(to), 0); /* it waits for company */
	channel_flush(from);
	CU_ASSERT_EQUAL(read_all(to), 1);
	CU_ASSERT_EQUAL(heard[0].size, 8);
	CU_ASSERT_EQUAL(memcmp(heard[0].bytes, "good day", 8), 0);
	CU_ASSERT_TRUE(address_equal(&heard[0].from, &address_one));
	CU_ASSERT_EQUAL(channel_counts(from).unsent, 0);
	channel_close(from);
	channel_close(to);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void carries_over_v4(void)
{
	carries("127.0.0.1", "127.0.0.2");
}

static void carries_over_v6(void)
{
	carries("fd00::1", "fd00::2");
}

static void carries_many_in_order(void)
{
	struct channel *from = channel_at("127.0.0.1"), *to = channel_at("127.0.0.2");
	struct address address_to = address("127.0.0.2");
	uint8_t datagram[CHANNEL_DATAGRAM_MAX] = {0};

	for (uint8_t i = 0; i < 100; i++) {
		datagram[0] = i;
		channel_send(from, &address_to, datagram, sizeof(datagram) - i);
	}
	channel_flush(from);
	CU_ASSERT_EQUAL(read_all(to), 100);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT(heard[i].bytes[0] == i && heard[i].size == sizeof(datagram) - i);
	channel_close(from);
	channel_close(to);
}

static void counts_what_cannot_be_sent(void)
{
	struct channel *from = channel_at("127.0.0.1"), *to = channel_at("127.0.0.2");
	struct address nowhere = address("203.0.113.7"), address_to = address("127.0.0.2");
	uint8_t large[CHANNEL_DATAGRAM_MAX + 1] = {0};

	channel_send(from, &address_to, large, sizeof(large));
	channel_send(from, &nowhere, "lost", 4);
	channel_send(from, &address_to, "kept", 4);
	channel_flush(from);
	CU_ASSERT_EQUAL(channel_counts(from).unsent, 2);
	CU_ASSERT_EQUAL(read_all(to), 1);
	CU_ASSERT_EQUAL(memcmp(heard[0].bytes, "kept", 4), 0);
	channel_close(from);
	channel_close(to);
}

static void counts_what_overflowed(void)
{
	struct channel *from = channel_at("127.0.0.1"), *to = channel_at("127.0.0.2");
	struct address address_to = address("127.0.0.2");
	uint8_t datagram[CHANNEL_DATAGRAM_MAX] = {0};
	const unsigned many = 40000;
	unsigned got;

	for (unsigned i = 0; i < many; i++)
		channel_send(from, &address_to, datagram, sizeof(datagram));
	channel_flush(from);
	got = read_all(to);
	CU_ASSERT(got > 100 && got < many);
	channel_send(from, &address_to, datagram, sizeof(datagram)); /* brings the count along */
	channel_flush(from);
	CU_ASSERT_EQUAL(read_all(to), 1);
	CU_ASSERT_EQUAL(channel_counts(to).overflowed, many - got);
	channel_close(from);
	channel_close(to);
}

static void is_there_without_its_address(void)
{
	struct channel *v4 = channel_at("198.51.100.1"), *v6 = channel_at("fd00::77");
	struct address lo = address("127.0.0.1");

	channel_send(v4, &lo, "x", 1);
	channel_flush(v4);
	CU_ASSERT_EQUAL(read_all(v4), 0);
	CU_ASSERT_EQUAL(read_all(v6), 0);
	channel_close(v4);
	channel_close(v6);
}

static void says_that_the_port_is_taken(void)
{
	struct channel *first = channel_at("127.0.0.1"), *second = NULL;
	struct address own = address("127.0.0.1");
	struct error error = {0};

	CU_ASSERT(channel_open(&own, PORT, &second, &error) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "UDP port 6082 of 127.0.0.1"));
	channel_close(first);
}

static void refuses(const char *one, const char *other)
{
	struct channel *from = channel_at(one), *to;
	struct address address_other = address(other), refused;

	CU_ASSERT_FALSE(channel_next_refusal(from, &refused));
	channel_send(from, &address_other, "is anybody there", 16);
	channel_flush(from);
	CU_ASSERT_EQUAL(read_all(from), 0);
	CU_ASSERT_TRUE(channel_next_refusal(from, &refused));
	CU_ASSERT_TRUE(address_equal(&refused, &address_other));
	CU_ASSERT_FALSE(channel_next_refusal(from, &refused));
	/* One that is refused keeps nothing else from being sent, though nobody asked meanwhile. */
	channel_send(from, &address_other, "is anybody there", 16);
	channel_flush(from);
	to = channel_at(other);
	channel_send(from, &address_other, "now", 3);
	channel_flush(from);
	CU_ASSERT_EQUAL(read_all(to), 1);
	CU_ASSERT_EQUAL(channel_counts(from).unsent, 0);
	channel_close(from);
	channel_close(to);
}

static void hears_refusals_over_v4(void)
{
	refuses("127.0.0.1", "127.0.0.3");
}

static void hears_refusals_over_v6(void)
{
	refuses("fd00::1", "fd00::2");
}

static void wakes_its_poller(void)
{
	struct channel *from = channel_at("127.0.0.1"), *to = channel_at("127.0.0.2");
	struct address address_to = address("127.0.0.2");
	struct pollfd poller = {channel_descriptor(to), POLLIN, 0};

	CU_ASSERT_EQUAL(poll(&poller, 1, 0), 0);
	channel_send(from, &address_to, "x", 1);
	channel_flush(from);
	CU_ASSERT_EQUAL(poll(&poller, 1, 0), 1);
	channel_close(from);
	channel_close(to);
}

UNIT_TESTS("channel", {"carries a datagram over v4", carries_over_v4},
	{"carries a datagram over v6", carries_over_v6}, {"carries many in order", carries_many_in_order},
	{"counts what cannot be sent, and sends the rest", counts_what_cannot_be_sent},
	{"counts what overflowed", counts_what_overflowed},
	{"is there without its address", is_there_without_its_address},
	{"says that the port is taken", says_that_the_port_is_taken},
	{"hears over v4 that nobody is there", hears_refusals_over_v4},
	{"hears over v6 that nobody is there", hears_refusals_over_v6},
	{"wakes its poller", wakes_its_poller})
