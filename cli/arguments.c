// SPDX-License-Identifier: Apache-2.0
/* The command line: words and flags in any order, checked against the two tables. */
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"
#include "cli/command.h"

#define WATCH_DEFAULT_MS 2000
#define WAIT_DEFAULT_MS  60000
#define DAY_MS           86400000

/* "2", "0.5"s are said "500ms": whole seconds, or a duration with its unit. */
static int read_time(const char *name, const char *text, uint32_t *milliseconds, struct error *error)
{
	uint32_t seconds;

	if (scan_duration(text, 1, DAY_MS, milliseconds) == 0)
		return 0;
	if (scan_u32(text, 1, DAY_MS / 1000, &seconds) < 0)
		return error_set(error, REPLY_USAGE, "--%s: “%s” is not a time: 2, 30s, 500ms", name, text);
	*milliseconds = seconds * 1000;
	return 0;
}

static int apply_watch(struct invocation *invocation, const char *value, struct error *error)
{
	invocation->watch_ms = WATCH_DEFAULT_MS;
	return value ? read_time("watch", value, &invocation->watch_ms, error) : 0;
}

static int apply_wait(struct invocation *invocation, const char *value, struct error *error)
{
	invocation->wait_ms = WAIT_DEFAULT_MS;
	return value ? read_time("wait", value, &invocation->wait_ms, error) : 0;
}

static int apply_timeout(struct invocation *invocation, const char *value, struct error *error)
{
	return read_time("timeout", value, &invocation->timeout_ms, error);
}

static int apply_confirm(struct invocation *invocation, const char *value, struct error *error)
{
	int r = read_time("confirm", value, &invocation->confirm_ms, error);

	if (r == 0 && invocation->confirm_ms < 1000)
		return error_set(error, REPLY_USAGE, "--confirm: at least a second");
	return r;
}

static int apply_color(struct invocation *invocation, const char *value, struct error *error)
{
	static const char *const modes[] = {"auto", "always", "never"};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i], value) == 0) {
			invocation->color = (enum color_mode)i;
			return 0;
		}
	return error_set(error, REPLY_USAGE, "--color: auto, always or never, not “%s”", value);
}

static int apply_port(struct invocation *invocation, const char *value, struct error *error)
{
	uint32_t port;

	if (scan_u32(value, 1, UINT16_MAX, &port) < 0)
		return error_set(error, REPLY_USAGE, "--port: “%s” is not a port", value);
	invocation->port = value;
	return 0;
}

static int check_number(
	const char *name, const char *text, uint32_t minimum, uint32_t maximum, struct error *error)
{
	uint32_t number;

	if (scan_u32(text, minimum, maximum, &number) == 0)
		return 0;
	return error_set(
		error, REPLY_USAGE, "--%s: “%s” is not a number from %u to %u", name, text, minimum, maximum);
}

static int apply_fragment(struct invocation *invocation, const char *value, struct error *error)
{
	invocation->fragment = value;
	return check_number("fragment", value, 0, UINT32_MAX, error);
}

static int apply_size(struct invocation *invocation, const char *value, struct error *error)
{
	invocation->size = value;
	return check_number("size", value, 1, UINT16_MAX, error);
}

static int apply_hops(struct invocation *invocation, const char *value, struct error *error)
{
	invocation->hops = value;
	return check_number("hops", value, 1, UINT8_MAX, error);
}

#define SETS(function, field, to)                                                                  \
	static int function(struct invocation *invocation, const char *value, struct error *error) \
	{                                                                                          \
		(void)value, (void)error;                                                          \
		invocation->field = to;                                                            \
		return 0;                                                                          \
	}
SETS(apply_help, help, true)
SETS(apply_json, json, true)
SETS(apply_no_headers, no_headers, true)
SETS(apply_volatile, volatile_too, true)
SETS(apply_all, all, true)
SETS(apply_from_tunnel, from_tunnel, value)
SETS(apply_from_uplink, from_uplink, true)
SETS(apply_from_lan, from_lan, value)
SETS(apply_icmp_error, icmp_error, true)
SETS(apply_no_follow, no_follow, true)
SETS(apply_run_dir, run_dir, value)
SETS(apply_provider, provider, value)
SETS(apply_tunnel, tunnel, value)
SETS(apply_gateway, gateway, value)
SETS(apply_address, address, value)
SETS(apply_to, to, value)
SETS(apply_state, state, value)

