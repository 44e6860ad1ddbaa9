/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose is a flow? Its owner is the gateway where its socket lives: the one that got its first request, or that opened
 * it. Requests that come in elsewhere are relayed there.
 *
 *  - A first packet (SYN, UDP, an echo request) makes the gateway that got it the owner, unless its port is in the
 *    slice of another one that lives and was ever heard, or a service in the slice of one that never was would be
 *    nowhere: then that one opened it. A SYN answers nothing, so for it the other one must be heard now.
 *  - Any other TCP segment without a line, and an echo reply, belongs to a flow that began elsewhere, or before a
 *    restart. A socket here claims it; else the members are asked (relay.h), and until one answers nobody owns it. They
 *    are asked in two rounds, each of ASK_MS and with every segment, since of one round the only question may be lost.
 *    When both are over nobody has it, so it is ours, for our stack to reset; but while a member is suspect it may be
 *    there, unheard, and the rounds begin anew, for a reset cannot be taken back. An echo reply and a RST call for
 *    no answer, so they wait for no round: they are always asked for.
 *  - Ownership lapses when the owner is dead. TCP then comes to our stack, which resets it. UDP and ICMP have no
 *    connection to lose and find an application anywhere, so theirs lapses as soon as the owner does not serve and we
 *    do, but for what is an answer to the owner's own question. So does, for a SYN, that of a connection of which a FIN
 *    or RST was seen: it may have been forged, or half of the truth, so an owner that serves is asked first.
 *
 * A question is a copy to each member, so a tunnel has ASKS_MOST of them in ASKS_MS: what a device sends out of the blue
 * must not become a flood between gateways, nor use up what the flows of another tunnel need.
 *
 * Under SYN cookies the last segment of a handshake meets a listener, and only the gateway that wrote the cookie could
 * tell it from a stray one. It is known by its half-open line, here and where members ask; should a flood have taken
 * that line, the client's segment behind both rounds comes to the stack it first went to, which then knows its cookie.
 *
 * The numbers of gateways are abi.h's; 0 is nobody.
 */
#ifndef HOMEWARD_OWNER_H
#define HOMEWARD_OWNER_H

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/table.h"

#define ASK_MS 500 /* a round of questions about one flow */

/* ---- Members --------------------------------------------------------------------------------------------------- */

/* Who might have a flow that we do not know: nobody; members that would say so; also some that we do not hear. */
enum others { OTHERS_NONE, OTHERS_ALIVE, OTHERS_SUSPECT };

SUBPROGRAM int others_now(const struct settings *config)
{
	enum others others = OTHERS_NONE;

	if (!config || config->relay == RELAY_OFF)
		return OTHERS_NONE;
	for (__u32 gateway = 1; gateway < GATEWAY_NUMBERS; gateway++) {
		const struct member_entry *member = member_by_number(gateway);

		if (member && member->state == MEMBER_SUSPECT)
			return OTHERS_SUSPECT;
		if (member && member->state == MEMBER_ALIVE)
			others = OTHERS_ALIVE;
	}
	return others;
}

/* ---- Sockets --------------------------------------------------------------------------------------------------- */

/* Of <net/tcp_states.h>, which programs do not see. */
enum tcp_state {
	TCP_STATE_NONE, /* there is no socket */
	TCP_STATE_SYN_RECV = 3,
	TCP_STATE_TIME_WAIT = 6,
	TCP_STATE_CLOSE = 7,
	TCP_STATE_LISTEN = 10,
	TCP_STATE_NEW_SYN_RECV = 12
};

/* What the kernel finds sockets by, out of zeros; how many bytes of it count. */
static __always_inline __u32 tuple_of(const struct packet *packet, struct bpf_sock_tuple *tuple)
{
	if (packet->version == 4) {
		__builtin_memcpy(&tuple->ipv4.saddr, packet->source + 12, 4);
		__builtin_memcpy(&tuple->ipv4.daddr, packet->destination + 12, 4);
		tuple->ipv4.sport = packet->source_port;
		tuple->ipv4.dport = packet->destination_port;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, packet->source, 16);
	__builtin_memcpy(tuple->ipv6.daddr, packet->destination, 16);
	tuple->ipv6.sport = packet->source_port;
	tuple->ipv6.dport = packet->destination_port;
	return sizeof(tuple->ipv6);
}

/* The state of the socket that the stack would give the segment to. */
SUBPROGRAM int socket_state(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size, state;

	if (!packet)
		return TCP_STATE_NONE;
	size = tuple_of(packet, &tuple);
	socket = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return TCP_STATE_NONE;
	state = socket->state;
	bpf_sk_release(socket);
	return state;
}

/* The flow is here: whoever else listens on that port does not have it. */
static __always_inline bool is_at_home(int state)
{
	return state != TCP_STATE_NONE && state != TCP_STATE_LISTEN && state != TCP_STATE_CLOSE;
}

