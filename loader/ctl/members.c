// SPDX-License-Identifier: Apache-2.0
/* The gateways of the array: how each is, as we see it, and what of the flows is its own. Draining this one. */
#include "ctl/members.h"

#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/methods.h"
#include "ctl/rows.h"
#include "ctl/successor.h"

static const char *const state_names[] = MEMBER_STATE_NAMES;

static bool is_self(const struct status *status, const struct member_status *is)
{
	return is->member->number == status->model->number;
}

const char *member_state_name(const struct status *status, const struct member_status *is)
{
	if (is_self(status, is))
		return "self";
	return is->state > MEMBER_NONE && is->state < MEMBER_STATES ? state_names[is->state] : "unknown";
}

bool is_announced(const struct status *status)
{
	for (size_t i = 0; i < status->model->loopback_count; i++)
		if (status->loopbacks[i].announced)
			return true;
	return false;
}

/* ---- What is whose ----------------------------------------------------------------------------------------------- */

/* A connection ends by itself, and until then its socket is there and nowhere else: what a drained gateway waits for. */
static bool is_open_connection(const struct line *line)
{
	return line->key.protocol == IPPROTO_TCP && TAG_STATE(line->tag) != LINE_CLOSING;
}

bool tally_slice(struct request *request)
{
	const struct flow_table *table = request->views->flows;
	struct flow_filter alive = filter_alive(request);
	uint32_t left = table->count - request->index;
	uint32_t end = request->index + (left < FLOW_SLICE ? left : FLOW_SLICE);
	struct line line;

	while (flow_next(table, &request->index, end, &alive, &line)) {
		struct owned *owned = &request->owned[HOME_OWNER(line.home)];

		owned->flows++;
		owned->connections += is_open_connection(&line);
		request->count++;
	}
	return request->index == table->count;
}

/* ---- What members relay to each other ---------------------------------------------------------------------------- */

/* Of what came in here, from a device or for one: how much had to go to another member. */
static json_t *relayed_percent(const struct reason_count *totals)
{
	static const enum reason here[] = {
		REASON_passed_request, REASON_home_flow, REASON_home_device, REASON_home_provider};
	uint64_t relayed = totals[REASON_relayed_request].packets + totals[REASON_relayed_response].packets;
	uint64_t all = relayed;

	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
		all += totals[here[i]].packets;
	return all ? json_integer((json_int_t)((relayed * 100 + all / 2) / all)) : json_null();
}

static json_t *count_object(const struct reason_count *count)
{
	return traffic(count->packets, count->bytes);
}

json_t *relay_object(const struct reason_count *totals)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "relayed_percent", relayed_percent(totals),
		"requests_sent", count_object(&totals[REASON_relayed_request]), "responses_sent",
		count_object(&totals[REASON_relayed_response]), "asked",
		count_object(&totals[REASON_asked_members]), "requests_received",
		count_object(&totals[REASON_passed_relay]), "responses_received",
		count_object(&totals[REASON_home_relay]));
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static json_t *age_ms(uint64_t then_ms)
{
	uint64_t now = now_ms();

	return json_integer(now > then_ms ? (json_int_t)(now - then_ms) : 0);
}

static json_t *lag(uint32_t microseconds)
{
	return microseconds == 0 || microseconds == UINT32_MAX ? json_null() : json_integer(microseconds);
}

static json_t *only(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *own_tunnels(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->model->tunnel_count; i++) {
		const struct tunnel_status *is = &status->tunnels[i];

		json_array_append_new(
			list, json_pack("{s:i, s:s, s:s?, s:b}", "tunnel_number", is->tunnel->number,
				      "tunnel", is->tunnel->name, "provider", tunnel_provider(is->tunnel),
				      "usable", is->usable));
	}
	return list;
}

