// SPDX-License-Identifier: Apache-2.0
#include "apply/vici.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"

/* charon answers from memory; who waits for one that hangs must not seem to hang itself. It may have to read keys. */
#define ASK_PATIENCE_MS  300
#define TELL_PATIENCE_MS 1000
#define PACKET_MOST      (512 * 1024) /* charon's own bound */
#define PATH_SIZE        256
#define EVENTS_AT_ONCE   256 /* of who has more to say nobody hears the end */
#define LENGTH_SIZE      sizeof(uint32_t)

enum packet_type {
	COMMAND,
	REPLY,
	COMMAND_UNKNOWN,
	EVENT_REGISTER,
	EVENT_UNREGISTER,
	EVENT_CONFIRM,
	EVENT_UNKNOWN,
	EVENT
};

enum element { SECTION_START = 1, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END };

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

void vici_free(struct vici *stream)
{
	if (stream->bytes)
		sodium_memzero(stream->bytes, stream->size);
	free(stream->bytes);
	*stream = (struct vici){0};
}

/* realloc() would leave a copy of secrets behind. */
static int grow(struct vici *stream, size_t size)
{
	size_t room = 2 * (stream->size + size) + 1024;
	uint8_t *larger;

	if (stream->size + size <= stream->room)
		return 0;
	larger = malloc(room);
	if (!larger)
		return -ENOMEM;
	if (stream->bytes) {
		memcpy(larger, stream->bytes, stream->size);
		sodium_memzero(stream->bytes, stream->size);
		free(stream->bytes);
	}
	stream->bytes = larger;
	stream->room = room;
	return 0;
}

/* The length of the packet under construction stands in front of it, and is right at any time. */
static void put(struct vici *stream, const void *bytes, size_t size)
{
	uint32_t length;

	if (stream->failure == 0)
		stream->failure = grow(stream, size);
	if (stream->failure < 0)
		return;
	memcpy(stream->bytes + stream->size, bytes, size);
	stream->size += size;
	length = htonl(stream->size - stream->packet - LENGTH_SIZE);
	memcpy(stream->bytes + stream->packet, &length, sizeof(length));
}

static void put_byte(struct vici *stream, uint8_t byte)
{
	put(stream, &byte, 1);
}

static void put_name(struct vici *stream, const char *name)
{
	size_t size = strlen(name);

	if (size > UINT8_MAX && stream->failure == 0)
		stream->failure = -EMSGSIZE;
	put_byte(stream, size);
	put(stream, name, size);
}

static void put_value(struct vici *stream, const void *bytes, size_t size)
{
	uint16_t length = htons(size);

	if (size > UINT16_MAX && stream->failure == 0)
		stream->failure = -EMSGSIZE;
	put(stream, &length, sizeof(length));
	put(stream, bytes, size);
}

static void start_packet(struct vici *stream, enum packet_type type, const char *name)
{
	static const uint8_t no_length[LENGTH_SIZE];

	stream->packet = stream->size;
	put(stream, no_length, sizeof(no_length));
	put_byte(stream, type);
	put_name(stream, name);
}

void vici_command(struct vici *stream, const char *name)
{
	start_packet(stream, COMMAND, name);
}

void vici_section(struct vici *stream, const char *name)
{
	put_byte(stream, SECTION_START);
	put_name(stream, name);
}

void vici_section_end(struct vici *stream)
{
	put_byte(stream, SECTION_END);
}

void vici_bytes(struct vici *stream, const char *name, const void *bytes, size_t size)
{
	put_byte(stream, KEY_VALUE);
	put_name(stream, name);
	put_value(stream, bytes, size);
}

void vici_value(struct vici *stream, const char *name, const char *text)
{
	vici_bytes(stream, name, text, strlen(text));
}

void vici_number(struct vici *stream, const char *name, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	vici_value(stream, name, text);
}

void vici_list(struct vici *stream, const char *name)
{
	put_byte(stream, LIST_START);
	put_name(stream, name);
}

void vici_item(struct vici *stream, const void *bytes, size_t size)
{
	put_byte(stream, LIST_ITEM);
	put_value(stream, bytes, size);
}

void vici_list_end(struct vici *stream)
{
	put_byte(stream, LIST_END);
}

bool vici_next(const struct vici *stream, size_t *at, struct vici *command)
{
	size_t rest = stream->size - *at;
	uint32_t length;

	if (rest <= sizeof(length))
		return false;
	memcpy(&length, stream->bytes + *at, sizeof(length));
	length = ntohl(length);
	if (length > rest - sizeof(length))
		return false;
	*command = (struct vici){.bytes = stream->bytes + *at, .size = sizeof(length) + length};
	*at += command->size;
	return true;
}

