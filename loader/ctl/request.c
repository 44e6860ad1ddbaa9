// SPDX-License-Identifier: Apache-2.0
/* A line of JSON into a method and its checked arguments. Each argument has one reader, whichever method
 * takes it. */
#include "ctl/request.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/scan.h"
#include "ctl/rows.h"

static const char *const argument_names[] = ARGUMENT_NAMES;

static void json_release(json_t **json)
{
	json_decref(*json);
}

static int not_found(struct error *error, const char *kind, const char *name)
{
	return error_set(error, REPLY_NOT_FOUND, "no %s is called “%s”", kind, name);
}

static int read_provider(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->provider = model_provider_by_name(model, json_string_value(value));
	return to->provider ? 0 : not_found(error, "provider", json_string_value(value));
}

static int read_tunnel(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->tunnel = model_tunnel_by_name(model, json_string_value(value));
	return to->tunnel ? 0 : not_found(error, "tunnel", json_string_value(value));
}

static int read_probe(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->probe = model_probe_by_name(model, json_string_value(value));
	return to->probe ? 0 : not_found(error, "probe", json_string_value(value));
}

static int read_session(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->tunnel = model_tunnel_by_name(model, json_string_value(value));
	to->router = model_router_by_name(model, json_string_value(value));
	return to->tunnel || to->router ? 0 : not_found(error, "tunnel or router", json_string_value(value));
}

static int read_gateway(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->gateway = model_member_by_name(model, json_string_value(value));
	return to->gateway ? 0 : not_found(error, "gateway", json_string_value(value));
}

static int read_egress(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->egress = model_egress_by_name(model, json_string_value(value));
	return to->egress ? 0 : not_found(error, "egress group", json_string_value(value));
}

static int read_one_address(const json_t *value, struct address *address, struct error *error)
{
	if (address_parse(json_string_value(value), address) < 0)
		return error_set(error, REPLY_USAGE, "“%s” is not an address", json_string_value(value));
	return 0;
}

static int read_address(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	const char *text = json_string_value(value);

	(void)model;
	if (address_parse(text, &to->address.address) == 0) {
		to->address.length = 128;
		return 0;
	}
	if (prefix_parse(text, &to->address) < 0)
		return error_set(error, REPLY_USAGE, "“%s” is neither an address nor a prefix", text);
	return 0;
}

static int read_source(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_one_address(value, &to->source, error);
}

static int read_destination(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_one_address(value, &to->destination, error);
}

static int read_number(const json_t *value, json_int_t minimum, uint16_t *to, struct error *error)
{
	json_int_t number = json_integer_value(value);

	if (number < minimum || number > UINT16_MAX)
		return error_set(error, REPLY_USAGE, "%lld is not a port", (long long)number);
	*to = (uint16_t)number;
	return 0;
}

static int read_port(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_number(value, 1, &to->port, error);
}

static int read_source_port(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_number(value, 0, &to->source_port, error);
}

static int read_destination_port(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_number(value, 0, &to->destination_port, error);
}

static int read_state(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	for (enum line_state state = LINE_HALF_OPEN; state < LINE_DEAD; state++)
		if (strcmp(json_string_value(value), state_name(state)) == 0) {
			to->state = state;
			return 0;
		}
	return error_set(error, REPLY_USAGE, "“%s” is not a state: half_open, established or closing",
		json_string_value(value));
}

static int read_protocol(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	if (protocol_parse(json_string_value(value), &to->protocol) < 0)
		return error_set(error, REPLY_USAGE, "“%s” is not a protocol: tcp, udp, icmp, or a number",
			json_string_value(value));
	return 0;
}

static int read_true(const json_t *value, const char *name, struct error *error)
{
	return json_is_true(value) ? 0 : error_set(error, REPLY_USAGE, "“%s” is true or not given", name);
}

static int read_all(const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model, (void)to;
	return read_true(value, "all", error);
}

static int read_from_tunnel(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	to->from_tunnel = model_tunnel_by_name(model, json_string_value(value));
	return to->from_tunnel ? 0 : not_found(error, "tunnel", json_string_value(value));
}

static int read_from_uplink(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	to->from_uplink = true;
	return read_true(value, "from_uplink", error);
}

static int read_from_lan(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	for (size_t i = 0; i < model_lan_count(model); i++)
		if (strcmp(model_lan(model, i), json_string_value(value)) == 0)
			to->from_lan = model_lan(model, i);
	return to->from_lan ? 0
			    : not_found(error, "LAN interface of an egress group", json_string_value(value));
}

static int read_icmp_error(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	to->icmp_error = true;
	return read_true(value, "icmp_error", error);
}

static int read_u32(const json_t *value, const char *name, json_int_t minimum, json_int_t maximum,
	uint32_t *to, struct error *error)
{
	json_int_t number = json_integer_value(value);

	if (number < minimum || number > maximum)
		return error_set(error, REPLY_USAGE, "“%s” is %lld..%lld, not %lld", name, (long long)minimum,
			(long long)maximum, (long long)number);
	*to = (uint32_t)number;
	return 0;
}

static int read_fragment(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_u32(value, "fragment", 0, UINT32_MAX, &to->fragment, error);
}

static int read_size(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return read_u32(value, "size", 1, UINT16_MAX, &to->size, error);
}

static int read_hops(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	uint32_t hops = 0;
	int r = read_u32(value, "hops", 1, UINT8_MAX, &hops, error);

	(void)model;
	to->hops = (uint8_t)hops;
	return r;
}

static int read_follow(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	to->follow = true;
	return read_true(value, "follow", error);
}

void arguments_free(struct arguments *arguments)
{
	free(arguments->config);
	free(arguments->file);
	*arguments = (struct arguments){0};
}

