// SPDX-License-Identifier: Apache-2.0
/*
 * Where would this packet go, and why? The answer is the BPF programs' own: main runs `explain`, which calls the
 * very functions that packets meet. We find out where the packet would be seen (at a tunnel, at home0, at an
 * uplink), ask once for each tunnel that it could come in by, and once for a response, and give the numbers names.
 *
 * An ICMP error is asked for by the packet that it is about, and goes the other way: to where that one came from.
 *
 * Of what comes from a LAN, where `egress` says so, lan_ingress decides alone: there is no loopback, no provider, and no answer
 * to look for.
 */
#include <arpa/inet.h>
#include <string.h>

#include "ctl/methods.h"
#include "ctl/rows.h"

struct question {
	enum explain_direction seen;
	enum explain_kind kind;
	struct line_key key;
	const struct provider *provider; /* who holds the device; NULL: nobody */
	uint32_t lan;                    /* the index of the interface, where that is what was asked */
};

static const char *kind_name(enum explain_kind kind)
{
	static const char *const names[] = {[EXPLAIN_PACKET] = "packet",
		[EXPLAIN_FRAGMENT] = "fragment",
		[EXPLAIN_ICMP_ERROR] = "icmp_error"};

	return names[kind];
}

static const char *seen_name(enum explain_direction seen)
{
	static const char *const names[] = {[EXPLAIN_REQUEST] = "tunnel",
		[EXPLAIN_RESPONSE] = "home0",
		[EXPLAIN_UPLINK] = "uplink",
		[EXPLAIN_LAN] = "lan"};

	return names[seen];
}

/* ---- The question ------------------------------------------------------------------------------------------------ */

static bool is_tunnel_address(const struct model *model, const struct address *address)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		for (size_t k = 0; k < model->tunnels[i].address_count; k++)
			if (address_equal(&model->tunnels[i].addresses[k].address, address))
				return true;
	return false;
}

/* Where the packet is seen is said, or follows from its addresses. */
static int find_seen(struct request *request, enum explain_direction *seen)
{
	const struct model *model = request->views->status->model;
	const struct arguments *ends = &request->arguments;
	const struct address *from = ends->icmp_error ? &ends->destination : &ends->source;
	const struct address *to = ends->icmp_error ? &ends->source : &ends->destination;

	if (!!ends->from_tunnel + ends->from_uplink + !!ends->from_lan > 1)
		return error_set(&request->error, REPLY_USAGE,
			"a packet comes from a tunnel, from an uplink or from a LAN");
	if (ends->from_lan)
		*seen = EXPLAIN_LAN;
	else if (ends->from_uplink)
		*seen = EXPLAIN_UPLINK;
	else if (ends->from_tunnel || model_loopback_of(model, to))
		*seen = EXPLAIN_REQUEST;
	else if (model_loopback_of(model, from))
		*seen = EXPLAIN_RESPONSE;
	else if (is_tunnel_address(model, to))
		*seen = EXPLAIN_REQUEST;
	else
		return error_set(&request->error, REPLY_NOT_FOUND,
			"neither end is a loopback of this gateway: say from "
			"which tunnel or LAN it comes, or from an uplink");
	return REPLY_FINE;
}

static int find_kind(struct request *request, enum explain_kind *kind)
{
	bool fragment = GIVEN(&request->arguments, FRAGMENT);

	if (fragment && request->arguments.icmp_error)
		return error_set(&request->error, REPLY_USAGE,
			"an ICMP error is no fragment: ask for one or the other");
	*kind = fragment                        ? EXPLAIN_FRAGMENT
		: request->arguments.icmp_error ? EXPLAIN_ICMP_ERROR
						: EXPLAIN_PACKET;
	return REPLY_FINE;
}

/* Its index; 0 unless a LAN was asked for. */
static int find_lan(struct request *request, uint32_t *index)
{
	const struct status *status = request->views->status;
	const char *name = request->arguments.from_lan;

	for (size_t i = 0; name && i < model_interface_count(status->model); i++)
		if (strcmp(status->uplinks[i].name, name) == 0)
			*index = status->uplinks[i].ifindex;
	if (name && !*index)
		return error_set(&request->error, REPLY_DEGRADED,
			"there is no interface %s now: what would come in by it is not steered", name);
	return REPLY_FINE;
}

