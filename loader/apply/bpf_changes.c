// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf_changes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "apply/bpf.h"
#include "apply/bpf_pins.h"
#include "base/cleanup.h"
#include "bpf/abi.h"

struct bpf_changes {
	struct ring_buffer *ring;
	void (*hear)(void *self, const struct change *change);
	void *self;
	uint32_t read, most; /* in the reading that goes on */
	int reasons, processors;
	struct reason_count *counts; /* one a processor */
};

/* libbpf stops reading, behind this one, when it hears of an error. */
static int take(void *context, void *data, size_t size)
{
	struct bpf_changes *changes = context;

	if (size >= sizeof(struct change))
		changes->hear(changes->self, data);
	return ++changes->read < changes->most ? 0 : -EAGAIN;
}

static int open_ring(struct bpf_changes *changes, const char *pin_dir, struct error *error)
{
	_cleanup_close_ int map = bpf_map_open(pin_dir, MAP_CHANGES, NULL, error);

	if (map < 0)
		return map;
	bpf_words_keep();
	changes->ring = ring_buffer__new(map, take, changes, NULL);
	return changes->ring ? 0 : bpf_words_error(error, -errno, "reading the map " MAP_CHANGES);
}

static int open_count(struct bpf_changes *changes, const char *pin_dir, struct error *error)
{
	changes->processors = libbpf_num_possible_cpus();
	changes->counts =
		changes->processors > 0 ? calloc(changes->processors, sizeof(*changes->counts)) : NULL;
	if (!changes->counts)
		return error_errno(error, -ENOMEM, "counting changes");
	changes->reasons = bpf_map_open(pin_dir, MAP_REASONS, NULL, error);
	return changes->reasons < 0 ? changes->reasons : 0;
}

int bpf_changes_open(const char *pin_dir, void (*hear)(void *self, const struct change *change), void *self,
	struct bpf_changes **changes, struct error *error)
{
	struct bpf_changes *opened = calloc(1, sizeof(*opened));
	int r;

	if (!opened)
		return error_errno(error, -ENOMEM, "reading changes");
	*opened = (struct bpf_changes){.hear = hear, .self = self, .reasons = -1};
	r = open_ring(opened, pin_dir, error);
	if (r == 0)
		r = open_count(opened, pin_dir, error);
	if (r < 0) {
		bpf_changes_close(opened);
		return r;
	}
	*changes = opened;
	return 0;
}

void bpf_changes_close(struct bpf_changes *changes)
{
	if (!changes)
		return;
	ring_buffer__free(changes->ring);
	close_descriptor(&changes->reasons);
	free(changes->counts);
	free(changes);
}

int bpf_changes_descriptor(const struct bpf_changes *changes)
{
	return ring_buffer__epoll_fd(changes->ring);
}

uint32_t bpf_changes_read(struct bpf_changes *changes, uint32_t most)
{
	changes->read = 0;
	changes->most = most;
	ring_buffer__consume(changes->ring);
	return changes->read;
}

int bpf_changes_lost(const struct bpf_changes *changes, uint64_t *lost, struct error *error)
{
	uint32_t reason = REASON_change_lost;

	if (bpf_map_lookup_elem(changes->reasons, &reason, changes->counts) < 0)
		return error_errno(error, -errno, "reading the map %s", MAP_REASONS);
	*lost = 0;
	for (int i = 0; i < changes->processors; i++)
		*lost += changes->counts[i].packets;
	return 0;
}
