/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces and their addresses. What we made bears the alias OUR_ALIAS, which `ip link` shows, and behind it a word where
 * its kind does not tell who serves it: nobody's interface is taken for ours by its name. All answer 0 or a negative errno with the kernel's words in
 * `error`.
 */
#ifndef APPLY_LINK_H
#define APPLY_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "apply/netlink.h"
#include "base/address.h"

#define OUR_ALIAS       "homeward"
#define LINK_WORD       "ipsec" /* behind it, and then a number: a TUN device of charon's */
#define XFRM_KIND       "xfrm"
#define PROBE_INTERFACE "hw-probe" /* what link_try() makes */
#define HOME_MAC                        \
	{                               \
		0x02, 'h', 'w', 0, 0, 1 \
	} /* fixed: relayed requests are addressed to it */

struct link {
	uint32_t index, mtu;
	bool up, ours;
	bool has_headers; /* of a link layer, Ethernet's say: a tunnel's packets begin with IP */
	char name[IFNAMSIZ];
	char kind[16]; /* "wireguard", "tun", "xfrm", "veth", …: the kernel's word, empty when it says none */
	char alias[48];
	char word[16];  /* what its alias says behind "homeward " */
	uint32_t if_id; /* of an XFRM interface: by it policies and states know it; 0: of another kind */
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
};

typedef int (*link_callback)(const struct link *link, void *context);
int link_each(struct netlink *netlink, link_callback callback, void *context, struct error *error);
/* -ENODEV, and no words, when there is none of that name. */
int link_find(struct netlink *netlink, const char *name, struct link *link, struct error *error);

/* An interface of a kind that needs no more said ("wireguard"). */
int link_add(struct netlink *netlink, const char *name, const char *kind, struct error *error);
/*
 * Whether the kernel has a kind is known only by trying: an interface is made, and removed. `if_id`: of an XFRM interface, else 0.
 * One that is left of a gwd that was killed just then goes first.
 */
int link_try(struct netlink *netlink, const char *kind, uint32_t if_id, struct error *error);
/* An XFRM interface: what it carries is looked up among the policies and states of that number, which is nobody else's. */
int link_add_xfrm(struct netlink *netlink, const char *name, uint32_t if_id, struct error *error);
/* A dummy where the kernel has it, else a veth pair with a silent other end; without ARP. */
int link_add_home(struct netlink *netlink, const char *name, struct error *error);
int link_remove(struct netlink *netlink, const char *name, struct error *error);
int link_rename(struct netlink *netlink, const char *name, const char *new_name, struct error *error);
int link_set_alias(struct netlink *netlink, const char *name, const char *alias, struct error *error);
int link_mark_ours(struct netlink *netlink, const char *name, struct error *error);
int link_set_mtu(struct netlink *netlink, const char *name, uint32_t mtu, struct error *error);
/* How many packets wait there for whoever takes them: of a TUN device, its process. */
int link_set_queue(struct netlink *netlink, const char *name, uint32_t packets, struct error *error);
int link_set_up(struct netlink *netlink, const char *name, bool up, struct error *error);

int address_add(struct netlink *netlink, const char *name, const struct prefix *prefix, struct error *error);
int address_remove(
	struct netlink *netlink, const char *name, const struct prefix *prefix, struct error *error);
/* `ours`: made by us. Link-local addresses are left out. */
typedef int (*address_callback)(uint32_t index, const struct prefix *prefix, bool ours, void *context);
int address_each(struct netlink *netlink, address_callback callback, void *context, struct error *error);

#endif