bool vici_is(const struct vici *command, const char *name)
{
	const uint8_t *header = command->bytes + LENGTH_SIZE;
	size_t length = strlen(name);

	return command->size >= LENGTH_SIZE + 2 + length && header[0] == COMMAND && header[1] == length &&
	       memcmp(header + 2, name, length) == 0;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

struct reading {
	const uint8_t *next, *end;
	char path[PATH_SIZE];
	vici_visit *visit;
	void *context;
};

/* NULL: there are not so many. */
static const uint8_t *take(struct reading *reading, size_t size)
{
	const uint8_t *bytes = reading->next;

	if ((size_t)(reading->end - bytes) < size)
		return NULL;
	reading->next += size;
	return bytes;
}

/* Appends "/NAME". */
static int push(struct reading *reading)
{
	const uint8_t *size = take(reading, 1), *name = size ? take(reading, *size) : NULL;
	size_t length = strlen(reading->path);

	if (!name || length + *size + 2 > PATH_SIZE)
		return -EPROTO;
	snprintf(reading->path + length, PATH_SIZE - length, "%s%.*s", length ? "/" : "", *size,
		(const char *)name);
	return 0;
}

static void pop(struct reading *reading)
{
	char *slash = strrchr(reading->path, '/');

	*(slash ? slash : reading->path) = 0;
}

/* What is longer than a text of ours is cut: nothing that we look for is. */
static int visit_value(struct reading *reading)
{
	const uint8_t *size = take(reading, 2), *value;
	char text[256];

	if (!size)
		return -EPROTO;
	value = take(reading, size[0] << 8 | size[1]);
	if (!value)
		return -EPROTO;
	snprintf(text, sizeof(text), "%.*s", size[0] << 8 | size[1], (const char *)value);
	reading->visit(reading->context, reading->path, text);
	return 0;
}

static int read_element(struct reading *reading, enum element element)
{
	int result = 0;

	switch (element) {
	case SECTION_START:
	case LIST_START:
		return push(reading);
	case KEY_VALUE:
		result = push(reading);
		if (result == 0)
			result = visit_value(reading);
		pop(reading);
		return result;
	case LIST_ITEM:
		return visit_value(reading);
	case SECTION_END:
	case LIST_END:
		pop(reading);
		return 0;
	}
	return -EPROTO;
}

int vici_parse(const uint8_t *message, size_t size, vici_visit *visit, void *context)
{
	struct reading reading = {message, message + size, "", visit, context};
	int result = 0;

	while (result == 0 && reading.next < reading.end)
		result = read_element(&reading, *take(&reading, 1));
	return result;
}

/* ---- Talking ----------------------------------------------------------------------------------------------------- */

struct packet {
	uint8_t *bytes;
	size_t size;
};

static void packet_free(struct packet *packet)
{
	free(packet->bytes);
}

static int connect_to(const char *path, unsigned patience_ms)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};

	if (descriptor < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(descriptor);
}

static int send_all(int descriptor, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send(descriptor, bytes, size, MSG_NOSIGNAL);

		if (sent < 0)
			return -errno;
		bytes += sent;
		size -= sent;
	}
	return 0;
}

static int receive_all(int descriptor, void *bytes, size_t size)
{
	ssize_t got = recv(descriptor, bytes, size, MSG_WAITALL);

	if (got < 0)
		return -errno;
	return (size_t)got == size ? 0 : -EPROTO;
}

static int receive(int descriptor, struct packet *packet)
{
	uint32_t length;
	int result = receive_all(descriptor, &length, sizeof(length));

	packet_free(packet);
	*packet = (struct packet){.size = ntohl(length)};
	if (result < 0)
		return result;
	if (packet->size == 0 || packet->size > PACKET_MOST)
		return -EPROTO;
	packet->bytes = malloc(packet->size);
	return packet->bytes ? receive_all(descriptor, packet->bytes, packet->size) : -ENOMEM;
}

static int parse_packet(const struct packet *packet, size_t header, vici_visit *visit, void *context)
{
	return packet->size < header
		       ? -EPROTO
		       : vici_parse(packet->bytes + header, packet->size - header, visit, context);
}

struct verdict {
	vici_visit *visit;
	void *context;
	bool refused;
	char words[128];
};

static void judge(void *context, const char *path, const char *value)
{
	struct verdict *verdict = context;

	if (strcmp(path, "success") == 0)
		verdict->refused = strcmp(value, "yes") != 0;
	else if (strcmp(path, "errmsg") == 0)
		snprintf(verdict->words, sizeof(verdict->words), "%.127s", value);
	if (verdict->visit)
		verdict->visit(verdict->context, path, value);
}

