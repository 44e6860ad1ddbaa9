// SPDX-License-Identifier: Apache-2.0
#include "apply/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define RECEIVE_SIZE 32768

struct netlink {
	struct mnl_socket *socket;
	unsigned sequence;
	char received[RECEIVE_SIZE];
};

int netlink_open(int protocol, unsigned groups, struct netlink **netlink)
{
	struct netlink *made = calloc(1, sizeof(*made));
	int on = 1;

	if (!made)
		return -ENOMEM;
	made->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (!made->socket || mnl_socket_bind(made->socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int result = -errno;

		netlink_close(made);
		return result;
	}
	mnl_socket_setsockopt(made->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(made->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	*netlink = made;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	explicit_bzero(
		netlink->received, sizeof(netlink->received)); /* WireGuard's answers hold private keys */
	free(netlink);
}

int netlink_descriptor(const struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->socket);
}

/* ---- Building --------------------------------------------------------------------------------------------------- */

void message_start(
	struct message *message, uint16_t type, uint16_t flags, const void *family_header, size_t size)
{
	struct nlmsghdr *header;

	memset(message, 0, sizeof(*message)); /* libmnl leaves what pads an attribute as it finds it */
	header = mnl_nlmsg_put_header(message->bytes);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(header, size), family_header, size);
}

void message_put(struct message *message, uint16_t type, const void *bytes, size_t size)
{
	/* Our largest message is a few hundred bytes; should one ever not fit, the kernel refuses what is
	 * missing. */
	mnl_attr_put_check(&message->header, MESSAGE_SIZE, type, size, bytes);
}

void message_put_u8(struct message *message, uint16_t type, uint8_t value)
{
	message_put(message, type, &value, sizeof(value));
}

void message_put_u16(struct message *message, uint16_t type, uint16_t value)
{
	message_put(message, type, &value, sizeof(value));
}

void message_put_u32(struct message *message, uint16_t type, uint32_t value)
{
	message_put(message, type, &value, sizeof(value));
}

void message_put_text(struct message *message, uint16_t type, const char *text)
{
	message_put(message, type, text, strlen(text) + 1);
}

struct nlattr *message_nest(struct message *message, uint16_t type)
{
	return mnl_attr_nest_start(&message->header, type);
}

void message_nest_end(struct message *message, struct nlattr *nest)
{
	mnl_attr_nest_end(&message->header, nest);
}

/* ---- Asking ----------------------------------------------------------------------------------------------------- */

struct reading {
	message_callback callback;
	void *context;
	int result;
	char words[256]; /* the kernel's own */
};

static int keep_words(const struct nlattr *attribute, void *context)
{
	struct reading *reading = context;

	if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG)
		snprintf(reading->words, sizeof(reading->words), "%.*s",
			(int)mnl_attr_get_payload_len(attribute), mnl_attr_get_str(attribute));
	return MNL_CB_OK;
}

static int on_error(const struct nlmsghdr *header, void *context)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);
	struct reading *reading = context;
	unsigned offset = sizeof(*answer);

	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		offset += answer->msg.nlmsg_len - NLMSG_HDRLEN;
	if (header->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(header, offset, keep_words, reading);
	reading->result = answer->error;
	return MNL_CB_STOP;
}

static int on_data(const struct nlmsghdr *header, void *context)
{
	struct reading *reading = context;

	if (!reading->callback || reading->result < 0)
		return MNL_CB_OK;
	reading->result = reading->callback(header, reading->context);
	return MNL_CB_OK;
}

/* Reads up to the acknowledgement or the end of the dump, also after a failure: the socket is used again. */
static int receive(struct netlink *netlink, struct reading *reading)
{
	mnl_cb_t control[NLMSG_ERROR + 1] = {[NLMSG_ERROR] = on_error};
	const struct nlmsghdr *first = (const struct nlmsghdr *)netlink->received;
	unsigned port = mnl_socket_get_portid(netlink->socket);
	int status = MNL_CB_OK;

	do {
		ssize_t size = mnl_socket_recvfrom(netlink->socket, netlink->received, RECEIVE_SIZE);

		if (size < 0)
			return -errno;
		if (first->nlmsg_seq != netlink->sequence)
			continue; /* the rest of an answer that was interrupted */
		status = mnl_cb_run2(netlink->received, size, netlink->sequence, port, on_data, reading,
			control, ARRAY_SIZE(control));
	} while (status > 0);
	return status < 0 ? -errno : reading->result;
}

