// SPDX-License-Identifier: Apache-2.0
/* Egress groups: a row a link, with its group's settings. */
#include "base/clock.h"
#include "ctl/methods.h"
#include "ctl/rows.h"

#define SLOTS           4096 /* of a group: model and status */
#define MEASURED_LEAST  1000 /* packets: of fewer nobody says that they are shared unevenly */
#define UNEVEN_PERMILLE 100

static json_int_t age_ms(uint64_t then_ms)
{
	uint64_t now = now_ms();

	return now > then_ms ? (json_int_t)(now - then_ms) : 0;
}

static uint64_t sent_since(const struct egress_link_status *link)
{
	return link->packets > link->packets_before ? link->packets - link->packets_before : 0;
}

/* By all links of the group since its shares changed last. */
static uint64_t sent_by_group(const struct egress_status *is)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < is->group->link_count; i++)
		sum += sent_since(&is->links[i]);
	return sum;
}

static int share(const struct egress_link_status *link)
{
	return link->slots * 1000 / SLOTS;
}

/* -1: too little was sent to say. */
static int measured(const struct egress_status *is, const struct egress_link_status *link)
{
	uint64_t all = sent_by_group(is);

	return all < MEASURED_LEAST ? -1 : (int)(sent_since(link) * 1000 / all);
}

static bool is_uneven(const struct egress_status *is, const struct egress_link_status *link)
{
	int difference = measured(is, link) - share(link);

	return is->group->mode == EGRESS_LOAD_SHARING && measured(is, link) >= 0 &&
	       (difference > UNEVEN_PERMILLE || difference < -UNEVEN_PERMILLE);
}

static json_t *names(char *const *texts, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *link_row(const struct egress_status *is, size_t i)
{
	const struct egress_group *group = is->group;
	const struct egress_link_status *link = &is->links[i];
	const struct tunnel *tunnel = group->links[i].tunnel;
	int part = measured(is, link);

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:b, s:I, s:s, s:i, s:b, s:s?, s:b, s:b, s:I, s:s, s:i, s:o, s:b, s:o}",
		"egress", group->name, "mode", egress_mode_name(group), "hash",
		group->hash == EGRESS_BY_SOURCE ? "source" : "flow", "from",
		names(group->from, group->from_count), "preempt", group->preempt, "hold_ms",
		(json_int_t)group->hold_ms, "tunnel", tunnel->name, "weight", group->links[i].weight,
		"usable", link->usable, "announces", link->announces, "in", link->in, "commanded",
		is->commanded == tunnel->number, "changed_ms", age_ms(link->since_ms), "cause", link->cause,
		"share_permille", share(link), "measured_permille",
		part < 0 ? json_null() : json_integer(part), "uneven", is_uneven(is, link), "sent",
		traffic(link->packets, link->bytes));
}

int egress_list_step(struct request *request)
{
	const struct status *status = request->views->status;
	const struct egress_group *wanted = request->arguments.egress;

	if (request->index == 0)
		request->hooks->refresh(request->hooks->self);
	for (; request->index < status->model->egress_count; request->index++) {
		const struct egress_status *is = &status->egress[request->index];

		if (request_full(request))
			return REQUEST_MORE;
		for (size_t i = 0; i < is->group->link_count; i++)
			if (!wanted || wanted == is->group)
				request_row(request, link_row(is, i));
	}
	return REPLY_FINE;
}

int egress_get_step(struct request *request)
{
	return egress_list_step(request);
}

int egress_switch_step(struct request *request)
{
	const struct arguments *arguments = &request->arguments;
	int r = request->hooks->egress_switch(
		request->hooks->self, arguments->egress, arguments->tunnel, &request->error);

	return r < 0 ? REPLY_DEGRADED : REPLY_FINE;
}
