// SPDX-License-Identifier: Apache-2.0
/*
 * The consumer of changes against a real kernel: a ring buffer and counters pinned where gwd's are, in a mount namespace of
 * this test's own, and a program that tells of a change each time it runs.
 */
#include "unit.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/bpf_changes.h"
#include "base/cleanup.h"
#include "bpf/abi.h"
#include "tests/teller.h"

#define PINS       "/run/homeward-changes"
#define RING_BYTES 4096
#define RECORD     16 /* what a change takes there: a header and itself */

static struct change heard[1024];
static uint32_t heard_count;
static int ring, program;

static void hear(void *self, const struct change *change)
{
	(void)self;
	if (heard_count < ARRAY_SIZE(heard))
		heard[heard_count] = *change;
	heard_count++;
}

/* Whether there was room for it. */
static bool tell(uint32_t line)
{
	const struct change change = {CHANGE_FLOW, line};
	int r = run_teller(program, &change, 1);

	CU_ASSERT_FATAL(r >= 0);
	return r;
}

static void set_up(void)
{
	static bool done;
	int counters;

	if (done)
		return;
	done = true;
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNS), 0);
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CU_ASSERT_EQUAL_FATAL(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	mkdir(PINS, 0700);
	CU_ASSERT_EQUAL_FATAL(mount("bpf", PINS, "bpf", 0, NULL), 0);
	mkdir(PINS "/current", 0700);
	ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, MAP_CHANGES, 0, 0, RING_BYTES, NULL);
	counters = bpf_map_create(
		BPF_MAP_TYPE_PERCPU_ARRAY, MAP_REASONS, 4, sizeof(struct reason_count), REASON_COUNT, NULL);
	CU_ASSERT_FATAL(ring >= 0 && counters >= 0);
	CU_ASSERT_EQUAL_FATAL(bpf_obj_pin(ring, PINS "/current/" MAP_CHANGES), 0);
	CU_ASSERT_EQUAL_FATAL(bpf_obj_pin(counters, PINS "/current/" MAP_REASONS), 0);
	close(counters);
	program = load_teller(ring);
	CU_ASSERT_FATAL(program >= 0);
}

static struct bpf_changes *open_changes(void)
{
	struct bpf_changes *changes = NULL;
	struct error error = {0};

	set_up();
	heard_count = 0;
	CU_ASSERT_EQUAL_FATAL(bpf_changes_open(PINS, hear, NULL, &changes, &error), 0);
	return changes;
}

static bool readable(const struct bpf_changes *changes)
{
	struct pollfd poller = {bpf_changes_descriptor(changes), POLLIN, 0};

	return poll(&poller, 1, 0) == 1;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

static void hears_in_order_and_once(void)
{
	struct bpf_changes *changes = open_changes();

	CU_ASSERT_FALSE(readable(changes));
	for (uint32_t line = 10; line < 15; line++)
		CU_ASSERT_TRUE(tell(line));
	CU_ASSERT_TRUE(readable(changes));
	CU_ASSERT_EQUAL(bpf_changes_read(changes, 100), 5);
	CU_ASSERT_EQUAL_FATAL(heard_count, 5);
	for (uint32_t i = 0; i < 5; i++)
		CU_ASSERT(heard[i].table == CHANGE_FLOW && heard[i].line == 10 + i);
	CU_ASSERT_FALSE(readable(changes));
	CU_ASSERT_EQUAL(bpf_changes_read(changes, 100), 0);
	bpf_changes_close(changes);
}

static void reads_no_more_than_asked(void)
{
	struct bpf_changes *changes = open_changes();

	for (uint32_t line = 0; line < 5; line++)
		tell(line);
	CU_ASSERT_EQUAL(bpf_changes_read(changes, 3), 3);
	CU_ASSERT_EQUAL(heard_count, 3);
	CU_ASSERT_TRUE(readable(changes));
	CU_ASSERT_EQUAL(bpf_changes_read(changes, 3), 2);
	CU_ASSERT_EQUAL(heard[4].line, 4);
	bpf_changes_close(changes);
}

static void the_next_one_goes_on_where_this_one_ended(void)
{
	struct bpf_changes *changes = open_changes();

	for (uint32_t line = 0; line < 4; line++)
		tell(line);
	bpf_changes_read(changes, 2);
	bpf_changes_close(changes);
	tell(4); /* while nobody reads */
	changes = open_changes();
	CU_ASSERT_EQUAL(bpf_changes_read(changes, 100), 3);
	CU_ASSERT_EQUAL_FATAL(heard_count, 3);
	CU_ASSERT(heard[0].line == 2 && heard[1].line == 3 && heard[2].line == 4);
	bpf_changes_close(changes);
}

static void takes_all_that_had_room(void)
{
	struct bpf_changes *changes = open_changes();
	uint32_t kept = 0;

	while (kept < ARRAY_SIZE(heard) && tell(kept))
		kept++;
	CU_ASSERT(kept > RING_BYTES / RECORD - 2 && kept <= RING_BYTES / RECORD);
	CU_ASSERT_EQUAL(bpf_changes_read(changes, UINT32_MAX), kept);
	CU_ASSERT_TRUE(tell(7)); /* and there is room again */
	CU_ASSERT_EQUAL(bpf_changes_read(changes, UINT32_MAX), 1);
	bpf_changes_close(changes);
}

static void count_as_lost(uint64_t on_first, uint64_t on_last)
{
	int processors = libbpf_num_possible_cpus(), counters = bpf_obj_get(PINS "/current/" MAP_REASONS);
	_cleanup_free_ struct reason_count *counts = calloc(processors, sizeof(*counts));
	uint32_t reason = REASON_change_lost;

	counts[0].packets = on_first;
	counts[processors - 1].packets += on_last;
	CU_ASSERT_EQUAL(bpf_map_update_elem(counters, &reason, counts, BPF_ANY), 0);
	close(counters);
}

static void counts_what_was_lost_on_any_processor(void)
{
	struct bpf_changes *changes = open_changes();
	struct error error = {0};
	uint64_t lost = 99;

	CU_ASSERT_EQUAL(bpf_changes_lost(changes, &lost, &error), 0);
	CU_ASSERT_EQUAL(lost, 0);
	count_as_lost(3, 4);
	CU_ASSERT_EQUAL(bpf_changes_lost(changes, &lost, &error), 0);
	CU_ASSERT_EQUAL(lost, 7);
	bpf_changes_close(changes);
}

static void says_what_is_missing(void)
{
	struct bpf_changes *changes = NULL;
	struct error error = {0};

	set_up();
	CU_ASSERT(bpf_changes_open(PINS "/nowhere", hear, NULL, &changes, &error) < 0);
	CU_ASSERT_PTR_NULL(changes);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, MAP_CHANGES));
}

UNIT_TESTS("apply changes", {"hears in order, and once", hears_in_order_and_once},
	{"reads no more than it is asked to", reads_no_more_than_asked},
	{"the next reader goes on where this one ended", the_next_one_goes_on_where_this_one_ended},
	{"takes all that had room", takes_all_that_had_room},
	{"counts what was lost on any processor", counts_what_was_lost_on_any_processor},
	{"says what is missing", says_what_is_missing})
