/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relays for tests: what a member of the array writes around a packet, by a second implementation. From an envelope
 * that is as it should be a test makes one that is not, by saying what is different.
 */
#ifndef TESTS_BPF_ENVELOPE_H
#define TESTS_BPF_ENVELOPE_H

#include "bpf/abi.h"
#include "tests/bpf/packet.h"

struct envelope {
	enum family outer;
	enum who from, to;
	enum relay_kind kind;
	uint16_t tunnel;
	uint8_t sender, receiver; /* the receiver stands in the claim alone */
	uint8_t key;
	uint64_t words[2]; /* the key itself; zeros: plain, no code */
	uint32_t slot;
	uint8_t service; /* the outer one: the inner's DSCP */
};

/* As gateway 2 writes it for us, and we for gateway 2. */
struct envelope envelope_from_member(enum family outer, enum relay_kind kind, uint16_t tunnel);
struct envelope envelope_to_member(enum family outer, enum relay_kind kind, uint16_t tunnel);

/* Where the relay's header starts behind Ethernet's, and how much stands before the inner packet. */
size_t envelope_header(enum family outer);
size_t envelope_overhead(enum family outer);

/* Writes the relay of an IP packet, behind an Ethernet header of zeros, and answers its length. */
size_t envelope_build(
	const struct envelope *envelope, const uint8_t *inner, size_t length, uint8_t packet[PACKET_MAX]);

#endif
