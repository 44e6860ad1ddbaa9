// SPDX-License-Identifier: Apache-2.0
/*
 * What the core says of the other gateways: into the maps, where packets go by it, into the status and to whoever follows
 * events. A dead member's tunnels stay in the maps and are not usable.
 */
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "replicate.h"

static struct member_status *status_of(struct daemon *daemon, uint8_t member)
{
	for (size_t i = 0; i < daemon->model->array.member_count; i++)
		if (daemon->model->array.members[i].number == member)
			return &daemon->status.members[i];
	return NULL;
}

/* ---- States -------------------------------------------------------------------------------------------------------- */

static void tell_state(struct daemon *daemon, const struct member_status *status)
{
	static const struct {
		enum event_kind kind;
		const char *cause;
	} words[MEMBER_STATES] = {
		[MEMBER_ALIVE] = {EVENT_MEMBER_ALIVE, "its heartbeats come"},
		[MEMBER_SUSPECT] = {EVENT_MEMBER_SUSPECT, "its heartbeats stopped"},
		[MEMBER_DEAD] = {EVENT_MEMBER_DEAD, "neither a heartbeat nor a relay came in time"},
	};

	if (status->state != MEMBER_NONE)
		tell(daemon, words[status->state].kind, status->member->name, "%s",
			words[status->state].cause);
}

static void tell_serving(struct daemon *daemon, const struct member_status *status)
{
	if (status->serving)
		tell(daemon, EVENT_MEMBER_SERVES, status->member->name, "it announces loopbacks");
	else
		tell(daemon, EVENT_MEMBER_NOT_SERVING, status->member->name,
			"it drains, stops or is not ready yet");
}

static void follow_tunnels(struct replication *replication, struct member_status *status);

void members_changed(void *self, uint8_t member, enum member_state state, bool serving)
{
	struct replication *replication = self;
	struct daemon *daemon = replication->daemon;
	struct member_status *status = status_of(daemon, member);
	struct error error;
	bool revived, other, serves;

	if (!status)
		return;
	if (bpf_member_set(daemon->pin_dir, member, state, serving, &error) < 0)
		log_error("gateway %u: %s", member, error.text);
	revived = (status->state == MEMBER_DEAD) != (state == MEMBER_DEAD);
	other = status->state != state;
	serves = status->serving != serving;
	status->state = state;
	status->serving = serving;
	status->since_ms = now_ms();
	if (revived)
		follow_tunnels(replication, status);
	if (other)
		tell_state(daemon, status);
	if (serves)
		tell_serving(daemon, status);
}

/* ---- Tunnels ------------------------------------------------------------------------------------------------------- */

/* Into the map: those whose provider we have. How many these are. */
static size_t translate(const struct model *model, const struct told *told, bool dead,
	struct bpf_member_tunnel *entries, struct member_tunnel *rows)
{
	size_t count = 0;

	for (size_t i = 0; i < told->tunnel_count; i++) {
		const struct array_tunnel *tunnel = &told->tunnels[i];
		const struct provider *provider = model_provider_by_name(model, tunnel->provider);
		bool usable = tunnel->usable && !dead;

		rows[i] = (struct member_tunnel){tunnel->number, provider, usable};
		if (provider)
			entries[count++] = (struct bpf_member_tunnel){
				tunnel->number, provider->number, provider->zone, usable};
	}
	return count;
}

/* Whether others have room now for what was left out of theirs. */
static bool enter_tunnels(struct replication *replication, struct member_status *status)
{
	struct daemon *daemon = replication->daemon;
	uint8_t number = status->member->number;
	struct told *told = &replication->told[number];
	_cleanup_free_ struct bpf_member_tunnel *entries = calloc(told->tunnel_count + 1, sizeof(*entries));
	struct member_tunnel *rows = calloc(told->tunnel_count + 1, sizeof(*rows));
	struct error error;
	bool released = false;
	size_t count;
	int r;

	if (!entries || !rows) {
		free(rows);
		return false;
	}
	count = translate(daemon->model, told, status->state == MEMBER_DEAD, entries, rows);
	free(status->tunnels);
	status->tunnels = rows;
	status->tunnel_count = told->tunnel_count;
	r = bpf_member_tunnels_set(daemon->pin_dir, number, entries, count, &released, &error);
	told->left_out = r != 0;
	if (r < 0)
		log_error("gateway %s: %s", status->member->name, error.text);
	else if (r > 0)
		log_warning("gateway %s: %d of its tunnels cannot be used: their "
			    "numbers are others', or a provider has more than %d",
			status->member->name, r, PROVIDER_WAYS_MAX);
	return released;
}

