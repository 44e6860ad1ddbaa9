// SPDX-License-Identifier: Apache-2.0
#include "ctl/rows.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"

static const char *const state_names[] = LINE_STATE_NAMES;

static const struct {
	const char *name, *words;
	bool drop;
} reasons[] = {
#define X(name, drop, words) {#name, words, drop},
	REASONS(X)
#undef X
};

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6}};

const char *state_name(enum line_state state)
{
	return state < LINE_STATES ? state_names[state] : "unknown";
}

const char *reason_name(unsigned reason)
{
	return reason < REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *reason_words(unsigned reason)
{
	return reason < REASON_COUNT ? reasons[reason].words : "a reason of another version";
}

bool reason_is_drop(unsigned reason)
{
	return reason >= REASON_COUNT || reasons[reason].drop;
}

int protocol_parse(const char *text, uint8_t *protocol)
{
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcmp(protocols[i].name, text) == 0) {
			*protocol = protocols[i].number;
			return 0;
		}
	if (scan_u32(text, 1, 255, &number) < 0)
		return -EINVAL;
	*protocol = (uint8_t)number;
	return 0;
}

const char *protocol_text(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

json_t *protocol_name(uint8_t protocol)
{
	const char *name = protocol_text(protocol);

	return name ? json_string(name) : json_sprintf("%u", protocol);
}

json_t *tunnel_name(const struct model *model, uint16_t number)
{
	const struct tunnel *tunnel = model_tunnel_by_number(model, number);

	return tunnel ? json_string(tunnel->name) : json_null();
}

json_t *gateway_name(const struct model *model, uint8_t number)
{
	const struct member *member = model_member_by_number(model, number);

	return member ? json_string(member->name) : json_null();
}

json_t *address_text(const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];

	return json_string(address_format(address, text));
}

json_t *addresses_text(const struct address *addresses, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, address_text(&addresses[i]));
	return list;
}

static bool provider_holds(const struct provider *provider, const struct address *address)
{
	for (size_t i = 0; i < provider->prefix_count; i++)
		if (prefix_contains(&provider->prefixes[i], address))
			return true;
	return false;
}

const struct provider *provider_of(const struct model *model, uint16_t zone, const struct address *address)
{
	for (size_t i = 0; i < model->provider_count; i++)
		if (model->providers[i].zone == zone && provider_holds(&model->providers[i], address))
			return &model->providers[i];
	return NULL;
}

const char *tunnel_provider(const struct tunnel *tunnel)
{
	return tunnel->provider ? tunnel->provider->name : NULL;
}

const char *egress_mode_name(const struct egress_group *group)
{
	return group->mode == EGRESS_LOAD_SHARING ? "load-sharing" : "active-standby";
}

json_t *traffic(uint64_t packets, uint64_t bytes)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)packets, "bytes", (json_int_t)bytes);
}

json_t *reason_row(unsigned reason, const struct reason_count *count)
{
	return json_pack("{s:s, s:b, s:I, s:I, s:s}", "reason", reason_name(reason), "drop",
		reason_is_drop(reason), "packets", (json_int_t)count->packets, "bytes",
		(json_int_t)count->bytes, "words", reason_words(reason));
}
