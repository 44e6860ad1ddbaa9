// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's ESP. An XFRM interface looks what it carries up among the policies and states of its number (if_id), which
 * charon is told with the tunnel: so all tunnels may carry all addresses, and charon's life is not the interface's. The
 * numbers are of a range of our own (FAMILY), and an interface's while it lives, whatever a tunnel's number in the array
 * becomes: it is no reason to begin associations anew. No route leads to such an interface, and none need: what our programs
 * redirect there comes with a route of its packet's own, or with none, and then the interface asks for one from itself, for
 * which any that the packet's source finds will do, home0's: only policies and states of its number decide where it goes.
 * Without an association nothing leaves: the interface never sends in the clear.
 *
 * Where ESP goes in UDP, the kernel takes it out where it comes in, at charon's socket; so without charon nothing comes in.
 * One that was killed leaves its policies and states: they go before another is started, which would find them in its way.
 * A rule for its routes, which it would put in even where it has none, could not be told from another charon's: with no
 * table for them it has no rule.
 */
#include "apply/ipsec.h"

#include <errno.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "apply/private.h"
#include "base/cleanup.h"

#define FAMILY      0x68770000 /* "hw" */
#define FAMILY_MASK 0xffff0000
#define PROBE_ID    (FAMILY | 0xffff)
#define PROBE_SPI   0x68770001

static bool is_ours(uint32_t if_id)
{
	return (if_id & FAMILY_MASK) == FAMILY;
}

/* ---- Has the kernel all that it takes? ---------------------------------------------------------------------------- */

struct aead {
	struct xfrm_algo_aead algorithm;
	char key[20];
};

static void put_probe_state(struct message *message, int family)
{
	struct xfrm_usersa_info state = {.family = family,
		.mode = XFRM_MODE_TUNNEL,
		.id = {.daddr.a6 = {1}, .spi = htonl(PROBE_SPI), .proto = IPPROTO_ESP},
		.saddr.a6 = {2},
		.lft = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF}};
	struct aead aead = {
		{.alg_name = "rfc4106(gcm(aes))", .alg_key_len = 8 * sizeof(aead.key), .alg_icv_len = 128}};
	struct xfrm_encap_tmpl encapsulation = {.encap_type = UDP_ENCAP_ESPINUDP,
		.encap_sport = htons(IPSEC_PORT),
		.encap_dport = htons(IPSEC_PORT)};

	message_start(message, XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, &state, sizeof(state));
	message_put(message, XFRMA_ALG_AEAD, &aead, sizeof(aead));
	message_put(message, XFRMA_ENCAP, &encapsulation, sizeof(encapsulation));
	message_put_u32(message, XFRMA_IF_ID, PROBE_ID);
}

static int remove_probe_state(struct netlink *xfrm, int family, struct error *error)
{
	struct xfrm_usersa_id id = {
		.daddr.a6 = {1}, .spi = htonl(PROBE_SPI), .family = family, .proto = IPPROTO_ESP};
	struct message message;

	message_start(&message, XFRM_MSG_DELSA, 0, &id, sizeof(id));
	return netlink_request(xfrm, &message, error);
}

/* One that is left of a gwd that was killed just then is in the way. */
static int probe_state(struct netlink *xfrm, int family, struct error *error)
{
	struct message message;
	int result;

	remove_probe_state(xfrm, family, NULL);
	put_probe_state(&message, family);
	result = netlink_request(xfrm, &message, error);
	return result < 0 ? result : remove_probe_state(xfrm, family, error);
}

/* Known only by trying: a kernel loads the modules for whoever asks. */
static int check(struct apply *apply, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *xfrm = NULL;
	int result = netlink_open(NETLINK_XFRM, 0, &xfrm);

	if (result == 0)
		result = probe_state(xfrm, AF_INET, error);
	if (result == 0)
		result = probe_state(xfrm, AF_INET6, error);
	return result < 0 ? result : link_try(apply->netlink, XFRM_KIND, PROBE_ID, error);
}

/* ---- The interface ------------------------------------------------------------------------------------------------ */

struct used {
	uint32_t if_ids[1024];
	size_t count;
};

static int note_used(const struct link *link, void *context)
{
	struct used *used = context;

	if (is_ours(link->if_id) && used->count < ARRAY_SIZE(used->if_ids))
		used->if_ids[used->count++] = link->if_id;
	return 0;
}

static bool is_used(const struct used *used, uint32_t if_id)
{
	for (size_t i = 0; i < used->count; i++)
		if (used->if_ids[i] == if_id)
			return true;
	return false;
}

static int create(struct apply *apply, const char *name, struct error *error)
{
	struct used used = {0};
	uint32_t if_id = FAMILY + 1;
	int result = link_each(apply->netlink, note_used, &used, error);

	while (is_used(&used, if_id))
		if_id++;
	return result < 0 ? result : link_add_xfrm(apply->netlink, name, if_id, error);
}