/* Who was left out does not tell its tunnels again because another one let go of what both have. */
static void enter_left_out(struct replication *replication)
{
	for (unsigned number = 0; number < GATEWAY_NUMBERS; number++) {
		struct member_status *status = status_of(replication->daemon, (uint8_t)number);

		if (status && replication->told[number].left_out)
			enter_tunnels(replication, status);
	}
}

static void follow_tunnels(struct replication *replication, struct member_status *status)
{
	if (enter_tunnels(replication, status))
		enter_left_out(replication);
}

void members_tunnels_changed(void *self, uint8_t member, const struct array_tunnel *tunnels, size_t count)
{
	struct replication *replication = self;
	struct told *told = &replication->told[member];
	struct member_status *status = status_of(replication->daemon, member);
	struct array_tunnel *copy = malloc((count + 1) * sizeof(*copy));

	if (!copy || !status) {
		free(copy);
		return;
	}
	memcpy(copy, tunnels, count * sizeof(*copy));
	free(told->tunnels);
	told->tunnels = copy;
	told->tunnel_count = count;
	follow_tunnels(replication, status);
}

static void forget(struct told *told)
{
	free(told->tunnels);
	*told = (struct told){0};
}

static void adopt(struct daemon *daemon, struct member_status *status)
{
	struct error error;

	if (bpf_member_adopt(
		    daemon->pin_dir, status->member->number, &status->state, &status->serving, &error) < 0)
		log_error("gateway %s: %s", status->member->name, error.text);
}

/* What the core knows is so, whatever a status or a map that were made meanwhile say. Answers as enter_tunnels(). */
static bool enter(struct replication *replication, struct member_status *row)
{
	struct daemon *daemon = replication->daemon;
	uint8_t number = row->member->number;
	struct array_status status = {0};
	struct error error;
	int r = 0;

	if (array_status(replication->core, number, &status) &&
		(status.heard_ms != 0 || status.state == MEMBER_DEAD)) {
		row->state = status.state;
		row->serving = status.serving;
	}
	if (row->state != MEMBER_NONE)
		r = bpf_member_set(daemon->pin_dir, number, row->state, row->serving, &error);
	if (r == 0 && status.heard_ms != 0)
		r = bpf_member_clock_set(daemon->pin_dir, number, status.clock_slots, &error);
	if (r < 0)
		log_error("gateway %s: %s", row->member->name, error.text);
	return replication->told[number].tunnels && enter_tunnels(replication, row);
}

void members_enter(struct replication *replication)
{
	const struct daemon *daemon = replication->daemon;
	bool released = false;

	for (size_t i = 0; i < daemon->model->array.member_count; i++)
		if (daemon->model->array.members[i].number != daemon->model->number)
			released |= enter(replication, &daemon->status.members[i]);
	if (released)
		enter_left_out(replication);
}

void members_follow(struct replication *replication)
{
	for (unsigned number = 0; number < GATEWAY_NUMBERS; number++) {
		struct member_status *status = status_of(replication->daemon, (uint8_t)number);

		if (status && status->state == MEMBER_NONE && number != replication->daemon->model->number)
			adopt(replication->daemon, status);
		if (!status)
			forget(&replication->told[number]);
	}
	members_enter(replication);
}

void members_forget(struct replication *replication)
{
	for (unsigned number = 0; number < GATEWAY_NUMBERS; number++)
		forget(&replication->told[number]);
}

/* ---- Clocks ---------------------------------------------------------------------------------------------------------- */

_Static_assert(ARRAY_AHEAD_MOST_MS == MEMBER_SKEW_MOST_MS,
	"clocks are apart when the array refuses what they stamp");

static void tell_apart(struct daemon *daemon, struct told *told, const char *name, int64_t skew_ms)
{
	bool apart = llabs(skew_ms) > MEMBER_SKEW_MOST_MS;

	if (told->apart == apart)
		return;
	told->apart = apart;
	if (apart)
		tell(daemon, EVENT_MEMBER_CLOCK_APART, name, "its clock is %.1f s %s ours",
			(double)llabs(skew_ms) / 1000, skew_ms > 0 ? "ahead of" : "behind");
	else
		tell(daemon, EVENT_MEMBER_CLOCK_AGREES, name, "its clock and ours agree again");
}

/* It, or we, were set to another time: relays are judged by the clock of who sends them. */
void members_clock_changed(void *self, uint8_t member, int16_t slots)
{
	struct replication *replication = self;
	struct daemon *daemon = replication->daemon;
	struct error error;

	replicate_keep_clock(daemon);
	if (bpf_member_clock_set(daemon->pin_dir, member, slots, &error) < 0)
		log_error("gateway %u: %s", member, error.text);
}

