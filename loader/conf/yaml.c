// SPDX-License-Identifier: Apache-2.0
/*
 * The libyaml pass: what stands where.
 *
 * Two readings of the same bytes. The first looks at events and refuses what no setting needs and what would make
 * the second one's tree other than what the eye sees: anchors, aliases, tags, a second document, endless nesting.
 * The second loads the tree and walks it beside the table of settings. What the walk reports, it also cuts out, so
 * that libcyaml, which gives up at its first error, can read the rest: an unknown or repeated key goes with its
 * value, a value of the wrong kind is replaced by an empty one of the right kind.
 *
 * libyaml may move its nodes whenever one is added, so a node is held by its number across such a call. The pairs and
 * items of a node do not move.
 */
#include "conf/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "conf/nearest.h"
#include "conf/settings.h"

#define DEPTH_MAX  16  /* sections within lists within sections: the table needs 8 */
#define SCALAR_MAX 512 /* bytes: no name, address or path is longer */

/* ---- First reading: events ------------------------------------------------------------------------------------ */

struct screening {
	struct review *review;
	unsigned documents, depth;
	bool empty;
};

static unsigned line_of(const yaml_mark_t *mark)
{
	return (unsigned)mark->line + 1;
}

/* libyaml gives the place of bad bytes as an offset, that of bad syntax as a mark. */
static void report_syntax(struct review *review, const yaml_parser_t *parser, const char *bytes, size_t size)
{
	unsigned line = 1;

	if (parser->error == YAML_MEMORY_ERROR) {
		review->error = -ENOMEM;
		return;
	}
	if (parser->error == YAML_READER_ERROR) {
		for (size_t i = 0; i < parser->problem_offset && i < size; i++)
			line += bytes[i] == '\n';
		review_problem_at(review, line, "", "not text in UTF-8: %s", parser->problem);
		return;
	}
	review_problem_at(review, line_of(&parser->problem_mark), "", "not YAML at column %zu: %s%s%s",
		parser->problem_mark.column + 1, parser->problem ?: "?", parser->context ? " " : "",
		parser->context ?: "");
}

static void screen_marks(
	struct screening *screening, const yaml_event_t *event, const void *anchor, const void *tag)
{
	unsigned line = line_of(&event->start_mark);

	if (anchor)
		review_problem_at(screening->review, line, "", "an anchor (&%s): write values out, once each",
			(const char *)anchor);
	if (tag)
		review_problem_at(screening->review, line, "", "a tag (%s): leave it out", (const char *)tag);
}

static void screen_document(struct screening *screening, const yaml_event_t *event)
{
	if (++screening->documents == 2)
		review_problem_at(screening->review, line_of(&event->start_mark), "",
			"a second document: one file, one configuration");
}

/* False: it is no use to read on. */
static bool screen_event(struct screening *screening, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		screen_document(screening, event);
		return screening->documents < 2;
	case YAML_ALIAS_EVENT:
		review_problem_at(screening->review, line_of(&event->start_mark), "",
			"an alias (*%s): write the value out", (const char *)event->data.alias.anchor);
		return true;
	case YAML_SCALAR_EVENT:
		screen_marks(screening, event, event->data.scalar.anchor, event->data.scalar.tag);
		return true;
	case YAML_SEQUENCE_START_EVENT:
		screen_marks(
			screening, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		screening->depth++;
		break;
	case YAML_MAPPING_START_EVENT:
		screen_marks(
			screening, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		screening->depth++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		screening->depth--;
		return true;
	default:
		return true;
	}
	if (screening->depth <= DEPTH_MAX)
		return true;
	review_problem_at(screening->review, line_of(&event->start_mark), "", "nested too deeply");
	return false;
}

static void screen_events(struct screening *screening, yaml_parser_t *parser, const char *bytes, size_t size)
{
	bool go_on = true;
	yaml_event_t event;

	while (go_on) {
		if (!yaml_parser_parse(parser, &event)) {
			report_syntax(screening->review, parser, bytes, size);
			return;
		}
		go_on = event.type != YAML_STREAM_END_EVENT && screen_event(screening, &event);
		yaml_event_delete(&event);
	}
	if (screening->documents == 0)
		review_problem_at(
			screening->review, 1, "", "empty: a configuration begins with \"gateway: NAME\"");
}

static bool start(yaml_parser_t *parser, const char *bytes, size_t size)
{
	if (!yaml_parser_initialize(parser))
		return false;
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)(size ? bytes : ""), size);
	return true;
}

static int screen(struct review *review, const char *bytes, size_t size)
{
	struct screening screening = {.review = review};
	yaml_parser_t parser;

	if (!start(&parser, bytes, size))
		return -ENOMEM;
	screen_events(&screening, &parser, bytes, size);
	yaml_parser_delete(&parser);
	return review->error ?: review->problems->count ? -EINVAL : 0;
}

/* ---- Second reading: the tree, beside the table ---------------------------------------------------------------- */

