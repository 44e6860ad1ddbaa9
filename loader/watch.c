// SPDX-License-Identifier: Apache-2.0
/*
 * What happens around the daemon, one small handler an event. A handler reports to health and no more; watch_changes()
 * then carries the changed bits into the data plane. The order matters where a packet could tell: the bit first, words
 * later.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/child.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "daemon.h"
#include "notify.h"
#include "plan/served.h"

#define SECOND_US        1000000
#define SWEEP_US         100000
#define ACCURACY_US      1000
#define UPLINK_SETTLE_MS 50 /* for its addresses to follow */
#define WAIT_STEP_MS     50 /* at most so long without a word to the array */

struct tunnel_status *watch_tunnel(struct daemon *daemon, uint16_t number)
{
	const struct tunnel *tunnel = model_tunnel_by_number(daemon->model, number);

	return tunnel ? &daemon->status.tunnels[tunnel - daemon->model->tunnels] : NULL;
}

/* ---- From health to the data plane ------------------------------------------------------------------------------- */

static enum session_state session_state(bool configured, bool up)
{
	if (!configured)
		return SESSION_OFF;
	return up ? SESSION_UP : SESSION_DOWN;
}

static void fill_kept_back(struct daemon *daemon, size_t i)
{
	struct loopback_status *status = &daemon->status.loopbacks[i];
	char cause[PROBE_CAUSE_SIZE];

	if (health_is_forbidden(daemon->health, i))
		snprintf(status->kept_back, sizeof(status->kept_back), "%s",
			probes_cause(daemon, status->loopback, NULL, cause));
	else
		status->kept_back[0] = '\0';
}

/* Until BIRD shows that nothing is announced there. */
static bool is_leaving(const struct daemon *daemon, const struct health_tunnel *row, bool announces)
{
	bool unverified = announces && daemon->bird_client && !daemon->announcement_verified;

	return row->disabled && (row->leave_ms != UINT64_MAX || unverified);
}

static void fill_status(struct daemon *daemon)
{
	const struct health_tunnel *rows = health_tunnels(daemon->health);
	const bool *announced = health_announced(daemon->health);

	for (size_t i = 0; i < daemon->model->tunnel_count; i++) {
		struct tunnel_status *status = &daemon->status.tunnels[i];
		const struct bgp *bgp = &status->tunnel->bgp;

		status->usable = rows[i].usable;
		status->usable_since_ms = rows[i].since_ms;
		status->cause = health_cause(&rows[i]);
		status->disabled = rows[i].disabled;
		status->leaving = is_leaving(daemon, &rows[i], bgp->enabled);
		status->bfd = session_state(bgp->enabled && bgp->bfd.enabled, rows[i].has[HEALTH_BFD]);
		status->bgp = session_state(bgp->enabled, rows[i].has[HEALTH_BGP]);
	}
	daemon->status.bird_running = daemon->bird_client != NULL;
	for (size_t i = 0; i < daemon->model->loopback_count; i++) {
		fill_kept_back(daemon, i);
		tell_loopback(
			daemon, i, announced[i] && daemon->status.bird_running && daemon->announced_in_force);
	}
}

static int health_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	(void)source;
	(void)usec;
	health_tick(daemon->health, now_ms());
	watch_changes(daemon);
	return 0;
}

static void arm_health_timer(struct daemon *daemon)
{
	uint64_t deadline = health_deadline(daemon->health), held = egress_deadline(daemon->egress);

	deadline = held < deadline ? held : deadline;
	if (deadline == UINT64_MAX)
		return;
	if (!daemon->health_timer)
		sd_event_add_time(daemon->event, &daemon->health_timer, CLOCK_MONOTONIC, deadline * 1000,
			ACCURACY_US, health_time, daemon);
	else
		sd_event_source_set_time(daemon->health_timer, deadline * 1000);
	sd_event_source_set_enabled(daemon->health_timer, SD_EVENT_ONESHOT);
}

/* What a BIRD that does not answer missed, it hears when it does. */
static void announce(struct daemon *daemon)
{
	const struct announcement announcement = health_announcement(daemon->health);
	struct error error;

	if (!daemon->bird_client || !health_next_announcement(daemon->health))
		return;
	daemon->announcement_verified = false;
	if (bird_daemon_install_announced(&daemon->bird, daemon->model, &announcement, &error) < 0 ||
		bird_client_configure(daemon->bird_client, daemon->model, &announcement, &error) < 0)
		log_error("%s", error.text);
}

