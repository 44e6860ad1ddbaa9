// SPDX-License-Identifier: Apache-2.0
/*
 * What forwarding a packet costs, with the kernel around the programs, beside what users would take instead:
 *
 *	floor        a program that drops the packet where ours would see it: what making and receiving it costs
 *	ip_forward   the kernel's routes: each tunnel's devices are a prefix. No answer knows then which way its request came
 *	nft          conntrack, `ct mark` set by a verdict map of the tunnels, and restored; an `ip rule` and a table for each
 *	ours         the programs, where gwd hangs them
 *
 *	forward CASE FAMILY TUNNEL_BITS FLOWS…    2 to the power of TUNNEL_BITS tunnels
 *
 * request: out of a tunnel, in the clear, to a backend behind the uplink. response: from there, by its request's tunnel.
 * relay: the same, but its way home is the member's, behind the same uplink; nft and ip_forward send it there as it is, with
 * nothing around it. new: the first request and the first response of a flow that nobody knows, of a device that nobody
 * knows.
 *
 * Each has a namespace of its own. Frames are made in the kernel (BPF_PROG_TEST_RUN's live frames) and received there as from
 * a network card's driver; behind the last interface they are counted by a program and dropped. All is done by one core. A
 * figure whose packets did not all come out by the right interface is none.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/network.h"
#include "tests/bench/rows.h"
#include "tests/bench/world.h"

#include "bench/generate.skel.h" /* which knows the types above */

#define CONTENDERS_MOST 6
#define TABLE           1000 /* and so on: a routing table for each tunnel */

enum side { FLOOR, PLAIN, NFT, OURS, SIDES };
enum exit { BY_TUNNEL, BY_UPLINK, BY_UPLINK_RELAYED, BEFORE_SKB };

struct contender {
	const char *name;
	enum side side;
	const struct bpf_program **xdp; /* what is in XDP on the uplink; NULL: nothing */
	enum exit exit;
	bool by_home; /* its responses leave by home0 */
	bool turns;   /* XDP may send */
	enum relay_mode relay;
};

static struct generate_bpf *generate;
static struct network networks[SIDES];
static enum family family;
static unsigned tunnel_bits;
static const struct bpf_program *uplink_xdp, *drop_xdp;

static const struct contender requests[] = {
	{"floor", FLOOR},
	{"ip_forward", PLAIN, .exit = BY_UPLINK},
	{"nft", NFT, .exit = BY_UPLINK},
	{"ours", OURS, .exit = BY_UPLINK, .relay = RELAY_AUTHENTICATED},
	{NULL},
};
static const struct contender responses[] = {
	{"floor", FLOOR},
	{"ip_forward", PLAIN},
	{"nft", NFT},
	{"ours", OURS, &uplink_xdp, .relay = RELAY_AUTHENTICATED},
	{"ours, home0", OURS, .by_home = true, .relay = RELAY_AUTHENTICATED},
	{NULL},
};
static const struct contender relays[] = {
	{"floor", FLOOR, &drop_xdp},
	{"ip_forward", PLAIN, .exit = BY_UPLINK},
	{"nft", NFT, .exit = BY_UPLINK},
	{"ours, XDP", OURS, &uplink_xdp, BEFORE_SKB, .turns = true, .relay = RELAY_AUTHENTICATED},
	{"ours, TC", OURS, &uplink_xdp, BY_UPLINK_RELAYED, .relay = RELAY_AUTHENTICATED},
	{"ours, TC, no MAC", OURS, &uplink_xdp, BY_UPLINK_RELAYED, .relay = RELAY_PLAIN},
	{NULL},
};
static const struct contender newcomers[] = {
	{"floor", FLOOR},
	{"ip_forward", PLAIN},
	{"nft", NFT},
	{"ours", OURS, .relay = RELAY_AUTHENTICATED},
	{"ours, alone", OURS, .relay = RELAY_OFF},
	{NULL},
};

static const struct part {
	const char *name;
	const struct contender *contenders;
} parts[] = {{"request", requests}, {"response", responses}, {"relay", relays}, {"new", newcomers}};

/* ---- What each side has ---------------------------------------------------------------------------------------------- */

