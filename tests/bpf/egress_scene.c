// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/egress_scene.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "health/share.c" /* of gwd's, that these tests are not linked with otherwise */

#define PINS_MAX 65536

const uint16_t egress_links[SCENE_LINKS] = {101, 102, 301};
static const uint16_t weights[SCENE_LINKS] = {1, 1, 2};

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) == 0)
		return;
	printf("FAIL bpf scene: %s\n", bpf_map__name(map));
	exit(1);
}

void egress_scene_in(uint32_t in)
{
	static struct egress_table table;
	uint8_t slots[SHARE_SLOTS];
	uint32_t group = EGRESS_GROUP;

	_Static_assert(SHARE_SLOTS == EGRESS_SLOTS, "");
	share_deal(weights, SCENE_LINKS, in, slots);
	for (size_t i = 0; i < SHARE_SLOTS; i++)
		table.tunnels[i] = slots[i] == SHARE_NONE ? 0 : egress_links[slots[i]];
	memset(table.in, 0, sizeof(table.in));
	for (size_t i = 0, count = 0; i < SCENE_LINKS; i++)
		if (in >> i & 1)
			table.in[count++] = egress_links[i];
	update(scene.gateway->maps.egress_tables, &group, &table);
	for (size_t i = 0; i < SCENE_LINKS; i++)
		scene_usable(SCENE_GATEWAY, egress_links[i], in >> i & 1);
}

static void write_address(enum space space, uint16_t which, uint16_t holder, enum who who, enum family family)
{
	struct prefix_value value = {.provider = holder};
	struct prefix_key key = {.length = PREFIX_KEY_BITS + 128, .space = space, .which = which};

	address_of(who, family, key.address);
	update(scene.gateway->maps.prefixes, &key, &value);
}

void egress_scene(bool sharing, bool by_source)
{
	struct egress_entry entry = {.sharing = sharing, .by_source = by_source};
	struct egress_from from = {.ifindex = 1, .group = EGRESS_GROUP};
	uint32_t group = EGRESS_GROUP, one = 1;

	for (enum family family = V4; family <= V6; family += V6 - V4) {
		write_address(SPACE_EGRESS, 0, EGRESS_GROUP, STRANGER, family);
		write_address(SPACE_EGRESS, 0, EGRESS_GROUP, LINK_LOCAL, family);
		write_address(SPACE_PROBED, 102, 1, STRANGER, family);
	}
	for (size_t i = 0; i < SCENE_LINKS; i++) {
		struct tunnel_entry tunnel = {
			.ifindex = 1000u + egress_links[i], .gateway = SCENE_GATEWAY, .egress = EGRESS_GROUP};
		uint32_t number = egress_links[i];

		update(scene.gateway->maps.tunnels, &number, &tunnel);
	}
	update(scene.gateway->maps.egress_groups, &group, &entry);
	update(scene.gateway->maps.egress_from, &from, &one);
	egress_scene_unpin();
	egress_scene_in(7);
}

/* All of them first: who goes on behind a key that was just written may go round for ever. */
static size_t read_pins(struct line_key *keys)
{
	int fd = bpf_map__fd(scene.gateway->maps.egress_pins);
	size_t count = 0;
	bool more = !bpf_map_get_next_key(fd, NULL, &keys[0]);

	while (more && ++count < PINS_MAX)
		more = !bpf_map_get_next_key(fd, &keys[count - 1], &keys[count]);
	return count;
}

static struct line_key pins[PINS_MAX];

void egress_scene_unpin(void)
{
	int fd = bpf_map__fd(scene.gateway->maps.egress_pins);

	for (size_t i = read_pins(pins); i-- > 0;)
		bpf_map_delete_elem(fd, &pins[i]);
}

void egress_scene_age_pins(uint32_t ms)
{
	int fd = bpf_map__fd(scene.gateway->maps.egress_pins);
	struct egress_pin pin;

	for (size_t i = read_pins(pins); i-- > 0;)
		if (!bpf_map_lookup_elem(fd, &pins[i], &pin)) {
			pin.seen_ms -= ms;
			update(scene.gateway->maps.egress_pins, &pins[i], &pin);
		}
}
