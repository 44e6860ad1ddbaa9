/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespaces of the bench: an uplink `up0` with a member and a backend behind it, `home0`, an entrance `gen0`
 * that frames come in by, and tunnels, which are TUNs that this process holds. Nothing of it outlives the process.
 */
#ifndef TESTS_BENCH_NETWORK_H
#define TESTS_BENCH_NETWORK_H

#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>

struct network {
	int fd; /* the namespace */
	uint32_t uplink, far_uplink, entrance, home, first_tunnel;
};

/* Makes one and enters it. */
void network_open(struct network *network, unsigned tunnels);
void network_enter(const struct network *network);

/* In the namespace that we are in: hangs a program behind traffic control, or into a device in native XDP. */
void network_attach_tc(uint32_t interface, enum bpf_tc_attach_point point, const struct bpf_program *program);
void network_attach_xdp(uint32_t interface, const struct bpf_program *program);

/* Frames of GENERATED zeroes through a program, as if they came in by that interface, and out where it sends them: ns for each. */
double network_send(const struct bpf_program *program, uint32_t interface, uint32_t packets);

/* Commands for a tool that reads them, such as "ip -batch -"; it must find nothing wrong with them. */
FILE *network_tool(const char *tool);
void network_tool_done(FILE *commands, const char *tool);

/* Conntrack forgets all flows of the namespace that we are in. */
void network_forget_flows(void);

#endif
