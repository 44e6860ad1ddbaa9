// SPDX-License-Identifier: Apache-2.0
/* What BIRD says on its control socket, taken apart. */
#include "bird/reply.h"

#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "bird/render.h"

static size_t read_lines(const char *bytes, size_t size, size_t step, struct bird_line *lines, size_t room)
{
	struct bird_reader reader = {0};
	struct bird_line line;
	size_t count = 0;

	for (size_t done = 0; done < size; done += step) {
		const char *piece = bytes + done;
		size_t left = size - done < step ? size - done : step;

		while (bird_reader_next(&reader, &piece, &left, &line))
			if (count < room)
				lines[count++] = line;
	}
	return count;
}

static void replies_are_read_however_cut(void)
{
	static const char said[] =
		"0001 BIRD 2.0.12 ready.\n"
		"2002-Name       Proto      Table      State  Since         Info\n"
		"1002-hw_bgp_101 BGP        ---        up     02:45:31.408  Established   \n"
		" hw_bgp_102 BGP        ---        start  02:45:31.408  Active        Socket: x\n"
		"+hw_bgp_101: State changed to stop\n"
		" hw_bgp_103 BGP        ---        down   02:45:31.408  \n"
		"0000 \n";
	struct bird_session_row row;
	struct bird_line lines[8];
	uint16_t tunnel;

	for (size_t step = 1; step < sizeof(said); step++) {
		CU_ASSERT_EQUAL_FATAL(read_lines(said, sizeof(said) - 1, step, lines, ARRAY_SIZE(lines)), 7);
		CU_ASSERT(lines[0].kind == BIRD_LINE_REPLY && lines[0].last && lines[0].code == BIRD_READY);
		CU_ASSERT(lines[2].code == BIRD_PROTOCOL_ROW && !lines[2].last);
		CU_ASSERT(lines[3].kind == BIRD_LINE_REPLY && lines[3].code == BIRD_PROTOCOL_ROW);
		CU_ASSERT_EQUAL(lines[4].kind, BIRD_LINE_PUSHED);
		CU_ASSERT(lines[5].kind == BIRD_LINE_REPLY && lines[5].code == BIRD_PROTOCOL_ROW);
		CU_ASSERT(lines[6].last && lines[6].code == 0);
	}
	CU_ASSERT(bird_session_row(lines[2].text, &row));
	CU_ASSERT_STRING_EQUAL(row.name, "hw_bgp_101");
	CU_ASSERT_STRING_EQUAL(row.words, "Established");
	CU_ASSERT(bird_session_tunnel(row.name, &tunnel) && tunnel == 101);
	CU_ASSERT(bird_session_row(lines[3].text, &row));
	CU_ASSERT_STRING_EQUAL(row.words, "Active");
	CU_ASSERT(bird_session_row(lines[5].text, &row));
	CU_ASSERT_STRING_EQUAL(row.state, "down");
	CU_ASSERT_STRING_EQUAL(row.words, "");
	CU_ASSERT(bird_pushed_state(lines[4].text, &row));
	CU_ASSERT_STRING_EQUAL(row.state, "stop");
}

/* As `show route` of BIRD 2.0.12 has them, with what else stands between them. */
static void rows_of_routes_are_read(void)
{
	static const struct {
		const char *text, *net, *protocol; /* NULL: no row */
	} rows[] = {
		{"Table master4:", NULL, NULL},
		{"192.0.2.1/32         unicast [hw_bgp_101 21:52:00.123] * (100) [AS64501i]", "192.0.2.1/32",
			"hw_bgp_101"},
		{"\tvia 169.254.1.2 on acme-lgw.01", NULL, NULL},
		{"                     unreachable [hw_bgp_102 2026-11-21 from 169.254.2.2] (100) [AS64502i]",
			"192.0.2.1/32", "hw_bgp_102"},
		{"2001:db8::1/128      unicast [hw_bgp_101 21:52:00.123] * (100) [AS64501i]",
			"2001:db8::1/128", "hw_bgp_101"},
		{"\tdev \"x[hw_bgp_103 y\"", NULL, NULL},
		{"no prefix [hw_bgp_101 21:52:00.123]", NULL, NULL},
		{"192.0.2.1/32 unicast [", NULL, NULL},
		{"", NULL, NULL},
	};
	char protocol[64], text[PREFIX_TEXT_SIZE];
	struct prefix net = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool is_row = bird_route_row(rows[i].text, &net, protocol);

		CU_ASSERT_EQUAL_FATAL(is_row, rows[i].net != NULL);
		if (!is_row)
			continue;
		CU_ASSERT_STRING_EQUAL(prefix_format(&net, text), rows[i].net);
		CU_ASSERT_STRING_EQUAL(protocol, rows[i].protocol);
	}
	CU_ASSERT_TRUE(bird_pushed_route("hw_bgp_101.ipv4 > added [best] 192.0.2.1/32 0L 3G unicast"));
	CU_ASSERT_TRUE(bird_pushed_route("hw_bgp_101.ipv6 > removed [sole] 2001:db8::1/128 unicast"));
	CU_ASSERT_FALSE(bird_pushed_route("hw_bgp_101.ipv4 < added 192.0.2.1/32 unicast"));
	CU_ASSERT_FALSE(bird_pushed_route("hw_bgp_101: State changed to up"));
}

