/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one header that the BPF programs and user space share: maps by name, what their entries look like,
 * the reasons a packet can meet. Whatever stands here has one definition; the assertions below hold its
 * layout on both sides.
 *
 * Addresses are 16 bytes in network order, v4 mapped into v6 (::ffff:a.b.c.d), so both families take one
 * path. Ports are in network order, as they stand in the packet. Everything else is in host order. Times
 * are milliseconds of CLOCK_MONOTONIC_COARSE (bpf_ktime_get_coarse_ns() / 10^6), 32 bits that wrap after 49
 * days: compare by signed difference.
 */
#ifndef HOMEWARD_ABI_H
#define HOMEWARD_ABI_H

#include <linux/types.h>

#define ABI_VERSION 1 /* a part of the tables' names: a new layout is a new map */

/* ---- The one-line table: one flow, one cache line (the protocol of its states: table.h) ------------------------ */

#define TABLE_WINDOW  16
#define DEAD_GRACE_MS 1000

/* A time up to this far ahead of ours was written by a CPU whose clock ticked a moment later. */
#define CLOCK_AHEAD_MS 60000

enum line_state {
	LINE_FREE,      /* never used: a search may stop here */
	LINE_CLAIMED,   /* being written: the key is not to be read */
	LINE_HALF_OPEN, /* a request was seen, nobody here has answered */
	LINE_ESTABLISHED, /* TCP: our SYN-ACK was acknowledged or a connected socket exists; UDP, ICMP: answered */
	LINE_CLOSING, /* FIN or RST was seen */
	LINE_DEAD,    /* out of service; may be claimed again after DEAD_GRACE_MS */
	LINE_STATES
};

#define LINE_STATE_NAMES                                                         \
	{                                                                        \
		"free", "claimed", "half_open", "established", "closing", "dead" \
	}

/* A flow in request direction: the source is the device. A device's key has its address as source and else zeros. */
struct line_key {
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port; /* ICMP echo: the id, in both ports' stead the source's */
	__be16 destination_port;
	__u8 protocol; /* ICMPv6 echo is IPPROTO_ICMPV6 */
	__u8 reserved;
	__u16 zone;
} __attribute__((aligned(8)));

struct line {
	__u64 tag; /* 56 bits of the hash, 8 bits of enum line_state */
	struct line_key key;
	__u64 home; /* HOME_*: the way home, the owner, when last seen */
	__u64 stamp; /* ns of the last change; while TCP is half-open, the sequence number our SYN-ACK wants acknowledged */
};

#define TAG_STATE(tag)     ((__u8)(tag))
#define TAG_HASH(tag)      ((tag) >> 8)
#define TAG(hash56, state) (((__u64)(hash56) << 8) | (state))

/* The line serves a flow: its key is whole and stays as it is until the tag changes. */
#define IN_SERVICE(tag) (TAG_STATE(tag) >= LINE_HALF_OPEN && TAG_STATE(tag) <= LINE_CLOSING)

/* The home word, written by compare-and-swap as a whole. */
#define HOME(seen_ms, tunnel, gateway, owner) \
	(((__u64)(__u32)(seen_ms) << 32) | ((__u64)(tunnel) << 16) | ((__u64)(gateway) << 8) | (owner))
#define HOME_SEEN(home)    ((__u32)((home) >> 32))
#define HOME_TUNNEL(home)  ((__u16)((home) >> 16))
#define HOME_GATEWAY(home) ((__u8)((home) >> 8))
#define HOME_OWNER(home)   ((__u8)(home))

/* While TCP is half-open: the stamp once our SYN-ACK was seen. */
#define STAMP_WANTED(acknowledgement) (1ULL << 32 | (__u32)(acknowledgement))

/* Cold counters, beside the line of the same index. */
struct line_counters {
	__u64 request_packets, request_bytes;
	__u64 response_packets, response_bytes;
};

/* ---- What the programs must know, written by gwd ---------------------------------------------------------------- */

/* One entry, replaced whole. */
struct settings {
	__u32 home_ifindex;
	__u32 flow_mask, device_mask; /* lines - 1, a power of two */
	__u32 hash_seed;
	__u32 half_open_ms, established_ms, closing_ms, udp_ms, icmp_ms, device_ms;
	__u16 mtu;      /* the array's: of home0 and every tunnel */
	__u8 gateway;   /* our number */
	__u8 mss_clamp; /* 0: leave the MSS option alone */
	__u8 counters;  /* 0: no cold counters */
	__u8 reserved[3];
};