static void tell_tunnel(struct daemon *daemon, const struct health_tunnel *change)
{
	const struct tunnel *tunnel = watch_tunnel(daemon, change->tunnel)->tunnel;
	char cause[PROBE_CAUSE_SIZE];

	tell(daemon, change->usable ? EVENT_TUNNEL_USABLE : EVENT_TUNNEL_NOT_USABLE, tunnel->name, "%s",
		change->missing == HEALTH_PROBES ? probes_cause(daemon, NULL, tunnel, cause)
						 : health_cause(change));
}

void watch_changes(struct daemon *daemon)
{
	struct health_tunnel change;
	struct error error;

	while (health_next_change(daemon->health, &change)) {
		if (bpf_usable_set(
			    daemon->pin_dir, daemon->model->number, change.tunnel, change.usable, &error) < 0)
			log_error("tunnel %u: %s", change.tunnel, error.text);
		tell_tunnel(daemon, &change);
	}
	steer_changes(daemon);
	announce(daemon);
	replicate_tell(daemon);
	arm_health_timer(daemon);
	fill_status(daemon);
	probes_follow(daemon);
	notify_status(&daemon->status);
}

/* ---- Links and markers ------------------------------------------------------------------------------------------- */

static void tell_uplink(struct daemon *daemon, struct uplink_status *uplink)
{
	if (uplink->lost == !uplink->up)
		return;
	uplink->lost = !uplink->up;
	if (uplink->lost)
		tell(daemon, EVENT_UPLINK_LOST, uplink->name,
			uplink->ifindex ? "it is down" : "there is no such interface any more");
	else
		tell(daemon, EVENT_UPLINK_BACK, uplink->name, "it is there and up");
}

void watch_links(struct daemon *daemon)
{
	struct error error;

	if (apply_refresh(daemon->apply, &daemon->status, &error) < 0)
		log_error("%s", error.text);
	for (size_t i = 0; i < daemon->model->tunnel_count; i++) {
		const struct tunnel_status *status = &daemon->status.tunnels[i];

		health_report(
			daemon->health, status->tunnel->number, HEALTH_LINK, status->ifindex != 0, now_ms());
	}
	for (size_t i = 0; i < model_interface_count(daemon->model); i++)
		tell_uplink(daemon, &daemon->status.uplinks[i]);
}

static void hear_bfd(void *self, uint16_t tunnel, bool up)
{
	struct daemon *daemon = self;
	const struct tunnel_status *status = watch_tunnel(daemon, tunnel);

	health_report(daemon->health, tunnel, HEALTH_BFD, up, now_ms());
	watch_changes(daemon);
	if (status)
		tell(daemon, up ? EVENT_BFD_UP : EVENT_BFD_DOWN, status->tunnel->name,
			up ? "its neighbour answers" : "its neighbour said nothing in time");
}

static void hear_link_lost(void *self, const char *interface)
{
	struct daemon *daemon = self;
	const struct tunnel *tunnel = interface ? model_tunnel_by_name(daemon->model, interface) : NULL;

	if (interface && !tunnel && strcmp(interface, HOME_INTERFACE) != 0 &&
		!model_has_interface(daemon->model, interface))
		return;
	if (tunnel) {
		health_report(daemon->health, tunnel->number, HEALTH_LINK, false, now_ms());
		monitor_link_lost(daemon->monitor, tunnel->number);
	} else {
		watch_links(daemon);
	}
	watch_changes(daemon);
	daemon_heal_soon(daemon);
}

/* Of our own making we know already. A filter must know of what others give lo and take from it. */
static void hear_link_changed(void *self, const char *interface)
{
	struct daemon *daemon = self;

	if (model_has_interface(daemon->model, interface) ||
		plan_filters_addresses_of(daemon->model, interface))
		daemon_heal_in(daemon, UPLINK_SETTLE_MS);
}