/* Until the reply comes; events before it are visited. */
static int await(int descriptor, struct verdict *verdict, struct error *error)
{
	_cleanup_(packet_free) struct packet packet = {0};
	int result;

	while ((result = receive(descriptor, &packet)) == 0) {
		switch (packet.bytes[0]) {
		case EVENT:
			result = packet.size < 2 ? -EPROTO
						 : parse_packet(&packet, 2 + packet.bytes[1], judge, verdict);
			break;
		case EVENT_CONFIRM:
			return 0;
		case REPLY:
			result = parse_packet(&packet, 1, judge, verdict);
			if (result == 0 && verdict->refused)
				return error_set(error, -EPROTO, "charon refuses: %s", verdict->words);
			return result < 0 ? error_errno(error, result, "charon's reply") : 0;
		default:
			result = -EPROTO;
		}
		if (result < 0)
			break;
	}
	return result == -EAGAIN ? error_set(error, result, "charon does not answer")
				 : error_errno(error, result, "charon");
}

static int connect_with_words(const char *socket_path, unsigned patience_ms, struct error *error)
{
	int descriptor = connect_to(socket_path, patience_ms);

	if (descriptor == -EAGAIN)
		return error_set(error, descriptor, "charon does not answer");

	return descriptor < 0 ? error_errno(error, descriptor, "charon's socket %s", socket_path)
			      : descriptor;
}

static int exchange(
	int descriptor, const uint8_t *bytes, size_t size, struct verdict *verdict, struct error *error)
{
	int result = send_all(descriptor, bytes, size);

	return result < 0 ? error_errno(error, result, "charon") : await(descriptor, verdict, error);
}

int vici_tell(const char *socket_path, const struct vici *stream, struct error *error)
{
	_cleanup_close_ int descriptor = -1;
	int result = stream->failure;
	struct vici command;
	size_t at = 0;

	if (result < 0)
		return error_errno(error, result, "writing to charon");
	descriptor = connect_with_words(socket_path, TELL_PATIENCE_MS, error);
	if (descriptor < 0)
		return descriptor;
	while (result == 0 && vici_next(stream, &at, &command)) {
		struct verdict verdict = {0};

		result = exchange(descriptor, command.bytes, command.size, &verdict, error);
	}
	if (result == 0 && at != stream->size)
		return error_set(error, -EPROTO, "what charon is to be told is damaged");
	return result;
}

int vici_ask(const char *socket_path, const struct vici *command, const char *event, vici_visit *visit,
	void *context, struct error *error)
{
	_cleanup_(vici_free) struct vici registration = {0};
	struct verdict nothing = {0}, verdict = {.visit = visit, .context = context};
	_cleanup_close_ int descriptor = -1;
	int result = command->failure;

	if (event)
		start_packet(&registration, EVENT_REGISTER, event);
	result = result ?: registration.failure;
	if (result < 0)
		return error_errno(error, result, "writing to charon");
	descriptor = connect_with_words(socket_path, ASK_PATIENCE_MS, error);
	if (descriptor < 0)
		return descriptor;
	if (event)
		result = exchange(descriptor, registration.bytes, registration.size, &nothing, error);
	if (result == 0)
		result = exchange(descriptor, command->bytes, command->size, &verdict, error);
	return result;
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

int vici_listen(const char *socket_path, const char *event)
{
	_cleanup_(vici_free) struct vici registration = {0};
	_cleanup_close_ int descriptor = connect_to(socket_path, ASK_PATIENCE_MS);
	struct verdict nothing = {0};
	int result;

	if (descriptor < 0)
		return descriptor;
	start_packet(&registration, EVENT_REGISTER, event);
	result = registration.failure
			 ?: exchange(descriptor, registration.bytes, registration.size, &nothing, NULL);
	return result < 0 ? result : TAKE_FD(descriptor);
}

/* 1: a whole packet is there; 0: not yet; negative: and none will come. */
static int has_packet(int descriptor)
{
	uint32_t length;
	ssize_t size = recv(descriptor, &length, sizeof(length), MSG_PEEK | MSG_DONTWAIT);
	int waiting;

	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (size == 0 || ioctl(descriptor, FIONREAD, &waiting) < 0)
		return -EPIPE;
	return (size_t)size == sizeof(length) && (size_t)waiting >= sizeof(length) + ntohl(length);
}

int vici_hear(int descriptor, vici_visit *visit, void *context)
{
	_cleanup_(packet_free) struct packet packet = {0};

	for (int i = 0; i < EVENTS_AT_ONCE; i++) {
		int result = has_packet(descriptor);

		if (result <= 0)
			return result;
		result = receive(descriptor, &packet);
		if (result == 0 && packet.bytes[0] == EVENT && packet.size > 1)
			result = parse_packet(&packet, 2 + packet.bytes[1], visit, context);
		if (result < 0)
			return result;
	}
	return has_packet(descriptor);
}
