// SPDX-License-Identifier: Apache-2.0
/* When an egress group's links carry other shares than they were dealt. */
#include "health/imbalance.h"

#include "unit.h"

static struct imbalance is;
static uint64_t packets[3], now_ms;
static const uint16_t even[] = {500, 500}, thirds[] = {250, 250, 500};

/* So many packets by each of two links, and a look's time. */
static enum imbalance_news pass(const uint16_t *shares, uint64_t one, uint64_t other)
{
	packets[0] += one;
	packets[1] += other;
	now_ms += IMBALANCE_LOOK_MS;
	return imbalance_look(&is, shares, packets, 2, now_ms);
}

static void start(void)
{
	is = (struct imbalance){0};
	packets[0] = 7000000; /* an earlier daemon's */
	packets[1] = packets[2] = 0;
	now_ms = 1000;
	imbalance_look(&is, even, packets, 2, now_ms);
}

static void make_uneven(void)
{
	start();
	for (int i = 0; i < IMBALANCE_LOOKS - 1; i++)
		CU_ASSERT_EQUAL(pass(even, 9000, 1000), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(pass(even, 9000, 1000), IMBALANCE_BEGAN);
}

static void few_sources_are_told_once(void)
{
	make_uneven();
	CU_ASSERT_TRUE(is.uneven);
	CU_ASSERT_EQUAL(is.measured[0], 900);
	CU_ASSERT_EQUAL(is.measured[1], 100);
	CU_ASSERT(imbalance_of(&is, 0) && imbalance_of(&is, 1));
	for (int i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(pass(even, 9000, 1000), IMBALANCE_NO_NEWS);
}

/* 10 % is far, 5 % near; in between it stays what it was. */
static void between_far_and_near_nothing_changes(void)
{
	start();
	for (int i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(pass(even, 6000, 4000), IMBALANCE_NO_NEWS);
	make_uneven();
	for (int i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(pass(even, 5600, 4400), IMBALANCE_NO_NEWS);
	for (int i = 0; i < IMBALANCE_LOOKS - 1; i++)
		CU_ASSERT_EQUAL(pass(even, 5500, 4500), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(pass(even, 5500, 4500), IMBALANCE_ENDED);
	CU_ASSERT_FALSE(imbalance_of(&is, 0));
}

static void a_burst_is_no_imbalance(void)
{
	start();
	for (int i = 0; i < 9; i++) {
		CU_ASSERT_EQUAL(pass(even, 9000, 1000), IMBALANCE_NO_NEWS);
		CU_ASSERT_EQUAL(pass(even, 9000, 1000), IMBALANCE_NO_NEWS);
		CU_ASSERT_EQUAL(pass(even, 5000, 5000), IMBALANCE_NO_NEWS);
	}
}

/* Few packets say nothing until there are enough of them, however long that takes. */
static void few_packets_say_nothing(void)
{
	start();
	for (int i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(pass(even, 100, 0), IMBALANCE_NO_NEWS);
	CU_ASSERT_FALSE(is.looked);
	CU_ASSERT_EQUAL(pass(even, 100, 0), IMBALANCE_NO_NEWS);
	CU_ASSERT_TRUE(is.looked);
	CU_ASSERT_EQUAL(is.measured[0], 1000);
	now_ms++;
	packets[1] += 9000; /* and many need their time */
	CU_ASSERT_EQUAL(imbalance_look(&is, even, packets, 2, now_ms), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(is.measured[0], 1000);
}

/* A link that leaves or returns: what was sent before is no measure of what is dealt now. */
static void other_shares_begin_another_look(void)
{
	static const uint16_t one[] = {1000, 0};

	start();
	for (int i = 0; i < IMBALANCE_LOOKS - 1; i++)
		pass(even, 9000, 1000);
	CU_ASSERT_EQUAL(pass(one, 9000, 1000), IMBALANCE_NO_NEWS);
	CU_ASSERT_FALSE(is.looked);
	for (int i = 0; i < 9; i++)
		CU_ASSERT_EQUAL(pass(one, 9000, 0), IMBALANCE_NO_NEWS);
	make_uneven();
	pass(one, 0, 0);
	for (int i = 0; i < IMBALANCE_LOOKS - 1; i++)
		CU_ASSERT_EQUAL(pass(one, 9000, 0), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(pass(one, 9000, 0), IMBALANCE_ENDED);
}

static void counters_may_begin_anew(void)
{
	start();
	packets[0] = packets[1] = 0;
	CU_ASSERT_EQUAL(pass(even, 10, 2000), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(is.measured[0], 0);
	CU_ASSERT_EQUAL(pass(even, 5000, 5000), IMBALANCE_NO_NEWS);
	CU_ASSERT_EQUAL(is.measured[0], 500);
}

static void each_link_is_measured_by_its_weight(void)
{
	start();
	is = (struct imbalance){0};
	imbalance_look(&is, thirds, packets, 3, now_ms);
	for (int i = 0; i < IMBALANCE_LOOKS; i++) {
		packets[0] += 2600;
		packets[1] += 4000;
		packets[2] += 3400;
		now_ms += IMBALANCE_LOOK_MS;
		imbalance_look(&is, thirds, packets, 3, now_ms);
	}
	CU_ASSERT_TRUE(is.uneven);
	CU_ASSERT_EQUAL(is.farthest, 2);
	CU_ASSERT_FALSE(imbalance_of(&is, 0));
	CU_ASSERT(imbalance_of(&is, 1) && imbalance_of(&is, 2));
}

UNIT_TESTS("imbalance", {"few sources are told once", few_sources_are_told_once},
	{"between far and near nothing changes", between_far_and_near_nothing_changes},
	{"a burst is no imbalance", a_burst_is_no_imbalance},
	{"few packets say nothing", few_packets_say_nothing},
	{"other shares begin another look", other_shares_begin_another_look},
	{"counters may begin anew", counters_may_begin_anew},
	{"each link is measured by its weight", each_link_is_measured_by_its_weight})
