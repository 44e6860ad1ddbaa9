// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "cli/nouns.h"

#define ASKS      (FLAGS_ALWAYS | FLAGS_DAEMON)
#define SHOWS     (ASKS | FLAGS_WATCH | FLAGS_TABLE)
#define BY_WAY    (FLAGS_PROVIDER | FLAGS_WAY)
#define BY_FLOW   (BY_WAY | FLAGS_FLOW)
#define ENDS      "PROTOCOL SOURCE[:PORT] DESTINATION[:PORT]"
#define PATIENCE  5000
#define UNHURRIED 120000     /* removing everything takes its time */
#define FOREVER   UINT32_MAX /* until something happens */

const struct command commands[] = {
	{"status", NULL, NULL, SHOWS, PATIENCE, run_status,
		"how the gateway is, on one screen; 1 if degraded"},
	{"flow", "list", NULL, SHOWS | BY_FLOW, PATIENCE, run_flow_list, "the flows, with their ways home"},
	{"flow", "get", ENDS, SHOWS, PATIENCE, run_flow_get, "one flow, by its two ends in either direction"},
	{"flow", "count", NULL, ASKS | FLAGS_WATCH | BY_FLOW, PATIENCE, run_flow_count,
		"how many flows there are"},
	{"flow", "explain", ENDS, ASKS | FLAGS_WATCH | FLAGS_PACKET, PATIENCE, run_flow_explain,
		"where a packet would go, and why"},
	{"flow", "flush", NULL, ASKS | BY_FLOW | FLAGS_ALL, PATIENCE, run_flow_flush,
		"takes flows out of the table"},
	{"device", "list", NULL, SHOWS | BY_WAY, PATIENCE, run_device_list,
		"the devices, with their newest ways home"},
	{"device", "get", "ADDRESS", SHOWS, PATIENCE, run_device_get, "one device"},
	{"tunnel", "list", NULL, SHOWS | FLAGS_PROVIDER, PATIENCE, run_tunnel_list,
		"the tunnels and how they are"},
	{"tunnel", "get", "TUNNEL", SHOWS, PATIENCE, run_tunnel_get, "one tunnel"},
	{"tunnel", "disable", "TUNNEL", ASKS | FLAGS_WAIT, PATIENCE, run_tunnel_disable,
		"takes one tunnel out of service: routers behind it are told that it leaves, then nothing is "
		"announced there; its flows go on"},
	{"tunnel", "enable", "TUNNEL", ASKS, PATIENCE, run_tunnel_enable, "takes it back into service"},
	{"bgp", "list", NULL, SHOWS | FLAGS_PROVIDER, PATIENCE, run_bgp_list,
		"the BGP sessions, with their BFD"},
	{"bgp", "get", "SESSION", SHOWS, PATIENCE, run_bgp_get,
		"the session through one tunnel, or with one router"},
	{"probe", "list", NULL, SHOWS, PATIENCE, run_probe_list, "the probes, and what they heard last"},
	{"probe", "get", "PROBE", SHOWS, PATIENCE, run_probe_get,
		"one probe, with what became of it and why"},
	{"egress", "list", NULL, SHOWS, PATIENCE, run_egress_list,
		"the egress groups: their links, who carries traffic, and how much"},
	{"egress", "get", "EGRESS", SHOWS, PATIENCE, run_egress_get, "one egress group"},
	{"egress", "switch", "EGRESS TUNNEL", ASKS, PATIENCE, run_egress_switch,
		"makes one link of an active-standby group the active one, until it dies"},
	{"map", "dump", NULL, ASKS | FLAGS_VOLATILE, PATIENCE, run_map_dump,
		"both tables, sorted and byte-stable"},
	{"map", "diff", "A B", FLAGS_ALWAYS, 0, run_map_diff,
		"compares two dumps (files or -); 1 if they differ"},
	{"config", "check", "FILE", FLAGS_ALWAYS, 0, run_config_check,
		"every error of a configuration; 6 if invalid"},
	{"config", "show", NULL, ASKS, PATIENCE, run_config_show,
		"the configuration in force, in canonical form"},
	{"config", "diff", "FILE", ASKS, UNHURRIED, run_config_diff,
		"what applying a file would change and do; 1 if it differs"},
	{"config", "apply", "FILE", ASKS | FLAGS_CONFIRM, UNHURRIED, run_config_apply,
		"puts a file in force, all of it or nothing"},
	{"config", "confirm", NULL, ASKS, PATIENCE, run_config_confirm,
		"keeps what was applied with --confirm"},
	{"config", "rollback", NULL, ASKS, UNHURRIED, run_config_rollback,
		"puts the configuration before in force again"},
	{"gateway", "list", NULL, SHOWS, PATIENCE, run_gateway_list,
		"the gateways of the array, as this one sees them"},
	{"gateway", "get", "GATEWAY", SHOWS, PATIENCE, run_gateway_get,
		"one gateway, and its tunnels under --json"},
	{"gateway", "drain", NULL, ASKS | FLAGS_WAIT, PATIENCE, run_gateway_drain,
		"takes this gateway out of service: routers are told "
		"that it leaves, then it withdraws; its flows go on"},
	{"gateway", "undrain", NULL, ASKS, PATIENCE, run_gateway_undrain, "takes it back into service"},
	{"gateway", "switch", NULL, ASKS | FLAGS_TO | FLAGS_WAIT, PATIENCE, run_gateway_switch,
		"hands this gateway's service over: drains it if another "
		"one can take over, else refuses; says who serves then"},
	{"gateway", "stop", NULL, ASKS, UNHURRIED, run_gateway_stop,
		"withdraws, then removes all that gwd made"},
	{"events", NULL, NULL, ASKS | FLAGS_TABLE | FLAGS_FOLLOW, FOREVER, run_events,
		"what happened, and why; goes on with what happens"},
	{"doctor", NULL, "[FILE]", FLAGS_ALWAYS, 0, run_doctor,
		"what in this machine would hurt a gateway, and what to do; needs no daemon"},
	{"stats", NULL, NULL, SHOWS, PATIENCE, run_stats, "what became of packets, by reason"},
	{"version", NULL, NULL, ASKS, PATIENCE, run_version, "of gwctl, and of the daemon if it answers"},
};
const size_t command_count = ARRAY_SIZE(commands);

size_t command_selector_count(const struct command *command)
{
	size_t count = command->selector != NULL;

	for (const char *c = command->selector; c && *c; c++)
		count += *c == ' ';
	return count;
}
