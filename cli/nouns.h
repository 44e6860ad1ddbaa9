/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands do, a file a noun. Each answers the exit status and has said everything itself. */
#ifndef CLI_NOUNS_H
#define CLI_NOUNS_H

#include "cli/command.h"

int run_status(const struct invocation *invocation);
int run_flow_list(const struct invocation *invocation);
int run_flow_get(const struct invocation *invocation);
int run_flow_count(const struct invocation *invocation);
int run_flow_explain(const struct invocation *invocation);
int run_flow_flush(const struct invocation *invocation);
int run_device_list(const struct invocation *invocation);
int run_device_get(const struct invocation *invocation);
int run_tunnel_list(const struct invocation *invocation);
int run_tunnel_get(const struct invocation *invocation);
int run_tunnel_disable(const struct invocation *invocation);
int run_tunnel_enable(const struct invocation *invocation);
int run_bgp_list(const struct invocation *invocation);
int run_bgp_get(const struct invocation *invocation);
int run_probe_list(const struct invocation *invocation);
int run_probe_get(const struct invocation *invocation);
int run_egress_list(const struct invocation *invocation);
int run_egress_get(const struct invocation *invocation);
int run_egress_switch(const struct invocation *invocation);
int run_map_dump(const struct invocation *invocation);
int run_map_diff(const struct invocation *invocation);
int run_config_check(const struct invocation *invocation);
int run_config_show(const struct invocation *invocation);
int run_config_diff(const struct invocation *invocation);
int run_config_apply(const struct invocation *invocation);
int run_config_confirm(const struct invocation *invocation);
int run_config_rollback(const struct invocation *invocation);
int run_gateway_list(const struct invocation *invocation);
int run_gateway_get(const struct invocation *invocation);
int run_gateway_drain(const struct invocation *invocation);
int run_gateway_undrain(const struct invocation *invocation);
int run_gateway_switch(const struct invocation *invocation);
int run_gateway_stop(const struct invocation *invocation);
int run_doctor(const struct invocation *invocation);
int run_events(const struct invocation *invocation);
int run_stats(const struct invocation *invocation);
int run_version(const struct invocation *invocation);

#endif
