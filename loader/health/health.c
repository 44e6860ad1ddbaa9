// SPDX-License-Identifier: Apache-2.0
#include "health/health.h"

#include <stdlib.h>
#include <string.h>

struct health {
	const struct model *model;
	struct health_tunnel *tunnels; /* in the model's order */
	bool *told;                    /* the bit that health_next_change() last told, a tunnel each */
	bool *announced, *allowed;     /* by probes: a loopback each */
	enum voice *voices;            /* the tunnels', in the model's order */
	bool *unproven;                /* by their probes: a tunnel each */
	bool bird_lost;
	uint64_t thaw_ms; /* when what is still frozen thaws; UINT64_MAX: nothing waits for that */
	bool withdrawn, drained, array_waits, isolated;
	bool silent;       /* of all this together: nothing is announced */
	uint64_t leave_ms; /* when what is leaving is withdrawn; UINT64_MAX: nothing is leaving */
	bool announcement_changed;
};

struct health *health_new(const struct model *model, uint64_t now_ms)
{
	struct health *health = calloc(1, sizeof(*health));

	if (!health)
		return NULL;
	health->model = model;
	health->thaw_ms = health->leave_ms = UINT64_MAX;
	health->tunnels = calloc(model->tunnel_count + 1, sizeof(*health->tunnels));
	health->told = calloc(model->tunnel_count + 1, sizeof(*health->told));
	health->announced = calloc(model->loopback_count + 1, sizeof(*health->announced));
	health->allowed = calloc(model->loopback_count + 1, sizeof(*health->allowed));
	health->voices = calloc(model->tunnel_count + 1, sizeof(*health->voices));
	health->unproven = calloc(model->tunnel_count + 1, sizeof(*health->unproven));
	if (!health->tunnels || !health->told || !health->announced || !health->allowed || !health->voices ||
		!health->unproven) {
		health_free(health);
		return NULL;
	}
	for (size_t i = 0; i < model->tunnel_count; i++) {
		health->tunnels[i].tunnel = model->tunnels[i].number;
		health->tunnels[i].missing = HEALTH_LINK;
		health->tunnels[i].since_ms = now_ms;
		health->tunnels[i].has[HEALTH_ENABLED] = true;
		health->tunnels[i].leave_ms = UINT64_MAX;
		health->tunnels[i].has[HEALTH_PROBES] = !model_is_probed(model, NULL, &model->tunnels[i]);
		health->tunnels[i].has[HEALTH_ANNOUNCED] = !model_announced_to(model, &model->tunnels[i]);
		health->unproven[i] = !health->tunnels[i].has[HEALTH_PROBES];
		health->tunnels[i].heard =
			health->tunnels[i].has[HEALTH_ANNOUNCED] ? ANNOUNCES_ALL : ANNOUNCES_NOTHING;
	}
	for (size_t i = 0; i < model->loopback_count; i++)
		health->announced[i] = health->allowed[i] =
			!model_is_probed(model, &model->loopbacks[i], NULL);
	return health;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	free(health->tunnels);
	free(health->told);
	free(health->announced);
	free(health->voices);
	free(health->unproven);
	free(health->allowed);
	free(health);
}

/* ---- Rules ------------------------------------------------------------------------------------------------------- */

static bool needs(const struct tunnel *tunnel, enum health_need need)
{
	switch (need) {
	case HEALTH_BFD:
		return tunnel->bgp.enabled && tunnel->bgp.bfd.enabled;
	case HEALTH_BGP:
		return tunnel->bgp.enabled;
	default:
		return true;
	}
}

static enum health_need first_missing(const struct tunnel *tunnel, const struct health_tunnel *state)
{
	for (enum health_need need = 0; need < HEALTH_NEEDS; need++)
		if (needs(tunnel, need) && !state->has[need])
			return need;
	return HEALTH_NOTHING;
}

