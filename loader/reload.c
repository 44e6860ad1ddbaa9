// SPDX-License-Identifier: Apache-2.0
/*
 * Another model comes into force while the daemon runs, or nothing changes at all. What can be refused is refused before
 * anything is touched; then, in the order in which a packet notices least:
 *
 *	egress groups are dealt anew among the links that stay
 *	what leaves is not usable any more, and its neighbours hear from BIRD that it goes
 *	the plan: links, keys, maps, programs, rules; a step that fails undoes those before it
 *	the new model takes the old one's place, with all that is known about what stays
 *	BIRD announces what is new
 *
 * Flows of a provider that left are taken out of the tables: whoever comes next with its prefixes finds nothing of it. All
 * other flows stay, and go by another way if theirs left; the exit check stands behind both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "bird/render.h"
#include "daemon.h"

#define LEAVE_TIMEOUT_MS 5000 /* for BIRD to withdraw */
#define LEAVE_STEP_MS    100  /* without a word to the array */
#define LEAVE_SETTLE_MS  1000 /* for the neighbours' routers to move the traffic */

/* What the new model brings along, until it is in force. */
struct next {
	const struct model *model;
	struct health *health;
	struct egress *egress;
	struct status status;
	bool *announced; /* while the plan runs: the loopbacks that are there before and after */
	bool bird_changes, leaves;
};

static void next_free(struct next *next)
{
	health_free(next->health);
	egress_free(next->egress);
	status_close(&next->status);
	free(next->announced);
}

static bool has_all_addresses(const struct model *model, const struct loopback *loopback)
{
	for (size_t i = 0; i < loopback->address_count; i++)
		if (!model_loopback_of(model, &loopback->addresses[i]))
			return false;
	return true;
}

/* Somebody who sends to us must hear of it first. */
static bool something_leaves(const struct model *old, const struct model *new)
{
	for (size_t i = 0; i < old->tunnel_count; i++)
		if (!model_same_tunnel(new, &old->tunnels[i]))
			return true;
	for (size_t i = 0; i < old->loopback_count; i++)
		if (!has_all_addresses(new, &old->loopbacks[i]))
			return true;
	return false;
}

/* ---- What can be refused -------------------------------------------------------------------------------------------- */

/* Owners of flows, usable bits and what other members know of us go by the number. */
static int check_identity(const struct model *old, const struct model *new, struct error *error)
{
	if (old->number == new->number && strcmp(old->gateway, new->gateway) == 0)
		return 0;
	return error_set(error, -EBUSY,
		"the gateway is %s, number %u, as long as it runs, not %s, number "
		"%u; try: gwctl gateway stop, then start it with the new file",
		old->gateway, old->number, new->gateway, new->number);
}

/* All that BIRD reads, in one text. NULL: no memory, or not to be rendered. */
static char *bird_text(
	const struct daemon *daemon, const struct model *model, const struct announcement *announcement)
{
	_cleanup_free_ char *node = NULL, *tunnels = NULL, *routers = NULL, *announce = NULL;
	char *all = NULL;

	if (bird_render_node(model, daemon->bird.log, &node, NULL) == 0 &&
		bird_render_tunnels(model, &tunnels, NULL) == 0 &&
		bird_render_routers(model, &routers, NULL) == 0 &&
		bird_render_announce(model, announcement, &announce, NULL) == 0 &&
		asprintf(&all, "%s%s%s%s", node, tunnels, routers, announce) < 0)
		return NULL;
	return all;
}

static bool bird_differs(const struct daemon *daemon, const struct next *next)
{
	const struct announcement before = health_announcement(daemon->health);
	const struct announcement after = health_announcement(next->health);
	_cleanup_free_ char *old = bird_text(daemon, daemon->model, &before);
	_cleanup_free_ char *new = bird_text(daemon, next->model, &after);

	return !old || !new || strcmp(old, new) != 0;
}

/* But for the members' tunnels, whose providers are another model's. */
static void carry_members(struct status *to, const struct status *from)
{
	to->drained = from->drained;
	to->isolated = from->isolated;
	to->waits_for = from->waits_for;
	for (size_t i = 0; i < to->model->array.member_count; i++)
		for (size_t j = 0; j < from->model->array.member_count; j++)
			if (to->members[i].member->number == from->members[j].member->number) {
				to->members[i] = from->members[j];
				to->members[i].member = &to->model->array.members[i];
				to->members[i].tunnels = NULL;
				to->members[i].tunnel_count = 0;
			}
}

