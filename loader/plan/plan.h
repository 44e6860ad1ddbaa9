/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: what has to be done so that what *is* becomes what is *wanted*.
 *
 * Everything that gwd makes in a machine is an `item`: an interface, an address, a rule, an attached program.
 * apply observes the items that are there, the model says which are wanted, and the plan is their difference,
 * in an order that is safe at every step: links and keys → maps → programs → rules → tunnels opened. A tunnel
 * is set up last and down first, so that no packet ever comes out of one that its program has not admitted:
 * what the host would do with it then (forward it, where ip_forward is on) is not ours to know. Announcing
 * comes after the plan, withdrawing before it: both are main's. Stopping is the plan for "nothing wanted":
 * the reverse of the start. A plan for a machine that is as it should be is empty, so healing, starting and
 * reconfiguring are one thing: observe, plan, apply.
 *
 * This module is pure: no I/O, no clock, no memory of its own. Items and plans borrow the texts of the model
 * that they were made from; they must not outlive it. No secret is in a plan: keys are named by their files.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/address.h"
#include "model.h"

#define HOME_INTERFACE          "home0"
#define LOOPBACK_INTERFACE      "lo"
#define WIREGUARD_KEY_TEXT_SIZE 45 /* base64 of 32 bytes */

/* The table that responses go by, and the priorities of the rules that lead to it and past it. */
#define HOME_TABLE           7770
#define MAIN_TABLE           254
#define INSIDE_RULE_PRIORITY 7000
#define HOME_RULE_PRIORITY   7001
#define LINK_RULE_PRIORITY   7002

/*
 * The same for what probes ask behind a tunnel's link, for sockets that are bound to it alone: a table a tunnel, with its
 * number behind this one. PROBE_RULE_PRIORITY: model.h.
 */
#define PROBE_TABLES 777100000

/* In the order in which they are made. */
enum item_kind {
	ITEM_LINK,       /* an interface exists */
	ITEM_SYSCTL,     /* a setting of one of our own interfaces */
	ITEM_WIREGUARD,  /* a tunnel's key, port and peer */
	ITEM_IPSEC,      /* what strongSwan is told of a tunnel */
	ITEM_MTU,        /* of an interface */
	ITEM_UP,         /* home0 or lo is up: routes and addresses need them */
	ITEM_ADDRESS,    /* on an interface */
	ITEM_OBJECT,     /* the BPF maps and programs are loaded and pinned */
	ITEM_ENTRIES,    /* the maps say what the model says */
	ITEM_ATTACHMENT, /* a program is attached to an interface */
	ITEM_NEIGHBOUR,  /* the permanent neighbour behind home0 */
	ITEM_ROUTE,      /* a default route in HOME_TABLE */
	ITEM_RULE,       /* a policy rule */
	ITEM_OPEN,       /* a tunnel is up: packets come in */
	ITEM_WAY, /* a default route in a table of PROBE_TABLES, by a tunnel: it goes when that is closed */
	ITEM_KINDS
};

/* An item's is one of the first three. Egress: the settings of a tunnel that is a link of an egress group. */
enum link_role {
	LINK_TUNNEL, /* WireGuard's */
	LINK_IPSEC,
	LINK_HOME,
	LINK_EGRESS
};

enum program {
	PROGRAM_TUNNEL_INGRESS,
	PROGRAM_RETURN_EGRESS,
	PROGRAM_UPLINK_INGRESS,
	PROGRAM_LAN_INGRESS,
	PROGRAM_LINK_INGRESS,
	PROGRAM_UPLINK_XDP,
	PROGRAMS
};

struct item {
	enum item_kind kind;
	bool foreign;             /* observed: it is there, but not of our making: never removed */
	char interface[IFNAMSIZ]; /* empty where a kind has none; a rule's: of what leaves by this one alone */
	union {
		enum link_role role;
		struct {
			const char *family, *name; /* "ipv4", "rp_filter": both from a static table */
			int value;
		} sysctl;
		struct item_wireguard {
			const char *private_key_file; /* observed: NULL unless the device holds the wanted
							 file's key */
			uint16_t listen_port;
			uint16_t keepalive_s;
			bool has_endpoint; /* observed: the peer has one, wherever it roamed to */
			/*
			 * Where its endpoint stands. Observed: of the configuration in force, NULL when none is
			 * known.
			 */
			const struct tunnel *tunnel;
			char peer_public_key[WIREGUARD_KEY_TEXT_SIZE]; /* empty: not exactly one peer */
		} wireguard;
		struct {
			const struct tunnel
				*tunnel; /* observed: NULL unless it runs with just what this one says */
		} ipsec;
		uint32_t mtu;
		struct prefix address;
		struct {
			uint32_t flows, devices; /* lines; observed 0: half made */
			/* Observed, so that what is replaced can be switched back to: */
			bool outdated;       /* of another build, or damaged */
			uint64_t generation; /* apply's number of it */
		} object;
		const struct model *model; /* entries: whose */
		struct {
			enum program program;
			enum attach_mode
				mode;  /* observed: ATTACH_TCX or ATTACH_CLSACT; XDP: always ATTACH_AUTO */
			bool outdated; /* observed: not a program of the current generation */
			uint64_t generation; /* observed: of which it is; 0: of none that is known */
		} attachment;
		struct {
			struct address address;
			uint8_t mac[6];
		} neighbour;
		struct {
			uint32_t table;
			struct address
				gateway; /* its family is the route's; a way's says no more than that */
		} route;
		struct {
			uint32_t priority, table;
			struct address from; /* nothing (::): whoever asks for a way out by `interface` */
			bool has_to;
			struct prefix to;
		} rule;
	};
};

struct items {
	struct item *items;
	size_t count, room;
};

/* 0 or -ENOMEM. The item is copied. */
int items_add(struct items *items, const struct item *item);
/* The item that is the same thing, whatever its value; or NULL. */
const struct item *items_find(const struct items *items, const struct item *thing);
void items_free(struct items *items);

enum step_action { STEP_ADD, STEP_CHANGE, STEP_REMOVE };

struct step {
	enum step_action action;
	struct item item;   /* what shall be (add, change) or be no more (remove) */
	struct item before; /* what was, for a change */
};

struct plan {
	struct step *steps;
	size_t count, room;
};

/* The settings of each of our interfaces, with the values wanted. */
struct setting {
	const char *family, *name; /* "ipv4", "rp_filter" */
	int value;
};
const struct setting *plan_settings(enum link_role role, size_t *count);

/* All items that the model wants, in the order of making. 0 or -ENOMEM. */
int plan_wanted(const struct model *model, struct items *wanted);

/* The difference. `model` NULL: nothing is wanted. An empty plan is success. 0 or -ENOMEM. */
int plan_make(const struct items *observed, const struct model *model, struct plan *plan);
/* Takes out all that is to be done on an interface: it cannot be made now. */
void plan_leave_out(struct plan *plan, const char *interface);
void plan_free(struct plan *plan);

#define STEP_TEXT_SIZE 256
/* "add address 192.0.2.1/32 on lo": writes at most STEP_TEXT_SIZE bytes, returns `text`. */
const char *step_format(const struct step *step, char *text);
const char *item_format(const struct item *item, char *text);
/* One readable line a step. */
void plan_print(const struct plan *plan, FILE *stream);

const char *program_name(enum program program);

#endif
