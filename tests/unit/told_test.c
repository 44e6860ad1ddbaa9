// SPDX-License-Identifier: Apache-2.0
/* What neighbours announce to links of egress groups, from two replies of BIRD. */
#include "bird/told.h"

#include "unit.h"

static struct told told;

static struct bird_line row(const char *text)
{
	struct bird_line line = {.kind = BIRD_LINE_REPLY, .code = BIRD_ROUTE_ROW};

	snprintf(line.text, sizeof(line.text), "%s", text);
	return line;
}

static void add(const char *text)
{
	struct bird_line line = row(text);

	told_add(&told, &line);
}

static void mark(const char *text)
{
	struct bird_line line = row(text);

	told_mark_leaving(&told, &line);
}

/* Both families, and a second route to the destination of the row before. */
static void two_links_tell(void)
{
	told_free(&told);
	told_begin(&told);
	add("Table hw_told4:");
	add("192.0.2.1/32         unicast [hw_bgp_101 21:52:00.113] * (100) [AS64500i]");
	add("                     unicast [hw_bgp_102 21:52:00.113] (100) [AS64500i]");
	add("2001:db8::1/128      unicast [hw_bgp_102 21:52:00.113] * (100) [AS64500i]");
	add("192.0.2.9/32         unicast [somebody 21:52:00.113] * (100)");
}

static bool is(size_t i, uint16_t tunnel, const char *net, bool leaving)
{
	char text[PREFIX_TEXT_SIZE];

	return i < told.count && told.routes[i].tunnel == tunnel && told.routes[i].leaving == leaving &&
	       strcmp(prefix_format(&told.routes[i].prefix, text), net) == 0;
}

static void rows_of_tunnels_are_gathered(void)
{
	two_links_tell();
	CU_ASSERT_EQUAL(told.count, 3);
	CU_ASSERT_TRUE(is(0, 101, "192.0.2.1/32", false));
	CU_ASSERT_TRUE(is(1, 102, "192.0.2.1/32", false));
	CU_ASSERT_TRUE(is(2, 102, "2001:db8::1/128", false));
}

static void who_leaves_is_marked_in_any_order(void)
{
	two_links_tell();
	told_begin_leaving(&told);
	mark("2001:db8::1/128      unicast [hw_bgp_102 21:52:00.113] * (100) [AS64500i]");
	mark("192.0.2.1/32         unicast [hw_bgp_101 21:52:00.113] * (100) [AS64500i]");
	mark("192.0.2.7/32         unicast [hw_bgp_101 21:52:00.113] * (100) [AS64500i]"); /* came meanwhile */
	CU_ASSERT_EQUAL(told.count, 3);
	CU_ASSERT_TRUE(is(0, 101, "192.0.2.1/32", true));
	CU_ASSERT_TRUE(is(1, 102, "192.0.2.1/32", false));
	CU_ASSERT_TRUE(is(2, 102, "2001:db8::1/128", true));
}

static void the_next_reply_begins_anew(void)
{
	two_links_tell();
	told_begin_leaving(&told);
	mark("192.0.2.1/32         unicast [hw_bgp_101 21:52:00.113] * (100) [AS64500i]");
	told_begin(&told);
	CU_ASSERT_EQUAL(told.count, 0);
	for (unsigned i = 0; i < 100; i++) {
		char text[80];

		snprintf(text, sizeof(text), "10.0.0.%u/32 unicast [hw_bgp_101 21:52:00.113] * (100)", i);
		add(text);
	}
	CU_ASSERT_EQUAL(told.count, 100);
	CU_ASSERT_TRUE(is(99, 101, "10.0.0.99/32", false));
	told_free(&told);
}

UNIT_TESTS("told", {"rows of tunnels are gathered", rows_of_tunnels_are_gathered},
	{"who leaves is marked in any order", who_leaves_is_marked_in_any_order},
	{"the next reply begins anew", the_next_reply_begins_anew})
