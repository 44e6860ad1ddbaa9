// SPDX-License-Identifier: Apache-2.0
#include "health/egress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct egress {
	const struct model *model;
	struct egress_group_state *states; /* in the model's order */
	uint32_t *told;                    /* the links in that egress_next_change() last told, a bit each */
};

static void state_begin(struct egress_group_state *state, const struct egress_group *group, uint64_t now_ms)
{
	*state = (struct egress_group_state){.group = group, .since_ms = now_ms};
	for (size_t i = 0; i < group->link_count; i++) {
		struct egress_link_state *link = &state->links[i];

		link->link = &group->links[i];
		link->usable_since_ms = link->since_ms = now_ms;
		link->announces = link->proven = ANNOUNCES_LEAVING;
		snprintf(link->cause, sizeof(link->cause), "not usable since the start");
		snprintf(link->why, sizeof(link->why), "not usable");
	}
}

struct egress *egress_new(const struct model *model, uint64_t now_ms)
{
	struct egress *egress = calloc(1, sizeof(*egress));

	if (!egress)
		return NULL;
	egress->model = model;
	egress->states = calloc(model->egress_count + 1, sizeof(*egress->states));
	egress->told = calloc(model->egress_count + 1, sizeof(*egress->told));
	if (!egress->states || !egress->told) {
		egress_free(egress);
		return NULL;
	}
	for (size_t i = 0; i < model->egress_count; i++)
		state_begin(&egress->states[i], &model->egress[i], now_ms);
	return egress;
}

void egress_free(struct egress *egress)
{
	if (!egress)
		return;
	free(egress->states);
	free(egress->told);
	free(egress);
}

/* ---- What links are ---------------------------------------------------------------------------------------------- */

#define FOR_EACH_LINK(i, state) for (size_t i = 0; i < (state)->group->link_count; i++)

#define NO_LINK SIZE_MAX

static uint16_t number_of(const struct egress_link_state *link)
{
	return link->link->tunnel->number;
}

static enum announces most_of(const struct egress_group_state *state)
{
	enum announces most = ANNOUNCES_UNKNOWN;

	FOR_EACH_LINK (i, state)
		if (state->links[i].usable && state->links[i].announces > most)
			most = state->links[i].announces;
	return most;
}

static void prove(struct egress_link_state *link, uint64_t hold_ms, uint64_t now_ms)
{
	if (link->announces < link->proven || now_ms >= link->more_since_ms + hold_ms)
		link->proven = link->announces;
}

/* That another does not leave counts at once; that it announces more, when that is proven. */
static enum announces most_proven(const struct egress_group_state *state)
{
	enum announces most = most_of(state);

	if (most > ANNOUNCES_SOME)
		most = ANNOUNCES_SOME;
	FOR_EACH_LINK (i, state)
		if (state->links[i].usable && state->links[i].proven > most)
			most = state->links[i].proven;
	return most;
}

/* Where nothing carries traffic that would have to move, nobody has to prove anything. */
static enum announces needed_of(const struct egress_group_state *state)
{
	FOR_EACH_LINK (i, state) {
		const struct egress_link_state *link = &state->links[i];

		if (link->in && link->usable && link->announces > ANNOUNCES_LEAVING)
			return most_proven(state);
	}
	return most_of(state);
}

/* Usable, and of those no last choice. */
static bool is_candidate(const struct egress_group_state *state, size_t i)
{
	return state->links[i].usable && state->links[i].announces >= state->needed;
}

/* When a candidate will have been one for long enough. */
static uint64_t held_from(const struct egress_group_state *state, size_t i)
{
	const struct egress_link_state *link = &state->links[i];

	return (link->proven < state->needed ? link->more_since_ms : link->usable_since_ms) +
	       state->group->hold_ms;
}

static bool is_held(const struct egress_group_state *state, size_t i, uint64_t now_ms)
{
	return is_candidate(state, i) && now_ms >= held_from(state, i);
}

static uint32_t links_in(const struct egress_group_state *state)
{
	uint32_t in = 0;

	FOR_EACH_LINK (i, state)
		in |= (uint32_t)state->links[i].in << i;
	return in;
}

