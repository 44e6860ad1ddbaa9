/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: where the modules, which do not know each other, meet.
 *
 *	daemon.c   its life: start, the event loop, heal, stop
 *	lock.c     one daemon a run directory, one a network namespace
 *	watch.c    what happens around it: markers, links, BIRD, children → health → usable bits and status
 *	watch_bird.c BIRD's life, and what it says of sessions
 *	adopt.c    what an earlier daemon left that is not an item of a plan: usable bits, processes
 *	guards.c   the guard as a child: started, armed, replaced, ended
 *	join.c, replicate.c, keys.c, members.c, lines.c, channel.c   the array: what others know, what we know of them (replicate.h)
 *	hooks.c    what gwctl asks of it
 *	steer.c    egress groups: usable tunnels → links → shares in the maps
 *	imbalances.c  … and whether these are what is carried
 *	probes.c   what probes hear: → health; remembered for the next gwd
 *	drain.c disabled.c    the gateway out of service and back, a tunnel
 *	newcomer.c whether our tables are still to be filled
 *	ports.c    the ports from which this gateway opens connections
 *	config.c   the configuration as a text: in force, before, unconfirmed
 *	reload.c   another model comes into force
 *	tell.c     what happened, for the log and for `gwctl events`
 *
 * Everything runs in one thread on one sd-event loop. Starting and healing are the same: observe, plan, apply. What was
 * made stays when the daemon goes (a signal, a crash); only `gateway stop` withdraws and removes.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "apply/apply.h"
#include "apply/monitor.h"
#include "base/clock.h"
#include "base/error.h"
#include "bird/client.h"
#include "bird/daemon.h"
#include "ctl/ctl.h"
#include "ctl/drops.h"
#include "ctl/events.h"
#include "flow/flow.h"
#include "health/egress.h"
#include "health/health.h"
#include "model.h"
#include "status.h"

struct config {
	char path[PATH_MAX]; /* the file, without symbolic links */
	char *text;          /* what is in force */
	char *before;        /* what to go back to unless it is confirmed; NULL: nothing waits for that */
	sd_event_source *timer;
};

struct daemon {
	const struct model *model; /* in force */
	struct model *owned;       /* the same when it did not come with the start; NULL: it did */
	struct model *former;      /* while starting: what an earlier daemon had in force; NULL: not known */
	struct config config;
	char run_dir[PATH_MAX];
	const char *pin_dir;
	int run_dir_lock, namespace_lock;

	sd_event *event;
	struct apply *apply;
	struct monitor *monitor;
	struct health *health;
	struct egress *egress;
	struct flow_table flows, devices;
	struct flow_sweep flows_sweep, devices_sweep;
	struct settings settings; /* of ageing: the same as the programs' */
	struct status status;
	struct events events;
	struct drops drops;
	bool heal_fails;                 /* told once, not with every attempt */
	struct replication *replication; /* NULL: not wanted, or not to be had now */
	bool replication_fails; /* another configuration's could not be put in force: it is tried again */
	struct ctl *ctl;

	struct prober *prober;   /* NULL: not yet, or not to be had */
	char *probes_remembered; /* what RUN/probes says */
	bool remembering_fails;  /* told once */

	struct bird_daemon bird;
	bool stopping;                   /* from `gateway stop` on nothing is healed */
	bool announced_in_force;         /* BIRD shows the routes that it was asked to announce */
	bool announcement_verified;      /* … since it was asked last */
	bool bird_is_ahead;              /* it tells by a model that is not in force yet */
	struct bird_client *bird_client; /* NULL: BIRD does not answer, or is not wanted */
	uint64_t bird_waited_for_ms;     /* while it does not answer: since when */
	sd_event_source *bird_source, *heal_timer, *health_timer;
	uint64_t heal_at_ms; /* UINT64_MAX: no healing is ahead */
};

/*
 * `config`: the file that the model was read from.
 * Runs the gateway until a signal or `gateway stop` ends it: 0. A negative errno with words when it could not start; what
 * a failed start made is removed again, unless an earlier daemon had left traffic running.
 */
int daemon_run(struct model *model, const char *config, const char *run_dir, const char *pin_dir,
	struct error *error);

/* ---- Between the daemon's own files ------------------------------------------------------------------------------ */

/* Observe, plan, apply; then every tunnel's link is reported. */
int daemon_heal(struct daemon *daemon, struct error *error);
/* Heals after a time, once for all that is asked for meanwhile; soon: after a moment. */
void daemon_heal_in(struct daemon *daemon, uint64_t milliseconds);
void daemon_heal_soon(struct daemon *daemon);
/* Withdraws, then removes all that was made. Each step is told by say(to, words). */
int daemon_stop(
	struct daemon *daemon, void (*say)(void *to, const char *words), void *to, struct error *error);

