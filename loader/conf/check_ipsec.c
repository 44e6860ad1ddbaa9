// SPDX-License-Identifier: Apache-2.0
/*
 * What must fit together in a tunnel that is WireGuard's or IPsec's: one of the two, and of IPsec one way to know the peer.
 */
#include <string.h>

#include "base/cleanup.h"
#include "conf/check.h"

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
	if (!address_is_set(&ipsec->remote) && !ipsec->remote_id && !was_refused(at, ".ipsec.remote") &&
		!was_refused(at, ".ipsec.remote_id"))
		fault(at, ".ipsec.remote_id", nobody);
}

static void has_one_family(const struct ipsec_review *at)
{
	const struct ipsec *ipsec = &at->tunnel->ipsec;

	if (address_is_set(&ipsec->remote) && address_is_set(&ipsec->local) &&
		address_is_v4(&ipsec->remote) != address_is_v4(&ipsec->local))
		fault(at, ".ipsec.local", "is of another family than ipsec.remote: correct one of the two");
}

/* An address has several texts. `text`: room for one. */
static const char *identity(const char *id, char *text)
{
	struct address address;

	return address_parse(id, &address) == 0 ? address_format(&address, text) : id;
}

/* Upper and lower case are one in names, as charon compares them. */
static bool are_equal(const char *one, const char *other)
{
	char text[ADDRESS_TEXT_SIZE], other_text[ADDRESS_TEXT_SIZE];

	return strcasecmp(identity(one, text), identity(other, other_text)) == 0;
}

/* As charon takes it: without a name the peer's is its address. */
static bool are_one_peer(const struct ipsec *one, const struct ipsec *other)
{
	char text[ADDRESS_TEXT_SIZE], other_text[ADDRESS_TEXT_SIZE];

	if ((!one->remote_id && !address_is_set(&one->remote)) ||
		(!other->remote_id && !address_is_set(&other->remote)))
		return false;
	return are_equal(one->remote_id ?: address_format(&one->remote, text),
		other->remote_id ?: address_format(&other->remote, other_text));
}

/* charon knows an association by the names of its ends: it would take each for the other's return, and end it. */
static bool are_told_apart(const struct ipsec *one, const struct ipsec *other)
{
	return one->local_id && other->local_id && !are_equal(one->local_id, other->local_id);
}

/* And a pre-shared key by the peer's name: of two it would take either. */
static bool share_their_key(const struct ipsec *one, const struct ipsec *other)
{
	return !one->psk_file || !other->psk_file || strcmp(one->psk_file, other->psk_file) == 0;
}

static void has_a_peer_of_its_own(const struct ipsec_review *at, const struct model *model)
{
	const struct ipsec *ipsec = &at->tunnel->ipsec;

	for (size_t i = 0; i < at->index; i++) {
		const struct ipsec *other = &model->tunnels[i].ipsec;
		bool told_apart = are_told_apart(ipsec, other);

		if (!other->enabled || !are_one_peer(ipsec, other) ||
			(told_apart && share_their_key(ipsec, other)))
			continue;
		if (told_apart)
			fault(at, ".ipsec.psk_file",
				"is another than that of another tunnel to the same peer, which has one: "
				"write "
				"the same file in both, or the peer's other remote_id");
		else
			fault(at, ".ipsec",
				"has the same peer as another: write a local_id in both, each its own, or "
				"the "
				"peer's other remote_id");
		return;
	}
}

/* A pre-shared key under our own name would prove any peer that knows us by it. */
static void has_not_our_name(const struct ipsec_review *at, const struct model *model)
{
	const struct ipsec *ipsec = &at->tunnel->ipsec;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		const char *ours = model->tunnels[i].ipsec.local_id;

		if (!ours || !ipsec->remote_id || !are_equal(ours, ipsec->remote_id))
			continue;
		fault(at, ".ipsec.remote_id", "is a local_id, the name of this gateway: a peer has another");
		return;
	}
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
		has_a_peer_of_its_own(&at, model);
		has_not_our_name(&at, model);
		count++;
	}
	if (count > 0)
		check_ports(review, model);
}
