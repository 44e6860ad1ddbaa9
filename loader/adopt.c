// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "apply/bpf.h"
#include "bpf/abi.h"
#include "daemon.h"

static bool bit_of(const struct usable_entry *entry, uint16_t tunnel)
{
	return entry->words[tunnel / 64] >> (tunnel % 64) & 1;
}

/* Under this number, in the configuration of then and of now: a number may have been given to another tunnel. */
static bool stays(const struct daemon *daemon, uint16_t number)
{
	const struct model *former = daemon->former ?: daemon->model;
	const struct tunnel *now = model_tunnel_by_number(daemon->model, number);
	const struct tunnel *then = model_tunnel_by_number(former, number);

	return now && then && strcmp(now->name, then->name) == 0;
}

/* A tunnel that left the configuration while no daemon ran leaves a bit behind, which nobody would ever take back. */
static int clear_others(struct daemon *daemon, const struct usable_entry *entry, struct error *error)
{
	int r = 0;

	for (uint32_t tunnel = 0; tunnel < TUNNEL_NUMBERS && r == 0; tunnel++)
		if (bit_of(entry, tunnel) && !stays(daemon, (uint16_t)tunnel))
			r = bpf_usable_set(daemon->pin_dir, daemon->model->number, tunnel, false, error);
	return r;
}

int adopt_bits(struct daemon *daemon, struct error *error)
{
	const struct model *model = daemon->model;
	struct usable_entry entry;
	int r = bpf_usable_read(daemon->pin_dir, model->number, &entry, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (bit_of(&entry, model->tunnels[i].number) && stays(daemon, model->tunnels[i].number))
			health_adopt(daemon->health, model->tunnels[i].number);
	return clear_others(daemon, &entry, error);
}