static void other_lines_are_garbage(void)
{
	static const char *const garbage[] = {"", "x", "000", "0000", "0000x", "00a0-b", "<3 messages lost>",
		" no code yet", "-001 x", "\x80\xff\xfe", "HTTP/1.1 400 Bad Request"};
	struct bird_line line;
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		int size = sprintf(text, "%s\n", garbage[i]);

		CU_ASSERT_EQUAL_FATAL(read_lines(text, (size_t)size, 64, &line, 1), 1);
		CU_ASSERT_EQUAL(line.kind, BIRD_LINE_GARBAGE);
	}
	/* A blank repeats the code of the line before, not of the reply before. */
	struct bird_line two[2];
	CU_ASSERT_EQUAL_FATAL(read_lines("0000 \n x\n", 9, 9, two, 2), 2);
	CU_ASSERT_EQUAL(two[1].kind, BIRD_LINE_GARBAGE);
}

static void long_lines_are_cut(void)
{
	char bytes[3 * BIRD_LINE_MAX];
	struct bird_line lines[2];

	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "8002 ", 5);
	memcpy(bytes + sizeof(bytes) - 7, "\n0000 \n", 7);
	CU_ASSERT_EQUAL_FATAL(read_lines(bytes, sizeof(bytes), 100, lines, 2), 2);
	CU_ASSERT_EQUAL(lines[0].code, 8002);
	CU_ASSERT_EQUAL(strlen(lines[0].text), BIRD_LINE_MAX - 1 - 5);
	CU_ASSERT(lines[1].last && lines[1].code == 0);
}

static void hostile_bytes_do_no_harm(void)
{
	static const char alphabet[] = "0019 -+\n\n\t:<hw_bgp_101State changed to up\xff";
	struct bird_session_row row;
	struct bird_line lines[64];
	char bytes[512];
	uint32_t random = 1;
	size_t seen = 0;

	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random = random * 1664525 + 1013904223;
			bytes[i] = alphabet[(random >> 16) % sizeof(alphabet)];
		}
		size_t count = read_lines(bytes, sizeof(bytes), 1 + round % 97, lines, ARRAY_SIZE(lines));
		for (size_t i = 0; i < count; i++)
			seen += bird_session_row(lines[i].text, &row) +
				bird_pushed_state(lines[i].text, &row);
	}
	CU_ASSERT(seen < 2000u * 64);
}

static void only_our_sessions_are_ours(void)
{
	static const char *const others[] = {
		"hw_bgp_", "hw_bgp_0", "hw_bgp_65536", "hw_bgp_1x", "hw_bgp_01", "bgp_1", "hw_bfd"};
	uint16_t tunnel;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CU_ASSERT_FALSE(bird_session_tunnel(others[i], &tunnel));
}

UNIT_TESTS("bird reply", {"replies are read however cut", replies_are_read_however_cut},
	{"rows of routes are read", rows_of_routes_are_read},
	{"other lines are garbage", other_lines_are_garbage}, {"long lines are cut", long_lines_are_cut},
	{"hostile bytes do no harm", hostile_bytes_do_no_harm},
	{"only our sessions are ours", only_our_sessions_are_ours})