static int ask(struct netlink *netlink, struct message *message, struct reading *reading, struct error *error)
{
	int result;

	message->header.nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, &message->header, message->header.nlmsg_len) < 0)
		return error_errno(error, -errno, "netlink");
	result = receive(netlink, reading);
	if (result < 0 && reading->words[0])
		return error_set(error, result, "%s (%s)", strerror(-result), reading->words);
	if (result < 0)
		return error_set(error, result, "%s", strerror(-result));
	return 0;
}

int netlink_request(struct netlink *netlink, struct message *message, struct error *error)
{
	struct reading reading = {0};

	message->header.nlmsg_flags |= NLM_F_ACK;
	return ask(netlink, message, &reading, error);
}

int netlink_dump(struct netlink *netlink, struct message *message, message_callback callback, void *context,
	struct error *error)
{
	struct reading reading = {.callback = callback, .context = context};

	message->header.nlmsg_flags |= NLM_F_DUMP;
	return ask(netlink, message, &reading, error);
}

int netlink_listen(struct netlink *netlink, message_callback callback, void *context)
{
	struct reading reading = {.callback = callback, .context = context};

	for (;;) {
		ssize_t size = mnl_socket_recvfrom(netlink->socket, netlink->received, RECEIVE_SIZE);

		if (size < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (mnl_cb_run(netlink->received, size, 0, 0, on_data, &reading) < 0)
			return -errno;
		if (reading.result < 0)
			return reading.result;
	}
}

/* ---- Generic netlink -------------------------------------------------------------------------------------------- */

static int keep_family(const struct nlmsghdr *header, void *context)
{
	struct attributes attributes;

	attributes_of_message(header, sizeof(struct genlmsghdr), &attributes);
	*(uint16_t *)context = attribute_u16(&attributes, CTRL_ATTR_FAMILY_ID, 0);
	return 0;
}

int netlink_generic_family(struct netlink *netlink, const char *name, uint16_t *family, struct error *error)
{
	struct genlmsghdr header = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	struct reading reading = {.callback = keep_family, .context = family};
	struct message message;

	message_start(&message, GENL_ID_CTRL, NLM_F_ACK, &header, sizeof(header));
	message_put_text(&message, CTRL_ATTR_FAMILY_NAME, name);
	return ask(netlink, &message, &reading, error);
}

/* ---- Reading attributes ----------------------------------------------------------------------------------------- */

const void *message_payload(const struct nlmsghdr *header)
{
	return mnl_nlmsg_get_payload(header);
}

static int keep_attribute(const struct nlattr *attribute, void *context)
{
	struct attributes *attributes = context;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < ATTRIBUTES_MAX)
		attributes->by_type[type] = attribute;
	return MNL_CB_OK;
}

void attributes_of_message(const struct nlmsghdr *header, size_t size, struct attributes *attributes)
{
	*attributes = (struct attributes){0};
	mnl_attr_parse(header, size, keep_attribute, attributes);
}

void attributes_of_nest(const struct nlattr *nest, struct attributes *attributes)
{
	*attributes = (struct attributes){0};
	mnl_attr_parse_nested(nest, keep_attribute, attributes);
}

size_t attribute_size(const struct attributes *attributes, uint16_t type)
{
	return attributes->by_type[type] ? mnl_attr_get_payload_len(attributes->by_type[type]) : 0;
}

const void *attribute_bytes(const struct attributes *attributes, uint16_t type, size_t size)
{
	if (!attributes->by_type[type] || attribute_size(attributes, type) < size)
		return NULL;
	return mnl_attr_get_payload(attributes->by_type[type]);
}

const char *attribute_text(const struct attributes *attributes, uint16_t type)
{
	const char *text = attribute_bytes(attributes, type, 1);

	return text && memchr(text, 0, attribute_size(attributes, type)) ? text : "";
}

uint8_t attribute_u8(const struct attributes *attributes, uint16_t type, uint8_t absent)
{
	const uint8_t *bytes = attribute_bytes(attributes, type, 1);

	return bytes ? *bytes : absent;
}

uint16_t attribute_u16(const struct attributes *attributes, uint16_t type, uint16_t absent)
{
	const void *bytes = attribute_bytes(attributes, type, 2);

	if (bytes)
		memcpy(&absent, bytes, 2);
	return absent;
}

uint32_t attribute_u32(const struct attributes *attributes, uint16_t type, uint32_t absent)
{
	const void *bytes = attribute_bytes(attributes, type, 4);

	if (bytes)
		memcpy(&absent, bytes, 4);
	return absent;
}

void attributes_each(const struct nlattr *nest, void (*callback)(const struct nlattr *element, void *context),
	void *context)
{
	const struct nlattr *element;

	mnl_attr_for_each_nested (element, nest)
		callback(element, context);
}
