// SPDX-License-Identifier: Apache-2.0
#include "bird/told.h"

#include <stdlib.h>

#include "bird/render.h"

void told_begin(struct told *told)
{
	told->count = 0;
}

void told_begin_leaving(struct told *told)
{
	told->marked = 0;
}

static bool read_row(struct told *told, const struct bird_line *line, struct told_route *route)
{
	char protocol[64];

	*route = (struct told_route){0};
	if (line->code != BIRD_ROUTE_ROW || !bird_route_row(line->text, &told->net, protocol) ||
		!bird_session_tunnel(protocol, &route->tunnel))
		return false;
	route->prefix = told->net;
	return true;
}

/* Without memory for it the route is missing until it is asked for again. */
void told_add(struct told *told, const struct bird_line *line)
{
	struct told_route route;

	if (!read_row(told, line, &route))
		return;
	if (told->count == told->room) {
		size_t room = told->room * 2 + 16;
		struct told_route *more = realloc(told->routes, room * sizeof(*more));

		if (!more)
			return;
		told->routes = more;
		told->room = room;
	}
	told->routes[told->count++] = route;
}

static bool same_route(const struct told_route *one, const struct told_route *other)
{
	return one->tunnel == other->tunnel && one->prefix.length == other->prefix.length &&
	       address_equal(&one->prefix.address, &other->prefix.address);
}

void told_mark_leaving(struct told *told, const struct bird_line *line)
{
	struct told_route route;

	if (!read_row(told, line, &route))
		return;
	for (size_t i = 0; i < told->count; i++) {
		size_t place = (told->marked + i) % told->count;

		if (!same_route(&told->routes[place], &route))
			continue;
		told->routes[place].leaving = true;
		told->marked = place + 1;
		return;
	}
}

void told_free(struct told *told)
{
	free(told->routes);
	*told = (struct told){0};
}
