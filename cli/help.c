// SPDX-License-Identifier: Apache-2.0
/* Help at every level, from the tables. */
#include <string.h>

#include "cli/command.h"

#define SYNOPSIS_WIDTH 20 /* a longer one has its words on the next line */

static void write_synopsis(const struct command *command, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s%s", command->object, command->verb ? " " : "",
		command->verb ? command->verb : "", command->selector ? " " : "",
		command->selector ? command->selector : "");
}

static void print_commands(FILE *stream, const char *object)
{
	char synopsis[128];

	for (size_t i = 0; i < command_count; i++) {
		if (object && strcmp(commands[i].object, object) != 0)
			continue;
		write_synopsis(&commands[i], synopsis, sizeof(synopsis));
		fprintf(stream, "  %-*s", SYNOPSIS_WIDTH, synopsis);
		if (strlen(synopsis) > SYNOPSIS_WIDTH)
			fprintf(stream, "\n  %*s", SYNOPSIS_WIDTH, "");
		fprintf(stream, "  %s\n", commands[i].words);
	}
}

static void print_flags(FILE *stream, unsigned sets)
{
	for (size_t i = 0; i < flag_count; i++) {
		const struct flag *flag = &flags[i];
		char line[64];

		if (!(flag->set & sets))
			continue;
		snprintf(line, sizeof(line), "--%s%s%s", flag->name,
			flag->value && flag->value[0] != '[' ? " " : "", flag->value ? flag->value : "");
		fprintf(stream, "  %c%c%c %-26s  %s\n", flag->letter ? '-' : ' ',
			flag->letter ? flag->letter : ' ', flag->letter ? ',' : ' ', line, flag->words);
	}
}

static void print_exit(FILE *stream)
{
#define X(name, code, words) {code, words},
	static const struct {
		int code;
		const char *words;
	} codes[] = {REPLY_CODES(X)};
#undef X

	fputs("\nExit status:\n", stream);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		fprintf(stream, "  %d  %s\n", codes[i].code, codes[i].words);
}

static unsigned sets_of(const char *object)
{
	unsigned sets = 0;

	for (size_t i = 0; i < command_count; i++)
		if (!object || strcmp(commands[i].object, object) == 0)
			sets |= commands[i].flags;
	return sets;
}

void help_print(FILE *stream, const char *object, const struct command *command)
{
	if (command) {
		char synopsis[128];

		write_synopsis(command, synopsis, sizeof(synopsis));
		fprintf(stream, "gwctl %s [flags]\n\n%s\n\nFlags:\n", synopsis, command->words);
		print_flags(stream, command->flags);
		return;
	}
	fprintf(stream, "gwctl %s [selector] [flags]\n\nCommands:\n", object ? object : "OBJECT VERB");
	print_commands(stream, object);
	fputs("\nFlags (each command's own help says which it takes):\n", stream);
	print_flags(stream, sets_of(object));
	if (!object)
		print_exit(stream);
}