static void deal(const struct egress_group_state *state, uint8_t slots[SHARE_SLOTS])
{
	uint16_t weights[EGRESS_LINKS_MAX];

	FOR_EACH_LINK (i, state)
		weights[i] = state->group->links[i].weight;
	share_deal(weights, state->group->link_count, links_in(state), slots);
}

static void count_slots(struct egress_group_state *state)
{
	uint8_t slots[SHARE_SLOTS];

	deal(state, slots);
	FOR_EACH_LINK (i, state)
		state->links[i].slots = 0;
	for (size_t slot = 0; slot < SHARE_SLOTS; slot++)
		if (slots[slot] != SHARE_NONE)
			state->links[slots[slot]].slots++;
}

static void set_in(struct egress_group_state *state, size_t i, bool in, const char *cause, uint64_t now_ms)
{
	struct egress_link_state *link = &state->links[i];

	if (link->in == in)
		return;
	link->in = in;
	link->since_ms = state->since_ms = now_ms;
	snprintf(link->cause, sizeof(link->cause), "%s", cause);
	if (!in && state->commanded == number_of(link))
		state->commanded = 0;
	state->begun |= in;
	count_slots(state);
}

static const char *why_not(const struct egress_link_state *link)
{
	if (!link->usable)
		return link->why;
	return link->announces == ANNOUNCES_LEAVING
		       ? "its neighbor says that it leaves, and another link is there"
		       : "another link's neighbor announces more of the destinations";
}

static void put_out_the_dead(struct egress_group_state *state, uint64_t now_ms)
{
	FOR_EACH_LINK (i, state)
		if (!is_candidate(state, i))
			set_in(state, i, false, why_not(&state->links[i]), now_ms);
}

/* ---- Rules ------------------------------------------------------------------------------------------------------- */

static size_t active_of(const struct egress_group_state *state)
{
	FOR_EACH_LINK (i, state)
		if (state->links[i].in)
			return i;
	return NO_LINK;
}

/* The first candidate in the group's order; `held`: of those that were usable for long enough. */
static size_t first_usable(const struct egress_group_state *state, bool held, uint64_t now_ms)
{
	FOR_EACH_LINK (i, state)
		if (is_candidate(state, i) && (!held || is_held(state, i, now_ms)))
			return i;
	return NO_LINK;
}

static void make_active(struct egress_group_state *state, size_t wanted, const char *cause, uint64_t now_ms)
{
	size_t active = active_of(state);

	if (wanted == NO_LINK || wanted == active)
		return;
	if (active != NO_LINK)
		set_in(state, active, false, cause, now_ms);
	set_in(state, wanted, true, cause, now_ms);
}

/* From one that leaves to another that leaves would be no gain, and from one that announces more none for long. */
static bool may_preempt(const struct egress_group_state *state, size_t better, size_t active)
{
	return state->group->preempt && !state->commanded && better < active &&
	       state->links[better].announces > ANNOUNCES_LEAVING &&
	       state->links[better].announces >= state->links[active].announces;
}

static size_t better_of(const struct egress_group_state *state, size_t active, uint64_t now_ms)
{
	FOR_EACH_LINK (i, state)
		if (is_held(state, i, now_ms) && may_preempt(state, i, active))
			return i;
	return NO_LINK;
}

static void judge_standby(struct egress_group_state *state, uint64_t now_ms)
{
	size_t active = active_of(state);

	if (active == NO_LINK && (state->begun || (state->group->link_count && is_candidate(state, 0))))
		make_active(state, first_usable(state, false, now_ms), "the first usable link", now_ms);
	else if (active == NO_LINK)
		make_active(state, first_usable(state, true, now_ms),
			"the first link did not become usable in time", now_ms);
	else
		make_active(state, better_of(state, active, now_ms),
			"the better link was usable for long enough", now_ms);
}

static void judge_sharing(struct egress_group_state *state, uint64_t now_ms)
{
	bool none = links_in(state) == 0;

	FOR_EACH_LINK (i, state) {
		if (none && is_candidate(state, i))
			set_in(state, i, true, "no other link carried traffic", now_ms);
		else if (is_held(state, i, now_ms))
			set_in(state, i, true, "it was usable for long enough", now_ms);
	}
}

