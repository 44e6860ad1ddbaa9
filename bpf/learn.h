/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tables learn from packets: the newest way home of flows and devices, and how far a flow has come. What requests
 * teach is here, with what both sides share; what responses do is in follow.h.
 *
 *	            our SYN-ACK acknowledged (TCP),
 *	            a response has left (UDP, ICMP)
 *	half-open ──────────────────────────────────► established
 *	    │  ▲                                           │
 *	    │  └───────────── SYN ─────────── closing ◄────┤ FIN or RST, from either side
 *	    └─────────────── FIN, RST ───────────▲─────────┘
 *
 * Beside that: who owns the flow (owner.h), and what of it the members are told (changes.h). A request that a member
 * relayed teaches the same as one from a tunnel of ours, only that its way home is there, and that the member tells.
 *
 * A device can make as many half-open lines as it likes (they go first when a window is full, those of the tunnel that
 * has most of them there); for an established one it must have seen our answer. A TCP segment of a flow without a line, after a restart
 * with an empty table say, proves itself by a connected socket. Only a request changes a way home; a
 * response keeps it alive, since the client of a long download may be silent.
 */
#ifndef HOMEWARD_LEARN_H
#define HOMEWARD_LEARN_H

#include "bpf/changes.h"
#include "bpf/maps.h"
#include "bpf/owner.h"
#include "bpf/parse.h"
#include "bpf/table.h"

static __always_inline struct table flow_table(const struct settings *config, __u64 now_ns)
{
	return (struct table){&flows_2, config->flow_mask, config, now_ns};
}

static __always_inline struct table device_table(const struct settings *config, __u64 now_ns)
{
	return (struct table){&devices_2, config->device_mask, config, now_ns};
}

static __always_inline void key_of_device(struct line_key *key, const __u8 address[16], __u16 zone)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, address, 16);
	key->zone = zone;
}

static __always_inline bool find_flow(
	const struct settings *config, const struct line_key *key, __u64 now_ns, struct finding *found)
{
	struct table table = flow_table(config, now_ns);

	return table_find(&table, key, hash_of(key, config->hash_seed), found);
}

static __always_inline bool find_device(const struct settings *config, const __u8 address[16], __u16 zone,
	__u64 now_ns, struct finding *found)
{
	struct table table = device_table(config, now_ns);
	struct line_key key;

	key_of_device(&key, address, zone);
	return table_find(&table, &key, hash_of(&key, config->hash_seed), found);
}

/* ---- Fetching what will be needed ---------------------------------------------------------------------- */

/*
 * The lines and counters of a flow and its device lie anywhere in memory. Where flows are many each is a cache miss, and the
 * processor waits for one after the other: a lookup is more than it looks ahead, and nothing passes the sums of counters.
 * So all are asked for first, where they are nearly always found, and arrive together. Among 131,072 flows, or a million,
 * that saves a request a fifth of its time, and a response a quarter.
 */
static __always_inline void fetch_line(const struct table *table, __u64 hash)
{
	__u32 index;
	struct line *line = table_line(table, hash, 0, &index);

	if (line)
		peek(&line->tag);
}

static __always_inline void fetch_counters(const struct settings *config, __u64 hash)
{
	__u32 index = hash & config->flow_mask;
	struct line_counters *counters;

	if (!config->counters)
		return;
	counters = bpf_map_lookup_elem(&flow_counters_2, &index);
	if (counters)
		peek(&counters->request_packets);
}

/* ---- Counting, beside the line ------------------------------------------------------------------------- */

enum direction { DIRECTION_REQUEST, DIRECTION_RESPONSE };

static __always_inline void count_line(
	const struct settings *config, __u32 index, enum direction direction, __u32 packets, __u32 bytes)
{
	struct line_counters *counters;

	if (!config->counters)
		return;
	counters = bpf_map_lookup_elem(&flow_counters_2, &index);
	if (!counters)
		return;
	if (direction == DIRECTION_REQUEST) {
		__sync_fetch_and_add(&counters->request_packets, packets);
		__sync_fetch_and_add(&counters->request_bytes, bytes);
	} else {
		__sync_fetch_and_add(&counters->response_packets, packets);
		__sync_fetch_and_add(&counters->response_bytes, bytes);
	}
}

