// SPDX-License-Identifier: Apache-2.0
#include "probe/prober.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/scan.h"
#include "probe/private.h"

#define ACCURACY_US 1000
#define LATE_US     5000 /* a step that ends later than that tells of us, not of whoever was asked */
#define STEPS       8    /* of an attempt's time: what the loop is late for one is not counted */

struct prober {
	answer_heard heard;
	void *self;
	struct http_client *client; /* NULL: no probe asks by HTTP */
	struct attempt *attempts;   /* one a probe, in the model's order */
	size_t count;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void wait_until(struct attempt *attempt, uint64_t when_us)
{
	sd_event_source_set_time(attempt->timer, when_us);
	sd_event_source_set_enabled(attempt->timer, SD_EVENT_ONESHOT);
}

/* ---- An attempt's end -------------------------------------------------------------------------------------------- */

/* What a server says may stand in it. */
static void only_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void end(struct attempt *attempt)
{
	uint64_t now = now_us(), next = attempt->begun_us + attempt->probe->interval_ms * 1000ull;

	attempt->under_way = false;
	attempt->question->end(attempt);
	wait_until(attempt, next > now ? next : now);
}

static void finish(struct attempt *attempt, bool good, const char *format, va_list arguments)
{
	struct prober *prober = attempt->prober;
	struct answer answer = {.good = good, .took_us = (uint32_t)(now_us() - attempt->begun_us)};

	vsnprintf(answer.words, sizeof(answer.words), format, arguments);
	only_printable(answer.words);
	attempt->cannot_ask = false;
	end(attempt);
	prober->heard(prober->self, (size_t)(attempt - prober->attempts), &answer);
}

void attempt_good(struct attempt *attempt, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	finish(attempt, true, format, arguments);
	va_end(arguments);
}

void attempt_bad(struct attempt *attempt, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	finish(attempt, false, format, arguments);
	va_end(arguments);
}

/* No descriptor, memory, port or address of ours to be had, or no right to ask. */
static bool is_our_own(int negative_errno)
{
	switch (-negative_errno) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EPERM:
		return true;
	default:
		return false;
	}
}

void attempt_failed(struct attempt *attempt, int negative_errno, const char *words)
{
	if (!is_our_own(negative_errno)) {
		attempt_bad(attempt, "%s", words);
		return;
	}
	if (!attempt->cannot_ask)
		log_error("probe %s cannot ask, and nothing changes until it can: %s", attempt->probe->name,
			words);
	attempt->cannot_ask = true;
	end(attempt);
}

/* ---- Its beginning, and its time --------------------------------------------------------------------------------- */

static void step(struct attempt *attempt, uint64_t now)
{
	attempt->steps_left--;
	wait_until(attempt, now + attempt->probe->timeout_ms * 1000ull / STEPS);
}

static void begin(struct attempt *attempt)
{
	struct error error;
	int r;

	attempt->begun_us = now_us();
	attempt->under_way = true;
	attempt->had_more_time = false;
	attempt->steps_left = STEPS;
	step(attempt, attempt->begun_us);
	r = attempt->question->begin(attempt, &error);
	if (r < 0)
		attempt_failed(attempt, r, error.text);
}

/* After the last step there is one more if that was late: an answer may have come meanwhile. */
static void step_ends(struct attempt *attempt, uint64_t due_us)
{
	uint64_t now = now_us();
	char text[DURATION_TEXT_SIZE];

	if (attempt->steps_left == 0 && now > due_us + LATE_US && !attempt->had_more_time) {
		attempt->had_more_time = true;
		attempt->steps_left++;
	}
	if (attempt->steps_left > 0)
		step(attempt, now);
	else
		attempt_bad(attempt, "no answer in %s", format_duration(attempt->probe->timeout_ms, text));
}

static int hear_time(sd_event_source *source, uint64_t due_us, void *userdata)
{
	struct attempt *attempt = userdata;

	(void)source;
	if (attempt->under_way)
		step_ends(attempt, due_us);
	else
		begin(attempt);
	return 0;
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

static const struct question *question_of(const struct probe *probe)
{
	if (probe->icmp.enabled)
		return &icmp_question;
	return probe->tcp.enabled ? &tcp_question : &http_question;
}

static int add(struct prober *prober, sd_event *event, const struct probe *probe, uint32_t first_ms,
	struct error *error)
{
	struct attempt *attempt = &prober->attempts[prober->count++];
	int r = 0;

	*attempt = (struct attempt){.prober = prober,
		.probe = probe,
		.question = question_of(probe),
		.event = event,
		.socket = -1};
	if (probe->http.enabled && !prober->client)
		r = http_client_open(event, &prober->client, error);
	if (r == 0 && probe->http.enabled)
		r = http_open(probe, &attempt->http, error);
	if (r < 0)
		return r;
	attempt->client = prober->client;
	r = sd_event_add_time(event, &attempt->timer, CLOCK_MONOTONIC, now_us() + first_ms * 1000ull,
		ACCURACY_US, hear_time, attempt);
	return r < 0 ? error_errno(error, r, "cannot set a probe's timer") : 0;
}

int prober_open(sd_event *event, const struct model *model, const uint32_t *first_ms, answer_heard heard,
	void *self, struct prober **prober, struct error *error)
{
	struct prober *opened = calloc(1, sizeof(*opened));
	int r = 0;

	if (!opened)
		return error_set(error, -ENOMEM, "out of memory");
	opened->heard = heard;
	opened->self = self;
	opened->attempts = calloc(model->probe_count + 1, sizeof(*opened->attempts));
	if (!opened->attempts) {
		prober_close(opened);
		return error_set(error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; r == 0 && i < model->probe_count; i++)
		r = add(opened, event, &model->probes[i], first_ms[i], error);
	if (r < 0) {
		prober_close(opened);
		return r;
	}
	*prober = opened;
	return 0;
}

uint32_t prober_waits_ms(const struct prober *prober, size_t probe)
{
	const struct attempt *attempt = &prober->attempts[probe];
	uint64_t now = now_us(), due_us = 0;

	if (!attempt->under_way)
		sd_event_source_get_time(attempt->timer, &due_us);
	return due_us > now ? (uint32_t)((due_us - now) / 1000) : 0;
}

void prober_close(struct prober *prober)
{
	if (!prober)
		return;
	for (size_t i = 0; i < prober->count; i++) {
		struct attempt *attempt = &prober->attempts[i];

		if (attempt->under_way)
			attempt->question->end(attempt);
		sd_event_source_disable_unref(attempt->timer);
		http_close(attempt->http);
	}
	http_client_close(prober->client);
	free(prober->attempts);
	free(prober);
}
