// SPDX-License-Identifier: Apache-2.0
/*
 * What an uplink's filter saves, and what it costs.
 *
 *	filter FAMILY
 *
 * flood: datagrams from many hosts to a port of this machine where nobody listens. What becomes of them:
 *	floor             a program drops each at XDP, unseen: what making and receiving it costs
 *	no filter         the stack finds nobody, and answers as often as it dares
 *	nft, input        a rule drops them where packets to the machine are filtered
 *	nft, prerouting   before conntrack and routing, which is as early as nft has it without XDP
 *	ours              the filter finds nobody
 *
 * served: what passes, until a program behind traffic control drops it; that is one for all. Without a filter; and with one,
 * to nobody whom it looks after (what is forwarded; and responses), to a tunnel's port, to a port with a socket.
 *
 * Frames are made and received as forward.c does it, all by one core. A figure whose packets were not all seen where they
 * should end is none.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/network.h"
#include "tests/bench/rows.h"
#include "tests/bench/world.h"

#include "bench/generate.skel.h" /* which knows the types above */

#define SOURCES         4096
#define NOBODYS_PORT    9
#define TUNNELS_PORT    51820
#define SOCKETS_PORT    5000
#define CONTENDERS_MOST 5

enum side { FLOOR, PLAIN, INPUT, PREROUTING, OURS, SERVED, SIDES };

struct contender {
	const char *name;
	enum side side;
	uint16_t port;
	bool filters;
	bool elsewhere; /* the machine's address is not one that the filter looks after */
};

static const struct contender flood[] = {
	{"floor", FLOOR, NOBODYS_PORT},
	{"no filter", PLAIN, NOBODYS_PORT},
	{"nft, input", INPUT, NOBODYS_PORT},
	{"nft, prerouting", PREROUTING, NOBODYS_PORT},
	{"ours", OURS, NOBODYS_PORT, .filters = true},
	{NULL},
};
static const struct contender served[] = {
	{"no filter", SERVED, TUNNELS_PORT},
	{"ours, elsewhere", SERVED, TUNNELS_PORT, .filters = true, .elsewhere = true},
	{"ours, tunnel", SERVED, TUNNELS_PORT, .filters = true},
	{"ours, socket", SERVED, SOCKETS_PORT, .filters = true},
	{NULL},
};

static struct generate_bpf *generate;
static struct network networks[SIDES];
static enum family family;

/* ---- What each side has ------------------------------------------------------------------------------------------------ */

static void run_tool(const char *tool, const char *commands)
{
	FILE *stream = network_tool(tool);

	fputs(commands, stream);
	network_tool_done(stream, tool);
}

static void write_ruleset(const char *hook)
{
	char rules[256];

	snprintf(rules, sizeof(rules),
		"table inet bench {\ncounter dropped {}\nchain filter {\n"
		"type filter hook %s;\nudp dport %u counter name dropped drop\n}\n}\n",
		hook, NOBODYS_PORT);
	run_tool("nft -f -", rules);
}

static void set_up(enum side side)
{
	network_open(&networks[side], 0);
	/* Whom the stack would answer is behind the uplink. */
	run_tool("ip -batch -", "route add default via 10.0.0.20\nroute add default via fd00:10::20\n");
	if (side == INPUT)
		write_ruleset("input priority filter");
	if (side == PREROUTING)
		write_ruleset("prerouting priority raw");
	if (side == SERVED)
		network_attach_tc(networks[side].uplink, BPF_TC_INGRESS, generate->progs.drop_tc);
}

static void open_socket(void)
{
	const struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(SOCKETS_PORT)};
	int fd;

	network_enter(&networks[SERVED]);
	fd = need(socket(AF_INET6, SOCK_DGRAM, 0), "a socket");
	need(bind(fd, (const struct sockaddr *)&name, sizeof(name)), "its port");
}

static void write_filter(void)
{
	struct services services = {0};
	uint32_t row = TUNNELS_PORT >> 8;
	uint32_t drops = FILTER_DROPS;

	services.kinds[SERVICE_AT(TUNNELS_PORT)] = SERVICE_TUNNEL << SERVICE_SHIFT(TUNNELS_PORT);
	need(bpf_map_update_elem(bpf_map__fd(world.gateway->maps.services), &row, &services, BPF_ANY),
		"services");
	for (enum side side = OURS; side <= SERVED; side++)
		need(bpf_map_update_elem(bpf_map__fd(world.gateway->maps.filters), &networks[side].uplink,
			     &drops, BPF_ANY),
			"filters");
}

