/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway for the tests of bird/: one tunnel of each kind, all of one provider.
 *
 *	101 acme-lgw.01    neighbour by v4, both families, BFD, imports
 *	102 acme-lgw-02    neighbour by v6, both families, BFD
 *	103 v4-only        neighbour by v4, one family, no BFD
 *	104 v6-only        neighbour by v6, one family, no BFD
 *	105 silent         no BGP
 *
 * and, for tests that count it in, a router: ixp-1.lab at 172.31.1.254, both families, BFD, imports.
 */
#ifndef BIRD_MODEL_H
#define BIRD_MODEL_H

#include <CUnit/CUnit.h>

#include "base/announcement.h"
#include "base/cleanup.h"
#include "model.h"

static struct address address_of(const char *text)
{
	struct address address = {0};

	CU_ASSERT_EQUAL_FATAL(address_parse(text, &address), 0);
	return address;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix = {0};

	CU_ASSERT_EQUAL_FATAL(prefix_parse(text, &prefix), 0);
	return prefix;
}

struct bird_model {
	struct member members[2];
	struct address addresses[3];
	struct loopback loopbacks[2];
	struct prefix links[5][2], import[2];
	struct provider provider;
	struct tunnel tunnels[5];
	struct prefix router_links[2];
	struct router routers[1];
	struct model model;
};

static void set_tunnel(
	struct bird_model *m, size_t i, char *name, uint16_t number, const char *v4, const char *v6)
{
	struct tunnel *tunnel = &m->tunnels[i];

	*tunnel = (struct tunnel){
		.name = name, .number = number, .provider = &m->provider, .addresses = m->links[i]};
	if (v4)
		m->links[i][tunnel->address_count++] = prefix_of(v4);
	if (v6)
		m->links[i][tunnel->address_count++] = prefix_of(v6);
}

static void set_bgp(struct bird_model *m, size_t i, const char *neighbor, bool bfd)
{
	m->tunnels[i].bgp = (struct bgp){.enabled = true,
		.local_as = 64500,
		.peer_as = 64501,
		.neighbor = address_of(neighbor),
		.local_pref = 100,
		.bfd = {.enabled = bfd, .interval_ms = 50, .multiplier = 3}};
}

/* By all tunnels, unless `tunnels` says something else (5 of them). */
static inline struct announcement announcing(const bool *loopbacks, const enum voice *tunnels, bool leaving)
{
	static const enum voice all_speak[5];
	static const bool all_proven[5];

	return (struct announcement){loopbacks, tunnels ? tunnels : all_speak, leaving, false, all_proven};
}

/* In place: the parts point at each other. */
static void bird_model_make(struct bird_model *m)
{
	*m = (struct bird_model){0};
	m->members[0] = (struct member){"edge-gw-01", 1, address_of("10.0.0.11")};
	m->members[1] = (struct member){"edge-gw-02", 2, address_of("2001:db8:0:1::12")};
	m->addresses[0] = address_of("192.0.2.1");
	m->addresses[1] = address_of("2001:db8::1");
	m->addresses[2] = address_of("192.0.2.2");
	m->provider = (struct provider){.name = "acme"};
	m->loopbacks[0] = (struct loopback){.name = "control", .addresses = m->addresses, .address_count = 2};
	m->loopbacks[1] =
		(struct loopback){.name = "media", .addresses = m->addresses + 2, .address_count = 1};
	set_tunnel(m, 0, "acme-lgw.01", 101, "169.254.1.1/30", "fd00:1::1/126");
	set_bgp(m, 0, "169.254.1.2", true);
	m->import[0] = prefix_of("100.64.0.0/10");
	m->import[1] = prefix_of("2001:db8:100::/40");
	m->tunnels[0].bgp.import = m->import;
	m->tunnels[0].bgp.import_count = 2;
	m->tunnels[0].bgp.import_maximum = 10;
	set_tunnel(m, 1, "acme-lgw-02", 102, "169.254.2.1/30", "fd00:2::1/126");
	set_bgp(m, 1, "fd00:2::2", true);
	set_tunnel(m, 2, "v4-only", 103, "169.254.3.1/30", NULL);
	set_bgp(m, 2, "169.254.3.2", false);
	set_tunnel(m, 3, "v6-only", 104, NULL, "fd00:4::1/126");
	set_bgp(m, 3, "fd00:4::2", false);
	set_tunnel(m, 4, "silent", 105, "169.254.5.1/30", NULL);
	m->router_links[0] = prefix_of("172.31.1.1/24");
	m->router_links[1] = prefix_of("fd00:31::1/64");
	m->routers[0] = (struct router){.name = "ixp-1.lab",
		.interface = "eth1",
		.addresses = m->router_links,
		.address_count = 2,
		.bgp = {.local_as = 64500,
			.peer_as = 64502,
			.neighbor = address_of("172.31.1.254"),
			.bfd = {.enabled = true, .interval_ms = 50, .multiplier = 3},
			.med = 7,
			.local_pref = 100,
			.import = m->import,
			.import_count = 2,
			.import_maximum = 5}};
	m->model = (struct model){.gateway = "edge-gw-01",
		.number = 1,
		.array = {.mtu = 1400, .members = m->members, .member_count = 2},
		.loopbacks = m->loopbacks,
		.loopback_count = 2,
		.tunnels = m->tunnels,
		.tunnel_count = 5,
		.routers = m->routers};
}

#endif
