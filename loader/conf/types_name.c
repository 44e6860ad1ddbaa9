// SPDX-License-Identifier: Apache-2.0
/*
 * The types of scalars that are names: what is named here, and what names something that stands before it.
 */
#include "conf/types.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

/* ---- What is named ------------------------------------------------------------------------------------------------ */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

static int check_name(const struct scalar *scalar, size_t longest)
{
	size_t length = strlen(scalar->text);

	if (length > longest)
		return refuse(
			scalar, "\"%s\" is %zu characters long: at most %zu", scalar->text, length, longest);
	if (scalar->text[strspn(scalar->text, LETTERS DIGITS "._-")] || strchr("._-", scalar->text[0]))
		return refuse(scalar,
			"\"%s\" is no name: letters, digits, \".\", \"_\" and \"-\", a letter or digit first",
			scalar->text);
	return 0;
}

static int read_name(const struct scalar *scalar, void *field)
{
	return check_name(scalar, scalar->setting->maximum) ?: keep_text(scalar, field);
}

const struct type type_name = {read_name, show_text, "a name"};

/* `all` and `default` are no interfaces but the kernel's settings for all of them (/proc/sys/net/ipv4/conf). */
static int read_interface(const struct scalar *scalar, void *field)
{
	static const char *const taken[] = {"lo", "home0", "hwguard0", "all", "default"};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strcmp(scalar->text, taken[i]) == 0)
			return refuse(
				scalar, "\"%s\" has a meaning of its own: choose another name", scalar->text);
	return check_name(scalar, TUNNEL_NAME_MAX) ?: keep_text(scalar, field);
}

const struct type type_interface = {read_interface, show_text, "an interface's name"};

/* ---- What names something ----------------------------------------------------------------------------------------- */

/* A list of the model that has been read, since it stands before in the table. Its entries begin with their names. */
struct named {
	const void *entries;
	size_t count, size;
	const char *kind;
};

_Static_assert(offsetof(struct provider, name) == 0 && offsetof(struct loopback, name) == 0 &&
		       offsetof(struct tunnel, name) == 0,
	"found and shown by the name in front");

/* An entry whose name was refused may be the one that is meant, so then nothing is said here. */
static int read_named(const struct scalar *scalar, struct named among, void *field)
{
	for (size_t i = 0; i < among.count; i++) {
		const void *entry = (const char *)among.entries + i * among.size;
		const char *name = *(char *const *)entry;

		if (!name)
			return 0;
		if (strcmp(name, scalar->text) != 0)
			continue;
		*(const void **)field = entry;
		return 0;
	}
	return refuse(scalar, "no %s has the name \"%s\": add it to %ss, or correct it here", among.kind,
		scalar->text, among.kind);
}

static const char *show_named(const struct setting *setting, const void *field, char *buffer)
{
	char *const *entry = *(char *const *const *)field;

	(void)setting, (void)buffer;
	return entry ? *entry : NULL;
}

static int read_provider(const struct scalar *scalar, void *field)
{
	const struct model *model = scalar->model;

	return read_named(scalar,
		(struct named){model->providers, model->provider_count, sizeof(struct provider), "provider"},
		field);
}

static int read_loopback(const struct scalar *scalar, void *field)
{
	const struct model *model = scalar->model;

	return read_named(scalar,
		(struct named){model->loopbacks, model->loopback_count, sizeof(struct loopback), "loopback"},
		field);
}

static int read_tunnel(const struct scalar *scalar, void *field)
{
	const struct model *model = scalar->model;

	return read_named(scalar,
		(struct named){model->tunnels, model->tunnel_count, sizeof(struct tunnel), "tunnel"}, field);
}

const struct type type_provider = {read_provider, show_named, "a provider's name"};
const struct type type_loopback = {read_loopback, show_named, "a loopback's name"};
const struct type type_tunnel = {read_tunnel, show_named, "a tunnel's name"};
