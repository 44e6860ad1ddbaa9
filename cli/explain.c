// SPDX-License-Identifier: Apache-2.0
/* `flow explain`: gwd's answer told in sentences. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/flow.h"
#include "cli/nouns.h"
#include "cli/report.h"

static void line(const char *topic, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *topic, const char *format, ...)
{
	va_list arguments;

	printf("%-9s  ", topic);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

static const char *ends_of(const char *direction)
{
	if (strcmp(direction, "egress") == 0)
		return "from a LAN";
	return strcmp(direction, "request") == 0 ? "from a device to a loopback"
						 : "from a loopback to a device";
}

/* The direction in which the packet itself travels; an ICMP error travels against what it is about. */
static void tell_question(const json_t *answer)
{
	char device[CELL_SIZE], loopback[CELL_SIZE];
	bool request = strcmp(text_of(answer, "direction"), "request") == 0;
	bool egress = strcmp(text_of(answer, "direction"), "egress") == 0;
	bool error = strcmp(text_of(answer, "kind"), "icmp_error") == 0;
	bool fragment = strcmp(text_of(answer, "kind"), "fragment") == 0;
	bool from_device = (request || egress) != error;

	cell_endpoint(answer, "source", device, sizeof(device));
	cell_endpoint(answer, "destination", loopback, sizeof(loopback));
	line(text_of(answer, "direction"), "%s%s %s → %s%s: %s, seen at %s",
		error      ? "an ICMP error about "
		: fragment ? "a later fragment of "
			   : "",
		text_of(answer, "protocol"), from_device ? device : loopback, from_device ? loopback : device,
		error ? ", back to its source" : "", ends_of(text_of(answer, "direction")),
		request ? "the tunnel" : text_of(answer, "seen_at"));
}

static void tell_provider(const json_t *answer)
{
	if (json_is_null(json_object_get(answer, "provider")))
		line("provider", "nobody: no provider's prefixes hold %s", text_of(answer, "source"));
	else
		line("provider", "%s holds %s", text_of(answer, "provider"), text_of(answer, "source"));
}

static void tell_admissions(const json_t *requests)
{
	json_t *request;
	size_t i;

	json_array_foreach ((json_t *)requests, i, request)
		if (json_is_string(json_object_get(request, "relayed_to")))
			line("admitted", "by tunnel %s, and relayed to %s: %s (%s)",
				text_of(request, "tunnel"), text_of(request, "relayed_to"),
				text_of(request, "words"), text_of(request, "reason"));
		else
			line(json_is_true(json_object_get(request, "admitted")) ? "admitted" : "refused",
				"by tunnel %s: %s (%s)", text_of(request, "tunnel"),
				text_of(request, "words"), text_of(request, "reason"));
}

static void tell_flow(const json_t *flow)
{
	char idle[CELL_SIZE], tunnel[CELL_SIZE];

	if (!json_is_object(flow)) {
		line("flow", "has no entry");
		return;
	}
	cell_duration(flow, "idle_ms", idle, sizeof(idle));
	cell_tunnel(flow, "tunnel", tunnel, sizeof(tunnel));
	line("flow", "%s, way home %s of %s, owner %s, last seen %s ago", text_of(flow, "state"), tunnel,
		text_of(flow, "gateway"), text_of(flow, "owner"), idle);
}

static void tell_device(const json_t *device)
{
	char idle[CELL_SIZE], tunnel[CELL_SIZE];

	if (!json_is_object(device)) {
		line("device", "was not seen, or not for long");
		return;
	}
	cell_duration(device, "idle_ms", idle, sizeof(idle));
	cell_tunnel(device, "tunnel", tunnel, sizeof(tunnel));
	line("device", "last came in by %s of %s, %s ago", tunnel, text_of(device, "gateway"), idle);
}