/* ---- A figure -------------------------------------------------------------------------------------------------------------- */

static void look_after(bool ours)
{
	int map = bpf_map__fd(world.gateway->maps.own);
	uint32_t machine = OWN_MACHINE;
	uint8_t address[16];

	address_of(UNDERLAY, family, address);
	if (ours)
		need(bpf_map_update_elem(map, address, &machine, BPF_ANY), "own");
	else
		bpf_map_delete_elem(map, address);
}

static void prepare(const struct contender *contender)
{
	const struct bpf_program *behind = contender->side >= OURS    ? world.xdp->progs.uplink_xdp
					   : contender->side == FLOOR ? generate->progs.drop_xdp
								      : generate->progs.pass_xdp;
	int program = bpf_program__fd(behind);
	uint32_t zero = 0;

	network_enter(&networks[contender->side]);
	recipe_flood(&generate->bss->recipe, family, contender->port);
	generate->bss->recipe.next = 0;
	world.settings.filter = contender->filters;
	world_settings();
	look_after(!contender->elsewhere);
	need(bpf_map_update_elem(bpf_map__fd(generate->maps.next_xdp), &zero, &program, BPF_ANY), "next");
}

/* A number behind the word in what a command says; 0: it does not say it. */
static uint64_t number_of(const char *command, const char *format)
{
	FILE *said = popen(command, "re");
	uint64_t number = 0;
	char line[256];

	while (said && fgets(line, sizeof(line), said))
		if (sscanf(line, format, &number) == 1)
			break;
	if (said)
		pclose(said);
	return number;
}

/* Of all packets so far, those that ended where this contender's do. */
static uint64_t ended(const struct contender *contender)
{
	switch (contender->side) {
	case PLAIN:
		return family == V4 ? number_of("nstat -asz UdpNoPorts", "UdpNoPorts %" SCNu64)
				    : number_of("nstat -asz Udp6NoPorts", "Udp6NoPorts %" SCNu64);
	case INPUT:
	case PREROUTING:
		return number_of("nft list counter inet bench dropped", " packets %" SCNu64);
	case OURS:
		return world_count(REASON_filtered_unserved);
	default:
		return generate->bss->dropped;
	}
}

/* A driver's work goes on for a moment behind the last frame. */
static double take(struct row *row, const struct contender *contender, uint32_t packets)
{
	uint64_t before, seen = 0;
	double ns;

	prepare(contender);
	before = ended(contender);
	ns = network_send(generate->progs.generate_xdp, networks[contender->side].uplink, packets);
	for (int i = 0; i < 50 && seen < packets; i++) {
		seen = ended(contender) - before;
		if (seen < packets)
			usleep(2000);
	}
	if (seen != packets)
		row_spoil(row, "of %u packets %" PRIu64 " ended where they should", packets, seen);
	return ns;
}

static void measure(const char *what, const struct contender *contenders, struct effort effort)
{
	struct row rows[CONTENDERS_MOST];

	for (int i = 0; contenders[i].name; i++)
		rows[i] = (struct row){.part = "filter",
			.of = what,
			.rival = contenders[i].name,
			.unit = "ns",
			.family = family,
			.flows = SOURCES};
	for (unsigned turn = 0; turn <= effort.repeats; turn++)
		for (int i = 0; contenders[i].name; i++) {
			uint32_t packets = turn ? effort.packets : effort.packets / 10 + 1; /* to get warm */
			double ns = take(&rows[i], &contenders[i], packets);

			if (turn)
				row_add(&rows[i], ns);
		}
	for (int i = 0; contenders[i].name; i++)
		row_print(&rows[i]);
}

int main(int argc, char **argv)
{
	struct effort wanted = effort();

	if (argc != 2)
		fail("filter FAMILY");
	family = atoi(argv[1]) == 6 ? V6 : V4;
	keep_to_one_core();
	generate = generate_bpf__open_and_load();
	if (!generate)
		need(-1, "the generator");
	generate->bss->recipe.flows = SOURCES;
	generate->bss->recipe.at_random = 1;
	for (enum side side = FLOOR; side < SIDES; side++)
		set_up(side);
	world_open(networks[OURS].home);
	open_socket();
	write_filter();
	measure("flood", flood, wanted);
	measure("served", served, wanted);
	return 0;
}
