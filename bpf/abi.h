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

#define ABI_VERSION 2 /* a part of the tables' names: a new layout is a new map */

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
	__u64 home;  /* HOME_*: the way home, the owner, when last seen */
	__u64 stamp; /* ns of CLOCK_REALTIME of the last change; while TCP is half-open: that, or STAMP_* */
};
#define KEY_WORDS (sizeof(struct line_key) / sizeof(__u64))

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

/*
 * The stamp of what is no more than half-open. Wanted: what the device must acknowledge, once our SYN or SYN-ACK was
 * seen, and before it the lowest 31 bits of the time that stood there, in units and rounded up (table.h reads it). Asked:
 * nobody owns the flow yet, and when the members were asked, first or again. A time is STAMP_TIMES at least.
 */
#define STAMP_UNIT_SHIFT 24 /* 17 ms; 31 bits of them are more than a year */
#define STAMP_WANTED(time, acknowledgement) \
	(1ULL << 63 | ((((time) >> STAMP_UNIT_SHIFT) + 1) << 32) | (__u32)(acknowledgement))
#define STAMP_IS_WANTED(stamp) ((stamp) >> 63)
#define STAMP_ASKED(ms)        (2ULL << 32 | (__u32)(ms))
#define STAMP_ASKED_AGAIN(ms)  (3ULL << 32 | (__u32)(ms))
#define STAMP_IS_ASKED(stamp)  ((stamp) >> 33 == 1)
#define STAMP_TIMES            (1ULL << 34)
#define STAMP_IS_TIME(stamp)   ((stamp) >= STAMP_TIMES && !STAMP_IS_WANTED(stamp))

/* Cold counters, beside the line of the same index. */
struct line_counters {
	__u64 request_packets, request_bytes;
	__u64 response_packets, response_bytes;
};

/* ---- What the programs must know, written by gwd ---------------------------------------------------------------- */

/* Whether packets go from member to member, and what vouches for them. */
enum relay_mode { RELAY_OFF, RELAY_PLAIN, RELAY_AUTHENTICATED };

#define HASH_SEED_WORDS 11 /* what hash.h needs for a key */

/* One entry, replaced whole. */
struct settings {
	__u32 home_ifindex;
	__u32 flow_mask, device_mask; /* lines - 1, a power of two */
	__u32 reserved3;              /* where the seed was, of 32 bits, before version 2 */
	__u32 half_open_ms, established_ms, closing_ms, udp_ms, icmp_ms, device_ms;
	__u16 mtu;      /* the array's: of home0 and every tunnel */
	__u8 gateway;   /* our number */
	__u8 mss_clamp; /* 0: leave the MSS option alone */
	__u8 counters;  /* 0: no cold counters */
	__u8 relay;     /* enum relay_mode */
	__u8 relay_key; /* the id of the key that we authenticate relays with */
	__u8 filter;    /* 1: some uplink has a filter (serve.h) */
	/* Ports of what gateways open: gateway n has [first + (n - 1) * slice, + slice); slice 0: none. */
	__u16 ports_first, ports_slice;
	__u8 home_mac[6]; /* relayed requests enter the stack by home0, addressed to it */
	__u8 reserved2[2];
	__u32 underlay_ifindex; /* without Ethernet, WireGuard's: relays go and come by it alone; 0: by the uplinks */
	__u64 hash_seed[HASH_SEED_WORDS]; /* drawn once, and secret; all 0: not yet */
};

