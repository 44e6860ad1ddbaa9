/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doctor: what in this machine would hurt a gateway, said before it does.
 *
 * Probing and judging are apart. doctor_probe() looks at the machine (files of /proc and /sys, a few questions to the
 * kernel, --version of two programs) and writes down facts; it changes nothing and needs no running gwd. doctor_judge()
 * makes findings of facts and the configuration; it is pure. What only another module can see (BPF), main adds to the
 * facts. Each finding says what was looked at, what is so, and, unless all is well, what to do.
 *
 *	probe.c         the machine: kernel, programs, clock, timers, sysctls
 *	probe_link.c    uplinks and paths        probe_socket.c  who listens
 *	probe_feature.c offloads of a device    probe_provider.c  routers, LANs, what probes trust
 *	judge.c         the table of checks, and those of the machine
 *	judge_network.c those of the network     judge_provider.c  of routers, egress groups and probes
 *	judge_filter.c  of uplinks' filters      print.c           findings as text or JSON
 *
 * A fact that could not be found out is no finding: the row says so and is `ok`, since guesses cry wolf.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "model.h"

/* ---- Facts ------------------------------------------------------------------------------------------------------- */

#define UNKNOWN (-1)

/* What uplinks' filters have counted for a reason: dropped, or only watched. */
struct filtered_facts {
	const char *reason; /* its name */
	uint64_t packets;
};
#define FILTER_REASONS 4

struct uplink_facts {
	char name[IF_NAMESIZE];
	bool exists;
	int mtu, rp_filter;
	char driver[32]; /* empty: the kernel did not say */
	int hands_on; /* 1: it leaves the cutting of large packets in a relay to whoever is behind; 0, UNKNOWN */
	int hides_tags;          /* 1: it takes VLAN tags off before XDP looks; 0, UNKNOWN */
	bool has_vlans;          /* VLAN devices stand on it */
	int queues;              /* combined, or receiving ones; UNKNOWN: the driver does not say */
	int queues_max;          /* that it could have */
	char xdp_mode[16];       /* of what is attached: "native", "generic", "none"; empty: unknown */
	bool xdp_alone;          /* no other program can share the hook with it */
	bool xdp_relays;         /* what surfaces there and has its way home elsewhere, by itself */
	bool has_headers;        /* of Ethernet: it is no WireGuard interface */
	bool has_address;        /* the one of this gateway in array.gateways */
	enum filter_mode filter; /* that the programs were told of, whoever is attached */
};

struct tunnel_facts {
	int rp_filter; /* of its interface; UNKNOWN: it is not there yet */
	int path_mtu;  /* towards its endpoint; UNKNOWN: none is configured, or no route */
};

struct router_facts {
	bool exists, running; /* its interface; running: up, with a carrier */
	int missing;          /* which of its addresses the interface does not have; UNKNOWN: it has all */
};

struct lan_facts {
	bool exists, running;
};

#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt" /* libcurl's, in Debian */

/* What a probe by HTTPS trusts; unknown also: it trusts anybody, or is no such probe. */
enum authority {
	AUTHORITY_UNKNOWN,
	AUTHORITY_FINE,
	AUTHORITY_UNREADABLE,
	AUTHORITY_NONE, /* of certificates in the file */
	AUTHORITY_ENDED,
	AUTHORITY_ENDING
};

struct probe_facts {
	enum authority authority;
	int path; /* of what it asks behind a tunnel's link: 0, or the errno of trying; 0 too while there is no tunnel */
};

struct member_facts {
	bool skew_known;
	int64_t skew_ms; /* its clock less ours, as the gwd that runs here measures it */
};

struct listener {
	bool udp;
	uint16_t port;
	int pid; /* 0: not to be seen, or the kernel's */
	char program[32];
};

