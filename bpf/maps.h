/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All maps (what they hold: abi.h), weak, so that each program may include this file and the linker makes one
 * set of them. They are pinned by name; the loader sets the sizes of the tables before it loads, and hands
 * the same maps to the XDP object. Programs read them all; they write the two tables, their counters,
 * fragments, reasons, and what they remember for themselves or tell gwd: heard, asks, answers, pins, routes, changes.
 */
#ifndef HOMEWARD_MAPS_H
#define HOMEWARD_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"

#define TABLE_LINES_DEFAULT 65536     /* the loader knows better */
#define CHANGES_BYTES       (4 << 20) /* a quarter of a million changes: seconds of gwd being away */

/* A map: its kind, entries and flags, what it is keyed by and what it holds. */
#define MAP(name, kind, entries, flags, key_type, value_type) \
	struct {                                              \
		__uint(type, BPF_MAP_TYPE_##kind);            \
		__uint(max_entries, entries);                 \
		__uint(map_flags, flags);                     \
		__type(key, key_type);                        \
		__type(value, value_type);                    \
		__uint(pinning, LIBBPF_PIN_BY_NAME);          \
	} name __weak SEC(".maps")

MAP(flows_2, ARRAY, TABLE_LINES_DEFAULT, BPF_F_MMAPABLE, __u32, struct line);
MAP(devices_2, ARRAY, TABLE_LINES_DEFAULT, BPF_F_MMAPABLE, __u32, struct line);
MAP(flow_counters_2, ARRAY, TABLE_LINES_DEFAULT, BPF_F_MMAPABLE, __u32, struct line_counters);
MAP(settings, ARRAY, 1, 0, __u32, struct settings);
MAP(tunnels, ARRAY, TUNNEL_NUMBERS, 0, __u32, struct tunnel_entry);
MAP(interfaces, HASH, 4096, 0, __u32, __u32);
MAP(providers, HASH, 4096, 0, __u32, struct provider_entry);
MAP(usable, ARRAY, GATEWAY_NUMBERS, 0, __u32, struct usable_entry);
MAP(prefixes, LPM_TRIE, 65536, BPF_F_NO_PREALLOC, struct prefix_key, struct prefix_value);
MAP(locals, HASH, 16384, 0, __u8[16], struct local_entry);
MAP(fragments, LRU_HASH, 16384, 0, struct fragment_key, struct fragment_entry);
MAP(reasons, PERCPU_ARRAY, REASON_COUNT, 0, __u32, struct reason_count);
MAP(clock, ARRAY, 1, 0, __u32, struct clock_entry);
MAP(members, ARRAY, GATEWAY_NUMBERS, 0, __u32, struct member_entry);
MAP(asks, LRU_HASH, 4096, 0, __u32, struct asks_entry);
MAP(heard, ARRAY, GATEWAY_NUMBERS, 0, __u32, struct heard_entry);
MAP(answers, PERCPU_ARRAY, 1, 0, __u32, __u64);
MAP(routes, PERCPU_ARRAY, ROUTES_OF_XDP + GATEWAY_NUMBERS, 0, __u32, struct route_entry);
MAP(relay_keys, ARRAY, GATEWAY_NUMBERS, 0, __u32, struct relay_key);
MAP(turning, HASH, 4096, 0, __u32, __u32);
MAP(egress_groups, HASH, EGRESS_GROUPS, 0, __u32, struct egress_entry);
MAP(egress_tables, HASH, EGRESS_GROUPS, 0, __u32, struct egress_table);
MAP(egress_from, HASH, 1024, 0, struct egress_from, __u32);
MAP(egress_pins, LRU_HASH, 65536, 0, struct line_key, struct egress_pin);
MAP(egress_counts, PERCPU_HASH, 1024, 0, __u32, struct reason_count);
MAP(filters, HASH, 256, 0, __u32, __u32);
MAP(own, HASH, 16384, 0, __u8[16], __u32);
MAP(services, ARRAY, SERVICES_COUNT, 0, __u32, struct services);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CHANGES_BYTES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} changes __weak SEC(".maps");

/* Never NULL, but the verifier cannot know. */
static __always_inline const struct settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline const struct tunnel_entry *tunnel_by_number(__u32 number)
{
	return bpf_map_lookup_elem(&tunnels, &number);
}

/* The copy is for Linux 6.1, which takes no key of a map from memory that is reached through an argument. */
static __always_inline const struct local_entry *local_by_address(const __u8 address[16])
{
	__u64 key[2];

	__builtin_memcpy(key, address, sizeof(key));
	return bpf_map_lookup_elem(&locals, key);
}

static __always_inline const struct member_entry *member_by_number(__u32 gateway)
{
	return bpf_map_lookup_elem(&members, &gateway);
}

/* Another gateway of the array that is not known to be dead. */
static __always_inline bool is_living(__u32 gateway)
{
	const struct member_entry *member = member_by_number(gateway);

	return member && (member->state == MEMBER_ALIVE || member->state == MEMBER_SUSPECT);
}

/* Who holds an address in a space; 0: nobody. */
static __always_inline __u16 holder_of(__u16 space, __u16 which, const __u8 address[16])
{
	struct prefix_key key = {.length = PREFIX_KEY_BITS + 128, .space = space, .which = which};
	const struct prefix_value *value;

	__builtin_memcpy(key.address, address, 16);
	value = bpf_map_lookup_elem(&prefixes, &key);
	return value ? value->provider : 0;
}

static __always_inline void count(__u32 reason, __u32 packets, __u32 bytes)
{
	struct reason_count *entry = bpf_map_lookup_elem(&reasons, &reason);

	if (!entry)
		return;
	entry->packets += packets;
	entry->bytes += bytes;
}

#endif
