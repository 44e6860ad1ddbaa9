// SPDX-License-Identifier: Apache-2.0
/*
 * wireguard-go: a process an interface, which owns a TUN device and lives as long as it. It is configured through its
 * UAPI socket (https://www.wireguard.com/xplatform/), lines of key=value, the answer ended by an empty line.
 */
#include "apply/wireguard.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "apply/room.h"
#include "base/cleanup.h"
#include "base/log.h"

#define SOCKET_DIRECTORY "/var/run/wireguard"
#define STEP_MS          10
#define CREATE_STEPS     500
#define OPEN_STEPS       100
#define END_PATIENCE_MS  2000
#define ANSWER_SIZE      8192

static void sleep_step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

/* ---- The process ------------------------------------------------------------------------------------------------- */

static struct sockaddr_un socket_address(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), SOCKET_DIRECTORY "/%s.sock", name);
	return address;
}

static int connect_to(const char *name)
{
	_cleanup_close_ int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = socket_address(name);
	struct timeval patience = {.tv_sec = 5};

	if (descriptor < 0)
		return -errno;
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(descriptor);
}

/* Who serves the interface, also when another gwd started it; 0: nobody answers. */
static pid_t server_pid(const char *name)
{
	_cleanup_close_ int descriptor = connect_to(name);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (descriptor < 0 || getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return peer.pid;
}

static int wait_until_served(struct netlink *netlink, const char *name, pid_t pid, struct error *error)
{
	struct link link = {0};

	for (int i = 0; i < CREATE_STEPS; i++) {
		if (!process_alive(pid))
			return error_set(error, -ECHILD,
				"wireguard-go ended at once; its words stand above. Is "
				"/dev/net/tun there, and no other wireguard-go of that name (%s)?",
				socket_address(name).sun_path);
		if (server_pid(name) && link_find(netlink, name, &link, NULL) == 0)
			return 0;
		sleep_step();
	}
	return error_set(
		error, -ETIMEDOUT, "wireguard-go does not answer on %s", socket_address(name).sun_path);
}

static int create(struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	/* It makes its device and socket itself, whatever whoever started us meant by handing some on. */
	char *settings[] = {"WG_PROCESS_FOREGROUND=1", "LOG_LEVEL=error", "WG_TUN_FD=", "WG_UAPI_FD=", NULL};
	char *arguments[] = {"wireguard-go", "-f", (char *)name, NULL};
	int result;
	pid_t pid;

	pid = child_start(children, name, arguments, settings, error);
	if (pid == -ENOENT)
		return error_set(error, pid,
			"this kernel has no WireGuard and wireguard-go "
			"is not in PATH; try: apt install wireguard-go");
	if (pid < 0)
		return pid;
	result = wait_until_served(netlink, name, pid, error);
	if (result == 0)
		result = link_mark_ours(netlink, name, error);
	if (result == 0)
		result = link_set_queue(netlink, name, ROOM_PACKETS, error);
	if (result < 0)
		process_end(children, pid, END_PATIENCE_MS);
	return result;
}

static int remove_process(
	struct netlink *netlink, struct children *children, const char *name, struct error *error)
{
	pid_t pid = server_pid(name);
	struct link link = {0};
	int result = 0;

	if (pid > 0)
		result = process_end(children, pid, END_PATIENCE_MS);
	if (result < 0)
		return error_errno(error, result, "ending wireguard-go (pid %d)", pid);
	/* Its device goes with it; one that nobody serves is removed by name. */
	if (link_find(netlink, name, &link, NULL) == 0)
		result = link_remove(netlink, name, error);
	unlink(socket_address(name).sun_path);
	return result;
}

/* ---- Room in its sockets: without it a tunnel serves all the same, and loses bursts ------------------------------- */

static int make_room(const char *name)
{
	pid_t pid = server_pid(name);
	int result = pid > 0 ? room_make(pid) : 0;

	if (result < 0)
		log_warning("%s: the sockets of wireguard-go keep the room that the "
			    "kernel gives them: %s; packets that come while it does not "
			    "run may be lost; try: sysctl -w net.core.rmem_default=%d",
			name, strerror(-result), ROOM_BYTES);
	return result;
}

/* It hears from its device that this is up, and opens its sockets then. */
static void opened(const char *name)
{
	int wanted = room_sockets();

	for (int i = 0; i < OPEN_STEPS; i++) {
		int found = make_room(name);

		if (found < 0 || found >= wanted)
			return;
		sleep_step();
	}
	log_warning("%s: wireguard-go has not opened its sockets in %d ms", name, OPEN_STEPS * STEP_MS);
}

static int adopt(struct children *children, const char *name, struct error *error)
{
	pid_t pid = child_pid(children, name) ? 0 : server_pid(name);

	if (pid <= 0)
		return 0;
	make_room(name); /* an earlier gwd may have made none */
	return child_adopt(children, name, pid, error);
}

/* ---- UAPI -------------------------------------------------------------------------------------------------------- */

/* Sends a request and reads the answer up to its empty line, ended by a zero. Both may hold keys: the caller wipes. */
static int talk(const char *name, const char *request, char *answer, struct error *error)
{
	_cleanup_close_ int descriptor = connect_to(name);
	size_t used = 0;
	ssize_t size;

	if (descriptor < 0)
		return error_errno(
			error, descriptor, "wireguard-go's socket %s", socket_address(name).sun_path);
	if (send(descriptor, request, strlen(request), MSG_NOSIGNAL) < 0)
		return error_errno(error, -errno, "wireguard-go of %s", name);
	do {
		size = recv(descriptor, answer + used, ANSWER_SIZE - 1 - used, 0);
		if (size <= 0)
			return error_errno(error, size < 0 ? -errno : -EPROTO, "wireguard-go of %s", name);
		used += size;
		answer[used] = 0;
	} while (!strstr(answer, "\n\n") && used < ANSWER_SIZE - 1);
	return 0;
}

static int answer_status(const char *name, const char *answer, struct error *error)
{
	const char *line = strstr(answer, "errno=");
	long number = line ? strtol(line + strlen("errno="), NULL, 10) : EPROTO;

	if (number == 0)
		return 0;
	return error_set(
		error, -EINVAL, "wireguard-go of %s refuses its settings (errno %ld)", name, labs(number));
}

static void print_key(FILE *stream, const char *word, const uint8_t *key)
{
	char text[2 * WIREGUARD_KEY_SIZE + 1];

	sodium_bin2hex(text, sizeof(text), key, WIREGUARD_KEY_SIZE);
	fprintf(stream, "%s=%s\n", word, text);
	sodium_memzero(text, sizeof(text));
}

static void print_peer(FILE *stream, const struct wireguard_settings *settings)
{
	char address[ADDRESS_TEXT_SIZE];

	print_key(stream, "public_key", settings->peer);
	if (settings->has_endpoint)
		fprintf(stream,
			address_is_v4(&settings->endpoint_address) ? "endpoint=%s:%u\n"
								   : "endpoint=[%s]:%u\n",
			address_format(&settings->endpoint_address, address), settings->endpoint_port);
	fprintf(stream,
		"persistent_keepalive_interval=%u\nreplace_allowed_ips=true\n"
		"allowed_ip=0.0.0.0/0\nallowed_ip=::/0\n",
		settings->keepalive_s);
}

static int set(const char *name, const struct wireguard_settings *settings, struct error *error)
{
	char request[1024], answer[ANSWER_SIZE];
	FILE *stream = fmemopen(request, sizeof(request), "w");
	int result;

	if (!stream)
		return error_errno(error, -errno, "%s", name);
	setvbuf(stream, NULL, _IONBF, 0); /* no copy of the key in a buffer of stdio's */
	fprintf(stream, "set=1\n");
	if (settings->has_private_key)
		print_key(stream, "private_key", settings->private_key);
	fprintf(stream, "listen_port=%u\n", settings->listen_port);
	if (settings->new_peer)
		fprintf(stream, "replace_peers=true\n");
	if (settings->has_peer)
		print_peer(stream, settings);
	fprintf(stream, "\n");
	fclose(stream);
	result = talk(name, request, answer, error);
	sodium_memzero(request, sizeof(request));
	if (result == 0)
		result = answer_status(name, answer, error);
	if (result == 0)
		make_room(name); /* for another port it has opened others, if it is up */
	return result;
}

/* "192.0.2.1:51820", "[2001:db8::1]:51820"; a zone of a link-local address is not kept. */
static void read_endpoint(const char *value, struct wireguard_state *state)
{
	char text[ADDRESS_TEXT_SIZE + 24];
	char *address = text, *colon;

	snprintf(text, sizeof(text), "%s", value);
	colon = strrchr(text, ':');
	if (!colon)
		return;
	*colon = 0;
	address += strspn(address, "[");
	address[strcspn(address, "%]")] = 0;
	state->has_endpoint = address_parse(address, &state->endpoint_address) == 0;
	state->endpoint_port = strtoul(colon + 1, NULL, 10);
}

static void read_line(const char *word, const char *value, struct wireguard_state *state)
{
	if (strcmp(word, "private_key") == 0) {
		sodium_hex2bin(
			state->private_key, WIREGUARD_KEY_SIZE, value, strlen(value), NULL, NULL, NULL);
	} else if (strcmp(word, "public_key") == 0) {
		state->peers++;
		sodium_hex2bin(state->peer, WIREGUARD_KEY_SIZE, value, strlen(value), NULL, NULL, NULL);
	} else if (strcmp(word, "listen_port") == 0) {
		state->listen_port = strtoul(value, NULL, 10);
	} else if (strcmp(word, "persistent_keepalive_interval") == 0) {
		state->keepalive_s = strtoul(value, NULL, 10);
	} else if (strcmp(word, "endpoint") == 0) {
		read_endpoint(value, state);
	} else if (strcmp(word, "last_handshake_time_sec") == 0) {
		state->handshake_s = strtoll(value, NULL, 10);
	}
}

static int get(const char *name, struct wireguard_state *state, struct error *error)
{
	char answer[ANSWER_SIZE], *rest = NULL;
	int result = talk(name, "get=1\n\n", answer, error);

	if (result == 0)
		result = answer_status(name, answer, error);
	if (result == 0)
		for (char *line = strtok_r(answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			char *value = strchr(line, '=');

			if (value) {
				*value++ = 0;
				read_line(line, value, state);
			}
		}
	sodium_memzero(answer, sizeof(answer));
	return result;
}

const struct wireguard_driver wireguard_go = {
	.name = "wireguard-go",
	.link_kind = "tun",
	.create = create,
	.remove = remove_process,
	.adopt = adopt,
	.opened = opened,
	.set = set,
	.get = get,
};
