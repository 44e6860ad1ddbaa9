/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row: what it shows, a packet in, what must come of it: verdict, reason, tunnel, the whole packet, and what the
 * tables have learned. One runner plays all rows, each in both families unless it says otherwise. It asks `explain`
 * first, which must foretell just that, and leave no trace.
 */
#ifndef TESTS_BPF_ROWS_H
#define TESTS_BPF_ROWS_H

#include "tests/bpf/packet.h"
#include "tests/bpf/scene.h"

/* Rows start from a usual packet and say what is different about theirs. */
#pragma GCC diagnostic ignored "-Woverride-init"

enum program { TUNNEL, RETURN, UPLINK, LAN, EGRESS_LINK };

/* Verdicts, as <linux/pkt_cls.h> counts them. */
enum verdict { PASSED = -1, DROPPED = 2, SENT = 7 };

enum expected_flow { FLOW_ANY, FLOW_NONE, FLOW_HALF_OPEN, FLOW_ESTABLISHED, FLOW_CLOSING };

struct row {
	const char *shows;
	bool then;          /* the scene goes on from the row above */
	enum family family; /* 0: both */
	enum program program;
	uint16_t tunnel; /* tunnel_ingress, link_ingress: by which it comes. 0: 101 */
	bool no_tunnel;  /* by an interface that is none */
	bool framed; /* … that has an Ethernet header left in front, as an XFRM interface's packets may */
	int32_t after_ms;     /* so much time has gone by since the row above */
	uint16_t unusable[4]; /* tunnels of ours that are not usable from here on */
	uint16_t usable;      /* one that is again */
	uint16_t poison;      /* before it, all flows are told to go home by this tunnel */
	bool no_prefixes;     /* from here on, no provider has any but in its tunnels' entries */
	bool elsewhere;       /* before it, gateway 2's tunnel 103 becomes usable */
	bool no_clamp;
	uint32_t gso_size;
	bool tagged; /* the frame has a VLAN tag, and its id is: */
	uint16_t vlan;
	struct shape in;

	enum verdict verdict;
	enum reason reason;
	bool answered;    /* dropped, and told by ICMP, of which answer_test.c compares the bytes */
	uint16_t way;     /* the tunnel it was sent into */
	enum reason also; /* counted beside it; 0: nothing */
	uint16_t out_mss; /* 0: as it came in */
	uint8_t out_hops; /* 0: as it came in */
	enum expected_flow flow;
	uint16_t flow_tunnel; /* its way home; 0: any */
	uint16_t device_tunnel;
};

/* Plays all rows and prints a line for each. How many failed. */
int rows_play(const char *suite, const struct row *rows, size_t count);

/* A test program that consists of rows. */
#define ROWS(suite, rows)                                                          \
	int main(void)                                                             \
	{                                                                          \
		int failed;                                                        \
		scene_open();                                                      \
		failed = rows_play(suite, rows, sizeof(rows) / sizeof((rows)[0])); \
		scene_close();                                                     \
		return failed > 0;                                                 \
	}

#endif
