// SPDX-License-Identifier: Apache-2.0
/*
 * The manual pages. Prose stands beside this file in mdoc(7), a template a page; a line such as @commands@ in it is
 * where a table of the programs goes. So what the programs do and what the manual says cannot drift: a new command,
 * option, key or reason is in its page with the next make.
 *
 *	manual EXAMPLE < gwctl.8 > build/man/gwctl.8
 *
 * EXAMPLE is the configuration that stands where @example@ does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array/array.h"
#include "base/cleanup.h"
#include "base/privilege.h"
#include "base/scan.h"
#include "bpf/abi.h"
#include "cli/command.h"
#include "conf/settings.h"
#include "conf/types.h"
#include "ctl/events.h"
#include "ctl/protocol.h"
#include "options.h"

#define LINE_SIZE    4096
#define PATH_SIZE    128
#define MACRO_BEGINS ".'ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- mdoc -------------------------------------------------------------------------------------------------------- */

/* Text that is nothing but text to mdoc: hyphens may be copied, backslashes print, no word is a macro. */
static void put(const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && strchr(MACRO_BEGINS, *text))
			fputs("\\&", stdout);
		begins = *text == ' ';
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void put_line(const char *text)
{
	put(text);
	putchar('\n');
}

/* "a word of several" as a sentence: "A word of several." */
static void put_sentence(const char *text)
{
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "%s.", text);
	if (line[0] >= 'a' && line[0] <= 'z')
		line[0] -= 'a' - 'A';
	put_line(line);
}

static void begin_list(void)
{
	puts(".Bl -tag -width Ds");
}

static void end_list(void)
{
	puts(".El");
}

/* ---- gwctl ------------------------------------------------------------------------------------------------------- */

static void put_command_flags(const struct command *command)
{
	const char *between = "Flags: ";

	for (size_t i = 0; i < flag_count; i++) {
		if (!(flags[i].set & command->flags & ~(unsigned)(FLAGS_ALWAYS | FLAGS_DAEMON)))
			continue;
		printf("%s", between);
		put("--");
		put(flags[i].name);
		between = ", ";
	}
	if (strcmp(between, ", ") == 0)
		puts(".");
}

static void put_command(const struct command *command)
{
	printf(".It Ic ");
	put(command->object);
	if (command->verb) {
		putchar(' ');
		put(command->verb);
	}
	if (command->selector) {
		printf(" Ar ");
		put(command->selector);
	}
	putchar('\n');
	put_sentence(command->words);
	put_command_flags(command);
}

static void put_commands(void)
{
	begin_list();
	for (size_t i = 0; i < command_count; i++)
		put_command(&commands[i]);
	end_list();
}

static void put_flag(const struct flag *flag)
{
	if (flag->letter)
		printf(".It Fl %c , Fl ", flag->letter);
	else
		printf(".It Fl ");
	put("-");
	put(flag->name);
	if (flag->value && flag_value_optional(flag)) {
		printf(" Ns Op ");
		printf("%.*s", (int)strcspn(flag->value + 1, "]"), flag->value + 1);
	} else if (flag->value) {
		printf(" Ar ");
		put(flag->value);
	}
	putchar('\n');
	put_sentence(flag->words);
}

static void put_flags(void)
{
	begin_list();
	for (size_t i = 0; i < flag_count; i++)
		put_flag(&flags[i]);
	end_list();
}

static void put_exit(void)
{
#define X(name, code, words) {code, words},
	static const struct {
		int code;
		const char *words;
	} codes[] = {REPLY_CODES(X)};
#undef X

	begin_list();
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		printf(".It %d\n", codes[i].code);
		put_line(codes[i].words);
	}
	end_list();
}

static void put_reasons(bool drop)
{
#define X(name, is_drop, words) {#name, is_drop, words},
	static const struct {
		const char *name;
		bool drop;
		const char *words;
	} reasons[] = {REASONS(X)};
#undef X

	begin_list();
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].drop != drop)
			continue;
		printf(".It Li ");
		put_line(reasons[i].name);
		put_line(reasons[i].words);
	}
	end_list();
}

static void put_reasons_to_send(void)
{
	put_reasons(false);
}

static void put_reasons_to_drop(void)
{
	put_reasons(true);
}

static void put_events(void)
{
	begin_list();
	for (size_t i = 0; i < EVENT_KINDS; i++) {
		printf(".It Li ");
		put(event_kinds[i].object);
		putchar(' ');
		put_line(event_kinds[i].event);
		put_line(event_kinds[i].words);
	}
	end_list();
}

/* ---- Replication ------------------------------------------------------------------------------------------------- */

static void put_refusals(void)
{
	begin_list();
	for (size_t i = 0; i < ARRAY_REFUSAL_COUNT; i++) {
		printf(".It Li ");
		put_line(array_refusals[i].name);
		put_sentence(array_refusals[i].words);
	}
	end_list();
}

