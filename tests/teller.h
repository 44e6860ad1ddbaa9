/* SPDX-License-Identifier: Apache-2.0 */
/* A program of a few instructions that tells of a change each time it runs, for tests: user space cannot write into a ring. */
#ifndef TESTS_TELLER_H
#define TESTS_TELLER_H

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>

#include "bpf/abi.h"

#define TELLER_DO(op, to, from, o, n)                                                    \
	{                                                                                \
		.code = (op), .dst_reg = (to), .src_reg = (from), .off = (o), .imm = (n) \
	}

/* An XDP program that gives its packet's first eight bytes to the ring, and answers what the helper answered. Its descriptor. */
static int load_teller(int ring)
{
	const struct bpf_insn code[] = {
		TELLER_DO(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0), /* its data, eight bytes before its end */
		TELLER_DO(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 4, 0),
		TELLER_DO(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),
		TELLER_DO(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, sizeof(struct change)),
		TELLER_DO(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
		TELLER_DO(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 9, 0),
		TELLER_DO(BPF_LDX | BPF_MEM | BPF_DW, 4, 2, 0, 0), /* the helper takes no packet */
		TELLER_DO(BPF_STX | BPF_MEM | BPF_DW, 10, 4, -8, 0),
		TELLER_DO(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		TELLER_DO(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8),
		TELLER_DO(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, ring),
		TELLER_DO(0, 0, 0, 0, 0),
		TELLER_DO(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, sizeof(struct change)),
		TELLER_DO(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 0),
		TELLER_DO(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
		TELLER_DO(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options);

	return bpf_prog_load(
		BPF_PROG_TYPE_XDP, "teller", "GPL", code, sizeof(code) / sizeof(code[0]), &options);
}

/* Tells of the change so many times. 1: the last time there was room for it; 0: there was none; less: errno. */
static int run_teller(int program, const struct change *change, int times)
{
	uint8_t packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
		.repeat = times);
	int r;

	memcpy(packet, change, sizeof(*change));
	r = bpf_prog_test_run_opts(program, &options);
	return r < 0 ? r : options.retval == 0;
}

#endif
