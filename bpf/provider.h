/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose an address is. All prefixes of all providers are in one trie, whose every step is a cache miss where they are many;
 * but a packet comes by a tunnel, or its flow did, and most providers have one prefix of a family. So the tunnel's entry
 * has that, and is asked first: no other provider of the zone may have an address of it, so the trie would say the same.
 *
 * Then the exit check (home.h) asks one entry whose the address is and whose the tunnel. So gwd sees to the entry: it reaches
 * nobody while it changes (bpf_fill.c), nor when the tunnel has no interface, nor when it is another gateway's (bpf_tunnels.c).
 */
#ifndef HOMEWARD_PROVIDER_H
#define HOMEWARD_PROVIDER_H

#include "bpf/maps.h"
#include "bpf/parse.h"

static __always_inline bool reaches(const struct tunnel_entry *tunnel, const __u8 address[16])
{
	bool v4 = is_mapped(address);
	__u64 half = ((const __u64 *)address)[v4];
	const struct reach *reach = &tunnel->reach[v4];

	return reach->mask && (half & reach->mask) == reach->bits;
}

/* `near`: a tunnel that the address may lie behind, or NULL. 0: nobody's. */
static __always_inline __u16 provider_of(const struct tunnel_entry *near, __u16 zone, const __u8 address[16])
{
	if (near && near->zone == zone && reaches(near, address))
		return near->provider;
	return holder_of(SPACE_ZONE, zone, address);
}

#endif
