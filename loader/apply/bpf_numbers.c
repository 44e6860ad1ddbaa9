// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers of providers and egress groups. The maps know them by numbers, people by names, and a number must stay with what
 * it meant: so whoever holds a prefix already keeps the number that it has there, and who is new gets a free one.
 */
#include "apply/apply.h"
#include "apply/bpf.h"
#include "apply/private.h"
#include "bpf/abi.h"

/* What has a number in the maps, which know it by the prefixes that it holds there. */
struct holder {
	uint16_t *number;
	uint16_t space, which;
	const struct prefix *prefixes;
	size_t prefix_count;
};

typedef struct holder holder_at(const struct model *model, size_t i);

static struct holder provider_at(const struct model *model, size_t i)
{
	struct provider *provider = &model->providers[i];

	return (struct holder){
		&provider->number, SPACE_ZONE, provider->zone, provider->prefixes, provider->prefix_count};
}

static struct holder group_at(const struct model *model, size_t i)
{
	struct egress_group *group = &model->egress[i];

	return (struct holder){
		&group->number, SPACE_EGRESS, 0, group->destinations, group->destination_count};
}

static bool number_is_taken(const struct model *model, holder_at *at, size_t count, uint16_t number)
{
	for (size_t i = 0; i < count; i++)
		if (*at(model, i).number == number)
			return true;
	return false;
}

static uint16_t known_number(struct apply *apply, const struct model *model, holder_at *at, size_t i)
{
	const struct holder holder = at(model, i);

	for (size_t k = 0; k < holder.prefix_count; k++) {
		uint16_t number =
			bpf_prefix_holder(apply->pin_dir, holder.space, holder.which, &holder.prefixes[k]);

		if (number && !number_is_taken(model, at, i, number))
			return number;
	}
	return 0;
}

static void number_all(struct apply *apply, const struct model *model, holder_at *at, size_t count)
{
	uint16_t free_number = 1;

	for (size_t i = 0; i < count; i++)
		*at(model, i).number = 0;
	for (size_t i = 0; i < count; i++)
		*at(model, i).number = known_number(apply, model, at, i);
	for (size_t i = 0; i < count; i++) {
		if (*at(model, i).number)
			continue;
		while (number_is_taken(model, at, count, free_number))
			free_number++;
		*at(model, i).number = free_number;
	}
}

void apply_number(struct apply *apply, struct model *model)
{
	number_all(apply, model, provider_at, model->provider_count);
	number_all(apply, model, group_at, model->egress_count);
}
