// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "apply/bpf.h"
#include "apply/child.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "lock.h"
#include "notify.h"
#include "plan/plan.h"

#define HEAL_DELAY_MS 1000

/* How long BIRD may take to withdraw, and how long the neighbours' routers then get to move the traffic. */
#define WITHDRAW_TIMEOUT_MS 5000
#define WITHDRAW_SETTLE_MS  1000

/* ---- Where it runs ----------------------------------------------------------------------------------------------- */

static int open_run_dir(struct daemon *daemon, const char *run_dir, struct error *error)
{
	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return error_errno(error, -errno, "cannot make the run directory %s", run_dir);
	if (!realpath(run_dir, daemon->run_dir))
		return error_errno(error, -errno, "run directory %s", run_dir);
	daemon->run_dir_lock = lock_run_dir(daemon->run_dir, error);
	return daemon->run_dir_lock < 0 ? daemon->run_dir_lock : 0;
}

/* ---- Observe, plan, apply ---------------------------------------------------------------------------------------- */

/* What is done, for the debug log. */
static void say_step(void *to, const char *words)
{
	replicate_tick(to);
	log_debug("%s", words);
	notify_alive();
}

/*
 * What cannot be made now keeps nothing else from being made. It is tried again when it may: heal_now() comes back for a
 * child that waits, hear_link_changed() for an uplink that is lost.
 */
static void leave_out(struct daemon *daemon, const struct model *wanted, struct plan *plan)
{
	const char *name;

	for (size_t i = 0; (name = children_waiting(apply_children(daemon->apply), &i));)
		plan_leave_out(plan, name);
	for (size_t i = 0; i < model_interface_count(wanted); i++)
		if (!if_nametoindex(model_interface(wanted, i)))
			plan_leave_out(plan, model_interface(wanted, i));
}

int daemon_plan(struct daemon *daemon, const struct model *wanted, struct plan *plan, struct error *error)
{
	_cleanup_(items_free) struct items observed = {0};
	const struct model *in_force = daemon->former ? daemon->former : daemon->model;
	int r = apply_observe(daemon->apply, in_force, &observed, error);

	if (r < 0)
		return r;
	if (wanted)
		apply_compare_entries(daemon->apply, wanted, &observed);
	r = plan_make(&observed, wanted, plan);
	if (r < 0)
		return error_errno(error, r, "cannot make a plan");
	if (wanted)
		leave_out(daemon, wanted, plan);
	return 0;
}

static int plan_and_apply(struct daemon *daemon, const struct model *wanted, struct error *error)
{
	_cleanup_(plan_free) struct plan plan = {0};
	int r = daemon_plan(daemon, wanted, &plan, error);

	if (r < 0)
		return r;
	r = apply_run(daemon->apply, &plan, say_step, daemon, error);
	if (r == 0)
		r = apply_tidy(daemon->apply, wanted, error);
	if (plan.count > 0)
		replicate_enter(daemon);
	if (r == 0 && wanted)
		steer_write(daemon);
	return r;
}

int daemon_heal(struct daemon *daemon, struct error *error)
{
	int r = plan_and_apply(daemon, daemon->model, error);

	if (r == 0)
		r = apply_adopt(daemon->apply, error);
	if (r == 0)
		r = ports_keep(daemon, error);
	watch_links(daemon);
	watch_changes(daemon);
	return r;
}

static int heal_bird(struct daemon *daemon, struct error *error)
{
	if (!bird_is_wanted(daemon->model) || daemon->bird_client ||
		!child_is_due(apply_children(daemon->apply), BIRD_CHILD))
		return 0;
	return watch_bird_heal(daemon, error);
}

static int heal_replication(struct daemon *daemon, struct error *error)
{
	(void)error;
	replicate_heal(daemon);
	return 0;
}

