/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames with a VLAN tag, as TC sees them: the tag stands beside the packet, where a driver left it, and
 * BPF_PROG_TEST_RUN takes none. So a program puts it there and goes on to the one that is tested.
 */
#ifndef TESTS_BPF_TAGGED_H
#define TESTS_BPF_TAGGED_H

struct bpf_program;

struct tagged {
	int program; /* its descriptor */
	int next;    /* the map by which it goes on */
};

/* A program that tags its packet with this VLAN and is `program` from there on. */
struct tagged tagged_before(const struct bpf_program *program, unsigned vlan);
void tagged_close(struct tagged *tagged);

#endif
