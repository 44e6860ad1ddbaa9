// SPDX-License-Identifier: Apache-2.0
#include "ctl/events.h"

#include <stdio.h>

const struct event_kind_row event_kinds[EVENT_KINDS] = {
#define X(name, object, event, level, words) {object, event, words, LOG_LEVEL_##level},
	EVENTS(X)
#undef X
};

void events_add(struct events *events, const struct event *event)
{
	struct event *slot = &events->ring[events->last % EVENTS_KEPT];

	*slot = *event;
	slot->number = ++events->last;
	if (events->heard)
		events->heard(events->heard_by);
}

const struct event *events_next(const struct events *events, uint64_t *next, uint64_t *lost)
{
	uint64_t oldest = events->last > EVENTS_KEPT ? events->last - EVENTS_KEPT + 1 : 1;
	uint64_t number = *next > oldest ? *next : oldest;

	*lost = 0;
	if (number > events->last)
		return NULL;
	if (*next > 0)
		*lost = number - *next;
	*next = number + 1;
	return &events->ring[(number - 1) % EVENTS_KEPT];
}

const char *event_time(const struct timespec *time, char *text)
{
	struct tm parts;
	size_t used;

	gmtime_r(&time->tv_sec, &parts);
	used = strftime(text, EVENT_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + used, EVENT_TIME_SIZE - used, ".%03uZ", (unsigned)(time->tv_nsec / 1000000) % 1000);
	return text;
}
