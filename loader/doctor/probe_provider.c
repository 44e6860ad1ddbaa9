// SPDX-License-Identifier: Apache-2.0
/* Routers' interfaces and LANs, the certificates that probes trust, and the ways that they need. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define ENDING_S  "1209600" /* 14 days */
#define ANY_PORT  9         /* nothing is sent there */
#define OPENSSL_S 5         /* a file system that hangs would keep it */

/* ---- Interfaces -------------------------------------------------------------------------------------------------- */

static bool probe_interface(int fd, const char *name, bool *running)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return false;
	*running = request.ifr_flags & IFF_UP && request.ifr_flags & IFF_RUNNING;
	return true;
}

static int missing_address(const struct router *router)
{
	for (size_t i = 0; i < router->address_count; i++)
		if (!probe_address(router->interface, &router->addresses[i].address))
			return (int)i;
	return UNKNOWN;
}

/* ---- Certificates ------------------------------------------------------------------------------------------------ */

/* What `openssl x509` answers of the first certificate in a file: its exit status, 127 when there is no answer, or no such program. */
static int ask_openssl(const char *file, const char *ends_in_s)
{
	int status, nowhere;
	pid_t child = fork();

	if (child == 0) {
		nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd < 3; fd++)
			dup2(nowhere, fd);
		alarm(OPENSSL_S);
		execlp("openssl", "openssl", "x509", "-noout", "-in", file, ends_in_s ? "-checkend" : NULL,
			ends_in_s, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 127;
	return WEXITSTATUS(status);
}

/* A pipe would be waited for. */
static bool is_file(const char *path)
{
	struct stat is;

	return stat(path, &is) == 0 && S_ISREG(is.st_mode);
}

static enum authority probe_authority(const struct probe_http *http)
{
	const char *file = http->ca_file ?: SYSTEM_AUTHORITIES;
	int is_one;

	if (!http->enabled || !http->tls || !http->verify)
		return AUTHORITY_UNKNOWN;
	if (access(file, R_OK) < 0)
		return errno == EACCES && geteuid() != 0 ? AUTHORITY_UNKNOWN : AUTHORITY_UNREADABLE;
	if (!http->ca_file) /* many, and the system's to look after */
		return AUTHORITY_FINE;
	if (!is_file(file))
		return AUTHORITY_NONE;
	is_one = ask_openssl(file, NULL);
	if (is_one == 127)
		return AUTHORITY_UNKNOWN;
	if (is_one != 0)
		return AUTHORITY_NONE;
	if (ask_openssl(file, "0") != 0)
		return AUTHORITY_ENDED;
	return ask_openssl(file, ENDING_S) == 0 ? AUTHORITY_FINE : AUTHORITY_ENDING;
}

/* ---- Ways -------------------------------------------------------------------------------------------------------- */

/* As the probe does it, but for the question: connecting a socket of UDP looks for the way, and sends nothing. */
static int try_path(const struct probe *probe)
{
	const char *tunnel = probe->tunnel->name;
	struct sockaddr_storage from, to;
	_cleanup_close_ int fd =
		socket(address_family(model_probe_target(probe)), SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, tunnel, (socklen_t)strlen(tunnel)) < 0)
		return 0;
	if (bind(fd, (struct sockaddr *)&from, address_socket(model_probe_source(probe), 0, &from)) < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&to, address_socket(model_probe_target(probe), ANY_PORT, &to)) < 0)
		return errno;
	return 0;
}

static int probe_path(int fd, const struct probe *probe)
{
	bool running = false;

	if (!model_probe_goes_beyond(probe) || !probe_interface(fd, probe->tunnel->name, &running))
		return 0;
	return running ? try_path(probe) : 0;
}

void probe_providers_side(const struct model *model, struct facts *facts)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; i < model->router_count; i++) {
		struct router_facts *router = &facts->routers[i];

		router->exists = probe_interface(fd, model->routers[i].interface, &router->running);
		router->missing = missing_address(&model->routers[i]);
	}
	for (size_t i = 0; i < model_lan_count(model); i++)
		facts->lans[i].exists = probe_interface(fd, model_lan(model, i), &facts->lans[i].running);
	for (size_t i = 0; i < model->probe_count; i++) {
		facts->probes[i].authority = probe_authority(&model->probes[i].http);
		facts->probes[i].path = probe_path(fd, &model->probes[i]);
	}
	facts->forwarding_v6 = probe_number("/proc/sys/net/ipv6/conf/all/forwarding");
}