static __always_inline void reset_line_counters(const struct settings *config, __u32 index)
{
	struct line_counters *counters;

	if (!config->counters)
		return;
	counters = bpf_map_lookup_elem(&flow_counters_2, &index);
	if (counters)
		__builtin_memset(counters, 0, sizeof(*counters));
}

/* ---- Changes ------------------------------------------------------------------------------------------- */

/* Now, as members can compare it. */
static __always_inline __u64 realtime_of(__u64 now_ns)
{
	__u32 zero = 0;
	const struct clock_entry *entry = bpf_map_lookup_elem(&clock, &zero);

	return now_ns + (entry ? entry->offset_ns : 0);
}

/*
 * A line's way, owner or state is another one than before. Half-open flows are nobody else's business. Whoever stamps a
 * line tells of it, also of what a relay taught: its sender, for whom nothing may have changed, tells nobody then, and a
 * stamp that nobody hears of would keep this line and the others' apart.
 */
static __always_inline void note_change(const struct table *table, const struct finding *found, __u8 protocol)
{
	__u8 state = TAG_STATE(found->tag);

	if (!is_unproved(state, protocol))
		line_stamp(found->line, realtime_of(table->now_ns));
	if (state != LINE_HALF_OPEN)
		tell(table->settings, CHANGE_FLOW, found->index);
}

/* ---- How far a flow has come --------------------------------------------------------------------------- */

/* Where our SYN or SYN-ACK was seen the device must acknowledge just that; where none was, a socket here must know it. */
static __always_inline bool acknowledges(
	struct __sk_buff *skb, const struct packet *packet, __u64 stamp, bool ours)
{
	if (!(packet->tcp_flags & TCP_ACK))
		return false;
	if (STAMP_IS_WANTED(stamp))
		return (__u32)stamp == packet->acknowledgement;
	return ours && is_connection(socket_state(skb, packet));
}

/*
 * True: the line is in another state now. What ends before anything was proved of it stays half-open: a connection that is
 * refused would else leave a line that lives longer, is given up later, and is told to all members, and so would each
 * packet of a flood to a port that nobody listens at.
 */
static __always_inline bool advance(struct finding *found, enum line_state state)
{
	return TAG_STATE(found->tag) != state && line_become(found, state);
}

static __always_inline bool advance_by_request(struct __sk_buff *skb, const struct table *table,
	struct finding *found, const struct packet *packet, bool ours)
{
	__u8 state = TAG_STATE(found->tag);

	if (packet->protocol != IPPROTO_TCP)
		return false;
	if (closes(packet))
		return state == LINE_ESTABLISHED && advance(found, LINE_CLOSING);
	if (opens(packet)) {
		if (state == LINE_CLOSING)
			line_reopen(found, realtime_of(table->now_ns));
		return false;
	}
	return state == LINE_HALF_OPEN && acknowledges(skb, packet, peek(&found->line->stamp), ours) &&
	       advance(found, LINE_ESTABLISHED);
}

/* ---- New lines ----------------------------------------------------------------------------------------- */

#define LINE_REFUSED  0
#define LINE_RIVALLED (-1)

/* A line for a key that was looked for and not found, as `new` says. Its index + 1, or LINE_*. */
static __always_inline int insert_line(
	const struct table *table, const struct line_key *key, __u64 stamp, struct finding *new)
{
	switch (table_insert(table, key, hash_of(key, table->settings->hash_seed), stamp, new)) {
	case INSERT_TOOK:
		count(REASON_entry_taken, 1, 0);
		return new->index + 1;
	case INSERTED:
		return new->index + 1;
	case INSERT_RIVALLED:
		return LINE_RIVALLED;
	default:
		return LINE_REFUSED;
	}
}

