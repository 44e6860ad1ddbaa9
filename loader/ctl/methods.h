/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ctl: the steps behind the table of methods, a file a subject. See struct method in request.h. */
#ifndef CTL_METHODS_H
#define CTL_METHODS_H

#include "ctl/request.h"

/* status.c */
int status_step(struct request *request);
int stats_step(struct request *request);
/* history.c */
int events_step(struct request *request);
/* flows.c */
int flow_list_step(struct request *request);
int flow_get_step(struct request *request);
int flow_count_step(struct request *request);
int flow_flush_step(struct request *request);
int device_list_step(struct request *request);
int device_get_step(struct request *request);
int map_dump_step(struct request *request);
/* tunnels.c */
int tunnel_list_step(struct request *request);
int tunnel_get_step(struct request *request);
int tunnel_disable_step(struct request *request);
int tunnel_enable_step(struct request *request);
int bgp_list_step(struct request *request);
int bgp_get_step(struct request *request);
/* probes.c */
int probe_list_step(struct request *request);
int probe_get_step(struct request *request);
/* egress.c */
int egress_list_step(struct request *request);
int egress_get_step(struct request *request);
int egress_switch_step(struct request *request);
/* explain.c */
int explain_step(struct request *request);
/* config.c */
int config_show_step(struct request *request);
int config_diff_step(struct request *request);
int config_apply_step(struct request *request);
int config_confirm_step(struct request *request);
int config_rollback_step(struct request *request);
/* members.c */
int gateway_list_step(struct request *request);
int gateway_get_step(struct request *request);
int gateway_drain_step(struct request *request);
int gateway_undrain_step(struct request *request);
int gateway_switch_step(struct request *request);
/* gateway.c */
int version_step(struct request *request);
int gateway_stop_step(struct request *request);

/* Asks for nothing but that a line is alive. */
struct flow_filter filter_alive(const struct request *request);

/*
 * The flow that a request's two ends mean, as a key in request direction. `from_device`: the first end is the device,
 * else it is the second. REPLY_FINE, or REPLY_USAGE with words when the ends cannot belong together.
 */
int flow_of_ends(struct request *request, bool from_device, struct line_key *key);

#endif
