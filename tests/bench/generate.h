/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packets of the bench, the same in programs and in user space: a packet is of flow number 0, 1, 2 …, each from a
 * device of its own, and carries that number, so whoever meets it behind the gateway knows by which interface it had
 * to come. A program that is given the same buffer again finds in it what the last round left there; so all of it is
 * written each time.
 *
 * In the payload stand the number, and the complements of it and of the device's address: so the UDP checksum is one and
 * the same for all.
 */
#ifndef TESTS_BENCH_GENERATE_H
#define TESTS_BENCH_GENERATE_H

#include <linux/types.h>

#define GENERATED  96 /* bytes, of a frame or of an IP packet */
#define FLOWS_BITS 22
#define DEVICES_BASE \
	0x64400000U /* what 32 bits of all addresses of devices begin with: 100.64.0.0/10, 2001:db8:6440::/42 */

/* Where in 16 bytes these stand: of IPv6 each device has a /64 of its own. */
#define DEVICE_AT_V4 12
#define DEVICE_AT_V6 4

/* What to make; the programs' copy counts on. */
struct recipe {
	__u64 next;      /* how many were made */
	__u32 flows;     /* numbers are less */
	__u32 at_random; /* 0: in turn */
	__u32 tunnel_bits; /* 2 to the power of it is how many tunnels there are: a number's lowest bits say which is its own */
	__u32 device_at;   /* where the 32 bits of the device's address stand */
	__u32 number_at;   /* where the payload begins */
	__u32 checksum_at; /* where IPv4's checksum stands; 0: it is IPv6 */
	__u32 sum;         /* of the IPv4 header, without device and checksum */
	__u8 bytes[GENERATED] __attribute__((aligned(8)));
};

/* Where a packet must come out: interface first + (number & mask); and where it carries its number there. */
struct way_out {
	__u32 first, mask, number_at;
};

/* Each tunnel's devices are one prefix. */
static inline __u32 device_of(const struct recipe *recipe, __u32 number)
{
	__u32 bits = recipe->tunnel_bits, tunnel = number & ((1U << bits) - 1);

	return DEVICES_BASE | tunnel << (FLOWS_BITS - bits) | number >> bits;
}

/* At random means evenly spread and far apart: multiples of the golden ratio. */
static inline __u32 next_number(struct recipe *recipe)
{
	__u64 turn = recipe->next++;

	if (!recipe->at_random)
		return (__u32)turn % recipe->flows;
	return ((turn * 0x9e3779b97f4a7c15ULL) >> 32) * recipe->flows >> 32;
}

static inline int put_word(void *data, void *end, __u32 at, __u32 word)
{
	__u8 *to = (__u8 *)data + (at & 127);

	if ((void *)(to + sizeof(word)) > end)
		return -1;
	*(__u32 *)to = word;
	return 0;
}

static inline int put_checksum(void *data, void *end, const struct recipe *recipe, __u32 device)
{
	__u32 sum = recipe->sum + (device & 0xffff) + (device >> 16);
	__u8 *to = (__u8 *)data + (recipe->checksum_at & 127);

	if (!recipe->checksum_at)
		return 0;
	if ((void *)(to + 2) > end)
		return -1;
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)to = ~(sum + (sum >> 16));
	return 0;
}

/* Writes the next packet over the buffer. Not 0: there is no room for it. */
static inline int make_packet(void *data, void *end, struct recipe *recipe)
{
	const __u64 *from = (const __u64 *)recipe->bytes;
	__u32 number, device;
	__u64 *to = data;

	if ((void *)((__u8 *)data + GENERATED) > end)
		return -1;
	number = next_number(recipe);
	device = __builtin_bswap32(device_of(recipe, number));
#pragma GCC unroll 12
	for (int i = 0; i < GENERATED / 8; i++)
		to[i] = from[i];
	return put_word(data, end, recipe->device_at, device) ||
	       put_word(data, end, recipe->number_at, number) ||
	       put_word(data, end, recipe->number_at + 4, ~number) ||
	       put_word(data, end, recipe->number_at + 8, ~device) || put_checksum(data, end, recipe, device);
}

#endif