/* One for each table: where the verifier sees two maps, a look at a line is a call of the kernel's, and not a sum. */
SUBPROGRAM int insert_flow(
	const struct settings *config, const struct line_key *key, __u64 home, __u64 stamp, __u32 state)
{
	struct finding new = {.tag = (__u8)state, .home = home};
	struct table table;

	if (!config || !key)
		return LINE_REFUSED;
	table = flow_table(config, bpf_ktime_get_coarse_ns());
	return insert_line(&table, key, stamp, &new);
}

SUBPROGRAM int insert_device(
	const struct settings *config, const struct line_key *key, __u64 home, __u64 stamp)
{
	struct finding new = {.tag = LINE_ESTABLISHED, .home = home};
	struct table table;

	if (!config || !key)
		return LINE_REFUSED;
	table = device_table(config, bpf_ktime_get_coarse_ns());
	return insert_line(&table, key, stamp, &new);
}

/* ---- Requests ------------------------------------------------------------------------------------------ */

/*
 * What a request taught, in one word: who owns its flow (0: nobody yet, the members are to be asked), whether that is
 * news, and what had to go without a line.
 */
#define LEARNED_OWNER(learned) ((__u8)(learned))
#define FLOW_NEW               0x100
#define FLOW_REFUSED           0x200
#define DEVICE_REFUSED         0x400
#define FLOW_UNKNOWN           0x800
#define DEVICE_UNKNOWN         0x1000
#define FLOW_UNASKED           0x2000 /* nobody may be asked for it just now */

/* What a line's home word says with another owner. */
#define WAY_OF_OWNER(way, owner) (((way) & ~0xffU) | (owner))

static __always_inline __u64 first_stamp(__u64 now_ns, __u8 owner)
{
	return owner ? realtime_of(now_ns) : STAMP_ASKED(now_ns / 1000000);
}

/*
 * The owner, as of this packet, of a flow that nobody owned when the members were asked; it came in by `tunnel`. 0: they
 * are asked once more. FLOW_UNASKED: they are not, and it counts in no round.
 */
static __always_inline int owner_of_asked(struct __sk_buff *skb, const struct table *table,
	const struct packet *packet, const struct finding *found, __u16 tunnel)
{
	const struct settings *config = table->settings;
	__u64 stamp = peek(&found->line->stamp), asked;
	__u8 owner = owner_of_first(
		config, packet, packet->protocol == IPPROTO_TCP ? socket_state(skb, packet) : TCP_STATE_NONE);

	if (owner)
		return owner;
	asked = stamp_of_asked(config, packet, stamp, table_now(table));
	if (!asked)
		return config->gateway;
	if (!may_ask(tunnel))
		return FLOW_UNASKED;
	swap_word(&found->line->stamp, stamp, asked);
	return 0;
}

/* The owner of a flow with a line, as of this packet, as owner_of_asked() says it. */
static __always_inline int owner_of_known(struct __sk_buff *skb, const struct table *table,
	const struct packet *packet, const struct finding *found, __u16 tunnel)
{
	const struct settings *config = table->settings;
	__u8 owner = HOME_OWNER(found->home);

	if (owner == config->gateway)
		return owner;
	if (!owner)
		return owner_of_asked(skb, table, packet, found, tunnel);
	return has_lapsed(config, packet, owner, TAG_STATE(found->tag) == LINE_CLOSING) ? config->gateway
											: owner;
}

/* Somebody owns the flow at last: its members are not asked any more, and its stamp is that of any half-open line. */
static __always_inline void end_asking(const struct table *table, const struct finding *found)
{
	__u64 stamp = peek(&found->line->stamp);

	if (STAMP_IS_ASKED(stamp))
		swap_word(&found->line->stamp, stamp, realtime_of(table->now_ns));
}

static __always_inline __u64 hash_of_device(
	const struct settings *config, const struct packet *packet, __u16 zone)
{
	struct line_key key;

	key_of_device(&key, packet->source, zone);
	return hash_of(&key, config->hash_seed);
}

