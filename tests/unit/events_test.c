// SPDX-License-Identifier: Apache-2.0
/* The ring of events, and when a drop is news. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "ctl/drops.h"
#include "ctl/events.h"

static struct events events;

static void add(unsigned count)
{
	struct event event = {.kind = EVENT_BFD_DOWN};

	while (count-- > 0) {
		snprintf(event.name, sizeof(event.name), "%llu", (unsigned long long)events.last + 1);
		events_add(&events, &event);
	}
}

static void an_empty_ring_has_nothing(void)
{
	uint64_t next = 0, lost = 7;

	memset(&events, 0, sizeof(events));
	CU_ASSERT_PTR_NULL(events_next(&events, &next, &lost));
	CU_ASSERT_EQUAL(next, 0);
	CU_ASSERT_EQUAL(lost, 0);
}

static void events_are_read_in_order_and_once(void)
{
	uint64_t next = 0, lost;
	const struct event *event;

	memset(&events, 0, sizeof(events));
	add(3);
	for (uint64_t number = 1; number <= 3; number++) {
		event = events_next(&events, &next, &lost);
		CU_ASSERT_PTR_NOT_NULL_FATAL(event);
		CU_ASSERT_EQUAL(event->number, number);
		CU_ASSERT_EQUAL(lost, 0);
	}
	CU_ASSERT_PTR_NULL(events_next(&events, &next, &lost));
	add(1);
	event = events_next(&events, &next, &lost);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	CU_ASSERT_EQUAL(event->number, 4);
	CU_ASSERT_STRING_EQUAL(event->name, "4");
	CU_ASSERT_EQUAL(lost, 0);
}

static void who_begins_late_begins_with_the_oldest(void)
{
	uint64_t next = 0, lost;

	memset(&events, 0, sizeof(events));
	add(EVENTS_KEPT + 5);
	CU_ASSERT_EQUAL(events_next(&events, &next, &lost)->number, 6);
	CU_ASSERT_EQUAL(lost, 0); /* it never asked for what is gone */
}

static void who_is_slow_loses_the_oldest_and_knows_how_many(void)
{
	uint64_t next = 0, lost;

	memset(&events, 0, sizeof(events));
	add(2);
	CU_ASSERT_EQUAL(events_next(&events, &next, &lost)->number, 1);
	add(EVENTS_KEPT);
	CU_ASSERT_EQUAL(events_next(&events, &next, &lost)->number, 3);
	CU_ASSERT_EQUAL(lost, 1);
	CU_ASSERT_EQUAL(events_next(&events, &next, &lost)->number, 4);
	CU_ASSERT_EQUAL(lost, 0);
	add(2 * EVENTS_KEPT);
	CU_ASSERT_EQUAL(events_next(&events, &next, &lost)->number, 2 * EVENTS_KEPT + 3);
	CU_ASSERT_EQUAL(lost, 2 * EVENTS_KEPT - 2);
}

static void count_call(void *calls)
{
	++*(unsigned *)calls;
}

static void the_listener_hears_each(void)
{
	unsigned calls = 0;

	memset(&events, 0, sizeof(events));
	events.heard = count_call;
	events.heard_by = &calls;
	add(3);
	CU_ASSERT_EQUAL(calls, 3);
}

static void a_time_is_written_as_rfc_3339(void)
{
	char text[EVENT_TIME_SIZE];

	CU_ASSERT_STRING_EQUAL(event_time(&(struct timespec){0, 0}, text), "1970-01-01T00:00:00.000Z");
	CU_ASSERT_STRING_EQUAL(
		event_time(&(struct timespec){1795233600, 7999999}, text), "2026-11-21T04:00:00.007Z");
}

static void every_kind_has_names_and_words(void)
{
	for (unsigned i = 0; i < EVENT_KINDS; i++) {
		CU_ASSERT(strlen(event_kinds[i].object) > 0 && strlen(event_kinds[i].event) > 0);
		CU_ASSERT(strlen(event_kinds[i].words) > 0);
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_FALSE(strcmp(event_kinds[i].object, event_kinds[k].object) == 0 &&
					strcmp(event_kinds[i].event, event_kinds[k].event) == 0);
	}
}

/* ---- Drops ------------------------------------------------------------------------------------------------------- */

static struct drops drops;
static struct reason_count totals[REASON_COUNT];

static unsigned news(enum reason reason, uint64_t packets, uint64_t now_ms)
{
	totals[reason].packets += packets;
	drops_report(&drops, totals, now_ms);
	return drops_next_news(&drops);
}

static void the_first_counters_are_no_news(void)
{
	memset(&drops, 0, sizeof(drops));
	CU_ASSERT_EQUAL(news(REASON_no_way_home, 9, 1000), REASON_COUNT);
	CU_ASSERT_EQUAL(news(REASON_no_way_home, 0, 2000), REASON_COUNT);
	CU_ASSERT_EQUAL(news(REASON_no_way_home, 1, 3000), REASON_no_way_home);
}

static void a_drop_is_news_again_only_after_silence(void)
{
	memset(&drops, 0, sizeof(drops));
	drops_report(&drops, totals, 0);
	CU_ASSERT_EQUAL(news(REASON_malformed, 1, 1000), REASON_malformed);
	CU_ASSERT_EQUAL(drops_next_news(&drops), REASON_COUNT);
	CU_ASSERT_EQUAL(news(REASON_malformed, 5, 2000), REASON_COUNT);
	CU_ASSERT_EQUAL(news(REASON_malformed, 5, 2000 + DROPS_QUIET_MS), REASON_COUNT);
	CU_ASSERT_EQUAL(news(REASON_too_big, 1, 2001 + DROPS_QUIET_MS), REASON_too_big);
	CU_ASSERT_EQUAL(news(REASON_malformed, 1, 2001 + 2 * DROPS_QUIET_MS), REASON_malformed);
}

static void what_is_no_drop_is_no_news(void)
{
	memset(&drops, 0, sizeof(drops));
	drops_report(&drops, totals, 0);
	CU_ASSERT_EQUAL(news(REASON_home_flow, 100, 1000), REASON_COUNT);
}

UNIT_TESTS("events", {"an empty ring has nothing", an_empty_ring_has_nothing},
	{"events are read in order and once", events_are_read_in_order_and_once},
	{"who begins late begins with the oldest", who_begins_late_begins_with_the_oldest},
	{"who is slow loses the oldest and knows how many", who_is_slow_loses_the_oldest_and_knows_how_many},
	{"the listener hears each", the_listener_hears_each},
	{"a time is written as RFC 3339", a_time_is_written_as_rfc_3339},
	{"every kind has names and words", every_kind_has_names_and_words},
	{"the first counters are no news", the_first_counters_are_no_news},
	{"a drop is news again only after silence", a_drop_is_news_again_only_after_silence},
	{"what is no drop is no news", what_is_no_drop_is_no_news})
