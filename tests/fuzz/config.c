// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration: whatever the bytes, the answer is a model or at least one problem with words, at a line that
 * there is. A model prints as canonical YAML, which parses again to a model that prints the same; and what BIRD is
 * given of it has nothing in it that could end a string early. The corpus is the golden tests' files.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "bird/render.h"
#include "conf/conf.h"
#include "tests/fuzz/fuzz.h"

static char *print(const struct model *model)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	MUST(stream);
	MUST(conf_print(model, stream) == 0);
	fclose(stream);
	return text;
}

static size_t line_count(const uint8_t *bytes, size_t size)
{
	size_t count = 1;

	for (size_t i = 0; i < size; i++) /* what YAML takes for an end of a line */
		count += bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == 0x85 || bytes[i] == 0xa8 ||
			 bytes[i] == 0xa9;
	return count;
}

static void check_problems(const struct conf_problems *problems, size_t lines)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	MUST(stream && problems->count > 0);
	for (size_t i = 0; i < problems->count; i++) {
		MUST(problems->items[i].text[0]);
		MUST(problems->items[i].line <= lines + 1);
		MUST(i == 0 || problems->items[i - 1].line <= problems->items[i].line);
	}
	conf_problems_print(problems, stream);
	fclose(stream);
}

/* The model of text that must have one. */
static struct model *parse_again(const char *text)
{
	struct conf_problems problems;
	struct model *model;
	int r = conf_parse(text, strlen(text), "printed", &model, &problems);

	if (r < 0) {
		conf_problems_print(&problems, stderr);
		fprintf(stderr, "---\n%s", text);
	}
	MUST(r == 0);
	conf_problems_free(&problems);
	return model;
}

/* Every line ends outside of a string. Takes the text over. */
static void check_rendered(int result, char *text)
{
	bool quoted = false;

	MUST(result == 0 && text);
	for (const char *c = text; *c; c++) {
		MUST(*c == '\n' || *c == '\t' || (uint8_t)*c >= ' ');
		quoted ^= *c == '"';
		MUST(*c != '\n' || !quoted);
	}
	MUST(!quoted);
	free(text);
}

static void check_bird(const struct model *model)
{
	_cleanup_free_ bool *announced = calloc(model->loopback_count + 1, sizeof(*announced));
	_cleanup_free_ enum voice *voices = calloc(model->tunnel_count + 1, sizeof(*voices));
	_cleanup_free_ bool *unproven = calloc(model->tunnel_count + 1, sizeof(*unproven));
	struct announcement announcement = {announced, voices, false, false, unproven};
	char *text = NULL;
	struct error error;
	int result;

	MUST(announced && voices && unproven);
	memset(announced, true, model->loopback_count);
	result = bird_render_node(model, "/run/homeward/bird/bird.log", &text, &error);
	check_rendered(result, text);
	result = bird_render_tunnels(model, &text, &error);
	check_rendered(result, text);
	result = bird_render_routers(model, &text, &error);
	check_rendered(result, text);
	result = bird_render_announce(model, &announcement, &text, &error);
	check_rendered(result, text);
	announcement.leaving = announcement.withdrawn = true;
	result = bird_render_announce(model, &announcement, &text, &error);
	check_rendered(result, text);
}

static void check_model(const struct model *model)
{
	_cleanup_free_ char *once = print(model);
	_cleanup_(model_free_pointer) struct model *again = parse_again(once);
	_cleanup_free_ char *twice = print(again);

	MUST(strcmp(once, twice) == 0);
	check_bird(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	_cleanup_(model_free_pointer) struct model *model = NULL;
	struct conf_problems problems;
	int r = conf_parse((const char *)bytes, size, "fuzz", &model, &problems);

	MUST(r == 0 || r == -EINVAL);
	MUST((r == 0) == (model != NULL));
	if (model)
		check_model(model);
	else
		check_problems(&problems, line_count(bytes, size));
	conf_problems_free(&problems);
	return 0;
}
