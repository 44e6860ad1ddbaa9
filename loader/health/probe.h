/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One probe: the results of its attempts go in, with their times; whether what it asks for works comes out. A pure state
 * machine: it reads no clock, and chance is handed in as a number.
 *
 *	starting  nothing is decided: the first success makes it up, `fall` failures in a row make it down
 *	up        `fall` failures in a row make it down
 *	down      `rise` successes in a row make it up, but not while it is held down
 *
 * A probe that falls again and again is held down for 1 s, 2 s, 4 s … PROBE_HELD_MOST_MS after its fall: routers far away
 * pay for every change. Its first fall costs nothing, and for every PROBE_CALM_MS that it was up in one go one is forgotten.
 *
 * *Was up once*: a probe that never succeeded since it was configured is a mistake in the configuration as likely as a
 * dead application. It keeps back what was not in service when it came, and takes nothing out of service: what was in service
 * is none of its business until it succeeds, also when another probe takes that out and gives it back: probe_excuse().
 *
 * *Maintenance*: what the probe decides about is out of service for another reason (drained, disabled, its path dead).
 * Results count, quietly: no transition is news, and no fall counts as flapping. What is different when it is over is told
 * then, once.
 *
 * Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_HELD_FIRST_MS 1000 /* after the second fall */
#define PROBE_HELD_MOST_MS  60000
#define PROBE_CALM_MS       60000
#define PROBE_SPREAD_MS     1000

#define PROBE_WORDS_SIZE     112
#define PROBE_CAUSE_SIZE     160
#define PROBE_HISTORY_LENGTH 8

enum probe_phase { PROBE_STARTING, PROBE_UP, PROBE_DOWN, PROBE_PHASES };

struct probe_rule {
	uint8_t rise, fall; /* 1.. */
};

struct probe_transition {
	uint64_t at_ms;
	enum probe_phase phase;
	char cause[PROBE_CAUSE_SIZE];
};

/* Zeroed, it is starting. Only functions of this file write it. */
struct probe_state {
	enum probe_phase phase;
	bool was_up;  /* once since it was configured, also in an earlier daemon's time */
	bool excused; /* what it decides about was in service without it: until it was up it does not count */
	bool maintained;
	uint64_t since_ms;            /* of the phase */
	unsigned successes, failures; /* in a row; one of the two is 0 */
	unsigned flaps;               /* falls that are not forgotten */
	uint64_t up_since_ms;         /* while up: since when */
	uint64_t held_until_ms;       /* while down: it is not up before */
	bool has_result, last_good;
	uint64_t last_ms;
	uint32_t last_took_us;
	char last_words[PROBE_WORDS_SIZE];
	uint64_t attempts, failed; /* in all */
	enum probe_phase told;     /* what probe_news() said last */
	uint64_t transition_count; /* in all; the newest are kept: */
	struct probe_transition history[PROBE_HISTORY_LENGTH];
};

struct probe_result {
	bool good;
	uint32_t took_us;
	const char *words; /* "HTTP 503", "no answer in 500 ms"; shown as they are */
};

/* "starting", "up", "down". */
const char *probe_phase_name(enum probe_phase phase);

void probe_start(struct probe_state *state, uint64_t now_ms);
/* One that starts goes on for an earlier daemon's: what that knew of it, and what it told. */
void probe_resume(struct probe_state *state, bool was_up, bool excused, enum probe_phase told);
void probe_heard(struct probe_state *state, const struct probe_rule *rule, const struct probe_result *result,
	uint64_t now_ms);
void probe_maintain(struct probe_state *state, bool maintained);
/* What it decides about is in service. */
void probe_excuse(struct probe_state *state);

/* The phase is another one than when this was last true, and that is news. */
bool probe_news(struct probe_state *state);
/* Why it is as it is: "failed 3 times: HTTP 503". The newest transition's cause; "" when there was none. */
const char *probe_cause(const struct probe_state *state);
/* 0: the newest; NULL: no more are known. */
const struct probe_transition *probe_transition(const struct probe_state *state, size_t back);

/* When the first attempt is due, soon, but so that many probes do not begin at one moment; `chance` is any number. */
uint64_t probe_first_ms(uint32_t interval_ms, uint32_t chance, uint64_t now_ms);

enum probe_verdict {
	PROBES_GOOD,      /* all that count are up */
	PROBES_UNDECIDED, /* what is in service stays there, what is not stays out */
	PROBES_BAD,       /* one that was up once is down */
};

/* Of all probes that decide about one thing; `cause` (may be NULL) gets the index of one that is not up, the down one first. */
enum probe_verdict probes_verdict(const struct probe_state *const *states, size_t count, size_t *cause);

#endif
