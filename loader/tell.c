// SPDX-License-Identifier: Apache-2.0
/*
 * What happened, said once: to the log and to whoever follows `gwctl events`. The table of events (ctl/events.h) knows
 * the names and how loud it is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "apply/bpf.h"
#include "base/log.h"
#include "ctl/rows.h"
#include "daemon.h"

void tell(struct daemon *daemon, enum event_kind kind, const char *name, const char *format, ...)
{
	const struct event_kind_row *row = &event_kinds[kind];
	struct event event = {.kind = kind, .monotonic_ms = now_ms()};
	va_list arguments;

	clock_gettime(CLOCK_REALTIME, &event.time);
	snprintf(event.name, sizeof(event.name), "%s", name ? name : "");
	va_start(arguments, format);
	vsnprintf(event.cause, sizeof(event.cause), format, arguments);
	va_end(arguments);
	log_line(row->level, "%s%s%s %s: %s", row->object, name ? " " : "", event.name, row->event,
		event.cause);
	events_add(&daemon->events, &event);
}

static const char *why_not_announced(const struct daemon *daemon, const struct loopback_status *status)
{
	if (!daemon->bird_client)
		return "BIRD is lost, and its routes with it";
	if (!health_obstacle(daemon->health) && *status->kept_back)
		return status->kept_back;
	return daemon->announced_in_force ? "withdrawn by the gateway" : "BIRD does not show its routes";
}

void tell_loopback(struct daemon *daemon, size_t index, bool announced)
{
	struct loopback_status *status = &daemon->status.loopbacks[index];

	if (status->announced == announced)
		return;
	status->announced = announced;
	if (announced)
		tell(daemon, EVENT_LOOPBACK_ANNOUNCED, status->loopback->name, "BIRD shows its routes");
	else
		tell(daemon, EVENT_LOOPBACK_WITHDRAWN, status->loopback->name, "%s",
			why_not_announced(daemon, status));
}

void tell_drops(struct daemon *daemon)
{
	struct reason_count totals[REASON_COUNT];
	unsigned reason;

	if (bpf_reasons(daemon->pin_dir, totals, NULL) < 0)
		return;
	drops_report(&daemon->drops, totals, now_ms());
	while ((reason = drops_next_news(&daemon->drops)) < REASON_COUNT)
		tell(daemon, EVENT_DROPS_BEGAN, reason_name(reason), "%s; %llu packets in all",
			reason_words(reason), (unsigned long long)totals[reason].packets);
}