static void set_up_floor(const struct network *network)
{
	network_attach_tc(network->uplink, BPF_TC_INGRESS, generate->progs.drop_tc);
	for (unsigned n = 0; n < 1U << tunnel_bits; n++)
		network_attach_tc(network->first_tunnel + n, BPF_TC_INGRESS, generate->progs.drop_tc);
}

static const char *ip_tool(void)
{
	return family == V4 ? "ip -4 -batch -" : "ip -6 -batch -";
}

/* To the member, or into a tunnel. */
static void write_target(FILE *ip, bool relays_them, unsigned n)
{
	if (relays_them)
		fprintf(ip, "via %s dev up0", family == V4 ? "10.0.0.12" : "fd00:10::12");
	else
		fprintf(ip, "dev tun%u", n);
}

static void set_up_routes(bool relays_them)
{
	FILE *ip = network_tool(ip_tool());

	for (unsigned n = 0; n < 1U << tunnel_bits; n++) {
		uint32_t device = DEVICES_BASE | n << (FLOWS_BITS - tunnel_bits);

		if (family == V4)
			fprintf(ip, "route add %u.%u.%u.%u/%u ", device >> 24, device >> 16 & 255,
				device >> 8 & 255, device & 255, 32 - FLOWS_BITS + tunnel_bits);
		else
			fprintf(ip, "route add 2001:db8:%x:%x::/%u ", device >> 16, device & 0xffff,
				64 - FLOWS_BITS + tunnel_bits);
		write_target(ip, relays_them, n);
		fputc('\n', ip);
	}
	network_tool_done(ip, "ip");
}

static void write_ruleset(FILE *nft)
{
	fprintf(nft, "table inet bench {\n");
	for (unsigned n = 0; n < 1U << tunnel_bits; n++)
		fprintf(nft, "chain t%u { ct mark set %u\n}\n", n, n + 1);
	fprintf(nft, "chain prerouting {\ntype filter hook prerouting priority mangle\niif vmap {");
	for (unsigned n = 0; n < 1U << tunnel_bits; n++)
		fprintf(nft, "%s tun%u : goto t%u", n ? "," : "", n, n);
	fprintf(nft, " }\niif up0 meta mark set ct mark\n}\n}\n");
}

static void set_up_nft(bool relays_them)
{
	FILE *nft = network_tool("nft -f -"), *ip;

	write_ruleset(nft);
	network_tool_done(nft, "nft");
	ip = network_tool(ip_tool());
	for (unsigned n = 0; n < 1U << tunnel_bits; n++) {
		fprintf(ip, "rule add fwmark %u lookup %u\nroute add table %u default ", n + 1, TABLE + n,
			TABLE + n);
		write_target(ip, relays_them, n);
		fputc('\n', ip);
	}
	network_tool_done(ip, "ip");
	if (system("cd /proc/sys/net/netfilter && echo 86400 >nf_conntrack_udp_timeout &&"
		   "echo 86400 >nf_conntrack_udp_timeout_stream"))
		fail("conntrack's timeouts");
}

static void set_up_ours(const struct network *network)
{
	world_open(network->home);
	world_tunnels(tunnel_bits, network->first_tunnel);
	network_attach_tc(network->uplink, BPF_TC_INGRESS, world.gateway->progs.uplink_ingress);
	network_attach_tc(network->home, BPF_TC_EGRESS, world.gateway->progs.return_egress);
	for (unsigned n = 0; n < 1U << tunnel_bits; n++)
		network_attach_tc(
			network->first_tunnel + n, BPF_TC_INGRESS, world.gateway->progs.tunnel_ingress);
	uplink_xdp = world.xdp->progs.uplink_xdp;
}

static void set_up(enum side side, bool relays_them)
{
	struct network *network = &networks[side];

	network_open(network, 1U << tunnel_bits);
	network_attach_tc(network->entrance, BPF_TC_INGRESS, generate->progs.steer);
	network_attach_tc(network->uplink, BPF_TC_EGRESS, generate->progs.arrive_tc);
	network_attach_xdp(network->far_uplink, generate->progs.arrive_xdp);
	for (unsigned n = 0; n < 1U << tunnel_bits; n++)
		network_attach_tc(network->first_tunnel + n, BPF_TC_EGRESS, generate->progs.arrive_tc);
	if (side == FLOOR)
		set_up_floor(network);
	else if (side == PLAIN)
		set_up_routes(relays_them);
	else if (side == NFT)
		set_up_nft(relays_them);
	else
		set_up_ours(network);
}

