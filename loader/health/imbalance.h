/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does an egress group carry what its shares say? Flows are dealt exactly, packets are not: where few sources or flows send
 * most, or many keep to the links they began on, one link is full while another has room, and nobody but an operator can do
 * anything about it.
 *
 * A look is what was sent since the last one: some seconds, and enough packets to say anything. A group is uneven when a
 * link's part of them was far from its share in several looks in a row, and even again when all were near in as many;
 * between the two it is what it was. Other shares begin another look.
 *
 * Pure: main brings the counters and the time.
 */
#ifndef HEALTH_IMBALANCE_H
#define HEALTH_IMBALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMBALANCE_LINKS   16
#define IMBALANCE_LOOK_MS 3000
#define IMBALANCE_LEAST   1000 /* packets in a look */
#define IMBALANCE_FAR     100  /* permille of all, between a link's part and its share */
#define IMBALANCE_NEAR    50
#define IMBALANCE_LOOKS   3

enum imbalance_news { IMBALANCE_NO_NEWS, IMBALANCE_BEGAN, IMBALANCE_ENDED };

/* All zero to begin with. */
struct imbalance {
	bool begun, uneven;
	uint8_t looks; /* in a row, that say otherwise than `uneven` */
	uint64_t since_ms;
	uint16_t shares[IMBALANCE_LINKS];  /* permille */
	uint64_t before[IMBALANCE_LINKS];  /* packets, when this look began */
	int16_t measured[IMBALANCE_LINKS]; /* permille, in the last look */
	bool looked;                       /* there was one: `measured` and `farthest` are known */
	uint8_t farthest;                  /* the link whose part differs most */
};

/* `shares`: in permille, and `packets`: sent in all, of each of `count` links. */
enum imbalance_news imbalance_look(
	struct imbalance *is, const uint16_t *shares, const uint64_t *packets, size_t count, uint64_t now_ms);

/* While a group is uneven: this link's part is more than near its share. */
bool imbalance_of(const struct imbalance *is, size_t link);

#endif
