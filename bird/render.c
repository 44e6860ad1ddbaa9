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
	const char *channel, *digit, *announce;
} families[] = {{AF_INET, 32, "ipv4", "4", BIRD_ANNOUNCE_V4}, {AF_INET6, 128, "ipv6", "6", BIRD_ANNOUNCE_V6}};

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
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_loopbacks(writer.stream, model, &families[i]);
	return writer_close(&writer, text, error);
}

static bool has_bfd(const struct tunnel *tunnel)
{
	return tunnel->bgp.enabled && tunnel->bgp.bfd.enabled;
}

static void write_bfd(FILE *stream, const struct model *model)
{
	fprintf(stream, "protocol bfd hw_bfd {\n\tstrict bind yes;\n");
	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct tunnel *tunnel = &model->tunnels[i];
		const struct bfd *bfd = &tunnel->bgp.bfd;

		if (!has_bfd(tunnel))
			continue;
		/* Idle means down: often enough to notice soon that the neighbour is back. */
		fprintf(stream,
			"\tinterface \"%s\" { interval %u ms; multiplier %u; idle tx interval 300 ms; };\n",
			tunnel->name, bfd->interval_ms, bfd->multiplier);
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

		if (!has_bfd(tunnel) || address_family(&tunnel->bgp.neighbor) != family->family)
			continue;
		fprintf(stream, "\troute %s/%u via %s%%'%s' bfd;\n", address_format(&marker, destination),
			family->bits, address_format(&tunnel->bgp.neighbor, neighbor), tunnel->name);
	}
	fprintf(stream, "}\n");
}

/* The tunnel's own address on the neighbour's link: a model has one. */
static const struct address *local_address(const struct tunnel *tunnel)
{
	size_t i = 0;

	while (i + 1 < tunnel->address_count &&
		!prefix_contains(&tunnel->addresses[i], &tunnel->bgp.neighbor))
		i++;
	return &tunnel->addresses[i].address;
}

/* The next hop we give for routes of a family: the tunnel's first address of it. NULL: it has none. */
static const struct address *next_hop(const struct tunnel *tunnel, int family)
{
	for (size_t i = 0; i < tunnel->address_count; i++)
		if (address_family(&tunnel->addresses[i].address) == family)
			return &tunnel->addresses[i].address;
	return NULL;
}

/*
 * Imported routes only tell that the far side lives: one too many is ignored, since a session (and with it
 * our announcement) must not end for it.
 */
static void write_import(FILE *stream, const struct bgp *bgp, const struct family *family)
{
	char text[PREFIX_TEXT_SIZE];
	size_t written = 0;

	for (size_t i = 0; i < bgp->import_count; i++) {
		if (address_family(&bgp->import[i].address) != family->family)
			continue;
		fprintf(stream, "%s%s+", written++ ? ", " : "\t\timport filter { if net ~ [ ",
			prefix_format(&bgp->import[i], text));
	}
	if (written == 0)
		fprintf(stream, "\t\timport none;\n");
	else
		fprintf(stream, " ] then accept; reject; };\n\t\timport limit %u action block;\n",
			bgp->import_maximum);
}

static void write_channel(FILE *stream, const struct tunnel *tunnel, const struct family *family)
{
	const struct address *hop = next_hop(tunnel, family->family);
	char text[ADDRESS_TEXT_SIZE];

	if (!hop)
		return;
	fprintf(stream, "\t%s {\n", family->channel);
	write_import(stream, &tunnel->bgp, family);
	fprintf(stream, "\t\texport filter hw_export;\n\t\tnext hop address %s;\n\t};\n",
		address_format(hop, text));
}

static void write_neighbor(FILE *stream, const struct tunnel *tunnel)
{
	const struct bgp *bgp = &tunnel->bgp;
	char own[ADDRESS_TEXT_SIZE], other[ADDRESS_TEXT_SIZE], file[BIRD_FILE_NAME_SIZE];

	fprintf(stream, "\nprotocol bgp " BIRD_SESSION_PREFIX "%u from hw_neighbor {\n", tunnel->number);
	fprintf(stream, "\tdescription \"%s\";\n\tinterface \"%s\";\n", tunnel->name, tunnel->name);
	fprintf(stream, "\tlocal %s as %u;\n", address_format(local_address(tunnel), own), bgp->local_as);
	fprintf(stream, "\tneighbor %s as %u;\n", address_format(&bgp->neighbor, other), bgp->peer_as);
	if (bgp->password_file)
		fprintf(stream, "\tinclude \"%s\";\n", bird_password_file(tunnel->number, file));
	if (bgp->bfd.enabled)
		fprintf(stream, "\tbfd on;\n");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_channel(stream, tunnel, &families[i]);
	fprintf(stream, "}\n");
}

int bird_render_tunnels(const struct model *model, char **text, struct error *error)
{
	struct writer writer;
	int result = writer_open(&writer, error);

	if (result < 0)
		return result;
	write_bfd(writer.stream, model);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		write_markers(writer.stream, model, &families[i]);
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].bgp.enabled)
			write_neighbor(writer.stream, &model->tunnels[i]);
	return writer_close(&writer, text, error);
}

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

int bird_render_announce(
	const struct model *model, const bool *announced, bool leaving, char **text, struct error *error)
{
	struct writer writer;
	int result = writer_open(&writer, error);

	if (result < 0)
		return result;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		fprintf(writer.stream, "protocol static %s {\n\t%s;\n", families[i].announce,
			families[i].channel);
		for (size_t j = 0; j < model->loopback_count; j++)
			if (announced[j])
				write_routes(writer.stream, &model->loopbacks[j], &families[i], leaving);
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

const char *bird_password_file(uint16_t tunnel, char *name)
{
	snprintf(name, BIRD_FILE_NAME_SIZE, "password-%u.conf", tunnel);
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
