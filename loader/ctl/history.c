// SPDX-License-Identifier: Apache-2.0
/* What has happened: the events that are remembered, then, for who follows, each as it comes. */
#include "ctl/methods.h"
#include "ctl/rows.h"

static json_t *event_row(const struct event *event)
{
	const struct event_kind_row *kind = &event_kinds[event->kind];
	char time[EVENT_TIME_SIZE];

	return json_pack("{s:I, s:s, s:I, s:s, s:s?, s:s, s:s}", "number", (json_int_t)event->number, "time",
		event_time(&event->time, time), "monotonic_ms", (json_int_t)event->monotonic_ms, "object",
		kind->object, "name", event->name[0] ? event->name : NULL, "event", kind->event, "cause",
		event->cause);
}

int events_step(struct request *request)
{
	const struct events *events = request->views->events;
	const struct event *event;
	uint64_t lost;

	while (!request_full(request)) {
		event = events_next(events, &request->next_event, &lost);
		if (!event)
			return request->arguments.follow ? REQUEST_WAIT : REPLY_FINE;
		if (lost > 0)
			request_row(request, json_pack("{s:I}", "lost", (json_int_t)lost));
		request_row(request, event_row(event));
	}
	return REQUEST_MORE;
}