static void judge(struct egress_group_state *state, uint64_t now_ms)
{
	FOR_EACH_LINK (i, state)
		prove(&state->links[i], state->group->hold_ms, now_ms);
	state->needed = needed_of(state);
	put_out_the_dead(state, now_ms);
	state->needed = needed_of(state); /* none may be in now */
	if (state->group->mode == EGRESS_LOAD_SHARING)
		judge_sharing(state, now_ms);
	else
		judge_standby(state, now_ms);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/* Of this tunnel, in whichever group; NULL: in none. */
static struct egress_link_state *find_link(
	const struct egress *egress, uint16_t tunnel, struct egress_group_state **state)
{
	for (size_t group = 0; group < egress->model->egress_count; group++) {
		*state = &egress->states[group];
		FOR_EACH_LINK (i, *state)
			if (number_of(&(*state)->links[i]) == tunnel)
				return &(*state)->links[i];
	}
	return NULL;
}

void egress_adopt(struct egress *egress, uint16_t tunnel, bool commanded)
{
	struct egress_group_state *state;
	struct egress_link_state *link = find_link(egress, tunnel, &state);

	if (!link)
		return;
	link->in = link->usable = state->begun = true;
	link->announces = link->proven = ANNOUNCES_ALL;
	link->usable_since_ms = link->more_since_ms = 0;
	snprintf(link->cause, sizeof(link->cause), "as an earlier daemon left it");
	if (commanded)
		state->commanded = tunnel;
	count_slots(state);
	egress->told[state - egress->states] = links_in(state);
}

/* A command goes where its link does. */
static void carry_link(struct egress *egress, size_t group, size_t i, const struct egress_group_state *old)
{
	struct egress_link_state *link = &egress->states[group].links[i];

	FOR_EACH_LINK (k, old) {
		const struct egress_link *here = link->link;

		if (!tunnel_same(old->links[k].link->tunnel, here->tunnel))
			continue;
		*link = old->links[k];
		link->link = here;
		if (old->commanded == here->tunnel->number)
			egress->states[group].commanded = old->commanded;
	}
}

/* A link's place in the group may be another one, and so may its bit. */
static void carry_told(struct egress *egress, size_t group, const struct egress *old, size_t was)
{
	const struct egress_group_state *state = &egress->states[group], *from = &old->states[was];

	egress->told[group] = 0;
	FOR_EACH_LINK (i, state)
		FOR_EACH_LINK (k, from)
			if (tunnel_same(from->links[k].link->tunnel, state->links[i].link->tunnel))
				egress->told[group] |= (old->told[was] >> k & 1) << i;
}

/* One of a group that was of the other mode begins anew by its own rules, with one link or with all. */
static void carry_group(
	struct egress *egress, size_t group, const struct egress *old, size_t was, uint64_t now_ms)
{
	struct egress_group_state *state = &egress->states[group];
	const struct egress_group_state *from = &old->states[was];

	state->begun = from->begun;
	state->since_ms = from->since_ms;
	FOR_EACH_LINK (i, state)
		carry_link(egress, group, i, from);
	carry_told(egress, group, old, was);
	if (state->group->mode == EGRESS_ACTIVE_STANDBY)
		FOR_EACH_LINK (i, state)
			if (i > active_of(state))
				set_in(state, i, false, "the group has one active link", now_ms);
	judge(state, now_ms);
	count_slots(state);
}

void egress_carry(struct egress *egress, const struct egress *old, uint64_t now_ms)
{
	for (size_t i = 0; i < egress->model->egress_count; i++)
		for (size_t k = 0; k < old->model->egress_count; k++)
			if (strcmp(egress->model->egress[i].name, old->model->egress[k].name) == 0)
				carry_group(egress, i, old, k, now_ms);
}

void egress_carry_told(struct egress *egress, const struct egress *old)
{
	for (size_t i = 0; i < egress->model->egress_count; i++)
		for (size_t k = 0; k < old->model->egress_count; k++)
			if (strcmp(egress->model->egress[i].name, old->model->egress[k].name) == 0)
				carry_told(egress, i, old, k);
}

/* One that comes back has nothing proven, and waits for its time. */
static void hear(struct egress_link_state *link, bool usable, enum announces announces, uint64_t now_ms)
{
	bool back = link->usable != usable ||
		    (link->announces <= ANNOUNCES_LEAVING && announces > ANNOUNCES_LEAVING);

	if (back) {
		link->usable_since_ms = now_ms;
		link->proven = ANNOUNCES_LEAVING;
	}
	if (back || announces > link->announces)
		link->more_since_ms = now_ms;
	link->usable = usable;
	link->announces = announces;
}

void egress_report(struct egress *egress, const struct egress_news *news, uint64_t now_ms)
{
	struct egress_group_state *state;
	struct egress_link_state *link = find_link(egress, news->tunnel, &state);
	enum announces announces;

	if (!link)
		return;
	announces = news->announces == ANNOUNCES_UNKNOWN ? link->announces : news->announces;
	if (!news->usable)
		snprintf(link->why, sizeof(link->why), "%s", news->why);
	prove(link, state->group->hold_ms, now_ms);
	hear(link, news->usable, announces, now_ms);
}

void egress_tick(struct egress *egress, uint64_t now_ms)
{
	for (size_t i = 0; i < egress->model->egress_count; i++)
		judge(&egress->states[i], now_ms);
}

/* Once it is proven that it announces more, another is out. */
static bool outbids(const struct egress_group_state *state, size_t better)
{
	const struct egress_link_state *link = &state->links[better];

	FOR_EACH_LINK (i, state)
		if (state->links[i].in && state->links[i].announces < link->announces)
			return link->usable && link->proven < link->announces;
	return false;
}

/* Somebody out of traffic may be waiting for its time. */
static uint64_t group_deadline(const struct egress_group_state *state)
{
	uint64_t deadline = UINT64_MAX;
	size_t active = active_of(state);

	FOR_EACH_LINK (i, state) {
		const struct egress_link_state *link = &state->links[i];
		uint64_t held = held_from(state, i);
		bool waits = state->group->mode == EGRESS_LOAD_SHARING || active == NO_LINK ||
			     may_preempt(state, i, active);

		if (is_candidate(state, i) && !link->in && waits && held < deadline)
			deadline = held;
		if (outbids(state, i) && link->more_since_ms + state->group->hold_ms < deadline)
			deadline = link->more_since_ms + state->group->hold_ms;
	}
	return deadline;
}

uint64_t egress_deadline(const struct egress *egress)
{
	uint64_t deadline = UINT64_MAX;

	for (size_t i = 0; i < egress->model->egress_count; i++) {
		uint64_t due = group_deadline(&egress->states[i]);

		deadline = due < deadline ? due : deadline;
	}
	return deadline;
}

int egress_switch(
	struct egress *egress, const struct egress_group *group, const struct tunnel *tunnel, uint64_t now_ms)
{
	struct egress_group_state *state;
	struct egress_link_state *link = find_link(egress, tunnel->number, &state);

	if (!link || state->group != group)
		return -ENOENT;
	if (group->mode == EGRESS_LOAD_SHARING)
		return -EOPNOTSUPP;
	if (!link->usable)
		return -ENETDOWN;
	if (link->announces < most_of(state))
		return -EBUSY;
	make_active(state, (size_t)(link - state->links), "an operator switched over", now_ms);
	state->commanded = tunnel->number;
	return 0;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

const struct egress_group_state *egress_states(const struct egress *egress)
{
	return egress->states;
}

bool egress_next_change(struct egress *egress, size_t *group, uint32_t *came, uint32_t *went)
{
	for (size_t i = 0; i < egress->model->egress_count; i++) {
		uint32_t in = links_in(&egress->states[i]);

		if (in == egress->told[i])
			continue;
		*group = i;
		*came = in & ~egress->told[i];
		*went = egress->told[i] & ~in;
		egress->told[i] = in;
		return true;
	}
	return false;
}

void egress_table(const struct egress_group_state *state, uint16_t tunnels[SHARE_SLOTS])
{
	uint8_t slots[SHARE_SLOTS];

	deal(state, slots);
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		tunnels[i] = slots[i] == SHARE_NONE ? 0 : number_of(&state->links[slots[i]]);
}

void egress_list_in(const struct egress_group_state *state, uint16_t tunnels[EGRESS_LINKS_MAX])
{
	size_t count = 0;

	FOR_EACH_LINK (i, state)
		if (state->links[i].in)
			tunnels[count++] = number_of(&state->links[i]);
	while (count < EGRESS_LINKS_MAX)
		tunnels[count++] = 0;
}
