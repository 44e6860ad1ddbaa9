// SPDX-License-Identifier: Apache-2.0
/*
 * Lines of the tables as rows. Tables have millions of them, so these rows are text from the first: a tree of JSON for
 * each takes ten times as long. Nothing in them needs quoting: names are letters, digits, ".", "_" and "-"
 * (conf/types_name.c).
 */
#include <arpa/inet.h>
#include <string.h>

#include "ctl/rows.h"

/* Pieces of a row, up to its end; `ok` turns false when they do not fit. */
struct pieces {
	char *at, *end;
	bool ok;
};

static inline void put(struct pieces *row, const char *text, size_t size)
{
	if ((size_t)(row->end - row->at) < size) {
		row->ok = false;
		return;
	}
	memcpy(row->at, text, size);
	row->at += size;
}

static inline void put_text(struct pieces *row, const char *text)
{
	put(row, text, strlen(text));
}

static void put_number(struct pieces *row, uint64_t number)
{
	char digits[20], *first = digits + sizeof(digits);

	do
		*--first = (char)('0' + number % 10);
	while (number /= 10);
	put(row, first, (size_t)(digits + sizeof(digits) - first));
}

/* `key` brings its quotes, its colon, and what stands before it. */
static inline void put_count(struct pieces *row, const char *key, uint64_t number)
{
	put_text(row, key);
	put_number(row, number);
}

static inline void put_name(struct pieces *row, const char *key, const char *name)
{
	put_text(row, key);
	put_text(row, name ? "\"" : "null");
	if (!name)
		return;
	put_text(row, name);
	put_text(row, "\"");
}

static void put_address(struct pieces *row, const char *key, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	size_t size;
	const uint8_t *wire = address_wire(address, &size);

	if (!address_is_v4(address)) {
		put_name(row, key, address_format(address, text));
		return;
	}
	put_text(row, key);
	for (size_t i = 0; i < size; i++)
		put_count(row, i ? "." : "\"", wire[i]);
	put_text(row, "\"");
}

static void put_protocol(struct pieces *row, const char *key, uint8_t protocol)
{
	const char *name = protocol_text(protocol);

	if (name) {
		put_name(row, key, name);
		return;
	}
	put_text(row, key);
	put_count(row, "\"", protocol);
	put_text(row, "\"");
}

static const char *provider_name(const struct model *model, const struct line *line)
{
	struct address source = flow_source(line);
	const struct provider *provider = provider_of(model, line->key.zone, &source);

	return provider ? provider->name : NULL;
}

static void put_gateway(struct pieces *row, const char *key, const struct model *model, uint8_t number)
{
	const struct member *member = model_member_by_number(model, number);

	put_name(row, key, member ? member->name : NULL);
}

/* Of another gateway's tunnel only the number is known. */
static void put_tunnel(struct pieces *row, const struct model *model, uint16_t number)
{
	const struct tunnel *tunnel = model_tunnel_by_number(model, number);

	put_name(row, ",\"tunnel\":", tunnel ? tunnel->name : NULL);
	if (number)
		put_count(row, ",\"tunnel_number\":", number);
	else
		put_text(row, ",\"tunnel_number\":null");
}

static void put_traffic(struct pieces *row, const char *key, uint64_t packets, uint64_t bytes)
{
	put_text(row, key);
	put_count(row, "{\"packets\":", packets);
	put_count(row, ",\"bytes\":", bytes);
	put_text(row, "}");
}

static size_t end_row(struct pieces *row, const char *text)
{
	put_text(row, "}");
	return row->ok ? (size_t)(row->at - text) : 0;
}

size_t flow_row(
	const struct ctl_views *views, uint32_t index, const struct line *line, char text[LINE_ROW_SIZE])
{
	const struct model *model = views->status->model;
	struct address source = flow_source(line), destination = flow_destination(line);
	struct line_counters counters = flow_counters(views->flows, index);
	struct pieces row = {text, text + LINE_ROW_SIZE, true};

	put_count(&row, "{\"zone\":", line->key.zone);
	put_protocol(&row, ",\"protocol\":", line->key.protocol);
	put_address(&row, ",\"source\":", &source);
	put_count(&row, ",\"source_port\":", ntohs(line->key.source_port));
	put_address(&row, ",\"destination\":", &destination);
	put_count(&row, ",\"destination_port\":", ntohs(line->key.destination_port));
	put_name(&row, ",\"provider\":", provider_name(model, line));
	put_gateway(&row, ",\"owner\":", model, HOME_OWNER(line->home));
	put_gateway(&row, ",\"gateway\":", model, HOME_GATEWAY(line->home));
	put_tunnel(&row, model, HOME_TUNNEL(line->home));
	put_name(&row, ",\"state\":", state_name(TAG_STATE(line->tag)));
	put_count(&row, ",\"idle_ms\":", flow_idle_ms(line, flow_now_ms()));
	put_traffic(&row, ",\"request\":", counters.request_packets, counters.request_bytes);
	put_traffic(&row, ",\"response\":", counters.response_packets, counters.response_bytes);
	return end_row(&row, text);
}

size_t device_row(const struct ctl_views *views, const struct line *line, char text[LINE_ROW_SIZE])
{
	const struct model *model = views->status->model;
	struct address address = flow_source(line);
	struct pieces row = {text, text + LINE_ROW_SIZE, true};

	put_count(&row, "{\"zone\":", line->key.zone);
	put_address(&row, ",\"address\":", &address);
	put_name(&row, ",\"provider\":", provider_name(model, line));
	put_gateway(&row, ",\"gateway\":", model, HOME_GATEWAY(line->home));
	put_tunnel(&row, model, HOME_TUNNEL(line->home));
	put_count(&row, ",\"idle_ms\":", flow_idle_ms(line, flow_now_ms()));
	return end_row(&row, text);
}
