// SPDX-License-Identifier: Apache-2.0
/*
 * The same keys as in swanctl.conf(5). What is not configured:
 *
 *  - mobike: the ends of a tunnel are where the configuration says;
 *  - encap: ESP goes in UDP, port 4500, always: user space has no other way, and a firewall passes one thing, not two;
 *  - copy_df: a packet in ESP may be cut up on its way, as one of WireGuard's may. But the kernel makes none that is larger than
 *    its route's MTU: what does not fit, an XFRM interface drops. So array.mtu has to leave room for ESP there, which the
 *    doctor looks at; strongSwan in user space sends it in fragments;
 *  - keyingtries 0, dpd_action restart: what was begun is begun again for ever, also while there is no gwd. What charon gives up
 *    all the same (a peer that refuses, or closes), gwd begins anew (ipsec_tend());
 *  - if_id_in, if_id_out: the number of the tunnel's XFRM interface, which says whose packets these are (ipsec_kernel.c);
 *  - replay_window: as many packets as the kernel can remember may overtake one, where 32 are usual, which is less than a
 *    millisecond's of a link that is used; WireGuard bears 8000;
 *  - rekey_packets: the number of an ESP packet has 32 bits, and none leaves when they are used up, whatever rekey.esp says;
 *  - unique replace: a peer that comes back from nothing leaves no twin of itself.
 */
#include "apply/ipsec.h"

#include <string.h>

#define REPLAY_WINDOW 4096        /* XFRMA_REPLAY_ESN_MAX bits */
#define REKEY_PACKETS 2000000000U /* the half, nearly: new keys may take their time */

static void put_list(struct vici *stream, const char *name, char *const texts[], size_t count)
{
	if (count == 0)
		return;
	vici_list(stream, name);
	for (size_t i = 0; i < count; i++)
		vici_item(stream, texts[i], strlen(texts[i]));
	vici_list_end(stream);
}

static void put_blobs(struct vici *stream, const char *name, const struct ipsec_file *blobs, size_t count)
{
	if (count == 0)
		return;
	vici_list(stream, name);
	for (size_t i = 0; i < count; i++)
		vici_item(stream, blobs[i].bytes, blobs[i].size);
	vici_list_end(stream);
}

static void put_address(struct vici *stream, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	if (address_is_set(address))
		put_list(stream, name, (char *[]){(char *)address_format(address, text)}, 1);
}

/* Of seconds; 0: never. */
static void put_time(struct vici *stream, const char *name, uint32_t milliseconds)
{
	vici_number(stream, name, milliseconds / 1000);
}

/* `text`: room for an address. NULL: whoever has the certificate. */
static const char *remote_identity(const struct ipsec *ipsec, char *text)
{
	return ipsec->remote_id ? ipsec->remote_id : address_format(&ipsec->remote, text);
}

/* Who vouches for our certificate: the peer is sent them too. They are certificates like others: it is not asked whose. */
static void put_chain(const struct ipsec_file *blocks, size_t count, struct vici *stream)
{
	for (size_t i = 0; i < count; i++) {
		vici_command(stream, "load-cert");
		vici_value(stream, "type", "X509");
		vici_value(stream, "flag", "CA");
		vici_bytes(stream, "data", blocks[i].bytes, blocks[i].size);
	}
}

/*
 * A pre-shared key is the peer's, and known by the peer's name alone: charon takes whichever fits *either* end's for a proof, so
 * one that had our name too would prove any peer to be any other that we are called the same by.
 */
static void put_secret(const struct tunnel *tunnel, const struct ipsec_files *files, struct vici *stream)
{
	const struct ipsec *ipsec = &tunnel->ipsec;
	char text[ADDRESS_TEXT_SIZE];
	char *owner = (char *)remote_identity(ipsec, text);

	if (files->psk.size == 0) {
		vici_command(stream, "load-key");
		vici_value(stream, "type", "any");
		vici_bytes(stream, "data", files->key.bytes, files->key.size);
		return;
	}
	vici_command(stream, "load-shared");
	vici_value(stream, "id", tunnel->name);
	vici_value(stream, "type", "IKE");
	vici_bytes(stream, "data", files->psk.bytes, files->psk.size);
	put_list(stream, "owners", &owner, 1);
}

