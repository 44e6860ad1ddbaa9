// SPDX-License-Identifier: Apache-2.0
/*
 * How a table's keys spread over its lines: address plans as providers have them, and keys that somebody chose, by several
 * secrets, and how many new flows find no line in a table that is filled to so much. Keys and secrets are given, so the figures
 * are the same each time.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/table.h"
#include "tests/seed.h"

#define KEYS    60000 /* a NAT's address has no more ports */
#define BUCKETS 4096
#define LINES   (BUCKETS * TABLE_WINDOW)

/* A secret, as if drawn: the same one for the same number. */
struct seed {
	__u64 words[HASH_SEED_WORDS];
};

static struct seed seed_of(uint64_t number)
{
	const struct seed seed = {SEED(number)};

	return seed;
}

#define SEEDS 6

/* ---- Plans ------------------------------------------------------------------------------------------------------- */

static void write_v4(uint8_t address[16], uint32_t host)
{
	uint32_t network = htonl(host);

	memset(address, 0, 16);
	address[10] = address[11] = 0xff;
	memcpy(address + 12, &network, sizeof(network));
}

/* 2001:db8:100::/40, a /64 each; the same host in all, or one host after the other in one. */
static void write_v6(uint8_t address[16], uint32_t subnet, uint32_t host)
{
	static const uint8_t prefix[] = {0x20, 0x01, 0x0d, 0xb8, 0x01};
	uint32_t number = htonl(subnet), end = htonl(host);

	memset(address, 0, 16);
	memcpy(address, prefix, sizeof(prefix));
	memcpy(address + 4, (uint8_t *)&number, 4);
	address[4] = 0x01;
	memcpy(address + 12, &end, sizeof(end));
}

static struct line_key flow_to_v4(void)
{
	struct line_key key = {.source_port = htons(40000), .destination_port = htons(7547), .protocol = 6};

	write_v4(key.destination, 0xc0000201);
	return key;
}

static struct line_key flow_to_v6(void)
{
	struct line_key key = {.source_port = htons(40000), .destination_port = htons(7547), .protocol = 6};

	write_v6(key.destination, 0, 1);
	return key;
}

static struct line_key consecutive_v4(uint32_t number)
{
	struct line_key key = flow_to_v4();

	write_v4(key.source, 0x64400000 + number);
	return key;
}

static struct line_key nat_v4(uint32_t number)
{
	struct line_key key = flow_to_v4();

	write_v4(key.source, 0x64400001);
	key.source_port = htons((uint16_t)(1024 + number));
	return key;
}

static struct line_key subnets_v6(uint32_t number)
{
	struct line_key key = flow_to_v6();

	write_v6(key.source, number, 1);
	return key;
}

static struct line_key hosts_v6(uint32_t number)
{
	struct line_key key = flow_to_v6();

	write_v6(key.source, 1, number);
	return key;
}

static struct line_key nat_v6(uint32_t number)
{
	struct line_key key = flow_to_v6();

	write_v6(key.source, 1, 1);
	key.source_port = htons((uint16_t)(1024 + number));
	return key;
}

static struct line_key pings_v4(uint32_t number)
{
	struct line_key key = {.protocol = 1, .source_port = htons((uint16_t)(number % 8))};

	write_v4(key.source, 0x64400000 + number / 8);
	write_v4(key.destination, 0xc0000201);
	return key;
}

static struct line_key devices_v4(uint32_t number)
{
	struct line_key key = {0};

	write_v4(key.source, 0x64400000 + number);
	return key;
}

static struct line_key devices_v6(uint32_t number)
{
	struct line_key key = {0};

	write_v6(key.source, number, 0x5054ff00);
	return key;
}

/* Whoever multiplies looks at the highest bits of a word, and of its half, least: all that differ there alone. */
static struct line_key chosen_v6(uint32_t number)
{
	struct line_key key = flow_to_v6();
	key_word *words = (key_word *)&key;

	for (uint32_t i = 0; i < 16; i++)
		words[i % 4] ^= (uint64_t)(number >> i & 1) << (63 - i / 4 % 2 - i / 8 * 32);
	return key;
}

typedef struct line_key plan_of(uint32_t number);

static plan_of *const plans[] = {
	consecutive_v4, nat_v4, subnets_v6, hosts_v6, nat_v6, pings_v4, devices_v4, devices_v6, chosen_v6};

#define FOR_EACH_PLAN(plan) \
	for (plan_of *const *plan = plans; plan < plans + sizeof(plans) / sizeof(plans[0]); plan++)

/* ---- How they spread --------------------------------------------------------------------------------------------- */

