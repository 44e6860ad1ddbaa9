// SPDX-License-Identifier: Apache-2.0
/* Providers and egress groups keep the numbers by which the maps know them, whatever comes and goes beside them. */
#include "apply_machine.h"

static struct prefix destinations[3][1];
static struct egress_link links[2] = {
	{.tunnel = &tunnels[1], .weight = 1}, {.tunnel = &tunnels[0], .weight = 1}};
static char *lans[] = {"uplink1"};
static struct egress_group groups[] = {
	{.name = "acs", .destinations = destinations[0], .destination_count = 1, .number = 9},
	{.name = "platform", .destinations = destinations[1], .destination_count = 1, .number = 9},
	{.name = "voice", .destinations = destinations[2], .destination_count = 1, .number = 9},
};

static void use(struct egress_group *first, size_t count)
{
	model.egress = first;
	model.egress_count = count;
	apply_number(apply, &model);
}

static void a_group_keeps_its_number(void)
{
	struct error error = {0};

	destinations[0][0] = prefix("198.51.100.0/24");
	destinations[1][0] = prefix("192.0.2.7/32");
	destinations[2][0] = prefix("203.0.113.0/24");
	groups[1].from = lans;
	groups[1].from_count = 1;
	groups[1].links = links;
	groups[1].link_count = 1;
	use(&groups[1], 2);
	CU_ASSERT(groups[1].number == 1 && groups[2].number == 2);
	CU_ASSERT_EQUAL_FATAL(reach(&model, &error), 0);
	groups[1].link_count = 2; /* with a tunnel of a lower number */
	use(groups, 3);
	CU_ASSERT(groups[0].number == 3 && groups[1].number == 1 && groups[2].number == 2);
	use(&groups[2], 1);
	CU_ASSERT_EQUAL(groups[2].number, 2);
	use(NULL, 0);
}

static void a_provider_keeps_its_number(void)
{
	static struct prefix more[] = {{.length = 128}};
	static struct provider two[2];

	more[0] = prefix("203.0.113.0/24");
	two[0] = (struct provider){.name = "aaa", .prefixes = more, .prefix_count = 1};
	two[1] = providers[0];
	model.providers = two;
	model.provider_count = 2;
	apply_number(apply, &model);
	CU_ASSERT(two[0].number == 2 && two[1].number == 1);
	model.providers = providers;
	model.provider_count = 1;
}

/* A new one, which is numbered before it, gets one of its prefixes, and then all; at last it is the new name of it. */
static void a_provider_keeps_its_number_without_its_prefixes(void)
{
	static struct prefix first[1], second[1];
	static struct provider two[2];
	struct model next = model;

	first[0] = provider_prefixes[0];
	second[0] = provider_prefixes[1];
	two[0] = (struct provider){.name = "aaa", .prefixes = first, .prefix_count = 1, .number = 1};
	two[1] = (struct provider){.name = "acme", .prefixes = second, .prefix_count = 1, .number = 2};
	next.providers = two;
	next.provider_count = 2;
	apply_number_after(apply, &next, &model);
	CU_ASSERT(two[0].number == 2 && two[1].number == 1);
	two[1].prefix_count = 0;
	apply_number_after(apply, &next, &model);
	CU_ASSERT(two[0].number == 2 && two[1].number == 1);
	two[1].name = "new";
	apply_number_after(apply, &next, &model);
	CU_ASSERT(two[0].number == 1 && two[1].number == 2);
}

static void a_group_keeps_its_number_without_its_destinations(void)
{
	static struct prefix taken[1], left[1];
	static struct egress_group two[2];
	struct model next = model;

	taken[0] = destinations[1][0];
	left[0] = prefix("198.51.100.7/32");
	use(&groups[1], 2);
	two[0] = (struct egress_group){.name = "a", .destinations = taken, .destination_count = 1};
	two[1] = (struct egress_group){.name = "platform", .destinations = left, .destination_count = 1};
	next.egress = two;
	next.egress_count = 2;
	apply_number_after(apply, &next, &model);
	CU_ASSERT(two[0].number == 2 && two[1].number == 1);
	use(NULL, 0);
}

APPLY_TESTS("apply number", {"an egress group keeps its number", a_group_keeps_its_number},
	{"a provider keeps its number", a_provider_keeps_its_number},
	{"a provider keeps its number without its prefixes",
		a_provider_keeps_its_number_without_its_prefixes},
	{"an egress group keeps its number without its destinations",
		a_group_keeps_its_number_without_its_destinations})
