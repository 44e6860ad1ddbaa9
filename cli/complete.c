// SPDX-License-Identifier: Apache-2.0
/*
 * Completion, asked by the shell as `gwctl --complete WORD…`. Objects, verbs and flags come from the tables; the
 * word in capitals that stands for a selector or a flag's value there says what kind of name belongs in its place,
 * and the names that are alive come from gwd. A gwd that does not answer has no names: completion never complains.
 */
#include "cli/complete.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/connection.h"

#define PATIENCE_MS 1000

static const struct kind {
	const char *name;
	const char *method, *object,
		*field; /* alive: a field of each row, or of an object in it; a name or an array of them */
	const char *const *words; /* fixed; ends with NULL */
	bool file;
} kinds[] = {
	{"TUNNEL", .method = METHOD_TUNNEL_LIST, .field = "tunnel"},
	{"SESSION", .method = METHOD_BGP_LIST, .field = "session"},
	{"PROBE", .method = METHOD_PROBE_LIST, .field = "probe"},
	{"EGRESS", .method = METHOD_EGRESS_LIST, .field = "egress"},
	{"INTERFACE", .method = METHOD_EGRESS_LIST, .field = "from"},
	{"PROVIDER", .method = METHOD_TUNNEL_LIST, .field = "provider"},
	{"GATEWAY", .method = METHOD_GATEWAY_LIST, .field = "gateway"},
	{"PROTOCOL", .words = (const char *const[]){"tcp", "udp", "icmp", NULL}},
	{"STATE", .words = (const char *const[]){"half_open", "established", "closing", NULL}},
	{"WHEN", .words = (const char *const[]){"auto", "always", "never", NULL}},
	{"FILE", .file = true},
	{"[FILE]", .file = true},
	{"A", .file = true},
	{"B", .file = true},
	{"DIRECTORY", .file = true},
	/* Nobody can list these. */
	{"ADDRESS"},
	{"ADDRESS|PREFIX"},
	{"SOURCE[:PORT]"},
	{"DESTINATION[:PORT]"},
	{"PORT"},
	{"TIME"},
	{"[=TIME]"},
	{"ID"},
	{"BYTES"},
	{"NUMBER"},
};

/* The command line up to the last word. */
struct line {
	struct invocation invocation; /* what the flags said: --run-dir */
	const char *words[2];         /* object and verb */
	size_t word_count;
	const struct flag *open_flag; /* the last word is its value */
	const char *begun;            /* the last word */
	FILE *stream;
};

static void offer(const struct line *line, const char *prefix, const char *word)
{
	char whole[128];

	snprintf(whole, sizeof(whole), "%s%s", prefix, word);
	if (strncmp(whole, line->begun, strlen(line->begun)) == 0)
		fprintf(line->stream, "%s\n", whole);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

struct names {
	const struct kind *kind;
	json_t *set; /* its keys: a provider has several tunnels */
};

static void take_name(void *to, json_t *row)
{
	const struct names *names = to;
	const json_t *object = names->kind->object ? json_object_get(row, names->kind->object) : row;
	const json_t *field = json_object_get(object, names->kind->field);
	const json_t *name;
	size_t i;

	if (json_is_string(field))
		json_object_set_new(names->set, json_string_value(field), json_true());
	json_array_foreach (field, i, name)
		json_object_set_new(names->set, json_string_value(name), json_true());
}

static void offer_living(const struct line *line, const struct kind *kind)
{
	struct names names = {kind, json_object()};
	struct error error;
	const char *name;
	json_t *value;

	ask(&line->invocation, kind->method, NULL, take_name, &names, &error);
	json_object_foreach (names.set, name, value)
		offer(line, "", name);
	json_decref(names.set);
}

/* `name` has `size` bytes: it may be a word of a selector. */
static const struct kind *kind_find(const char *name, size_t size)
{
	for (const struct kind *kind = kinds; kind < kinds + ARRAY_SIZE(kinds); kind++)
		if (strlen(kind->name) == size && strncmp(kind->name, name, size) == 0)
			return kind;
	return NULL;
}

bool complete_knows(const char *kind)
{
	return kind_find(kind, strlen(kind)) != NULL;
}

/* 1: a file's name belongs there. */
static int offer_names(const struct line *line, const char *name, size_t size)
{
	const struct kind *kind = kind_find(name, size);

	if (!kind)
		return 0;
	if (kind->method)
		offer_living(line, kind);
	for (const char *const *word = kind->words; word && *word; word++)
		offer(line, "", *word);
	return kind->file;
}

static int offer_selector(const struct line *line, const struct command *command)
{
	const char *kind = command->selector;
	size_t index = line->word_count - (command->verb ? 2 : 1);

	for (; kind && index > 0; index--) {
		kind = strchr(kind, ' ');
		kind = kind ? kind + 1 : NULL;
	}
	return kind ? offer_names(line, kind, strcspn(kind, " ")) : 0;
}

/* ---- Words and flags --------------------------------------------------------------------------------------------- */

static bool is_first(size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(commands[i].object, commands[index].object) == 0)
			return false;
	return true;
}

static void offer_objects(const struct line *line)
{
	for (size_t i = 0; i < command_count; i++)
		if (is_first(i))
			offer(line, "", commands[i].object);
}

static void offer_verbs(const struct line *line)
{
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].verb && strcmp(commands[i].object, line->words[0]) == 0)
			offer(line, "", commands[i].verb);
}

static void offer_flags(const struct line *line, const struct command *command)
{
	for (size_t i = 0; i < flag_count; i++)
		if (!command || command->flags & flags[i].set)
			offer(line, "--", flags[i].name);
}

static int offer_word(const struct line *line)
{
	const struct command *command =
		line->word_count ? command_find(line->words[0], line->words[1]) : NULL;

	if (line->open_flag)
		return offer_names(line, line->open_flag->value, strlen(line->open_flag->value));
	if (line->begun[0] == '-')
		offer_flags(line, command);
	else if (line->word_count == 0)
		offer_objects(line);
	else if (command)
		return offer_selector(line, command);
	else if (line->word_count == 1)
		offer_verbs(line);
	return 0;
}

/* ---- Before the last word ---------------------------------------------------------------------------------------- */

static void read_flag(struct line *line, const char *argument)
{
	struct error error;
	const char *value;
	const struct flag *flag = flag_find(argument, &value);

	if (flag && !value && flag->value && !flag_value_optional(flag))
		line->open_flag = flag;
	else if (flag)
		flag->apply(&line->invocation, value, &error);
}

static void read_word(struct line *line, const char *word)
{
	struct error error;

	if (line->open_flag) {
		line->open_flag->apply(&line->invocation, word, &error);
		line->open_flag = NULL;
	} else if (word[0] == '-' && word[1]) {
		read_flag(line, word);
	} else {
		if (line->word_count < ARRAY_SIZE(line->words))
			line->words[line->word_count] = word;
		line->word_count++;
	}
}

int complete(char **words, FILE *stream)
{
	struct line line = {
		.invocation = {.run_dir = RUN_DIR_DEFAULT, .timeout_ms = PATIENCE_MS},
		.begun = "",
		.stream = stream,
	};

	for (; words[0] && words[1]; words++)
		read_word(&line, words[0]);
	if (words[0])
		line.begun = words[0];
	return offer_word(&line);
}