/*
 * The device, which has this hash, was last seen by `way`, and its newest flow is the way's owner's; 0: it has none that is
 * news. The key is made twice, since a flow's and a device's are more memory than there is.
 */
static __always_inline int note_device(
	const struct table *table, const struct packet *packet, __u16 zone, __u32 way, __u64 hash)
{
	struct finding found = {};
	struct line_key key;
	__u32 before;

	key_of_device(&key, packet->source, zone);
	if (!table_find(table, &key, hash, &found))
		return DEVICE_UNKNOWN;
	before = HOME_WAY(found.home);
	if (!HOME_OWNER(way))
		way |= HOME_OWNER(before);
	if (!line_touch(table, &found, way) || WAY_OF_OWNER(before, 0) == WAY_OF_OWNER(way, 0))
		return 0;
	line_stamp(found.line, realtime_of(table->now_ns));
	tell(table->settings, CHANGE_DEVICE, found.index);
	return 0;
}

SUBPROGRAM int learn_device(const struct settings *config, const struct packet *packet, __u16 zone, __u32 way)
{
	struct table devices;

	if (!config || !packet)
		return 0;
	devices = device_table(config, bpf_ktime_get_coarse_ns());
	return note_device(&devices, packet, zone, way, hash_of_device(config, packet, zone));
}

static __always_inline int note_request(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u32 way, __u64 now_ns)
{
	struct table table = flow_table(config, now_ns);
	struct finding found = {};
	struct line_key key;
	__u8 owner, before;
	bool changed;
	int learned;
	__u64 hash;

	key_of_request(&key, packet, zone);
	hash = hash_of(&key, config->hash_seed);
	fetch_counters(config, hash);
	if (!table_find(&table, &key, hash, &found))
		return FLOW_UNKNOWN;
	before = HOME_OWNER(found.home);
	learned = HOME_OWNER(way) ?: owner_of_known(skb, &table, packet, &found, HOME_TUNNEL(way));
	owner = LEARNED_OWNER(learned);
	changed = line_touch(&table, &found, WAY_OF_OWNER(way, owner));
	if (!before && owner)
		end_asking(&table, &found);
	if (owner)
		changed |= advance_by_request(skb, &table, &found, packet, owner == config->gateway);
	if (changed && owner)
		note_change(&table, &found, packet->protocol);
	count_line(config, found.index, DIRECTION_REQUEST, packets_in(skb), packet->length);
	return owner != before ? learned | FLOW_NEW : learned;
}

#define WAY_OF_NEWEST(way, flow) WAY_OF_OWNER(way, (flow)&FLOW_NEW ? LEARNED_OWNER(flow) : 0)

/*
 * A request of a flow that has a line came in by `way`: a home word without its time, whose owner is 0 when it is to be
 * found out. Flow and device in one, for this is what nearly every packet goes through. Answers LEARNED_OWNER() and
 * flags; with FLOW_UNKNOWN nothing was learned, of the device neither. A later fragment has no ports, so it tells of the
 * device alone.
 */
SUBPROGRAM int learn_known(struct __sk_buff *skb, const struct settings *config, const struct packet *packet,
	__u16 zone, __u32 way)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns(), hash;
	struct table devices;
	int flow = 0;

	if (!config || !packet)
		return 0;
	devices = device_table(config, now_ns);
	hash = hash_of_device(config, packet, zone);
	fetch_line(&devices, hash);
	if (packet->fragment != FRAGMENT_LATER)
		flow = note_request(skb, config, packet, zone, way, now_ns);
	if (flow == FLOW_UNKNOWN)
		return flow;
	return flow | note_device(&devices, packet, zone, WAY_OF_NEWEST(way, flow), hash);
}

/*
 * A request of a flow that has no line. A RST leaves none, nor does a FIN, unless members are asked for it: then how
 * often must be known. What nobody may be asked for makes no flow.
 */
