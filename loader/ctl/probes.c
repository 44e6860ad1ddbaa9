// SPDX-License-Identifier: Apache-2.0
/* Probes: how they are, what they heard last, and what became of them. */
#include "base/clock.h"
#include "ctl/methods.h"
#include "ctl/rows.h"

static json_t *age_ms(uint64_t then_ms)
{
	uint64_t now = now_ms();

	return json_integer(now > then_ms ? (json_int_t)(now - then_ms) : 0);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static const char *kind_of(const struct probe *probe)
{
	if (probe->icmp.enabled)
		return "icmp";
	if (probe->tcp.enabled)
		return "tcp";
	return probe->http.tls ? "https" : "http";
}

static json_t *target_of(const struct probe *probe)
{
	char text[ADDRESS_TEXT_SIZE];
	const char *address = address_format(model_probe_target(probe), text);

	if (probe->http.enabled)
		return json_string(probe->http.url);
	if (probe->icmp.enabled)
		return json_string(address);
	return json_sprintf(address_is_v4(&probe->tcp.to) ? "%s:%u" : "[%s]:%u", address, probe->tcp.port);
}

/* NULL: as routes lead. */
static json_t *source_of(const struct probe *probe)
{
	const struct address *source = model_probe_source(probe);

	return source ? address_text(source) : json_null();
}

static json_t *last_object(const struct probe_state *is)
{
	if (!is->has_result)
		return json_null();
	return json_pack("{s:b, s:s, s:I, s:o}", "good", is->last_good, "result", is->last_words, "took_us",
		(json_int_t)is->last_took_us, "age_ms", age_ms(is->last_ms));
}

static json_t *transition_rows(const struct probe_state *is)
{
	const struct probe_transition *transition;
	json_t *list = json_array();

	for (size_t back = 0; (transition = probe_transition(is, back)); back++)
		json_array_append_new(
			list, json_pack("{s:s, s:o, s:s}", "state", probe_phase_name(transition->phase),
				      "age_ms", age_ms(transition->at_ms), "cause", transition->cause));
	return list;
}

static json_t *held_ms(const struct probe_state *is)
{
	uint64_t now = now_ms();
	bool held = is->phase == PROBE_DOWN && is->held_until_ms > now;

	return json_integer(held ? (json_int_t)(is->held_until_ms - now) : 0);
}

static json_t *probe_row(const struct probe *probe, const struct probe_state *is)
{
	json_t *row = json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:s, s:b, s:b}", "probe",
		probe->name, "loopback", text_or_null(probe->loopback ? probe->loopback->name : NULL),
		"tunnel", text_or_null(probe->tunnel ? probe->tunnel->name : NULL), "kind", kind_of(probe),
		"target", target_of(probe), "through", text_or_null(probe->through), "from", source_of(probe),
		"state", probe_phase_name(is->phase), "changed_ms", age_ms(is->since_ms), "cause",
		probe_cause(is), "was_up", is->was_up, "maintained", is->maintained);
	json_t *more = json_pack("{s:I, s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "interval_ms",
		(json_int_t)probe->interval_ms, "timeout_ms", (json_int_t)probe->timeout_ms, "rise",
		probe->rise, "fall", probe->fall, "successes_in_row", (json_int_t)is->successes,
		"failures_in_row", (json_int_t)is->failures, "attempts", (json_int_t)is->attempts, "failed",
		(json_int_t)is->failed, "held_ms", held_ms(is), "last", last_object(is), "transitions",
		transition_rows(is));

	json_object_update(row, more);
	json_decref(more);
	return row;
}

static int list(struct request *request, const struct probe *only)
{
	const struct status *status = request->views->status;

	for (; request->index < status->model->probe_count; request->index++) {
		const struct probe *probe = &status->model->probes[request->index];

		if (request_full(request))
			return REQUEST_MORE;
		if (!only || only == probe)
			request_row(request, probe_row(probe, &status->probes[request->index]));
	}
	return REPLY_FINE;
}

int probe_list_step(struct request *request)
{
	return list(request, NULL);
}

int probe_get_step(struct request *request)
{
	return list(request, request->arguments.probe);
}
