// SPDX-License-Identifier: Apache-2.0
/* Playing rows. */
#include "tests/bpf/rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/bpf/question.h"

static const char *const reason_names[] = {
#define X(name, drop, words) #name,
	REASONS(X)
#undef X
};

/* What is wrong, in words; empty: nothing. Only the first complaint is kept. */
static char complaint[512];

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	va_list arguments;

	if (complaint[0])
		return;
	va_start(arguments, format);
	vsnprintf(complaint, sizeof(complaint), format, arguments);
	va_end(arguments);
}

static const char *reason_name(uint32_t reason)
{
	return reason < REASON_COUNT ? reason_names[reason] : "no reason at all";
}

/* ---- Before a row -------------------------------------------------------------------------------------- */

static void poison_flows(uint16_t tunnel)
{
	for (size_t i = 0; i < SCENE_LINES; i++)
		if (TAG_STATE(scene.flows[i].tag) != LINE_FREE)
			scene.flows[i].home = HOME(scene_now_ms(), tunnel, SCENE_GATEWAY, SCENE_GATEWAY);
}

static void set_scene(const struct row *row)
{
	if (!row->then)
		scene_reset();
	if (row->after_ms)
		scene_age(row->after_ms);
	for (size_t i = 0; i < 4 && row->unusable[i]; i++)
		scene_usable(SCENE_GATEWAY, row->unusable[i], false);
	if (row->usable)
		scene_usable(SCENE_GATEWAY, row->usable, true);
	if (row->elsewhere)
		scene_usable(2, 103, true);
	if (row->no_prefixes)
		scene_forget_prefixes();
	if (row->poison)
		poison_flows(row->poison);
	if (row->no_clamp) {
		scene.settings.mss_clamp = 0;
		scene_settings();
	}
	scene_arrive_by(row->no_tunnel ? 0 : row->tunnel ? row->tunnel : 101);
}

static bool has_ethernet(const struct row *row)
{
	return row->framed || (row->program != TUNNEL && row->program != EGRESS_LINK);
}

/* ---- After it ------------------------------------------------------------------------------------------ */

static void check_counts(const struct row *row, const uint64_t before[REASON_COUNT])
{
	unsigned packets = row->gso_size ? 2 : 1;

	for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
		uint64_t expected = reason == (uint32_t)row->reason ? packets : 0;
		uint64_t counted = scene_count(reason) - before[reason];

		if (row->also && reason == (uint32_t)row->also)
			expected++;
		if (row->answered && reason == REASON_answered)
			expected++;
		if (counted != expected)
			complain("%s counted %llu times, not %llu", reason_name(reason),
				(unsigned long long)counted, (unsigned long long)expected);
	}
}

static void check_packet(const struct row *row, enum family family, const struct outcome *outcome)
{
	struct shape shape = row->in;
	uint8_t expected[PACKET_MAX];
	size_t length;

	if (row->out_mss)
		shape.mss = row->out_mss;
	if (row->out_hops)
		shape.hops = row->out_hops;
	length = packet_build(&shape, family, has_ethernet(row), expected);
	if (outcome->length != length)
		complain("the packet came out with %zu bytes, not %zu", outcome->length, length);
	for (size_t i = 0; i < length; i++)
		if (outcome->packet[i] != expected[i])
			complain("byte %zu came out as %02x, not %02x", i, outcome->packet[i], expected[i]);
}

static void check_flow(const struct row *row)
{
	static const uint8_t states[] = {0, 0, LINE_HALF_OPEN, LINE_ESTABLISHED, LINE_CLOSING};
	unsigned count;
	const struct line *line = scene_line(scene.flows, &count);

	if (row->flow == FLOW_ANY)
		return;
	if (count != (row->flow == FLOW_NONE ? 0 : 1))
		complain("%u flows in service", count);
	else if (line && TAG_STATE(line->tag) != states[row->flow])
		complain("the flow's state is %u, not %u", TAG_STATE(line->tag), states[row->flow]);
	else if (line && row->flow_tunnel && HOME_TUNNEL(line->home) != row->flow_tunnel)
		complain("the flow's way home is %u, not %u", HOME_TUNNEL(line->home), row->flow_tunnel);
}

static void check_device(const struct row *row)
{
	unsigned count;
	const struct line *line = scene_line(scene.devices, &count);

	if (!row->device_tunnel)
		return;
	if (count != 1)
		complain("%u devices in service", count);
	else if (HOME_TUNNEL(line->home) != row->device_tunnel)
		complain("the device's way home is %u, not %u", HOME_TUNNEL(line->home), row->device_tunnel);
}

static const struct bpf_program *program_of(enum program program)
{
	switch (program) {
	case TUNNEL:
		return scene.gateway->progs.tunnel_ingress;
	case RETURN:
		return scene.gateway->progs.return_egress;
	case UPLINK:
		return scene.gateway->progs.uplink_ingress;
	case LAN:
		return scene.gateway->progs.lan_ingress;
	case EGRESS_LINK:
		return scene.gateway->progs.link_ingress;
	}
	return NULL;
}

/* Asked before, explain says what will be, and leaves no trace. */
static void check_explanation(const struct row *row, enum family family)
{
	struct explanation question, answer;

	if (!question_of(row, family, &question))
		return;
	answer = answer_to(&question);
	if (answer.reason != row->reason)
		complain("explain says %s, not %s", reason_name(answer.reason), reason_name(row->reason));
	if (answer.answered != row->answered)
		complain("explain says that the sender is %stold", answer.answered ? "" : "not ");
	if (row->program == LAN && (answer.provider != 0) != (row->reason != REASON_passed_other))
		complain("explain says that the egress group is %u", answer.provider);
	if (row->verdict == SENT && !row->answered && answer.way_tunnel != row->way)
		complain("explain sends it into tunnel %u, not %u", answer.way_tunnel, row->way);
}

static void play(const struct row *row, enum family family)
{
	uint64_t before[REASON_COUNT];
	uint8_t packet[PACKET_MAX];
	struct outcome outcome;
	size_t length;

	set_scene(row);
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++)
		before[reason] = scene_count(reason);
	check_explanation(row, family);
	length = packet_build(&row->in, family, has_ethernet(row), packet);
	if (row->tagged)
		outcome = scene_run_tagged(program_of(row->program), packet, length, row->vlan);
	else
		outcome = scene_run(program_of(row->program), packet, length, row->gso_size);
	if (outcome.error) {
		complain("the run answered %d", outcome.error);
		return;
	}
	if (outcome.reason != row->reason)
		complain("%s, not %s", reason_name(outcome.reason), reason_name(row->reason));
	if (outcome.verdict != (int)row->verdict)
		complain("verdict %d, not %d", outcome.verdict, row->verdict);
	if (outcome.tunnel != row->way)
		complain("sent into tunnel %u, not %u", outcome.tunnel, row->way);
	check_counts(row, before);
	if (!row->answered)
		check_packet(row, family, &outcome);
	check_flow(row);
	check_device(row);
}

int rows_play(const char *suite, const struct row *rows, size_t count)
{
	static const enum family families[] = {V4, V6};
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t f = 0; f < 2; f++)
		for (size_t i = 0; i < count; i++) {
			if (rows[i].family && rows[i].family != families[f])
				continue;
			complaint[0] = '\0';
			play(&rows[i], families[f]);
			printf("%s %s: v%d: %s%s%s\n", complaint[0] ? "FAIL" : "PASS", suite, families[f],
				rows[i].shows, complaint[0] ? ": " : "", complaint);
			failed += complaint[0] != '\0';
		}
	return failed;
}
