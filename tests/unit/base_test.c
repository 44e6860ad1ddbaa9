// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/scan.h"

static void numbers_are_strict(void)
{
	static const struct {
		const char *text;
		int result;
	} rows[] = {{"7", 0}, {"0", 0}, {"100", 0}, {"101", -ERANGE}, {"99999999999999999999999", -ERANGE},
		{"", -EINVAL}, {"010", -EINVAL}, {"+1", -EINVAL}, {"-1", -EINVAL}, {" 1", -EINVAL},
		{"1 ", -EINVAL}, {"65000abc", -EINVAL}, {"0x10", -EINVAL}};
	uint32_t value;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_EQUAL(scan_u32(rows[i].text, 0, 100, &value), rows[i].result);
}

static void durations_need_a_unit(void)
{
	static const struct {
		const char *text, *canonical;
		uint32_t ms;
	} rows[] = {{"250ms", "250ms", 250}, {"30s", "30s", 30000}, {"60s", "1m", 60000},
		{"1500ms", "1500ms", 1500}, {"2h", "2h", 7200000}, {"0ms", "0ms", 0}};
	char text[DURATION_TEXT_SIZE];
	uint32_t ms;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(scan_duration(rows[i].text, 0, UINT32_MAX, &ms), 0);
		CU_ASSERT_EQUAL(ms, rows[i].ms);
		CU_ASSERT_STRING_EQUAL(format_duration(ms, text), rows[i].canonical);
	}
	CU_ASSERT_EQUAL(scan_duration("30", 0, UINT32_MAX, &ms), -EINVAL);
	CU_ASSERT_EQUAL(scan_duration("30 s", 0, UINT32_MAX, &ms), -EINVAL);
	CU_ASSERT_EQUAL(scan_duration("s", 0, UINT32_MAX, &ms), -EINVAL);
	CU_ASSERT_EQUAL(scan_duration("2h", 0, 1000, &ms), -ERANGE);
	CU_ASSERT_EQUAL(scan_duration("4000000000h", 0, UINT32_MAX, &ms), -ERANGE);
}

static void addresses_have_one_name(void)
{
	static const char *const same[] = {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fd00:1::1"};
	static const char *const refused[] = {"", "1.2.3", "1.2.3.4.5", "010.1.1.1", "::ffff:1.2.3.4",
		"2001:db8::g", "1.2.3.4/24", "fe80::1%eth0"};
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		CU_ASSERT_EQUAL(address_parse(same[i], &address), 0);
		CU_ASSERT_STRING_EQUAL(address_format(&address, text), same[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CU_ASSERT_EQUAL(address_parse(refused[i], &address), -EINVAL);
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix = {0};

	CU_ASSERT_EQUAL(prefix_parse(text, &prefix), 0);
	return prefix;
}

static void prefixes_contain_and_overlap(void)
{
	struct prefix ten = prefix_of("10.0.0.0/8"), low = prefix_of("10.1.0.0/16"), six = prefix_of("::/0"),
		      odd = prefix_of("10.1.2.3/13");
	struct address inside, outside;
	char text[PREFIX_TEXT_SIZE];

	address_parse("10.1.2.3", &inside);
	address_parse("11.0.0.0", &outside);
	CU_ASSERT(prefix_contains(&ten, &inside));
	CU_ASSERT_FALSE(prefix_contains(&ten, &outside));
	CU_ASSERT_FALSE(prefix_contains(&six, &inside));
	CU_ASSERT(prefix_overlaps(&ten, &low));
	CU_ASSERT(prefix_overlaps(&low, &ten));
	CU_ASSERT_FALSE(prefix_overlaps(&six, &ten));
	CU_ASSERT(prefix_is_network(&ten));
	CU_ASSERT_FALSE(prefix_is_network(&odd));
	odd = prefix_network(&odd);
	CU_ASSERT_STRING_EQUAL(prefix_format(&odd, text), "10.0.0.0/13");
}

static void few_prefixes_of_v6_hold_v4(void)
{
	static const char *const hold[] = {
		"::/0", "::/1", "::1:0:0:5/64", "::/80", "::8000:0:0/81", "::fffe:0:0/95"};
	static const char *const none[] = {"8000::/1", "2000::/3", "::/81", "::/96", "64:ff9b::/96",
		"::fffe:0:0/96", "0.0.0.0/0", "10.0.0.0/8"};
	struct prefix prefix;

	for (size_t i = 0; i < sizeof(hold) / sizeof(hold[0]); i++) {
		prefix = prefix_of(hold[i]);
		CU_ASSERT(prefix_holds_v4(&prefix));
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		prefix = prefix_of(none[i]);
		CU_ASSERT_FALSE(prefix_holds_v4(&prefix));
	}
}

static void prefixes_need_a_length(void)
{
	static const char *const refused[] = {
		"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "::/129", "/8"};
	struct prefix prefix;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CU_ASSERT_EQUAL(prefix_parse(refused[i], &prefix), -EINVAL);
}

UNIT_TESTS("base", {"numbers are strict", numbers_are_strict},
	{"durations need a unit", durations_need_a_unit},
	{"addresses have one name", addresses_have_one_name},
	{"prefixes contain and overlap", prefixes_contain_and_overlap},
	{"prefixes need a length", prefixes_need_a_length},
	{"few prefixes of IPv6 hold IPv4", few_prefixes_of_v6_hold_v4})
