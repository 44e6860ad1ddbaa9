// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"

#define RELAY_PORT         6081
#define REPLICATION_PORT   6082
#define BGP_PORT           179
#define BFD_PORT           3784
#define WIREGUARD_V4       60 /* IPv4 20, UDP 8, WireGuard 32 */
#define WIREGUARD_V6       80
#define IPSEC_V4           84 /* IPv4 20, UDP 8, ESP 8, at most: IV 16, code 32 */
#define IPSEC_V6           104
#define IPSEC_BLOCK        16 /* at most: a packet and ESP's last two bytes are filled up to whole ones */
#define IPSEC_LEAST_V4     60 /* by AES-GCM: IV 8, code 16 */
#define IPSEC_LEAST_V6     80
#define IPSEC_LEAST_BLOCK  4
#define NEIGHBOURS_CROWDED 80 /* percent */

/* ---- Uplinks ----------------------------------------------------------------------------------------------------- */

/* Some drivers do native XDP only with a free queue a processor, or half of their queues (ena, virtio_net, mlx). */
static void judge_queues(
	const struct uplink_facts *uplink, const struct facts *facts, struct diagnosis *diagnosis)
{
	bool needs_half = strcmp(uplink->driver, "ena") == 0;
	bool needs_one_each = strcmp(uplink->driver, "virtio_net") == 0;

	if (needs_half && uplink->queues * 2 > uplink->queues_max && uplink->queues_max > 1)
		found(diagnosis, FINDING_WARNING,
			"ethtool -L with combined at most half of the maximum: else XDP is generic",
			"uplink %s: driver %s uses %d of %d queues, "
			"and native XDP needs half of them for itself",
			uplink->name, uplink->driver, uplink->queues, uplink->queues_max);
	else if (needs_one_each && uplink->queues_max < 2 * facts->processors)
		found(diagnosis, FINDING_WARNING,
			"give the virtual machine twice as many queues as processors",
			"uplink %s: driver %s has %d queues for %d processors: XDP is generic, or slow",
			uplink->name, uplink->driver, uplink->queues_max, facts->processors);
}

static void judge_xdp(const struct uplink_facts *uplink, struct diagnosis *diagnosis)
{
	if (strcmp(uplink->xdp_mode, "generic") == 0)
		found(diagnosis, FINDING_WARNING,
			"look at the driver's queues and MTU; gwd tries native at each start",
			"uplink %s: XDP runs in generic mode, behind the making of a socket buffer",
			uplink->name);
	else
		found(diagnosis, FINDING_OK, "", "uplink %s: driver %s, XDP %s%s%s", uplink->name,
			uplink->driver[0] ? uplink->driver : "unknown",
			uplink->xdp_mode[0] ? uplink->xdp_mode : "unknown",
			uplink->xdp_relays ? ", relays" : "", uplink->xdp_alone ? ", alone on its hook" : "");
}

/* A NIC cuts a large packet in a relay when it leaves; a device that only hands it on leaves it whole to the receiver. */
static void judge_offload(const struct uplink_facts *uplink, struct diagnosis *diagnosis)
{
	char advice[FINDING_TEXT_SIZE];

	if (uplink->hands_on != 1 ||
		(strcmp(uplink->driver, "veth") != 0 && strcmp(uplink->driver, "virtio_net") != 0))
		return;
	snprintf(advice, sizeof(advice),
		"ethtool -K %s tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off, on all gateways",
		uplink->name);
	found(diagnosis, FINDING_WARNING, advice,
		"uplink %s: driver %s hands on what it should cut (tx-udp_tnl-segmentation): what an "
		"application sends at once by UDP_SEGMENT is lost where it is relayed",
		uplink->name, uplink->driver);
}