/* Each heals what it can: what keeps one from it keeps no other. The first failure is returned. */
static int heal_each(struct daemon *daemon, struct error *error)
{
	static int (*const heal[])(struct daemon *, struct error *) = {
		daemon_heal, guards_heal, heal_replication, heal_bird, probes_heal};
	struct error another;
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(heal); i++) {
		int r = heal[i](daemon, result < 0 ? &another : error);

		result = result < 0 ? result : r;
	}
	return result;
}

static void tell_heal(struct daemon *daemon, int r, const struct error *error)
{
	if (r < 0 && !daemon->heal_fails)
		tell(daemon, EVENT_HEAL_FAILED, NULL, "%s", error->text);
	else if (r < 0)
		log_debug("%s; trying again", error->text);
	else if (daemon->heal_fails)
		tell(daemon, EVENT_HEALED, NULL, "the last attempt succeeded");
	daemon->heal_fails = r < 0;
}

/* When to look again for children that wait: whoever was left out may have become due while the rest was healed. */
static uint64_t wait_after(const struct children *children, uint64_t before_ms)
{
	uint64_t wait_ms = children_wait_ms(children);

	return wait_ms == UINT64_MAX && before_ms != UINT64_MAX ? 0 : wait_ms;
}

static int heal_now(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	const struct children *children = apply_children(daemon->apply);
	uint64_t wait_ms = children_wait_ms(children);
	struct error error;
	int r;

	(void)source;
	(void)usec;
	daemon->heal_at_ms = UINT64_MAX;
	if (daemon->stopping)
		return 0;
	r = heal_each(daemon, &error);
	tell_heal(daemon, r, &error);
	if (r < 0)
		daemon_heal_soon(daemon);
	wait_ms = wait_after(children, wait_ms);
	if (wait_ms != UINT64_MAX)
		daemon_heal_in(daemon, wait_ms);
	return 0;
}

void daemon_heal_in(struct daemon *daemon, uint64_t milliseconds)
{
	uint64_t when = now_ms() + milliseconds + 1; /* behind the time, never just before it */

	if (when >= daemon->heal_at_ms)
		return;
	daemon->heal_at_ms = when;
	if (!daemon->heal_timer)
		sd_event_add_time(daemon->event, &daemon->heal_timer, CLOCK_MONOTONIC, when * 1000, 1000,
			heal_now, daemon);
	else
		sd_event_source_set_time(daemon->heal_timer, when * 1000);
	sd_event_source_set_enabled(daemon->heal_timer, SD_EVENT_ONESHOT);
}

void daemon_heal_soon(struct daemon *daemon)
{
	daemon_heal_in(daemon, HEAL_DELAY_MS);
}

/* ---- Start ------------------------------------------------------------------------------------------------------- */

static int open_table(struct daemon *daemon, const char *map, const char *counters, struct flow_table *table,
	struct error *error)
{
	_cleanup_close_ int lines = -1, cold = -1;
	uint32_t count;

	lines = bpf_map_open(daemon->pin_dir, map, &count, error);
	if (lines < 0)
		return lines;
	if (counters) {
		cold = bpf_map_open(daemon->pin_dir, counters, NULL, error);
		if (cold < 0)
			return cold;
	}
	return flow_table_open(lines, cold, count, table, error);
}

int daemon_open_tables(struct daemon *daemon, struct error *error)
{
	const char *counters = daemon->model->counters ? MAP_FLOW_COUNTERS : NULL;
	int r;

	flow_table_close(&daemon->flows);
	flow_table_close(&daemon->devices);
	daemon->flows_sweep = daemon->devices_sweep = (struct flow_sweep){0};
	r = open_table(daemon, MAP_FLOWS, counters, &daemon->flows, error);
	if (r < 0)
		return r;
	r = open_table(daemon, MAP_DEVICES, NULL, &daemon->devices, error);
	if (r < 0)
		return r;
	return bpf_settings_read(daemon->pin_dir, &daemon->settings, error);
}

