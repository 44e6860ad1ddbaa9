// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together in a probe: one thing that it decides about, one question, and a path on which the answer comes
 * back.
 *
 * By a tunnel only the other end of its link can be asked, and by one of an egress group who is at the group's destinations:
 * nobody else's answer is let in there. By an uplink, or as the machine's routes lead, anybody but a device.
 */
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"
#include "conf/check.h"

struct probe_review {
	struct review *review;
	const struct model *model;
	const struct probe *probe;
	size_t index;
};

static void fault(const struct probe_review *at, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fault(const struct probe_review *at, const char *key, const char *format, ...)
{
	char path[KEY_PATH_SIZE], words[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	snprintf(path, sizeof(path), "probes[%zu]%s%s", at->index, *key ? "." : "", key);
	review_problem(at->review, path, "%s", words);
}

/* It names something that there is not, and that has been said. */
static bool was_refused(const struct probe_review *at, const char *key)
{
	char path[KEY_PATH_SIZE];

	snprintf(path, sizeof(path), "probes[%zu].%s", at->index, key);
	for (size_t i = 0; i < at->review->problems->count; i++)
		if (strcmp(at->review->problems->items[i].key, path) == 0)
			return true;
	return false;
}

static void decides_about_one_thing(const struct probe_review *at)
{
	const struct probe *probe = at->probe;

	if (probe->loopback && probe->tunnel)
		fault(at, "", "decides about a loopback and a tunnel: write two probes");
	else if (!probe->loopback && !probe->tunnel && !was_refused(at, "loopback") &&
		 !was_refused(at, "tunnel"))
		fault(at, "", "decides about nothing: write loopback: NAME or tunnel: NAME");
}

static void asks_one_question(const struct probe_review *at)
{
	const struct probe *probe = at->probe;
	unsigned count = probe->icmp.enabled + probe->tcp.enabled + probe->http.enabled;

	if (count != 1)
		fault(at, "", "has %s: write icmp, tcp or http", count ? "several questions" : "no question");
}

static void times_fit(const struct probe_review *at)
{
	char timeout[DURATION_TEXT_SIZE], interval[DURATION_TEXT_SIZE];

	if (at->probe->interval_ms && at->probe->timeout_ms > at->probe->interval_ms)
		fault(at, "timeout", "%s is longer than the interval, %s",
			format_duration(at->probe->timeout_ms, timeout),
			format_duration(at->probe->interval_ms, interval));
}

static void through_is_an_uplink(const struct probe_review *at)
{
	if (!at->probe->through)
		return;
	for (size_t i = 0; i < at->model->uplink_count; i++)
		if (!at->model->uplinks[i] || strcmp(at->model->uplinks[i], at->probe->through) == 0)
			return;
	fault(at, "through", "\"%s\" is no uplink: add it to uplinks, or correct it here",
		at->probe->through);
}

static const char *target_key(const struct probe *probe)
{
	if (probe->icmp.enabled)
		return "icmp.to";
	return probe->tcp.enabled ? "tcp.to" : "http.url";
}

static bool is_on_link(const struct tunnel *tunnel, const struct address *address)
{
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (tunnel->addresses[i].length == 0 || prefix_contains(&tunnel->addresses[i], address))
			return true;
	return tunnel->address_count == 0;
}

static bool is_own(const struct tunnel *tunnel, const struct address *address)
{
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (address_equal(&tunnel->addresses[i].address, address))
			return true;
	return false;
}

/* Its egress group leads there. */
static bool is_destination(const struct probe_review *at, const struct address *address)
{
	const struct egress_group *group = model_egress_of(at->model, at->probe->tunnel);

	for (size_t i = 0; group && i < group->destination_count; i++)
		if (group->destinations[i].length == 0 || prefix_contains(&group->destinations[i], address))
			return true;
	return false;
}

static const struct provider *holder_of(const struct model *model, const struct address *address)
{
	for (size_t i = 0; i < model->provider_count; i++)
		for (size_t j = 0; j < model->providers[i].prefix_count; j++)
			if (model->providers[i].prefixes[j].length &&
				prefix_contains(&model->providers[i].prefixes[j], address))
				return &model->providers[i];
	return NULL;
}

static void the_target_can_be_asked(const struct probe_review *at)
{
	const struct probe *probe = at->probe;
	const struct address *target = model_probe_target(probe);
	const struct provider *holder = holder_of(at->model, target);
	char text[ADDRESS_TEXT_SIZE];

	if (!address_is_set(target))
		return;
	address_format(target, text);
	if (holder)
		fault(at, target_key(probe), "%s is a device's address, of provider %s: no route leads there",
			text, holder->name ?: "?");
	else if (probe->tunnel && !probe->through && is_own(probe->tunnel, target))
		fault(at, target_key(probe), "%s is this end's own address: write the other end's", text);
	else if (probe->tunnel && !probe->through && !is_on_link(probe->tunnel, target) &&
		 !is_destination(at, target))
		fault(at, target_key(probe),
			"%s is on no link of the tunnel's addresses, and no destination of its egress group: "
			"by a tunnel nobody else can be asked",
			text);
}

/* What comes in by a link for one of these is dropped, but for the link's own address. NULL: it is none of them. */
static const char *role_of(const struct probe_review *at, const struct address *address)
{
	const struct model *model = at->model;

	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t k = 0; k < model->loopbacks[i].address_count; k++)
			if (address_equal(&model->loopbacks[i].addresses[k], address))
				return "a loopback";
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (&model->tunnels[i] != at->probe->tunnel && is_own(&model->tunnels[i], address))
			return "another tunnel's address";
	return NULL;
}

static void an_answer_comes_back(const struct probe_review *at)
{
	const struct probe *probe = at->probe;
	const struct address *target = model_probe_target(probe);
	const char *role = role_of(at, &probe->from);
	char text[ADDRESS_TEXT_SIZE];

	if (!address_is_set(target) || !address_is_set(&probe->from))
		return;
	address_format(&probe->from, text);
	if (!model_probe_goes_beyond(probe))
		fault(at, "from", "is for a destination of the tunnel's egress group: leave it out");
	else if (address_is_v4(&probe->from) != address_is_v4(target))
		fault(at, "from", "%s is of another family than whom it asks", text);
	else if (address_is_link_local(&probe->from))
		fault(at, "from", "%s is link-local: nobody behind the link can answer it", text);
	else if (role)
		fault(at, "from",
			"%s is %s, for which nothing is let in by this tunnel: write another address", text,
			role);
}

/* A link-local address nobody behind the link can answer. */
static void there_is_an_address_to_ask_from(const struct probe_review *at)
{
	const struct probe *probe = at->probe;
	const struct address *target = model_probe_target(probe);

	if (address_is_set(target) && is_destination(at, target) && model_probe_goes_beyond(probe) &&
		!model_probe_source(probe))
		fault(at, target_key(probe),
			"no address of the tunnel can be asked from: add one of this family, or write from");
}

static void tls_keys_go_with_https(const struct probe_review *at)
{
	const struct probe_http *http = &at->probe->http;

	if (!http->enabled || !http->url || http->tls)
		return;
	if (http->ca_file)
		fault(at, "http.ca_file", "is for https, and the URL says http");
	if (!http->verify)
		fault(at, "http.verify", "is for https, and the URL says http");
}

void check_probes(struct review *review, const struct model *model)
{
	static void (*const checks[])(const struct probe_review *) = {
		decides_about_one_thing,
		asks_one_question,
		times_fit,
		through_is_an_uplink,
		the_target_can_be_asked,
		an_answer_comes_back,
		there_is_an_address_to_ask_from,
		tls_keys_go_with_https,
	};

	for (size_t i = 0; i < model->probe_count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(checks); j++)
			checks[j](&(struct probe_review){review, model, &model->probes[i], i});
}