static void judge_uplink(const struct model *model, const struct uplink_facts *uplink,
	const struct facts *facts, struct diagnosis *diagnosis)
{
	bool virtual = strcmp(uplink->driver, "veth") == 0; /* whose queues are the other end's processor's */

	if (!uplink->exists) {
		found(diagnosis, FINDING_PROBLEM, "name an interface that is there, or make it",
			"uplink %s: there is no such interface", uplink->name);
		return;
	}
	judge_xdp(uplink, diagnosis);
	if (model_has_members(model) && !model->array.underlay)
		judge_offload(uplink, diagnosis);
	if (virtual || uplink->queues <= 0)
		return;
	judge_queues(uplink, facts, diagnosis);
	if (uplink->queues < facts->processors && uplink->queues < uplink->queues_max)
		found(diagnosis, FINDING_WARNING, "ethtool -L with combined as many as there are processors",
			"uplink %s: %d queues in use, %d possible, %d processors", uplink->name,
			uplink->queues, uplink->queues_max, facts->processors);
}

static void judge_underlay(const struct uplink_facts *underlay, struct diagnosis *diagnosis)
{
	if (!underlay->exists)
		found(diagnosis, FINDING_PROBLEM, "make the WireGuard interface, Homeward does not",
			"underlay %s: there is no such interface", underlay->name);
	else if (underlay->has_headers)
		found(diagnosis, FINDING_PROBLEM, "name it in uplinks, and leave array.underlay out",
			"underlay %s is no WireGuard interface", underlay->name);
	else if (!underlay->has_address)
		found(diagnosis, FINDING_PROBLEM,
			"ip address add, with the prefix length of all members' addresses",
			"underlay %s does not have this gateway's address in array.gateways", underlay->name);
	else
		found(diagnosis, FINDING_OK, "", "underlay %s: driver %s", underlay->name,
			underlay->driver[0] ? underlay->driver : "unknown");
}

void judge_uplinks(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	for (size_t i = 0; i < model->uplink_count; i++)
		judge_uplink(model, &facts->uplinks[i], facts, diagnosis);
	if (model->array.underlay)
		judge_underlay(&facts->uplinks[model->uplink_count], diagnosis);
	if (model->uplink_count == 0)
		found(diagnosis, FINDING_OK, "", "no uplink is configured");
}

/* ---- MTU --------------------------------------------------------------------------------------------------------- */

/* Alone nothing is relayed; and where there is an underlay, not by the uplinks. */
static void judge_uplink_mtu(
	const struct model *model, size_t which, const struct facts *facts, struct diagnosis *diagnosis)
{
	const struct uplink_facts *uplink = &facts->uplinks[which];
	bool is_underlay = which == model->uplink_count;
	bool relays = model_has_members(model) && (is_underlay || !model->array.underlay);
	int needed = model->array.mtu + (relays ? facts->relay_overhead : 0);

	if (uplink->exists && uplink->mtu < needed)
		found(diagnosis, FINDING_PROBLEM, "make its MTU larger, or array.mtu smaller",
			"%s %s has an MTU of %d, and %s of the array have %d",
			is_underlay ? "underlay" : "uplink", uplink->name, uplink->mtu,
			relays ? "relayed packets" : "packets", needed);
}

/* What the two ends agree on is not known here: the ciphers that add most, and those that add least. */
static int esp_size(bool v4, int inner)
{
	return (inner + 2 + IPSEC_BLOCK - 1) / IPSEC_BLOCK * IPSEC_BLOCK + (v4 ? IPSEC_V4 : IPSEC_V6);
}

static int least_esp_size(bool v4, int inner)
{
	return (inner + 2 + IPSEC_LEAST_BLOCK - 1) / IPSEC_LEAST_BLOCK * IPSEC_LEAST_BLOCK +
	       (v4 ? IPSEC_LEAST_V4 : IPSEC_LEAST_V6);
}

/* The inverse of esp_size(): what fits by any cipher. */
static int esp_room(bool v4, int path_mtu)
{
	return (path_mtu - (v4 ? IPSEC_V4 : IPSEC_V6)) / IPSEC_BLOCK * IPSEC_BLOCK - 2;
}

/* A packet of the array as it goes to the tunnel's far end. */
static int outer_size(const struct tunnel *tunnel, bool v4, int inner)
{
	return tunnel->ipsec.enabled ? esp_size(v4, inner) : inner + (v4 ? WIREGUARD_V4 : WIREGUARD_V6);
}