int status_open(struct status *status, const struct model *model, struct error *error)
{
	status->model = model;
	status->started_ms = now_ms();
	status->tunnels = calloc(model->tunnel_count + 1, sizeof(*status->tunnels));
	status->routers = calloc(model->router_count + 1, sizeof(*status->routers));
	status->uplinks = calloc(model_interface_count(model) + 1, sizeof(*status->uplinks));
	status->egress = calloc(model->egress_count + 1, sizeof(*status->egress));
	status->loopbacks = calloc(model->loopback_count + 1, sizeof(*status->loopbacks));
	status->probes = calloc(model->probe_count + 1, sizeof(*status->probes));
	status->members = calloc(model->array.member_count + 1, sizeof(*status->members));
	if (!status->tunnels || !status->routers || !status->uplinks || !status->egress ||
		!status->loopbacks || !status->probes || !status->members)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < model->tunnel_count; i++) {
		status->tunnels[i].tunnel = &model->tunnels[i];
		status->tunnels[i].usable_since_ms = status->started_ms;
		status->tunnels[i].bgp_since_ms = status->started_ms;
		status->tunnels[i].handshake_age_ms = UINT64_MAX;
	}
	for (size_t i = 0; i < model->router_count; i++) {
		status->routers[i].router = &model->routers[i];
		status->routers[i].bgp = SESSION_DOWN;
		status->routers[i].bfd = model->routers[i].bgp.bfd.enabled ? SESSION_DOWN : SESSION_OFF;
		status->routers[i].bgp_since_ms = status->started_ms;
	}
	for (size_t i = 0; i < model_interface_count(model); i++)
		status->uplinks[i].name = model_interface(model, i);
	for (size_t i = 0; i < model->egress_count; i++)
		status->egress[i].group = &model->egress[i];
	for (size_t i = 0; i < model->loopback_count; i++)
		status->loopbacks[i].loopback = &model->loopbacks[i];
	for (size_t i = 0; i < model->probe_count; i++)
		probe_start(&status->probes[i], status->started_ms);
	for (size_t i = 0; i < model->array.member_count; i++) {
		status->members[i].member = &model->array.members[i];
		status->members[i].since_ms = status->started_ms;
	}
	return 0;
}

void status_close(struct status *status)
{
	free(status->tunnels);
	free(status->routers);
	free(status->uplinks);
	free(status->egress);
	free(status->loopbacks);
	free(status->probes);
	for (size_t i = 0; status->members && i < status->model->array.member_count; i++)
		free(status->members[i].tunnels);
	free(status->members);
}

static bool nothing_of_ours(struct daemon *daemon)
{
	_cleanup_(items_free) struct items observed = {0};
	_cleanup_(plan_free) struct plan removal = {0};

	return apply_observe(daemon->apply, daemon->model, &observed, NULL) == 0 &&
	       plan_make(&observed, NULL, &removal) == 0 && removal.count == 0;
}

/*
 * What needs no effect outside of the process; the first thing that can only be refused. Where an earlier gwd's work goes
 * on, what is lost just now is healed later, and no reason to leave all else alone.
 */
static int prepare(struct daemon *daemon, struct model *model, const char *config, const char *run_dir,
	struct error *error)
{
	int r;

	daemon->namespace_lock = lock_namespace(error);
	if (daemon->namespace_lock < 0)
		return daemon->namespace_lock;
	r = apply_open(daemon->pin_dir, run_dir, &daemon->apply, error);
	if (r < 0)
		return r;
	apply_number(daemon->apply, model);
	r = apply_preflight(
		daemon->apply, daemon->model, nothing_of_ours(daemon) ? NULL : daemon->model, error);
	if (r < 0)
		return r;
	r = open_run_dir(daemon, run_dir, error);
	if (r < 0)
		return r;
	r = config_open(daemon, config, error);
	if (r < 0)
		return r;
	if (bird_is_wanted(daemon->model)) {
		r = bird_daemon_init(&daemon->bird, daemon->run_dir, error);
		if (r < 0)
			return r;
	}
	daemon->health = health_new(daemon->model, now_ms());
	daemon->egress = egress_new(daemon->model, now_ms());
	if (!daemon->health || !daemon->egress)
		return error_set(error, -ENOMEM, "out of memory");
	r = status_open(&daemon->status, daemon->model, error);
	if (r == 0)
		r = disabled_adopt(daemon, daemon->model, daemon->health, error);
	if (r == 0)
		drain_adopt(daemon);
	return r;
}

