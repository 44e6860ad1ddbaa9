// SPDX-License-Identifier: Apache-2.0
/* What a configuration says that is served at an uplink, as text: a line each, in the order of telling. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "plan/served.h"

#define TUNNELS_MOST 4

static char *uplinks[] = {"eth0"};
static struct member members[2] = {{.name = "edge-1", .number = 1}, {.name = "edge-2", .number = 2}};
static struct prefix inside, from;
static struct router router = {.name = "ixp"};
static uint16_t ports[] = {8080};
static uint8_t protocols[] = {47};
static struct tunnel tunnels[TUNNELS_MOST];
static struct model model;

static void make_world(void)
{
	address_parse("10.0.0.11", &members[0].address);
	address_parse("fd00::12", &members[1].address);
	address_parse("172.31.1.254", &router.bgp.neighbor);
	prefix_parse("10.0.0.0/16", &inside);
	prefix_parse("2001:db8:7::/48", &from);
	memset(tunnels, 0, sizeof(tunnels));
	model = (struct model){.uplinks = uplinks,
		.uplink_count = 1,
		.tunnels = tunnels,
		.filter = {.enabled = true, .drop = uplinks, .drop_count = 1}};
}

/* NULL: its peer may be anywhere. */
static void add_wireguard(uint16_t port, const char *endpoint)
{
	struct wireguard *wireguard = &tunnels[model.tunnel_count++].wireguard;

	*wireguard = (struct wireguard){.enabled = true, .listen_port = port, .has_endpoint = endpoint};
	if (endpoint)
		address_parse(endpoint, &wireguard->endpoint_address);
}

static void add_ipsec(const char *remote)
{
	struct ipsec *ipsec = &tunnels[model.tunnel_count++].ipsec;

	*ipsec = (struct ipsec){.enabled = true};
	if (remote)
		address_parse(remote, &ipsec->remote);
}

static void print(const struct served *served, void *stream)
{
	static const char *const kinds[] = {"port", "protocol", "tunnel", "peers", "peer", "trusted"};
	char text[PREFIX_TEXT_SIZE];

	fprintf(stream, "%s %u %s\n", kinds[served->kind], served->which,
		served->from.length ? prefix_format(&served->from, text) : "anybody");
}

static void expect(const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	plan_served(&model, print, stream);
	fclose(stream);
	if (strcmp(text, expected) != 0)
		printf("expected:\n%sseen:\n%s", expected, text);
	CU_ASSERT_STRING_EQUAL(text, expected);
}

static void without_a_filter_nothing_is_told(void)
{
	make_world();
	add_wireguard(51820, NULL);
	model.filter.enabled = false;
	expect("");
}

static void a_peer_that_is_configured_has_its_port_alone(void)
{
	make_world();
	add_wireguard(51820, "198.51.100.1");
	add_wireguard(51821, NULL);
	add_wireguard(51822, "2001:db8::9");
	expect("peer 51820 198.51.100.1/32\n"
	       "peers 51820 anybody\n"
	       "tunnel 51821 anybody\n"
	       "peer 51822 2001:db8::9/128\n"
	       "peers 51822 anybody\n");
}

static void tunnels_of_ipsec_share_their_ports(void)
{
	make_world();
	add_ipsec("198.51.100.1");
	add_ipsec("198.51.100.2");
	expect("peer 4500 198.51.100.1/32\n"
	       "peers 4500 anybody\n"
	       "peer 500 198.51.100.1/32\n"
	       "peers 500 anybody\n"
	       "peer 4500 198.51.100.2/32\n"
	       "peer 500 198.51.100.2/32\n");
	add_ipsec(NULL);
	expect("peer 4500 198.51.100.1/32\n"
	       "tunnel 4500 anybody\n"
	       "peer 500 198.51.100.1/32\n"
	       "tunnel 500 anybody\n"
	       "peer 4500 198.51.100.2/32\n"
	       "peer 500 198.51.100.2/32\n");
}

static void the_inside_gateways_and_routers_are_trusted(void)
{
	make_world();
	model.inside = &inside;
	model.array.members = members;
	model.array.member_count = 2;
	model.routers = &router;
	model.inside_count = model.router_count = 1;
	expect("trusted 0 10.0.0.0/16\n"
	       "trusted 0 10.0.0.11/32\n"
	       "trusted 0 fd00::12/128\n"
	       "trusted 0 172.31.1.254/32\n");
}

static void an_operator_adds_to_it(void)
{
	make_world();
	model.filter.from = &from;
	model.filter.ports = ports;
	model.filter.protocols = protocols;
	model.filter.from_count = model.filter.port_count = model.filter.protocol_count = 1;
	expect("port 8080 anybody\n"
	       "protocol 47 anybody\n"
	       "trusted 0 2001:db8:7::/48\n");
}

/* Who gives and takes those of lo tells nobody but the kernel. */
static void addresses_of_uplinks_and_of_lo_are_judged(void)
{
	make_world();
	CU_ASSERT(plan_filters_addresses_of(&model, "eth0"));
	CU_ASSERT(plan_filters_addresses_of(&model, "lo"));
	CU_ASSERT_FALSE(plan_filters_addresses_of(&model, "eth1"));
	model.filter.enabled = false;
	CU_ASSERT_FALSE(plan_filters_addresses_of(&model, "eth0"));
	CU_ASSERT_FALSE(plan_filters_addresses_of(&model, "lo"));
}

UNIT_TESTS("served", {"without a filter nothing is told", without_a_filter_nothing_is_told},
	{"a peer that is configured has its port alone", a_peer_that_is_configured_has_its_port_alone},
	{"tunnels of IPsec share their ports", tunnels_of_ipsec_share_their_ports},
	{"the inside, gateways and routers are trusted", the_inside_gateways_and_routers_are_trusted},
	{"an operator adds to it", an_operator_adds_to_it},
	{"addresses of uplinks and of lo are judged", addresses_of_uplinks_and_of_lo_are_judged})