/* An XFRM interface makes no packet that is larger than its route's MTU. */
static void judge_kernel_esp(const char *name, bool v4, int inner, int path_mtu, struct diagnosis *diagnosis)
{
	bool fits_never = path_mtu < least_esp_size(v4, inner);
	char advice[64];

	snprintf(advice, sizeof(advice), "make array.mtu %d, or less, on all gateways",
		esp_room(v4, path_mtu));
	found(diagnosis, fits_never ? FINDING_PROBLEM : FINDING_WARNING, advice,
		"tunnel %s: the path to its far end carries %d bytes, a full packet of the array needs %s %d "
		"in ESP: the kernel %s it",
		name, path_mtu, fits_never ? "at least" : "up to",
		fits_never ? least_esp_size(v4, inner) : esp_size(v4, inner),
		fits_never ? "drops" : "may drop");
}

static void judge_path_mtu(
	const struct model *model, size_t which, const struct facts *facts, struct diagnosis *diagnosis)
{
	const struct tunnel *tunnel = &model->tunnels[which];
	int path_mtu = facts->tunnels[which].path_mtu, inner = model->array.mtu;
	uint16_t port;
	const struct address *endpoint = tunnel_endpoint(tunnel, &port);
	int needed = endpoint ? outer_size(tunnel, address_is_v4(endpoint), inner) : 0;

	if (path_mtu == UNKNOWN || path_mtu >= needed)
		return;
	if (tunnel->ipsec.enabled && facts->esp)
		judge_kernel_esp(tunnel->name, address_is_v4(endpoint), inner, path_mtu, diagnosis);
	else
		found(diagnosis, FINDING_WARNING, "make array.mtu smaller on all gateways",
			"tunnel %s: the path to its far end carries %d bytes, a "
			"full packet of the array needs %d: it is sent in fragments",
			tunnel->name, path_mtu, needed);
}

void judge_mtus(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = diagnosis->finding_count;

	for (size_t i = 0; i < model_uplink_count(model); i++)
		judge_uplink_mtu(model, i, facts, diagnosis);
	for (size_t i = 0; i < model->tunnel_count; i++)
		judge_path_mtu(model, i, facts, diagnosis);
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "", "array.mtu %u fits, as far as is to be seen",
			model->array.mtu);
}

/* ---- rp_filter, neighbours --------------------------------------------------------------------------------------- */

/* The kernel goes by the larger of the two. Strict (1): the way back of a device's address is home0, not its tunnel. */
void judge_rp_filter(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = diagnosis->finding_count;

	for (size_t i = 0; i < model->tunnel_count; i++) {
		int own = facts->tunnels[i].rp_filter;
		int is = own == UNKNOWN ? facts->rp_default : own;

		if ((is > facts->rp_all ? is : facts->rp_all) == 1)
			found(diagnosis, FINDING_PROBLEM,
				"sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0, "
				"and the interface's own; Homeward checks sources itself",
				"tunnel %s: strict rp_filter (all %d, %s %d) drops the %s",
				model->tunnels[i].name, facts->rp_all, own == UNKNOWN ? "default" : "its own",
				is,
				model_egress_of(model, &model->tunnels[i])
					? "answers of its egress group's destinations"
					: "requests of its devices");
	}
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "", "rp_filter lets requests in");
}

void judge_neighbours(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	size_t before = diagnosis->finding_count;
	char advice[128];

	(void)model;
	for (int i = 0; i < 2; i++) {
		int used = facts->neighbours[i], most = facts->neighbours_max[i];

		if (used == UNKNOWN || most <= 0 || used * 100LL < most * (long long)NEIGHBOURS_CROWDED)
			continue;
		snprintf(advice, sizeof(advice),
			"sysctl -w net.%s.neigh.default.gc_thresh3=%d (and gc_thresh2)", families[i],
			most * 4);
		found(diagnosis, FINDING_WARNING, advice,
			"the %s neighbour table has %d of at most %d entries; full, nobody new is reached",
			families[i], used, most);
	}
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "", "the neighbour tables have room");
}