SUBPROGRAM int learn_new_flow(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u32 way)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	int socket = TCP_STATE_NONE, line;
	struct line_key key;
	__u8 owner, state;

	if (!config || !packet)
		return 0;
	if (closes(packet) && config->relay == RELAY_OFF)
		return config->gateway;
	if (packet->protocol == IPPROTO_TCP && !opens(packet))
		socket = socket_state(skb, packet);
	owner = HOME_OWNER(way) ?: owner_of_first(config, packet, socket);
	if (!owner && !may_ask(HOME_TUNNEL(way)))
		return FLOW_UNASKED;
	if (closes(packet) && (owner || packet->tcp_flags & TCP_RST))
		return owner;
	state = is_connection(socket) ? LINE_ESTABLISHED : LINE_HALF_OPEN;
	key_of_request(&key, packet, zone);
	line = insert_flow(config, &key, HOME(now_ns / 1000000, 0, 0, 0) | WAY_OF_OWNER(way, owner),
		first_stamp(now_ns, owner), state);
	if (line <= 0)
		return line == LINE_REFUSED ? owner | FLOW_REFUSED : owner;
	reset_line_counters(config, line - 1);
	count_line(config, line - 1, DIRECTION_REQUEST, packets_in(skb), packet->length);
	if (state == LINE_ESTABLISHED)
		tell(config, CHANGE_FLOW, line - 1);
	return owner | FLOW_NEW;
}

SUBPROGRAM int learn_new_device(
	const struct settings *config, const struct packet *packet, __u16 zone, __u32 way)
{
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct line_key key;
	int line;

	if (!config || !packet)
		return 0;
	key_of_device(&key, packet->source, zone);
	if (!HOME_OWNER(way))
		way |= config->gateway;
	line = insert_device(config, &key, HOME(now_ns / 1000000, 0, 0, 0) | way, realtime_of(now_ns));
	if (line <= 0)
		return line == LINE_REFUSED ? DEVICE_REFUSED : 0;
	tell(config, CHANGE_DEVICE, line - 1);
	return 0;
}

/*
 * Of a device without a line this flow is the newest that is known, new or not. A later fragment makes no device: it names no
 * owner, and its first may have made one elsewhere, whose device our newer stamp would make ours.
 */
static __always_inline int learn(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u32 way)
{
	int learned = learn_known(skb, config, packet, zone, way);

	if (learned & FLOW_UNKNOWN) {
		learned = learn_new_flow(skb, config, packet, zone, way);
		learned |= learn_device(config, packet, zone, WAY_OF_NEWEST(way, learned));
	}
	if (learned & DEVICE_UNKNOWN && packet->fragment != FRAGMENT_LATER)
		learned |= learn_new_device(config, packet, zone, WAY_OF_OWNER(way, LEARNED_OWNER(learned)));
	return learned;
}

static __always_inline int learn_and_count(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u32 way)
{
	int learned = learn(skb, config, packet, zone, way);

	if (learned & FLOW_REFUSED)
		count(REASON_entry_refused, 1, packet->length);
	if (learned & DEVICE_REFUSED)
		count(REASON_device_refused, 1, packet->length);
	return learned;
}

/* A request that came in here by `tunnel`. Answers LEARNED_OWNER() and flags. */
static __always_inline int learn_request(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u16 tunnel)
{
	return learn_and_count(skb, config, packet, zone, HOME_WAY(HOME(0, tunnel, config->gateway, 0)));
}

/*
 * A request that came in by another gateway's tunnel, and that its gateway, `sender`, relayed to us, the owner. An ICMP
 * error teaches nothing.
 */
static __always_inline void learn_relayed(struct __sk_buff *skb, const struct settings *config,
	const struct packet *packet, __u16 zone, __u16 tunnel, __u8 sender)
{
	if (packet->icmp != ICMP_KIND_ERROR)
		learn_and_count(
			skb, config, packet, zone, HOME_WAY(HOME(0, tunnel, sender, config->gateway)));
}

#endif
