/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for the tests of ctl and cli: a model of one gateway with two tunnels, tables in plain memory, and
 * hooks that answer as main's would. The tables are the real thing but for the mapping; what the BPF program
 * `explain` would find is set in `answer`.
 */
#ifndef CONTROL_WORLD_H
#define CONTROL_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define WORLD_LINES 65536

struct world {
	char run_dir[64];
	struct member members[2];
	struct address loopback_addresses[2];
	struct loopback loopback;
	struct prefix prefixes[2];
	struct provider providers[2];
	struct prefix tunnel_addresses[2];
	struct tunnel tunnels[2];
	struct model model;
	struct tunnel_status tunnel_status[2];
	struct router router;
	struct router_status router_status;
	struct loopback_status loopback_status;
	struct prefix egress_destination;
	char *egress_from;
	struct egress_link egress_links[2];
	struct egress_group egress;
	struct egress_status egress_status;
	struct uplink_status lan_status;
	struct member_status member_status[2];
	struct member_tunnel member_tunnels[2];
	struct status status;
	struct flow_table flows, devices;
	struct settings settings;
	struct events events;
	struct explanation answer;         /* what `explain` finds for a response */
	struct explanation asked;          /* the last question */
	unsigned refreshes, stops, counts; /* calls; each count of reasons finds 100 more by home_flow */
	bool stopped, stop_fails, drain_fails, leaves;
	char config[64]; /* the beginning of what is in force */
	size_t applied_size;
	uint32_t confirm_ms;
	sd_event *event;
	struct ctl *ctl;
};

static struct world world;

static struct address world_address(const char *text)
{
	struct address address = {0};

	address_parse(text, &address);
	return address;
}

static struct prefix world_prefix(const char *text)
{
	struct prefix prefix = {0};

	prefix_parse(text, &prefix);
	return prefix;
}

static void world_refresh(void *self)
{
	((struct world *)self)->refreshes++;
}

static int world_explain(void *self, struct explanation *question, struct error *error)
{
	struct world *is = self;

	(void)error;
	is->asked = *question;
	if (question->direction == EXPLAIN_REQUEST) {
		question->reason =
			question->tunnel == 101 ? REASON_passed_request : REASON_source_not_provider;
		return 0;
	}
	question->reason = is->answer.reason;
	question->line = is->answer.line;
	question->device_line = is->answer.device_line;
	question->way_tunnel = is->answer.way_tunnel;
	question->way_gateway = is->answer.way_gateway;
	question->provider = is->answer.provider;
	question->way_reason = is->answer.way_reason;
	question->answered = is->answer.answered;
	question->fits = is->answer.fits;
	return 0;
}

static int world_reasons(void *self, struct reason_count totals[REASON_COUNT], struct error *error)
{
	struct world *is = self;

	(void)error;
	totals[REASON_home_flow] = (struct reason_count){70 + 100 * is->counts++, 9000};
	totals[REASON_source_not_provider] = (struct reason_count){3, 180};
	return 0;
}

static int world_config(void *self, FILE *stream, struct error *error)
{
	const struct world *is = self;

	(void)error;
	fputs(is->config, stream);
	return 0;
}

static int world_drain(void *self, bool drained, struct error *error)
{
	struct world *is = self;

	if (is->drain_fails)
		return error_set(error, -EROFS, "cannot remember it");
	is->status.drained = drained;
	is->loopback_status.announced = !drained;
	return 0;
}

static int world_disable(void *self, const struct tunnel *tunnel, bool disabled, struct error *error)
{
	struct world *is = self;

	if (is->drain_fails)
		return error_set(error, -EROFS, "cannot remember it");
	is->tunnel_status[tunnel - is->tunnels].disabled = disabled;
	is->tunnel_status[tunnel - is->tunnels].leaving = disabled && is->leaves;
	is->tunnel_status[tunnel - is->tunnels].cause = disabled ? "disabled by an operator" : "all well";
	return 0;
}

static int world_stop(void *self, void (*say)(void *to, const char *words), void *to, struct error *error)
{
	struct world *is = self;

	is->stops++;
	say(to, "withdrew the loopbacks");
	if (is->stop_fails)
		return error_set(error, -EBUSY, "home0 is busy");
	say(to, "removed home0");
	return 0;
}

/* A configuration is any text without "wrong" in it. */
static int world_read_config(
	const struct ctl_config *config, const struct ctl_listener *listener, struct error *error)
{
	if (!strstr(config->text, "wrong"))
		return 0;
	listener->say(listener->to, "problem", "gateway.yaml:1: key: wrong");
	return error_set(error, -EBADMSG, "%s is refused: 1 problem", config->file);
}

