/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ctl: what the tables and the status hold, as JSON. Numbers become names here, and nowhere else. */
#ifndef CTL_ROWS_H
#define CTL_ROWS_H

#include "ctl/request.h"

/* "half_open" and so on. */
const char *state_name(enum line_state state);
/* "source_not_provider", and its words. */
const char *reason_name(unsigned reason);
const char *reason_words(unsigned reason);
bool reason_is_drop(unsigned reason);
/* "tcp", "udp", "icmp", "icmpv6", or a number 1..255. 0, or -EINVAL. */
int protocol_parse(const char *text, uint8_t *protocol);
/* Its name; NULL: it has but a number. */
const char *protocol_text(uint8_t protocol);

/* Each answers a new reference. A name that the model does not know (any more) is null. */
json_t *tunnel_name(const struct model *model, uint16_t number);
json_t *gateway_name(const struct model *model, uint8_t number);
json_t *protocol_name(uint8_t protocol);
json_t *address_text(const struct address *address);
json_t *addresses_text(const struct address *addresses, size_t count);

/* Who holds an address in a zone; NULL: nobody. */
const struct provider *provider_of(const struct model *model, uint16_t zone, const struct address *address);
/* NULL: it leads to no provider. */
const char *tunnel_provider(const struct tunnel *tunnel);
/* "active-standby" or "load-sharing", as configured. */
const char *egress_mode_name(const struct egress_group *group);

/* A line of a table as the text of an object: how long it is. It is not terminated. 0: it does not fit. */
#define LINE_ROW_SIZE 1024 /* five names, and all else at its longest, are shorter */
size_t flow_row(
	const struct ctl_views *views, uint32_t index, const struct line *line, char text[LINE_ROW_SIZE]);
size_t device_row(const struct ctl_views *views, const struct line *line, char text[LINE_ROW_SIZE]);

/* How much: {packets, bytes}. */
json_t *traffic(uint64_t packets, uint64_t bytes);
json_t *reason_row(unsigned reason, const struct reason_count *count);

#endif
