/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status: what *is*, as the model is what is wanted. main fills it from what apply, health and bird
 * report; ctl shows it. Nobody else writes. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "health/imbalance.h"
#include "health/probe.h"
#include "model.h"

enum session_state { SESSION_OFF, SESSION_DOWN, SESSION_UP }; /* off: not configured */

/* The best of a tunnel's security associations, in strongSwan's words; all empty: there is none, or it is no IPsec tunnel. */
struct ipsec_status {
	char ike[24]; /* "ESTABLISHED", "CONNECTING", … */
	char esp[24]; /* of the one for packets: "INSTALLED", "REKEYING", … */
	uint64_t ike_age_ms, esp_age_ms;
	int64_t ike_rekey_ms, reauthenticate_ms, esp_rekey_ms; /* from now; -1: never */
	uint64_t received_bytes, sent_bytes;                   /* by this one */
};

struct tunnel_status {
	const struct tunnel *tunnel;
	uint32_t ifindex;   /* 0: there is no such interface now */
	const char *driver; /* "wireguard" and "xfrm" (the kernel's), "wireguard-go", "strongswan" */
	bool usable;        /* responses may leave here */
	uint64_t usable_since_ms;
	const char *cause; /* why it is usable or not, in words */
	bool disabled;     /* by an operator */
	bool leaving;      /* … a moment ago: it is usable still, and announced as leaving */
	enum session_state bfd, bgp;
	char bgp_text[48]; /* the daemon's own word: "Established", "Active", … */
	uint64_t bgp_since_ms;
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	uint64_t handshake_age_ms; /* UINT64_MAX: never */
	struct ipsec_status ipsec;
	char ipsec_error[128]; /* strongSwan's last complaint since it was well; empty: none */
};

struct router_status {
	const struct router *router;
	enum session_state bfd, bgp;
	char bgp_text[48]; /* the daemon's own word */
	uint64_t bgp_since_ms;
};

struct uplink_status {
	const char *name;
	uint32_t ifindex; /* 0: there is no such interface now */
	bool up;          /* as the administrator set it: whether a cable is in is not asked */
	bool lost;        /* as last told */
};

struct egress_link_status {
	bool usable, in;       /* in: it carries traffic */
	const char *announces; /* its neighbour, of the destinations: "all", …; NULL: whatever it announces */
	uint64_t since_ms;     /* when `in` changed last */
	char cause[128];       /* and why */
	uint16_t slots;        /* its share, of 4096 */
	uint64_t packets, bytes; /* sent by it */
};

struct egress_status {
	const struct egress_group *group;
	uint64_t since_ms;  /* when its links in changed last */
	uint16_t commanded; /* the number of the tunnel that an operator switched to; 0: of none */
	struct egress_link_status links[EGRESS_LINKS_MAX]; /* in the group's order */
	struct imbalance imbalance;                        /* where the load is shared */
};

struct loopback_status {
	const struct loopback *loopback;
	bool announced;
	char kept_back[PROBE_CAUSE_SIZE]; /* by which probe, and why; empty: by none */
};

/* A tunnel of another gateway, as that one told us. */
struct member_tunnel {
	uint16_t number;
	const struct provider *provider; /* NULL: one that we do not have */
	bool usable;
};

/* A gateway of the array; our own row has what we know of ourselves, and MEMBER_NONE as its state. */
struct member_status {
	const struct member *member;
	uint8_t state;          /* enum member_state of bpf/abi.h */
	bool serving;           /* it announces loopbacks and does not drain */
	bool ready;             /* it knows what the array knows, as it says */
	uint64_t since_ms;      /* when `state` or `serving` changed last */
	uint64_t last_heard_ms; /* a heartbeat or a relay of it; 0: never */
	/* From a change there until it stands in our tables; 0: not known. */
	uint32_t lag_p50_us, lag_p99_us;
	/* Datagrams of the replication: to it and from it; those that never came, were asked for again, are not believed. */
	uint64_t sent, received, lost, asked_again,
		refused;             /* of this gateway: refused alone, those that name no member */
	uint64_t unkept;             /* records of it for which our tables had no line */
	uint64_t overflowed, unsent; /* of this gateway: came too fast for us; could not be sent */
	uint64_t flows;              /* that it owns, as it says */
	int64_t clock_skew_ms;       /* its clock less ours */
	struct member_tunnel *tunnels;
	size_t tunnel_count;
};

struct status {
	const struct model *model;
	uint64_t started_ms;
	bool bird_running;
	const char *attach; /* "tcx" or "clsact": how return_egress is attached to home0; NULL: not */
	const char *xdp;    /* "native", "generic" or "none" */
	bool xdp_relays;    /* by itself, what surfaces there and has its way home elsewhere */
	struct tunnel_status *tunnels;     /* model->tunnel_count, in the model's order */
	struct router_status *routers;     /* model->router_count, in the model's order */
	struct uplink_status *uplinks;     /* and LANs: model_interface_count(), in the model's order */
	struct loopback_status *loopbacks; /* model->loopback_count, in the model's order */
	struct egress_status *egress;      /* model->egress_count, in the model's order */
	struct probe_state *probes;        /* model->probe_count, in the model's order */
	struct member_status *members;     /* model->array.member_count, in the model's order */
	bool drained;  /* by an operator: nothing is announced, or not for long any more */
	bool isolated; /* it hears no member, and that seems to be its own doing: announced as leaving */
	const char *
		waits_for; /* why nothing is announced yet: "a snapshot of the tables"; NULL: nothing is awaited */
};

#endif
