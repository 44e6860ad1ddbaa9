// SPDX-License-Identifier: Apache-2.0
/* The filters of uplinks: which there are, what they found, and what would make them drop what is served. */
#include <inttypes.h>
#include <string.h>

#include "doctor/doctor.h"

/* Whether it is in force as this configuration has it, which gwd may not have read yet. */
static bool is_in_force(const struct uplink_facts *uplink, enum filter_mode mode)
{
	return uplink->filter == mode && strcmp(uplink->xdp_mode, "none") != 0;
}

static void judge_not_in_force(
	const struct uplink_facts *uplink, enum filter_mode mode, struct diagnosis *diagnosis)
{
	static const char not_in_force[] = "uplink %s: its filter is not in force: %s";

	if (uplink->filter == FILTER_OFF)
		found(diagnosis, FINDING_OK, "", not_in_force, uplink->name,
			"gwd was not told of it, or does not run");
	else if (uplink->filter == mode)
		found(diagnosis, FINDING_WARNING, "gwd's log says why it attached none", not_in_force,
			uplink->name, "no XDP program is attached");
	else
		found(diagnosis, FINDING_WARNING, "gwctl reload", not_in_force, uplink->name,
			mode == FILTER_DROP ? "what nobody here serves is only counted so far"
					    : "what nobody here serves is still dropped");
}

/* What makes it drop what is served. */
static void judge_dropping(
	const struct uplink_facts *uplink, const struct facts *facts, struct diagnosis *diagnosis)
{
	if (uplink->hides_tags == 1 && uplink->has_vlans && strcmp(uplink->xdp_mode, "native") == 0)
		found(diagnosis, FINDING_WARNING,
			"ethtool -K with rxvlan off, or move it from filter.drop to filter.watch",
			"uplink %s has VLANs, and takes their tags off before XDP: its filter drops "
			"what it takes for its own network's",
			uplink->name);
	if (facts->translates == UNKNOWN)
		found(diagnosis, FINDING_OK, "",
			"uplink %s has a filter, and whether the kernel translates addresses is "
			"unknown: what is translated has no socket, and is dropped",
			uplink->name);
	if (facts->translates == 1)
		found(diagnosis, FINDING_WARNING,
			"where this machine translates addresses at this uplink, move it from filter.drop to "
			"filter.watch",
			"uplink %s has a filter, and the kernel has NAT: what is translated has no socket, "
			"and is dropped",
			uplink->name);
}

static void judge_filter(const struct uplink_facts *uplink, enum filter_mode mode, const struct facts *facts,
	struct diagnosis *diagnosis)
{
	if (!is_in_force(uplink, mode)) {
		judge_not_in_force(uplink, mode, diagnosis);
		return;
	}
	if (strcmp(uplink->driver, "bonding") == 0 && strcmp(uplink->xdp_mode, "native") == 0)
		found(diagnosis, FINDING_WARNING, "leave the uplink out of filter",
			"uplink %s is a bond: its filter sees nothing, since native XDP runs at its members",
			uplink->name);
	if (mode == FILTER_DROP)
		judge_dropping(uplink, facts, diagnosis);
	found(diagnosis, FINDING_OK, "", "uplink %s: its filter %s what nobody here serves", uplink->name,
		mode == FILTER_DROP ? "drops" : "lets in, and counts,");
}

/* "filters have dropped 1200 filtered_unserved, 3 filtered_outside" */
static void tell_filtered(
	const char *what, const struct filtered_facts filtered[FILTER_REASONS], struct diagnosis *diagnosis)
{
	char text[FINDING_TEXT_SIZE / 2] = "";
	size_t length = 0;

	for (size_t i = 0; i < FILTER_REASONS && length < sizeof(text); i++)
		if (filtered[i].packets)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%" PRIu64 " %s",
				length ? ", " : "", filtered[i].packets, filtered[i].reason);
	if (length)
		found(diagnosis, FINDING_OK, "", "%s %s", what, text);
}

void judge_filters(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < model->uplink_count; i++) {
		enum filter_mode mode = model_filter_mode(model, model->uplinks[i]);

		if (mode != FILTER_OFF)
			judge_filter(&facts->uplinks[i], mode, facts, diagnosis);
	}
	if (!model->filter.enabled)
		found(diagnosis, FINDING_OK, "", "no uplink has a filter");
	tell_filtered("filters have dropped", facts->dropped, diagnosis);
	tell_filtered("filters have let in, and would have dropped", facts->watched, diagnosis);
}
