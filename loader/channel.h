/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The array's channel: datagrams between the addresses of its members, UDP at one port on both sides.
 *
 * It knows nothing of what it carries, and promises what UDP does: a datagram comes whole or not at all, in any order.
 * What the kernel had to throw away here because we were slow is counted. It is bound to our own address even while no
 * interface has it (an uplink that is lost just now): then nothing comes, and what is sent is lost.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

#define CHANNEL_DATAGRAM_MAX 1500

struct channel;

int channel_open(const struct address *own, uint16_t port, struct channel **channel, struct error *error);
/* NULL is closed already. */
void channel_close(struct channel *channel);

int channel_descriptor(const struct channel *channel);

/* Copies it: up to a few are sent together, at the latest by channel_flush(). Larger ones than fit are dropped. */
void channel_send(struct channel *channel, const struct address *to, const void *datagram, size_t size);
void channel_flush(struct channel *channel);

/* Hears what has come, at most a few dozen, and answers how many it were. */
unsigned channel_read(struct channel *channel,
	void (*hear)(void *self, const struct address *from, const void *datagram, size_t size), void *self);

/*
 * The kernel of a machine where nobody listens at the port refuses a datagram: so the machine is there, though its gwd is
 * not. Takes the next address that did, or answers false. (Kernels limit how often they say so, to about once a second.)
 */
bool channel_next_refusal(struct channel *channel, struct address *from);

/* Whether the interface is up and has a carrier, as far as the kernel knows. False: there is none of that name. */
bool channel_has_carrier(const struct channel *channel, const char *interface);

struct channel_counts {
	uint64_t overflowed; /* came and were thrown away by the kernel, since we did not read in time */
	uint64_t unsent;     /* could not be sent: no route, no room */
};
struct channel_counts channel_counts(const struct channel *channel);

#endif
