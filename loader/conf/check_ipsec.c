// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together in a tunnel that is WireGuard's or IPsec's: one of the two, and of IPsec one way to know the peer.
 */
#include "base/cleanup.h"
#include "conf/check.h"

#define IPSEC_MTU_MOST 1400

static const char nobody[] =
	"is missing, and without ipsec.remote nobody knows who may begin: write who the peer must be";

struct ipsec_review {
	struct review *review;
	const struct tunnel *tunnel;
	size_t index;
};

static void fault(const struct ipsec_review *at, const char *key, const char *words)
{
	char path[KEY_PATH_SIZE];

	snprintf(path, sizeof(path), "tunnels[%zu]%s", at->index, key);
	review_problem(at->review, path, "%s", words);
}

static bool is_set(const struct address *address)
{
	static const struct address nothing;

	return !address_equal(address, &nothing);
}

/* Something has been said of the key already: it is there, and could not be read. */
static bool was_refused(const struct ipsec_review *at, const char *key)
{
	char path[KEY_PATH_SIZE];

	snprintf(path, sizeof(path), "tunnels[%zu]%s", at->index, key);
	return review_blames(at->review, path);
}

static void is_one_of_two(const struct ipsec_review *at)
{
	const struct tunnel *tunnel = at->tunnel;

	if (tunnel->wireguard.enabled && tunnel->ipsec.enabled)
		fault(at, "", "has wireguard and ipsec: a tunnel is one of the two");
	else if (!tunnel->wireguard.enabled && !tunnel->ipsec.enabled && !was_refused(at, ".wireguard") &&
		 !was_refused(at, ".ipsec"))
		fault(at, "", "is neither WireGuard nor IPsec: write its wireguard section, or ipsec");
}

static void knows_its_peer(const struct ipsec_review *at)
{
	const struct ipsec *ipsec = &at->tunnel->ipsec;
	bool has_psk = ipsec->psk_file || was_refused(at, ".ipsec.psk_file");
	bool has_certificate = ipsec->cert_file || was_refused(at, ".ipsec.certificate") ||
			       was_refused(at, ".ipsec.certificate.cert_file");

	if (has_psk && has_certificate)
		fault(at, ".ipsec", "has psk_file and certificate: one of the two vouches for the peer");
	else if (!has_psk && !has_certificate)
		fault(at, ".ipsec", "has neither psk_file nor certificate: nothing vouches for the peer");
	if (!is_set(&ipsec->remote) && !ipsec->remote_id && !was_refused(at, ".ipsec.remote") &&
		!was_refused(at, ".ipsec.remote_id"))
		fault(at, ".ipsec.remote_id", nobody);
}

static void has_one_family(const struct ipsec_review *at)
{
	const struct ipsec *ipsec = &at->tunnel->ipsec;

	if (is_set(&ipsec->remote) && is_set(&ipsec->local) &&
		address_is_v4(&ipsec->remote) != address_is_v4(&ipsec->local))
		fault(at, ".ipsec.local", "is of another family than ipsec.remote: correct one of the two");
}

/*
 * strongSwan in user space hands all its peers' packets to one interface, and chooses the peer by a packet's addresses; our
 * tunnels carry all addresses.
 */
static void is_the_only_one(const struct ipsec_review *at, size_t *count)
{
	if (++*count > 1)
		fault(at, ".ipsec",
			"is a second one: strongSwan's kernel-libipsec has one interface for all its peers, "
			"so a gateway "
			"has "
			"one IPsec tunnel; make the others WireGuard's, or put them on other gateways");
}

/* kernel-libipsec reads what goes out by its device into a buffer of that size, and drops what is larger without a word. */
static void fits_its_device(struct review *review, const struct model *model)
{
	if (model->array.mtu > IPSEC_MTU_MOST)
		review_problem(review, "array.mtu",
			"%u is too large beside an IPsec tunnel: strongSwan's kernel-libipsec carries "
			"packets of "
			"%d bytes at most",
			model->array.mtu, IPSEC_MTU_MOST);
}

/* IKE's ports are charon's. */
static void check_ports(struct review *review, const struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct ipsec_review at = {review, &model->tunnels[i], i};
		uint16_t port = at.tunnel->wireguard.listen_port;

		if (at.tunnel->wireguard.enabled && (port == 500 || port == 4500))
			fault(&at, ".wireguard.listen_port", "is a port that IPsec needs: take another");
	}
}

void check_ipsec(struct review *review, const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		const struct ipsec_review at = {review, &model->tunnels[i], i};

		is_one_of_two(&at);
		if (!at.tunnel->ipsec.enabled)
			continue;
		knows_its_peer(&at);
		has_one_family(&at);
		is_the_only_one(&at, &count);
	}
	if (count == 0)
		return;
	fits_its_device(review, model);
	check_ports(review, model);
}
