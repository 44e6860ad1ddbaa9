// SPDX-License-Identifier: Apache-2.0
#include "replicate.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "base/log.h"

#define READ_ROUNDS   8    /* batches of datagrams before others have their turn */
#define CHANGES_US    1000 /* while changes come: how often we look, instead of being woken by each */
#define ACCURACY_US   1    /* 0 would be sd-event's default, 250 ms */
#define NS_PER_SECOND 1000000000LL
#define CLOCK_STEP_NS NS_PER_SECOND

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

struct array_time replicate_now(void)
{
	return (struct array_time){.ms = now_ms(), .wall_ns = (uint64_t)read_clock(CLOCK_REALTIME)};
}

struct lines replicate_lines(const struct replication *replication)
{
	const struct daemon *daemon = replication->daemon;

	return (struct lines){&daemon->flows, &daemon->devices, &daemon->settings};
}

/* ---- After each call of the core ------------------------------------------------------------------------------------- */

static int tick(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct replication *replication)
{
	uint64_t deadline_us = array_deadline(replication->core) * 1000;

	if (replication->timer)
		sd_event_source_set_time(replication->timer, deadline_us);
	else if (sd_event_add_time(replication->daemon->event, &replication->timer, CLOCK_MONOTONIC,
			 deadline_us, ACCURACY_US, tick, replication) < 0)
		return;
	sd_event_source_set_enabled(replication->timer, SD_EVENT_ONESHOT);
}

void replicate_wait_no_longer(struct daemon *daemon)
{
	newcomer_forget(daemon);
	daemon->status.waits_for = NULL;
	health_array_ready(daemon->health, true);
}

static void become_ready(struct replication *replication)
{
	struct daemon *daemon = replication->daemon;

	replication->waits = false;
	tell(daemon, EVENT_ARRAY_READY, NULL, "what the members know, our tables hold");
	replicate_wait_no_longer(daemon);
	watch_changes(daemon);
}

static void tell_isolation(struct replication *replication)
{
	struct daemon *daemon = replication->daemon;
	bool isolated = array_isolated(replication->core);

	if (replication->isolated == isolated)
		return;
	replication->isolated = isolated;
	daemon->status.isolated = isolated;
	health_isolated(daemon->health, isolated);
	tell(daemon, isolated ? EVENT_GATEWAY_ISOLATED : EVENT_GATEWAY_REJOINED, daemon->model->gateway,
		isolated ? "no member is heard: all fell silent at once, or our way to them has no carrier"
			 : "a member is heard, or known to be dead");
	watch_changes(daemon);
}

static void settle(struct replication *replication)
{
	tell_isolation(replication);
	if (replication->waits && array_ready(replication->core))
		become_ready(replication);
	channel_flush(replication->channel);
	arm(replication);
}

static int tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct replication *replication = userdata;

	(void)source;
	(void)usec;
	array_tick(replication->core, replicate_now());
	settle(replication);
	return 0;
}

/* ---- Effects of the core ----------------------------------------------------------------------------------------------- */

static void send_datagram(void *self, uint8_t member, const void *datagram, size_t size)
{
	struct replication *replication = self;
	const struct member *to = model_member_by_number(replication->daemon->model, member);

	if (to)
		channel_send(replication->channel, &to->address, datagram, size);
}

static void merge(void *self, uint8_t member, const struct array_record *record)
{
	struct replication *replication = self;
	struct lines lines = replicate_lines(replication);

	if (lines_merge(&lines, record, flow_now_ms()) == FLOW_REFUSED)
		replication->told[member].unkept++;
}

static size_t walk(void *self, uint64_t *line, uint64_t end, struct array_record *records, size_t room)
{
	struct lines lines = replicate_lines(self);

	return lines_walk(&lines, line, end, records, room, flow_now_ms());
}

static void fill_random(void *self, void *bytes, size_t size)
{
	(void)self;
	randombytes_buf(bytes, size);
}

struct array_effects replicate_effects(struct replication *replication)
{
	return (struct array_effects){.self = replication,
		.send = send_datagram,
		.merge = merge,
		.member_changed = members_changed,
		.tunnels_changed = members_tunnels_changed,
		.walk = walk,
		.relay_silent_ms = members_relay_silent_ms,
		.random = fill_random,
		.clock_changed = members_clock_changed};
}

/* ---- Datagrams --------------------------------------------------------------------------------------------------------- */

static void hear_datagram(void *self, const struct address *from, const void *datagram, size_t size)
{
	struct replication *replication = self;

	(void)from; /* anybody can write an address: the seal says who it is */
	array_receive(replication->core, datagram, size, replicate_now());
}

static void hear_all(struct replication *replication)
{
	struct address refused;

	while (channel_next_refusal(replication->channel, &refused))
		members_refused(replication, &refused);
	for (int i = 0; i < READ_ROUNDS; i++) {
		if (channel_read(replication->channel, hear_datagram, replication) == 0)
			break;
		channel_flush(replication->channel); /* a heartbeat may be among it */
	}
	settle(replication);
}

int replicate_hear_channel(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	hear_all(userdata);
	return 0;
}

/* ---- Our changes ------------------------------------------------------------------------------------------------------- */

void replicate_keep_change(void *self, const struct change *change)
{
	struct replication *replication = self;

	replication->pending[replication->pending_count++] = *change;
}

static int by_line(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct change));
}

/* A line that changed twice meanwhile is told once: what it says now. */
static void tell_changes(struct replication *replication)
{
	struct change *pending = replication->pending;
	struct lines lines = replicate_lines(replication);
	struct array_time now = replicate_now();
	uint32_t table_now = flow_now_ms();
	struct array_record record;

	qsort(pending, replication->pending_count, sizeof(*pending), by_line);
	for (size_t i = 0; i < replication->pending_count; i++)
		if ((i == 0 || by_line(&pending[i - 1], &pending[i]) != 0) &&
			lines_read(&lines, &pending[i], table_now, &record))
			array_change(replication->core, &record, now);
	replication->pending_count = 0;
}

