// SPDX-License-Identifier: Apache-2.0
/* Plans for people: one line a step. */
#include "plan/plan.h"

#include <string.h>

static const char *const program_names[PROGRAMS] = {
	[PROGRAM_TUNNEL_INGRESS] = "tunnel_ingress",
	[PROGRAM_RETURN_EGRESS] = "return_egress",
	[PROGRAM_UPLINK_INGRESS] = "uplink_ingress",
	[PROGRAM_LAN_INGRESS] = "lan_ingress",
	[PROGRAM_LINK_INGRESS] = "link_ingress",
	[PROGRAM_UPLINK_XDP] = "uplink_xdp",
};

static const char *const action_names[] = {
	[STEP_ADD] = "add",
	[STEP_CHANGE] = "change",
	[STEP_REMOVE] = "remove",
};

const char *program_name(enum program program)
{
	return program_names[program];
}

static void print_rule(const struct item *item, char *text)
{
	char from[ADDRESS_TEXT_SIZE], to[PREFIX_TEXT_SIZE];

	address_format(&item->rule.from, from);
	if (item->rule.has_to)
		snprintf(text, STEP_TEXT_SIZE, "rule %u: from %s to %s lookup %u", item->rule.priority, from,
			prefix_format(&item->rule.to, to), item->rule.table);
	else
		snprintf(text, STEP_TEXT_SIZE, "rule %u: from %s%s%s lookup %u", item->rule.priority, from,
			*item->interface ? " oif " : "", item->interface, item->rule.table);
}

static void print_wireguard(const struct item *item, char *text)
{
	const struct item_wireguard *wireguard = &item->wireguard;
	char address[ADDRESS_TEXT_SIZE], endpoint[ADDRESS_TEXT_SIZE + 24] = "";

	if (wireguard->has_endpoint && wireguard->tunnel)
		snprintf(endpoint, sizeof(endpoint), ", endpoint %s port %u",
			address_format(&wireguard->tunnel->wireguard.endpoint_address, address),
			wireguard->tunnel->wireguard.endpoint_port);
	snprintf(text, STEP_TEXT_SIZE, "wireguard on %s: key of %s, port %u, peer %s%s, keepalive %us",
		item->interface, wireguard->private_key_file ? wireguard->private_key_file : "another file",
		wireguard->listen_port, wireguard->peer_public_key[0] ? wireguard->peer_public_key : "none",
		endpoint, wireguard->keepalive_s);
}

static void print_ipsec(const struct item *item, char *text)
{
	const struct ipsec *ipsec = item->ipsec.tunnel ? &item->ipsec.tunnel->ipsec : NULL;
	const char *file = ipsec ? (ipsec->psk_file ? ipsec->psk_file : ipsec->key_file) : NULL;
	char address[ADDRESS_TEXT_SIZE];

	snprintf(text, STEP_TEXT_SIZE, "ipsec on %s: key of %s, peer %s", item->interface,
		file ? file : "another file", ipsec ? address_format(&ipsec->remote, address) : "another");
}

static void print_next_hop(const struct item *item, char *text)
{
	const uint8_t *mac = item->neighbour.mac;
	char address[ADDRESS_TEXT_SIZE];

	if (item->kind == ITEM_ROUTE)
		snprintf(text, STEP_TEXT_SIZE, "route default via %s dev %s table %u",
			address_format(&item->route.gateway, address), item->interface, item->route.table);
	else
		snprintf(text, STEP_TEXT_SIZE, "neighbour %s at %02x:%02x:%02x:%02x:%02x:%02x dev %s",
			address_format(&item->neighbour.address, address), mac[0], mac[1], mac[2], mac[3],
			mac[4], mac[5], item->interface);
}

static void print_way(const struct item *item, char *text)
{
	const struct prefix all = {
		item->route.gateway, address_is_v4(&item->route.gateway) ? V4_BITS_BEFORE : 0};
	char destination[PREFIX_TEXT_SIZE];

	snprintf(text, STEP_TEXT_SIZE, "route %s dev %s table %u", prefix_format(&all, destination),
		item->interface, item->route.table);
}

static void print_attachment(const struct item *item, char *text)
{
	static const char *const modes[] = {
		[ATTACH_AUTO] = "", [ATTACH_TCX] = " by tcx", [ATTACH_CLSACT] = " by clsact"};

	snprintf(text, STEP_TEXT_SIZE, "program %s on %s%s", program_name(item->attachment.program),
		item->interface, modes[item->attachment.mode]);
}

static void print_object(const struct item *item, char *text)
{
	if (item->object.flows)
		snprintf(text, STEP_TEXT_SIZE, "maps and programs: %u flows, %u devices", item->object.flows,
			item->object.devices);
	else
		snprintf(text, STEP_TEXT_SIZE, "maps and programs of another build");
}

const char *item_format(const struct item *item, char *text)
{
	char prefix[PREFIX_TEXT_SIZE];

	switch (item->kind) {
	case ITEM_LINK:
		snprintf(text, STEP_TEXT_SIZE, "%s %s", item->role == LINK_HOME ? "return device" : "tunnel",
			item->interface);
		break;
	case ITEM_SYSCTL:
		snprintf(text, STEP_TEXT_SIZE, "sysctl net.%s.conf.%s.%s = %d", item->sysctl.family,
			item->interface, item->sysctl.name, item->sysctl.value);
		break;
	case ITEM_WIREGUARD:
		print_wireguard(item, text);
		break;
	case ITEM_IPSEC:
		print_ipsec(item, text);
		break;
	case ITEM_MTU:
		snprintf(text, STEP_TEXT_SIZE, "mtu %u on %s", item->mtu, item->interface);
		break;
	case ITEM_UP:
		snprintf(text, STEP_TEXT_SIZE, "%s up", item->interface);
		break;
	case ITEM_ADDRESS:
		snprintf(text, STEP_TEXT_SIZE, "address %s on %s", prefix_format(&item->address, prefix),
			item->interface);
		break;
	case ITEM_OBJECT:
		print_object(item, text);
		break;
	case ITEM_ENTRIES:
		snprintf(text, STEP_TEXT_SIZE, "map entries of the configuration");
		break;
	case ITEM_ATTACHMENT:
		print_attachment(item, text);
		break;
	case ITEM_NEIGHBOUR:
	case ITEM_ROUTE:
		print_next_hop(item, text);
		break;
	case ITEM_RULE:
		print_rule(item, text);
		break;
	case ITEM_OPEN:
		snprintf(text, STEP_TEXT_SIZE, "%s open", item->interface);
		break;
	case ITEM_WAY:
		print_way(item, text);
		break;
	case ITEM_KINDS:
		break;
	}
	return text;
}

const char *step_format(const struct step *step, char *text)
{
	char item[STEP_TEXT_SIZE];

	snprintf(text, STEP_TEXT_SIZE, "%s %.*s", action_names[step->action], STEP_TEXT_SIZE - 8,
		item_format(&step->item, item));
	return text;
}

void plan_print(const struct plan *plan, FILE *stream)
{
	char text[STEP_TEXT_SIZE];

	for (size_t i = 0; i < plan->count; i++)
		fprintf(stream, "%s\n", step_format(&plan->steps[i], text));
}
