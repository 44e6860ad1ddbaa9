// SPDX-License-Identifier: Apache-2.0
/*
 * One screen: the gateway, its loopbacks, its tunnels, its tables, what was dropped, and what of all this is
 * not as it should be. Whoever watches gateways asks this and looks at the code alone.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "ctl/members.h"
#include "ctl/methods.h"
#include "ctl/rows.h"
#include "ctl/tunnels.h"

static void degraded(json_t *list, json_t *words)
{
	json_array_append_new(list, words);
}

/*
 * BGP up and BFD down lasts when the far end does no BFD, or only the multihop kind (FRR's `ttl-security` makes it
 * so).
 */
static const char *why_not_usable(const struct tunnel_status *is)
{
	if (is->bfd == SESSION_DOWN && is->bgp == SESSION_UP)
		return ": BGP is up and BFD is down; does the neighbour "
		       "do BFD, single-hop, without TTL security?";
	if (is->bfd == SESSION_DOWN)
		return is->bgp == SESSION_DOWN ? ", BFD is down, BGP is down" : ", BFD is down";
	return is->bgp == SESSION_DOWN ? ", BGP is down" : "";
}

static void judge_tunnel(json_t *list, const struct tunnel_status *is)
{
	const char *name = is->tunnel->name;

	if (is->disabled)
		degraded(list, json_sprintf("tunnel %s is disabled by an operator", name));
	else if (!is->ifindex)
		degraded(list, json_sprintf("tunnel %s has no interface", name));
	else if (!is->usable)
		degraded(list, json_sprintf("tunnel %s is not usable%s", name, why_not_usable(is)));
	else if (is->bgp == SESSION_UP && is->bfd == SESSION_DOWN)
		degraded(list,
			json_sprintf(
				"tunnel %s: BGP is up and BFD is not, a failure would be seen late", name));
}

static void judge_router(json_t *list, const struct router_status *is)
{
	const char *name = is->router->name;

	if (is->bgp != SESSION_UP)
		degraded(list, json_sprintf("router %s: BGP is down%s", name,
				       is->bfd == SESSION_DOWN ? ", BFD is down" : ""));
	else if (is->bfd == SESSION_DOWN)
		degraded(list,
			json_sprintf(
				"router %s: BGP is up and BFD is not, a failure would be seen late", name));
}

/* Why it is not announced, where that is known. */
static json_t *why_not_announced(const struct status *status, const struct loopback_status *is)
{
	const char *name = is->loopback->name;

	if (status->drained)
		return json_sprintf("loopback %s is not announced: the gateway is drained", name);
	if (status->waits_for)
		return json_sprintf("loopback %s is not announced: it waits for %s", name, status->waits_for);
	if (*is->kept_back)
		return json_sprintf("loopback %s is not announced: %s", name, is->kept_back);
	return json_sprintf("loopback %s is not announced", name);
}

/* One that takes something out of service is told of with that. */
static void judge_probes(json_t *list, const struct status *status)
{
	for (size_t i = 0; i < status->model->probe_count; i++) {
		const struct probe_state *is = &status->probes[i];

		if (is->phase == PROBE_DOWN)
			degraded(
				list, json_sprintf("probe %s is down: it %s%s", status->model->probes[i].name,
					      probe_cause(is), is->was_up ? "" : ", and never succeeded"));
	}
}

static void judge_loopbacks(json_t *list, const struct status *status)
{
	if (status->drained && is_announced(status))
		degraded(list, json_string("the gateway drains: it withdraws its loopbacks in a moment"));
	for (size_t i = 0; i < status->model->loopback_count; i++)
		if (!status->loopbacks[i].announced)
			degraded(list, why_not_announced(status, &status->loopbacks[i]));
}

static void judge_members(json_t *list, const struct status *status)
{
	if (status->isolated)
		degraded(
			list, json_string("the gateway hears no member, so it announces as one that leaves"));
	for (size_t i = 0; i < status->model->array.member_count; i++) {
		const struct member_status *is = &status->members[i];

		if (is->state == MEMBER_SUSPECT || is->state == MEMBER_DEAD)
			degraded(list, json_sprintf("gateway %s is %s: nothing was heard of it%s",
					       is->member->name, member_state_name(status, is),
					       is->last_heard_ms ? " for a while" : ""));
		else if (llabs(is->clock_skew_ms) > MEMBER_SKEW_MOST_MS)
			degraded(list,
				json_sprintf(
					"gateway %s: its clock is %lld s %s ours, so %s of flows is refused",
					is->member->name, llabs(is->clock_skew_ms) / 1000,
					is->clock_skew_ms > 0 ? "ahead of" : "behind",
					is->clock_skew_ms > 0 ? "what it tells" : "what we tell it"));
	}
}

static json_t *judge(const struct status *status)
{
	json_t *list = json_array();
	bool wants_bird = status->model->router_count > 0;

	for (size_t i = 0; i < status->model->tunnel_count; i++) {
		wants_bird |= status->tunnels[i].tunnel->bgp.enabled;
		judge_tunnel(list, &status->tunnels[i]);
	}
	for (size_t i = 0; i < status->model->router_count; i++)
		judge_router(list, &status->routers[i]);
	for (size_t i = 0; i < model_interface_count(status->model); i++)
		if (!status->uplinks[i].up)
			degraded(list, json_sprintf("uplink %s is %s", status->uplinks[i].name,
					       status->uplinks[i].ifindex ? "down" : "gone"));
	judge_loopbacks(list, status);
	judge_probes(list, status);
	judge_members(list, status);
	if (!status->attach)
		degraded(list,
			json_string("return_egress is not attached to home0, so no response goes home"));
	if (wants_bird && !status->bird_running)
		degraded(list, json_string("BIRD is not running"));
	return list;
}