/* ---- gwd --------------------------------------------------------------------------------------------------------- */

static void put_options(void)
{
	begin_list();
	for (size_t i = 0; i < option_count; i++) {
		printf(".It Fl %c , Fl ", option_rows[i].letter);
		put("-");
		put(option_rows[i].name);
		if (option_rows[i].argument)
			printf(" Ar %s", option_rows[i].argument);
		putchar('\n');
		put_sentence(option_rows[i].words);
	}
	end_list();
}

static void put_capabilities(void)
{
	begin_list();
	for (size_t i = 0; i < privilege_count; i++) {
		printf(".It Dv %s\n", privileges[i].name);
		put_line(privileges[i].words);
	}
	end_list();
}

/* ---- gateway.yaml ------------------------------------------------------------------------------------------------ */

/* " from 1 to 255", or whatever limits mean to the type; "": none. */
static void write_limits(const struct setting *setting, char *text, size_t size)
{
	char least[DURATION_TEXT_SIZE], most[DURATION_TEXT_SIZE];
	const struct type *type = setting->type;

	text[0] = '\0';
	if (type == &type_number || type == &type_power_of_two)
		snprintf(text, size, " from %u to %u", setting->minimum, setting->maximum);
	else if (type == &type_duration || type == &type_seconds)
		snprintf(text, size, " from %s to %s",
			setting->minimum ? format_duration(setting->minimum, least) : "0s",
			format_duration(setting->maximum, most));
	else if (type == &type_name)
		snprintf(text, size, " of at most %u characters", setting->maximum);
	else if (type == &type_network)
		snprintf(text, size, " with a length from %u", setting->minimum);
	for (const struct choice *choice = setting->choices; choice && choice->name; choice++) {
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%s", choice == setting->choices ? " " : ", ",
			choice->name);
	}
}

static void put_kind(const struct setting *setting)
{
	char limits[128];

	if (setting->section)
		put(setting->list ? "a list of sections, see below" : "a section, see below");
	else {
		write_limits(setting, limits, sizeof(limits));
		put(setting->list ? "a list, each item " : "");
		put(setting->type->words);
		put(limits);
	}
	if (setting->unique)
		put("; unique");
	if (setting->fallback) {
		put("; default ");
		put(setting->fallback);
	}
	put(setting->required ? "; required" : setting->fallback ? "" : "; optional");
}

static void put_setting(const struct setting *setting)
{
	printf(".It Cm ");
	put_line(setting->key);
	put_sentence(setting->meaning);
	puts(".br");
	putchar('(');
	put_kind(setting);
	puts(")");
}

static void put_section(const struct section *section, const char *path)
{
	char below[PATH_SIZE];

	printf(".Ss ");
	put_line(*path ? path : "The top");
	begin_list();
	for (size_t i = 0; i < section->count; i++)
		put_setting(&section->settings[i]);
	end_list();
	for (size_t i = 0; i < section->count; i++) {
		const struct setting *setting = &section->settings[i];

		if (!setting->section)
			continue;
		snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", setting->key,
			setting->list ? "[]" : "");
		put_section(setting->section, below);
	}
}

static void put_settings(void)
{
	put_section(&settings, "");
}

static const char *example_path;

static void put_example(void)
{
	_cleanup_fclose_ FILE *file = fopen(example_path, "r");
	char line[LINE_SIZE];

	if (!file) {
		perror(example_path);
		exit(1);
	}
	puts(".Bd -literal");
	while (fgets(line, sizeof(line), file))
		put(line);
	puts(".Ed");
}

/* ---- Templates --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *line;
	void (*put)(void);
} tables[] = {
	{"@commands@\n", put_commands},
	{"@flags@\n", put_flags},
	{"@exit@\n", put_exit},
	{"@reasons to send@\n", put_reasons_to_send},
	{"@reasons to drop@\n", put_reasons_to_drop},
	{"@events@\n", put_events},
	{"@refusals@\n", put_refusals},
	{"@options@\n", put_options},
	{"@capabilities@\n", put_capabilities},
	{"@settings@\n", put_settings},
	{"@example@\n", put_example},
};

static int put_template_line(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].line, line) == 0) {
			tables[i].put();
			return 0;
		}
	if (line[0] == '@') {
		fprintf(stderr, "manual: there is no table %s", line);
		return -EINVAL;
	}
	fputs(line, stdout);
	return 0;
}

int main(int count, char **arguments)
{
	char line[LINE_SIZE];

	if (count != 2)
		return 2;
	example_path = arguments[1];
	while (fgets(line, sizeof(line), stdin))
		if (put_template_line(line) < 0)
			return 1;
	return fflush(stdout) == 0 ? 0 : 1;
}