/* And both ends have agreed on it. */
static __always_inline bool is_connection(int state)
{
	return is_at_home(state) && state != TCP_STATE_NEW_SYN_RECV && state != TCP_STATE_SYN_RECV &&
	       state != TCP_STATE_TIME_WAIT;
}

/* ---- Owners ---------------------------------------------------------------------------------------------------- */

static __always_inline bool opens(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline bool closes(const struct packet *packet)
{
	return packet->tcp_flags & (TCP_FIN | TCP_RST);
}

/* What no stack answers: it is the owner's, or nobody's. */
static __always_inline bool calls_for_nothing(const struct packet *packet)
{
	return packet->echo_reply || packet->tcp_flags & TCP_RST;
}

/* A packet that goes on with something: it makes nobody an owner. */
static __always_inline bool goes_on(const struct packet *packet)
{
	return packet->protocol == IPPROTO_TCP ? !opens(packet) : packet->echo_reply;
}

/* The gateway that has the port in its slice, or 0. */
static __always_inline __u8 owner_of_port(const struct settings *config, __be16 port)
{
	__u32 offset = bpf_ntohs(port) - (__u32)config->ports_first, gateway;

	if (!config->ports_slice || bpf_ntohs(port) < config->ports_first)
		return 0;
	gateway = offset / config->ports_slice + 1;
	return gateway < GATEWAY_NUMBERS ? gateway : 0;
}

static __always_inline __u8 member_state(__u8 gateway)
{
	const struct member_entry *member = member_by_number(gateway);

	return member ? member->state : MEMBER_NONE;
}

/* It lives, or did when it was heard last, and is not dead. */
static __always_inline bool was_heard(__u8 gateway)
{
	const struct member_entry *member = member_by_number(gateway);

	return member &&
	       (member->state == MEMBER_ALIVE || (member->state == MEMBER_SUSPECT && member->heard));
}

static __always_inline bool is_serving(__u8 gateway)
{
	const struct member_entry *member = member_by_number(gateway);

	return member && member->serving;
}

static __always_inline __u8 opener_of(const struct settings *config, const struct packet *packet)
{
	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return 0;
	return owner_of_port(config, packet->destination_port);
}

/*
 * The owner of a flow of which nothing is known but this packet and the socket it would meet here. 0: its owner is to
 * be asked for.
 */
static __always_inline __u8 owner_of_first(
	const struct settings *config, const struct packet *packet, int socket)
{
	__u8 opener;

	if (config->relay == RELAY_OFF || is_at_home(socket))
		return config->gateway;
	opener = opener_of(config, packet);
	if (opener && (opens(packet) ? member_state(opener) == MEMBER_ALIVE : was_heard(opener)))
		return opener;
	if (!goes_on(packet))
		return config->gateway;
	return others_now(config) == OTHERS_NONE ? config->gateway : 0;
}

/* Whether another gateway's ownership is over. `ended`: of its flow a FIN or RST was seen. */
static __always_inline bool has_lapsed(
	const struct settings *config, const struct packet *packet, __u8 owner, bool ended)
{
	if (config->relay == RELAY_OFF || !is_living(owner))
		return true;
	if (packet->protocol == IPPROTO_TCP && !(ended && opens(packet)))
		return false;
	if (packet->echo_reply || opener_of(config, packet) == owner)
		return false;
	return !is_serving(owner) && is_serving(config->gateway);
}

/* ---- Questions --------------------------------------------------------------------------------------------------- */

/*
 * The stamp of a flow that nobody owned when the members were asked, once they are asked with this packet too.
 * 0: they have been asked in both rounds, and none has it.
 */
static __always_inline __u64 stamp_of_asked(
	const struct settings *config, const struct packet *packet, __u64 stamp, __u32 now_ms)
{
	if (!STAMP_IS_ASKED(stamp) || others_now(config) == OTHERS_SUSPECT)
		return STAMP_ASKED(now_ms);
	if (calls_for_nothing(packet) || (__s32)(now_ms - (__u32)stamp) < ASK_MS)
		return stamp;
	return stamp < STAMP_ASKED_AGAIN(0) ? STAMP_ASKED_AGAIN(now_ms) : 0;
}

/* Whether another question may be put about what comes in by the tunnel. It counts. */
SUBPROGRAM int may_ask(__u32 tunnel)
{
	__u32 period = (__u32)(bpf_ktime_get_coarse_ns() / 1000000) / ASKS_MS;
	struct asks_entry first = {.period = period, .count = 1};
	struct asks_entry *entry = bpf_map_lookup_elem(&asks, &tunnel);

	if (!entry)
		return !bpf_map_update_elem(&asks, &tunnel, &first, BPF_ANY);
	if (entry->period != period) {
		entry->period = period;
		entry->count = 0;
	}
	return __sync_fetch_and_add(&entry->count, 1) < ASKS_MOST;
}

#endif