/* How long a line may be idle; behind that it is as good as dead. A device's key has no protocol. */
static inline __u32 line_lifetime_ms(const struct settings *settings, __u8 state, __u8 protocol)
{
	/* Numbers: <linux/in.h> and <netinet/in.h>, who name them, do not go together. */
	enum { NUMBER_ICMP = 1, NUMBER_TCP = 6, NUMBER_ICMPV6 = 58 };

	if (protocol == 0)
		return settings->device_ms;
	if (state == LINE_HALF_OPEN)
		return settings->half_open_ms;
	if (state == LINE_CLOSING)
		return settings->closing_ms;
	if (protocol == NUMBER_TCP)
		return settings->established_ms;
	return protocol == NUMBER_ICMP || protocol == NUMBER_ICMPV6 ? settings->icmp_ms : settings->udp_ms;
}

#define TUNNEL_NUMBERS  65536
#define GATEWAY_NUMBERS 256

/* By tunnel number. ifindex 0: no such tunnel here. */
struct tunnel_entry {
	__u32 ifindex;
	__u16 provider;
	__u16 zone;
};

/* By provider number: its tunnels in order of preference, own first. */
#define PROVIDER_WAYS_MAX 64
struct provider_entry {
	__u32 count;
	struct provider_way {
		__u16 tunnel;
		__u8 gateway;
		__u8 reserved;
	} ways[PROVIDER_WAYS_MAX];
};

/* Usable bits, by gateway number: bit (tunnel % 64) of word (tunnel / 64). */
#define USABLE_WORDS 1024
struct usable_entry {
	__u64 words[USABLE_WORDS];
};

/* Longest-prefix match: who holds an address. */
enum space { SPACE_ZONE = 0, SPACE_LINK = 1, SPACE_INSIDE = 2, SPACE_NEIGHBOUR = 3 };
struct prefix_key {
	__u32 length; /* PREFIX_KEY_BITS + 0..128 */
	__u16 space;  /* enum space */
	__u16 which; /* the zone (SPACE_ZONE, SPACE_NEIGHBOUR), the tunnel's number (SPACE_LINK), 0 (SPACE_INSIDE) */
	__u8 address[16];
} __attribute__((aligned(8)));
#define PREFIX_KEY_BITS 32
struct prefix_value {
	__u16 provider; /* SPACE_ZONE: the provider's number; SPACE_NEIGHBOUR: a tunnel on whose link it is; else 1 */
	__u16 reserved;
};

/* Addresses that are ours. */
enum local_kind { LOCAL_LOOPBACK = 1, LOCAL_TUNNEL = 2, LOCAL_UNDERLAY = 3 };
struct local_entry {
	__u16 kind;  /* enum local_kind */
	__u16 which; /* a loopback's zone, a tunnel's number, 0 */
};

/* Fragments: what the first one taught. */
struct fragment_key {
	__u8 source[16];
	__u8 destination[16];
	__u32 id;
	__u8 protocol;
	__u8 reserved;
	__u16 zone;
} __attribute__((aligned(8)));
struct fragment_entry {
	__u64 home; /* the way that the first one took, and when */
	__u32 line; /* index + 1 of the flow's line, for the counters; 0: none */
	__u32 reserved;
};

/* ---- Reasons: what happened to a packet. The one list: counters, explain, stats, JSON and docs come from it. ----- */

/*       name, drop?, words                                                                                          */
#define REASONS(X)                                                                                          \
	X(passed_request, 0, "a request to a loopback, given to the stack")                                 \
	X(passed_link, 0, "traffic of the tunnel's own link (BGP, BFD, ping)")                              \
	X(passed_icmp_error, 0, "an ICMP error about a response of ours, given to the stack")               \
	X(passed_other, 0, "not the gateway's business, left to the stack")                                 \
	X(home_flow, 0, "sent home by the flow's own way")                                                  \
	X(home_device, 0, "sent home by the device's newest way")                                           \
	X(home_provider, 0, "sent home by another usable tunnel of the provider")                           \
	X(home_link, 0, "sent to the tunnel's own neighbour")                                               \
	X(entry_refused, 0, "no line was to be had in the flow table: goes by its device")                  \
	X(device_refused, 0, "no line was to be had in the device table: goes by its flow or provider")     \
	X(malformed, 1, "a header is cut short, or contradicts itself")                                     \
	X(not_ip, 1, "neither IPv4 nor IPv6")                                                               \
	X(source_not_provider, 1, "the source is not in the provider's prefixes")                           \
	X(source_not_link, 1, "the destination is the tunnel's own address, the source is not on its link") \
	X(destination_not_loopback, 1,                                                                      \
		"the destination is neither a loopback of the zone nor the tunnel's own")                   \
	X(icmp_error_not_ours, 1, "an ICMP error that quotes no packet from a loopback to this provider")   \
	X(unknown_tunnel, 1, "the interface is not a configured tunnel")                                    \
	X(source_not_loopback, 1, "a packet left through home0 whose source is no loopback")                \
	X(no_provider, 1, "no provider holds the destination in the loopback's zone")                       \
	X(no_way_home, 1, "no usable tunnel leads to the provider that holds the device")                   \
	X(exit_refused, 1, "the way home leads to a provider that does not hold the device")                \
	X(way_elsewhere, 1, "the way home is another gateway, and relaying is not switched on")             \
	X(too_big, 1, "larger than the array's MTU")                                                        \
	X(hops_exceeded, 1, "the TTL or hop limit ran out here")                                            \
	X(relay_not_member, 1, "a relay from an address that is no member of the array")                    \
	X(internal, 1, "a map that must exist does not: a defect of ours")