static int serve(struct apply *apply, struct error *error)
{
	pid_t pid = ipsec_charon_pid(apply);

	if (pid > 0)
		return 0;
	if (!child_is_due(apply->children, IPSEC_CHILD))
		return error_set(error, -EAGAIN, "charon has just ended, and is started again in a moment");
	pid = ipsec_charon_start(apply, &ipsec_kernel, IPSEC_CHILD, error);
	return pid < 0 ? pid : 0;
}

static int remove_interface(struct apply *apply, const char *name, struct error *error)
{
	int result = link_remove(apply->netlink, name, error);

	return result == -ENODEV ? 0 : result;
}

static int adopt(struct apply *apply, const struct link *link, struct error *error)
{
	(void)link;
	return ipsec_charon_adopt(apply, IPSEC_CHILD, error);
}

/* ---- What a charon left -------------------------------------------------------------------------------------------- */

/* What is found is removed behind the reading: one request is outstanding at a time. */
struct leftover {
	bool is_policy;
	struct xfrm_usersa_id state;
	struct xfrm_userpolicy_id policy;
	uint32_t if_id;
};

struct leftovers {
	struct leftover *rows;
	size_t count;
};

static int add_leftover(struct leftovers *leftovers, const struct leftover *row)
{
	struct leftover *rows;

	if (!is_ours(row->if_id))
		return 0;
	rows = reallocarray(leftovers->rows, leftovers->count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	leftovers->rows = rows;
	rows[leftovers->count++] = *row;
	return 0;
}

static uint32_t if_id_of(const struct nlmsghdr *header, size_t size)
{
	struct attributes attributes;

	attributes_of_message(header, size, &attributes);
	return attribute_u32(&attributes, XFRMA_IF_ID, 0);
}

/* Both begin at a multiple of 4, and have words of 8 bytes: hence the copies. */
static int observe_state(const struct nlmsghdr *header, void *context)
{
	struct xfrm_usersa_info state;
	struct leftover row = {.if_id = if_id_of(header, sizeof(state))};

	memcpy(&state, message_payload(header), sizeof(state));
	row.state = (struct xfrm_usersa_id){.daddr = state.id.daddr,
		.spi = state.id.spi,
		.family = state.family,
		.proto = state.id.proto};
	return add_leftover(context, &row);
}

static int observe_policy(const struct nlmsghdr *header, void *context)
{
	struct xfrm_userpolicy_info policy;
	struct leftover row = {.is_policy = true, .if_id = if_id_of(header, sizeof(policy))};

	memcpy(&policy, message_payload(header), sizeof(policy));
	row.policy = (struct xfrm_userpolicy_id){.sel = policy.sel, .index = policy.index, .dir = policy.dir};
	return add_leftover(context, &row);
}

/* A state may have ended by itself meanwhile. */
static int remove_leftover(struct netlink *xfrm, const struct leftover *row, struct error *error)
{
	struct message message;
	int result;

	if (row->is_policy)
		message_start(&message, XFRM_MSG_DELPOLICY, 0, &row->policy, sizeof(row->policy));
	else
		message_start(&message, XFRM_MSG_DELSA, 0, &row->state, sizeof(row->state));
	message_put_u32(&message, XFRMA_IF_ID, row->if_id);
	result = netlink_request(xfrm, &message, error);
	return result == -ESRCH || result == -ENOENT ? 0 : result;
}

static int remove_leftovers(struct netlink *xfrm, struct leftovers *leftovers, struct error *error)
{
	struct message message;
	int result;

	message_start(&message, XFRM_MSG_GETPOLICY, 0, "", 0);
	result = netlink_dump(xfrm, &message, observe_policy, leftovers, error);
	message_start(&message, XFRM_MSG_GETSA, 0, "", 0);
	if (result == 0)
		result = netlink_dump(xfrm, &message, observe_state, leftovers, error);
	for (size_t i = 0; i < leftovers->count && result == 0; i++)
		result = remove_leftover(xfrm, &leftovers->rows[i], error);
	return result;
}

static int clean(struct apply *apply, struct error *error)
{
	_cleanup_(netlink_close_pointer) struct netlink *xfrm = NULL;
	struct leftovers leftovers = {0};
	int result;

	(void)apply;
	if (netlink_open(NETLINK_XFRM, 0, &xfrm) < 0)
		return 0; /* a kernel without has nothing of ours */
	result = remove_leftovers(xfrm, &leftovers, error);
	free(leftovers.rows);
	return result;
}

const struct ipsec_driver ipsec_kernel = {
	.name = "xfrm",
	.plugins = "kernel-netlink",
	.settings = "install_routes = no\n  routing_table = 0",
	.plugin_settings = "kernel-netlink { roam_events = no }",
	.check = check,
	.create = create,
	.serve = serve,
	.remove = remove_interface,
	.adopt = adopt,
	.clean = clean,
};
