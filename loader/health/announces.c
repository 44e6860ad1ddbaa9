// SPDX-License-Identifier: Apache-2.0
#include "health/announces.h"

static enum announces of_destination(
	const struct prefix *destination, uint16_t tunnel, const struct told_route *routes, size_t count)
{
	enum announces announces = ANNOUNCES_NOTHING;

	for (size_t i = 0; i < count; i++) {
		if (routes[i].tunnel != tunnel || !prefix_overlaps(&routes[i].prefix, destination))
			continue;
		if (!routes[i].leaving)
			return ANNOUNCES_ALL;
		announces = ANNOUNCES_LEAVING;
	}
	return announces;
}

enum announces announces_of(
	const struct egress_group *group, uint16_t tunnel, const struct told_route *routes, size_t count)
{
	size_t announced = 0;

	for (size_t i = 0; i < group->destination_count; i++) {
		enum announces one = of_destination(&group->destinations[i], tunnel, routes, count);

		if (one == ANNOUNCES_LEAVING)
			return ANNOUNCES_LEAVING;
		announced += one == ANNOUNCES_ALL;
	}
	if (announced == group->destination_count)
		return ANNOUNCES_ALL;
	return announced ? ANNOUNCES_SOME + (enum announces)(announced - 1) : ANNOUNCES_NOTHING;
}

const char *announces_name(enum announces announces)
{
	switch (announces) {
	case ANNOUNCES_UNKNOWN:
		return "unknown";
	case ANNOUNCES_NOTHING:
		return "nothing";
	case ANNOUNCES_LEAVING:
		return "leaving";
	case ANNOUNCES_ALL:
		return "all";
	default:
		return "some";
	}
}