static enum session_state carry_bfd(const struct router *router, enum session_state was)
{
	if (!router->bgp.bfd.enabled)
		return SESSION_OFF;
	return was == SESSION_OFF ? SESSION_DOWN : was;
}

/* Then what was measured of them is still theirs, and what was told is not told again. */
static bool has_same_links(const struct egress_group *group, const struct egress_group *was)
{
	if (strcmp(group->name, was->name) != 0 || group->mode != was->mode ||
		group->link_count != was->link_count)
		return false;
	for (size_t i = 0; i < group->link_count; i++)
		if (!tunnel_same(group->links[i].tunnel, was->links[i].tunnel))
			return false;
	return true;
}

static void carry_status(struct status *to, const struct status *from)
{
	to->started_ms = from->started_ms;
	to->bird_running = from->bird_running;
	for (size_t i = 0; i < to->model->tunnel_count; i++)
		for (size_t j = 0; j < from->model->tunnel_count; j++)
			if (tunnel_same(to->tunnels[i].tunnel, from->tunnels[j].tunnel)) {
				to->tunnels[i] = from->tunnels[j];
				to->tunnels[i].tunnel = &to->model->tunnels[i];
			}
	for (size_t i = 0; i < to->model->router_count; i++)
		for (size_t j = 0; j < from->model->router_count; j++)
			if (strcmp(to->routers[i].router->name, from->routers[j].router->name) == 0) {
				to->routers[i] = from->routers[j];
				to->routers[i].router = &to->model->routers[i];
				to->routers[i].bfd = carry_bfd(to->routers[i].router, from->routers[j].bfd);
			}
	for (size_t i = 0; i < model_interface_count(to->model); i++)
		for (size_t j = 0; j < model_interface_count(from->model); j++)
			if (strcmp(to->uplinks[i].name, from->uplinks[j].name) == 0)
				to->uplinks[i].lost = from->uplinks[j].lost;
	for (size_t i = 0; i < to->model->loopback_count; i++)
		for (size_t j = 0; j < from->model->loopback_count; j++)
			if (strcmp(to->loopbacks[i].loopback->name, from->loopbacks[j].loopback->name) == 0)
				to->loopbacks[i].announced = from->loopbacks[j].announced;
	for (size_t i = 0; i < to->model->egress_count; i++)
		for (size_t j = 0; j < from->model->egress_count; j++)
			if (has_same_links(to->egress[i].group, from->egress[j].group))
				to->egress[i].imbalance = from->egress[j].imbalance;
	carry_members(to, from);
	probes_carry(to, from);
}

static int next_make(struct daemon *daemon, const struct model *model, struct next *next, struct error *error)
{
	int r = status_open(&next->status, model, error);

	if (r < 0)
		return r;
	next->model = model;
	next->health = health_new(model, now_ms());
	next->egress = egress_new(model, now_ms());
	next->announced = calloc(model->loopback_count + 1, sizeof(*next->announced));
	if (!next->health || !next->egress || !next->announced)
		return error_set(error, -ENOMEM, "out of memory");
	health_carry(next->health, daemon->health, now_ms());
	r = disabled_adopt(daemon, model, next->health, error);
	if (r < 0)
		return r;
	egress_carry(next->egress, daemon->egress, now_ms());
	carry_status(&next->status, &daemon->status);
	for (size_t i = 0; i < model->loopback_count; i++)
		next->announced[i] = health_announced(next->health)[i] &&
				     has_all_addresses(daemon->model, &model->loopbacks[i]);
	next->leaves = something_leaves(daemon->model, model);
	next->bird_changes = bird_differs(daemon, next);
	return 0;
}

/* While the plan runs. */
static struct announcement announcement_meanwhile(const struct next *next)
{
	struct announcement announcement = health_announcement(next->health);

	announcement.loopbacks = next->announced;
	return announcement;
}

