// SPDX-License-Identifier: Apache-2.0
/* Egress groups that share their load: whether their links carry what their shares say, looked at every second. */
#include "daemon.h"

_Static_assert(IMBALANCE_LINKS >= EGRESS_LINKS_MAX, "each link is looked at");

static void tell_uneven(struct daemon *daemon, const struct egress_status *status)
{
	const struct imbalance *is = &status->imbalance;
	const struct egress_group *group = status->group;
	int part = is->measured[is->farthest], share = is->shares[is->farthest];

	tell(daemon, EVENT_EGRESS_UNEVEN, group->name,
		"%s carries %d.%d %% of the packets, and its share is %d.%d %%: "
		"few %s send most, or many keep to the link they began on",
		group->links[is->farthest].tunnel->name, part / 10, part % 10, share / 10, share % 10,
		group->hash == EGRESS_BY_SOURCE ? "sources" : "flows");
}

static void look(struct daemon *daemon, struct egress_status *status)
{
	size_t count = status->group->link_count;
	uint16_t shares[EGRESS_LINKS_MAX];
	uint64_t packets[EGRESS_LINKS_MAX];

	for (size_t i = 0; i < count; i++) {
		shares[i] = (uint16_t)(status->links[i].slots * 1000 / SHARE_SLOTS);
		packets[i] = status->links[i].packets;
	}
	switch (imbalance_look(&status->imbalance, shares, packets, count, now_ms())) {
	case IMBALANCE_BEGAN:
		tell_uneven(daemon, status);
		break;
	case IMBALANCE_ENDED:
		tell(daemon, EVENT_EGRESS_EVEN, status->group->name,
			"each link's part is within %d %% of its share", IMBALANCE_NEAR / 10);
		break;
	case IMBALANCE_NO_NEWS:
		break;
	}
}

void imbalances_second(struct daemon *daemon)
{
	if (daemon->model->egress_count > 0)
		steer_refresh(daemon);
	for (size_t i = 0; i < daemon->model->egress_count; i++)
		if (daemon->model->egress[i].mode == EGRESS_LOAD_SHARING)
			look(daemon, &daemon->status.egress[i]);
}