struct walk {
	struct review *review;
	yaml_document_t *document;
	struct key_path path;
};

enum kind { KIND_SCALAR, KIND_LIST, KIND_SECTION };

static const struct {
	yaml_node_type_t node;
	const char *words;
} kinds[] = {
	[KIND_SCALAR] = {YAML_SCALAR_NODE, "must be a single value"},
	[KIND_LIST] = {YAML_SEQUENCE_NODE, "must be a list: [a, b], or a line \"- a\" for each item"},
	[KIND_SECTION] = {YAML_MAPPING_NODE,
		"must be a section: lines of \"key: value\" below it, or {key: value}"},
};

static void walk_section(struct walk *walk, int node, const struct section *section);

static yaml_node_t *node_of(const struct walk *walk, int number)
{
	return yaml_document_get_node(walk->document, number);
}

static void report(struct walk *walk, const yaml_node_t *node, const char *what)
{
	review_problem_at(walk->review, line_of(&node->start_mark), walk->path.text, "%s", what);
}

/* An empty node of a kind, for the place of one that was reported. */
static int empty_node(struct walk *walk, enum kind kind)
{
	int number = 0;

	switch (kind) {
	case KIND_SCALAR:
		number = yaml_document_add_scalar(
			walk->document, NULL, (const unsigned char *)"", 0, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
		break;
	case KIND_LIST:
		number = yaml_document_add_sequence(walk->document, NULL, YAML_FLOW_SEQUENCE_STYLE);
		break;
	case KIND_SECTION:
		number = yaml_document_add_mapping(walk->document, NULL, YAML_FLOW_MAPPING_STYLE);
		break;
	}
	if (!number)
		walk->review->error = -ENOMEM;
	return number;
}

/* Whether the node is of the wanted kind; if not, says so and puts an empty one in its place. */
static bool is_kind(struct walk *walk, int *number, enum kind kind)
{
	const yaml_node_t *node = node_of(walk, *number);
	bool nothing = node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;

	if (node->type == kinds[kind].node)
		return true;
	report(walk, node, nothing ? "has no value: give it one, or leave the key out" : kinds[kind].words);
	*number = empty_node(walk, kind);
	return false;
}

static bool has_control_character(const unsigned char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x20 || text[i] == 0x7f || (text[i] == 0xc2 && text[i + 1] < 0xa0))
			return true;
	return false;
}

/* What is wrong with a scalar before anybody asks for its meaning; NULL: nothing. */
static const char *scalar_fault(const yaml_node_t *node)
{
	if (node->data.scalar.length == 0)
		return "has no value: give it one, or leave the key out";
	if (node->data.scalar.length > SCALAR_MAX)
		return "is too long: at most 512 bytes";
	if (has_control_character(node->data.scalar.value, node->data.scalar.length))
		return "has a line break or another control character in it";
	return NULL;
}

static void walk_scalar(struct walk *walk, int *number)
{
	const char *fault;

	if (!is_kind(walk, number, KIND_SCALAR))
		return;
	fault = scalar_fault(node_of(walk, *number));
	if (!fault)
		return;
	report(walk, node_of(walk, *number), fault);
	*number = empty_node(walk, KIND_SCALAR);
}

static void walk_item(struct walk *walk, int *number, const struct setting *setting)
{
	if (!setting->section)
		walk_scalar(walk, number);
	else if (is_kind(walk, number, KIND_SECTION))
		walk_section(walk, *number, setting->section);
}

static void walk_list(struct walk *walk, int number, const struct setting *setting)
{
	const yaml_node_t *node = node_of(walk, number);
	yaml_node_item_t *items = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - items), length;

	if (count < setting->at_least)
		report(walk, node, "is an empty list: at least one item is needed");
	for (size_t i = 0; i < count; i++) {
		length = key_path_push_index(&walk->path, i);
		review_place(walk->review, walk->path.text, line_of(&node_of(walk, items[i])->start_mark));
		walk_item(walk, &items[i], setting);
		key_path_pop(&walk->path, length);
	}
}

static void walk_value(struct walk *walk, int *number, const struct setting *setting)
{
	if (!setting->list)
		walk_item(walk, number, setting);
	else if (is_kind(walk, number, KIND_LIST))
		walk_list(walk, *number, setting);
}

static void report_unknown(struct walk *walk, const yaml_node_t *node, const struct section *section)
{
	const char *key = (const char *)node->data.scalar.value;
	const struct setting *near = nearest_setting(section, key);
	size_t length = key_path_push(&walk->path, key);
	_cleanup_free_ char *known = NULL;
	size_t size;
	FILE *text;

	if (near) {
		review_problem_at(walk->review, line_of(&node->start_mark), walk->path.text,
			"unknown key: did you mean %s?", near->key);
	} else if ((text = open_memstream(&known, &size))) {
		for (size_t i = 0; i < section->count; i++)
			fprintf(text, "%s%s", i ? ", " : "", section->settings[i].key);
		fclose(text);
		review_problem_at(walk->review, line_of(&node->start_mark), walk->path.text,
			"unknown key: the keys here are %s", known);
	}
	key_path_pop(&walk->path, length);
}

