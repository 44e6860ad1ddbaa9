/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow and device tables as user space sees them: the BPF programs' own memory, mapped.
 *
 * A table is an array of 64-byte lines (bpf/abi.h) that the kernel's side claims, writes and refreshes while
 * we look. There is no lock and no system call. Four rules keep both sides safe:
 *
 *  - Reading is optimistic, as under a seqlock: take the tag, copy the line, take the tag again. A line whose
 * tag stood still is a true picture of one moment; a claimed one is being written and is skipped.
 *  - Writing is compare-and-swap of one word. User space makes one kind of change only: a line that is in
 * service becomes dead. First the time goes into the home word, then the state into the tag: whoever sees
 * "dead" also sees since when. When either swap fails somebody used the line meanwhile, and it lives on. A line
 * that has expired, and its grace too, is dead already and only its state is put right: with a new time it would
 * be alive once more until the second swap, beside the line that its flow has got since.
 *  - A line that is claimed, and was when the sweep looked seconds before, is claimed by a gwd that died with it: the
 * sweep says that it is dead. Programs do not die, and are done in microseconds.
 *  - A line never becomes free again. Free means "never used", which is where a search may stop; a dead line
 * is claimed anew by the BPF side after its grace (DEAD_GRACE_MS), so that nobody writes through an old
 * finding.
 *
 * Whatever walks a table does so in slices by index, so that the daemon's loop is never held up by a table of
 * millions. Times are milliseconds of CLOCK_MONOTONIC_COARSE in 32 bits that wrap, as in the lines.
 *
 * The module knows neither model nor names: numbers and addresses in, numbers and addresses out.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "bpf/abi.h"

/* How many lines a caller looks at before it goes back to its loop: well under a millisecond. */
#define FLOW_SLICE 16384

struct flow_table {
	struct line *lines;             /* NULL: there is no table, and count is 0 */
	struct line_counters *counters; /* beside the lines; NULL: none are kept */
	uint32_t count;
};

/*
 * Maps the pinned array of `count` lines behind `lines_fd`, and the counters behind `counters_fd` (-1: none).
 * The caller keeps its descriptors and may close them. 0, or a negative errno with words.
 */
int flow_table_open(
	int lines_fd, int counters_fd, uint32_t count, struct flow_table *table, struct error *error);
void flow_table_close(struct flow_table *table);

uint32_t flow_now_ms(void);

/* Copies line `index` when it is in service (half-open, established or closing). False: it is not, or would
 * not stand still. */
bool flow_read(const struct flow_table *table, uint32_t index, struct line *copy);
/* Zeros when no counters are kept. */
struct line_counters flow_counters(const struct flow_table *table, uint32_t index);
/* How long nothing was seen of the line. A time just ahead of `now_ms` counts as now. */
uint32_t flow_idle_ms(const struct line *line, uint32_t now_ms);

struct address flow_source(const struct line *line);
struct address flow_destination(const struct line *line);

/* What a line must be like. Zeros ask for nothing; all that is asked must hold. */
struct flow_filter {
	uint16_t tunnel; /* of the way home */
	uint8_t gateway; /* of the way home */
	enum line_state state;
	uint8_t protocol;
	bool has_zone, has_address, has_prefixes;
	uint16_t zone;
	struct prefix address;         /* either end lies in it */
	uint16_t port;                 /* either end's, host order */
	const struct prefix *prefixes; /* the source lies in one of these; borrowed */
	size_t prefix_count;
	/*
	 * With these, a line that is idle for longer than its lifetime at `now_ms` does not match: it is as good as
	 * dead to the programs, whether or not a sweep has come by. NULL: age does not matter.
	 */
	const struct settings *lifetimes;
	uint32_t now_ms;
};

bool flow_matches(const struct flow_filter *filter, const struct line *line);

/*
 * The first matching line at or behind *index and before `end`: copies it, leaves *index behind it and
 * answers true. False: none is left, and *index is `end`.
 */
bool flow_next(const struct flow_table *table, uint32_t *index, uint32_t end,
	const struct flow_filter *filter, struct line *copy);

/* Takes one line out of service, if it still is what `seen` shows, but for being used. */
bool flow_kill(struct flow_table *table, uint32_t index, const struct line *seen, uint32_t now_ms);
/* Says of a line that has been as good as dead for longer than its grace, or of a claim, that it is dead. Its time stays. */
bool flow_bury(struct flow_table *table, uint32_t index, const struct line *seen);

/* Each takes [*index, *index + slice), moves *index, and answers how many lines it took out of service. */
uint32_t flow_flush(struct flow_table *table, uint32_t *index, uint32_t slice,
	const struct flow_filter *filter, uint32_t now_ms);

#define CLAIM_STALE_MS 5000
#define CLAIMS_WATCHED 8 /* one at a time, of a gwd that died: more need more than one pass */

/* A sweep that goes on and on through one table. Begun with zeros, and again for another table. */
struct flow_sweep {
	uint32_t index; /* where the next slice begins */
	struct flow_claim {
		uint64_t tag;
		uint32_t index, since_ms; /* when it was seen first */
	} claims[CLAIMS_WATCHED];
	unsigned claim_count;
};

/*
 * A slice of it, from the table's beginning again when it was through. Takes out what is idle for longer than its lifetime
 * (bpf/abi.h) and its grace, and claims that stand for CLAIM_STALE_MS. Answers how many lines.
 */
uint32_t flow_sweep(struct flow_table *table, struct flow_sweep *sweep, uint32_t slice,
	const struct settings *settings, uint32_t now_ms);

#endif
