// SPDX-License-Identifier: Apache-2.0
/* Egress groups: a row a link, with its group's settings. */
#include "base/clock.h"
#include "ctl/methods.h"
#include "ctl/rows.h"

#define SLOTS 4096 /* of a group: model and status */

static json_int_t age_ms(uint64_t then_ms)
{
	uint64_t now = now_ms();

	return now > then_ms ? (json_int_t)(now - then_ms) : 0;
}

static int share(const struct egress_link_status *link)
{
	return link->slots * 1000 / SLOTS;
}

static json_t *measured(const struct egress_status *is, size_t link)
{
	return is->imbalance.looked ? json_integer(is->imbalance.measured[link]) : json_null();
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

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:b, s:I, s:s, s:i, s:b, s:s?, s:b, s:b, s:I, s:s, s:i, s:o, s:b, s:o}",
		"egress", group->name, "mode", egress_mode_name(group), "hash",
		group->hash == EGRESS_BY_SOURCE ? "source" : "flow", "from",
		names(group->from, group->from_count), "preempt", group->preempt, "hold_ms",
		(json_int_t)group->hold_ms, "tunnel", tunnel->name, "weight", group->links[i].weight,
		"usable", link->usable, "announces", link->announces, "in", link->in, "commanded",
		is->commanded == tunnel->number, "changed_ms", age_ms(link->since_ms), "cause", link->cause,
		"share_permille", share(link), "measured_permille", measured(is, i), "uneven",
		imbalance_of(&is->imbalance, i), "sent", traffic(link->packets, link->bytes));
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