static int start(struct daemon *daemon, struct error *error)
{
	const struct ctl_views views = {
		&daemon->status, &daemon->flows, &daemon->devices, &daemon->settings, &daemon->events};
	struct ctl_hooks hooks = daemon_hooks;
	int r;

	r = adopt_bits(daemon, error);
	if (r == 0)
		r = steer_adopt(daemon, error);
	if (r < 0)
		return r;
	r = watch_open(daemon, error);
	if (r < 0)
		return r;
	r = daemon_heal(daemon, error);
	if (r < 0)
		return r;
	r = daemon_open_tables(daemon, error);
	if (r < 0)
		return r;
	replicate_second(daemon);
	r = replicate_open(daemon, error);
	if (r < 0)
		return r;
	hooks.self = daemon;
	r = ctl_open(daemon->event, daemon->run_dir, &views, &hooks, &daemon->ctl, error);
	if (r < 0)
		return r;
	config_started(daemon);
	r = guards_start(daemon, error);
	if (r < 0)
		return r;
	r = bird_is_wanted(daemon->model) ? watch_bird_start(daemon, error) : 0;
	if (r < 0)
		return r;
	r = guards_arm(daemon, error);
	return r == 0 ? probes_open(daemon, error) : r;
}

/* ---- Stop -------------------------------------------------------------------------------------------------------- */

static int withdraw(struct daemon *daemon, struct error *error)
{
	struct announcement announcement;
	int r;

	health_withdraw_all(daemon->health);
	replicate_stop(daemon);
	if (!daemon->bird_client)
		return 0;
	announcement = health_announcement(daemon->health);
	r = bird_daemon_install_announced(&daemon->bird, daemon->model, &announcement, error);
	if (r < 0)
		return r;
	r = bird_client_configure(daemon->bird_client, daemon->model, &announcement, error);
	if (r < 0)
		return r;
	r = bird_client_wait(daemon->bird_client, WITHDRAW_TIMEOUT_MS, error);
	if (r < 0)
		return r;
	nanosleep(&(struct timespec){.tv_sec = WITHDRAW_SETTLE_MS / 1000}, NULL);
	return 0;
}

/* Killed, it left what routers had told; ended in peace it took that along, and nothing is found. */
void daemon_forget_routers(struct daemon *daemon, const struct model *model)
{
	struct error error;

	if (apply_remove_birds_routes(daemon->apply, model, &error) < 0)
		log_error("the routes of routers: %s", error.text);
}

/* The one that we started or adopted, and no other's. */
void daemon_end_bird(struct daemon *daemon, unsigned patience_ms)
{
	pid_t pid = child_pid(apply_children(daemon->apply), BIRD_CHILD);

	sd_event_source_disable_unref(daemon->bird_source);
	daemon->bird_source = NULL;
	bird_client_close(daemon->bird_client);
	daemon->bird_client = NULL;
	if (pid > 0)
		process_end(apply_children(daemon->apply), pid, patience_ms);
	bird_daemon_remove(&daemon->bird);
}

int daemon_stop(
	struct daemon *daemon, void (*say)(void *to, const char *words), void *to, struct error *error)
{
	unsigned patience_ms = BIRD_END_MS;
	int r;