/* The first of a burst woke us; while it lasts we look once a millisecond, and no program has to wake anybody. */
static void read_changes(struct replication *replication)
{
	uint32_t count = bpf_changes_read(replication->changes, CHANGES_AT_ONCE);
	uint64_t pause_us = count < CHANGES_AT_ONCE ? CHANGES_US : 0;

	tell_changes(replication);
	sd_event_source_set_enabled(replication->changes_source, count == 0 ? SD_EVENT_ON : SD_EVENT_OFF);
	if (count > 0) {
		sd_event_source_set_time_relative(replication->changes_timer, pause_us);
		sd_event_source_set_enabled(replication->changes_timer, SD_EVENT_ONESHOT);
	}
	settle(replication);
}

int replicate_hear_changes(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	read_changes(userdata);
	return 0;
}

int replicate_look_for_changes(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	read_changes(userdata);
	return 0;
}

void replicate_look_for_losses(struct replication *replication)
{
	struct daemon *daemon = replication->daemon;
	struct error error;
	uint64_t lost;

	if (bpf_changes_lost(replication->changes, &lost, &error) < 0) {
		log_error("%s", error.text);
		return;
	}
	if (lost == replication->lost)
		return;
	tell(daemon, EVENT_CHANGES_LOST, NULL, "%llu of them; the members read our tables",
		(unsigned long long)(lost - replication->lost));
	replication->lost = lost;
	array_lost_change(replication->core);
}

/* Whoever set our clock, by more than clocks are slewed: the members' seem to be other ones from now on. */
static void tell_clock(struct replication *replication, int64_t offset_ns)
{
	int64_t step_ns = offset_ns - replication->clock_offset_ns;
	bool known = replication->clock_offset_ns != 0;

	replication->clock_offset_ns = offset_ns;
	if (known && llabs(step_ns) > CLOCK_STEP_NS)
		tell(replication->daemon, EVENT_CLOCK_SET, replication->daemon->model->gateway, "by %+.1f s",
			(double)step_ns / NS_PER_SECOND);
}

void replicate_keep_clock(struct daemon *daemon)
{
	int64_t offset_ns = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
	struct error error;

	if (bpf_clock_set(daemon->pin_dir, (uint64_t)offset_ns, &error) < 0)
		log_error("%s", error.text);
	if (daemon->replication)
		tell_clock(daemon->replication, offset_ns);
}

void replicate_second(struct daemon *daemon)
{
	replicate_keep_clock(daemon);
	if (!daemon->replication)
		return;
	members_judge_clocks(daemon->replication);
	replicate_look_for_losses(daemon->replication);
}

/* ---- What we tell of ourselves ------------------------------------------------------------------------------------------- */

static void tell_tunnels(struct replication *replication)
{
	const struct model *model = replication->daemon->model;
	const struct health_tunnel *rows = health_tunnels(replication->daemon->health);
	_cleanup_free_ struct array_tunnel *tunnels = calloc(model->tunnel_count + 1, sizeof(*tunnels));

	if (!tunnels)
		return;
	for (size_t i = 0; i < model->tunnel_count; i++) {
		tunnels[i].number = model->tunnels[i].number;
		tunnels[i].usable = rows[i].usable;
		if (model->tunnels[i].provider) /* else there is no member to be told */
			snprintf(tunnels[i].provider, sizeof(tunnels[i].provider), "%s",
				model->tunnels[i].provider->name);
	}
	if (array_set_tunnels(replication->core, tunnels, model->tunnel_count, replicate_now()) < 0)
		log_error("the members are told of no more than %d tunnels", ARRAY_TUNNELS_MAX);
}

/* Of any of the ways to the members: routes may lead them by each. An underlay goes by them, and must be up itself. */
static void tell_carrier(struct replication *replication)
{
	const struct model *model = replication->daemon->model;
	const char *underlay = model->array.underlay;
	bool carrier = model->uplink_count == 0;

	for (size_t i = 0; i < model->uplink_count; i++)
		carrier |= channel_has_carrier(replication->channel, model->uplinks[i]);
	carrier &= !underlay || channel_has_carrier(replication->channel, underlay);
	array_set_carrier(replication->core, carrier, replicate_now());
}

void replicate_tell(struct daemon *daemon)
{
	struct replication *replication = daemon->replication;
	bool serving = health_is_serving(daemon->health);
	struct error error;

	if (!replication)
		return;
	tell_tunnels(replication);
	tell_carrier(replication);
	array_set_serving(replication->core, serving, replicate_now());
	if (bpf_serving_set(daemon->pin_dir, daemon->model->number, serving, &error) < 0)
		log_error("whether we serve: %s", error.text);
	settle(replication);
}

void replicate_stop(struct daemon *daemon)
{
	struct replication *replication = daemon->replication;

	if (!replication)
		return;
	array_stop(replication->core, replicate_now());
	settle(replication);
}

void replicate_tick(struct daemon *daemon)
{
	if (daemon->replication)
		tick(NULL, 0, daemon->replication);
}

void replicate_hear(struct daemon *daemon)
{
	if (!daemon->replication)
		return;
	replicate_tick(daemon);
	hear_all(daemon->replication);
}

void replicate_enter(struct daemon *daemon)
{
	if (daemon->replication)
		members_enter(daemon->replication);
}

void replicate_refresh(struct daemon *daemon)
{
	if (daemon->replication)
		members_refresh(daemon->replication);
}
