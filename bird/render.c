// SPDX-License-Identifier: Apache-2.0
#include "bird/render.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/marker.h"
#include "base/scan.h"
#include "bird/templates.h"

const char *const bird_template = template_bird_conf;

/* All that differs between the families when text is written. */
static const struct family {
	int family;
	unsigned bits; /* of an address */
	const char *channel, *digit, *announce, *all;
} families[] = {{AF_INET, 32, "ipv4", "4", BIRD_ANNOUNCE_V4, "0.0.0.0/0"},
	{AF_INET6, 128, "ipv6", "6", BIRD_ANNOUNCE_V6, "::/0"}};

/* A stream into memory, and what it says in the end. */
struct writer {
	FILE *stream;
	char *text;
	size_t size;
};

static int writer_open(struct writer *writer, struct error *error)
{
	*writer = (struct writer){0};
	writer->stream = open_memstream(&writer->text, &writer->size);
	if (!writer->stream)
		return error_errno(error, -errno, "BIRD's configuration");
	fprintf(writer->stream, "# Written by gwd: changes are lost.\n\n");
	return 0;
}

static int writer_close(struct writer *writer, char **text, struct error *error)
{
	if (fclose(writer->stream) != 0) {
		free(writer->text);
		return error_errno(error, -errno, "BIRD's configuration");
	}
	*text = writer->text;
	return 0;
}

struct address bird_router_id(const struct model *model)
{
	const struct address *own = &model_member_by_number(model, model->number)->address;
	uint32_t words[4], folded;

	if (address_is_v4(own))
		return *own;
	memcpy(words, own->bytes, sizeof(words));
	folded = words[0] ^ words[1] ^ words[2] ^ words[3];
	folded |= htonl(0xf0000000);
	return address_from_wire(AF_INET, &folded);
}

/* The loopbacks of one family, for the export filter: [ 192.0.2.1/32, … ], or []. */
static void write_loopbacks(FILE *stream, const struct model *model, const struct family *family)
{
	char text[ADDRESS_TEXT_SIZE];
	const char *separator = "";

	fprintf(stream, "define hw_loopbacks%s = [", family->digit);
	for (size_t i = 0; i < model->loopback_count; i++)
		for (size_t j = 0; j < model->loopbacks[i].address_count; j++) {
			const struct address *address = &model->loopbacks[i].addresses[j];

			if (address_family(address) != family->family)
				continue;
			fprintf(stream, "%s %s/%u", separator, address_format(address, text), family->bits);
			separator = ",";
		}
	fprintf(stream, " ];\n");
}

/* The destinations of egress groups, with what holds them and what lies in them: [ 192.0.2.1/32{0,32}, … ], or []. */
static void write_destinations(FILE *stream, const struct model *model, const struct family *family)
{
	char text[PREFIX_TEXT_SIZE];
	const char *separator = "";

	fprintf(stream, "define hw_destinations%s = [", family->digit);
	for (size_t i = 0; i < model->egress_count; i++)
		for (size_t j = 0; j < model->egress[i].destination_count; j++) {
			const struct prefix *destination = &model->egress[i].destinations[j];

			if (address_family(&destination->address) != family->family)
				continue;
			fprintf(stream, "%s %s{0,%u}", separator, prefix_format(destination, text),
				family->bits);
			separator = ",";
		}
	fprintf(stream, " ];\n");
}

int bird_render_node(const struct model *model, const char *log_file, char **text, struct error *error)
{
	struct address router_id = bird_router_id(model);
	char address[ADDRESS_TEXT_SIZE];
	struct writer writer;
	int result;

	if (log_file[0] != '/' || strpbrk(log_file, "\"\n"))
		return error_set(
			error, -EINVAL, "%s: BIRD cannot have its log there: not an absolute path", log_file);
	result = writer_open(&writer, error);
	if (result < 0)
		return result;
	fprintf(writer.stream, "router id %s;\n", address_format(&router_id, address));
	/* A file with an end: a pipe or a socket that nobody reads would stall all of BIRD, its BFD too. */
	fprintf(writer.stream, "log \"%s\" 1048576 \"%s.1\" all;\n", log_file, log_file);
	fprintf(writer.stream, "define hw_marker_table = %d;\n", MARKER_TABLE);
	fprintf(writer.stream, "define hw_guard = \"" GUARD_INTERFACE "\";\n");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_loopbacks(writer.stream, model, &families[i]);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_destinations(writer.stream, model, &families[i]);
	return writer_close(&writer, text, error);
}