/* The setting that a key names; NULL: reported. */
static const struct setting *setting_of(
	struct walk *walk, const yaml_node_t *key, const struct section *section)
{
	if (key->type != YAML_SCALAR_NODE || scalar_fault(key)) {
		report(walk, key, "a key must be a word");
		return NULL;
	}
	for (size_t i = 0; i < section->count; i++)
		if (strcmp((const char *)key->data.scalar.value, section->settings[i].key) == 0)
			return &section->settings[i];
	report_unknown(walk, key, section);
	return NULL;
}

/* Walks a pair's value. False: the pair is to go. `seen` has the line of each key met before, 0: none. */
static bool walk_pair(
	struct walk *walk, yaml_node_pair_t *pair, const struct section *section, unsigned *seen)
{
	const yaml_node_t *key = node_of(walk, pair->key);
	const struct setting *setting = setting_of(walk, key, section);
	unsigned line = line_of(&key->start_mark), before;
	size_t length;

	if (!setting)
		return false;
	before = seen[setting - section->settings];
	length = key_path_push(&walk->path, setting->key);
	if (before) {
		review_problem_at(walk->review, line, walk->path.text,
			"is given twice, first on line %u: keep one of them", before);
	} else {
		seen[setting - section->settings] = line;
		review_place(walk->review, walk->path.text, line);
		walk_value(walk, &pair->value, setting);
	}
	key_path_pop(&walk->path, length);
	return !before;
}

static void report_missing(struct walk *walk, int node, const struct section *section, const unsigned *seen)
{
	unsigned line = line_of(&node_of(walk, node)->start_mark);
	size_t length;

	for (size_t i = 0; i < section->count; i++) {
		if (seen[i] || !section->settings[i].required)
			continue;
		length = key_path_push(&walk->path, section->settings[i].key);
		review_problem_at(
			walk->review, line, walk->path.text, "is missing: %s", section->settings[i].meaning);
		key_path_pop(&walk->path, length);
	}
}

static void walk_section(struct walk *walk, int node, const struct section *section)
{
	yaml_node_pair_t *pair = node_of(walk, node)->data.mapping.pairs.start;
	yaml_node_pair_t *end = node_of(walk, node)->data.mapping.pairs.top, *kept = pair;
	unsigned *seen = review_allocate(walk->review, section->count, sizeof(*seen));

	if (!seen)
		return;
	for (; pair < end; pair++)
		if (walk_pair(walk, pair, section, seen))
			*kept++ = *pair;
	node_of(walk, node)->data.mapping.pairs.top = kept;
	report_missing(walk, node, section, seen);
	free(seen);
}

static int walk_document(struct review *review, yaml_document_t *document)
{
	struct walk walk = {.review = review, .document = document};
	const yaml_node_t *root = yaml_document_get_root_node(document);

	if (!root || root->type != YAML_MAPPING_NODE) {
		review_problem_at(review, root ? line_of(&root->start_mark) : 1, "",
			"not a configuration: lines of \"key: value\" are wanted, first \"gateway: NAME\"");
		return -EINVAL;
	}
	walk_section(&walk, 1, &settings);
	review_sort_places(review);
	return review->error;
}

/* ---- The tree as text again, for libcyaml ----------------------------------------------------------------------- */

/* Takes the document, as libyaml's emitter does. */
static int write_clean(yaml_document_t *document, char **clean, size_t *clean_size)
{
	FILE *stream = open_memstream(clean, clean_size);
	yaml_emitter_t emitter;
	int done = 0;

	if (!stream || !yaml_emitter_initialize(&emitter)) {
		yaml_document_delete(document);
	} else {
		yaml_emitter_set_output_file(&emitter, stream);
		yaml_emitter_set_unicode(&emitter, 1);
		yaml_emitter_set_width(&emitter, -1);
		done = yaml_emitter_dump(&emitter, document) && yaml_emitter_flush(&emitter);
		yaml_emitter_delete(&emitter);
	}
	if (stream && fclose(stream) != 0)
		done = 0;
	return done && *clean ? 0 : -ENOMEM;
}

int yaml_review(struct review *review, const char *bytes, size_t size, char **clean, size_t *clean_size)
{
	yaml_document_t document;
	yaml_parser_t parser;
	int r = screen(review, bytes, size);

	if (r < 0)
		return r;
	if (!start(&parser, bytes, size))
		return -ENOMEM;
	r = yaml_parser_load(&parser, &document) ? 0 : -ENOMEM;
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	r = walk_document(review, &document);
	if (r < 0) {
		yaml_document_delete(&document);
		return r;
	}
	return write_clean(&document, clean, clean_size);
}
