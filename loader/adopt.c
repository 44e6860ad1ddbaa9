// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "apply/bpf.h"
#include "bpf/abi.h"
#include "daemon.h"

static bool bit_of(const struct usable_entry *entry, uint16_t tunnel)
{
	return entry->words[tunnel / 64] >> (tunnel % 64) & 1;
}

/* A tunnel that left the configuration while no daemon ran leaves a bit behind, which nobody would ever take back. */
static int clear_others(struct daemon *daemon, const struct usable_entry *entry, struct error *error)
{
	int r = 0;

	for (uint32_t tunnel = 0; tunnel < TUNNEL_NUMBERS && r == 0; tunnel++)
		if (bit_of(entry, tunnel) && !model_tunnel_by_number(daemon->model, tunnel))
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
		if (bit_of(&entry, model->tunnels[i].number))
			health_adopt(daemon->health, model->tunnels[i].number);
	return clear_others(daemon, &entry, error);
}
