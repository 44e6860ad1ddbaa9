/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway that the rows are played on: the programs, loaded into a network namespace of their own with
 * maps that are pinned nowhere, and what gwd would have written into these.
 *
 *	gateway 1 is ours        acme (1), zone 0:   tunnels 101, 102 here, 103 at gateway 2
 *	                         other (2), zone 0:  tunnel 201
 *	                         overlap (3), zone 1, acme's prefixes again: tunnel 301
 *	                         tunnel 401: other's, configured but not there (no interface)
 *	gateway 2 is a member    (MEMBER on our uplink up0); it relays to us when a row lets it
 */
#ifndef TESTS_BPF_SCENE_H
#define TESTS_BPF_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/gateway.skel.h"
#include "tests/bpf/packet.h"

#define SCENE_GATEWAY 1
#define SCENE_MEMBER  2
#define SCENE_MTU     1400
#define SCENE_LINES   64
#define SCENE_HOME_MAC                             \
	{                                          \
		0x02, 0x68, 0x6f, 0x6d, 0x65, 0x30 \
	}

struct scene {
	struct gateway_bpf *gateway;
	struct settings settings; /* change, then scene_settings() */
	struct line *flows, *devices;
	struct line_counters *counters;
	uint32_t lines; /* of each of them */
};

extern struct scene scene;

/*
 * Which programs the test loads: of the others the verifier need not think, which takes longer than playing all rows. A test
 * that does not say loads all.
 */
#define SCENE_LOADS(...) const char *const scene_loads[] = {__VA_ARGS__, NULL}
extern const char *const scene_loads[] __attribute__((weak));

/* Loads them, in a namespace of our own. Exits with a FAIL line when that does not work. */
void scene_open(void);
/* With tables of so many lines, a power of two, instead of SCENE_LINES. */
void scene_open_of(uint32_t lines);
/* The two halves of it: the programs and their maps, which outlive a fork; and where they are played, as often as one likes. */
void scene_load_of(uint32_t lines);
void scene_enter(void);
void scene_close(void);

/* uplink_xdp, with the maps of the others; the caller destroys it. */
struct uplink_xdp_bpf *scene_load_xdp(void);

/* As it was at first: empty tables, all tunnels usable, no counts. */
void scene_reset(void);
/* Until then: that providers have any prefix, but for what the tunnels' entries say. */
void scene_forget_prefixes(void);
void scene_settings(void);
void scene_usable(uint8_t gateway, uint16_t tunnel, bool usable);
/* Switches relaying on, over an underlay of that family. */
void scene_relay(enum relay_mode mode, enum family underlay);
void scene_member_state(uint8_t gateway, enum member_state state);
/* Two keys are there from the first, of ids 1 and 2. NULL: takes one away. */
void scene_key(uint8_t id, const uint64_t words[2]);
extern const uint64_t scene_keys[3][2];
/* The time slot that we are in, and our clock put so many slots ahead. */
uint32_t scene_slot(void);
void scene_clock(int32_t slots);
/* When a member's last relay came, 0: never. */
uint32_t scene_heard(uint8_t gateway);
/* Up to when ICMP answers have used up their time, by CLOCK_MONOTONIC. */
void scene_answers(uint64_t until_ns);
/* From which tunnel tunnel_ingress sees its packets come. 0: from none. */
void scene_arrive_by(uint16_t tunnel);
uint64_t scene_count(enum reason reason);
uint32_t scene_now_ms(void);
/* Makes all that the tables hold older, or younger by less than nothing. */
void scene_age(int32_t ms);

/* The one line in service, or NULL; all of them are counted. */
struct line *scene_line(struct line *lines, unsigned *count);

/* What a program did to a packet. */
struct outcome {
	int error; /* of the run itself */
	int verdict;
	enum reason reason;
	uint16_t tunnel;
	uint8_t packet[PACKET_MAX];
	size_t length;
};
struct bpf_program;
struct outcome scene_run(
	const struct bpf_program *program, const uint8_t *packet, size_t length, uint32_t gso_size);
/* The same of a frame with a VLAN tag. */
struct outcome scene_run_tagged(
	const struct bpf_program *program, const uint8_t *packet, size_t length, unsigned vlan);

#endif