/* What is known without BIRD: the kernel's word, and what we asked ourselves. */
static enum health_need missing_without_bird(const struct health_tunnel *state)
{
	for (enum health_need need = 0; need <= HEALTH_LINK; need++)
		if (!state->has[need])
			return need;
	return state->has[HEALTH_PROBES] ? HEALTH_NOTHING : HEALTH_PROBES;
}

static void judge(struct health *health, size_t i, uint64_t now_ms)
{
	struct health_tunnel *state = &health->tunnels[i];
	enum health_need missing = first_missing(&health->model->tunnels[i], state);
	enum health_need known = missing_without_bird(state);
	bool usable = missing == HEALTH_NOTHING;

	/* What is known without BIRD is believed at once. */
	if (state->frozen && known == HEALTH_NOTHING &&
		(health->bird_lost || !usable || state->heard < state->announces))
		return;
	if (state->frozen && known != HEALTH_NOTHING)
		missing = known;
	state->frozen = false;
	state->missing = missing;
	state->announces = state->heard;
	if (state->usable == usable)
		return;
	state->usable = usable;
	state->since_ms = now_ms;
}

const char *health_obstacle(const struct health *health)
{
	if (health->withdrawn)
		return "the gateway stops";
	if (health->drained)
		return "the gateway is drained";
	return health->array_waits ? "the array is not ready" : NULL;
}

static bool is_silent(const struct health *health)
{
	bool drains = health->drained && !health->withdrawn && health->leave_ms != UINT64_MAX;

	return health_obstacle(health) && !drains;
}

static enum voice voice_of(const struct health_tunnel *state)
{
	if (!state->disabled)
		return VOICE_SPEAKS;
	return state->leave_ms != UINT64_MAX ? VOICE_LEAVES : VOICE_SILENT;
}

/* Also without a loopback of its own a gateway announces: what its tunnels import. */
static void announce(struct health *health)
{
	bool silent = is_silent(health);

	health->announcement_changed |= health->silent != silent;
	health->silent = silent;
	for (size_t i = 0; i < health->model->loopback_count; i++) {
		bool announced = !silent && health->allowed[i];

		health->announcement_changed |= health->announced[i] != announced;
		health->announced[i] = announced;
	}
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		enum voice voice = voice_of(&health->tunnels[i]);

		health->announcement_changed |= health->voices[i] != voice;
		health->voices[i] = voice;
		health->announcement_changed |= health->unproven[i] == health->tunnels[i].has[HEALTH_PROBES];
		health->unproven[i] = !health->tunnels[i].has[HEALTH_PROBES];
	}
}

void health_adopt(struct health *health, uint16_t tunnel)
{
	health->bird_lost = true;
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		struct health_tunnel *state = &health->tunnels[i];

		if (state->tunnel != tunnel)
			continue;
		state->has[HEALTH_LINK] = state->has[HEALTH_PROBES] = true;
		state->announces = ANNOUNCES_UNKNOWN;
		state->missing = HEALTH_NOTHING;
		state->usable = health->told[i] = true;
		state->frozen = needs(&health->model->tunnels[i], HEALTH_BGP);
		health->unproven[i] = false;
	}
}

/* What its probes decided stays until they decide again, whatever it is called; without any, nothing is in its way. */
static void carry_loopback(struct health *health, const struct health *old, size_t i)
{
	const struct loopback *loopback = &health->model->loopbacks[i];

	health->allowed[i] = !model_is_probed(health->model, loopback, NULL);
	for (size_t j = 0; j < old->model->loopback_count; j++)
		health->allowed[i] |=
			old->allowed[j] && loopbacks_share_address(loopback, &old->model->loopbacks[j]);
}