	tell(daemon, EVENT_GATEWAY_STOPPING, NULL, "gateway stop");
	say(to, "withdrawing the loopbacks");
	daemon->stopping = true;
	if (withdraw(daemon, error) < 0) {
		say(to, "BIRD does not answer: its end withdraws");
		patience_ms = BIRD_HUNG_MS;
	}
	if (bird_is_wanted(daemon->model)) {
		say(to, "ending BIRD");
		daemon_end_bird(daemon, patience_ms);
		daemon_forget_routers(daemon, daemon->model);
		guards_end(daemon);
	}
	replicate_close(daemon);
	say(to, "removing programs, rules, tunnels and maps");
	r = plan_and_apply(daemon, NULL, error);
	daemon->stopping = r == 0;
	if (r < 0)
		daemon_heal_soon(daemon);
	return r;
}

/* A start that failed leaves nothing, but an earlier daemon's work goes on. */
static void undo_start(struct daemon *daemon, bool from_nothing)
{
	struct error error;

	if (from_nothing && daemon_stop(daemon, say_step, daemon, &error) < 0)
		log_error("while undoing the failed start: %s", error.text);
}

static void remove_run_dir(struct daemon *daemon)
{
	config_forget(daemon);
	drain_forget(daemon);
	probes_forget(daemon);
	disabled_forget(daemon);
	newcomer_forget(daemon);
	ports_restore(daemon);
	lock_run_dir_remove(daemon->run_dir);
	rmdir(daemon->run_dir); /* stays when somebody else keeps things in it */
}

static void close_all(struct daemon *daemon)
{
	probes_close(daemon);
	free(daemon->probes_remembered);
	replicate_close(daemon);
	ctl_close(daemon->ctl);
	bird_client_close(daemon->bird_client);
	monitor_close(daemon->monitor);
	apply_close(daemon->apply);
	health_free(daemon->health);
	egress_free(daemon->egress);
	config_close(daemon);
	flow_table_close(&daemon->flows);
	flow_table_close(&daemon->devices);
	status_close(&daemon->status);
	sd_event_source_unref(daemon->bird_source);
	sd_event_source_unref(daemon->heal_timer);
	sd_event_source_unref(daemon->health_timer);
	sd_event_unref(daemon->event);
}

static int run(struct daemon *daemon, struct error *error)
{
	bool from_nothing = nothing_of_ours(daemon);
	int r = from_nothing ? newcomer_begin(daemon, error) : 0;

	probes_adopt(daemon, from_nothing);
	if (r == 0)
		r = start(daemon, error);
	if (r < 0) {
		undo_start(daemon, from_nothing);
		return r;
	}
	tell(daemon, EVENT_GATEWAY_STARTED, daemon->model->gateway, "%zu tunnels, %zu loopbacks",
		daemon->model->tunnel_count, daemon->model->loopback_count);
	notify_ready(daemon->event, &daemon->status);
	r = sd_event_loop(daemon->event);
	notify_stopping();
	return r < 0 ? error_errno(error, r, "the event loop failed") : 0;
}

int daemon_run(struct model *model, const char *config, const char *run_dir, const char *pin_dir,
	struct error *error)
{
	struct daemon daemon = {.model = model,
		.pin_dir = pin_dir,
		.run_dir_lock = -1,
		.namespace_lock = -1,
		.heal_at_ms = UINT64_MAX};
	bool removed;
	int r = sd_event_default(&daemon.event);

	if (r < 0)
		return error_errno(error, r, "cannot make an event loop");
	r = prepare(&daemon, model, config, run_dir, error);
	if (r == 0)
		r = run(&daemon, error);
	removed = daemon.run_dir_lock >= 0 && nothing_of_ours(&daemon);
	close_all(&daemon);
	if (removed)
		remove_run_dir(&daemon);
	close_descriptor(&daemon.run_dir_lock);
	close_descriptor(&daemon.namespace_lock);
	return r;
}