static int copy_text(const json_t *value, char **to, struct error *error)
{
	free(*to);
	*to = strdup(json_string_value(value));
	return *to ? 0 : error_set(error, REPLY_DEGRADED, "no memory for the request");
}

static int read_config(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return copy_text(value, &to->config, error);
}

static int read_file(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	(void)model;
	return copy_text(value, &to->file, error);
}

static int read_confirm_ms(
	const json_t *value, const struct model *model, struct arguments *to, struct error *error)
{
	json_int_t number = json_integer_value(value);

	(void)model;
	if (number < 1000 || number > 86400000)
		return error_set(error, REPLY_USAGE, "“confirm_ms” is a second to a day, 1000..86400000");
	to->confirm_ms = (uint32_t)number;
	return 0;
}

/* The one table of arguments: what JSON it is, and who reads it. */
static const struct argument_reader {
	json_type type;
	int (*read)(
		const json_t *value, const struct model *model, struct arguments *to, struct error *error);
} readers[ARGUMENT_COUNT] = {
	[ARGUMENT_PROVIDER] = {JSON_STRING, read_provider},
	[ARGUMENT_TUNNEL] = {JSON_STRING, read_tunnel},
	[ARGUMENT_SESSION] = {JSON_STRING, read_session},
	[ARGUMENT_EGRESS] = {JSON_STRING, read_egress},
	[ARGUMENT_GATEWAY] = {JSON_STRING, read_gateway},
	[ARGUMENT_ADDRESS] = {JSON_STRING, read_address},
	[ARGUMENT_PORT] = {JSON_INTEGER, read_port},
	[ARGUMENT_STATE] = {JSON_STRING, read_state},
	[ARGUMENT_PROTOCOL] = {JSON_STRING, read_protocol},
	[ARGUMENT_SOURCE] = {JSON_STRING, read_source},
	[ARGUMENT_SOURCE_PORT] = {JSON_INTEGER, read_source_port},
	[ARGUMENT_DESTINATION] = {JSON_STRING, read_destination},
	[ARGUMENT_DESTINATION_PORT] = {JSON_INTEGER, read_destination_port},
	[ARGUMENT_ALL] = {JSON_TRUE, read_all},
	[ARGUMENT_FROM_TUNNEL] = {JSON_STRING, read_from_tunnel},
	[ARGUMENT_FROM_UPLINK] = {JSON_TRUE, read_from_uplink},
	[ARGUMENT_FROM_LAN] = {JSON_STRING, read_from_lan},
	[ARGUMENT_ICMP_ERROR] = {JSON_TRUE, read_icmp_error},
	[ARGUMENT_FRAGMENT] = {JSON_INTEGER, read_fragment},
	[ARGUMENT_SIZE] = {JSON_INTEGER, read_size},
	[ARGUMENT_HOPS] = {JSON_INTEGER, read_hops},
	[ARGUMENT_FOLLOW] = {JSON_TRUE, read_follow},
	[ARGUMENT_CONFIG] = {JSON_STRING, read_config},
	[ARGUMENT_FILE] = {JSON_STRING, read_file},
	[ARGUMENT_CONFIRM_MS] = {JSON_INTEGER, read_confirm_ms},
	[ARGUMENT_PROBE] = {JSON_STRING, read_probe},
};

static int read_argument(struct request *request, const char *name, const json_t *value)
{
	const struct method *method = request->method;
	struct error *error = &request->error;

	for (unsigned i = 0; i < ARGUMENT_COUNT; i++) {
		if (strcmp(argument_names[i], name) != 0 ||
			!((method->required | method->optional) & 1U << i))
			continue;
		if (json_typeof(value) != readers[i].type)
			return error_set(error, REPLY_USAGE, "the argument “%s” of %s is of the wrong type",
				name, method->name);
		request->arguments.given |= 1U << i;
		return readers[i].read(value, request->views->status->model, &request->arguments, error);
	}
	return error_set(error, REPLY_USAGE, "%s takes no argument “%s”", method->name, name);
}

static int read_arguments(struct request *request, json_t *arguments)
{
	uint32_t missing;
	const char *name;
	json_t *value;
	int r;

	json_object_foreach (arguments, name, value) {
		r = read_argument(request, name, value);
		if (r)
			return r;
	}
	missing = request->method->required & ~request->arguments.given;
	if (missing)
		return error_set(&request->error, REPLY_USAGE, "%s needs the argument “%s”",
			request->method->name, argument_names[__builtin_ctz(missing)]);
	return REPLY_FINE;
}

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < ctl_method_count; i++)
		if (strcmp(ctl_methods[i].name, name) == 0)
			return &ctl_methods[i];
	return NULL;
}

static int read_object(struct request *request, json_t *root, uid_t who)
{
	json_t *arguments = json_object_get(root, "arguments");
	const char *name = json_string_value(json_object_get(root, "method"));

	if (!name || (arguments && !json_is_object(arguments)) ||
		json_object_size(root) != (arguments ? 2 : 1))
		return error_set(&request->error, REPLY_USAGE,
			"a request has a text “method”, may have an object “arguments”, and nothing else");
	request->method = find_method(name);
	if (!request->method)
		return error_set(&request->error, REPLY_USAGE, "there is no method “%s”", name);
	if (request->method->changes && who != 0)
		return error_set(&request->error, REPLY_NOT_PERMITTED, "%s is for root only", name);
	return read_arguments(request, arguments);
}

enum reply_code request_read(struct request *request, const char *line, size_t size, uid_t who)
{
	json_error_t why;
	_cleanup_(json_release) json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return (enum reply_code)error_set(
			&request->error, REPLY_USAGE, "a request is a line of JSON: %s", why.text);
	return (enum reply_code)read_object(request, root, who);
}