static json_t *members_tunnels(const struct member_status *is)
{
	json_t *list = json_array();

	for (size_t i = 0; i < is->tunnel_count; i++) {
		const struct member_tunnel *tunnel = &is->tunnels[i];

		json_array_append_new(
			list, json_pack("{s:i, s:n, s:s?, s:b}", "tunnel_number", tunnel->number, "tunnel",
				      "provider", tunnel->provider ? tunnel->provider->name : NULL, "usable",
				      tunnel->usable));
	}
	return list;
}

json_t *member_row(const struct request *request, const struct member_status *is)
{
	const struct status *status = request->views->status;
	const struct owned *owned = &request->owned[is->member->number];
	bool self = is_self(status, is);

	return json_pack("{s:s, s:i, s:o, s:s, s:b, s:o, s:o, s:b, s:o, s:o, s:o, s:o, "
			 "s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
		"gateway", is->member->name, "number", is->member->number, "address",
		address_text(&is->member->address), "state", member_state_name(status, is), "serving",
		self ? is_announced(status) && !status->drained : is->serving, "drained",
		self ? json_boolean(status->drained) : json_null(), "announced",
		self ? json_boolean(is_announced(status)) : json_null(), "ready",
		self ? !status->waits_for : is->ready, "changed_ms", age_ms(is->since_ms), "heard_age_ms",
		is->last_heard_ms ? age_ms(is->last_heard_ms) : json_null(), "lag_p50_us",
		lag(is->lag_p50_us), "lag_p99_us", lag(is->lag_p99_us), "sent", (json_int_t)is->sent,
		"received", (json_int_t)is->received, "lost", (json_int_t)is->lost, "asked_again",
		(json_int_t)is->asked_again, "refused", (json_int_t)is->refused, "unkept",
		only(!self, is->unkept), "overflowed", only(self, is->overflowed), "unsent",
		only(self, is->unsent), "clock_skew_ms", self ? json_null() : json_integer(is->clock_skew_ms),
		"flows", (json_int_t)owned->flows, "connections", (json_int_t)owned->connections,
		"flows_there", only(!self, is->flows), "tunnels",
		self ? own_tunnels(status) : members_tunnels(is));
}

static const struct member_status *wanted_member(const struct request *request)
{
	const struct status *status = request->views->status;
	uint8_t number =
		request->arguments.gateway ? request->arguments.gateway->number : status->model->number;
	size_t i = 0;

	while (i + 1 < status->model->array.member_count && status->members[i].member->number != number)
		i++;
	return &status->members[i];
}

int gateway_list_step(struct request *request)
{
	const struct status *status = request->views->status;

	if (request->phase == 0) {
		if (!tally_slice(request))
			return REQUEST_MORE;
		request->hooks->refresh(request->hooks->self);
		request->phase = 1;
		request->index = 0;
	}
	for (; request->index < status->model->array.member_count; request->index++) {
		if (request_full(request))
			return REQUEST_MORE;
		request_row(request, member_row(request, &status->members[request->index]));
	}
	return REPLY_FINE;
}

int gateway_get_step(struct request *request)
{
	if (!tally_slice(request))
		return REQUEST_MORE;
	request->hooks->refresh(request->hooks->self);
	request_row(request, member_row(request, wanted_member(request)));
	return REPLY_FINE;
}

/* ---- In and out of service --------------------------------------------------------------------------------------- */

static int drain(struct request *request, bool drained)
{
	int r = request->hooks->drain(request->hooks->self, drained, &request->error);

	return r < 0 ? REPLY_DEGRADED : REPLY_FINE;
}

int gateway_drain_step(struct request *request)
{
	return drain(request, true);
}

int gateway_undrain_step(struct request *request)
{
	return drain(request, false);
}

int gateway_switch_step(struct request *request)
{
	request->hooks->refresh(request->hooks->self);
	if (successor_check(request->views->status, request->arguments.gateway, &request->error) < 0)
		return REPLY_DEGRADED;
	return drain(request, true);
}