const struct flag flags[] = {
	{"provider", "PROVIDER", apply_provider, "only what is this provider's", FLAGS_PROVIDER},
	{"tunnel", "TUNNEL", apply_tunnel, "only with a way home by this tunnel", FLAGS_WAY},
	{"gateway", "GATEWAY", apply_gateway, "only with a way home by this gateway", FLAGS_WAY},
	{"address", "ADDRESS|PREFIX", apply_address, "only with an end that is this or lies in it",
		FLAGS_WAY},
	{"port", "PORT", apply_port, "only with this port at either end", FLAGS_FLOW},
	{"state", "STATE", apply_state, "only half_open, established or closing ones", FLAGS_FLOW},
	{"confirm", "TIME", apply_confirm, "undone by itself unless confirmed in this time", FLAGS_CONFIRM},
	{"wait", "[=TIME]", apply_wait,
		"until the connections that live here are closed, at most so long, 60s if not said; 7 if "
		"some are left",
		FLAGS_WAIT},
	{"to", "GATEWAY", apply_to, "the gateway that is to take over; else any that can", FLAGS_TO},
	{"all", NULL, apply_all, "yes, also without a filter", FLAGS_ALL},
	{"volatile", NULL, apply_volatile, "times and counters too", FLAGS_VOLATILE},
	{"from-tunnel", "TUNNEL", apply_from_tunnel, "it comes in by this tunnel; else by each that it could",
		FLAGS_PACKET},
	{"from-uplink", NULL, apply_from_uplink,
		"it comes from the inside; else from a socket of the gateway", FLAGS_PACKET},
	{"from-lan", "INTERFACE", apply_from_lan,
		"it comes from this LAN of an egress group: which link it leaves by", FLAGS_PACKET},
	{"icmp-error", NULL, apply_icmp_error, "not this packet, but an ICMP error about it", FLAGS_PACKET},
	{"fragment", "ID", apply_fragment, "a fragment of this id that is not the first", FLAGS_PACKET},
	{"size", "BYTES", apply_size, "how long the IP packet is", FLAGS_PACKET},
	{"hops", "NUMBER", apply_hops, "its TTL or hop limit as it comes from the inside or a LAN",
		FLAGS_PACKET},
	{"no-follow", NULL, apply_no_follow, "ends behind what is remembered", FLAGS_FOLLOW},
	{"watch", "[=TIME]", apply_watch, "again and again, every 2 seconds if not said", FLAGS_WATCH},
	{"no-headers", NULL, apply_no_headers, "rows without their headings", FLAGS_TABLE},
	{"json", NULL, apply_json, "JSON for programs, errors too", FLAGS_ALWAYS, 'j'},
	{"run-dir", "DIRECTORY", apply_run_dir, "where gwd's socket is (" RUN_DIR_DEFAULT ")", FLAGS_DAEMON},
	{"timeout", "TIME", apply_timeout, "how long to wait for gwd's next word", FLAGS_DAEMON},
	{"color", "WHEN", apply_color, "auto, always or never; NO_COLOR is heeded", FLAGS_ALWAYS},
	{"help", NULL, apply_help, "this help, or a command's", FLAGS_ALWAYS, 'h'},
};
const size_t flag_count = ARRAY_SIZE(flags);

#define WORDS_MAX (2 + SELECTOR_MAX)

struct parse {
	char **next; /* ends with NULL */
	const char *words[WORDS_MAX];
	size_t word_count;
	unsigned given; /* bits by index of the flag */
};

bool flag_value_optional(const struct flag *flag)
{
	return flag->value && flag->value[0] == '[';
}

const struct flag *flag_find(const char *argument, const char **value)
{
	const char *name = argument + 2, *equals = strchr(argument, '=');
	size_t size = equals ? (size_t)(equals - name) : strlen(name);

	*value = equals ? equals + 1 : NULL;
	for (const struct flag *flag = flags; flag < flags + flag_count; flag++) {
		if (argument[1] == '-' && strlen(flag->name) == size && strncmp(flag->name, name, size) == 0)
			return flag;
		if (flag->letter && argument[1] == flag->letter && argument[2] == '\0')
			return flag;
	}
	return NULL;
}