/* ---- A figure ---------------------------------------------------------------------------------------------------------- */

static void expect_by(enum exit exit, const struct network *network)
{
	uint32_t number_at = generate->bss->recipe.number_at;

	generate->bss->out.first = exit == BEFORE_SKB ? network->far_uplink : network->uplink;
	generate->bss->out.mask = 0;
	generate->bss->out.number_at = number_at + (exit == BY_UPLINK ? 0 : RELAY_OVERHEAD_V4);
	if (exit != BY_TUNNEL)
		return;
	generate->bss->out.first = network->first_tunnel;
	generate->bss->out.mask = (1U << tunnel_bits) - 1;
	generate->bss->out.number_at = number_at - ETHERNET_LENGTH;
}

static void prepare(const struct contender *contender, enum direction_of_packet direction)
{
	const struct network *network = &networks[contender->side];
	const struct bpf_program *behind =
		contender->xdp && direction == RESPONSE ? *contender->xdp : generate->progs.pass_xdp;
	int program = bpf_program__fd(behind);
	uint32_t zero = 0;

	network_enter(network);
	recipe_write(&generate->bss->recipe, direction, family, true);
	expect_by(direction == REQUEST ? BY_UPLINK : contender->exit, network);
	generate->bss->by_home = contender->by_home ? network->home : 0;
	generate->bss->first_tunnel = network->first_tunnel;
	generate->bss->arrived = generate->bss->astray = generate->bss->dropped = 0;
	need(bpf_map_update_elem(bpf_map__fd(generate->maps.next_xdp), &zero, &program, BPF_ANY), "next");
	if (contender->side != OURS)
		return;
	world.settings.relay = contender->relay;
	world_settings();
	world_turning(network->uplink, contender->turns);
}

static uint64_t seen(void)
{
	return generate->bss->arrived + generate->bss->astray + generate->bss->dropped;
}

/* A driver's work goes on for a moment behind the last frame. */
static void judge(struct row *row, const struct contender *contender, uint32_t packets)
{
	uint64_t right;

	for (int i = 0; i < 1000 && seen() < packets; i++)
		usleep(200);
	right = contender->side == FLOOR ? generate->bss->dropped : generate->bss->arrived;
	if (right != packets || seen() != packets)
		row_spoil(row, "of %u packets %" PRIu64 " came out rightly, %" PRIu64 " elsewhere", packets,
			right, (uint64_t)generate->bss->astray);
}

/* ns a packet, from the number on that the recipe stands at. */
static double send_and_judge(struct row *row, const struct contender *contender,
	enum direction_of_packet direction, uint32_t packets)
{
	const struct network *network = &networks[contender->side];
	bool by_uplink = direction == RESPONSE && !contender->by_home;
	double ns;

	prepare(contender, direction);
	ns = network_send(
		generate->progs.generate_xdp, by_uplink ? network->uplink : network->entrance, packets);
	judge(row, contender, packets);
	return ns;
}

static void name_rows(struct row *rows, const struct part *part, uint32_t flows)
{
	for (int i = 0; part->contenders[i].name; i++)
		rows[i] = (struct row){.part = "forward",
			.of = part->name,
			.rival = part->contenders[i].name,
			.unit = "ns",
			.family = family,
			.flows = flows,
			.tunnels = 1U << tunnel_bits};
}

static void print_rows(const struct row *rows, const struct part *part)
{
	for (int i = 0; part->contenders[i].name; i++)
		row_print(&rows[i]);
}

/* ---- Known flows ------------------------------------------------------------------------------------------------------- */

static void begin_at(uint32_t flows, bool at_random)
{
	generate->bss->recipe.next = 0;
	generate->bss->recipe.flows = flows;
	generate->bss->recipe.at_random = at_random;
}

