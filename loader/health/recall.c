// SPDX-License-Identifier: Apache-2.0
#include "health/recall.h"

#include <stdio.h>
#include <string.h>

#define KEPT_BACK "loopback"
#define PROBE     "probe"
#define PROVEN    "proven"
#define EXCUSED   "excused"
#define NEW       "new"

/* ---- The same question ------------------------------------------------------------------------------------------- */

static bool same_text(const char *one, const char *other)
{
	return one == other || (one && other && strcmp(one, other) == 0);
}

static bool same_http(const struct probe_http *one, const struct probe_http *other)
{
	return same_text(one->url, other->url) && one->status_count == other->status_count &&
	       memcmp(one->status ?: (uint16_t[]){0}, other->status ?: (uint16_t[]){0},
		       one->status_count * sizeof(*one->status)) == 0 &&
	       same_text(one->body, other->body) && same_text(one->regex, other->regex) &&
	       same_text(one->ca_file, other->ca_file) && same_text(one->server_name, other->server_name) &&
	       one->verify == other->verify;
}

static bool same_loopback(const struct loopback *one, const struct loopback *other)
{
	return one == other || (one && other && loopbacks_share_address(one, other));
}

static bool same_path(const struct tunnel *one, const struct tunnel *other)
{
	return one == other || (one && other && tunnel_same(one, other));
}

bool probe_asks_the_same(const struct probe *one, const struct probe *other)
{
	return strcmp(one->name, other->name) == 0 && same_loopback(one->loopback, other->loopback) &&
	       same_path(one->tunnel, other->tunnel) && same_text(one->through, other->through) &&
	       one->icmp.enabled == other->icmp.enabled && one->tcp.enabled == other->tcp.enabled &&
	       one->tcp.port == other->tcp.port &&
	       address_equal(model_probe_target(one), model_probe_target(other)) &&
	       address_equal(&one->from, &other->from) && same_http(&one->http, &other->http);
}

/* ---- What is written --------------------------------------------------------------------------------------------- */

static const char *standing_of(const struct probe_state *state)
{
	if (state->was_up)
		return PROVEN;
	return state->excused ? EXCUSED : NEW;
}

char *recall_write(const struct model *model, const struct probe_state *states, const bool *kept_back)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = 0; i < model->loopback_count; i++)
		if (kept_back[i])
			fprintf(stream, KEPT_BACK " %s\n", model->loopbacks[i].name);
	for (size_t i = 0; i < model->probe_count; i++)
		fprintf(stream, PROBE " %s %s %s\n", model->probes[i].name, standing_of(&states[i]),
			probe_phase_name(states[i].told));
	fclose(stream);
	return text;
}

/* ---- What is read ------------------------------------------------------------------------------------------------ */

#define WORD_SIZE 128

/* What the line about it says, two words; false: there is none. */
static bool find(const char *text, const char *kind, const char *name, char words[2][WORD_SIZE])
{
	char said[WORD_SIZE], about[WORD_SIZE];

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		words[0][0] = words[1][0] = '\0';
		if (sscanf(line, "%127s %127s %127s %127s", said, about, words[0], words[1]) >= 2 &&
			strcmp(said, kind) == 0 && strcmp(about, name) == 0)
			return true;
		if (!strchr(line, '\n'))
			return false;
	}
	return false;
}

static enum probe_phase phase_named(const char *name)
{
	for (enum probe_phase phase = 0; phase < PROBE_PHASES; phase++)
		if (strcmp(probe_phase_name(phase), name) == 0)
			return phase;
	return PROBE_STARTING;
}

/* Whether none of those that had its address then was in service. */
static bool was_kept_back(const char *text, const struct model *then, const struct loopback *loopback)
{
	char words[2][WORD_SIZE];

	for (size_t i = 0; i < then->loopback_count; i++)
		if (loopbacks_share_address(&then->loopbacks[i], loopback) &&
			!find(text, KEPT_BACK, then->loopbacks[i].name, words))
			return false;
	return true;
}

void recall_read(const char *text, const struct model *former, const struct model *model,
	struct probe_state *states, bool *kept_back)
{
	const struct model *then = former ?: model;

	for (size_t i = 0; i < model->loopback_count; i++)
		kept_back[i] = model_is_probed(model, &model->loopbacks[i], NULL) &&
			       was_kept_back(text, then, &model->loopbacks[i]);
	for (size_t i = 0; i < model->probe_count; i++) {
		const struct probe *was = model_probe_by_name(then, model->probes[i].name);
		char words[2][WORD_SIZE];

		if (was && probe_asks_the_same(was, &model->probes[i]) && find(text, PROBE, was->name, words))
			probe_resume(&states[i], strcmp(words[0], PROVEN) == 0,
				strcmp(words[0], EXCUSED) == 0, phase_named(words[1]));
	}
}