/* Chi-square of how many keys begin in each window's worth of lines, less what chance would give, in deviations. */
static double excess_of(plan_of *plan, const struct seed *seed)
{
	static unsigned counts[BUCKETS];
	double expected = (double)KEYS / BUCKETS, sum = 0;

	memset(counts, 0, sizeof(counts));
	for (uint32_t i = 0; i < KEYS; i++) {
		struct line_key key = plan(i);

		counts[hash_of(&key, seed->words) % LINES / TABLE_WINDOW]++;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return (sum - (BUCKETS - 1)) / 90.5; /* the root of twice as many */
}

/* Six deviations: one set of dice in a thousand million. More even than chance is welcome. */
static void no_window_is_a_favourite(void)
{
	FOR_EACH_PLAN(plan)
	for (unsigned i = 0; i < SEEDS; i++) {
		const struct seed seed = seed_of(i);
		double excess = excess_of(*plan, &seed);

		if (excess >= 6)
			printf("plan %td, seed %u: %.1f deviations\n", plan - plans, i, excess);
		CU_ASSERT(excess < 6);
	}
}

/* Another gateway's, or another installation's, table is another one: what is a neighbour there is none here. */
static void a_seed_moves_every_key(void)
{
	const struct seed one = seed_of(1), other = seed_of(2);

	FOR_EACH_PLAN(plan)
	{
		unsigned same = 0;

		for (uint32_t i = 0; i < KEYS; i++) {
			struct line_key key = (*plan)(i);

			same += hash_of(&key, one.words) % BUCKETS == hash_of(&key, other.words) % BUCKETS;
		}
		CU_ASSERT(same < 2 * KEYS / BUCKETS + 20); /* 15 by chance */
	}
}

/* ---- Two keys that somebody chose -------------------------------------------------------------------------------- */

#define HOMES 256
#define DRAWN 4096 /* secrets: two keys share a home by 16 of them */

static struct line_key with(struct line_key key, const uint64_t difference[KEY_WORDS])
{
	key_word *words = (key_word *)&key;

	for (size_t i = 0; i < KEY_WORDS; i++)
		words[i] ^= difference[i];
	return key;
}

static unsigned shared_by(const uint64_t difference[KEY_WORDS], uint64_t mask)
{
	const struct line_key one = flow_to_v6(), other = with(one, difference);
	unsigned shared = 0;

	for (unsigned i = 0; i < DRAWN; i++) {
		const struct seed seed = seed_of(i);

		shared += !((hash_of(&one, seed.words) ^ hash_of(&other, seed.words)) & mask);
	}
	return shared;
}

/* The highest bits of one word, and in the next one what takes them back where words are folded and multiplied in turn. */
static void no_choice_shares_all_of_the_hash(void)
{
	static const uint64_t taken_back[] = {1ULL << 63, 1ULL << 31, 1ULL << 63 | 1ULL << 31};

	for (size_t i = 0; i + 1 < KEY_WORDS; i++)
		for (size_t k = 0; k < sizeof(taken_back) / sizeof(taken_back[0]); k++) {
			uint64_t difference[KEY_WORDS] = {0};

			difference[i] = 1ULL << 63;
			difference[i + 1] = taken_back[k];
			CU_ASSERT_EQUAL(shared_by(difference, ~0ULL), 0);
		}
}

/* By no more secrets than dice would have it, whichever bit it is that tells two keys apart. */
static void no_bit_counts_less(void)
{
	unsigned sum = 0;

	for (size_t bit = 0; bit < 64 * KEY_WORDS; bit++) {
		uint64_t difference[KEY_WORDS] = {0};
		unsigned shared;

		difference[bit / 64] = 1ULL << bit % 64;
		shared = shared_by(difference, HOMES - 1);
		CU_ASSERT(shared < 16 + 6 * 4);
		sum += shared;
	}
	CU_ASSERT(sum < 64 * KEY_WORDS * DRAWN / HOMES + 6 * 72);
}

/* ---- How many find no line --------------------------------------------------------------------------------------- */

static struct line lines[LINES] __attribute__((aligned(64)));

/* Of what comes when so many of a thousand lines are established already: how many of a thousand get none. */
static double refused_at(unsigned load)
{
	static const struct settings settings = {.udp_ms = 1000000, .established_ms = 1000000};
	const struct seed seed = seed_of(0x5eed);
	struct table table = {lines, LINES - 1, &settings, 1000000000};
	unsigned wanted = (unsigned)((uint64_t)LINES * load / 1000), refused = 0, tried = 0;

	memset(lines, 0, sizeof(lines));
	for (uint32_t i = 0, held = 0; held < wanted; i++) {
		struct line_key key = plans[i % 3](i / 3);
		struct finding new = {.tag = LINE_ESTABLISHED, .home = HOME(1000, 101, 1, 1)};
		bool last = held >= wanted - wanted / 50; /* those that meet nearly this load */
		enum inserted inserted;

		key.source_port ^= htons((uint16_t)(i / 150000));
		inserted = table_insert(&table, &key, hash_of(&key, seed.words), 1, &new);
		held += inserted == INSERTED;
		tried += last;
		refused += last && inserted != INSERTED;
	}
	return 1000.0 * refused / tried;
}

/* At most so many of a thousand; the essay of table.h has such figures of a larger table. */
static void few_find_no_line(void)
{
	static const struct {
		unsigned load;
		double most;
	} rows[] = {{500, 8}, {700, 75}, {850, 310}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT(refused_at(rows[i].load) <= rows[i].most);
}

UNIT_TESTS("hash", {"no window is a favourite", no_window_is_a_favourite},
	{"a seed moves every key", a_seed_moves_every_key},
	{"no choice shares all of the hash", no_choice_shares_all_of_the_hash},
	{"no bit counts less", no_bit_counts_less}, {"few find no line", few_find_no_line})
