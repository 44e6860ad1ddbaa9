/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: what a configuration *means*, as one plain tree.
 *
 * conf makes it (checked as a whole: whoever holds a model need not doubt it), the printer writes it as
 * canonical YAML, plan compares it with what was observed, bird renders it, ctl shows it. None of these knows
 * the others. The tree owns everything it points to; model_free() releases it. Texts are never NULL unless a
 * comment says so. Optional values have their defaults filled in, so nobody else knows a default. Nothing
 * here does I/O; key files are named, not read.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/log.h"

#define TUNNEL_NAME_MAX 15         /* IFNAMSIZ - 1: a tunnel's interface bears its name */
#define IKE_PORT        500        /* the first words of an IPsec tunnel */
#define IPSEC_PORT      4500       /* and the rest: IKE and ESP in UDP */
#define GUARD_INTERFACE "hwguard0" /* BIRD's routes to the loopbacks lead there: guard/guard.h */

#define PROBE_RULE_PRIORITY \
	6999 /* of the rules for what probes ask behind a tunnel's link: plan/plan.h has the others */

/* What a member tells is refused when its clock is further ahead of ours. */
#define MEMBER_SKEW_MOST_MS 10000

struct member {
	char *name;
	uint8_t number; /* 1..255 */
	struct address address;
};

enum replication_mode { REPLICATION_NONE, REPLICATION_BROADCAST };

struct array {
	uint16_t mtu;
	struct member *members; /* sorted by number */
	size_t member_count;
	enum replication_mode replication;
	char *key_file;          /* NULL: none; it seals the replication and vouches for relays */
	bool relay_authenticate; /* false: a relay is believed to come from where it says */
	/* Ports of what gateways open: gateway n has [ports_first + (n - 1) * ports_slice, + ports_slice). */
	uint16_t ports_first, ports_slice;
	/* A WireGuard interface, not of our making, that carries relays and replication; NULL: the uplinks do. */
	char *underlay;
};

struct loopback {
	char *name;
	uint16_t zone; /* 0 until zones are configurable */
	struct address *addresses;
	size_t address_count;
};

struct provider {
	char *name;
	uint16_t number; /* 1.., in the order of the names: internal to this gateway's maps */
	uint16_t zone;
	struct prefix *prefixes; /* networks, sorted */
	size_t prefix_count;
};

struct wireguard {
	bool enabled; /* it has the section; exactly one of `wireguard` and `ipsec` is there */
	char *private_key_file;
	uint16_t listen_port;
	char *peer_public_key; /* base64, checked to be 32 bytes */
	bool has_endpoint;
	struct address endpoint_address;
	uint16_t endpoint_port;
	uint32_t keepalive_ms; /* 0: off; whole seconds */
};

#define CERTIFICATES_MOST 8 /* in a file of IPsec's */

/* IKEv2, and ESP between all addresses: what may go by the tunnel is decided by the data plane alone. */
struct ipsec {
	bool enabled;               /* false: the tunnel is WireGuard's, and all else is meaningless */
	struct address remote;      /* zeros: the peer begins, from wherever it is */
	struct address local;       /* zeros: as routes lead */
	char *local_id, *remote_id; /* NULL: the address, of a certificate its subject */
	char *psk_file;             /* NULL: by certificates, and the three are there */
	char *cert_file, *key_file, *ca_file;
	char **ike_proposals, **esp_proposals; /* none: strongSwan's own */
	size_t ike_proposal_count, esp_proposal_count;
	uint32_t rekey_ike_ms, rekey_esp_ms, reauthenticate_ms; /* 0: never */
	uint32_t dpd_ms;                                        /* 0: never */
};

struct bfd {
	bool enabled;
	uint32_t interval_ms;
	uint8_t multiplier;
};

struct bgp {
	bool enabled; /* false: the tunnel has no `bgp` section, and all else is meaningless; of routers it is not asked */
	uint32_t local_as, peer_as;
	struct address neighbor; /* on the link of one of the tunnel's addresses */
	char *password_file;     /* NULL: none */
	struct bfd bfd;
	struct prefix *import; /* what may be imported; none by default */
	size_t import_count;
	uint32_t import_maximum;
	/* Preference among gateways: what the neighbor is told, and what is thought of the routes it tells. */
	uint32_t med;
	uint8_t prepend; /* our AS number so many times more */
	uint32_t local_pref;
};

