// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one-line table beside the kernel's own hashes: the same key of the same flow, found or inserted, by each. A value
 * of the kernel's maps is what a line holds beside tag and key. The one-line table also looks at the clock, since its
 * lines expire; the kernel's do not.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bpf/table.h"
#include "tests/bench/generate.h"

struct known {
	__u64 home, stamp;
};

#define TABLE(name, kind, flags, key_type, value_type)                        \
	struct {                                                              \
		__uint(type, BPF_MAP_TYPE_##kind);                            \
		__uint(max_entries, 1); /* whoever loads it knows how many */ \
		__uint(map_flags, flags);                                     \
		__type(key, key_type);                                        \
		__type(value, value_type);                                    \
	} name SEC(".maps")

TABLE(lines, ARRAY, BPF_F_MMAPABLE, __u32, struct line);
TABLE(hash, HASH, 0, struct line_key, struct known);
TABLE(lru, LRU_HASH, 0, struct line_key, struct known);

struct recipe recipe; /* only what says of which flow a key is */
struct line_key like; /* all of a key but its device */
struct settings config;

__u64 found, inserted, sum;

static __always_inline void next_key(struct line_key *key)
{
	__u32 device = __builtin_bswap32(device_of(&recipe, next_number(&recipe)));

	*key = like;
	__builtin_memcpy(key->source + 12, &device, sizeof(device));
}

static __always_inline struct table line_table(void)
{
	return (struct table){&lines, config.flow_mask, &config, bpf_ktime_get_coarse_ns()};
}

static __always_inline __u64 home_now(void)
{
	return HOME(bpf_ktime_get_coarse_ns() / 1000000, 1, 1, 1);
}

static __always_inline void see(const struct known *known)
{
	if (!known)
		return;
	found++;
	sum += known->home;
}

/* A key, and nothing done with it: what the hash takes is each table's own. */
SEC("tc")
int key_alone(struct __sk_buff *skb)
{
	struct line_key key;

	next_key(&key);
	sum += key.source[15];
	found++;
	return TC_ACT_OK;
}

SEC("tc")
int find_line(struct __sk_buff *skb)
{
	struct table table = line_table();
	struct finding finding;
	struct line_key key;

	next_key(&key);
	if (!table_find(&table, &key, hash_of(&key, config.hash_seed), &finding))
		return TC_ACT_OK;
	found++;
	sum += finding.home;
	return TC_ACT_OK;
}

SEC("tc")
int find_hash(struct __sk_buff *skb)
{
	struct line_key key;

	next_key(&key);
	see(bpf_map_lookup_elem(&hash, &key));
	return TC_ACT_OK;
}

SEC("tc")
int find_lru(struct __sk_buff *skb)
{
	struct line_key key;

	next_key(&key);
	see(bpf_map_lookup_elem(&lru, &key));
	return TC_ACT_OK;
}

SEC("tc")
int insert_line(struct __sk_buff *skb)
{
	struct table table = line_table();
	struct finding new = {.tag = LINE_ESTABLISHED, .home = home_now()};
	struct line_key key;

	next_key(&key);
	inserted += table_insert(&table, &key, hash_of(&key, config.hash_seed), 1, &new) == INSERTED;
	return TC_ACT_OK;
}

SEC("tc")
int insert_hash(struct __sk_buff *skb)
{
	struct known known = {home_now(), 1};
	struct line_key key;

	next_key(&key);
	inserted += !bpf_map_update_elem(&hash, &key, &known, BPF_NOEXIST);
	return TC_ACT_OK;
}

SEC("tc")
int insert_lru(struct __sk_buff *skb)
{
	struct known known = {home_now(), 1};
	struct line_key key;

	next_key(&key);
	inserted += !bpf_map_update_elem(&lru, &key, &known, BPF_NOEXIST);
	return TC_ACT_OK;
}

/* Both of the kernel's are emptied key by key. */
SEC("tc")
int forget(struct __sk_buff *skb)
{
	struct line_key key;

	next_key(&key);
	bpf_map_delete_elem(&hash, &key);
	bpf_map_delete_elem(&lru, &key);
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
