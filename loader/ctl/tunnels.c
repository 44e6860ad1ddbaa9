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

json_t *tunnel_row(const struct tunnel_status *is)
{
	const struct tunnel *tunnel = is->tunnel;

	return json_pack("{s:s, s:i, s:s?, s:s, s:o, s:i, s:o, s:b, s:o, s:s, s:s, s:s, s:o, s:o, s:o}",
		"tunnel", tunnel->name, "number", tunnel->number, "provider", tunnel_provider(tunnel),
		"driver", is->driver ? is->driver : "none", "interface_index",
		is->ifindex ? json_integer(is->ifindex) : json_null(), "listen_port",
		tunnel->wireguard.listen_port, "addresses",
		prefixes_text(tunnel->addresses, tunnel->address_count), "usable", is->usable,
		"usable_changed_ms", age_ms(is->usable_since_ms), "bfd", session_name(is->bfd), "bgp",
		session_name(is->bgp), "bgp_state", is->bgp_text, "handshake_age_ms",
		is->handshake_age_ms == UINT64_MAX ? json_null()
						   : json_integer((json_int_t)is->handshake_age_ms),
		"received", traffic(is->received_packets, is->received_bytes), "sent",
		traffic(is->sent_packets, is->sent_bytes));
}

static json_t *bgp_row(const struct tunnel_status *is)
{
	const struct bgp *bgp = &is->tunnel->bgp;

	return json_pack("{s:s, s:s?, s:o, s:I, s:I, s:s, s:s, s:o, s:s, s:i, s:i, s:o, s:I}", "tunnel",
		is->tunnel->name, "provider", tunnel_provider(is->tunnel), "neighbor",
		address_text(&bgp->neighbor), "local_as", (json_int_t)bgp->local_as, "peer_as",
		(json_int_t)bgp->peer_as, "bgp", session_name(is->bgp), "bgp_state", is->bgp_text,
		"bgp_changed_ms", age_ms(is->bgp_since_ms), "bfd", session_name(is->bfd), "bfd_interval_ms",
		(int)bgp->bfd.interval_ms, "bfd_multiplier", bgp->bfd.multiplier, "import",
		prefixes_text(bgp->import, bgp->import_count), "import_maximum",
		(json_int_t)bgp->import_maximum);
}

typedef json_t *(*tunnel_status_row)(const struct tunnel_status *is);

static int list(struct request *request, bool only_bgp, tunnel_status_row row)
{
	const struct status *status = request->views->status;
	const struct arguments *arguments = &request->arguments;

	if (request->index == 0)
		request->hooks->refresh(request->hooks->self);
	for (; request->index < status->model->tunnel_count; request->index++) {
		const struct tunnel_status *is = &status->tunnels[request->index];

		if (request_full(request))
			return REQUEST_MORE;
		if (only_bgp && !is->tunnel->bgp.enabled)
			continue;
		if (arguments->provider && arguments->provider != is->tunnel->provider)
			continue;
		if (arguments->tunnel && arguments->tunnel != is->tunnel)
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

int bgp_list_step(struct request *request)
{
	return list(request, true, bgp_row);
}

int bgp_get_step(struct request *request)
{
	int r = list(request, true, bgp_row);

	if (r == REPLY_FINE && request->count == 0)
		return error_set(&request->error, REPLY_NOT_FOUND, "the tunnel “%s” has no BGP session",
			request->arguments.tunnel->name);
	return r;
}