static int take_flag(struct parse *parse, struct invocation *invocation, struct error *error)
{
	const char *argument = *parse->next++, *value;
	const struct flag *flag = flag_find(argument, &value);

	if (!flag)
		return error_set(error, REPLY_USAGE, "there is no flag %s", argument);
	if (value && !flag->value)
		return error_set(error, REPLY_USAGE, "--%s takes no value", flag->name);
	if (flag->value && !value && !flag_value_optional(flag)) {
		value = *parse->next;
		if (!value)
			return error_set(
				error, REPLY_USAGE, "--%s needs a value: %s", flag->name, flag->value);
		parse->next++;
	}
	parse->given |= 1U << (flag - flags);
	return flag->apply(invocation, value, error);
}

static int take_word(struct parse *parse, struct error *error)
{
	if (parse->word_count == WORDS_MAX)
		return error_set(error, REPLY_USAGE, "too many words, from “%s” on", *parse->next);
	parse->words[parse->word_count++] = *parse->next++;
	return 0;
}

static int split(struct parse *parse, struct invocation *invocation, struct error *error)
{
	bool only_words = false;
	int r = 0;

	while (r == 0 && *parse->next) {
		const char *argument = *parse->next;

		if (!only_words && strcmp(argument, "--") == 0) {
			only_words = true;
			parse->next++;
		} else if (!only_words && argument[0] == '-' && argument[1]) {
			r = take_flag(parse, invocation, error);
		} else {
			r = take_word(parse, error);
		}
	}
	return r;
}

static bool is_object(const char *word)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].object, word) == 0)
			return true;
	return false;
}

const struct command *command_find(const char *object, const char *verb)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].object, object) != 0)
			continue;
		if (!commands[i].verb || (verb && strcmp(commands[i].verb, verb) == 0))
			return &commands[i];
	}
	return NULL;
}

static int choose(struct parse *parse, struct invocation *invocation, struct error *error)
{
	const char *object = parse->words[0], *verb = parse->words[1];

	if (!object)
		return invocation->help ? 0 : error_set(error, REPLY_USAGE, "say what: gwctl OBJECT VERB");
	if (!is_object(object))
		return error_set(error, REPLY_USAGE, "there is no object “%s”", object);
	invocation->object = object;
	invocation->command = command_find(object, verb);
	if (invocation->command || (invocation->help && !verb))
		return 0;
	if (!verb)
		return error_set(error, REPLY_USAGE, "%s what? It needs a verb", object);
	return error_set(error, REPLY_USAGE, "%s knows no verb “%s”", object, verb);
}

static int check_selector(const struct parse *parse, struct invocation *invocation, struct error *error)
{
	const struct command *command = invocation->command;
	size_t before = command->verb ? 2 : 1, wanted = command_selector_count(command);
	size_t given = parse->word_count - before;
	bool optional = command->selector && command->selector[0] == '[';

	if (given > wanted)
		return error_set(
			error, REPLY_USAGE, "“%s” is one word too many", parse->words[before + wanted]);
	if (given < wanted && !optional)
		return error_set(error, REPLY_USAGE, "%s %s needs %s", command->object,
			command->verb ? command->verb : "", command->selector);
	memcpy(invocation->selector, parse->words + before, given * sizeof(parse->words[0]));
	invocation->selector_count = given;
	return 0;
}

static int check_flags(const struct parse *parse, const struct invocation *invocation, struct error *error)
{
	const struct command *command = invocation->command;

	for (size_t i = 0; i < flag_count; i++)
		if (parse->given & 1U << i && !(command->flags & flags[i].set))
			return error_set(error, REPLY_USAGE, "%s%s%s takes no --%s", command->object,
				command->verb ? " " : "", command->verb ? command->verb : "", flags[i].name);
	return 0;
}

enum reply_code arguments_parse(char **arguments, struct invocation *invocation, struct error *error)
{
	struct parse parse = {.next = arguments};
	int r;

	*invocation = (struct invocation){.run_dir = RUN_DIR_DEFAULT};
	r = split(&parse, invocation, error);
	if (r == 0)
		r = choose(&parse, invocation, error);
	if (r != 0 || invocation->help)
		return (enum reply_code)r;
	r = check_selector(&parse, invocation, error);
	if (r == 0)
		r = check_flags(&parse, invocation, error);
	return (enum reply_code)r;
}
