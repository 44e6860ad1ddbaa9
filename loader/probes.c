// SPDX-License-Identifier: Apache-2.0
/*
 * What probes hear, from the prober through their state machines to health; and what is told of it.
 *
 * A gwd that finds an earlier one's work takes nothing out of service by its own start: `RUN/probes` has the loopbacks that
 * probes kept back then, and the probes that were up once. What is not in it goes on, until its probes decide.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon.h"
#include "probe/prober.h"

#define PROBES      "probes"
#define PROBES_SIZE (PATH_MAX + sizeof("/" PROBES ".new"))
#define KEPT_BACK   "loopback"
#define WAS_UP      "probe"

static bool decides_about(
	const struct probe *probe, const struct loopback *loopback, const struct tunnel *tunnel)
{
	return probe->loopback == loopback && probe->tunnel == tunnel;
}

/* The verdict of all that decide about it; `which` (may be NULL) is then the probe that is to blame, if any is. */
static enum probe_verdict verdict_on(const struct daemon *daemon, const struct loopback *loopback,
	const struct tunnel *tunnel, size_t *which)
{
	const struct model *model = daemon->model;
	_cleanup_free_ const struct probe_state **states = calloc(model->probe_count + 1, sizeof(*states));
	_cleanup_free_ size_t *places = calloc(model->probe_count + 1, sizeof(*places));
	size_t count = 0, blamed = 0;
	enum probe_verdict verdict;

	if (!states || !places)
		return PROBES_UNDECIDED;
	for (size_t i = 0; i < model->probe_count; i++)
		if (decides_about(&model->probes[i], loopback, tunnel)) {
			places[count] = i;
			states[count++] = &daemon->status.probes[i];
		}
	verdict = probes_verdict(states, count, &blamed);
	if (which)
		*which = places[blamed];
	return verdict;
}

static void decide_loopback(struct daemon *daemon, const struct loopback *loopback)
{
	enum probe_verdict verdict = verdict_on(daemon, loopback, NULL, NULL);

	if (verdict != PROBES_UNDECIDED)
		health_probed(daemon->health, (size_t)(loopback - daemon->model->loopbacks),
			verdict == PROBES_GOOD);
}

static void decide_tunnel(struct daemon *daemon, const struct tunnel *tunnel)
{
	enum probe_verdict verdict = verdict_on(daemon, NULL, tunnel, NULL);

	if (verdict != PROBES_UNDECIDED)
		health_report(
			daemon->health, tunnel->number, HEALTH_PROBES, verdict == PROBES_GOOD, now_ms());
}

static void decide(struct daemon *daemon, const struct probe *probe)
{
	if (probe->loopback)
		decide_loopback(daemon, probe->loopback);
	else
		decide_tunnel(daemon, probe->tunnel);
}

/* ---- What the next gwd is to know -------------------------------------------------------------------------------- */

static char *path_of(const struct daemon *daemon, const char *suffix, char path[PROBES_SIZE])
{
	snprintf(path, PROBES_SIZE, "%s/" PROBES "%s", daemon->run_dir, suffix);
	return path;
}

static char *to_remember(const struct daemon *daemon)
{
	const struct model *model = daemon->model;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = 0; i < model->loopback_count; i++)
		if (health_is_forbidden(daemon->health, i))
			fprintf(stream, KEPT_BACK " %s\n", model->loopbacks[i].name);
	for (size_t i = 0; i < model->probe_count; i++)
		if (daemon->status.probes[i].was_up)
			fprintf(stream, WAS_UP " %s\n", model->probes[i].name);
	fclose(stream);
	return text;
}

static int write_whole(const char *path, const char *text)
{
	_cleanup_close_ int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t size = (ssize_t)strlen(text);

	return file < 0 || write(file, text, (size_t)size) != size ? -1 : 0;
}

static void remember(struct daemon *daemon)
{
	char path[PROBES_SIZE], new[PROBES_SIZE];
	char *text = to_remember(daemon);

	if (!text || (daemon->probes_remembered && strcmp(text, daemon->probes_remembered) == 0)) {
		free(text);
		return;
	}
	free(daemon->probes_remembered);
	daemon->probes_remembered = text;
	if (write_whole(path_of(daemon, ".new", new), text) < 0 || rename(new, path_of(daemon, "", path)) < 0)
		log_error("cannot remember what probes decided in %s: %s", path, strerror(errno));
}

static void adopt_line(struct daemon *daemon, const char *kind, const char *name)
{
	const struct loopback *loopback = model_loopback_by_name(daemon->model, name);
	const struct probe *probe = model_probe_by_name(daemon->model, name);

	if (strcmp(kind, KEPT_BACK) == 0 && loopback)
		health_probed(daemon->health, (size_t)(loopback - daemon->model->loopbacks), false);
	else if (strcmp(kind, WAS_UP) == 0 && probe)
		probe_start(&daemon->status.probes[probe - daemon->model->probes], true, now_ms());
}

