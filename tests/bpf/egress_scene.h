/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scene with an egress group: we are a gateway on a provider's side. The tunnels 101, 102 and 301 are the links, by
 * weight 1:1:2; STRANGER is the group's destination (192.0.2.1 of somebody else's), which is written so wide that
 * it holds LINK_LOCAL too, and what comes in by the scene's
 * interface is from its LAN.
 */
#ifndef TESTS_BPF_EGRESS_SCENE_H
#define TESTS_BPF_EGRESS_SCENE_H

#include "tests/bpf/scene.h"

#define EGRESS_GROUP 101
#define SCENE_LINKS  3

extern const uint16_t egress_links[SCENE_LINKS];

/* After scene_open(): what gwd would write. All links are in. */
void egress_scene(bool sharing, bool by_source);
/* Which links are in: a bit for each, in the order of egress_links; what is not in is not usable either, unless told. */
void egress_scene_in(uint32_t in);
/* No flow is pinned any more; or all pins are so much older. */
void egress_scene_unpin(void);
void egress_scene_age_pins(uint32_t ms);

#endif
