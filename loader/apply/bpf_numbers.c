// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers of providers and egress groups. The maps know them by numbers, people by names, and a number must stay with what
 * it meant: so who was there by its name keeps its number, whatever becomes of its prefixes. Who was not, but holds a prefix
 * that the maps know, was renamed, or nobody knows the names of then, and gets the number of that prefix, unless it is
 * another's. Who is new gets a free one.
 */
#include <string.h>

#include "apply/apply.h"
#include "apply/bpf.h"
#include "apply/private.h"
#include "bpf/abi.h"

/* What has a number in the maps, which know it by the prefixes that it holds there. */
struct holder {
	const char *name;
	uint16_t *number;
	uint16_t space, which;
	const struct prefix *prefixes;
	size_t prefix_count;
};

/* All of a kind that a model has. */
struct holders {
	const struct model *model;
	size_t count;
	struct holder (*at)(const struct model *model, size_t i);
};

static struct holder provider_at(const struct model *model, size_t i)
{
	struct provider *provider = &model->providers[i];

	return (struct holder){provider->name, &provider->number, SPACE_ZONE, provider->zone,
		provider->prefixes, provider->prefix_count};
}

static struct holder group_at(const struct model *model, size_t i)
{
	struct egress_group *group = &model->egress[i];

	return (struct holder){
		group->name, &group->number, SPACE_EGRESS, 0, group->destinations, group->destination_count};
}

static struct holders providers_of(const struct model *model)
{
	return (struct holders){model, model ? model->provider_count : 0, provider_at};
}

static struct holders groups_of(const struct model *model)
{
	return (struct holders){model, model ? model->egress_count : 0, group_at};
}

static uint16_t *number_at(const struct holders *holders, size_t i)
{
	return holders->at(holders->model, i).number;
}

static bool number_is_taken(const struct holders *holders, uint16_t number)
{
	for (size_t i = 0; i < holders->count; i++)
		if (*number_at(holders, i) == number)
			return true;
	return false;
}

/* 0: nobody has that name. */
static uint16_t number_of_name(const struct holders *holders, const char *name)
{
	for (size_t i = 0; i < holders->count; i++)
		if (strcmp(holders->at(holders->model, i).name, name) == 0)
			return *number_at(holders, i);
	return 0;
}

/* 0: the maps know none of its prefixes, or as another's. */
static uint16_t number_of_prefixes(struct apply *apply, const struct holders *holders, size_t i)
{
	const struct holder holder = holders->at(holders->model, i);

	for (size_t k = 0; k < holder.prefix_count; k++) {
		uint16_t number =
			bpf_prefix_holder(apply->pin_dir, holder.space, holder.which, &holder.prefixes[k]);

		if (number && !number_is_taken(holders, number))
			return number;
	}
	return 0;
}

static void number_all(struct apply *apply, struct holders new, struct holders old)
{
	uint16_t free_number = 1;

	for (size_t i = 0; i < new.count; i++)
		*number_at(&new, i) = number_of_name(&old, new.at(new.model, i).name);
	for (size_t i = 0; i < new.count; i++)
		if (!*number_at(&new, i))
			*number_at(&new, i) = number_of_prefixes(apply, &new, i);
	for (size_t i = 0; i < new.count; i++) {
		if (*number_at(&new, i))
			continue;
		while (number_is_taken(&new, free_number))
			free_number++;
		*number_at(&new, i) = free_number;
	}
}

void apply_number_after(struct apply *apply, struct model *model, const struct model *in_force)
{
	number_all(apply, providers_of(model), providers_of(in_force));
	number_all(apply, groups_of(model), groups_of(in_force));
}

void apply_number(struct apply *apply, struct model *model)
{
	apply_number_after(apply, model, NULL);
}