/* From nothing: so that the next gwd knows it, however soon this one ends. */
void probes_adopt(struct daemon *daemon, bool from_nothing)
{
	char path[PROBES_SIZE], kind[16], name[128];
	FILE *file;

	if (from_nothing) {
		remember(daemon);
		return;
	}
	file = fopen(path_of(daemon, "", path), "re");
	for (size_t i = 0; i < daemon->model->loopback_count; i++)
		health_probed(daemon->health, i, true);
	while (file && fscanf(file, "%15s %127s", kind, name) == 2)
		adopt_line(daemon, kind, name);
	if (file)
		fclose(file);
}

void probes_forget(const struct daemon *daemon)
{
	char path[PROBES_SIZE];

	unlink(path_of(daemon, "", path));
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void hear(void *self, size_t which, const struct answer *answer)
{
	struct daemon *daemon = self;
	const struct probe *probe = &daemon->model->probes[which];
	struct probe_state *state = &daemon->status.probes[which];
	const struct probe_rule rule = {probe->rise, probe->fall};
	const struct probe_result result = {answer->good, answer->took_us, answer->words};
	enum probe_phase before = state->phase;

	probe_heard(state, &rule, &result, now_ms());
	if (state->phase == before)
		return;
	decide(daemon, probe);
	watch_changes(daemon);
}

const char *probes_cause(const struct daemon *daemon, const struct loopback *loopback,
	const struct tunnel *tunnel, char text[PROBE_CAUSE_SIZE])
{
	size_t which;

	if (verdict_on(daemon, loopback, tunnel, &which) == PROBES_GOOD)
		return "a probe that is gone";
	snprintf(text, PROBE_CAUSE_SIZE, "probe %s %s", daemon->model->probes[which].name,
		daemon->status.probes[which].phase == PROBE_DOWN ? probe_cause(&daemon->status.probes[which])
								 : "has not succeeded yet");
	return text;
}

/* What it decides about is out of service for another reason, so nobody need hear of it. */
static bool is_maintained(const struct daemon *daemon, const struct probe *probe)
{
	enum health_need missing;

	if (probe->loopback)
		return health_obstacle(daemon->health) != NULL;
	missing = health_tunnels(daemon->health)[probe->tunnel - daemon->model->tunnels].missing;
	return missing != HEALTH_NOTHING && missing != HEALTH_PROBES;
}

void probes_follow(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->model->probe_count; i++) {
		const struct probe *probe = &daemon->model->probes[i];
		struct probe_state *state = &daemon->status.probes[i];

		probe_maintain(state, is_maintained(daemon, probe));
		if (probe_news(state))
			tell(daemon, state->phase == PROBE_UP ? EVENT_PROBE_UP : EVENT_PROBE_DOWN,
				probe->name, "%s%s", probe_cause(state),
				state->was_up ? ""
					      : "; it never succeeded, so it takes nothing out of service");
	}
	if (daemon->prober)
		remember(daemon);
}

/* ---- Their life -------------------------------------------------------------------------------------------------- */

int probes_open(struct daemon *daemon, struct error *error)
{
	const struct model *model = daemon->model;
	_cleanup_free_ uint32_t *first_ms = calloc(model->probe_count + 1, sizeof(*first_ms));
	uint32_t chance = 0;

	if (!first_ms)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < model->probe_count; i++) {
		if (getrandom(&chance, sizeof(chance), 0) < 0)
			return error_errno(error, -errno, "no randomness");
		first_ms[i] = (uint32_t)probe_first_ms(model->probes[i].interval_ms, chance, 0);
	}
	return prober_open(daemon->event, model, first_ms, hear, daemon, &daemon->prober, error);
}

void probes_reload(struct daemon *daemon)
{
	struct error error;

	probes_close(daemon);
	for (size_t i = 0; i < daemon->model->loopback_count; i++)
		decide_loopback(daemon, &daemon->model->loopbacks[i]);
	for (size_t i = 0; i < daemon->model->tunnel_count; i++)
		decide_tunnel(daemon, &daemon->model->tunnels[i]);
	if (probes_open(daemon, &error) < 0)
		log_error("no probe asks any more: %s", error.text);
}

void probes_close(struct daemon *daemon)
{
	prober_close(daemon->prober);
	daemon->prober = NULL;
}

/* ---- Another configuration --------------------------------------------------------------------------------------- */

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

/* It asks the same of the same, for the same; how often and how patiently may differ. */
static bool same_question(const struct probe *one, const struct probe *other)
{
	return strcmp(one->name, other->name) == 0 &&
	       same_text(one->loopback ? one->loopback->name : NULL,
		       other->loopback ? other->loopback->name : NULL) &&
	       same_text(
		       one->tunnel ? one->tunnel->name : NULL, other->tunnel ? other->tunnel->name : NULL) &&
	       same_text(one->through, other->through) && one->icmp.enabled == other->icmp.enabled &&
	       one->tcp.enabled == other->tcp.enabled && one->tcp.port == other->tcp.port &&
	       address_equal(model_probe_target(one), model_probe_target(other)) &&
	       same_http(&one->http, &other->http);
}

void probes_carry(struct status *to, const struct status *from)
{
	for (size_t i = 0; i < to->model->probe_count; i++) {
		const struct probe *probe = &to->model->probes[i];
		const struct probe *was = model_probe_by_name(from->model, probe->name);

		if (was && same_question(was, probe))
			to->probes[i] = from->probes[was - from->model->probes];
	}
}
