// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include "base/cleanup.h"
#include "health/announces.h"

enum { LEAVING = true };

/* What tunnel 1 announces of 192.0.2.1/32, 198.51.100.0/24 and 2001:db8::1/128. */
static enum announces of(size_t count, const char *const *prefixes, const bool *leaving)
{
	struct prefix destinations[3];
	const struct egress_group group = {.destinations = destinations, .destination_count = 3};
	struct told_route routes[8] = {{0}};

	CU_ASSERT_FATAL(prefix_parse("192.0.2.1/32", &destinations[0]) == 0 &&
			prefix_parse("198.51.100.0/24", &destinations[1]) == 0 &&
			prefix_parse("2001:db8::1/128", &destinations[2]) == 0);
	for (size_t i = 0; i < count; i++) {
		routes[i] = (struct told_route){.tunnel = 1, .leaving = leaving[i]};
		CU_ASSERT_EQUAL_FATAL(prefix_parse(prefixes[i], &routes[i].prefix), 0);
	}
	CU_ASSERT_EQUAL(announces_of(&group, 2, routes, count), ANNOUNCES_NOTHING); /* it is not tunnel 2 */
	return announces_of(&group, 1, routes, count);
}

#define EXPECT(wanted, leaving, ...)                                                                        \
	do {                                                                                                \
		static const char *const prefixes[] = {__VA_ARGS__};                                        \
		static const bool leaves[ARRAY_SIZE(prefixes)] = leaving;                                   \
		CU_ASSERT_STRING_EQUAL(announces_name(of(ARRAY_SIZE(prefixes), prefixes, leaves)), wanted); \
	} while (0)
#define L(...)              \
	{                   \
		__VA_ARGS__ \
	}

static void what_is_announced_is_counted(void)
{
	CU_ASSERT_EQUAL(of(0, NULL, NULL), ANNOUNCES_NOTHING);
	EXPECT("nothing", L(0), "203.0.113.0/24", "2001:db8::2/128");
	EXPECT("some", L(0), "192.0.2.1/32");
	EXPECT("some", L(0), "192.0.2.1/32", "192.0.2.1/32", "192.0.2.0/24");
	EXPECT("all", L(0), "192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128");
}

static void more_of_them_is_better(void)
{
	static const char *const prefixes[] = {"192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128"};
	static const bool stay[3];

	for (size_t count = 0; count < 3; count++)
		CU_ASSERT(of(count, prefixes, stay) < of(count + 1, prefixes, stay));
	CU_ASSERT(of(2, prefixes, stay) == of(2, prefixes + 1, stay));
}

/* A default route holds every destination of its family; a part stands for the whole. */
static void wider_and_narrower_routes_count(void)
{
	EXPECT("some", L(0), "0.0.0.0/0");
	EXPECT("some", L(0), "::/0");
	EXPECT("all", L(0), "0.0.0.0/0", "::/0");
	EXPECT("all", L(0), "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32");
}

static void who_leaves_for_one_leaves(void)
{
	EXPECT("leaving", L(LEAVING), "192.0.2.1/32");
	EXPECT("leaving", L(0, LEAVING, 0), "192.0.2.1/32", "198.51.100.0/24", "2001:db8::1/128");
	EXPECT("all", L(LEAVING, 0, 0), "192.0.2.1/32", "0.0.0.0/0", "::/0");
	EXPECT("nothing", L(LEAVING), "203.0.113.0/24");
}

UNIT_TESTS("announces", {"what is announced is counted", what_is_announced_is_counted},
	{"more of them is better", more_of_them_is_better},
	{"wider and narrower routes count", wider_and_narrower_routes_count},
	{"who leaves for one leaves", who_leaves_for_one_leaves})