static int world_config_diff(void *self, const struct ctl_config *config, char **before, char **after,
	const struct ctl_listener *listener, struct error *error)
{
	const struct world *is = self;
	int r = world_read_config(config, listener, error);

	if (r < 0)
		return r;
	*before = strdup(is->config);
	*after = strdup(config->text);
	if (strcmp(is->config, config->text) != 0)
		listener->say(listener->to, "step", "add tunnel acme-lgw-03");
	return 0;
}

static int world_config_apply(
	void *self, const struct ctl_config *config, const struct ctl_listener *listener, struct error *error)
{
	struct world *is = self;
	int r = world_read_config(config, listener, error);

	if (r < 0)
		return r;
	listener->say(listener->to, "step", "add tunnel acme-lgw-03");
	is->applied_size = strlen(config->text);
	is->confirm_ms = config->confirm_ms;
	snprintf(is->config, sizeof(is->config), "%s", config->text);
	return 0;
}

static int world_config_confirm(void *self, struct error *error)
{
	struct world *is = self;

	if (!is->confirm_ms)
		return error_set(error, -ENODATA, "nothing waits to be confirmed");
	is->confirm_ms = 0;
	return 0;
}

static int world_config_rollback(void *self, const struct ctl_listener *listener, struct error *error)
{
	(void)self;
	(void)error;
	listener->say(listener->to, "step", "remove tunnel acme-lgw-03");
	return 0;
}

static void world_stopped(void *self)
{
	((struct world *)self)->stopped = true;
}

static void world_tunnel(size_t i, const char *name, uint16_t number, const char *address)
{
	world.tunnel_addresses[i] = world_prefix(address);
	world.tunnels[i] = (struct tunnel){.name = (char *)name,
		.number = number,
		.provider = &world.providers[0],
		.wireguard.listen_port = (uint16_t)(51820 + i),
		.addresses = &world.tunnel_addresses[i],
		.address_count = 1};
	world.tunnels[i].bgp = (struct bgp){.enabled = i == 0,
		.local_as = 64500,
		.peer_as = 64501,
		.neighbor = world_address("169.254.1.2"),
		.bfd = {true, 50, 3}};
	world.tunnel_status[i] = (struct tunnel_status){.tunnel = &world.tunnels[i],
		.ifindex = (uint32_t)(7 + i),
		.driver = "wireguard-go",
		.usable = true,
		.bfd = i ? SESSION_OFF : SESSION_UP,
		.bgp = i ? SESSION_OFF : SESSION_UP,
		.bgp_text = "Established",
		.received_packets = 9,
		.received_bytes = 1203,
		.handshake_age_ms = i ? UINT64_MAX : 12000};
}

static void world_model(void)
{
	world.members[0] = (struct member){"edge-gw-01", 1, world_address("10.0.0.11")};
	world.members[1] = (struct member){"edge-gw-02", 2, world_address("10.0.0.12")};
	world.loopback_addresses[0] = world_address("192.0.2.1");
	world.loopback_addresses[1] = world_address("2001:db8::1");
	world.loopback = (struct loopback){"control", 0, world.loopback_addresses, 2};
	world.prefixes[0] = world_prefix("100.64.0.0/10");
	world.prefixes[1] = world_prefix("2001:db8:100::/40");
	world.providers[0] = (struct provider){"acme", 1, 0, world.prefixes, 2};
	world.providers[1] = (struct provider){"other", 2, 0, NULL, 0};
	world_tunnel(0, "acme-lgw-01", 101, "169.254.1.1/30");
	world_tunnel(1, "acme-lgw-02", 102, "169.254.2.1/30");
	world.router = (struct router){.name = "ixp-1", .interface = "eth1"};
	address_parse("172.31.1.254", &world.router.bgp.neighbor);
	world.router_status =
		(struct router_status){.router = &world.router, .bgp = SESSION_UP, .bgp_text = "Established"};
	world.model = (struct model){.gateway = "edge-gw-01",
		.number = 1,
		.array = {.mtu = 1400, .members = world.members, .member_count = 2},
		.loopbacks = &world.loopback,
		.loopback_count = 1,
		.providers = world.providers,
		.provider_count = 2,
		.tunnels = world.tunnels,
		.tunnel_count = 2,
		.routers = &world.router,
		.router_count = 1};
}