static int read_question(struct request *request, struct question *question)
{
	const struct model *model = request->views->status->model;
	struct address device;
	bool from_device;
	int r = find_kind(request, &question->kind);

	if (r == REPLY_FINE)
		r = find_seen(request, &question->seen);
	if (r != REPLY_FINE)
		return r;
	from_device = (question->seen == EXPLAIN_REQUEST || question->seen == EXPLAIN_LAN) !=
		      (question->kind == EXPLAIN_ICMP_ERROR);
	r = flow_of_ends(request, from_device, &question->key);
	if (question->kind == EXPLAIN_FRAGMENT)
		question->key.source_port = question->key.destination_port = 0;
	device = flow_source(&(struct line){.key = question->key});
	if (question->seen != EXPLAIN_LAN)
		question->provider = provider_of(model, question->key.zone, &device);
	return r == REPLY_FINE ? find_lan(request, &question->lan) : r;
}

/* ---- The answers ------------------------------------------------------------------------------------------------- */

static int ask(struct request *request, const struct question *question, enum explain_direction seen,
	uint16_t tunnel, struct explanation *answer)
{
	const struct arguments *arguments = &request->arguments;

	*answer = (struct explanation){.direction = (uint16_t)seen, .key = question->key, .tunnel = tunnel};
	if (seen == EXPLAIN_LAN)
		answer->ifindex = question->lan;
	if (seen == question->seen) { /* else it is the answer, of which all this was not said */
		answer->kind = (uint8_t)question->kind;
		answer->fragment_id = arguments->fragment;
		answer->length = arguments->size;
		answer->hops = arguments->hops;
	}
	return request->hooks->explain(request->hooks->self, answer, &request->error);
}

static json_t *admission(
	const struct model *model, const struct tunnel *tunnel, const struct explanation *answer)
{
	return json_pack("{s:s, s:s?, s:b, s:o, s:s, s:s}", "tunnel", tunnel->name, "provider",
		tunnel_provider(tunnel), "admitted", !reason_is_drop(answer->reason), "relayed_to",
		answer->reason == REASON_relayed_request ? gateway_name(model, answer->way_gateway)
							 : json_null(),
		"reason", reason_name(answer->reason), "words", reason_words(answer->reason));
}

/* By the tunnel that was said; else by each of the provider that holds the device; by every one when nobody does. */
static bool is_asked(
	const struct request *request, const struct question *question, const struct tunnel *tunnel)
{
	if (request->arguments.from_tunnel)
		return tunnel == request->arguments.from_tunnel;
	return !question->provider || tunnel->provider == question->provider;
}

/* *admitted: by any of them. NULL with words when the program did not run. */
static json_t *admissions(struct request *request, const struct question *question, bool *admitted)
{
	const struct model *model = request->views->status->model;
	json_t *list = json_array();
	struct explanation answer;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct tunnel *tunnel = &model->tunnels[i];

		if (!is_asked(request, question, tunnel))
			continue;
		if (ask(request, question, EXPLAIN_REQUEST, tunnel->number, &answer) < 0) {
			json_decref(list);
			return NULL;
		}
		*admitted |= answer.reason == REASON_passed_request ||
			     answer.reason == REASON_relayed_request || answer.reason == REASON_asked_members;
		json_array_append_new(list, admission(model, tunnel, &answer));
	}
	return list;
}

/* What ICMP tells the sender; NULL: nothing. */
static const char *told_name(const struct explanation *answer)
{
	if (!answer->answered)
		return NULL;
	return answer->reason == REASON_too_big ? "packet_too_big" : "time_exceeded";
}

static json_t *response_object(const struct model *model, const struct explanation *answer)
{
	bool dropped = reason_is_drop(answer->reason), sent = !dropped && answer->way_tunnel != 0;

	return json_pack("{s:b, s:b, s:b, s:s, s:s, s:o, s:o, s:o, s:s?, s:o}", "sent", sent, "dropped",
		dropped, "relayed", answer->reason == REASON_relayed_response, "reason",
		reason_name(answer->reason), "words", reason_words(answer->reason), "gateway",
		sent ? gateway_name(model, answer->way_gateway) : json_null(), "tunnel",
		sent ? tunnel_name(model, answer->way_tunnel) : json_null(), "tunnel_number",
		sent ? json_integer(answer->way_tunnel) : json_null(), "answer", told_name(answer),
		"answer_mtu", answer->fits ? json_integer(answer->fits) : json_null());
}

static const struct egress_group *group_by_number(const struct model *model, uint16_t number)
{
	for (size_t i = 0; number && i < model->egress_count; i++)
		if (model->egress[i].number == number)
			return &model->egress[i];
	return NULL;
}

