// SPDX-License-Identifier: Apache-2.0
/* Tunnels and the BGP sessions that run through them. */
#include "ctl/tunnels.h"

#include "base/clock.h"
#include "ctl/methods.h"
#include "ctl/rows.h"

static const char *session_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_OFF] = "off", [SESSION_DOWN] = "down", [SESSION_UP] = "up"};

	return names[state];
}

static json_t *age_ms(uint64_t then_ms)
{
	uint64_t now = now_ms();

	return json_integer(now > then_ms ? (json_int_t)(now - then_ms) : 0);
}

static json_t *prefixes_text(const struct prefix *prefixes, size_t count)
{
	char text[PREFIX_TEXT_SIZE];
	json_t *texts = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(texts, json_string(prefix_format(&prefixes[i], text)));
	return texts;
}

/* Whether an operator took it out. */
static const char *service_name(const struct tunnel_status *is)
{
	if (is->leaving)
		return "leaving";
	return is->disabled ? "disabled" : "enabled";
}

/* Milliseconds from now; null: never. */
static json_t *due_ms(int64_t milliseconds)
{
	return milliseconds < 0 ? json_null() : json_integer(milliseconds);
}

/* Of no IPsec tunnel: null. */
static json_t *ipsec_row(const struct tunnel_status *is)
{
	const struct ipsec_status *ipsec = &is->ipsec;

	if (!is->tunnel->ipsec.enabled)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:s}", "ike",
		*ipsec->ike ? ipsec->ike : "none", "ike_age_ms",
		*ipsec->ike ? json_integer((json_int_t)ipsec->ike_age_ms) : json_null(), "ike_rekey_ms",
		*ipsec->ike ? due_ms(ipsec->ike_rekey_ms) : json_null(), "reauthenticate_ms",
		*ipsec->ike ? due_ms(ipsec->reauthenticate_ms) : json_null(), "esp",
		*ipsec->esp ? ipsec->esp : "none", "esp_age_ms",
		*ipsec->esp ? json_integer((json_int_t)ipsec->esp_age_ms) : json_null(), "esp_rekey_ms",
		*ipsec->esp ? due_ms(ipsec->esp_rekey_ms) : json_null(), "received_bytes",
		(json_int_t)ipsec->received_bytes, "sent_bytes", (json_int_t)ipsec->sent_bytes, "error",
		is->ipsec_error);
}

json_t *tunnel_row(const struct tunnel_status *is)
{
	const struct tunnel *tunnel = is->tunnel;

	return json_pack("{s:s, s:i, s:s?, s:s, s:s, s:o, s:i, s:o, s:b, "
			 "s:s, s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
		"tunnel", tunnel->name, "number", tunnel->number, "provider", tunnel_provider(tunnel), "kind",
		tunnel_kind_name(tunnel), "driver", is->driver ? is->driver : "none", "interface_index",
		is->ifindex ? json_integer(is->ifindex) : json_null(), "listen_port", tunnel_port(tunnel),
		"addresses", prefixes_text(tunnel->addresses, tunnel->address_count), "usable", is->usable,
		"cause", is->cause ? is->cause : "", "service", service_name(is), "usable_changed_ms",
		age_ms(is->usable_since_ms), "bfd", session_name(is->bfd), "bgp", session_name(is->bgp),
		"bgp_state", is->bgp_text, "handshake_age_ms",
		is->handshake_age_ms == UINT64_MAX ? json_null()
						   : json_integer((json_int_t)is->handshake_age_ms),
		"received", traffic(is->received_packets, is->received_bytes), "sent",
		traffic(is->sent_packets, is->sent_bytes), "ipsec", ipsec_row(is));
}

/* Of either kind: a router's has no tunnel and no provider, a tunnel's no router. */
struct session {
	const char *tunnel, *router, *interface, *provider;
	const struct bgp *bgp;
	enum session_state state, bfd;
	const char *words;
	uint64_t since_ms;
};