/* Of a packet that is dropped: what its sender hears of it. */
static void tell_answer(const json_t *response)
{
	if (json_is_null(json_object_get(response, "answer")))
		return;
	if (json_is_integer(json_object_get(response, "answer_mtu")))
		line("answer",
			"ICMP tells the sender that %lld bytes fit; in IPv4 if it forbids fragments (%s)",
			(long long)json_integer_value(json_object_get(response, "answer_mtu")),
			text_of(response, "answer"));
	else
		line("answer", "ICMP tells the sender (%s)", text_of(response, "answer"));
}

static void tell_response(const json_t *response)
{
	char tunnel[CELL_SIZE];

	if (!json_is_object(response))
		return;
	cell_tunnel(response, "tunnel", tunnel, sizeof(tunnel));
	if (json_is_true(json_object_get(response, "sent")))
		line("response", "%s by %s of %s: %s (%s)",
			json_is_true(json_object_get(response, "relayed")) ? "is relayed, to leave"
									   : "leaves",
			tunnel, text_of(response, "gateway"), text_of(response, "words"),
			text_of(response, "reason"));
	else
		line("response", "%s: %s (%s)",
			json_is_true(json_object_get(response, "dropped")) ? "is dropped" : "stays",
			text_of(response, "words"), text_of(response, "reason"));
	tell_answer(response);
}

static const char *why_chosen(const char *choice)
{
	if (strcmp(choice, "pinned") == 0)
		return "its flow keeps to this link";
	return strcmp(choice, "active") == 0 ? "the one link that is in" : "its share of the flows";
}

static void tell_egress(const json_t *egress)
{
	if (json_is_string(json_object_get(egress, "egress")))
		line("group", "%s, %s", text_of(egress, "egress"), text_of(egress, "mode"));
	else
		line("group", "none: it does not go to the destinations of a group with this interface");
	if (json_is_string(json_object_get(egress, "choice")))
		line("link", "%s: %s", text_of(egress, "tunnel"), why_chosen(text_of(egress, "choice")));
	line("packet", "%s: %s (%s)",
		json_is_true(json_object_get(egress, "sent"))      ? "leaves"
		: json_is_true(json_object_get(egress, "dropped")) ? "is dropped"
								   : "stays",
		text_of(egress, "words"), text_of(egress, "reason"));
	tell_answer(egress);
}

static void tell(const json_t *answer)
{
	const json_t *egress = json_object_get(answer, "egress");

	tell_question(answer);
	if (json_is_object(egress)) {
		tell_egress(egress);
		return;
	}
	tell_provider(answer);
	tell_admissions(json_object_get(answer, "requests"));
	tell_flow(json_object_get(answer, "flow_entry"));
	tell_device(json_object_get(answer, "device_entry"));
	tell_response(json_object_get(answer, "response"));
}

static void add_number(json_t *arguments, const char *name, const char *text)
{
	if (text)
		json_object_set_new(arguments, name, json_integer(strtoll(text, NULL, 10)));
}

static void add_packet(json_t *arguments, const struct invocation *invocation)
{
	if (invocation->from_tunnel)
		json_object_set_new(arguments, "from_tunnel", json_string(invocation->from_tunnel));
	if (invocation->from_uplink)
		json_object_set_new(arguments, "from_uplink", json_true());
	if (invocation->from_lan)
		json_object_set_new(arguments, "from_lan", json_string(invocation->from_lan));
	if (invocation->icmp_error)
		json_object_set_new(arguments, "icmp_error", json_true());
	add_number(arguments, "fragment", invocation->fragment);
	add_number(arguments, "size", invocation->size);
	add_number(arguments, "hops", invocation->hops);
}

int run_flow_explain(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *arguments, *answer = NULL;
	enum reply_code code = flow_ends(invocation, &arguments, &error);

	if (code == REPLY_FINE) {
		add_packet(arguments, invocation);
		code = ask_one(invocation, METHOD_FLOW_EXPLAIN, arguments, &answer, &error);
	}
	if (answer && invocation->json)
		print_document(answer);
	else if (answer)
		tell(answer);
	json_decref(answer);
	return report(invocation, code, &error);
}