/* ---- Sessions: with the neighbours that tunnels lead to, and with routers ----------------------------------------- */

struct session {
	uint16_t tunnel; /* its number; 0: a router's */
	bool told_on;    /* to routers: what it imports */
	bool heard;      /* gwd is to hear of each route that comes or goes */
	const char *name, *interface;
	const struct prefix *addresses;
	size_t address_count;
	const struct bgp *bgp;
};

static size_t session_count(const struct model *model)
{
	return model->tunnel_count + model->router_count;
}

/* The tunnels' first. False: the tunnel has none. */
static bool session_at(const struct model *model, size_t i, struct session *session)
{
	if (i < model->tunnel_count) {
		const struct tunnel *tunnel = &model->tunnels[i];

		*session = (struct session){tunnel->number, !tunnel->provider,
			model_announced_to(model, tunnel) != NULL, tunnel->name, tunnel->name,
			tunnel->addresses, tunnel->address_count, &tunnel->bgp};
		return tunnel->bgp.enabled;
	}
	const struct router *router = &model->routers[i - model->tunnel_count];

	*session = (struct session){0, false, false, router->name, router->interface, router->addresses,
		router->address_count, &router->bgp};
	return true;
}

/* One protocol for all; of two routers on one interface the first one's values count. */
static void write_bfd(FILE *stream, const struct model *model)
{
	struct session session;

	fprintf(stream, "protocol bfd hw_bfd {\n\tstrict bind yes;\n");
	for (size_t i = 0; i < session_count(model); i++) {
		if (!session_at(model, i, &session) || !session.bgp->bfd.enabled)
			continue;
		/* Idle means down: often enough to notice soon that the neighbour is back. */
		fprintf(stream,
			"\tinterface \"%s\" { interval %u ms; multiplier %u; idle tx interval 300 ms; };\n",
			session.interface, session.bgp->bfd.interval_ms, session.bgp->bfd.multiplier);
	}
	fprintf(stream, "}\n");
}

static void write_markers(FILE *stream, const struct model *model, const struct family *family)
{
	char destination[ADDRESS_TEXT_SIZE], neighbor[ADDRESS_TEXT_SIZE];

	fprintf(stream, "\nprotocol static hw_static_markers%s {\n\t%s { table hw_markers%s; };\n",
		family->digit, family->channel, family->digit);
	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct tunnel *tunnel = &model->tunnels[i];
		struct address marker = marker_address(family->family, tunnel->number);

		if (!tunnel->bgp.enabled || !tunnel->bgp.bfd.enabled ||
			address_family(&tunnel->bgp.neighbor) != family->family)
			continue;
		fprintf(stream, "\troute %s/%u via %s%%'%s' bfd;\n", address_format(&marker, destination),
			family->bits, address_format(&tunnel->bgp.neighbor, neighbor), tunnel->name);
	}
	fprintf(stream, "}\n");
}

/* Where the next hops of what is told on are looked up: nothing is, without the guard's interface. */
static void write_guard(FILE *stream, const struct family *family)
{
	fprintf(stream,
		"\nprotocol static hw_static_guard%s {\n\t%s { table hw_guard%s; };\n\troute %s via "
		"\"" GUARD_INTERFACE "\";\n}\n",
		family->digit, family->channel, family->digit, family->all);
}

/* The next hop we give for routes of a family: our first address of it. NULL: there is none. */
static const struct address *next_hop(const struct session *session, int family)
{
	for (size_t i = 0; i < session->address_count; i++)
		if (address_family(&session->addresses[i].address) == family)
			return &session->addresses[i].address;
	return NULL;
}

/* [ 100.64.0.0/10+, … ]: what may be imported of a family; false, and nothing is written: nothing. */
static bool write_prefixes(FILE *stream, const struct bgp *bgp, const struct family *family)
{
	char text[PREFIX_TEXT_SIZE];
	size_t written = 0;

	for (size_t i = 0; i < bgp->import_count; i++)
		if (address_family(&bgp->import[i].address) == family->family)
			fprintf(stream, "%s%s+", written++ ? ", " : "\t\timport filter { if net ~ [ ",
				prefix_format(&bgp->import[i], text));
	return written > 0;
}

#define USUAL_LOCAL_PREF 100

