// SPDX-License-Identifier: Apache-2.0
/*
 * What people write for gwctl: its command line, an end of a flow, addresses, prefixes and durations, two dumps to be
 * compared. What is read prints in a form that reads the same again; a refusal of the command line has words; two dumps
 * differ exactly if their sorted lines do. The first byte says which of them the rest is.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/scan.h"
#include "cli/command.h"
#include "cli/endpoint.h"
#include "cli/nouns.h"
#include "ctl/protocol.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 12

/* What is left, as text. */
static char *take_text(struct input *input)
{
	char *text = strndup((const char *)input->bytes, input->size);

	MUST(text);
	take_part(input, strlen(text) + 1);
	return text;
}

/* ---- The command line -------------------------------------------------------------------------------------------- */

static void check_invocation(const struct invocation *invocation)
{
	MUST(invocation->command || invocation->help);
	MUST(invocation->selector_count <= SELECTOR_MAX && invocation->run_dir);
	if (!invocation->help && !strchr(invocation->command->selector ?: "", '['))
		MUST(invocation->selector_count == command_selector_count(invocation->command));
	for (size_t i = 0; i < invocation->selector_count; i++)
		MUST(invocation->selector[i]);
}

static void check_arguments(struct input input)
{
	char *arguments[WORDS_MAX + 1] = {0};
	struct invocation invocation;
	struct error error = {0};
	enum reply_code code;

	for (int i = 0; i < WORDS_MAX && input.size > 0; i++)
		arguments[i] = take_text(&input);
	code = arguments_parse(arguments, &invocation, &error);
	MUST(code == REPLY_FINE || (code == REPLY_USAGE && error.text[0]));
	if (code == REPLY_FINE)
		check_invocation(&invocation);
	for (int i = 0; i < WORDS_MAX; i++)
		free(arguments[i]);
}

/* ---- Words ------------------------------------------------------------------------------------------------------- */

static void check_address(const char *text)
{
	struct address address, again;
	char printed[ADDRESS_TEXT_SIZE];

	if (address_parse(text, &address) < 0)
		return;
	address_format(&address, printed);
	MUST(address_parse(printed, &again) == 0 && address_equal(&address, &again));
}

static void check_prefix(const char *text)
{
	struct prefix prefix, again, network;
	char printed[PREFIX_TEXT_SIZE];

	if (prefix_parse(text, &prefix) < 0)
		return;
	prefix_format(&prefix, printed);
	MUST(prefix_parse(printed, &again) == 0 && again.length == prefix.length);
	MUST(address_equal(&prefix.address, &again.address));
	network = prefix_network(&prefix);
	MUST(prefix_is_network(&network) && prefix_contains(&network, &prefix.address));
	MUST(prefix_overlaps(&network, &prefix));
}

static void check_duration(const char *text)
{
	char printed[DURATION_TEXT_SIZE];
	uint32_t duration, again;

	if (scan_duration(text, 0, UINT32_MAX, &duration) < 0)
		return;
	format_duration(duration, printed);
	MUST(scan_duration(printed, 0, UINT32_MAX, &again) == 0 && again == duration);
}

static void check_endpoint(const char *text)
{
	struct endpoint endpoint, again;
	char printed[ADDRESS_TEXT_SIZE + 10];
	bool v6;

	if (endpoint_parse(text, &endpoint) < 0)
		return;
	v6 = strchr(endpoint.address, ':');
	snprintf(printed, sizeof(printed), v6 ? "[%s]:%u" : "%s:%u", endpoint.address, endpoint.port);
	MUST(endpoint_parse(printed, &again) == 0);
	MUST(strcmp(again.address, endpoint.address) == 0 && again.port == endpoint.port);
}

static void check_words(struct input input)
{
	_cleanup_free_ char *text = take_text(&input);

	check_address(text);
	check_prefix(text);
	check_duration(text);
	check_endpoint(text);
}

/* ---- Two dumps --------------------------------------------------------------------------------------------------- */

/* A file of these bytes, which are a dump's lines, by a name that can be opened. */
static void write_dump(int *file, char name[32], struct input lines)
{
	char heading[64];
	int length = snprintf(heading, sizeof(heading), "homeward map dump, version %d\n", MAP_DUMP_VERSION);

	if (*file < 0)
		*file = memfd_create("dump", MFD_CLOEXEC);
	snprintf(name, 32, "/proc/self/fd/%d", *file);
	MUST(*file >= 0 && ftruncate(*file, 0) == 0);
	MUST(pwrite(*file, heading, (size_t)length, 0) == length);
	MUST(pwrite(*file, lines.bytes, lines.size, length) == (ssize_t)lines.size);
}

static int by_text(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The lines, sorted and joined: what two dumps of one state have in common. */
static char *sorted(struct input lines)
{
	_cleanup_free_ char *text = strndup((const char *)lines.bytes, lines.size);
	_cleanup_free_ char **rows = calloc(lines.size + 1, sizeof(*rows));
	size_t count = 0, used = 0;
	char *joined = calloc(1, 2 * lines.size + 2);

	MUST(text && rows && joined);
	for (char *rest = text, *row; (row = strsep(&rest, "\n"));)
		if (rest || *row)
			rows[count++] = row;
	qsort(rows, count, sizeof(*rows), by_text);
	for (size_t i = 0; i < count; i++)
		used += (size_t)sprintf(joined + used, "%s\n", rows[i]);
	return joined;
}

static void check_diff(struct input input, bool json)
{
	static int files[2] = {-1, -1};
	static FILE *nowhere;
	char names[2][32];
	size_t half = take_byte(&input);
	struct input a = take_part(&input, half);
	_cleanup_free_ char *one = sorted(a), *other = sorted(input);
	struct invocation invocation = {.selector = {names[0], names[1]}, .selector_count = 2, .json = json};

	if (!nowhere)
		nowhere = freopen("/dev/null", "w", stdout);
	MUST(nowhere);
	if (memchr(a.bytes, '\0', a.size) || memchr(input.bytes, '\0', input.size))
		return; /* no text */
	write_dump(&files[0], names[0], a);
	write_dump(&files[1], names[1], input);
	MUST(run_map_diff(&invocation) == (strcmp(one, other) == 0 ? REPLY_FINE : REPLY_DEGRADED));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input input = {bytes, size};
	uint8_t which = take_byte(&input);

	if (which % 4 == 0)
		check_arguments(input);
	else if (which % 4 == 1)
		check_words(input);
	else
		check_diff(input, which % 4 == 3);
	return 0;
}
