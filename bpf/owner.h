/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose is a flow? Its owner is the gateway where its socket lives: the one that got its first request, or that opened
 * it. Requests that come in elsewhere are relayed there.
 *
 *  - A first packet (SYN, UDP, an echo request) makes the gateway that got it the owner, unless its port is in the
 *    slice of another one that lives: then that one opened it. A SYN answers nothing, so for it the other one must be
 *    known to live: else a service in the slice of one that never was would be nowhere.
 *  - Any other TCP segment without a line, and an echo reply, belongs to a flow that began elsewhere, or before a
 *    restart. A socket here claims it; else the members are asked (relay.h), and until one answers nobody owns it. When
 *    ASK_MS have gone by nobody has it, so it is ours, for our stack to reset; but while a member is suspect it may be
 *    there, unheard, and is asked again and again, for a reset cannot be taken back. An echo reply resets nothing and is
 *    nothing to our stack: it is always asked.
 *  - Ownership lapses when the owner is dead. TCP then comes to our stack, which resets it. UDP and ICMP have no
 *    connection to lose and find an application anywhere, so theirs lapses as soon as the owner does not serve, but for
 *    what is an answer to the owner's own question.
 *
 * Under SYN cookies the last segment of a handshake meets a listener, and only the gateway that wrote the cookie could
 * tell it from a stray one. It is known by its half-open line, here and where members ask; should a flood have taken
 * that line, the client's next segment after ASK_MS comes to the stack it first went to, which then knows its cookie.
 *
 * The numbers of gateways are abi.h's; 0 is nobody.
 */
#ifndef HOMEWARD_OWNER_H
#define HOMEWARD_OWNER_H

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/table.h"

#define ASK_MS 500

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

/* The state of the socket that the stack would give the segment to. */
SUBPROGRAM int socket_state(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size, state;

	if (!packet)
		return TCP_STATE_NONE;
	if (packet->version == 4) {
		__builtin_memcpy(&tuple.ipv4.saddr, packet->source + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, packet->destination + 12, 4);
		tuple.ipv4.sport = packet->source_port;
		tuple.ipv4.dport = packet->destination_port;
		size = sizeof(tuple.ipv4);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->source, 16);
		__builtin_memcpy(tuple.ipv6.daddr, packet->destination, 16);
		tuple.ipv6.sport = packet->source_port;
		tuple.ipv6.dport = packet->destination_port;
		size = sizeof(tuple.ipv6);
	}
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
	if (opener && (opens(packet) ? member_state(opener) == MEMBER_ALIVE : is_living(opener)))
		return opener;
	if (!goes_on(packet))
		return config->gateway;
	return others_now(config) == OTHERS_NONE ? config->gateway : 0;
}

/* Whether another gateway's ownership is over. */
static __always_inline bool has_lapsed(const struct settings *config, const struct packet *packet, __u8 owner)
{
	const struct member_entry *member = member_by_number(owner);

	if (config->relay == RELAY_OFF || !member || !is_living(owner))
		return true;
	if (packet->protocol == IPPROTO_TCP || packet->echo_reply || opener_of(config, packet) == owner)
		return false;
	return !member->serving;
}

/* The owner of a flow that nobody owned when the members were asked first. 0: they are to be asked once more. */
static __always_inline __u8 owner_of_asked(
	const struct settings *config, const struct packet *packet, int socket, __u32 asked_ms, __u32 now_ms)
{
	__u8 owner = owner_of_first(config, packet, socket);

	if (owner || packet->echo_reply || now_ms - asked_ms < ASK_MS)
		return owner;
	return others_now(config) == OTHERS_SUSPECT ? 0 : config->gateway;
}

#endif