static int check_bird(struct daemon *daemon, const struct next *next, struct error *error)
{
	const struct announcement announcement = announcement_meanwhile(next);
	int r = 0;

	if (!bird_is_wanted(next->model))
		return 0;
	if (!bird_is_wanted(daemon->model))
		r = bird_daemon_init(&daemon->bird, daemon->run_dir, error);
	if (r == 0)
		r = bird_daemon_check(&daemon->bird, next->model, &announcement, error);
	if (r < 0 && !bird_is_wanted(daemon->model))
		bird_daemon_remove(&daemon->bird);
	return r;
}

static int refuse(struct daemon *daemon, const struct next *next, struct error *error)
{
	int r = check_identity(daemon->model, next->model, error);

	if (r == 0)
		r = apply_preflight(daemon->apply, next->model, daemon->model, error);
	return r == 0 ? check_bird(daemon, next, error) : r;
}

/* ---- Leaving, and staying after all ------------------------------------------------------------------------------------ */

static void set_leaving_bits(struct daemon *daemon, const struct next *next, bool back)
{
	const struct health_tunnel *rows = health_tunnels(daemon->health);
	struct error error;

	for (size_t i = 0; i < daemon->model->tunnel_count; i++) {
		const struct tunnel *tunnel = &daemon->model->tunnels[i];
		uint8_t own = daemon->model->number;

		if (model_same_tunnel(next->model, tunnel) || !rows[i].usable)
			continue;
		if (bpf_usable_set(daemon->pin_dir, own, tunnel->number, back, &error) < 0)
			log_error("tunnel %s: %s", tunnel->name, error.text);
	}
}

static int tell_bird(struct daemon *daemon, const struct model *model, struct announcement announcement,
	struct error *error)
{
	int r = bird_daemon_install(&daemon->bird, model, &announcement, error);

	return r < 0 ? r : bird_client_configure(daemon->bird_client, model, &announcement, error);
}

static int wait_for_bird(struct daemon *daemon, struct error *error)
{
	uint64_t deadline = now_ms() + LEAVE_TIMEOUT_MS;
	int r;

	do {
		replicate_tick(daemon);
		r = bird_client_wait(daemon->bird_client, LEAVE_STEP_MS, error);
	} while (r == -ETIMEDOUT && now_ms() < deadline);
	return r;
}

static int leave(struct daemon *daemon, const struct next *next, struct error *error)
{
	int r;

	if (!next->leaves)
		return 0;
	set_leaving_bits(daemon, next, false);
	if (!daemon->bird_client || !next->bird_changes || !bird_is_wanted(next->model))
		return 0;
	daemon->bird_is_ahead = true;
	r = tell_bird(daemon, next->model, announcement_meanwhile(next), error);
	if (r == 0)
		r = wait_for_bird(daemon, error);
	if (r == 0)
		watch_wait(daemon, LEAVE_SETTLE_MS);
	return r;
}

static void stay(struct daemon *daemon, const struct next *next)
{
	struct error error;

	daemon->bird_is_ahead = false;
	if (!next->leaves)
		return;
	set_leaving_bits(daemon, next, true);
	if (daemon->bird_client && next->bird_changes &&
		tell_bird(daemon, daemon->model, health_announcement(daemon->health), &error) < 0)
		log_error("%s", error.text);
}

/* ---- In force ---------------------------------------------------------------------------------------------------------- */

static void flush_prefixes(struct flow_table *table, const struct provider *provider)
{
	const struct flow_filter filter = {.has_zone = true,
		.zone = provider->zone,
		.has_prefixes = true,
		.prefixes = provider->prefixes,
		.prefix_count = provider->prefix_count};
	uint32_t index = 0;

	flow_flush(table, &index, table->count, &filter, flow_now_ms());
}

static void flush_old_providers(struct daemon *daemon, const struct model *old)
{
	for (size_t i = 0; i < old->provider_count; i++) {
		if (model_provider_by_name(daemon->model, old->providers[i].name))
			continue;
		flush_prefixes(&daemon->flows, &old->providers[i]);
		flush_prefixes(&daemon->devices, &old->providers[i]);
	}
}

/* With all that was heard while the others left and the plan ran. */
static void swap(struct daemon *daemon, struct next *next)
{
	ctl_interrupt(daemon->ctl);
	health_carry(next->health, daemon->health, now_ms());
	carry_status(&next->status, &daemon->status);
	daemon->bird_is_ahead = false;
	daemon->model = next->model;
	health_free(daemon->health);
	daemon->health = TAKE_PTR(next->health);
	egress_carry_told(next->egress, daemon->egress);
	egress_free(daemon->egress);
	daemon->egress = TAKE_PTR(next->egress);
	status_close(&daemon->status);
	daemon->status = next->status;
	next->status = (struct status){0};
}