void health_carry(struct health *health, const struct health *old, uint64_t now_ms)
{
	health->bird_lost = old->bird_lost;
	health->thaw_ms = old->thaw_ms;
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		const struct tunnel *was = model_same_tunnel(old->model, &health->model->tunnels[i]);

		if (!was)
			continue;
		health->tunnels[i] = old->tunnels[was - old->model->tunnels];
		health->told[i] = old->told[was - old->model->tunnels];
		health->tunnels[i].has[HEALTH_PROBES] |=
			!model_is_probed(health->model, NULL, &health->model->tunnels[i]);
		if (!model_announced_to(health->model, &health->model->tunnels[i])) {
			health->tunnels[i].has[HEALTH_ANNOUNCED] = true;
			health->tunnels[i].heard = ANNOUNCES_ALL;
		}
		judge(health, i, now_ms);
	}
	for (size_t i = 0; i < health->model->loopback_count; i++)
		carry_loopback(health, old, i);
	health->withdrawn = old->withdrawn;
	health->drained = old->drained;
	health->array_waits = old->array_waits;
	health->isolated = old->isolated;
	health->leave_ms = old->leave_ms;
	announce(health);
	health->announcement_changed = old->announcement_changed;
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/* With a session go the routes that it told. */
static void forget_told(struct health *health, size_t i)
{
	if (!model_announced_to(health->model, &health->model->tunnels[i]))
		return;
	health->tunnels[i].heard = ANNOUNCES_NOTHING;
	health->tunnels[i].has[HEALTH_ANNOUNCED] = false;
}

void health_report(
	struct health *health, uint16_t tunnel, enum health_need need, bool fulfilled, uint64_t now_ms)
{
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		if (health->tunnels[i].tunnel != tunnel)
			continue;
		health->tunnels[i].has[need] = fulfilled;
		if (need == HEALTH_BGP && !fulfilled)
			forget_told(health, i);
		judge(health, i, now_ms);
		if (need == HEALTH_PROBES)
			announce(health);
	}
}

void health_told(struct health *health, const struct told_route *routes, size_t count, uint64_t now_ms)
{
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		struct health_tunnel *state = &health->tunnels[i];
		const struct egress_group *group =
			model_announced_to(health->model, &health->model->tunnels[i]);

		if (!group)
			continue;
		state->heard = announces_of(group, state->tunnel, routes, count);
		state->has[HEALTH_ANNOUNCED] = state->heard != ANNOUNCES_NOTHING;
		judge(health, i, now_ms);
	}
}

void health_probed(struct health *health, size_t loopback, bool allowed)
{
	health->allowed[loopback] = allowed;
	announce(health);
}

/*
 * The sessions ended with BIRD. What is known of BFD stays: it is read from routes that outlive BIRD, and a marker that
 * the next BIRD finds in place and right is not reported again.
 */
void health_bird_lost(struct health *health, uint64_t now_ms)
{
	if (health->bird_lost)
		return;
	health->bird_lost = true;
	health->thaw_ms = UINT64_MAX;
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		struct health_tunnel *state = &health->tunnels[i];

		state->frozen = state->usable && needs(&health->model->tunnels[i], HEALTH_BGP);
		state->has[HEALTH_BGP] = false;
		forget_told(health, i);
		judge(health, i, now_ms);
	}
}

void health_bird_back(struct health *health, uint64_t now_ms)
{
	if (!health->bird_lost)
		return;
	health->bird_lost = false;
	health->thaw_ms = now_ms + HEALTH_CONVERGE_MS;
	for (size_t i = 0; i < health->model->tunnel_count; i++)
		judge(health, i, now_ms);
}

static void thaw(struct health *health, uint64_t now_ms)
{
	health->thaw_ms = UINT64_MAX;
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		health->tunnels[i].frozen = false;
		judge(health, i, now_ms);
	}
}

static void leave(struct health *health, uint64_t now_ms)
{
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		struct health_tunnel *state = &health->tunnels[i];

		if (now_ms < state->leave_ms)
			continue;
		state->leave_ms = UINT64_MAX;
		state->has[HEALTH_ENABLED] = false;
		judge(health, i, now_ms);
		announce(health);
	}
}

void health_tick(struct health *health, uint64_t now_ms)
{
	leave(health, now_ms);
	if (now_ms >= health->thaw_ms)
		thaw(health, now_ms);
	if (now_ms >= health->leave_ms) {
		health->leave_ms = UINT64_MAX;
		announce(health);
	}
}