/* Added to bpf_ktime_get_coarse_ns() it gives ns of CLOCK_REALTIME, which members can compare. One entry. */
struct clock_entry {
	__u64 offset_ns;
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

/*
 * Addresses of one provider's, by one half of an address in network order: of IPv4 by the second one, of IPv6 by the first.
 * mask 0: none.
 */
struct reach {
	__u64 bits, mask;
};

/*
 * By tunnel number: those of the whole array. provider 0: there is none of that number; ifindex 0: none here. Of one that is
 * here `reach` is its provider's widest prefix, first of IPv6, if it is no longer than 64, then of IPv4.
 */
struct tunnel_entry {
	__u32 ifindex;
	__u16 provider;
	__u16 zone;
	__u8 gateway; /* whose it is */
	__u8 reserved;
	__u16 egress; /* the number of the egress group that it is a link of; 0: of none */
	__u32 reserved2;
	struct reach reach[2];
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

/*
 * The other gateways of the array. Suspect: its heartbeats stopped or never began, but nothing says that it is gone;
 * dead: silent for longer than the bound, on the relay path too.
 */
enum member_state { MEMBER_NONE, MEMBER_ALIVE, MEMBER_SUSPECT, MEMBER_DEAD, MEMBER_STATES };

#define MEMBER_STATE_NAMES                         \
	{                                          \
		"none", "alive", "suspect", "dead" \
	}

/* By gateway number; our own is MEMBER_NONE, and bears the address that our relays come from. */
struct member_entry {
	__u8 address[16]; /* relays go there and come from there */
	__u8 state;       /* enum member_state */
	__u8 serving; /* 0: it drains or does not announce, and its flows of UDP and ICMP lapse; ours too */
	__u8 heard;   /* 1: it was alive since it is in the configuration */
	__u8 reserved;
	__s16 clock_slots; /* its clock less ours, in time slots of relays */
	__u8 reserved2[2];
};

/* By gateway number: when a member's last relay came, in the tables' milliseconds. 0: never. */
struct heard_entry {
	__u32 relay_ms;
};

/* By tunnel number: how often members were asked whose a request is that came in by it; so often at most in a period. */
#define ASKS_MOST 2000
#define ASKS_MS   1024
struct asks_entry {
	__u32 period; /* which one: the tables' milliseconds / ASKS_MS */
	__u32 count;  /* in it, and what was not asked any more */
};

/*
 * By gateway number, and the same again for XDP, which is told another MTU: where a relay goes, as the kernel said at that
 * reading of the coarse clock. Each CPU has its own.
 */
#define ROUTES_OF_XDP GATEWAY_NUMBERS
struct route_entry {
	__u64 at_ns;
	__s64 result;
	__u8 fib[64]; /* struct bpf_fib_lookup */
};

/* By key id. */
struct relay_key {
	__u64 words[2]; /* SipHash's */
	__u8 known;     /* 0: there is no key of this id */
	__u8 reserved[7];
};

/* Longest-prefix match: who holds an address. */
enum space {
	SPACE_ZONE = 0,
	SPACE_LINK = 1,
	SPACE_INSIDE = 2,
	SPACE_NEIGHBOUR = 3,
	SPACE_EGRESS = 4,
	SPACE_PROBED = 5, /* whom probes ask by a tunnel, behind its link */
	SPACE_PEER = 6,   /* who sends to a tunnel's UDP port (serve.h) */
	SPACE_TRUSTED = 7 /* whose packets no filter keeps out */
};
struct prefix_key {
	__u32 length; /* PREFIX_KEY_BITS + 0..128 */
	__u16 space;  /* enum space */
	/* the zone (SPACE_ZONE, SPACE_NEIGHBOUR), the tunnel's number (SPACE_LINK, SPACE_PROBED), the port (SPACE_PEER), else 0 */
	__u16 which;
	__u8 address[16];
} __attribute__((aligned(8)));
#define PREFIX_KEY_BITS 32
struct prefix_value {
	/* SPACE_ZONE: the provider's number; SPACE_NEIGHBOUR: a tunnel on whose link it is; SPACE_EGRESS: the group's; else 1 */
	__u16 provider;
	__u16 reserved;
};

/* Addresses that are ours. */
enum local_kind { LOCAL_LOOPBACK = 1, LOCAL_TUNNEL = 2, LOCAL_UNDERLAY = 3 };
struct local_entry {
	__u16 kind;  /* enum local_kind */
	__u16 which; /* a loopback's zone, a tunnel's number, 0 */
};

/* ---- Filters of uplinks (serve.h) ---------------------------------------------------------------------------------- */

/* By the uplink's interface. */
enum filter_effect { FILTER_WATCHES = 1, FILTER_DROPS = 2 };

/* What is known of a port, or of a protocol of IP. */
enum service {
	SERVICE_ASK,    /* nothing: a port is served if there is a socket */
	SERVICE_OPEN,   /* it is served, though there be no socket */
	SERVICE_TUNNEL, /* of UDP, a tunnel's whose peer may be anywhere */
	SERVICE_PEERS   /* of UDP, a tunnel's whose peers are those of SPACE_PEER */
};

/* Two bits each. By the upper 8 bits of the port; behind them all protocols. */
#define SERVICES_PROTOCOLS 256
#define SERVICES_COUNT     257
struct services {
	__u8 kinds[64];
};
#define SERVICE_AT(number)    ((number) >> 2 & 63)
#define SERVICE_SHIFT(number) (((number)&3) * 2)

/* Addresses of this machine that filters judge what comes to: of any service; of what tunnels and the inside alone reach. */
enum own_kind { OWN_MACHINE = 1, OWN_TUNNELS = 2 };

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

/* ---- Egress groups: which tunnel a packet from the LAN leaves by --------------------------------------------------- */

#define EGRESS_GROUPS 64 /* at most */

/* By group number. */
struct egress_entry {
	__u8 sharing;   /* flows are pinned to their links; 0: all follow the one link that is in */
	__u8 by_source; /* a flow is all that comes from one source */
	__u8 reserved[2];
};

/* By group number, replaced whole, in one step: the tunnel of each slot, 0 in all when no link is in. */
#define EGRESS_SLOTS 4096
#define EGRESS_LINKS 16
struct egress_table {
	__u16 commanded; /* the tunnel that an operator switched to, for gwd to remember; 0: none */
	__u16 reserved[3];
	__u16 in[EGRESS_LINKS]; /* the links that are in, then 0 */
	__u16 tunnels[EGRESS_SLOTS];
};

/* The LAN interfaces of a group. */
struct egress_from {
	__u32 ifindex;
	__u32 group;
};

/* By the flow as a struct line_key, with the group's number for the zone; by source: with nothing else but the source. */
struct egress_pin {
	__u32 seen_ms; /* when it was used last; written at most once a second */
	__u16 tunnel;
	__u16 reserved;
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
	X(home_relay, 0, "a response that a member relayed to us, sent through the tunnel it named")        \
	X(passed_relay, 0, "a request that a member relayed to us, given to the stack")                     \
	X(egress_shared, 0, "sent by the link that the egress group's shares say")                          \
	X(egress_pinned, 0, "sent by the egress group's link that its flow keeps to")                       \
	X(passed_egress, 0, "an answer from an egress group's destinations, given to the stack")            \
	X(relayed_request, 0, "a request of another gateway's flow, relayed to it")                         \
	X(relayed_response, 0, "a response whose way home is another gateway's, relayed to it")             \
	X(asked_members, 0, "a request of an unknown flow: each member was asked whether it is theirs")     \
	X(change_lost, 0, "a change of a table that gwd will find by walking it")                           \
	X(entry_refused, 0, "no line was to be had in the flow table: goes by its device")                  \
	X(device_refused, 0, "no line was to be had in the device table: goes by its flow or provider")     \
	X(entry_taken, 0, "a new flow got the line of a half-open one: the flow table is full there")       \
	X(answered, 0, "a packet from the inside that was dropped: its sender was told why, by ICMP")       \
	X(answer_withheld, 0,                                                                               \
		"a packet from the inside that was dropped: too many were told of theirs just then")        \
	X(watched_own_source, 0, "a filter that only watches would have dropped it: filtered_own_source")   \
	X(watched_outside, 0, "a filter that only watches would have dropped it: filtered_outside")         \
	X(watched_stranger, 0, "a filter that only watches would have dropped it: filtered_stranger")       \
	X(watched_unserved, 0, "a filter that only watches would have dropped it: filtered_unserved")       \
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
	X(no_egress_link, 1, "no link of the egress group is in")                                           \
	X(source_not_egress, 1, "by a link of an egress group, and not from the group's destinations")      \
	X(destination_not_link, 1,                                                                          \
		"by a link of an egress group, to an address of ours that is not its own")                  \
	X(way_elsewhere, 1, "the way home is another gateway, and relaying is not switched on")             \
	X(too_big, 1, "larger than the array's MTU")                                                        \
	X(hops_exceeded, 1, "the TTL or hop limit ran out here")                                            \
	X(relay_not_member, 1, "a relay from an address that is no member of the array")                    \
	X(relay_malformed, 1, "a relay that is cut short, or not written as members write them")            \
	X(relay_forged, 1, "a relay whose authentication code is wrong, or by a key that we do not have")   \
	X(relay_stale, 1, "a relay of another time: a recording, or the members' clocks differ")            \
	X(relay_no_tunnel, 1, "a relay for a tunnel that is not there any more")                            \
	X(relay_not_ours, 1, "a member asked whether a flow is ours, and it is not")                        \
	X(asks_exceeded, 1, "a request of an unknown flow that no member was asked for: too many were")     \
	X(relay_unreachable, 1, "no uplink leads to the member that a packet is to be relayed to")          \
	X(filtered_own_source, 1, "came by an uplink from one of our own addresses, as it claims")          \
	X(filtered_outside, 1, "came by an uplink from outside, to a loopback or a tunnel's own address")   \
	X(filtered_stranger, 1, "came by an uplink to a tunnel's port, and not from its peer")              \
	X(filtered_unserved, 1, "came by an uplink to a port, or by a protocol, that nobody here serves")   \
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

/* What a filter would have dropped stands beside what it drops, in one order. */
#define WATCHED(filtered) ((filtered)-REASON_filtered_own_source + REASON_watched_own_source)

/* ---- Explaining: the question and answer of the program `explain`, by BPF_PROG_TEST_RUN -------------------------- */

/* Where the packet is seen: it comes in by a tunnel, leaves through home0, surfaces at an uplink, comes from a LAN. */
enum explain_direction { EXPLAIN_REQUEST = 1, EXPLAIN_RESPONSE = 2, EXPLAIN_UPLINK = 3, EXPLAIN_LAN = 4 };

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
	union {
		__u32 ifindex; /* in: of the LAN interface */
		__u32 line;    /* out: index + 1 of the flow's line, 0: none */
	};
	__u32 device_line; /* out: the same in the device table */
	__u16 provider;   /* out: who holds the device, 0: nobody; from a LAN: the egress group, 0: of none */
	__u16 way_tunnel; /* out: where a response goes; 0: nowhere */
	__u8 way_gateway; /* out */
	__u8 way_reason;  /* out: enum reason of the way home */
	__u8 kind;        /* in: enum explain_kind */
	__u8 hops;        /* in: TTL or hop limit as it surfaces at an uplink; 0: enough of them */
	__u8 answered; /* out: dropped, and its sender is told (of a size in IPv4: if it forbids fragments) */
	__u8 reserved;
	__u16 fits; /* out: of what is too big: the MTU that is told */
	__u64 flow_home,
		device_home; /* out: the home words found, 0: none; of a fragment: what the first one left */
	__u32 fragment_id;   /* in: of a fragment */
	__u32 length;        /* in: of the IP packet; 0: small enough */
};

/* ---- Maps: pinned under the pin directory by these names --------------------------------------------------------- */

#define MAP_FLOWS         "flows_2"   /* ARRAY of struct line, BPF_F_MMAPABLE */
#define MAP_DEVICES       "devices_2" /* the same */
#define MAP_FLOW_COUNTERS "flow_counters_2"
#define MAP_SETTINGS      "settings"
#define MAP_TUNNELS       "tunnels"    /* ARRAY by tunnel number */
#define MAP_INTERFACES    "interfaces" /* HASH: ifindex (u32) -> tunnel number (u32) */
#define MAP_PROVIDERS     "providers"  /* HASH: provider number (u32) -> struct provider_entry */
#define MAP_USABLE        "usable"     /* ARRAY by gateway number */
#define MAP_PREFIXES      "prefixes"   /* LPM_TRIE */
#define MAP_LOCALS        "locals"     /* HASH: 16 bytes -> struct local_entry */
#define MAP_FRAGMENTS     "fragments"  /* LRU_HASH */
#define MAP_REASONS       "reasons"    /* PERCPU_ARRAY of struct reason_count by enum reason */
#define MAP_CLOCK         "clock"      /* ARRAY of one struct clock_entry */
#define MAP_MEMBERS       "members"    /* ARRAY of struct member_entry by gateway number */
#define MAP_ASKS          "asks"       /* LRU_HASH: tunnel number (u32) -> struct asks_entry */
#define MAP_HEARD         "heard"      /* ARRAY of struct heard_entry by gateway number */
#define MAP_ROUTES        "routes"     /* PERCPU_ARRAY of struct route_entry */
#define MAP_RELAY_KEYS    "relay_keys" /* ARRAY of struct relay_key by key id */
#define MAP_ANSWERS       "answers"    /* PERCPU_ARRAY of one u64: ns until when ICMP answers took all time */
#define MAP_EGRESS_GROUPS "egress_groups" /* HASH: group number (u32) -> struct egress_entry */
#define MAP_EGRESS_TABLES "egress_tables" /* HASH: group number (u32) -> struct egress_table */
#define MAP_EGRESS_FROM   "egress_from"   /* HASH: struct egress_from -> 1 (u32) */
#define MAP_EGRESS_PINS   "egress_pins"   /* LRU_HASH: struct line_key -> struct egress_pin */
#define MAP_EGRESS_COUNTS \
	"egress_counts"         /* PERCPU_HASH: tunnel number (u32) -> struct reason_count, sent by it */
#define MAP_TURNING  "turning"  /* HASH: ifindex (u32) -> 1: uplinks where XDP may send (turn.h) */
#define MAP_CHANGES  "changes"  /* RINGBUF of struct change */
#define MAP_FILTERS  "filters"  /* HASH: ifindex (u32) -> enum filter_effect (u32) */
#define MAP_OWN      "own"      /* HASH: 16 bytes -> enum own_kind (u32) */
#define MAP_SERVICES "services" /* ARRAY of struct services */

/* ---- Changes: the programs tell gwd which lines to replicate ----------------------------------------------------- */

/* Which line of which table; what it says now, the reader finds there. */
enum change_table { CHANGE_FLOW, CHANGE_DEVICE };
struct change {
	__u32 table; /* enum change_table */
	__u32 line;  /* its index */
};

/* ---- The relay: Geneve (RFC 8926) from member to member ---------------------------------------------------------- */

#define RELAY_PORT 6081

/*
 * A request for its owner; a response of its owner's for the gateway of the way home; a request whose owner is looked
 * for; a response that surfaced at the sender's uplink, and says nothing about the owner.
 */
enum relay_kind { RELAY_REQUEST = 1, RELAY_RESPONSE = 2, RELAY_ASK = 3, RELAY_SURFACED = 4, RELAY_KINDS };

/* Behind the outer IP header: UDP, Geneve with the tunnel's number as VNI, one critical option of ours. */
struct relay_header {
	__be16 source_port; /* RELAY_PORT, as is the other; the checksum is 0 */
	__be16 destination_port;
	__be16 length;
	__be16 checksum;
	__u8 option_words; /* of Geneve, version 0: 4 */
	__u8 flags;        /* RELAY_FLAGS */
	__be16 protocol;   /* the ethertype of what is inside */
	__u8 tunnel[4];    /* VNI, and a reserved byte */
	__be16 option_class;
	__u8 option_type;
	__u8 option_length; /* in words, behind these four bytes: 3 */
	__u8 kind;          /* enum relay_kind */
	__u8 sender;        /* the gateway's number */
	__u8 key;           /* the key's id */
	__u8 slot;          /* the lowest bits of the time slot */
	__u8 code[8];       /* SipHash-2-4 of the claim */
} __attribute__((packed));

#define RELAY_FLAGS        0x40   /* a critical option is there */
#define RELAY_OPTION_CLASS 0xff77 /* for experiments */
#define RELAY_OPTION_TYPE  0x81   /* critical */

#define RELAY_OVERHEAD_V4 52
#define RELAY_OVERHEAD_V6 72

/* A time slot is ns of CLOCK_REALTIME >> this, about 8.6 s; its neighbours are taken too. */
#define RELAY_SLOT_SHIFT 33

/*
 * What the code vouches for: only what no segmentation changes on the way, since one code stands in all segments
 * of a packet. Ports and the like are the first four bytes behind the inner IP header, 0 where there are fewer.
 */
struct relay_claim {
	__u8 source[16]; /* of the inner packet, v4 mapped into v6 */
	__u8 destination[16];
	__u8 start[4];
	__u8 protocol; /* of the inner IP header, v6: the next header */
	__u8 kind;
	__u16 tunnel;
	__u8 sender, receiver;
	__u8 reserved[2];
	__u32 slot;
};

_Static_assert(sizeof(struct line_key) == 40, "a key is 40 bytes");
_Static_assert(sizeof(struct line) == 64, "a line is one cache line");
_Static_assert(__builtin_offsetof(struct line, home) == 48, "home stands behind tag and key");
_Static_assert(sizeof(struct line_counters) == 32, "");
_Static_assert(sizeof(struct settings) == 152, "");
_Static_assert(sizeof(struct tunnel_entry) == 48, "");
_Static_assert(sizeof(struct egress_entry) == 4, "");
_Static_assert(sizeof(struct egress_table) == 8 + 2 * EGRESS_LINKS + 2 * EGRESS_SLOTS, "");
_Static_assert(sizeof(struct egress_from) == 8, "no hole: it is a key");
_Static_assert(sizeof(struct egress_pin) == 8, "");
_Static_assert(sizeof(struct member_entry) == 24, "");
_Static_assert(sizeof(struct route_entry) == 80, "");
_Static_assert(sizeof(struct relay_key) == 24, "");
_Static_assert(sizeof(struct relay_header) == RELAY_OVERHEAD_V4 - 20, "");
_Static_assert(sizeof(struct relay_header) == RELAY_OVERHEAD_V6 - 40, "");
_Static_assert(sizeof(struct relay_claim) == 48, "six words for the hash");
_Static_assert(sizeof(struct provider_entry) == 4 + 4 * PROVIDER_WAYS_MAX, "");
_Static_assert(sizeof(struct prefix_key) == 24, "");
_Static_assert(__builtin_offsetof(struct prefix_key, address) * 8 == 32 + PREFIX_KEY_BITS, "");
_Static_assert(sizeof(struct fragment_key) == 40, "");
_Static_assert(sizeof(struct explanation) == 104, "");
_Static_assert(WATCHED(REASON_filtered_outside) == REASON_watched_outside, "");
_Static_assert(WATCHED(REASON_filtered_stranger) == REASON_watched_stranger, "");
_Static_assert(WATCHED(REASON_filtered_unserved) == REASON_watched_unserved, "");

#endif