static int hear_monitor(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	struct error error;

	(void)source;
	(void)fd;
	(void)events;
	if (monitor_read(daemon->monitor, &error) < 0)
		log_error("%s", error.text);
	return 0;
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

void watch_wait(struct daemon *daemon, uint64_t milliseconds)
{
	uint64_t now, end = now_ms() + milliseconds;

	while ((now = now_ms()) < end) {
		struct pollfd pollers[] = {
			{monitor_descriptor(daemon->monitor), POLLIN, 0},
			{daemon->bird_client ? bird_client_fd(daemon->bird_client) : -1, POLLIN, 0},
		};
		uint64_t wait_ms = end - now < WAIT_STEP_MS ? end - now : WAIT_STEP_MS;

		poll(pollers, ARRAY_SIZE(pollers), (int)wait_ms);
		replicate_tick(daemon);
		if (pollers[0].revents)
			hear_monitor(NULL, 0, 0, daemon);
		if (pollers[1].revents)
			watch_bird_read(daemon);
	}
}

/* ---- Time, children, signals ------------------------------------------------------------------------------------- */

/* From now, not from when it was due: what a pause of the machine left out is not made up for in a burst. */
static void again_in(sd_event_source *source, uint64_t microseconds)
{
	sd_event_source_set_time(source, now_ms() * 1000 + microseconds);
}

static int every_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	struct error error;

	(void)usec;
	tell_drops(daemon);
	replicate_second(daemon);
	imbalances_second(daemon);
	apply_tend(daemon->apply, daemon->model);
	if (daemon->bird_client && bird_client_refresh(daemon->bird_client, &error) < 0)
		watch_bird_lost(daemon, error.text);
	again_in(source, SECOND_US);
	return 0;
}

static int sweep_tables(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;

	(void)usec;
	flow_sweep(&daemon->flows, &daemon->flows_sweep, FLOW_SLICE, &daemon->settings, flow_now_ms());
	flow_sweep(&daemon->devices, &daemon->devices_sweep, FLOW_SLICE, &daemon->settings, flow_now_ms());
	again_in(source, SWEEP_US);
	return 0;
}

static int hear_children(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;
	struct child_end end;

	(void)source;
	(void)fd;
	(void)events;
	while (children_next_end(apply_children(daemon->apply), &end)) {
		tell(daemon, EVENT_CHILD_ENDED, end.name, "pid %d %s; to be started again in %u ms", end.pid,
			end.cause, end.wait_ms);
		if (strcmp(end.name, BIRD_CHILD) == 0)
			watch_bird_lost(daemon, "its process ended");
		if (strcmp(end.name, GUARD_CHILD) == 0)
			guards_lost(daemon, end.wait_ms);
		daemon_heal_in(daemon, end.wait_ms);
	}
	return 0;
}

static int hear_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)info;
	config_reread(userdata);
	return 0;
}

static int hear_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	tell(userdata, EVENT_GATEWAY_LEAVING, NULL, "signal %u", info->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int add_timer(
	struct daemon *daemon, uint64_t first_us, sd_event_time_handler_t handler, struct error *error)
{
	sd_event_source *source;
	int r = sd_event_add_time(daemon->event, &source, CLOCK_MONOTONIC, now_ms() * 1000 + first_us,
		ACCURACY_US, handler, daemon);

	if (r < 0)
		return error_errno(error, r, "cannot set a timer");
	sd_event_source_set_enabled(source, SD_EVENT_ON);
	sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	return 0;
}

static int add_signal(
	struct daemon *daemon, int signal, sd_event_signal_handler_t handler, struct error *error)
{
	int r = sd_event_add_signal(daemon->event, NULL, signal, handler, daemon);

	return r < 0 ? error_errno(error, r, "cannot listen for signal %d", signal) : 0;
}

static int watch_signals(struct daemon *daemon, struct error *error)
{
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	r = add_signal(daemon, SIGTERM, hear_signal, error);
	if (r < 0)
		return r;
	r = add_signal(daemon, SIGINT, hear_signal, error);
	return r < 0 ? r : add_signal(daemon, SIGHUP, hear_hangup, error);
}

static int watch_children(struct daemon *daemon, struct error *error)
{
	int r = sd_event_add_io(daemon->event, NULL, children_descriptor(apply_children(daemon->apply)),
		EPOLLIN, hear_children, daemon);

	return r < 0 ? error_errno(error, r, "cannot listen to the children") : 0;
}

static int watch_monitor(struct daemon *daemon, struct error *error)
{
	const struct monitor_callbacks callbacks = {daemon, hear_bfd, hear_link_lost, hear_link_changed};
	int r = monitor_open(&callbacks, &daemon->monitor, error);

	if (r < 0)
		return r;
	r = sd_event_add_io(
		daemon->event, NULL, monitor_descriptor(daemon->monitor), EPOLLIN, hear_monitor, daemon);
	return r < 0 ? error_errno(error, r, "cannot listen to the kernel") : 0;
}

int watch_open(struct daemon *daemon, struct error *error)
{
	int r = watch_signals(daemon, error);

	if (r < 0)
		return r;
	r = watch_children(daemon, error);
	if (r < 0)
		return r;
	r = watch_monitor(daemon, error);
	if (r < 0)
		return r;
	r = add_timer(daemon, SECOND_US, every_second, error);
	if (r < 0)
		return r;
	return add_timer(daemon, SWEEP_US, sweep_tables, error);
}