struct facts {
	char kernel[64];    /* "6.1.0-13-amd64" */
	int kernel_version; /* 601 */
	bool btf, bpffs, kernel_wireguard, kernel_dummy, tun, esp;
	char bpf_trouble[ERROR_TEXT_SIZE];           /* why no program can be loaded; empty: it can */
	int relay_overhead;                          /* what relaying adds to a packet on an uplink */
	char libbpf[32], bird[64], wireguard_go[64]; /* versions; empty: not found */
	char strongswan[64];                         /* "charon-systemd", if it is to be found; empty: not */
	int processors;
	int clock_synchronised; /* 1, 0, or UNKNOWN */
	int64_t clock_error_us;
	int64_t late_us; /* how much later than asked the latest of a few short sleeps ended */
	int rp_all, rp_default;
	int translates; /* addresses: 1: the kernel's NAT is loaded; 0; UNKNOWN: it may be built in */
	int neighbours[2], neighbours_max[2]; /* v4, v6: entries, gc_thresh3 */
	struct uplink_facts *uplinks;         /* model_uplink_count(), in the model's order */
	struct tunnel_facts *tunnels;         /* model->tunnel_count, in the model's order */
	struct member_facts *members;         /* model->array.member_count, in the model's order */
	struct router_facts *routers;         /* model->router_count, in the model's order */
	struct lan_facts *lans;               /* model_lan_count(), in the model's order */
	struct probe_facts *probes;           /* model->probe_count, in the model's order */
	int forwarding_v6;                    /* net.ipv6.conf.all.forwarding */
	struct filtered_facts dropped[FILTER_REASONS], watched[FILTER_REASONS];
	struct listener *listeners; /* on wildcard addresses */
	size_t listener_count;
};

/* Needs about a tenth of a second. 0, or -ENOMEM; what cannot be seen is left unknown. facts_free() in any case. */
int doctor_probe(const struct model *model, const char *pin_dir, struct facts *facts);
void facts_free(struct facts *facts);

/* Parts of it. */
void probe_links(const struct model *model, struct facts *facts);
void probe_providers_side(const struct model *model, struct facts *facts);
/* Whether an interface has an address. */
bool probe_address(const char *interface, const struct address *wanted);
int probe_listeners(struct facts *facts);
/* Whether a feature of the interface is on: 1, 0, or UNKNOWN. `fd` is any socket. */
int probe_feature(int fd, const char *interface, const char *name);
int probe_ethtool(int fd, const char *interface, void *question);
/* The number in a file such as /proc/sys/…, or UNKNOWN. */
int probe_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- Findings ---------------------------------------------------------------------------------------------------- */

enum finding_level { FINDING_OK, FINDING_WARNING, FINDING_PROBLEM };

#define FINDING_TEXT_SIZE 512

struct finding {
	const char *check; /* its name in the table of checks */
	enum finding_level level;
	char finding[FINDING_TEXT_SIZE];
	char advice[FINDING_TEXT_SIZE]; /* what to do; empty when all is well */
};

/* What a firewall must let pass. */
struct passage {
	const char *protocol; /* "udp", "tcp" */
	uint16_t port;
	char interface[IF_NAMESIZE]; /* empty: wherever the tunnel's far end is reached */
	const char *what;
};

struct diagnosis {
	struct finding *findings;
	size_t finding_count;
	struct passage *passages;
	size_t passage_count;
};

/* 0, or -ENOMEM. diagnosis_free() in any case. */
int doctor_judge(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void diagnosis_free(struct diagnosis *diagnosis);
enum finding_level diagnosis_worst(const struct diagnosis *diagnosis);

struct check {
	const char *name;
	void (*judge)(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
};
extern const struct check doctor_checks[];
extern const size_t doctor_check_count;

/* Those of judge_network.c. */
void judge_uplinks(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_mtus(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_rp_filter(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_neighbours(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_listeners(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
/* That of judge_filter.c. */
void judge_filters(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
/* Those of judge_provider.c. */
void judge_routers(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_egress(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
void judge_probes(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis);
int list_passages(const struct model *model, struct diagnosis *diagnosis);

/* What a check has found. The check's name is added by doctor_judge(). */
void found(struct diagnosis *diagnosis, enum finding_level level, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- Telling ----------------------------------------------------------------------------------------------------- */

const char *finding_level_name(enum finding_level level);
void diagnosis_print(const struct diagnosis *diagnosis, FILE *stream);
/* One document, {"schema":1,"findings":[…],"firewall":[…]}. */
void diagnosis_print_json(const struct diagnosis *diagnosis, FILE *stream);

#endif