/* What is to be done so that `wanted` (NULL: nothing) becomes true. */
int daemon_plan(struct daemon *daemon, const struct model *wanted, struct plan *plan, struct error *error);
/* Maps the tables as they are now, instead of any mapped before, and reads the programs' settings. */
int daemon_open_tables(struct daemon *daemon, struct error *error);
/* How long BIRD may take to end before it is killed; one that does not answer will hardly hear a signal either. */
#define BIRD_END_MS  5000
#define BIRD_HUNG_MS 500
void daemon_end_bird(struct daemon *daemon, unsigned patience_ms);
/* What routers of that model told leaves the main table: where no BIRD of ours keeps it in hand any more. */
void daemon_forget_routers(struct daemon *daemon, const struct model *model);
int status_open(struct status *status, const struct model *model, struct error *error);
void status_close(struct status *status);

/* Takes the model over when it succeeds; else everything is as before, and the model is the caller's. */
int daemon_reload(
	struct daemon *daemon, struct model *model, const struct ctl_listener *listener, struct error *error);
/* Tells the steps that daemon_reload() would take, and takes none. */
int daemon_plan_words(
	struct daemon *daemon, struct model *model, const struct ctl_listener *listener, struct error *error);

/* Reads the file's text, and what an earlier daemon had in force. */
int config_open(struct daemon *daemon, const char *path, struct error *error);
/* What was read is in force. */
void config_started(struct daemon *daemon);
/* All was removed: also what was remembered in the run directory. */
void config_forget(const struct daemon *daemon);
void config_close(struct daemon *daemon);
/* SIGHUP. */
void config_reread(struct daemon *daemon);
/* The hooks of ctl/ctl.h. */
int config_diff(void *self, const struct ctl_config *config, char **before, char **after,
	const struct ctl_listener *listener, struct error *error);
int config_apply(void *self, const struct ctl_config *config, const struct ctl_listener *listener,
	struct error *error);
int config_confirm(void *self, struct error *error);
int config_rollback(void *self, const struct ctl_listener *listener, struct error *error);

/* Before anything is heard: the tunnels that were usable when an earlier daemon went are usable still. */
int adopt_bits(struct daemon *daemon, struct error *error);

#define BIRD_CHILD  "bird"
#define GUARD_CHILD "guard"

/* A guard runs, ours or the one that was there: before BIRD announces. It is armed when all is well. */
int guards_start(struct daemon *daemon, struct error *error);
/* Again whenever the configuration's `guard` may have changed. */
int guards_arm(struct daemon *daemon, struct error *error);
/* It ended, and with it the announcement: another one at once, unless they end one after the other. */
void guards_lost(struct daemon *daemon, uint32_t wait_ms);
/* When there is none though there should be, and it is due: start and arm. */
int guards_heal(struct daemon *daemon, struct error *error);
/* After BIRD: nothing is announced any more. */
void guards_end(struct daemon *daemon);

/* Starts to listen: signals, children, timers, markers. */
int watch_open(struct daemon *daemon, struct error *error);
/* BIRD's files are written, it is started unless it runs, and it announces. Waits for as long as that takes. */
int watch_bird_start(struct daemon *daemon, struct error *error);
/* The same while others want something of the daemon too: waits for a moment only, so that it may have to be called again. */
int watch_bird_heal(struct daemon *daemon, struct error *error);
/* There is something to read; and: it ended, or does not answer. */
void watch_bird_read(struct daemon *daemon);
void watch_bird_lost(struct daemon *daemon, const char *why);
/* The row of the status; NULL: there is no such tunnel. */
struct tunnel_status *watch_tunnel(struct daemon *daemon, uint16_t number);
/* After events were reported: changed bits go to the data plane, the status and the log. */
void watch_changes(struct daemon *daemon);
/* How the interfaces are now: of the tunnels to health, of the uplinks to whoever follows events. */
void watch_links(struct daemon *daemon);
/* Lets time pass, hearing BIRD and the kernel meanwhile. */
void watch_wait(struct daemon *daemon, uint64_t milliseconds);

