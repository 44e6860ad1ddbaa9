// SPDX-License-Identifier: Apache-2.0
/* The one table of methods: what each may be asked, who may, and who answers. */
#include "ctl/methods.h"

#include "base/cleanup.h"

#define A(name)      (1U << ARGUMENT_##name)
#define WAY_FILTERS  (A(PROVIDER) | A(TUNNEL) | A(GATEWAY) | A(ADDRESS))
#define FLOW_FILTERS (WAY_FILTERS | A(PORT) | A(STATE))
#define FLOW_ENDS    (A(PROTOCOL) | A(SOURCE) | A(DESTINATION))
#define FLOW_PORTS   (A(SOURCE_PORT) | A(DESTINATION_PORT))
#define FROM         (A(FROM_TUNNEL) | A(FROM_UPLINK) | A(FROM_LAN))
#define PACKET       (FROM | A(ICMP_ERROR) | A(FRAGMENT) | A(SIZE) | A(HOPS))

const struct method ctl_methods[] = {
	{METHOD_STATUS, false, 0, 0, status_step,
		"one row: the gateway, its loopbacks, tunnels, tables, drops"},
	{METHOD_STATS, false, 0, 0, stats_step, "a row a reason: what became of packets"},
	{METHOD_EVENTS, false, 0, A(FOLLOW), events_step, "a row an event, oldest first"},
	{METHOD_VERSION, false, 0, 0, version_step, "one row: the daemon's version"},
	{METHOD_FLOW_LIST, false, 0, FLOW_FILTERS, flow_list_step, "a row a flow"},
	{METHOD_FLOW_GET, false, FLOW_ENDS, FLOW_PORTS, flow_get_step, "one row: the flow of these ends"},
	{METHOD_FLOW_COUNT, false, 0, FLOW_FILTERS, flow_count_step, "one row: how many flows there are"},
	{METHOD_FLOW_FLUSH, true, 0, FLOW_FILTERS | A(ALL), flow_flush_step,
		"takes flows out; one row: how many"},
	{METHOD_FLOW_EXPLAIN, false, FLOW_ENDS, FLOW_PORTS | PACKET, explain_step,
		"one row: where a packet would go, and why"},
	{METHOD_DEVICE_LIST, false, 0, WAY_FILTERS, device_list_step, "a row a device"},
	{METHOD_DEVICE_GET, false, A(ADDRESS), 0, device_get_step, "the rows of one address"},
	{METHOD_TUNNEL_LIST, false, 0, A(PROVIDER), tunnel_list_step, "a row a tunnel"},
	{METHOD_TUNNEL_GET, false, A(TUNNEL), 0, tunnel_get_step, "one row: this tunnel"},
	{METHOD_TUNNEL_DISABLE, true, A(TUNNEL), 0, tunnel_disable_step,
		"takes this tunnel out of service: announces "
		"there that it leaves, then nothing; flows go on"},
	{METHOD_TUNNEL_ENABLE, true, A(TUNNEL), 0, tunnel_enable_step, "takes it back into service"},
	{METHOD_BGP_LIST, false, 0, A(PROVIDER), bgp_list_step, "a row a BGP session"},
	{METHOD_BGP_GET, false, A(SESSION), 0, bgp_get_step,
		"one row: the session of this tunnel, or with this router"},
	{METHOD_PROBE_LIST, false, 0, 0, probe_list_step, "a row a probe"},
	{METHOD_PROBE_GET, false, A(PROBE), 0, probe_get_step, "one row: this probe"},
	{METHOD_EGRESS_LIST, false, 0, 0, egress_list_step, "a row a link of an egress group"},
	{METHOD_EGRESS_GET, false, A(EGRESS), 0, egress_get_step, "the rows of one group"},
	{METHOD_EGRESS_SWITCH, true, A(EGRESS) | A(TUNNEL), 0, egress_switch_step,
		"makes one link of an active-standby group the active one"},
	{METHOD_MAP_DUMP, false, 0, 0, map_dump_step, "a row a line of the flow and device tables, unsorted"},
	{METHOD_CONFIG_SHOW, false, 0, 0, config_show_step, "one row: the configuration in force, as YAML"},
	{METHOD_CONFIG_DIFF, true, A(CONFIG), A(FILE), config_diff_step,
		"what another configuration would change; 1 if it differs"},
	{METHOD_CONFIG_APPLY, true, A(CONFIG), A(FILE) | A(CONFIRM_MS), config_apply_step,
		"puts another configuration in force; a row a step"},
	{METHOD_CONFIG_CONFIRM, true, 0, 0, config_confirm_step, "keeps what was applied for a time"},
	{METHOD_CONFIG_ROLLBACK, true, 0, 0, config_rollback_step,
		"puts the configuration before in force again; a row a step"},
	{METHOD_GATEWAY_LIST, false, 0, 0, gateway_list_step, "a row a gateway of the array"},
	{METHOD_GATEWAY_GET, false, 0, A(GATEWAY), gateway_get_step,
		"one row: this gateway, or the one of this name"},
	{METHOD_GATEWAY_DRAIN, true, 0, 0, gateway_drain_step,
		"takes this gateway out of service: announces that it leaves, then withdraws; flows go on"},
	{METHOD_GATEWAY_UNDRAIN, true, 0, 0, gateway_undrain_step, "takes it back into service"},
	{METHOD_GATEWAY_SWITCH, true, 0, A(GATEWAY), gateway_switch_step,
		"the same, if a member can take over: the one of this name, or any"},
	{METHOD_GATEWAY_STOP, true, 0, 0, gateway_stop_step,
		"withdraws, removes all that was made; a row a step"},
};

const size_t ctl_method_count = ARRAY_SIZE(ctl_methods);
