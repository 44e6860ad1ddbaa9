// SPDX-License-Identifier: Apache-2.0
/*
 * Egress groups between health, which says which tunnels are usable, the pure rules (health/egress.h) and the maps: a change
 * of links is one write a group. What an earlier daemon had in stands in the maps and goes on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/bpf.h"
#include "base/log.h"
#include "bpf/abi.h"
#include "daemon.h"

_Static_assert(SHARE_SLOTS == EGRESS_SLOTS, "a slot here is a slot there");
_Static_assert(EGRESS_LINKS_MAX == EGRESS_LINKS, "and so is a link");

static bool has_tunnel(const struct egress_table *table, uint16_t tunnel)
{
	for (size_t i = 0; i < EGRESS_LINKS; i++)
		if (table->in[i] == tunnel)
			return true;
	return false;
}

int steer_adopt(struct daemon *daemon, struct error *error)
{
	const struct health_tunnel *rows = health_tunnels(daemon->health); /* adopted before */
	const struct model *model = daemon->model;
	struct egress_table table;
	int r = 0;

	for (size_t i = 0; i < model->egress_count && r == 0; i++) {
		const struct egress_group *group = &model->egress[i];

		r = bpf_egress_read(daemon->pin_dir, group->number, &table, error);
		for (size_t k = 0; k < group->link_count && r == 0; k++) {
			const struct tunnel *tunnel = group->links[k].tunnel;
			uint16_t number = tunnel->number;

			if (has_tunnel(&table, number) && rows[tunnel - model->tunnels].usable)
				egress_adopt(daemon->egress, number, table.commanded == number);
		}
	}
	return r;
}

static void write_group(struct daemon *daemon, const struct egress_group_state *state)
{
	struct egress_table table = {.commanded = state->commanded};
	struct error error;

	egress_table(state, table.tunnels);
	egress_list_in(state, table.in);
	if (bpf_egress_write(daemon->pin_dir, state->group->number, &table, &error) < 0)
		log_error("egress group %s: %s", state->group->name, error.text);
}

/* While a tunnel's bit is frozen, nobody can say what its neighbour announces. */
static void report(struct egress *egress, const struct health_tunnel *row)
{
	const struct egress_news news = {.tunnel = row->tunnel,
		.usable = row->usable,
		.announces = row->frozen ? ANNOUNCES_UNKNOWN : row->announces,
		.why = health_cause(row)};

	egress_report(egress, &news, now_ms());
}

/* What was heard since `egress` took over from ours. */
static void report_again(struct daemon *daemon, const struct model *next, struct egress *egress)
{
	const struct health_tunnel *rows = health_tunnels(daemon->health);

	for (size_t i = 0; i < daemon->model->tunnel_count; i++) {
		if (model_same_tunnel(next, &daemon->model->tunnels[i]))
			report(egress, &rows[i]);
	}
}

void steer_ahead(struct daemon *daemon, const struct model *next, struct egress *egress)
{
	report_again(daemon, next, egress);
	egress_tick(egress, now_ms());
	for (size_t i = 0; i < next->egress_count; i++) {
		const struct egress_group *then = &next->egress[i];
		const struct egress_group *now = model_egress_by_name(daemon->model, then->name);

		if (now && now->number == then->number) /* else the table is another group's still */
			write_group(daemon, &egress_states(egress)[i]);
	}
}

void steer_write(struct daemon *daemon)
{
	struct error error;

	for (size_t i = 0; i < daemon->model->egress_count; i++)
		write_group(daemon, &egress_states(daemon->egress)[i]);
	if (bpf_egress_forget_others(daemon->pin_dir, daemon->model, &error) < 0)
		log_error("%s", error.text);
}

/* ---- What is told and shown -------------------------------------------------------------------------------------- */

static void tell_change(
	struct daemon *daemon, const struct egress_group_state *state, uint32_t came, uint32_t went)
{
	bool any = false;