enum reason {
#define X(name, drop, words) REASON_##name,
	REASONS(X)
#undef X
		REASON_COUNT
};

struct reason_count {
	__u64 packets, bytes;
};

/* ---- Explaining: the question and answer of the program `explain`, by BPF_PROG_TEST_RUN -------------------------- */

/* Where the packet is seen: it comes in by a tunnel, leaves through home0, surfaces at an uplink. */
enum explain_direction { EXPLAIN_REQUEST = 1, EXPLAIN_RESPONSE = 2, EXPLAIN_UPLINK = 3 };

/*
 * What it is: a whole packet or its first fragment; another fragment; an ICMP error about a packet of the flow's
 * other direction.
 */
enum explain_kind { EXPLAIN_PACKET, EXPLAIN_FRAGMENT, EXPLAIN_ICMP_ERROR };

/* Written over the packet's start; the first 14 bytes are left to the kernel as an Ethernet header. */
struct explanation {
	__u8 ethernet[14];
	__u16 direction;     /* in: enum explain_direction */
	struct line_key key; /* in: request direction, zone filled in by the program from the loopback */
	__u16 tunnel;        /* in: for a request, the tunnel it would come in by */
	__u16 reason;        /* out: enum reason */
	__u32 line;          /* out: index + 1 of the flow's line, 0: none */
	__u32 device_line;   /* out: the same in the device table */
	__u16 provider;      /* out: who holds the device, 0: nobody */
	__u16 way_tunnel;    /* out: where a response goes; 0: nowhere */
	__u8 way_gateway;    /* out */
	__u8 way_reason;     /* out: enum reason of the way home */
	__u8 kind;           /* in: enum explain_kind */
	__u8 hops;           /* in: TTL or hop limit as it surfaces at an uplink; 0: enough of them */
	__u64 flow_home,
		device_home; /* out: the home words found, 0: none; of a fragment: what the first one left */
	__u32 fragment_id;   /* in: of a fragment */
	__u32 length;        /* in: of the IP packet; 0: small enough */
};

/* ---- Maps: pinned under the pin directory by these names --------------------------------------------------------- */

#define MAP_FLOWS         "flows_1"   /* ARRAY of struct line, BPF_F_MMAPABLE */
#define MAP_DEVICES       "devices_1" /* the same */
#define MAP_FLOW_COUNTERS "flow_counters_1"
#define MAP_SETTINGS      "settings"
#define MAP_TUNNELS       "tunnels"    /* ARRAY by tunnel number */
#define MAP_INTERFACES    "interfaces" /* HASH: ifindex (u32) -> tunnel number (u32) */
#define MAP_PROVIDERS     "providers"  /* HASH: provider number (u32) -> struct provider_entry */
#define MAP_USABLE        "usable"     /* ARRAY by gateway number */
#define MAP_PREFIXES      "prefixes"   /* LPM_TRIE */
#define MAP_LOCALS        "locals"     /* HASH: 16 bytes -> struct local_entry */
#define MAP_FRAGMENTS     "fragments"  /* LRU_HASH */
#define MAP_REASONS       "reasons"    /* PERCPU_ARRAY of struct reason_count by enum reason */

/* Geneve (RFC 8926): 8 of UDP, 8 of header, 16 of option, behind an outer IP header. */
#define RELAY_PORT        6081
#define RELAY_OVERHEAD_V4 52
#define RELAY_OVERHEAD_V6 72

_Static_assert(sizeof(struct line_key) == 40, "a key is 40 bytes");
_Static_assert(sizeof(struct line) == 64, "a line is one cache line");
_Static_assert(__builtin_offsetof(struct line, home) == 48, "home stands behind tag and key");
_Static_assert(sizeof(struct line_counters) == 32, "");
_Static_assert(sizeof(struct settings) == 48, "");
_Static_assert(sizeof(struct tunnel_entry) == 8, "");
_Static_assert(sizeof(struct provider_entry) == 4 + 4 * PROVIDER_WAYS_MAX, "");
_Static_assert(sizeof(struct prefix_key) == 24, "");
_Static_assert(__builtin_offsetof(struct prefix_key, address) * 8 == 32 + PREFIX_KEY_BITS, "");
_Static_assert(sizeof(struct fragment_key) == 40, "");
_Static_assert(sizeof(struct explanation) == 104, "");

#endif
