// SPDX-License-Identifier: Apache-2.0
#include "health/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *probe_phase_name(enum probe_phase phase)
{
	static const char *const names[PROBE_PHASES] = {
		[PROBE_STARTING] = "starting",
		[PROBE_UP] = "up",
		[PROBE_DOWN] = "down",
	};

	return names[phase];
}

/* ---- Transitions ------------------------------------------------------------------------------------------------- */

static void enter(struct probe_state *state, enum probe_phase phase, uint64_t now_ms, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void enter(struct probe_state *state, enum probe_phase phase, uint64_t now_ms, const char *format, ...)
{
	struct probe_transition *transition =
		&state->history[state->transition_count++ % PROBE_HISTORY_LENGTH];
	va_list arguments;

	transition->at_ms = now_ms;
	transition->phase = phase;
	va_start(arguments, format);
	vsnprintf(transition->cause, sizeof(transition->cause), format, arguments);
	va_end(arguments);
	state->phase = phase;
	state->since_ms = now_ms;
}

/* How long it is held down after its fall number `flaps`. */
static uint64_t held_for(unsigned flaps)
{
	uint64_t wait_ms = PROBE_HELD_FIRST_MS;

	if (flaps < 2)
		return 0;
	for (unsigned i = 2; i < flaps && wait_ms < PROBE_HELD_MOST_MS; i++)
		wait_ms *= 2;
	return wait_ms < PROBE_HELD_MOST_MS ? wait_ms : PROBE_HELD_MOST_MS;
}

static void count_flap(struct probe_state *state, uint64_t now_ms)
{
	uint64_t forgotten = (now_ms - state->up_since_ms) / PROBE_CALM_MS;

	state->flaps = forgotten < state->flaps ? state->flaps - (unsigned)forgotten : 0;
	state->flaps++;
}

/* "failed 3 times: HTTP 503", and whoever flaps hears how long that costs. */
static void fall(struct probe_state *state, uint64_t now_ms)
{
	char times[32] = "", held[64] = "";
	uint64_t wait_ms = 0;

	if (state->phase == PROBE_UP && !state->maintained) {
		count_flap(state, now_ms);
		wait_ms = held_for(state->flaps);
	}
	state->held_until_ms = now_ms + wait_ms;
	if (state->failures > 1)
		snprintf(times, sizeof(times), " %u times", state->failures);
	if (wait_ms)
		snprintf(held, sizeof(held), "; its fall number %u, so held down for %llu s", state->flaps,
			(unsigned long long)wait_ms / 1000);
	enter(state, PROBE_DOWN, now_ms, "failed%s: %.96s%s", times, state->last_words, held);
}

static void rise(struct probe_state *state, uint64_t now_ms)
{
	state->was_up = true;
	state->up_since_ms = now_ms;
	enter(state, PROBE_UP, now_ms, "succeeded: %s", state->last_words);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

void probe_start(struct probe_state *state, uint64_t now_ms)
{
	*state = (struct probe_state){.since_ms = now_ms};
}

void probe_resume(struct probe_state *state, bool was_up, bool excused, enum probe_phase told)
{
	state->was_up = was_up;
	state->excused = excused;
	state->told = told;
}

static void succeed(struct probe_state *state, const struct probe_rule *rule, uint64_t now_ms)
{
	unsigned wanted = state->phase == PROBE_STARTING ? 1 : rule->rise;

	state->failures = 0;
	state->successes++;
	if (state->phase != PROBE_UP && state->successes >= wanted && now_ms >= state->held_until_ms)
		rise(state, now_ms);
}

static void fail(struct probe_state *state, const struct probe_rule *rule, uint64_t now_ms)
{
	state->successes = 0;
	state->failures++;
	if (state->phase != PROBE_DOWN && state->failures >= rule->fall)
		fall(state, now_ms);
}

void probe_heard(struct probe_state *state, const struct probe_rule *rule, const struct probe_result *result,
	uint64_t now_ms)
{
	state->has_result = true;
	state->last_good = result->good;
	state->last_ms = now_ms;
	state->last_took_us = result->took_us;
	snprintf(state->last_words, sizeof(state->last_words), "%s", result->words);
	state->attempts++;
	state->failed += !result->good;
	if (result->good)
		succeed(state, rule, now_ms);
	else
		fail(state, rule, now_ms);
}

void probe_maintain(struct probe_state *state, bool maintained)
{
	state->maintained = maintained;
}

void probe_excuse(struct probe_state *state)
{
	state->excused = !state->was_up;
}

bool probe_news(struct probe_state *state)
{
	if (state->maintained || state->phase == PROBE_STARTING || state->phase == state->told)
		return false;
	state->told = state->phase;
	return true;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

const struct probe_transition *probe_transition(const struct probe_state *state, size_t back)
{
	if (back >= state->transition_count || back >= PROBE_HISTORY_LENGTH)
		return NULL;
	return &state->history[(state->transition_count - 1 - back) % PROBE_HISTORY_LENGTH];
}

const char *probe_cause(const struct probe_state *state)
{
	const struct probe_transition *newest = probe_transition(state, 0);

	return newest ? newest->cause : "";
}

uint64_t probe_first_ms(uint32_t interval_ms, uint32_t chance, uint64_t now_ms)
{
	return now_ms + chance % (interval_ms < PROBE_SPREAD_MS ? interval_ms : PROBE_SPREAD_MS);
}

static bool is_well(const struct probe_state *state)
{
	return state->phase == PROBE_UP || (state->excused && !state->was_up);
}

static bool is_bad(const struct probe_state *state)
{
	return state->was_up && state->phase == PROBE_DOWN;
}

enum probe_verdict probes_verdict(const struct probe_state *const *states, size_t count, size_t *cause)
{
	enum probe_verdict verdict = PROBES_GOOD;

	for (size_t i = 0; i < count; i++) {
		if (is_well(states[i]))
			continue;
		if (cause && verdict == PROBES_GOOD)
			*cause = i;
		verdict = PROBES_UNDECIDED;
		if (!is_bad(states[i]))
			continue;
		if (cause)
			*cause = i;
		return PROBES_BAD;
	}
	return verdict;
}