static int follow_bird(struct daemon *daemon, const struct model *old, bool bird_changes, struct error *error)
{
	int r;

	if (!bird_is_wanted(daemon->model)) {
		if (bird_is_wanted(old)) {
			daemon_end_bird(daemon, BIRD_END_MS);
			guards_end(daemon);
		}
		return 0;
	}
	r = guards_start(daemon, error);
	if (r == 0 && !daemon->bird_client)
		r = watch_bird_start(daemon, error);
	else if (r == 0 && bird_changes)
		r = tell_bird(daemon, daemon->model, health_announcement(daemon->health), error);
	return r == 0 ? guards_arm(daemon, error) : r;
}

/* From here on nothing is taken back: what does not work yet is healed. */
static void follow(struct daemon *daemon, const struct model *old, bool bird_changes)
{
	struct error error;

	log_set_level(daemon->model->log);
	steer_write(daemon);
	probes_reload(daemon, old);
	if (daemon_open_tables(daemon, &error) < 0 || ctl_regroup(daemon->ctl, &error) < 0)
		log_error("%s", error.text);
	flush_old_providers(daemon, old);
	replicate_reload(daemon);
	if (ports_keep(daemon, &error) < 0)
		log_error("%s", error.text);
	if (follow_bird(daemon, old, bird_changes, &error) < 0) {
		log_error("%s; trying again", error.text);
		daemon_heal_soon(daemon);
	}
	if (daemon->model->router_count == 0)
		daemon_forget_routers(daemon, old);
	watch_links(daemon);
	watch_changes(daemon);
}

struct saying {
	struct daemon *daemon;
	const struct ctl_listener *listener;
};

static void say_step(void *to, const char *words)
{
	const struct saying *saying = to;

	replicate_tick(saying->daemon);
	log_debug("%s", words);
	saying->listener->say(saying->listener->to, "step", words);
}

static int make(struct daemon *daemon, const struct next *next, const struct ctl_listener *listener,
	struct error *error)
{
	_cleanup_(plan_free) struct plan plan = {0};
	struct saying saying = {daemon, listener};
	int r;

	steer_ahead(daemon, next->model, next->egress);
	r = leave(daemon, next, error);
	steer_ahead(daemon, next->model, next->egress); /* whatever happened meanwhile */
	if (r == 0)
		r = daemon_plan(daemon, next->model, &plan, error);
	if (r == 0)
		r = apply_run(daemon->apply, &plan, say_step, &saying, error);
	if (r < 0) {
		replicate_enter(daemon);
		stay(daemon, next);
		steer_write(daemon);
		daemon_heal_soon(daemon); /* what could not be undone, either */
	}
	return r;
}

int daemon_reload(
	struct daemon *daemon, struct model *model, const struct ctl_listener *listener, struct error *error)
{
	_cleanup_(next_free) struct next next = {0};
	const struct model *old = daemon->model;
	int r;

	apply_number_after(daemon->apply, model, daemon->model);
	r = next_make(daemon, model, &next, error);
	if (r == 0)
		r = refuse(daemon, &next, error);
	if (r == 0)
		r = make(daemon, &next, listener, error);
	if (r < 0)
		return r;
	swap(daemon, &next);
	follow(daemon, old, next.bird_changes);
	model_free(daemon->owned);
	daemon->owned = model;
	return 0;
}

int daemon_plan_words(
	struct daemon *daemon, struct model *model, const struct ctl_listener *listener, struct error *error)
{
	_cleanup_(next_free) struct next next = {0};
	_cleanup_(plan_free) struct plan plan = {0};
	char text[STEP_TEXT_SIZE];
	int r;

	apply_number_after(daemon->apply, model, daemon->model);
	r = next_make(daemon, model, &next, error);
	if (r == 0)
		r = daemon_plan(daemon, model, &plan, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan.count; i++)
		listener->say(listener->to, "step", step_format(&plan.steps[i], text));
	if (next.bird_changes)
		listener->say(listener->to, "step", "change BIRD's sessions or routes");
	return 0;
}
