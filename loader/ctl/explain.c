// SPDX-License-Identifier: Apache-2.0
/*
 * Where would this packet go, and why? The answer is the BPF programs' own: main runs `explain`, which calls
 * the very functions that packets meet. We ask it once a tunnel that a request could come in by, and once for
 * the response, and give the numbers names.
 */
#include <arpa/inet.h>

#include "ctl/methods.h"
#include "ctl/rows.h"

static int ask(struct request *request, const struct line_key *key, enum explain_direction direction,
	uint16_t tunnel, struct explanation *answer)
{
	*answer = (struct explanation){.direction = (uint16_t)direction, .key = *key, .tunnel = tunnel};
	return request->hooks->explain(request->hooks->self, answer, &request->error);
}

static json_t *admission(const struct tunnel *tunnel, const struct explanation *answer)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s}", "tunnel", tunnel->name, "provider",
		tunnel->provider->name, "admitted", !reason_is_drop(answer->reason), "reason",
		reason_name(answer->reason), "words", reason_words(answer->reason));
}

/* By each tunnel of the provider that holds the device; by every tunnel when nobody holds it. */
static json_t *admissions(
	struct request *request, const struct line_key *key, const struct provider *provider)
{
	const struct model *model = request->views->status->model;
	json_t *list = json_array();
	struct explanation answer;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct tunnel *tunnel = &model->tunnels[i];

		if (provider && tunnel->provider != provider)
			continue;
		if (ask(request, key, EXPLAIN_REQUEST, tunnel->number, &answer) < 0) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, admission(tunnel, &answer));
	}
	return list;
}

static json_t *response_object(const struct model *model, const struct explanation *answer)
{
	bool sent = !reason_is_drop(answer->reason) && answer->way_tunnel != 0;

	return json_pack("{s:b, s:s, s:s, s:o, s:o}", "sent", sent, "reason", reason_name(answer->reason),
		"words", reason_words(answer->reason), "gateway", gateway_name(model, answer->way_gateway),
		"tunnel", tunnel_name(model, answer->way_tunnel));
}

static json_t *flow_object(const struct request *request, const struct explanation *answer)
{
	struct line line;
	uint32_t index = answer->line - 1;

	if (answer->line == 0 || index >= request->views->flows->count ||
		!flow_read(request->views->flows, index, &line))
		return json_null();
	return flow_row(request->views, index, &line);
}

static json_t *device_object(const struct request *request, const struct explanation *answer)
{
	struct line line;
	uint32_t index = answer->device_line - 1;

	if (answer->device_line == 0 || index >= request->views->devices->count ||
		!flow_read(request->views->devices, index, &line))
		return json_null();
	return device_row(request->views, &line);
}

int explain_step(struct request *request)
{
	const struct model *model = request->views->status->model;
	const struct provider *provider;
	enum explain_direction direction;
	struct explanation answer;
	struct address device, loopback;
	struct line_key key;
	json_t *requests = json_null();
	int r = flow_of_ends(request, &key, &direction);

	if (r)
		return r;
	device = flow_source(&(struct line){.key = key});
	loopback = flow_destination(&(struct line){.key = key});
	provider = provider_of(model, key.zone, &device);
	if (ask(request, &key, EXPLAIN_RESPONSE, 0, &answer) < 0)
		return REPLY_DEGRADED;
	if (direction == EXPLAIN_REQUEST)
		requests = admissions(request, &key, provider);
	if (!requests)
		return REPLY_DEGRADED;
	request_row(request,
		json_pack("{s:s, s:i, s:o, s:o, s:i, s:o, s:i, s:o, s:o, s:o, s:o, s:o}", "direction",
			direction == EXPLAIN_REQUEST ? "request" : "response", "zone", key.zone, "protocol",
			protocol_name(key.protocol), "source", address_text(&device), "source_port",
			ntohs(key.source_port), "destination", address_text(&loopback), "destination_port",
			ntohs(key.destination_port), "provider",
			provider ? json_string(provider->name) : json_null(), "requests", requests,
			"flow_entry", flow_object(request, &answer), "device_entry",
			device_object(request, &answer), "response", response_object(model, &answer)));
	return REPLY_FINE;
}