struct tunnel {
	char *name;
	uint16_t number;                 /* unique in the array, 1..65535 */
	const struct provider *provider; /* NULL: it leads to the platform, from a provider's side */
	struct wireguard wireguard;
	struct ipsec ipsec;
	struct prefix *addresses; /* with host bits: the tunnel's own addresses on their links */
	size_t address_count;
	struct bgp bgp;
};

enum egress_mode { EGRESS_ACTIVE_STANDBY, EGRESS_LOAD_SHARING };
enum egress_hash { EGRESS_BY_FLOW, EGRESS_BY_SOURCE };

#define EGRESS_LINKS_MAX 16

/* Whether a link carries traffic only while its neighbour announces a destination of the group; one without BGP cannot. */
enum egress_announce { ANNOUNCE_REQUIRED, ANNOUNCE_IGNORED };

struct egress_link {
	const struct tunnel *tunnel;
	uint16_t weight;
	enum egress_announce announce;
};

/* Tunnels that are used together towards the same destinations. */
struct egress_group {
	char *name;
	uint16_t number;             /* by which this gateway's maps know it */
	struct prefix *destinations; /* networks, sorted */
	size_t destination_count;
	char **from; /* the LAN interfaces whose packets are steered */
	size_t from_count;
	enum egress_mode mode;
	struct egress_link *links; /* in order of preference */
	size_t link_count;
	bool preempt;
	uint32_t hold_ms;
	enum egress_hash hash;
};

/* A neighbor that no tunnel leads to. */
struct router {
	char *name;
	char *interface;
	struct prefix *addresses; /* ours on the interface, with host bits; Homeward does not set them */
	size_t address_count;
	struct bgp bgp; /* what is imported enters the kernel's main table */
};

/*
 * Asks again and again whether something works. Exactly one of `loopback` and `tunnel` is set: what it decides about; and
 * exactly one of `icmp`, `tcp` and `http` is enabled: what it asks.
 */
struct probe {
	char *name;
	const struct loopback *loopback; /* announced while it works */
	const struct tunnel *tunnel;     /* usable while it works */
	struct probe_icmp {
		bool enabled;
		struct address to;
	} icmp;
	struct probe_tcp {
		bool enabled;
		struct address to;
		uint16_t port;
	} tcp;
	struct probe_http {
		bool enabled;
		char *url;
		struct address to; /* these three stand in the URL */
		uint16_t port;
		bool tls;
		uint16_t *status; /* what it may answer; none: 200 to 299 */
		size_t status_count;
		char *body, *regex; /* what the body must have in it; NULL: anything */
		char *ca_file;      /* NULL: the system's authorities */
		char *server_name; /* asked for instead of the URL's address, in TLS and in HTTP; NULL: that */
		bool verify;
	} http;
	char *through; /* an uplink; NULL: the tunnel's by its tunnel, a loopback's as the machine's routes lead */
	struct address from; /* ours, if it asks what is behind its tunnel's link; zeros: the tunnel's own */
	uint32_t interval_ms, timeout_ms;
	uint8_t rise, fall;
};

/* What comes by an uplink to this machine, and nobody here serves. */
enum filter_mode { FILTER_OFF, FILTER_WATCH, FILTER_DROP };

struct filter {
	bool enabled;         /* it has the section; else all else is meaningless */
	char **watch, **drop; /* uplinks: what would be dropped there is counted, or dropped */
	size_t watch_count, drop_count;
	/* What is let in besides what the configuration says, and what the machine's sockets say: */
	struct prefix *from; /* whatever comes from there */
	size_t from_count;
	uint16_t *ports; /* of TCP and UDP, behind which is no socket */
	size_t port_count;
	uint8_t *protocols; /* beside TCP, UDP and ICMP */
	size_t protocol_count;
};

enum attach_mode { ATTACH_AUTO, ATTACH_TCX, ATTACH_CLSACT };

struct tables {
	uint32_t flows;   /* lines: a power of two */
	uint32_t devices; /* lines: a power of two */
	struct timeouts {
		uint32_t half_open_ms, established_ms, closing_ms, udp_ms, icmp_ms, device_ms;
	} timeouts;
};