/* Conntrack learns each flow as it would: by its request and its response. */
static void teach(const struct part *part, uint32_t flows, struct row *rows)
{
	static const struct contender nft = {"nft", NFT, .exit = BY_UPLINK};
	bool relays_them = part->contenders == relays;
	struct row *row = &rows[2];

	begin_at(flows, false);
	world_flows(&generate->bss->recipe, family, flows, relays_them ? WORLD_MEMBER : WORLD_GATEWAY);
	network_enter(&networks[NFT]);
	network_forget_flows();
	send_and_judge(row, &nft, REQUEST, flows);
	begin_at(flows, false);
	send_and_judge(row, relays_them ? &nft : &responses[2], RESPONSE, flows);
}

static void measure_known(const struct part *part, uint32_t flows, struct effort effort)
{
	enum direction_of_packet direction = part->contenders == requests ? REQUEST : RESPONSE;
	struct row rows[CONTENDERS_MOST];

	name_rows(rows, part, flows);
	teach(part, flows, rows);
	for (unsigned turn = 0; turn <= effort.repeats; turn++)
		for (int i = 0; part->contenders[i].name; i++) {
			uint32_t packets =
				turn ? effort.packets : effort.packets / 10 + 1; /* first to get warm */
			double ns;

			begin_at(flows, true);
			ns = send_and_judge(&rows[i], &part->contenders[i], direction, packets);
			if (turn)
				row_add(&rows[i], ns);
		}
	print_rows(rows, part);
}

/* ---- New flows --------------------------------------------------------------------------------------------------------- */

/* Our tables are a quarter full of what is to come. */
static void forget(const struct contender *contender)
{
	if (contender->side == OURS) {
		world_flows(&generate->bss->recipe, family, 0, WORLD_GATEWAY);
		world_hear_changes();
	}
	if (contender->side != NFT)
		return;
	network_enter(&networks[NFT]);
	network_forget_flows();
}

/* Lines that were not to be had, or others', and changes that were not told: work that was not done. */
static uint64_t undone(void)
{
	return world_count(REASON_entry_refused) + world_count(REASON_entry_taken) +
	       world_count(REASON_device_refused) + world_count(REASON_change_lost);
}

static double send_new(struct row *row, const struct contender *contender, uint32_t flows)
{
	uint64_t before = undone();
	double ns;

	begin_at(flows, false);
	ns = send_and_judge(row, contender, REQUEST, flows);
	world_hear_changes();
	begin_at(flows, false);
	ns += send_and_judge(row, contender, RESPONSE, flows);
	if (undone() - before > flows / 1000)
		row_spoil(
			row, "of %u flows %" PRIu64 " lines or changes were lost", flows, undone() - before);
	return ns;
}

static void measure_new(const struct part *part, uint32_t flows, struct effort effort)
{
	struct row rows[CONTENDERS_MOST];

	name_rows(rows, part, flows);
	for (unsigned turn = 0; turn < effort.repeats; turn++)
		for (int i = 0; part->contenders[i].name; i++) {
			forget(&part->contenders[i]);
			row_add(&rows[i], send_new(&rows[i], &part->contenders[i], flows));
		}
	print_rows(rows, part);
}

/* ---- All of it --------------------------------------------------------------------------------------------------------- */

static const struct part *part_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!strcmp(parts[i].name, name))
			return &parts[i];
	fail("forward CASE FAMILY TUNNEL_BITS FLOWS...");
}

int main(int argc, char **argv)
{
	const struct part *part = part_by_name(argc > 4 ? argv[1] : "");
	struct effort wanted = effort();

	family = atoi(argv[2]) == 6 ? V6 : V4;
	tunnel_bits = atoi(argv[3]);
	if (tunnel_bits > 10)
		fail("at most 1024 tunnels");
	keep_to_one_core();
	generate = generate_bpf__open_and_load();
	if (!generate)
		need(-1, "the generator");
	generate->bss->recipe.tunnel_bits = tunnel_bits;
	drop_xdp = generate->progs.drop_xdp;
	for (enum side side = FLOOR; side < SIDES; side++)
		set_up(side, part->contenders == relays);
	for (int i = 4; i < argc; i++) {
		uint32_t flows = strtoul(argv[i], NULL, 10);

		if (!flows || flows > wanted.flows)
			continue;
		if (part->contenders == newcomers)
			measure_new(part, flows, wanted);
		else
			measure_known(part, flows, wanted);
	}
	return 0;
}