/* One route too many is ignored: a session (and with it our announcement) must not end for it. */
static void write_import(FILE *stream, const struct session *session, const struct family *family)
{
	const struct bgp *bgp = session->bgp;

	if (!write_prefixes(stream, bgp, family)) {
		fprintf(stream, "\t\timport none;\n");
		return;
	}
	fprintf(stream, " ] then { ");
	if (bgp->local_pref != USUAL_LOCAL_PREF)
		fprintf(stream, "bgp_local_pref = %u; ", bgp->local_pref);
	fprintf(stream, "if hw_import(%u) then accept; } reject; };\n\t\timport limit %u action block;\n",
		session->tunnel, bgp->import_maximum);
}

static void write_export(FILE *stream, const struct session *session)
{
	const struct bgp *bgp = session->bgp;

	fprintf(stream, "\t\texport filter { if ");
	if (session->tunnel)
		fprintf(stream, "hw_export(%u)", session->tunnel);
	else
		fprintf(stream, "hw_export_to_routers()");
	fprintf(stream, " then { ");
	if (bgp->med)
		fprintf(stream, "bgp_med = %u; ", bgp->med);
	for (unsigned i = 0; i < bgp->prepend; i++)
		fprintf(stream, "bgp_path.prepend(%u); ", bgp->local_as);
	fprintf(stream, "accept; } reject; };\n");
}

static void write_channel(FILE *stream, const struct session *session, const struct family *family)
{
	const struct address *hop = next_hop(session, family->family);
	char text[ADDRESS_TEXT_SIZE];

	if (!hop)
		return;
	fprintf(stream, "\t%s {\n", family->channel);
	write_import(stream, session, family);
	write_export(stream, session);
	if (session->told_on)
		fprintf(stream, "\t\tgateway recursive;\n\t\tigp table hw_guard%s;\n", family->digit);
	fprintf(stream, "\t\tnext hop address %s;\n%s\t};\n", address_format(hop, text),
		session->tunnel ? "" : "\t\tnext hop self;\n");
}

static void write_neighbor(FILE *stream, const struct session *session)
{
	const struct bgp *bgp = session->bgp;
	const struct address *local =
		model_address_towards(session->addresses, session->address_count, &bgp->neighbor);
	char own[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE], text[BIRD_NAME_SIZE];

	fprintf(stream,
		session->tunnel ? "\nprotocol bgp %s from hw_neighbor {\n"
				: "\nprotocol bgp '%s' from hw_neighbor {\n",
		session->tunnel ? bird_tunnel_session(session->tunnel, text)
				: bird_router_session(session->name, text));
	fprintf(stream, "\tdescription \"%s\";\n\tinterface \"%s\";\n", session->name, session->interface);
	fprintf(stream, "\tlocal %s as %u;\n", address_format(local, own), bgp->local_as);
	fprintf(stream, "\tneighbor %s as %u;\n", address_format(&bgp->neighbor, other), bgp->peer_as);
	if (bgp->password_file)
		fprintf(stream, "\tinclude \"%s\";\n",
			session->tunnel ? bird_password_file(session->tunnel, text)
					: bird_router_password_file(session->name, text));
	if (bgp->bfd.enabled)
		fprintf(stream, "\tbfd on;\n");
	if (session->heard)
		fprintf(stream, "\tdebug { states, routes };\n");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_channel(stream, session, &families[i]);
	fprintf(stream, "}\n");
}

int bird_render_tunnels(const struct model *model, char **text, struct error *error)
{
	struct session session;
	struct writer writer;
	int result = writer_open(&writer, error);

	if (result < 0)
		return result;
	write_bfd(writer.stream, model);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_markers(writer.stream, model, &families[i]);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_guard(writer.stream, &families[i]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (session_at(model, i, &session))
			write_neighbor(writer.stream, &session);
	return writer_close(&writer, text, error);
}

int bird_render_routers(const struct model *model, char **text, struct error *error)
{
	struct session session;
	struct writer writer;
	int result = writer_open(&writer, error);

	if (result < 0)
		return result;
	if (model->router_count)
		fputs(template_routers_conf, writer.stream);
	for (size_t i = model->tunnel_count; i < session_count(model); i++)
		if (session_at(model, i, &session))
			write_neighbor(writer.stream, &session);
	return writer_close(&writer, text, error);
}

/* ---- What is announced ------------------------------------------------------------------------------------------- */

static void write_routes(
	FILE *stream, const struct loopback *loopback, const struct family *family, bool leaving)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < loopback->address_count; i++)
		if (address_family(&loopback->addresses[i]) == family->family)
			fprintf(stream, "\troute %s/%u via \"" GUARD_INTERFACE "\"%s;\n",
				address_format(&loopback->addresses[i], text), family->bits,
				leaving ? " { bgp_community.add(hw_graceful_shutdown); }" : "");
}