static json_t *bgp_row(const struct session *is)
{
	const struct bgp *bgp = is->bgp;

	return json_pack("{s:s, s:s?, s:s?, s:s, s:s?, s:o, s:I, s:I, s:s, "
			 "s:s, s:o, s:s, s:i, s:i, s:I, s:i, s:I, s:o, s:I}",
		"session", is->tunnel ? is->tunnel : is->router, "tunnel", is->tunnel, "router", is->router,
		"interface", is->interface, "provider", is->provider, "neighbor",
		address_text(&bgp->neighbor), "local_as", (json_int_t)bgp->local_as, "peer_as",
		(json_int_t)bgp->peer_as, "bgp", session_name(is->state), "bgp_state", is->words,
		"bgp_changed_ms", age_ms(is->since_ms), "bfd", session_name(is->bfd), "bfd_interval_ms",
		(int)bgp->bfd.interval_ms, "bfd_multiplier", bgp->bfd.multiplier, "med", (json_int_t)bgp->med,
		"prepend", bgp->prepend, "local_pref", (json_int_t)bgp->local_pref, "import",
		prefixes_text(bgp->import, bgp->import_count), "import_maximum",
		(json_int_t)bgp->import_maximum);
}

static json_t *tunnel_session(const struct tunnel_status *is)
{
	const struct tunnel *tunnel = is->tunnel;

	return bgp_row(&(struct session){tunnel->name, NULL, tunnel->name, tunnel_provider(tunnel),
		&tunnel->bgp, is->bgp, is->bfd, is->bgp_text, is->bgp_since_ms});
}

static json_t *router_session(const struct router_status *is)
{
	const struct router *router = is->router;

	return bgp_row(&(struct session){NULL, router->name, router->interface, NULL, &router->bgp, is->bgp,
		is->bfd, is->bgp_text, is->bgp_since_ms});
}

typedef json_t *(*tunnel_status_row)(const struct tunnel_status *is);

static bool is_asked_for(const struct arguments *arguments, const struct tunnel *tunnel, bool only_bgp)
{
	if (arguments->router || (only_bgp && !tunnel->bgp.enabled))
		return false;
	if (arguments->provider && arguments->provider != tunnel->provider)
		return false;
	return !arguments->tunnel || arguments->tunnel == tunnel;
}

static int list(struct request *request, bool only_bgp, tunnel_status_row row)
{
	const struct status *status = request->views->status;

	if (request->index == 0)
		request->hooks->refresh(request->hooks->self);
	for (; request->index < status->model->tunnel_count; request->index++) {
		const struct tunnel_status *is = &status->tunnels[request->index];

		if (request_full(request))
			return REQUEST_MORE;
		if (!is_asked_for(&request->arguments, is->tunnel, only_bgp))
			continue;
		request_row(request, row(is));
		request->count++;
	}
	return REPLY_FINE;
}

int tunnel_list_step(struct request *request)
{
	return list(request, false, tunnel_row);
}

int tunnel_get_step(struct request *request)
{
	return list(request, false, tunnel_row);
}

static int set_disabled(struct request *request, bool disabled)
{
	int r = request->hooks->disable(
		request->hooks->self, request->arguments.tunnel, disabled, &request->error);

	return r < 0 ? REPLY_DEGRADED : REPLY_FINE;
}

int tunnel_disable_step(struct request *request)
{
	return set_disabled(request, true);
}

int tunnel_enable_step(struct request *request)
{
	return set_disabled(request, false);
}

/* Routers come behind the tunnels; none is any provider's. */
static int list_sessions(struct request *request)
{
	const struct status *status = request->views->status;
	const struct arguments *arguments = &request->arguments;
	size_t tunnels = status->model->tunnel_count;
	int r = list(request, true, tunnel_session);

	if (r != REPLY_FINE || arguments->provider || arguments->tunnel)
		return r;
	for (; request->index < tunnels + status->model->router_count; request->index++) {
		const struct router_status *is = &status->routers[request->index - tunnels];

		if (request_full(request))
			return REQUEST_MORE;
		if (arguments->router && arguments->router != is->router)
			continue;
		request_row(request, router_session(is));
		request->count++;
	}
	return REPLY_FINE;
}

int bgp_list_step(struct request *request)
{
	return list_sessions(request);
}

int bgp_get_step(struct request *request)
{
	int r = list_sessions(request);

	if (r == REPLY_FINE && request->count == 0)
		return error_set(&request->error, REPLY_NOT_FOUND, "the tunnel “%s” has no BGP session",
			request->arguments.tunnel->name);
	return r;
}
