// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/tagged.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int need(int fd, const char *what)
{
	if (fd >= 0)
		return fd;
	perror(what);
	exit(1);
}

struct tagged tagged_before(const struct bpf_program *program, unsigned vlan)
{
	int next = need(bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", 4, 4, 1, NULL), "prog array");
	const struct bpf_insn tag[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(ETH_P_8021Q)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = (int32_t)vlan},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6},
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD, .imm = next},
		{0}, /* the other half of that */
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = need(
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "tag", "GPL", tag, sizeof(tag) / sizeof(tag[0]), NULL),
		"program");
	int target = bpf_program__fd(program);
	uint32_t zero = 0;

	need(bpf_map_update_elem(next, &zero, &target, BPF_ANY), "prog array");
	return (struct tagged){.program = fd, .next = next};
}

void tagged_close(struct tagged *tagged)
{
	close(tagged->program);
	close(tagged->next); /* which empties it: only now */
}