/* Egress groups: which links an earlier daemon had in; before anything is heard. */
int steer_adopt(struct daemon *daemon, struct error *error);
/* After health has heard of something, or time has passed: what changed goes into the maps, the status and the log. */
void steer_changes(struct daemon *daemon);
/* The maps may be others, or the model is. */
void steer_write(struct daemon *daemon);
/*
 * Before another model is put into force, whose groups these are: what stays of ours is dealt among the links that stay, so
 * that nothing goes to one that is not there any more. steer_write() takes it back, or completes it.
 */
void steer_ahead(struct daemon *daemon, const struct model *next, struct egress *egress);
/* What the links have sent, into the status. */
void steer_refresh(struct daemon *daemon);
/* Whether groups carry what their shares say. */
void imbalances_second(struct daemon *daemon);
/* The hook of ctl/ctl.h. */
int steer_switch(
	void *self, const struct egress_group *group, const struct tunnel *tunnel, struct error *error);

/* Our slice of the ports while the array has others, else what was before; and what was before, at a stop. */
int ports_keep(const struct daemon *daemon, struct error *error);
void ports_restore(const struct daemon *daemon);

/* What an earlier daemon's probes decided: its work goes on as it was. Without one, nothing is in service that has probes. */
void probes_adopt(struct daemon *daemon, bool from_nothing);
void probes_forget(const struct daemon *daemon);
/* They begin to ask, each at a random moment of the first second. */
int probes_open(struct daemon *daemon, struct error *error);
/* Another model is in force than `old`. */
void probes_reload(struct daemon *daemon, const struct model *old);
/* They ask again, when they could not be opened. */
int probes_heal(struct daemon *daemon, struct error *error);
void probes_close(struct daemon *daemon);
/* What is known of those that ask the same as before. */
void probes_carry(struct status *to, const struct status *from);
/* After health has heard: what is news of them is told, and remembered. */
void probes_follow(struct daemon *daemon);
/* "probe cwmp failed 3 times: HTTP 503": why what they decide about is out of service. */
const char *probes_cause(const struct daemon *daemon, const struct loopback *loopback,
	const struct tunnel *tunnel, char text[PROBE_CAUSE_SIZE]);

/* What an earlier daemon was told. */
void drain_adopt(struct daemon *daemon);
void drain_forget(const struct daemon *daemon);
/* The hook of ctl/ctl.h. */
int drain_set(void *self, bool drained, struct error *error);

/*
 * Which tunnels an operator disabled: as this daemon or an earlier one was told, of a model that is or will be in force; none
 * any more; those of the model in force alone.
 */
int disabled_adopt(
	const struct daemon *daemon, const struct model *to, struct health *health, struct error *error);
void disabled_forget(const struct daemon *daemon);
void disabled_keep(const struct daemon *daemon);
/* The hook of ctl/ctl.h. */
int disabled_set(void *self, const struct tunnel *tunnel, bool disabled, struct error *error);

/*
 * Before the first step of a start from nothing; forgotten when our tables hold what the array knows, and at a stop. Until
 * then every gwd is one, whether or not it finds an earlier one's work.
 */
int newcomer_begin(const struct daemon *daemon, struct error *error);
bool is_newcomer(const struct daemon *daemon);
void newcomer_forget(const struct daemon *daemon);

/* The array, when the configuration has one. A newcomer announces nothing before our tables hold what others know. */
int replicate_open(struct daemon *daemon, struct error *error);
/* Another model and other maps may be in force. Tried again by daemon_heal() when it fails. */
void replicate_reload(struct daemon *daemon);
void replicate_heal(struct daemon *daemon);
void replicate_close(struct daemon *daemon);
/* Our tunnels, or whether we serve, may be others: the members hear of it. */
void replicate_tell(struct daemon *daemon);
/* Steps were made, or undone: what the members told stands in the maps again. */
void replicate_enter(struct daemon *daemon);
/* The members hear that silence is no accident from now on. */
void replicate_stop(struct daemon *daemon);
/* While something takes long: the members go on hearing of us. */
void replicate_tick(struct daemon *daemon);
/* … and we of them, where the tables are those of the maps. */
void replicate_hear(struct daemon *daemon);
/* Every second: the clock that the programs stamp by; changes that found no room. */
void replicate_second(struct daemon *daemon);
/* The members' counters into the status. */
void replicate_refresh(struct daemon *daemon);

/* Something happened to `name` (NULL: there is only one of its kind), and why. */
void tell(struct daemon *daemon, enum event_kind kind, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Loopback `index` of the status is announced now, or not; told when that is a change. */
void tell_loopback(struct daemon *daemon, size_t index, bool announced);
/* Looks at the counters, and tells of drops that are news. */
void tell_drops(struct daemon *daemon);

extern const struct ctl_hooks daemon_hooks;

#endif
