// SPDX-License-Identifier: Apache-2.0
/*
 * A gateway joins the array, follows another configuration and other maps, and leaves. What cannot be put in force now is
 * tried again by healing: the data plane goes on meanwhile by what the maps hold.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "replicate.h"

#define ACCURACY_US 1 /* 0 would be sd-event's default, 250 ms */

static int set_members(struct replication *replication, struct error *error)
{
	const struct model *model = replication->daemon->model;
	uint8_t numbers[GATEWAY_NUMBERS];
	size_t count = 0;
	int r;

	for (size_t i = 0; i < model->array.member_count; i++)
		if (model->array.members[i].number != model->number)
			numbers[count++] = model->array.members[i].number;
	r = array_set_members(replication->core, numbers, count, replicate_now());
	return r < 0 ? error_errno(error, r, "the members of the array") : 0;
}

static int open_core(struct replication *replication, const struct array_keys *keys, struct error *error)
{
	const struct array_effects effects = replicate_effects(replication);

	replication->core = array_new(replication->daemon->model->number, keys, &effects, replicate_now());
	return replication->core ? 0 : error_errno(error, -ENOMEM, "the array");
}

/* Another address of ours is another channel. */
static int follow_address(struct replication *replication, struct error *error)
{
	struct daemon *daemon = replication->daemon;
	const struct member *self = model_member_by_number(daemon->model, daemon->model->number);
	struct channel *channel;
	int r;

	if (replication->channel && address_equal(&self->address, &replication->own))
		return 0;
	r = channel_open(&self->address, ARRAY_PORT, &channel, error);
	if (r < 0)
		return r;
	replication->channel_source = sd_event_source_disable_unref(replication->channel_source);
	channel_close(replication->channel);
	replication->channel = channel;
	replication->own = self->address;
	r = sd_event_add_io(daemon->event, &replication->channel_source, channel_descriptor(channel), EPOLLIN,
		replicate_hear_channel, replication);
	return r < 0 ? error_errno(error, r, "cannot listen to the array") : 0;
}

/* The maps may be others than before. */
static int follow_changes(struct replication *replication, struct error *error)
{
	struct daemon *daemon = replication->daemon;
	struct bpf_changes *changes;
	int r = bpf_changes_open(daemon->pin_dir, replicate_keep_change, replication, &changes, error);

	if (r < 0)
		return r;
	if (replication->changes)
		replicate_look_for_losses(replication);
	replication->changes_source = sd_event_source_disable_unref(replication->changes_source);
	bpf_changes_close(replication->changes);
	replication->changes = changes;
	r = sd_event_add_io(daemon->event, &replication->changes_source, bpf_changes_descriptor(changes),
		EPOLLIN, replicate_hear_changes, replication);
	if (r == 0 && !replication->changes_timer) {
		r = sd_event_add_time(daemon->event, &replication->changes_timer, CLOCK_MONOTONIC, 0,
			ACCURACY_US, replicate_look_for_changes, replication);
		sd_event_source_set_enabled(replication->changes_timer, SD_EVENT_OFF);
	}
	if (r < 0)
		return error_errno(error, r, "cannot listen for changes");
	return bpf_changes_lost(changes, &replication->lost, error);
}

/* All that the core and we take from the model and the maps, at the start and when there are others. */
static int follow(struct replication *replication, struct error *error)
{
	struct lines lines = replicate_lines(replication);
	int r = follow_address(replication, error);

	if (r == 0)
		r = follow_changes(replication, error);
	if (r == 0)
		r = set_members(replication, error);
	if (r < 0)
		return r;
	if (replication->lines != 0 && replication->lines != lines_count(&lines))
		array_lost_change(replication->core); /* what was read of the ring is of the old ones */
	replication->lines = lines_count(&lines);
	array_set_tables(replication->core, replication->lines, lines.settings);
	members_follow(replication);
	replicate_tell(replication->daemon);
	return 0;
}

static bool is_wanted(const struct model *model)
{
	return model->array.replication == REPLICATION_BROADCAST && model_has_members(model);
}

static int open_replication(struct daemon *daemon, const struct array_keys *keys, struct error *error)
{
	struct replication *replication = calloc(1, sizeof(*replication));
	int r;

	if (!replication)
		return error_errno(error, -ENOMEM, "the array");
	replication->daemon = daemon;
	daemon->replication = replication;
	r = open_core(replication, keys, error);
	if (r == 0)
		r = follow(replication, error);
	if (r < 0)
		replicate_close(daemon);
	return r;
}

/* What is not wanted keeps nothing from being announced. */
static void be_alone(struct daemon *daemon)
{
	replicate_close(daemon);
	health_isolated(daemon->health, false);
	daemon->status.isolated = false;
	replicate_wait_no_longer(daemon);
}

static int go_by_keys(struct daemon *daemon, const struct array_keys *keys, struct error *error)
{
	int r = keys_vouch(daemon, keys, error);

	if (r < 0)
		return r;
	if (!is_wanted(daemon->model)) {
		be_alone(daemon);
		return 0;
	}
	if (!daemon->replication)
		return open_replication(daemon, keys, error);
	array_set_keys(daemon->replication->core, keys);
	return follow(daemon->replication, error);
}

static int go_by_model(struct daemon *daemon, struct error *error)
{
	struct array_keys keys = {0};
	int r = keys_read(daemon->model, &keys, error);

	if (r == 0)
		r = go_by_keys(daemon, &keys, error);
	array_keys_forget(&keys);
	return r;
}

int replicate_open(struct daemon *daemon, struct error *error)
{
	bool waits = is_newcomer(daemon) && is_wanted(daemon->model);
	int r;

	if (waits) {
		health_array_ready(daemon->health, false);
		daemon->status.waits_for = "a snapshot of the members' tables";
	}
	r = go_by_model(daemon, error);
	if (r == 0 && daemon->replication)
		daemon->replication->waits = waits;
	return r;
}

void replicate_reload(struct daemon *daemon)
{
	struct error error;
	int r = go_by_model(daemon, &error);

	if (daemon->replication && !daemon->replication->waits)
		replicate_wait_no_longer(
			daemon); /* it may have been ready since the new model's health was made */
	if (r < 0 && !daemon->replication_fails)
		log_error("%s; trying again", error.text);
	daemon->replication_fails = r < 0;
	if (r < 0)
		daemon_heal_soon(daemon);
}

void replicate_heal(struct daemon *daemon)
{
	if (daemon->replication_fails)
		replicate_reload(daemon);
}

void replicate_close(struct daemon *daemon)
{
	struct replication *replication = daemon->replication;

	if (!replication)
		return;
	daemon->replication = NULL;
	sd_event_source_disable_unref(replication->channel_source);
	sd_event_source_disable_unref(replication->changes_source);
	sd_event_source_disable_unref(replication->changes_timer);
	sd_event_source_disable_unref(replication->timer);
	array_free(replication->core);
	channel_close(replication->channel);
	bpf_changes_close(replication->changes);
	members_forget(replication);
	free(replication);
}
