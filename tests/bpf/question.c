// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/question.h"

#include <string.h>

#define HOPS_DEFAULT 64

static bool is_error(const struct shape *shape)
{
	return shape->kind == UNREACHABLE || shape->kind == TOO_BIG;
}

static bool has_ports(const struct shape *shape)
{
	return (shape->kind == TCP || shape->kind == UDP) && !shape->fragment_offset;
}

static uint8_t protocol_of(const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];
	struct shape plain = *shape;

	plain.extensions = 0;
	plain.more_fragments = false;
	plain.fragment_offset = 0;
	packet_build(&plain, family, false, packet);
	return packet[family == V4 ? 9 : 6];
}

static __be16 big(uint16_t port)
{
	return (__be16)(port << 8 | port >> 8);
}

/* `shape` runs from the device to the loopback, or the other way. */
static void set_key(struct line_key *key, const struct shape *shape, enum family family, bool from_device)
{
	bool echo = (shape->kind == ECHO_REQUEST || shape->kind == ECHO_REPLY) && !shape->fragment_offset;

	address_of(from_device ? shape->from : shape->to, family, key->source);
	address_of(from_device ? shape->to : shape->from, family, key->destination);
	key->protocol = protocol_of(shape, family);
	if (has_ports(shape)) {
		key->source_port = big(from_device ? shape->from_port : shape->to_port);
		key->destination_port = big(from_device ? shape->to_port : shape->from_port);
	} else if (echo) {
		key->source_port = big(shape->from_port);
	}
}

static uint32_t length_of(const struct row *row, enum family family)
{
	uint8_t packet[PACKET_MAX];

	if (row->gso_size)
		return (uint32_t)packet_headers(&row->in, family) + row->gso_size;
	return (uint32_t)packet_build(&row->in, family, false, packet);
}

static enum explain_direction direction_of(enum program program)
{
	if (program == TUNNEL || program == EGRESS_LINK)
		return EXPLAIN_REQUEST;
	if (program == LAN)
		return EXPLAIN_LAN;
	return program == RETURN ? EXPLAIN_RESPONSE : EXPLAIN_UPLINK;
}

bool question_of(const struct row *row, enum family family, struct explanation *question)
{
	const struct shape *in = &row->in;
	bool from_device = row->program == TUNNEL || row->program == LAN || row->program == EGRESS_LINK;

	*question = (struct explanation){.direction = direction_of(row->program),
		.hops = in->hops ? in->hops : HOPS_DEFAULT,
		.length = length_of(row, family)};
	if (row->vlan) /* a question is about the interface's own */
		return false;
	if (row->program == EGRESS_LINK &&
		(in->flags == SYN || in->kind == ECHO_REQUEST)) /* and about answers */
		return false;
	if (row->reason == REASON_malformed || row->reason == REASON_not_ip)
		return false;
	if (row->program == LAN)
		question->ifindex = 1; /* lo, where rows are played */
	if (!row->no_tunnel)
		question->tunnel = row->tunnel ? row->tunnel : 101;
	if (is_error(in) && !in->fragment_offset) {
		if (!in->quotes || in->quotes->from != in->to)
			return false;
		question->kind = EXPLAIN_ICMP_ERROR;
		set_key(&question->key, in->quotes, family, !from_device);
		return true;
	}
	if (in->fragment_offset)
		question->kind = EXPLAIN_FRAGMENT;
	question->fragment_id = in->fragment_id;
	set_key(&question->key, in, family, from_device);
	return true;
}

struct explanation answer_to(const struct explanation *question)
{
	struct explanation answer = {.reason = REASON_COUNT};
	struct outcome outcome =
		scene_run(scene.gateway->progs.explain, (const uint8_t *)question, sizeof(*question), 0);

	if (outcome.error == 0 && outcome.verdict == 0 && outcome.length == sizeof(answer))
		memcpy(&answer, outcome.packet, sizeof(answer));
	return answer;
}