void members_judge_clocks(struct replication *replication)
{
	struct daemon *daemon = replication->daemon;
	struct array_status status;

	for (size_t i = 0; i < daemon->model->array.member_count; i++) {
		const struct member *member = &daemon->model->array.members[i];

		if (array_status(replication->core, member->number, &status))
			tell_apart(daemon, &replication->told[member->number], member->name,
				status.skew_ns / 1000000);
	}
}

/* ---- Signs of life ------------------------------------------------------------------------------------------------- */

static uint64_t relay_age_ms(struct daemon *daemon, uint8_t member)
{
	uint32_t relay_ms;

	if (bpf_heard(daemon->pin_dir, member, &relay_ms, NULL) < 0 || relay_ms == 0)
		return ARRAY_RELAY_SILENT;
	return flow_now_ms() - relay_ms;
}

/*
 * A kernel that refuses our datagrams is that of a machine whose gwd is away. That counts as much as a relay, unless it was
 * stopped for good, which it had said, and no longer than its guard waits for another gwd.
 */
static uint64_t refusal_age_ms(const struct replication *replication, uint8_t member)
{
	const struct told *told = &replication->told[member];
	struct array_status status;

	if (told->refused_ms == 0 || !array_status(replication->core, member, &status) || status.stops ||
		status.state == MEMBER_DEAD ||
		now_ms() - (status.heard_ms ?: status.since_ms) > replication->daemon->model->guard_ms)
		return ARRAY_RELAY_SILENT;
	return now_ms() - told->refused_ms;
}

uint64_t members_relay_silent_ms(void *self, uint8_t member)
{
	struct replication *replication = self;
	uint64_t relay = relay_age_ms(replication->daemon, member);
	uint64_t refusal = refusal_age_ms(replication, member);

	return relay < refusal ? relay : refusal;
}

void members_refused(struct replication *replication, const struct address *address)
{
	const struct array *array = &replication->daemon->model->array;

	for (size_t i = 0; i < array->member_count; i++)
		if (address_equal(&array->members[i].address, address))
			replication->told[array->members[i].number].refused_ms = now_ms();
}

/* ---- Status -------------------------------------------------------------------------------------------------------- */

static uint32_t lag(uint32_t microseconds)
{
	return microseconds == ARRAY_LAG_UNKNOWN ? 0 : microseconds;
}

static uint64_t sum_refused(const uint64_t refused[ARRAY_REFUSAL_COUNT])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_REFUSAL_COUNT; i++)
		sum += refused[i];
	return sum;
}

static uint64_t last_heard_ms(struct daemon *daemon, const struct array_status *status, uint8_t member)
{
	uint64_t relay_age = relay_age_ms(daemon, member), now = now_ms();
	uint64_t relay_ms = relay_age == ARRAY_RELAY_SILENT || relay_age > now ? 0 : now - relay_age;

	return relay_ms > status->heard_ms ? relay_ms : status->heard_ms;
}

/* What is no member's business: datagrams that name none, and those that our own kernel or the way there lost. */
static void refresh_own(struct replication *replication, struct member_status *row)
{
	struct channel_counts counts = channel_counts(replication->channel);

	row->refused = sum_refused(array_refused(replication->core));
	row->overflowed = counts.overflowed;
	row->unsent = counts.unsent;
}

void members_refresh(struct replication *replication)
{
	struct daemon *daemon = replication->daemon;

	refresh_own(replication, status_of(daemon, daemon->model->number));
	for (size_t i = 0; i < daemon->model->array.member_count; i++) {
		struct member_status *row = &daemon->status.members[i];
		struct array_status status;

		if (!array_status(replication->core, row->member->number, &status))
			continue;
		row->last_heard_ms = last_heard_ms(daemon, &status, row->member->number);
		row->ready = status.session && status.ready;
		row->lag_p50_us = lag(status.lag_p50_us);
		row->lag_p99_us = lag(status.lag_p99_us);
		row->sent = status.counts.datagrams_sent;
		row->received = status.counts.datagrams_received;
		row->lost = status.counts.batches_lost;
		row->asked_again = status.counts.batches_asked;
		row->refused = sum_refused(status.counts.refused) + status.counts.records_ahead;
		row->unkept = replication->told[row->member->number].unkept;
		row->flows = status.flows;
		row->clock_skew_ms = status.skew_ns / 1000000;
	}
}
