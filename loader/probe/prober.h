/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prober: asks what the model's probes ask, again and again, and tells each answer. What answers mean is not decided
 * here (health/probe.h).
 *
 *	prober.c  when to ask, how long to wait, who is told
 *	path.c    a socket on a probe's path
 *	icmp.c    an echo on a raw socket
 *	tcp.c     a connection that is opened and closed
 *	http.c    HTTP and HTTPS, by libcurl's multi interface
 *
 * All of it runs on one sd-event loop, without threads: an attempt is a descriptor or two and a timer, so hundreds cost
 * little. Nothing is kept from one attempt to the next, no connection and no socket, so that each goes the whole way, and a
 * tunnel's interface may be made anew between two.
 *
 * The path: a tunnel's probe is bound to its interface and to our address on its link, or to that which it asks from what is
 * behind the link, by a route of plan's making; one with `through` to that uplink; any other goes as the machine's routes
 * lead, which for a loopback of ours is no further than `lo` (the kernel's table of local addresses comes before any rule).
 *
 * What keeps us from asking (no descriptor, no right, no address of ours) is told once and no answer at all: it says nothing
 * of whoever was to be asked.
 *
 * A loop that was busy is no fault of whoever is asked: an attempt's time is counted in steps, each from when the loop runs.
 */
#ifndef PROBE_PROBER_H
#define PROBE_PROBER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "model.h"

#define ANSWER_WORDS_SIZE 112

struct answer {
	bool good;
	uint32_t took_us;
	char words
		[ANSWER_WORDS_SIZE]; /* "HTTP 503", "Connection refused", "no answer in 500ms": printable ASCII */
};

/* `probe` is its place in the model. */
typedef void (*answer_heard)(void *self, size_t probe, const struct answer *answer);

struct prober;

/* `first_ms`: when each probe asks first, from now. The model must outlive the prober. */
int prober_open(sd_event *event, const struct model *model, const uint32_t *first_ms, answer_heard heard,
	void *self, struct prober **prober, struct error *error);
/* How long until the probe of that place asks next; 0 while it asks. */
uint32_t prober_waits_ms(const struct prober *prober, size_t probe);
void prober_close(struct prober *prober);

#endif