uint64_t health_deadline(const struct health *health)
{
	uint64_t deadline = health->thaw_ms < health->leave_ms ? health->thaw_ms : health->leave_ms;

	for (size_t i = 0; i < health->model->tunnel_count; i++)
		if (health->tunnels[i].leave_ms < deadline)
			deadline = health->tunnels[i].leave_ms;
	return deadline;
}

void health_drain(struct health *health, bool drained, bool at_once, uint64_t now_ms)
{
	bool leaves = drained && !at_once && !health_obstacle(health);

	if (health->drained == drained)
		return;
	health->leave_ms = leaves ? now_ms + HEALTH_LEAVING_MS : UINT64_MAX;
	health->drained = drained;
	health->announcement_changed = true;
	announce(health);
}

static void disable(struct health *health, size_t i, bool disabled, bool at_once, uint64_t now_ms)
{
	struct health_tunnel *state = &health->tunnels[i];
	bool leaves = disabled && !at_once && state->usable && needs(&health->model->tunnels[i], HEALTH_BGP);

	if (state->disabled == disabled)
		return;
	state->disabled = disabled;
	state->leave_ms = leaves ? now_ms + HEALTH_LEAVING_MS : UINT64_MAX;
	state->has[HEALTH_ENABLED] = !disabled || leaves;
	judge(health, i, now_ms);
	announce(health);
}

void health_disable(struct health *health, uint16_t tunnel, bool disabled, bool at_once, uint64_t now_ms)
{
	for (size_t i = 0; i < health->model->tunnel_count; i++)
		if (health->tunnels[i].tunnel == tunnel)
			disable(health, i, disabled, at_once, now_ms);
}

void health_array_ready(struct health *health, bool ready)
{
	health->array_waits = !ready;
	announce(health);
}

void health_isolated(struct health *health, bool isolated)
{
	health->announcement_changed |= health->isolated != isolated;
	health->isolated = isolated;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

const char *health_cause(const struct health_tunnel *tunnel)
{
	static const char *const causes[] = {
		[HEALTH_ENABLED] = "disabled by an operator",
		[HEALTH_LINK] = "link gone",
		[HEALTH_BFD] = "BFD down",
		[HEALTH_BGP] = "BGP down",
		[HEALTH_ANNOUNCED] = ("its neighbor announces no destination of its egress group, or "
				      "bgp.import.maximum is reached"),
		[HEALTH_PROBES] = "a probe is down",
		[HEALTH_NOTHING] = "all well",
	};

	return causes[tunnel->missing];
}

const struct health_tunnel *health_tunnels(const struct health *health)
{
	return health->tunnels;
}

bool health_next_change(struct health *health, struct health_tunnel *change)
{
	for (size_t i = 0; i < health->model->tunnel_count; i++) {
		if (health->tunnels[i].usable == health->told[i])
			continue;
		health->told[i] = health->tunnels[i].usable;
		*change = health->tunnels[i];
		return true;
	}
	return false;
}

const bool *health_announced(const struct health *health)
{
	return health->announced;
}

struct announcement health_announcement(const struct health *health)
{
	return (struct announcement){.loopbacks = health->announced,
		.tunnels = health->voices,
		.leaving = health_is_leaving(health),
		.withdrawn = is_silent(health),
		.unproven = health->unproven};
}

bool health_is_leaving(const struct health *health)
{
	return health->isolated || (health->drained && health->leave_ms != UINT64_MAX);
}

bool health_next_announcement(struct health *health)
{
	bool changed = health->announcement_changed;

	health->announcement_changed = false;
	return changed;
}

bool health_is_forbidden(const struct health *health, size_t loopback)
{
	return !health->allowed[loopback];
}

bool health_is_serving(const struct health *health)
{
	bool allowed = health->model->loopback_count == 0;

	for (size_t i = 0; i < health->model->loopback_count; i++)
		allowed |= health->allowed[i];
	return allowed && !health_obstacle(health);
}

void health_withdraw_all(struct health *health)
{
	health->withdrawn = true;
	health->leave_ms = UINT64_MAX;
	announce(health);
}