/* define hw_disabled = [ 103, 104 ]; or [ ] */
static void write_tunnels(FILE *stream, const char *name, const struct model *model,
	const struct announcement *announcement, bool (*is_one)(const struct announcement *, size_t))
{
	const char *separator = "";

	fprintf(stream, "define %s = [", name);
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (is_one(announcement, i)) {
			fprintf(stream, "%s %u", separator, model->tunnels[i].number);
			separator = ",";
		}
	fprintf(stream, " ];\n");
}

static bool leaves(const struct announcement *announcement, size_t tunnel)
{
	return announcement->tunnels[tunnel] == VOICE_LEAVES;
}

static bool is_silent(const struct announcement *announcement, size_t tunnel)
{
	return announcement->tunnels[tunnel] == VOICE_SILENT;
}

static bool is_unproven(const struct announcement *announcement, size_t tunnel)
{
	return announcement->unproven[tunnel];
}

int bird_render_announce(
	const struct model *model, const struct announcement *announcement, char **text, struct error *error)
{
	struct writer writer;
	int result = writer_open(&writer, error);

	if (result < 0)
		return result;
	write_tunnels(writer.stream, "hw_leaving", model, announcement, leaves);
	write_tunnels(writer.stream, "hw_disabled", model, announcement, is_silent);
	write_tunnels(writer.stream, "hw_unproven", model, announcement, is_unproven);
	fprintf(writer.stream, "define hw_gateway_leaves = %s;\n", announcement->leaving ? "true" : "false");
	fprintf(writer.stream, "define hw_gateway_is_out = %s;\n",
		announcement->withdrawn ? "true" : "false");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		fprintf(writer.stream, "protocol static %s {\n\t%s;\n", families[i].announce,
			families[i].channel);
		for (size_t j = 0; j < model->loopback_count; j++)
			if (announcement->loopbacks[j])
				write_routes(writer.stream, &model->loopbacks[j], &families[i],
					announcement->leaving);
		fprintf(writer.stream, "}\n");
	}
	return writer_close(&writer, text, error);
}

static bool readable_by_bird(const char *secret)
{
	for (; *secret; secret++)
		if ((unsigned char)*secret < ' ' || *secret == '"' || *secret == 0x7f)
			return false;
	return true;
}

int bird_render_password(const char *secret, char **text, struct error *error)
{
	size_t length = strlen(secret);

	if (length == 0 || length > BIRD_PASSWORD_MAX)
		return error_set(error, -EINVAL, "a BGP password has 1 to %d bytes, this one has %zu",
			BIRD_PASSWORD_MAX, length);
	if (!readable_by_bird(secret))
		return error_set(error, -EINVAL,
			"a BGP password is one line without quotation marks or control bytes");
	if (asprintf(text, "password \"%s\";\n", secret) < 0)
		return error_errno(error, -ENOMEM, "a BGP password");
	return 0;
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

const char *bird_password_file(uint16_t tunnel, char *name)
{
	snprintf(name, BIRD_NAME_SIZE, "password-%u.conf", tunnel);
	return name;
}

const char *bird_router_password_file(const char *router, char *name)
{
	snprintf(name, BIRD_NAME_SIZE, "password-router-%s.conf", router);
	return name;
}

const char *bird_tunnel_session(uint16_t tunnel, char *name)
{
	snprintf(name, BIRD_NAME_SIZE, BIRD_SESSION_PREFIX "%u", tunnel);
	return name;
}

const char *bird_router_session(const char *router, char *name)
{
	snprintf(name, BIRD_NAME_SIZE, BIRD_ROUTER_PREFIX "%s", router);
	return name;
}

bool bird_session_tunnel(const char *protocol, uint16_t *tunnel)
{
	size_t prefix = strlen(BIRD_SESSION_PREFIX);
	uint32_t number;

	if (strncmp(protocol, BIRD_SESSION_PREFIX, prefix) != 0 ||
		scan_u32(protocol + prefix, 1, UINT16_MAX, &number) < 0)
		return false;
	*tunnel = (uint16_t)number;
	return true;
}

const char *bird_session_router(const char *protocol)
{
	size_t prefix = strlen(BIRD_ROUTER_PREFIX);

	return strncmp(protocol, BIRD_ROUTER_PREFIX, prefix) == 0 ? protocol + prefix : NULL;
}