/* Why this link: its flow keeps to it; it is the one that is in; the shares say so. NULL: there is none. */
static const char *choice_name(const struct egress_group *group, const struct explanation *answer)
{
	if (!answer->way_tunnel)
		return NULL;
	if (answer->way_reason == REASON_egress_pinned)
		return "pinned";
	return group && group->mode == EGRESS_LOAD_SHARING ? "share" : "active";
}

static json_t *egress_object(const struct model *model, const struct explanation *answer)
{
	const struct egress_group *group = group_by_number(model, answer->provider);
	bool dropped = reason_is_drop(answer->reason), sent = !dropped && answer->way_tunnel;

	return json_pack("{s:s?, s:s?, s:b, s:b, s:s, s:s, s:o, s:o, s:s?, s:s?, s:o}", "egress",
		group ? group->name : NULL, "mode", group ? egress_mode_name(group) : NULL, "sent", sent,
		"dropped", dropped, "reason", reason_name(answer->reason), "words",
		reason_words(answer->reason), "tunnel",
		answer->way_tunnel ? tunnel_name(model, answer->way_tunnel) : json_null(), "tunnel_number",
		answer->way_tunnel ? json_integer(answer->way_tunnel) : json_null(), "choice",
		choice_name(group, answer), "answer", told_name(answer), "answer_mtu",
		answer->fits ? json_integer(answer->fits) : json_null());
}

static json_t *flow_object(const struct request *request, const struct explanation *answer)
{
	char text[LINE_ROW_SIZE];
	struct line line;
	uint32_t index = answer->line - 1;

	if (answer->line == 0 || index >= request->views->flows->count ||
		!flow_read(request->views->flows, index, &line))
		return json_null();
	return json_loadb(text, flow_row(request->views, index, &line, text), 0, NULL);
}

static json_t *device_object(const struct request *request, const struct explanation *answer)
{
	char text[LINE_ROW_SIZE];
	struct line line;
	uint32_t index = answer->device_line - 1;

	if (answer->device_line == 0 || index >= request->views->devices->count ||
		!flow_read(request->views->devices, index, &line))
		return json_null();
	return json_loadb(text, device_row(request->views, &line, text), 0, NULL);
}

static const char *direction_name(enum explain_direction seen)
{
	if (seen == EXPLAIN_LAN)
		return "egress";
	return seen == EXPLAIN_REQUEST ? "request" : "response";
}

static json_t *question_object(const struct question *question)
{
	const struct line_key *key = &question->key;
	struct address device = flow_source(&(struct line){.key = *key});
	struct address loopback = flow_destination(&(struct line){.key = *key});

	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:i, s:o, s:i, s:s?}", "direction",
		direction_name(question->seen), "seen_at", seen_name(question->seen), "kind",
		kind_name(question->kind), "zone", key->zone, "protocol", protocol_name(key->protocol),
		"source", address_text(&device), "source_port", ntohs(key->source_port), "destination",
		address_text(&loopback), "destination_port", ntohs(key->destination_port), "provider",
		question->provider ? question->provider->name : NULL);
}

/* What is no request has no response; of an admitted one the response goes as any packet of the flow would. */
static bool has_response(const struct question *question, bool admitted)
{
	if (question->seen != EXPLAIN_REQUEST)
		return question->seen != EXPLAIN_LAN;
	return admitted && question->kind == EXPLAIN_PACKET;
}

int explain_step(struct request *request)
{
	const struct model *model = request->views->status->model;
	struct question question = {0};
	struct explanation answer = {0};
	bool request_seen, admitted = false;
	json_t *row, *requests = NULL;
	int r = read_question(request, &question);

	if (r != REPLY_FINE)
		return r;
	request_seen = question.seen == EXPLAIN_REQUEST;
	if (request_seen) {
		requests = admissions(request, &question, &admitted);
		if (!requests)
			return REPLY_DEGRADED;
	}
	if (ask(request, &question, request_seen ? EXPLAIN_RESPONSE : question.seen, 0, &answer) < 0) {
		json_decref(requests);
		return REPLY_DEGRADED;
	}
	row = question_object(&question);
	json_object_set_new(row, "requests", requests ? requests : json_null());
	json_object_set_new(row, "flow_entry", flow_object(request, &answer));
	json_object_set_new(row, "device_entry", device_object(request, &answer));
	json_object_set_new(row, "response",
		has_response(&question, admitted) ? response_object(model, &answer) : json_null());
	json_object_set_new(
		row, "egress", question.seen == EXPLAIN_LAN ? egress_object(model, &answer) : json_null());
	request_row(request, row);
	return REPLY_FINE;
}
