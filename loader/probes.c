// SPDX-License-Identifier: Apache-2.0
/*
 * What probes hear, from the prober through their state machines to health; and what is told of it.
 *
 * A gwd that finds an earlier one's work takes nothing out of service by its own start: `RUN/probes` has the loopbacks that
 * probes kept back then, and what was known of the probes (health/recall.h). What is not in it goes on, until its probes decide.
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
#include "health/recall.h"
#include "probe/prober.h"

#define PROBES      "probes"
#define PROBES_SIZE (PATH_MAX + sizeof("/" PROBES ".new"))

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

static void excuse(struct daemon *daemon, const struct loopback *loopback, const struct tunnel *tunnel)
{
	for (size_t i = 0; i < daemon->model->probe_count; i++)
		if (decides_about(&daemon->model->probes[i], loopback, tunnel))
			probe_excuse(&daemon->status.probes[i]);
}

static void decide_loopback(struct daemon *daemon, const struct loopback *loopback)
{
	size_t which = (size_t)(loopback - daemon->model->loopbacks);
	enum probe_verdict verdict;

	if (!health_is_forbidden(daemon->health, which))
		excuse(daemon, loopback, NULL);
	verdict = verdict_on(daemon, loopback, NULL, NULL);
	if (verdict != PROBES_UNDECIDED)
		health_probed(daemon->health, which, verdict == PROBES_GOOD);
}

static void decide_tunnel(struct daemon *daemon, const struct tunnel *tunnel)
{
	enum probe_verdict verdict;

	if (health_tunnels(daemon->health)[tunnel - daemon->model->tunnels].has[HEALTH_PROBES])
		excuse(daemon, NULL, tunnel);
	verdict = verdict_on(daemon, NULL, tunnel, NULL);
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
	_cleanup_free_ bool *kept_back = calloc(daemon->model->loopback_count + 1, sizeof(*kept_back));

	if (!kept_back)
		return NULL;
	for (size_t i = 0; i < daemon->model->loopback_count; i++)
		kept_back[i] = health_is_forbidden(daemon->health, i);
	return recall_write(daemon->model, daemon->status.probes, kept_back);
}

static int write_whole(const char *path, const char *text)
{
	_cleanup_close_ int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t size = (ssize_t)strlen(text);

	return file < 0 || write(file, text, (size_t)size) != size ? -1 : 0;
}

/* What could not be written is tried again with the next change, and told once. */
static void remember(struct daemon *daemon)
{
	char path[PROBES_SIZE], new[PROBES_SIZE];
	_cleanup_free_ char *text = to_remember(daemon);

	if (!text || (daemon->probes_remembered && strcmp(text, daemon->probes_remembered) == 0))
		return;
	path_of(daemon, "", path);
	if (write_whole(path_of(daemon, ".new", new), text) < 0 || rename(new, path) < 0) {
		if (!daemon->remembering_fails)
			log_error("cannot remember what probes decided in %s: %s", path, strerror(errno));
		daemon->remembering_fails = true;
		return;
	}
	daemon->remembering_fails = false;
	free(daemon->probes_remembered);
	daemon->probes_remembered = TAKE_PTR(text);
}

/* Nothing, when there is none. */
static void read_whole(const char *path, char **text)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t room = 0;

	if (file && getdelim(text, &room, '\0', file) < 0 && *text)
		**text = '\0';
}

/* From nothing: so that the next gwd knows it, however soon this one ends. */
void probes_adopt(struct daemon *daemon, bool from_nothing)
{
	const struct model *model = daemon->model;
	_cleanup_free_ bool *kept_back = calloc(model->loopback_count + 1, sizeof(*kept_back));
	_cleanup_free_ char *text = NULL;
	char path[PROBES_SIZE];

	if (from_nothing) {
		remember(daemon);
		return;
	}
	read_whole(path_of(daemon, "", path), &text);
	if (!kept_back)
		return;
	recall_read(text ?: "", daemon->former, model, daemon->status.probes, kept_back);
	for (size_t i = 0; i < model->loopback_count; i++)
		health_probed(daemon->health, i, !kept_back[i]);
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

/* Any moment of the first second; what asked the same before keeps to its time. */
static int first_question(const struct daemon *daemon, const struct model *old, const struct probe *probe,
	uint32_t *first_ms, struct error *error)
{
	const struct probe *was = old && daemon->prober ? model_probe_by_name(old, probe->name) : NULL;
	uint32_t chance = 0, waits_ms;

	if (was && probe_asks_the_same(was, probe)) {
		waits_ms = prober_waits_ms(daemon->prober, (size_t)(was - old->probes));
		*first_ms = waits_ms < probe->interval_ms ? waits_ms : probe->interval_ms;
		return 0;
	}
	if (getrandom(&chance, sizeof(chance), 0) < 0)
		return error_errno(error, -errno, "no randomness");
	*first_ms = (uint32_t)probe_first_ms(probe->interval_ms, chance, 0);
	return 0;
}

/* `old`: whose probes ask until now; NULL: none do. */
static int begin_to_ask(struct daemon *daemon, const struct model *old, struct error *error)
{
	const struct model *model = daemon->model;
	_cleanup_free_ uint32_t *first_ms = calloc(model->probe_count + 1, sizeof(*first_ms));
	int r = 0;

	if (!first_ms)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && i < model->probe_count; i++)
		r = first_question(daemon, old, &model->probes[i], &first_ms[i], error);
	probes_close(daemon);
	return r < 0 ? r : prober_open(daemon->event, model, first_ms, hear, daemon, &daemon->prober, error);
}

int probes_open(struct daemon *daemon, struct error *error)
{
	return begin_to_ask(daemon, NULL, error);
}

void probes_reload(struct daemon *daemon, const struct model *old)
{
	struct error error;

	for (size_t i = 0; i < daemon->model->loopback_count; i++)
		decide_loopback(daemon, &daemon->model->loopbacks[i]);
	for (size_t i = 0; i < daemon->model->tunnel_count; i++)
		decide_tunnel(daemon, &daemon->model->tunnels[i]);
	if (begin_to_ask(daemon, old, &error) < 0) {
		log_error("no probe asks now, trying again: %s", error.text);
		daemon_heal_soon(daemon);
	}
}

int probes_heal(struct daemon *daemon, struct error *error)
{
	return daemon->prober ? 0 : probes_open(daemon, error);
}

void probes_close(struct daemon *daemon)
{
	prober_close(daemon->prober);
	daemon->prober = NULL;
}

/* ---- Another configuration --------------------------------------------------------------------------------------- */

void probes_carry(struct status *to, const struct status *from)
{
	for (size_t i = 0; i < to->model->probe_count; i++) {
		const struct probe *probe = &to->model->probes[i];
		const struct probe *was = model_probe_by_name(from->model, probe->name);

		if (was && probe_asks_the_same(was, probe))
			to->probes[i] = from->probes[was - from->model->probes];
	}
}
