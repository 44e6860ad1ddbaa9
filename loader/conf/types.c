// SPDX-License-Identifier: Apache-2.0
/*
 * The types of scalars but names and addresses: numbers, choices, keys and files.
 */
#include "conf/types.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"

#define KEY_SIZE 32 /* bytes of a WireGuard key: Curve25519 */

int keep_text(const struct scalar *scalar, void *field)
{
	char *copy = strdup(scalar->text);

	if (!copy)
		return error_set(scalar->error, -ENOMEM, "no memory");
	*(char **)field = copy;
	return 0;
}

const char *show_text(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting, (void)buffer;
	return *(char *const *)field;
}

/* ---- Numbers -------------------------------------------------------------------------------------------------- */

static void store_number(const struct setting *setting, void *field, uint32_t value)
{
	switch (setting->size) {
	case sizeof(uint8_t):
		*(uint8_t *)field = (uint8_t)value;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)field = (uint16_t)value;
		break;
	default:
		*(uint32_t *)field = value;
	}
}

static uint32_t load_number(const struct setting *setting, const void *field)
{
	switch (setting->size) {
	case sizeof(uint8_t):
		return *(const uint8_t *)field;
	case sizeof(uint16_t):
		return *(const uint16_t *)field;
	default:
		return *(const uint32_t *)field;
	}
}

static int scan_number(const struct scalar *scalar, uint32_t *value)
{
	const struct setting *setting = scalar->setting;
	int r = scan_u32(scalar->text, setting->minimum, setting->maximum, value);

	if (r == -ERANGE)
		return refuse(scalar, "%s is out of range: %u to %u", scalar->text, setting->minimum,
			setting->maximum);
	if (r < 0)
		return refuse(scalar, "\"%s\" is not a whole number from %u to %u, without leading zeros",
			scalar->text, setting->minimum, setting->maximum);
	return 0;
}

static int read_number(const struct scalar *scalar, void *field)
{
	uint32_t value;
	int r = scan_number(scalar, &value);

	if (r == 0)
		store_number(scalar->setting, field, value);
	return r;
}

static const char *show_number(const struct setting *setting, const void *field, char *buffer)
{
	snprintf(buffer, SHOWN_SIZE, "%u", load_number(setting, field));
	return buffer;
}

const struct type type_number = {read_number, show_number, "a whole number"};

static int read_power_of_two(const struct scalar *scalar, void *field)
{
	uint32_t value, lower;
	int r = scan_number(scalar, &value);

	if (r < 0)
		return r;
	lower = 1u << (31 - __builtin_clz(value));
	if (value != lower)
		return refuse(scalar, "%u is not a power of two: write %u or %u", value, lower, 2 * lower);
	store_number(scalar->setting, field, value);
	return 0;
}

const struct type type_power_of_two = {read_power_of_two, show_number, "a power of two"};

static int scan_time(const struct scalar *scalar, const char *example, uint32_t *ms)
{
	const struct setting *setting = scalar->setting;
	char least[DURATION_TEXT_SIZE], most[DURATION_TEXT_SIZE];
	int r = scan_duration(scalar->text, setting->minimum, setting->maximum, ms);

	if (r == -ERANGE)
		return refuse(scalar, "%s is out of range: %s to %s", scalar->text,
			format_duration(setting->minimum, least), format_duration(setting->maximum, most));
	if (r < 0)
		return refuse(scalar, "\"%s\" is not a duration: a number and ms, s, m or h, such as %s",
			scalar->text, example);
	return 0;
}

static int read_duration(const struct scalar *scalar, void *field)
{
	uint32_t ms;
	int r = scan_time(scalar, "50ms", &ms);

	if (r == 0)
		*(uint32_t *)field = ms;
	return r;
}

static const char *show_duration(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting;
	return format_duration(*(const uint32_t *)field, buffer);
}

const struct type type_duration = {read_duration, show_duration, "a duration"};

static int read_seconds(const struct scalar *scalar, void *field)
{
	uint32_t ms;
	int r = scan_time(scalar, "25s", &ms);

	if (r < 0)
		return r;
	if (ms % 1000 != 0)
		return refuse(scalar, "\"%s\" is not a whole number of seconds, such as 25s", scalar->text);
	*(uint32_t *)field = ms;
	return 0;
}

static const char *show_seconds(const struct setting *setting, const void *field, char *buffer)
{
	return *(const uint32_t *)field ? show_duration(setting, field, buffer) : "0s";
}

const struct type type_seconds = {read_seconds, show_seconds, "a duration of whole seconds"};

