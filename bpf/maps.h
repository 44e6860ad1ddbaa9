/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All maps (what they hold: abi.h), weak, so that each program may include this file and the linker makes one
 * set of them. They are pinned by name; the loader sets the sizes of the tables before it loads, and hands
 * the same maps to the XDP object. Programs read them all; they write the two tables, their counters,
 * fragments and reasons.
 */
#ifndef HOMEWARD_MAPS_H
#define HOMEWARD_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi.h"

#define TABLE_LINES_DEFAULT 65536 /* the loader knows better */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLE_LINES_DEFAULT);
	__type(key, __u32);
	__type(value, struct line);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flows_1 __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLE_LINES_DEFAULT);
	__type(key, __u32);
	__type(value, struct line);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} devices_1 __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TABLE_LINES_DEFAULT);
	__type(key, __u32);
	__type(value, struct line_counters);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flow_counters_1 __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TUNNEL_NUMBERS);
	__type(key, __u32);
	__type(value, struct tunnel_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tunnels __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} interfaces __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct provider_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} providers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATEWAY_NUMBERS);
	__type(key, __u32);
	__type(value, struct usable_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} usable __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct prefix_key);
	__type(value, struct prefix_value);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} prefixes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u8[16]);
	__type(value, struct local_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} locals __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, struct fragment_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} fragments __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_COUNT);
	__type(key, __u32);
	__type(value, struct reason_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} reasons __weak SEC(".maps");

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

static __always_inline const struct local_entry *local_by_address(const __u8 address[16])
{
	return bpf_map_lookup_elem(&locals, address);
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

#endif