	for (size_t i = 0; i < state->group->link_count; i++) {
		const struct egress_link_state *link = &state->links[i];

		any |= link->in;
		if ((came | went) >> i & 1)
			tell(daemon, came >> i & 1 ? EVENT_EGRESS_IN : EVENT_EGRESS_OUT, state->group->name,
				"%s: %s", link->link->tunnel->name, link->cause);
	}
	if (!any)
		tell(daemon, EVENT_EGRESS_EMPTY, state->group->name, "none of its links is usable");
}

/* As it was told last, by a BIRD that is there and says the same again. NULL: nobody asks. */
static const char *announced_by(const struct daemon *daemon, const struct tunnel *tunnel)
{
	size_t place = (size_t)(tunnel - daemon->model->tunnels);
	const struct health_tunnel *row = &health_tunnels(daemon->health)[place];

	if (!model_announced_to(daemon->model, tunnel))
		return NULL;
	return announces_name(daemon->bird_client && !row->frozen ? row->heard : ANNOUNCES_UNKNOWN);
}

static void fill_group(
	const struct daemon *daemon, struct egress_status *status, const struct egress_group_state *state)
{
	status->since_ms = state->since_ms;
	status->commanded = state->commanded;
	for (size_t i = 0; i < state->group->link_count; i++) {
		const struct egress_link_state *is = &state->links[i];
		struct egress_link_status *link = &status->links[i];

		link->usable = is->usable;
		link->in = is->in;
		link->announces = announced_by(daemon, is->link->tunnel);
		link->since_ms = is->since_ms;
		link->slots = is->slots;
		snprintf(link->cause, sizeof(link->cause), "%s", is->cause);
	}
}

static void count_group(struct daemon *daemon, struct egress_status *status)
{
	for (size_t i = 0; i < status->group->link_count; i++) {
		struct egress_link_status *link = &status->links[i];
		struct reason_count sent;

		bpf_egress_sent(daemon->pin_dir, status->group->links[i].tunnel->number, &sent, NULL);
		link->packets = sent.packets;
		link->bytes = sent.bytes;
	}
}

void steer_refresh(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->model->egress_count; i++)
		count_group(daemon, &daemon->status.egress[i]);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

void steer_changes(struct daemon *daemon)
{
	const struct health_tunnel *rows = health_tunnels(daemon->health);
	uint32_t came, went;
	size_t group;

	for (size_t i = 0; i < daemon->model->tunnel_count; i++)
		report(daemon->egress, &rows[i]);
	egress_tick(daemon->egress, now_ms());
	while (egress_next_change(daemon->egress, &group, &came, &went)) {
		const struct egress_group_state *state = &egress_states(daemon->egress)[group];

		write_group(daemon, state);
		tell_change(daemon, state, came, went);
	}
	for (size_t i = 0; i < daemon->model->egress_count; i++)
		fill_group(daemon, &daemon->status.egress[i], &egress_states(daemon->egress)[i]);
}

int steer_switch(
	void *self, const struct egress_group *group, const struct tunnel *tunnel, struct error *error)
{
	struct daemon *daemon = self;
	int r = egress_switch(daemon->egress, group, tunnel, now_ms());

	if (r == -EOPNOTSUPP)
		return error_set(error, r,
			"the egress group %s shares its load, so no link is the active "
			"one; try: gwctl tunnel disable, for one that is to carry none",
			group->name);
	if (r == -ENOENT)
		return error_set(error, r, "the tunnel %s is no link of the egress group %s", tunnel->name,
			group->name);
	if (r == -ENETDOWN)
		return error_set(error, r,
			"the tunnel %s is not usable, and would carry nothing: gwctl tunnel get %s",
			tunnel->name, tunnel->name);
	if (r == -EBUSY)
		return error_set(error, r,
			"the neighbor of the tunnel %s is about to leave, or announces less of "
			"the destinations than another link's: it would lose the traffic again",
			tunnel->name);
	steer_changes(daemon);
	steer_write(daemon); /* also when it was active already, and only the command is new */
	return 0;
}