static void put_ends(const struct ipsec *ipsec, const struct ipsec_files *files, struct vici *stream)
{
	const char *method = files->psk.size ? "psk" : "pubkey";
	struct ipsec_file ours[CERTIFICATES_MOST], theirs[CERTIFICATES_MOST];
	size_t our_count = ipsec_blocks(&files->certificate, ours);
	char text[ADDRESS_TEXT_SIZE];

	vici_section(stream, "local");
	vici_value(stream, "auth", method);
	if (ipsec->local_id)
		vici_value(stream, "id", ipsec->local_id);
	put_blobs(stream, "certs", ours, our_count ? 1 : 0);
	vici_section_end(stream);
	vici_section(stream, "remote");
	vici_value(stream, "auth", method);
	vici_value(stream, "id", remote_identity(ipsec, text));
	put_blobs(stream, "cacerts", theirs, ipsec_blocks(&files->authority, theirs));
	vici_section_end(stream);
}

static void put_child(const struct tunnel *tunnel, uint32_t if_id, struct vici *stream)
{
	static char *const everything[] = {"0.0.0.0/0", "::/0"};
	const struct ipsec *ipsec = &tunnel->ipsec;

	vici_section(stream, "children");
	vici_section(stream, tunnel->name);
	vici_value(stream, "mode", "tunnel");
	put_list(stream, "local_ts", everything, 2);
	put_list(stream, "remote_ts", everything, 2);
	put_list(stream, "esp_proposals", ipsec->esp_proposals, ipsec->esp_proposal_count);
	put_time(stream, "rekey_time", ipsec->rekey_esp_ms);
	vici_number(stream, "replay_window", REPLAY_WINDOW);
	if (if_id) {
		vici_number(stream, "rekey_packets", REKEY_PACKETS);
		vici_value(stream, "copy_df", "no");
		vici_number(stream, "if_id_in", if_id);
		vici_number(stream, "if_id_out", if_id);
	}
	vici_value(stream, "start_action", "none");
	vici_value(stream, "close_action", "none");
	vici_value(stream, "dpd_action", address_is_set(&ipsec->remote) ? "restart" : "clear");
	vici_section_end(stream);
	vici_section_end(stream);
}

static void put_connection(
	const struct tunnel *tunnel, const struct ipsec_files *files, uint32_t if_id, struct vici *stream)
{
	const struct ipsec *ipsec = &tunnel->ipsec;

	vici_command(stream, "load-conn");
	vici_section(stream, tunnel->name);
	vici_value(stream, "version", "2");
	put_address(stream, "local_addrs", &ipsec->local);
	put_address(stream, "remote_addrs", &ipsec->remote);
	put_list(stream, "proposals", ipsec->ike_proposals, ipsec->ike_proposal_count);
	vici_value(stream, "mobike", "no");
	vici_value(stream, "encap", "yes");
	vici_value(stream, "keyingtries", "0");
	vici_value(stream, "unique", "replace");
	vici_value(stream, "send_cert", "always");
	put_time(stream, "rekey_time", ipsec->rekey_ike_ms);
	put_time(stream, "reauth_time", ipsec->reauthenticate_ms);
	put_time(stream, "dpd_delay", ipsec->dpd_ms);
	put_ends(ipsec, files, stream);
	put_child(tunnel, if_id, stream);
	vici_section_end(stream);
}

void ipsec_render(
	const struct tunnel *tunnel, const struct ipsec_files *files, uint32_t if_id, struct vici *stream)
{
	struct ipsec_file blocks[CERTIFICATES_MOST];
	size_t count = ipsec_blocks(&files->certificate, blocks);

	if (count > 1)
		put_chain(blocks + 1, count - 1, stream);
	put_secret(tunnel, files, stream);
	put_connection(tunnel, files, if_id, stream);
}
