/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments: only the first has ports, so it leaves what became of it for the others to follow (RFC 791, RFC 8200: one
 * packet's fragments share addresses, id and protocol): of a response the way home, of a request the owner. One that
 * comes before its first goes by its device, as would one whose memory is too old: ids are used again.
 */
#ifndef HOMEWARD_FRAGMENT_H
#define HOMEWARD_FRAGMENT_H

#include "bpf/learn.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

#define FRAGMENT_LIFETIME_MS 30000 /* the time after which a receiver gives reassembly up */

static __always_inline void key_of_fragment(struct fragment_key *key, const struct packet *packet, __u16 zone)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, packet->source, 16);
	__builtin_memcpy(key->destination, packet->destination, 16);
	key->id = packet->fragment_id;
	key->protocol = packet->protocol;
	key->zone = zone;
}

/*
 * `way` is a home word without its time; `line` is index + 1 of the flow's line, 0 if it has none. By itself also for
 * the stack's sake: of the 512 bytes that a chain of calls may take, Linux 6.1 rounds each function's share up to 32.
 */
SUBPROGRAM int remember_fragment(const struct packet *packet, __u16 zone, __u32 way, __u32 line)
{
	__u32 now = bpf_ktime_get_coarse_ns() / 1000000;
	struct fragment_entry entry = {.home = HOME(now, 0, 0, 0) | way, .line = line};
	struct fragment_key key;

	if (!packet)
		return 0;
	key_of_fragment(&key, packet, zone);
	return bpf_map_update_elem(&fragments, &key, &entry, BPF_ANY);
}

/* What the first fragment left behind; NULL: nothing that is still true. */
static __always_inline const struct fragment_entry *recall_fragment(const struct packet *packet, __u16 zone)
{
	__u32 now = bpf_ktime_get_coarse_ns() / 1000000;
	const struct fragment_entry *entry;
	struct fragment_key key;

	key_of_fragment(&key, packet, zone);
	entry = bpf_map_lookup_elem(&fragments, &key);
	return entry && idle_ms(entry->home, now) < FRAGMENT_LIFETIME_MS ? entry : NULL;
}

/* Who has a later fragment of a request: whoever had the first, else whoever has the device's newest flow. */
SUBPROGRAM int owner_of_fragment(const struct settings *config, const struct packet *packet, __u16 zone)
{
	const struct fragment_entry *first;
	struct finding device = {};
	__u8 owner = 0;

	if (!config || !packet)
		return 0;
	if (config->relay == RELAY_OFF)
		return config->gateway;
	first = recall_fragment(packet, zone);
	if (first)
		owner = HOME_OWNER(first->home);
	else if (find_device(config, packet->source, zone, bpf_ktime_get_coarse_ns(), &device))
		owner = HOME_OWNER(device.home);
	return is_living(owner) ? owner : config->gateway;
}

#endif