/* ---- Who listens ------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct model *model, const struct listener *listener)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (listener->udp && listener->port == tunnel_port(&model->tunnels[i]))
			return true;
	return strcmp(listener->program, "bird") == 0 || strcmp(listener->program, "wireguard-go") == 0 ||
	       strcmp(listener->program, "charon-systemd") == 0;
}

static void judge_listener(const struct listener *listener, struct diagnosis *diagnosis)
{
	char who[64];

	snprintf(who, sizeof(who), listener->pid ? "%s (pid %d)" : "somebody", listener->program,
		listener->pid);
	if (listener->udp)
		found(diagnosis, FINDING_WARNING,
			"bind it to the loopback's address, or to those it shall serve",
			"%s listens on udp/%u of every address: asked at a loopback, "
			"it may answer from another address, which no device takes",
			who, listener->port);
	else
		found(diagnosis, FINDING_WARNING,
			"bind it to the addresses it shall serve, or guard it by a firewall",
			"%s listens on tcp/%u of every address, loopbacks too: devices reach it", who,
			listener->port);
}

void judge_listeners(const struct model *model, const struct facts *facts, struct diagnosis *diagnosis)
{
	size_t before = diagnosis->finding_count;

	for (size_t i = 0; i < facts->listener_count; i++)
		if (!is_ours(model, &facts->listeners[i]))
			judge_listener(&facts->listeners[i], diagnosis);
	if (diagnosis->finding_count == before)
		found(diagnosis, FINDING_OK, "", "no service listens on every address");
}

/* ---- What a firewall must let pass ------------------------------------------------------------------------------- */

static int add_passage(struct diagnosis *diagnosis, const char *protocol, uint16_t port,
	const char *interface, const char *what)
{
	struct passage *grown =
		realloc(diagnosis->passages, (diagnosis->passage_count + 1) * sizeof(*diagnosis->passages));

	if (!grown)
		return -ENOMEM;
	diagnosis->passages = grown;
	grown += diagnosis->passage_count++;
	*grown = (struct passage){.protocol = protocol, .port = port, .what = what};
	snprintf(grown->interface, sizeof(grown->interface), "%s", interface);
	return 0;
}

static int add_tunnel(const struct tunnel *tunnel, struct diagnosis *diagnosis)
{
	int r = add_passage(
		diagnosis, "udp", tunnel_port(tunnel), "", tunnel->ipsec.enabled ? "IPsec" : "WireGuard");

	if (r == 0 && tunnel->ipsec.enabled)
		r = add_passage(diagnosis, "udp", IKE_PORT, "", "IPsec: the first words of IKE");

	if (r == 0 && tunnel->bgp.enabled)
		r = add_passage(diagnosis, "tcp", BGP_PORT, tunnel->name, "BGP, in either direction");
	if (r == 0 && tunnel->bgp.enabled && tunnel->bgp.bfd.enabled)
		r = add_passage(diagnosis, "udp", BFD_PORT, tunnel->name, "BFD, in either direction");
	return r;
}

static int add_router(const struct router *router, struct diagnosis *diagnosis)
{
	int r = add_passage(
		diagnosis, "tcp", BGP_PORT, router->interface, "BGP with a router, in either direction");

	if (r == 0 && router->bgp.bfd.enabled)
		r = add_passage(diagnosis, "udp", BFD_PORT, router->interface,
			"BFD with a router, in either direction");
	return r;
}

/* What members say to each other goes by the underlay, or by any uplink. */
static int add_members(const struct model *model, const char *interface, struct diagnosis *diagnosis)
{
	int r = add_passage(diagnosis, "udp", RELAY_PORT, interface, "relays between the gateways");

	if (r == 0 && model->array.replication == REPLICATION_BROADCAST)
		r = add_passage(
			diagnosis, "udp", REPLICATION_PORT, interface, "replication between the gateways");
	return r;
}

int list_passages(const struct model *model, struct diagnosis *diagnosis)
{
	int r = 0;

	for (size_t i = 0; i < model->tunnel_count && r == 0; i++)
		r = add_tunnel(&model->tunnels[i], diagnosis);
	for (size_t i = 0; i < model->router_count && r == 0; i++)
		r = add_router(&model->routers[i], diagnosis);
	if (!model_has_members(model) || r < 0)
		return r;
	if (model->array.underlay)
		return add_members(model, model->array.underlay, diagnosis);
	for (size_t i = 0; i < model->uplink_count && r == 0; i++)
		r = add_members(model, model->uplinks[i], diagnosis);
	return r;
}