static void world_make(void)
{
	memset(&world, 0, sizeof(world));
	strcpy(world.config, "gateway: edge-gw-01\n");
	world_model();
	world.loopback_status = (struct loopback_status){&world.loopback, true};
	world.status = (struct status){.model = &world.model,
		.bird_running = true,
		.attach = "tcx",
		.xdp = "native",
		.xdp_relays = true,
		.tunnels = world.tunnel_status,
		.routers = &world.router_status,
		.loopbacks = &world.loopback_status,
		.members = world.member_status};
	world.member_tunnels[0] = (struct member_tunnel){201, &world.providers[0], true};
	world.member_tunnels[1] = (struct member_tunnel){202, NULL, false};
	world.member_status[0] = (struct member_status){
		.member = &world.members[0], .refused = 8, .overflowed = 9, .unsent = 10};
	world.member_status[1] = (struct member_status){.member = &world.members[1],
		.state = MEMBER_ALIVE,
		.serving = true,
		.ready = true,
		.last_heard_ms = 1,
		.lag_p50_us = 1234,
		.lag_p99_us = UINT32_MAX,
		.sent = 10,
		.received = 20,
		.lost = 3,
		.asked_again = 4,
		.refused = 5,
		.unkept = 11,
		.flows = 6,
		.clock_skew_ms = -7,
		.tunnels = world.member_tunnels,
		.tunnel_count = 2};
	world.flows = (struct flow_table){calloc(WORLD_LINES, sizeof(struct line)),
		calloc(WORLD_LINES, sizeof(struct line_counters)), WORLD_LINES};
	world.settings = (struct settings){.half_open_ms = 30000,
		.established_ms = 600000,
		.closing_ms = 10000,
		.udp_ms = 60000,
		.icmp_ms = 30000,
		.device_ms = 600000};
	world.devices = (struct flow_table){calloc(256, sizeof(struct line)), NULL, 256};
	strcpy(world.run_dir, "/tmp/control_world.XXXXXX");
	if (!mkdtemp(world.run_dir))
		abort();
}

/* We are on a provider's side too: the group `platform` has both tunnels, and eth1 is its LAN. After world_make(). */
static inline void world_egress(enum egress_mode mode)
{
	world.egress_destination = world_prefix("198.18.0.0/24");
	world.egress_from = (char *)"eth1";
	for (size_t i = 0; i < 2; i++) {
		world.egress_links[i] = (struct egress_link){&world.tunnels[i], 1};
		world.egress_status.links[i] = (struct egress_link_status){
			.usable = true, .in = true, .cause = "usable", .slots = 2048};
	}
	world.egress = (struct egress_group){.name = (char *)"platform",
		.number = 101,
		.destinations = &world.egress_destination,
		.destination_count = 1,
		.from = &world.egress_from,
		.from_count = 1,
		.mode = mode,
		.links = world.egress_links,
		.link_count = 2};
	world.egress_status.group = &world.egress;
	world.egress_status.imbalance = (struct imbalance){
		.looked = true, .uneven = true, .shares = {500, 500}, .measured = {520, 480}};
	world.lan_status = (struct uplink_status){.name = "eth1", .ifindex = 5, .up = true};
	world.model.egress = &world.egress;
	world.model.egress_count = 1;
	world.status.egress = &world.egress_status;
	world.status.uplinks = &world.lan_status;
}

static inline struct ctl_views world_views(void)
{
	return (struct ctl_views){
		&world.status, &world.flows, &world.devices, &world.settings, &world.events};
}

static inline struct ctl_hooks world_hooks(void)
{
	return (struct ctl_hooks){
		.self = &world,
		.refresh = world_refresh,
		.explain = world_explain,
		.reasons = world_reasons,
		.config_text = world_config,
		.config_diff = world_config_diff,
		.config_apply = world_config_apply,
		.config_confirm = world_config_confirm,
		.config_rollback = world_config_rollback,
		.drain = world_drain,
		.disable = world_disable,
		.stop = world_stop,
		.stopped = world_stopped,
	};
}

static inline void world_listen(void)
{
	const struct ctl_views views = world_views();
	const struct ctl_hooks hooks = world_hooks();
	struct error error = {0};

	if (sd_event_new(&world.event) < 0 ||
		ctl_open(world.event, world.run_dir, &views, &hooks, &world.ctl, &error) < 0) {
		fprintf(stderr, "no world: %s\n", error.text);
		abort();
	}
}

static inline void world_close(void)
{
	ctl_close(world.ctl);
	sd_event_unref(world.event);
	rmdir(world.run_dir);
	free(world.flows.lines);
	free(world.flows.counters);
	free(world.devices.lines);
}

static inline struct line world_line(
	const char *source, uint16_t port, const char *destination, enum line_state state)
{
	struct address from = world_address(source), to = world_address(destination);
	struct line line = {.tag = TAG(0xabcdef, state),
		.key = {.source_port = htons(port), .destination_port = htons(7547), .protocol = IPPROTO_TCP},
		.home = HOME(flow_now_ms(), 101, 1, 1)};

	memcpy(line.key.source, from.bytes, 16);
	memcpy(line.key.destination, to.bytes, 16);
	return line;
}

static inline void world_device(uint32_t index, const char *address)
{
	struct line line = world_line(address, 0, "::", LINE_ESTABLISHED);

	line.key.destination_port = 0;
	line.key.protocol = 0;
	world.devices.lines[index] = line;
}

#endif
