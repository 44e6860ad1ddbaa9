// SPDX-License-Identifier: Apache-2.0
/*
 * Who may take over what this gateway serves. A drain asks nobody; `gateway switch` hands the service over, and is refused
 * unless somebody is there to take it: a member that lives, serves and is in step, and that a usable tunnel leads to from
 * every provider that ours lead to.
 *
 * Which of those who may takes over is not ours to say: the providers' routers choose, by what the gateways announce (MED,
 * prepend) and by their own preferences. Nor is it told which loopbacks a member announces: it serves when there is any.
 */
#include "ctl/successor.h"

#include <errno.h>
#include <stdio.h>

#include "bpf/abi.h"

#define LAG_MOST_MS 1000 /* from a change there until it stands here, in the median */

/* By both clocks, of which one may be wrong. What seems to come before it was made is in step, by a clock that is ahead. */
static int64_t lag_ms(const struct member_status *is)
{
	return is->lag_p50_us == UINT32_MAX || is->lag_p50_us == 0
		       ? 0
		       : (int64_t)is->lag_p50_us / 1000 + is->clock_skew_ms;
}

static const char *state_words(enum member_state state)
{
	static const char *const words[MEMBER_STATES] = {
		[MEMBER_NONE] = "it was never heard",
		[MEMBER_SUSPECT] = "it is not heard at the moment",
		[MEMBER_DEAD] = "it is dead",
	};

	return words[state];
}

/* NULL: nothing stands against it. */
static const char *why_not(const struct status *status, const struct member_status *is)
{
	if (is->member->number == status->model->number)
		return "it is this gateway";
	if (is->state != MEMBER_ALIVE)
		return state_words(is->state);
	if (!is->ready)
		return "it does not know yet what the array knows: it still reads the others' tables";
	if (!is->serving)
		return "it announces nothing: it drains, stops or is not ready";
	if (lag_ms(is) > LAG_MOST_MS)
		return "it is out of step: its changes take more than a second";
	return NULL;
}

static bool leads_to(const struct member_status *is, const struct provider *provider)
{
	for (size_t i = 0; i < is->tunnel_count; i++)
		if (is->tunnels[i].usable && is->tunnels[i].provider == provider)
			return true;
	return false;
}

/* Of those who may; `to`: of it alone, NULL: of all. */
static bool somebody_leads_to(
	const struct status *status, const struct member *to, const struct provider *provider)
{
	for (size_t i = 0; i < status->model->array.member_count; i++) {
		const struct member_status *is = &status->members[i];

		if ((!to || is->member == to) && !why_not(status, is) && leads_to(is, provider))
			return true;
	}
	return false;
}

/* Providers that reach us by a usable tunnel must reach them. */
static int providers_are_reached(const struct status *status, const struct member *to, struct error *error)
{
	for (size_t i = 0; i < status->model->tunnel_count; i++) {
		const struct tunnel_status *is = &status->tunnels[i];
		const struct provider *provider = is->tunnel->provider;

		if (is->usable && provider && !somebody_leads_to(status, to, provider))
			return error_set(error, -EHOSTUNREACH,
				"%s has no usable tunnel to %s: its devices would reach nobody",
				to ? to->name : "no gateway that serves", provider->name);
	}
	return 0;
}

static int to_one(const struct status *status, const struct member *to, struct error *error)
{
	for (size_t i = 0; i < status->model->array.member_count; i++) {
		const struct member_status *is = &status->members[i];
		const char *why = is->member == to ? why_not(status, is) : NULL;

		if (why)
			return error_set(error, -EHOSTDOWN, "%s cannot take over: %s", to->name, why);
	}
	return 0;
}

static int to_any(const struct status *status, struct error *error)
{
	char words[sizeof(error->text)] = "";
	size_t length = 0;

	for (size_t i = 0; i < status->model->array.member_count; i++) {
		const struct member_status *is = &status->members[i];
		const char *why = why_not(status, is);

		if (!why)
			return 0;
		if (is->member->number != status->model->number && length < sizeof(words))
			length += (size_t)snprintf(words + length, sizeof(words) - length, "%s%s: %s",
				length ? "; " : "", is->member->name, why);
	}
	return error_set(
		error, -EHOSTDOWN, "nobody can take over: %s", length ? words : "there is no other gateway");
}

int successor_check(const struct status *status, const struct member *to, struct error *error)
{
	int r = to ? to_one(status, to, error) : to_any(status, error);

	return r < 0 ? r : providers_are_reached(status, to, error);
}