static json_t *gateway_object(const struct status *status)
{
	return json_pack("{s:s, s:i, s:s, s:I, s:b, s:b, s:s, s:s, s:b}", "name", status->model->gateway,
		"number", status->model->number, "version", VERSION, "uptime_ms",
		(json_int_t)(now_ms() - status->started_ms), "bird_running", status->bird_running, "drained",
		status->drained, "attach", status->attach ? status->attach : "none", "xdp",
		status->xdp ? status->xdp : "none", "xdp_relays", status->xdp_relays);
}

static json_t *loopback_rows(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->model->loopback_count; i++) {
		const struct loopback *loopback = status->loopbacks[i].loopback;

		json_array_append_new(list,
			json_pack("{s:s, s:i, s:o, s:b}", "loopback", loopback->name, "zone", loopback->zone,
				"addresses", addresses_text(loopback->addresses, loopback->address_count),
				"announced", status->loopbacks[i].announced));
	}
	return list;
}

static json_t *tunnel_rows(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->model->tunnel_count; i++)
		json_array_append_new(list, tunnel_row(&status->tunnels[i]));
	return list;
}

/* Alone there are none. */
static json_t *member_rows(const struct request *request)
{
	const struct status *status = request->views->status;
	json_t *list = json_array();

	for (size_t i = 0; model_has_members(status->model) && i < status->model->array.member_count; i++)
		json_array_append_new(list, member_row(request, &status->members[i]));
	return list;
}

/* Reasons to drop, with packets. */
static json_t *drop_rows(const struct reason_count *totals)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < REASON_COUNT; i++)
		if (reason_is_drop(i) && totals[i].packets > 0)
			json_array_append_new(list, reason_row(i, &totals[i]));
	return list;
}

static json_t *table_object(uint64_t count, const struct flow_table *table)
{
	return json_pack("{s:I, s:I}", "count", (json_int_t)count, "capacity", (json_int_t)table->count);
}

static json_t *answer_object(
	const struct request *request, const struct reason_count *totals, json_t *trouble)
{
	const struct ctl_views *views = request->views;
	const struct status *status = views->status;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "gateway", gateway_object(status),
		"degraded", trouble, "loopbacks", loopback_rows(status), "tunnels", tunnel_rows(status),
		"members", member_rows(request), "relay",
		model_has_members(status->model) ? relay_object(totals) : json_null(), "flows",
		table_object(request->count, views->flows), "devices",
		table_object(request->device_count, views->devices), "drops", drop_rows(totals));
}

/* From there on, where all are established, every fifth new one finds no line (bpf/table.h). */
#define FULL_PERCENT 80

static void judge_table(json_t *list, const char *what, const struct flow_table *table, uint64_t count)
{
	uint64_t percent = table->count ? count * 100 / table->count : 0;

	if (percent >= FULL_PERCENT)
		degraded(list,
			json_sprintf("the table of %s is %u %% full, and new ones go without a line where "
				     "it is: see tables.%s",
				what, (unsigned)percent, what));
}

/* Trouble with the counters is told in `degraded`, where there is room for it. */
static int answer(struct request *request)
{
	struct reason_count totals[REASON_COUNT] = {0};
	struct error error;
	size_t troubles;
	json_t *trouble;

	request->hooks->refresh(request->hooks->self);
	trouble = judge(request->views->status);
	judge_table(trouble, "flows", request->views->flows, request->count);
	judge_table(trouble, "devices", request->views->devices, request->device_count);
	if (request->hooks->reasons(request->hooks->self, totals, &error) < 0)
		degraded(trouble, json_sprintf("the counters cannot be read: %s", error.text));
	troubles = json_array_size(trouble);
	if (troubles > 0)
		error_set(&request->error, REPLY_DEGRADED, "degraded: %s%s",
			json_string_value(json_array_get(trouble, 0)), troubles > 1 ? ", and more" : "");
	request_row(request, answer_object(request, totals, trouble));
	return troubles > 0 ? REPLY_DEGRADED : REPLY_FINE;
}

/* Counts a slice of the devices; true when the table's end is reached. */
static bool count_devices(struct request *request)
{
	const struct flow_table *table = request->views->devices;
	struct flow_filter alive = filter_alive(request);
	uint32_t left = table->count - request->index;
	uint32_t end = request->index + (left < FLOW_SLICE ? left : FLOW_SLICE);
	struct line line;

	while (flow_next(table, &request->index, end, &alive, &line))
		request->device_count++;
	return request->index == table->count;
}

int status_step(struct request *request)
{
	bool devices = request->phase == 1;

	if (!(devices ? count_devices(request) : tally_slice(request)))
		return REQUEST_MORE;
	if (devices)
		return answer(request);
	request->phase = 1;
	request->index = 0;
	return REQUEST_MORE;
}

int stats_step(struct request *request)
{
	struct reason_count totals[REASON_COUNT] = {0};

	if (request->hooks->reasons(request->hooks->self, totals, &request->error) < 0)
		return REPLY_DEGRADED;
	for (unsigned i = 0; i < REASON_COUNT; i++)
		request_row(request, reason_row(i, &totals[i]));
	return REPLY_FINE;
}
