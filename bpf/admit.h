/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who may come in by a tunnel, and as what.
 *
 * The other end of a tunnel belongs to a provider, and its devices are in nobody's hands. So a packet must
 * say where it comes from truthfully (promise 7): from the tunnel's own link, or from the prefixes of the
 * provider that the tunnel leads to. The one exception are ICMP errors, which any router on the way may
 * send; they are judged by what they quote, which must be a packet that a loopback of ours sent to that
 * provider.
 *
 * Decides by what the maps say and nothing else, so that `explain` can ask the same question without a
 * packet.
 */
#ifndef HOMEWARD_ADMIT_H
#define HOMEWARD_ADMIT_H

#include "bpf/provider.h"

static __always_inline bool is_loopback_of(const struct local_entry *local, __u16 zone)
{
	return local && local->kind == LOCAL_LOOPBACK && local->which == zone;
}

/* Our own address is on the link too, and nobody else may speak with it. */
static __always_inline bool is_neighbour(__u32 number, const __u8 address[16])
{
	return holder_of(SPACE_LINK, number, address) && !local_by_address(address);
}

/* Whether the address may be on the far side of the tunnel. */
static __always_inline bool lies_behind(
	const struct tunnel_entry *tunnel, __u32 number, const __u8 address[16])
{
	__u16 provider = provider_of(tunnel, tunnel->zone, address);

	if (provider)
		return provider == tunnel->provider;
	return is_neighbour(number, address);
}

/*
 * What a packet is that came in by this tunnel: one of the reasons passed_*, or why it is to be dropped.
 * `quoted` is what an ICMP error quotes, and is looked at for no other packet.
 */
static __always_inline enum reason admit(const struct tunnel_entry *tunnel, __u32 number,
	const struct packet *packet, const struct packet *quoted)
{
	const struct local_entry *local = local_by_address(packet->destination);

	if (local && local->kind == LOCAL_TUNNEL && local->which == number)
		return is_neighbour(number, packet->source) ? REASON_passed_link : REASON_source_not_link;
	if (!is_loopback_of(local, tunnel->zone))
		return REASON_destination_not_loopback;
	if (packet->icmp == ICMP_KIND_ERROR)
		return same_address(quoted->source, packet->destination) &&
				       lies_behind(tunnel, number, quoted->destination)
			       ? REASON_passed_icmp_error
			       : REASON_icmp_error_not_ours;
	return lies_behind(tunnel, number, packet->source) ? REASON_passed_request
							   : REASON_source_not_provider;
}

#endif
