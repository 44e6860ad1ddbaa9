// SPDX-License-Identifier: Apache-2.0
/* The flow and device tables: rows, counts, flushing. All walk a table slice by slice. */
#include <arpa/inet.h>
#include <string.h>

#include "ctl/methods.h"
#include "ctl/rows.h"

struct flow_filter filter_alive(const struct request *request)
{
	return (struct flow_filter){.lifetimes = request->views->settings, .now_ms = flow_now_ms()};
}

static struct flow_filter filter_of(const struct request *request)
{
	const struct arguments *arguments = &request->arguments;
	struct flow_filter filter = {
		.lifetimes = request->views->settings,
		.now_ms = flow_now_ms(),
		.tunnel = arguments->tunnel ? arguments->tunnel->number : 0,
		.gateway = arguments->gateway ? arguments->gateway->number : 0,
		.state = arguments->state,
		.has_address = GIVEN(arguments, ADDRESS),
		.address = arguments->address,
		.port = arguments->port,
	};

	if (arguments->provider) {
		filter.has_zone = filter.has_prefixes = true;
		filter.zone = arguments->provider->zone;
		filter.prefixes = arguments->provider->prefixes;
		filter.prefix_count = arguments->provider->prefix_count;
	}
	return filter;
}

static uint32_t slice_end(const struct flow_table *table, uint32_t index)
{
	return table->count - index > FLOW_SLICE ? index + FLOW_SLICE : table->count;
}

typedef size_t (*line_row)(
	const struct request *request, uint32_t index, const struct line *line, char text[LINE_ROW_SIZE]);

/* The next rows of a table. REQUEST_MORE until its end is reached. */
static int list_slice(struct request *request, const struct flow_table *table, line_row row)
{
	struct flow_filter filter = filter_of(request);
	uint32_t end = slice_end(table, request->index);
	char text[LINE_ROW_SIZE];
	struct line line;

	while (!request_full(request) && flow_next(table, &request->index, end, &filter, &line)) {
		request_text(request, text, row(request, request->index - 1, &line, text));
		request->count++;
	}
	return request->index < table->count ? REQUEST_MORE : REPLY_FINE;
}

static size_t flow_as_row(
	const struct request *request, uint32_t index, const struct line *line, char text[LINE_ROW_SIZE])
{
	return flow_row(request->views, index, line, text);
}

static size_t device_as_row(
	const struct request *request, uint32_t index, const struct line *line, char text[LINE_ROW_SIZE])
{
	(void)index;
	return device_row(request->views, line, text);
}

int flow_list_step(struct request *request)
{
	return list_slice(request, request->views->flows, flow_as_row);
}

int device_list_step(struct request *request)
{
	return list_slice(request, request->views->devices, device_as_row);
}

int device_get_step(struct request *request)
{
	char text[PREFIX_TEXT_SIZE];
	int r = list_slice(request, request->views->devices, device_as_row);

	if (r != REPLY_FINE || request->count > 0)
		return r;
	return error_set(&request->error, REPLY_NOT_FOUND, "no device %s was seen",
		prefix_format(&request->arguments.address, text));
}

/* One row each of the flows, then of the devices. */
int map_dump_step(struct request *request)
{
	int r;

	if (request->phase == 0) {
		r = list_slice(request, request->views->flows, flow_as_row);
		if (r == REQUEST_MORE)
			return r;
		request->phase = 1;
		request->index = 0;
		return REQUEST_MORE;
	}
	return list_slice(request, request->views->devices, device_as_row);
}

int flow_count_step(struct request *request)
{
	const struct flow_table *table = request->views->flows;
	struct flow_filter filter = filter_of(request);
	uint32_t end = slice_end(table, request->index);
	struct line line;

	while (flow_next(table, &request->index, end, &filter, &line))
		request->count++;
	if (request->index < table->count)
		return REQUEST_MORE;
	request_row(request, json_pack("{s:I}", "flows", (json_int_t)request->count));
	return REPLY_FINE;
}

int flow_flush_step(struct request *request)
{
	struct flow_filter filter = filter_of(request);

	if (!request->arguments.given)
		return error_set(&request->error, REPLY_USAGE,
			"a flush without a filter takes every flow out: say “all” if you mean it");
	request->count +=
		flow_flush(request->views->flows, &request->index, FLOW_SLICE, &filter, flow_now_ms());
	if (request->index < request->views->flows->count)
		return REQUEST_MORE;
	request_row(request, json_pack("{s:I}", "flushed", (json_int_t)request->count));
	return REPLY_FINE;
}

/* An echo's id may be said at either end; it has one place in the key. */
static void place_echo_id(struct line_key *key)
{
	if (key->protocol != IPPROTO_ICMP && key->protocol != IPPROTO_ICMPV6)
		return;
	if (key->source_port == 0)
		key->source_port = key->destination_port;
	key->destination_port = 0;
}

static uint8_t protocol_between(const struct arguments *ends)
{
	bool v6 = !address_is_v4(&ends->source);

	return ends->protocol == IPPROTO_ICMP && v6 ? IPPROTO_ICMPV6 : ends->protocol;
}

int flow_of_ends(struct request *request, bool from_device, struct line_key *key)
{
	const struct arguments *ends = &request->arguments;
	const struct address *device = from_device ? &ends->source : &ends->destination;
	const struct address *loopback = from_device ? &ends->destination : &ends->source;
	const struct loopback *known = model_loopback_of(request->views->status->model, loopback);

	if (address_is_v4(device) != address_is_v4(loopback))
		return error_set(&request->error, REPLY_USAGE, "the two ends are of different families");
	*key = (struct line_key){.protocol = protocol_between(ends), .zone = known ? known->zone : 0};
	memcpy(key->source, device->bytes, sizeof(key->source));
	memcpy(key->destination, loopback->bytes, sizeof(key->destination));
	key->source_port = htons(from_device ? ends->source_port : ends->destination_port);
	key->destination_port = htons(from_device ? ends->destination_port : ends->source_port);
	place_echo_id(key);
	return REPLY_FINE;
}

int flow_get_step(struct request *request)
{
	const struct flow_table *table = request->views->flows;
	uint32_t end = slice_end(table, request->index);
	struct flow_filter alive = filter_alive(request);
	const struct model *model = request->views->status->model;
	bool to_loopback = model_loopback_of(model, &request->arguments.destination);
	char text[LINE_ROW_SIZE];
	struct line_key key;
	struct line line;
	int r = flow_of_ends(request, to_loopback, &key);

	if (r)
		return r;
	if (!to_loopback && !model_loopback_of(model, &request->arguments.source))
		return error_set(
			&request->error, REPLY_NOT_FOUND, "neither end is a loopback of this gateway");
	while (flow_next(table, &request->index, end, &alive, &line))
		if (memcmp(&line.key, &key, sizeof(key)) == 0) {
			request_text(
				request, text, flow_row(request->views, request->index - 1, &line, text));
			return REPLY_FINE;
		}
	return request->index < table->count
		       ? REQUEST_MORE
		       : error_set(&request->error, REPLY_NOT_FOUND, "there is no such flow");
}
