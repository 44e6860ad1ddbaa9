/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: how gwctl asks gwd.
 *
 * ctl only looks: at the status (which leads to the model) and at the mapped tables. For what needs hands, or
 * a module it may not know, it calls main back through the hooks. One connection is a client (server.c): a
 * buffer of what came, a buffer of what is to go, and at most one request in work. A request is served in
 * steps (methods.c); a step writes rows until the buffer is full or its slice of a table is used up, and the
 * next one follows when the socket can take more. So a long list costs the daemon neither memory nor time at
 * one piece, and a client that never reads only waits for itself.
 *
 *	server.c   the socket, clients, buffers, who may connect
 *	request.c  a line of JSON into a method and checked arguments
 *	methods.c  the table of methods
 *	status.c flows.c tunnels.c probes.c egress.c members.c explain.c gateway.c config.c    what they answer
 *	successor.c  who may take over what this gateway serves
 *	rows.c     lines of the tables as JSON rows
 *	events.c   what happened, a ring that main fills; history.c tells of it
 *	drops.c    when a drop is news
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdio.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "bpf/abi.h"
#include "ctl/events.h"
#include "flow/flow.h"
#include "status.h"

/* What ctl looks at. All of it is main's, must live as long as ctl does, and may change between two events.
 */
struct ctl_views {
	const struct status *status;
	struct flow_table *flows;
	struct flow_table *devices;
	const struct settings *settings; /* how long lines live */
	struct events *events;           /* ctl_open() makes itself their listener */
};

/* A configuration that somebody sent. */
struct ctl_config {
	const char *file, *text; /* what problems call it, and its bytes */
	uint32_t confirm_ms;     /* 0: it stays; else it is undone unless it is confirmed in this time */
};

/* Hears at once what is found and done: `what` is "problem" or "step". */
struct ctl_listener {
	void *to;
	void (*say)(void *to, const char *what, const char *words);
};

/* All answer 0, or a negative errno with words for the person who asked. `self` is handed back as it was
 * given. */
struct ctl_hooks {
	void *self;
	/* Brings the tunnels' and members' counters in the status up to date; called before they are shown. */
	void (*refresh)(void *self);
	/* Runs the BPF program `explain` on the question. */
	int (*explain)(void *self, struct explanation *question, struct error *error);
	/* Sums what the programs counted, by enum reason. */
	int (*reasons)(void *self, struct reason_count totals[REASON_COUNT], struct error *error);
	/* Writes the configuration in force as canonical YAML. */
	int (*config_text)(void *self, FILE *stream, struct error *error);
	/*
	 * Both canonical texts, which the caller frees, and the steps that lead from one to the other; nothing is done.
	 * -EBADMSG: the configuration is invalid, the listener has heard the problems; so for the next one.
	 */
	int (*config_diff)(void *self, const struct ctl_config *config, char **before, char **after,
		const struct ctl_listener *listener, struct error *error);
	/* All or nothing: on an error the configuration before goes on. */
	int (*config_apply)(void *self, const struct ctl_config *config, const struct ctl_listener *listener,
		struct error *error);
	/* -ENODATA: nothing waits to be confirmed; there is none before. */
	int (*config_confirm)(void *self, struct error *error);
	int (*config_rollback)(void *self, const struct ctl_listener *listener, struct error *error);
	/* Takes the gateway out of service, or back in, and remembers it for the next gwd; status.drained tells. */
	int (*drain)(void *self, bool drained, struct error *error);
	/* The same for one tunnel of the model in force; its row in the status tells. */
	int (*disable)(void *self, const struct tunnel *tunnel, bool disabled, struct error *error);
	/* Switches an active-standby egress group over to one of its links. */
	int (*egress_switch)(void *self, const struct egress_group *group, const struct tunnel *tunnel,
		struct error *error);
	/* Withdraws and removes everything, saying each step by say(to, words); the words reach the client at
	 * once. */
	int (*stop)(void *self, void (*say)(void *to, const char *words), void *to, struct error *error);
	/* After a stop: its reply is on its way (or nobody reads it); the daemon may exit now. */
	void (*stopped)(void *self);
};

struct ctl;

/*
 * Listens on `control.sock` in run_dir, which must exist; the socket's group is the model's control_group.
 * Served by `event`. -EADDRINUSE when another daemon answers there.
 */
int ctl_open(sd_event *event, const char *run_dir, const struct ctl_views *views,
	const struct ctl_hooks *hooks, struct ctl **ctl, struct error *error);
/* Ends all connections and removes the socket. NULL is fine. */
void ctl_close(struct ctl *ctl);

/* The model of the status is about to be replaced: whoever holds a part of it lets go. */
void ctl_interrupt(struct ctl *ctl);
/* It has been replaced: the socket's group is the new one's. */
int ctl_regroup(struct ctl *ctl, struct error *error);

static inline void ctl_close_pointer(struct ctl **ctl)
{
	ctl_close(*ctl);
}

#endif
