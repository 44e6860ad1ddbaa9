/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares: which link of an egress group has which slot of SHARE_SLOTS, by weight. A flow's hash is a slot.
 *
 * Slots are dealt like cards, so the shares are exact, to a slot: first to all links of the group, whether they live or
 * not. What a dead link was dealt is dealt again, among all the others; of that, what went to another dead one among the
 * rest; and so on until each slot has a link that lives. So who has a slot does not depend on how it came to that, a link
 * that dies loses its slots and moves no other, and one that returns takes back just those.
 *
 * Another set of links, or other weights, is another deal: that is another configuration, and flows that are pinned stay.
 *
 * Pure.
 */
#ifndef HEALTH_SHARE_H
#define HEALTH_SHARE_H

#include <stddef.h>
#include <stdint.h>

#define SHARE_SLOTS 4096
#define SHARE_LINKS 16
#define SHARE_NONE  UINT8_MAX

/*
 * `weights`: of each link, 1 or more; `living`: a bit for each. Writes the link of each slot; SHARE_NONE in all when none
 * lives.
 */
void share_deal(const uint16_t *weights, size_t count, uint32_t living, uint8_t slots[SHARE_SLOTS]);

#endif
