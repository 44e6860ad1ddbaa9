// SPDX-License-Identifier: Apache-2.0
/*
 * The types of scalars that only probes have: whom they ask, and for what.
 */
#include "conf/types.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* ---- Whom it asks ------------------------------------------------------------------------------------------------- */

static const char *format_target(const struct address *address, uint16_t port, char *buffer)
{
	char host[ADDRESS_TEXT_SIZE];

	snprintf(buffer, SHOWN_SIZE, address_is_v4(address) ? "%s:%u" : "[%s]:%u",
		address_format(address, host), port);
	return buffer;
}

static int read_target(const struct scalar *scalar, void *field)
{
	struct probe_tcp *tcp = field;

	if (target_parse(scalar->text, &tcp->to, &tcp->port) == 0)
		return 0;
	return refuse(scalar,
		"\"%s\" is not an address and port such as 192.0.2.1:80 or \"[2001:db8::1]:80\"",
		scalar->text);
}

static const char *show_target(const struct setting *setting, const void *field, char *buffer)
{
	const struct probe_tcp *tcp = field;

	(void)setting;
	return tcp->port ? format_target(&tcp->to, tcp->port, buffer) : NULL;
}

const struct type type_target = {read_target, show_target, "an address and a port"};

#define AUTHORITY_SIZE 64 /* of an address in brackets, with a port */

/* "192.0.2.1:7547", or without a port: then the scheme's. */
static int parse_authority(
	const char *text, size_t length, uint16_t usual_port, struct address *to, uint16_t *port)
{
	char authority[AUTHORITY_SIZE];
	const char *after;

	if (length == 0 || length + sizeof(":65535") > sizeof(authority))
		return -EINVAL;
	memcpy(authority, text, length);
	authority[length] = '\0';
	after = strchr(authority, ']') ?: authority;
	if (!strchr(after, ':'))
		snprintf(authority + length, sizeof(authority) - length, ":%u", usual_port);
	return target_parse(authority, to, port);
}

/* What may stand in a URL as it is (RFC 3986), but no fragment: that is for whoever reads, and is not sent. */
static const char url_letters[] =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?[]@!$&'()*+,;=%";

/* A user's name and password in it would be shown with the configuration: they are no part of an authority here. */
static int read_url(const struct scalar *scalar, void *field)
{
	struct probe_http *http = field;
	const char *text = scalar->text;
	bool tls = strncmp(text, "https://", 8) == 0;
	const char *authority = text + (tls ? 8 : 7);

	if ((!tls && strncmp(text, "http://", 7) != 0) || text[strspn(text, url_letters)])
		return refuse(scalar, "not a URL such as \"http://192.0.2.1:7547/health\"");
	if (parse_authority(authority, strcspn(authority, "/?"), tls ? 443 : 80, &http->to, &http->port) < 0)
		return refuse(scalar,
			"the URL names no address: write one such as \"http://192.0.2.1:7547/health\" or "
			"\"https://[2001:db8::1]/\", and a name as server_name");
	http->url = strdup(text);
	http->tls = tls;
	return http->url ? 0 : error_set(scalar->error, -ENOMEM, "no memory");
}

static const char *show_url(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting, (void)buffer;
	return ((const struct probe_http *)field)->url;
}

const struct type type_url = {read_url, show_url, "a URL with an address"};

/* ---- What the answer must have in it ------------------------------------------------------------------------------- */

const struct type type_text = {keep_text, show_text, "a text"};

#define REGEX_COST 8192 /* some tens of megabytes */

/* "{2,255}": how often at most what stands before it is repeated, and so written out in memory. */
static size_t count_of(const char *brace)
{
	char *end;
	unsigned long least = strtoul(brace + 1, &end, 10),
		      most = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;
	unsigned long count = least > most ? least : most;

	return count > REGEX_COST ? REGEX_COST + 1 : count ?: 1;
}

/* What it becomes in memory: its length, times the counts of all braces, as if each stood in the others. */
static size_t cost_of(const char *regex)
{
	size_t cost = strlen(regex);

	for (const char *brace = regex; cost <= REGEX_COST && (brace = strchr(brace, '{')); brace++)
		cost *= count_of(brace);
	return cost;
}

/* Behind "[" of "[^]a[:digit:]]": behind its last bracket. Of an expression that regcomp() took, which has one. */
static const char *skip_brackets(const char *at)
{
	at += *at == '^';
	at += *at == ']';
	while (*at && *at != ']') {
		char kind = *at == '[' && at[1] && strchr(":.=", at[1]) ? at[1] : '\0';
		const char *end = kind ? strchr(at + 2, kind) : NULL;

		while (end && end[1] != ']')
			end = strchr(end + 1, kind);
		at = end ? end + 2 : at + 1;
	}
	return at + (*at == ']');
}

/* "\1": for one of these every way to match is tried, and there may be more of them than anybody can wait for. */
static bool has_back_reference(const char *regex)
{
	while (*regex) {
		if (*regex == '\\' && regex[1] >= '1' && regex[1] <= '9')
			return true;
		if (*regex == '[')
			regex = skip_brackets(regex + 1);
		else
			regex += *regex == '\\' && regex[1] ? 2 : 1;
	}
	return false;
}

static int read_regex(const struct scalar *scalar, void *field)
{
	char words[128];
	regex_t regex;
	int r;

	if (cost_of(scalar->text) > REGEX_COST)
		return refuse(scalar,
			"is too costly: its length, times what all its braces count, is more than %d",
			REGEX_COST);
	r = regcomp(&regex, scalar->text, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		regerror(r, &regex, words, sizeof(words));
		return refuse(scalar, "\"%s\" is no regular expression: %s", scalar->text, words);
	}
	regfree(&regex);
	if (has_back_reference(scalar->text))
		return refuse(scalar,
			"\"%s\" refers back to what a group matched: "
			"that may take for ever, so write it without",
			scalar->text);
	return keep_text(scalar, field);
}

const struct type type_regex = {read_regex, show_text, "a regular expression"};
