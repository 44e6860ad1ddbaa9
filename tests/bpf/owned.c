// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/owned.h"

#include <CUnit/CUnit.h>
#include <time.h>

/* ---- What gwd is told -------------------------------------------------------------------------------------------- */

static struct ring_buffer *ring;
unsigned told[2];
struct change last;

static int hear(void *context, void *data, size_t size)
{
	(void)context;
	CU_ASSERT_EQUAL_FATAL(size, sizeof(last));
	memcpy(&last, data, sizeof(last));
	CU_ASSERT_FATAL(last.table == CHANGE_FLOW || last.table == CHANGE_DEVICE);
	told[last.table]++;
	return 0;
}

void listen_to_changes(void)
{
	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(scene.gateway->maps.changes), hear, NULL, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	ring_buffer__consume(ring);
	memset(told, 0, sizeof(told));
}

void hear_changes(void)
{
	ring_buffer__consume(ring);
}

/* ---- Packets ----------------------------------------------------------------------------------------------------- */

struct outcome run_tunnel(const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];

	return scene_run(
		scene.gateway->progs.tunnel_ingress, packet, packet_build(shape, family, false, packet), 0);
}

struct outcome run_return(const struct shape *shape, enum family family)
{
	uint8_t packet[PACKET_MAX];

	return scene_run(
		scene.gateway->progs.return_egress, packet, packet_build(shape, family, true, packet), 0);
}

struct outcome run_relayed(const struct shape *shape, enum family family, enum relay_kind kind)
{
	struct envelope envelope = envelope_from_member(family, kind, 103);
	uint8_t inner[PACKET_MAX], packet[PACKET_MAX];
	size_t length = packet_build(shape, family, false, inner);

	envelope.tunnel = kind == RELAY_RESPONSE ? 101 : 103;
	length = envelope_build(&envelope, inner, length, packet);
	return scene_run(scene.gateway->progs.uplink_ingress, packet, length, 0);
}

struct line *only_flow(void)
{
	unsigned count;
	struct line *line = scene_line(scene.flows, &count);

	return count == 1 ? line : NULL;
}

struct line *only_device(void)
{
	unsigned count;
	struct line *line = scene_line(scene.devices, &count);

	return count == 1 ? line : NULL;
}

uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

bool is_now(uint64_t stamp)
{
	uint64_t now = realtime_ns(), minute = 60 * 1000000000ULL;

	return stamp > now - minute && stamp < now + minute;
}

void array_with(int member, unsigned drained, enum family family)
{
	uint32_t number = SCENE_MEMBER, ours = SCENE_GATEWAY;
	struct member_entry entry;
	int fd = bpf_map__fd(scene.gateway->maps.members);

	scene_relay(RELAY_AUTHENTICATED, family);
	scene.settings.ports_first = SLICE_FIRST;
	scene.settings.ports_slice = SLICE;
	if (member == WITHOUT_RELAY)
		scene.settings.relay = RELAY_OFF;
	scene_settings();
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(fd, &number, &entry), 0);
	entry.state = member == WITHOUT_RELAY ? MEMBER_ALIVE
		      : member == NEVER_HEARD ? MEMBER_SUSPECT
					      : member;
	entry.heard = member != NEVER_HEARD;
	entry.serving = drained == 0;
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(fd, &number, &entry, 0), 0);
	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(fd, &ours, &entry), 0);
	entry.serving = drained < 2;
	CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(fd, &ours, &entry, 0), 0);
}

/* ---- A flow that is known ---------------------------------------------------------------------------------------- */

void plant(const struct flow *flow, const struct shape *in, enum family family)
{
	struct shape first = *in;
	struct line *line;

	if (first.kind == TCP)
		first.flags = SYN;
	CU_ASSERT_EQUAL_FATAL(run_tunnel(&first, family).verdict, PASSED);
	line = only_flow();
	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	if (!flow->state) {
		memset(line, 0, sizeof(*line));
		return;
	}
	line->tag = TAG(TAG_HASH(line->tag), flow->state);
	line->home = HOME(scene_now_ms(), flow->tunnel, flow->gateway, flow->owner);
	line->stamp = STAMP_TIMES;
	if (!flow->owner)
		line->stamp = flow->again ? STAMP_ASKED_AGAIN(scene_now_ms() - flow->asked_ms)
					  : STAMP_ASKED(scene_now_ms() - flow->asked_ms);
}

/* The time in it is when the round began, whatever came since. */
bool was_asked(const struct line *line, uint32_t ms, bool again)
{
	uint32_t ago = scene_now_ms() - (uint32_t)line->stamp;
	uint64_t round = again ? STAMP_ASKED_AGAIN(0) : STAMP_ASKED(0);

	return line->stamp >> 32 == round >> 32 && ago >= ms && ago < ms + 400;
}

void begin(const struct flow *flow, const struct shape *in, enum family family)
{
	scene_reset();
	plant(flow, in, family);
	array_with(MEMBER_ALIVE, false, family);
	listen_to_changes();
}
