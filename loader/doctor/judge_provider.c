// SPDX-License-Identifier: Apache-2.0
/* What is a provider's side's above all: routers, the LANs of egress groups; and what probes need. */
#include <errno.h>
#include <string.h>

#include "doctor/doctor.h"

/* ---- Routers ----------------------------------------------------------------------------------------------------- */

static void judge_address(
	const struct router *router, const struct prefix *missing, struct diagnosis *diagnosis)
{
	char advice[FINDING_TEXT_SIZE], text[PREFIX_TEXT_SIZE], neighbor[ADDRESS_TEXT_SIZE];

	prefix_format(missing, text);
	snprintf(advice, sizeof(advice), "ip address add %s dev %s: Homeward sets none there", text,
		router->interface);
	found(diagnosis, FINDING_PROBLEM, advice,
		"router %s: %s does not have the address %s, so its neighbor %s cannot be spoken to",
		router->name, router->interface, text, address_format(&router->bgp.neighbor, neighbor));
}

static void judge_router(
	const struct router *router, const struct router_facts *is, struct diagnosis *diagnosis)
{
	if (!is->exists)
		found(diagnosis, FINDING_PROBLEM, "name an interface that is there, or make it",
			"router %s: there is no interface %s", router->name, router->interface);
	else if (is->missing != UNKNOWN)
		judge_address(router, &router->addresses[is->missing], diagnosis);
	else if (!is->running)
		found(diagnosis, FINDING_WARNING, "ip link set up, and look at the cable and its other end",
			"router %s: %s is down or has no carrier", router->name, router->interface);
	else
		found(diagnosis, FINDING_OK, "", "router %s: %s has its addresses", router->name,
			router->interface);
}

void judge_routers(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < model->router_count; i++)
		judge_router(&model->routers[i], &facts->routers[i], diagnosis);
	if (model->router_count == 0)
		found(diagnosis, FINDING_OK, "", "no router is configured");
}

/* ---- Egress groups ----------------------------------------------------------------------------------------------- */

static void judge_lan(const char *name, const struct lan_facts *lan, struct diagnosis *diagnosis)
{
	if (!lan->exists)
		found(diagnosis, FINDING_PROBLEM, "name an interface that is there, or make it",
			"LAN %s: there is no such interface", name);
	else if (!lan->running)
		found(diagnosis, FINDING_WARNING, "ip link set up, and look at the cable and its other end",
			"LAN %s is down or has no carrier: nobody's packets reach an egress group", name);
}

static bool has_v6(const struct egress_group *group)
{
	for (size_t i = 0; i < group->destination_count; i++)
		if (!address_is_v4(&group->destinations[i].address))
			return true;
	return false;
}

/*
 * Of IPv4 gwd lets each link forward by itself; IPv6 has one switch for all. A LAN's rp_filter is nobody's business: what a
 * group takes has left before the kernel looks at it.
 */
static void judge_forwarding(
	const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	for (size_t i = 0; facts->forwarding_v6 == 0 && i < model->egress_count; i++)
		if (has_v6(&model->egress[i])) {
			found(diagnosis, FINDING_PROBLEM,
				"sysctl -w net.ipv6.conf.all.forwarding=1 (interfaces that "
				"learn their routes from advertisements need accept_ra=2 then)",
				"egress group %s has destinations of IPv6, which "
				"this machine does not forward: gwd will not start",
				model->egress[i].name);
			return;
		}
}

void judge_egress(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = diagnosis->finding_count;

	for (size_t i = 0; i < model_lan_count(model); i++)
		judge_lan(model_lan(model, i), &facts->lans[i], diagnosis);
	judge_forwarding(model, facts, diagnosis);
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "",
			model->egress_count ? "the egress groups' LANs are there"
					    : "no egress group is configured");
}

/* ---- Probes ------------------------------------------------------------------------------------------------------ */

static void judge_authority(
	const struct probe *probe, const struct probe_facts *is, struct diagnosis *diagnosis)
{
	static const struct {
		enum finding_level level;
		const char *words, *advice;
	} rows[] = {
		[AUTHORITY_UNKNOWN] = {FINDING_OK, "", ""},
		[AUTHORITY_FINE] = {FINDING_OK, "", ""},
		[AUTHORITY_UNREADABLE] = {FINDING_PROBLEM, "cannot be read",
			"put the file there, readable by root; until then the probe fails"},
		[AUTHORITY_NONE] = {FINDING_PROBLEM, "has no certificate in it",
			"put the authority's certificate there, in PEM"},
		[AUTHORITY_ENDED] = {FINDING_PROBLEM, "has a certificate that has expired",
			"renew it: until then the probe fails"},
		[AUTHORITY_ENDING] = {FINDING_WARNING, "has a certificate that expires within 14 days",
			"renew it before the probe fails"},
	};

	if (rows[is->authority].level != FINDING_OK)
		found(diagnosis, rows[is->authority].level, rows[is->authority].advice, "probe %s: %s %s",
			probe->name, probe->http.ca_file ?: SYSTEM_AUTHORITIES, rows[is->authority].words);
}

/* gwd makes the way, but not past a rule of the operator's that stands above its own, nor to an address that is not there. */
static void judge_path(const struct probe *probe, const struct probe_facts *is, struct diagnosis *diagnosis)
{
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE], advice[FINDING_TEXT_SIZE];

	if (is->path == 0)
		return;
	address_format(model_probe_source(probe), from);
	address_format(model_probe_target(probe), to);
	if (is->path == EADDRNOTAVAIL)
		snprintf(advice, sizeof(advice),
			"write an address of this machine, one that is not in a VRF, or none");
	else
		snprintf(advice, sizeof(advice),
			"ip rule: let nothing above priority %d take what comes from %s; the rest gwd makes "
			"when it applies this configuration",
			PROBE_RULE_PRIORITY, from);
	found(diagnosis, FINDING_WARNING, advice, "probe %s: no way from %s to %s by %s: %s", probe->name,
		from, to, probe->tunnel->name, strerror(is->path));
}

void judge_probes(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = diagnosis->finding_count;

	for (size_t i = 0; i < model->probe_count; i++) {
		judge_authority(&model->probes[i], &facts->probes[i], diagnosis);
		judge_path(&model->probes[i], &facts->probes[i], diagnosis);
	}
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "",
			model->probe_count ? "the probes have what they need" : "no probe is configured");
}
