/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may come in by a link of an egress group. The far end is the platform's, or a VPN's: it may speak for the group's
 * destinations and its own link, and for nobody else; of the addresses that are ours by configuration, only to the link's,
 * and of the destinations only the answers of those that our probes ask from there. The one exception are ICMP errors, which any router on
 * the way may send; they are judged by what they quote, as an answer of whom that went to.
 *
 * Decides by what the maps say and nothing else, so that `explain` can ask the same question without a packet.
 */
#ifndef HOMEWARD_LINK_H
#define HOMEWARD_LINK_H

#include "bpf/admit.h"
#include "bpf/egress.h"
#include "bpf/owner.h"

/* Probes ask by ICMP and TCP; whom they ask begins nothing here. */
static __always_inline bool may_answer_probe(const struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP)
		return !opens(packet);
	return packet->icmp == ICMP_KIND_ERROR || packet->echo_reply;
}

/* `of`: whose answer it is; NULL: nobody's. */
static __always_inline enum reason admit_answer(
	const struct tunnel_entry *tunnel, __u32 number, const struct packet *packet, const __u8 *of)
{
	const struct local_entry *local = local_by_address(packet->destination);

	if (local && (local->kind != LOCAL_TUNNEL || local->which != number))
		return REASON_destination_not_link;
	if (local && is_neighbour(number, packet->source))
		return REASON_passed_link;
	if (local)
		return of && may_answer_probe(packet) && holder_of(SPACE_PROBED, number, of)
			       ? REASON_passed_egress
			       : REASON_source_not_link;
	return of && lies_in_group(tunnel->egress, of) ? REASON_passed_egress : REASON_source_not_egress;
}

#endif