/* ---- Choices -------------------------------------------------------------------------------------------------- */

static int read_flag(const struct scalar *scalar, void *field)
{
	if (scan_bool(scalar->text, field) < 0)
		return refuse(scalar, "\"%s\" is neither yes nor no", scalar->text);
	return 0;
}

static const char *show_flag(const struct setting *setting, const void *field, char *buffer)
{
	(void)setting, (void)buffer;
	return *(const bool *)field ? "yes" : "no";
}

const struct type type_flag = {read_flag, show_flag, "yes or no"};

static int read_choice(const struct scalar *scalar, void *field)
{
	char names[128] = "";

	for (const struct choice *choice = scalar->setting->choices; choice->name; choice++) {
		if (strcmp(scalar->text, choice->name) == 0) {
			*(int *)field = choice->value;
			return 0;
		}
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "",
			choice->name);
	}
	return refuse(scalar, "\"%s\" is not one of: %s", scalar->text, names);
}

static const char *show_choice(const struct setting *setting, const void *field, char *buffer)
{
	const struct choice *choice = setting->choices;

	(void)buffer;
	while (choice->name && choice->value != *(const int *)field)
		choice++;
	return choice->name;
}

const struct type type_choice = {read_choice, show_choice, "one word of"};

/* ---- Keys and files ------------------------------------------------------------------------------------------- */

bool key_is_base64(const char *text)
{
	unsigned char key[KEY_SIZE];
	size_t size = 0;
	int r = sodium_base642bin(
		key, sizeof(key), text, strlen(text), NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL);

	sodium_memzero(key, sizeof(key));
	return r == 0 && size == KEY_SIZE;
}
static int read_public_key(const struct scalar *scalar, void *field)
{
	if (!key_is_base64(scalar->text))
		return refuse(scalar,
			"not a WireGuard key: 32 bytes in base64, 44 characters, as `wg pubkey` prints");
	return keep_text(scalar, field);
}

const struct type type_public_key = {read_public_key, show_text, "32 bytes in base64"};

static bool is_nobodys(const struct address *address)
{
	size_t size;
	const uint8_t *bytes = address_wire(address, &size);

	return sodium_is_zero(bytes, size);
}

/* An address that is nobody's, or an address and behind it "/" or "-": to strongSwan anybody, a subnet, a range. */
static bool means_many(const char *text)
{
	size_t length = strcspn(text, "/-");
	struct address address;
	char copy[256];

	snprintf(copy, sizeof(copy), "%.*s", (int)length, text);
	if (address_parse(copy, &address) < 0)
		return false;
	return text[length] || is_nobodys(&address);
}

/* "ipv4:", "ipv6net:", "{9}:" and the like say what kind of identity follows. */
static bool names_its_kind(const char *text)
{
	static const char *const kinds[] = {"ipv4", "ipv6", "{"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncasecmp(text, kinds[i], strlen(kinds[i])) == 0 && strchr(text, ':'))
			return true;
	return false;
}

/* %any, and whatever else strongSwan's patterns may be, would let in anybody whom the authority vouches for. */
static int read_identity(const struct scalar *scalar, void *field)
{
	size_t length = strlen(scalar->text);

	if (length > 255)
		return refuse(scalar, "an identity has at most 255 characters");
	for (size_t i = 0; i < length; i++)
		if (scalar->text[i] < ' ' || scalar->text[i] > '~' || strchr("%*", scalar->text[i]))
			return refuse(scalar,
				"an identity is of printable ASCII characters but %% and *, such as "
				"lgw-01.acme.example or \"C=CH, O=Acme, CN=lgw-01\"");
	if (means_many(scalar->text) || names_its_kind(scalar->text))
		return refuse(scalar, "an identity is one name, one address or one subject: strongSwan "
				      "would read this as a pattern, and let in whoever fits it");
	return keep_text(scalar, field);
}

const struct type type_identity = {read_identity, show_text, "a name, an address or a subject"};

/* The value may be a secret that somebody wrote in the place of its file's name, so it is not repeated. */
static int read_file(const struct scalar *scalar, void *field)
{
	if (key_is_base64(scalar->text))
		return refuse(scalar,
			"this is a key itself: put it into a file of mode 0600 and write the file's path");
	if (scalar->text[0] != '/')
		return refuse(scalar, "not the absolute path of a file, such as /etc/homeward/wg.key");
	return keep_text(scalar, field);
}

const struct type type_file = {read_file, show_text, "a file's absolute path"};