struct model {
	char *gateway; /* our name, one of array.members */
	uint8_t number;
	struct array array;
	struct loopback *loopbacks;
	size_t loopback_count;
	char **uplinks; /* interface names */
	size_t uplink_count;
	struct prefix *inside;
	size_t inside_count;
	struct provider *providers;
	size_t provider_count;
	struct tunnel *tunnels; /* sorted by number */
	size_t tunnel_count;
	struct probe *probes; /* sorted by name */
	size_t probe_count;
	struct egress_group *egress; /* sorted by name */
	size_t egress_count;
	struct router *routers; /* sorted by name */
	size_t router_count;
	struct filter filter;
	bool mss_clamp;
	enum attach_mode attach;
	struct tables tables;
	bool counters;
	uint32_t guard_ms; /* for how long the loopbacks stay announced without a gwd */
	enum log_level log;
	char *control_group; /* NULL: root's */
};

void model_free(struct model *model);

static inline void model_free_pointer(struct model **model)
{
	model_free(*model);
}

/* "wireguard" or "ipsec"; where its packets come in: a UDP port; where its peer is: NULL when that is not configured. */
const char *tunnel_kind_name(const struct tunnel *tunnel);
uint16_t tunnel_port(const struct tunnel *tunnel);
const struct address *tunnel_endpoint(const struct tunnel *tunnel, uint16_t *port);

/* By number and name: who bears only the number of another is another tunnel. */
bool tunnel_same(const struct tunnel *one, const struct tunnel *other);

/* NULL when there is none of that name or number, or not the same. */
const struct tunnel *model_same_tunnel(const struct model *model, const struct tunnel *tunnel);
const struct tunnel *model_tunnel_by_number(const struct model *model, uint16_t number);
const struct tunnel *model_tunnel_by_name(const struct model *model, const char *name);
const struct router *model_router_by_name(const struct model *model, const char *name);
const struct loopback *model_loopback_by_name(const struct model *model, const char *name);
const struct probe *model_probe_by_name(const struct model *model, const char *name);
/* Something decides about it; one of the two is NULL. */
bool model_is_probed(const struct model *model, const struct loopback *loopback, const struct tunnel *tunnel);
/* They are the same to whoever sends to them, whatever they are called. */
bool loopbacks_share_address(const struct loopback *one, const struct loopback *other);
const struct provider *model_provider_by_number(const struct model *model, uint16_t number);
const struct provider *model_provider_by_name(const struct model *model, const char *name);
const struct member *model_member_by_number(const struct model *model, uint8_t number);
const struct member *model_member_by_name(const struct model *model, const char *name);
/* Whose loopback it is; NULL: nobody's. */
const struct loopback *model_loopback_of(const struct model *model, const struct address *address);
/* Whether `name` is one of the model's own lists of names. */
bool model_lists(char *const *names, size_t count, const char *name);
/* All interfaces towards the inside and the members: the uplinks, and behind them the underlay, an uplink too. */
size_t model_uplink_count(const struct model *model);
const char *model_uplink(const struct model *model, size_t which);
bool model_has_uplink(const struct model *model, const char *name);
enum filter_mode model_filter_mode(const struct model *model, const char *uplink);
/* The LAN interfaces of all egress groups, each once. */
size_t model_lan_count(const struct model *model);
const char *model_lan(const struct model *model, size_t which);
/* All interfaces, not of our making, that programs hang on: the uplinks, and behind them those of LANs. */
size_t model_interface_count(const struct model *model);
const char *model_interface(const struct model *model, size_t which);
bool model_has_interface(const struct model *model, const char *name);
const struct egress_group *model_egress_by_name(const struct model *model, const char *name);
/* The group that the tunnel is a link of; NULL: of none. */
const struct egress_group *model_egress_of(const struct model *model, const struct tunnel *tunnel);
/* The same, if the link's neighbour must announce its destinations; NULL: nobody must. */
const struct egress_group *model_announced_to(const struct model *model, const struct tunnel *tunnel);
/* The first of the addresses on whose link a neighbor is; the last when it is on none (which a model does not have). */
const struct address *model_address_towards(
	const struct prefix *addresses, size_t count, const struct address *neighbor);
/* There are other gateways: packets are relayed, and what we open keeps to our ports. */
bool model_has_members(const struct model *model);
/* Whom a probe asks. */
const struct address *model_probe_target(const struct probe *probe);
/* By its tunnel, and somebody who is not on the tunnel's link. */
bool model_probe_goes_beyond(const struct probe *probe);
/* Which of our addresses it asks from; NULL: the kernel chooses. */
const struct address *model_probe_source(const struct probe *probe);
/* The first and the last of a gateway's ports. */
void model_ports(const struct model *model, uint8_t gateway, uint16_t *first, uint16_t *last);

#endif
