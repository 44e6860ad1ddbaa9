// SPDX-License-Identifier: Apache-2.0
/* The listening socket: who may connect, and how many at a time. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "ctl/client.h"

#define CLIENTS_MAX 256
#define STALE_MS    5000    /* who neither sends nor reads for this long makes room for others */
#define PAUSE_US    1000000 /* before a client is accepted again, when one could not be */

struct ctl {
	sd_event *event;
	sd_event_source *source, *pause;
	int fd;
	struct sockaddr_un name;
	struct ctl_views views;
	struct ctl_hooks hooks;
	struct client_list clients;
};

static void turn_away(int fd)
{
	static const char reply[] = "{\"code\":4,\"error\":\"too many clients at the control socket\"}\n";

	send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* True when there is room for one more. */
static bool make_room(struct client_list *clients)
{
	uint64_t idle_ms = 0;
	struct client *stalest = client_stalest(clients, &idle_ms);

	if (clients->count < CLIENTS_MAX)
		return true;
	if (idle_ms < STALE_MS)
		return false;
	client_close(stalest);
	return true;
}

static int resume(sd_event_source *timer, uint64_t usec, void *self)
{
	struct ctl *ctl = self;

	(void)timer, (void)usec;
	return sd_event_source_set_enabled(ctl->source, SD_EVENT_ON);
}

/*
 * Without descriptors, or memory, nobody can be accepted, and who waits would wake us again at once: the daemon
 * would do nothing but fail, and log that. So they wait a second.
 */
static void pause_accepting(struct ctl *ctl, int why)
{
	log_warning("control socket: cannot accept a client: %s; trying again in a second", strerror(why));
	if (sd_event_source_set_time_relative(ctl->pause, PAUSE_US) >= 0 &&
		sd_event_source_set_enabled(ctl->pause, SD_EVENT_ONESHOT) >= 0)
		sd_event_source_set_enabled(ctl->source, SD_EVENT_OFF);
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *self)
{
	struct ctl *ctl = self;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	(void)source, (void)events;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_accepting(ctl, errno);
		return 0;
	}
	if (!make_room(&ctl->clients)) {
		turn_away(fd);
		return 0;
	}
	r = client_open(ctl->event, fd, &ctl->views, &ctl->hooks, &ctl->clients);
	if (r < 0)
		log_warning("control socket: cannot serve a client: %s", strerror(-r));
	return 0;
}

static int set_name(struct sockaddr_un *name, const char *run_dir, struct error *error)
{
	int size = snprintf(name->sun_path, sizeof(name->sun_path), "%s/%s", run_dir, CONTROL_SOCKET);

	if (size < 0 || (size_t)size >= sizeof(name->sun_path))
		return error_set(error, -ENAMETOOLONG,
			"the run directory's name %s is too long for a socket in it", run_dir);
	return 0;
}

/* A socket that nobody serves is left over from a daemon that was killed. */
static int remove_stale(const struct sockaddr_un *name, struct error *error)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_errno(error, -errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		return error_set(error, -EADDRINUSE, "another gwd answers at %s", name->sun_path);
	if (unlink(name->sun_path) < 0 && errno != ENOENT)
		return error_errno(error, -errno, "cannot remove the old socket %s", name->sun_path);
	return 0;
}

static int bind_socket(int fd, const struct sockaddr_un *name, struct error *error)
{
	mode_t before = umask(0117); /* 0660 from the first moment */
	int r = bind(fd, (const struct sockaddr *)name, sizeof(*name)) < 0 ? -errno : 0;

	umask(before);
	if (r == 0 && listen(fd, CLIENTS_MAX) < 0)
		r = -errno;
	return r < 0 ? error_errno(error, r, "cannot listen at %s", name->sun_path) : 0;
}

static int give_to_group(const struct sockaddr_un *name, const char *group_name, struct error *error)
{
	const struct group *group;

	if (!group_name)
		return 0;
	group = getgrnam(group_name);
	if (!group)
		return error_set(error, -ENOENT, "control.group: this machine has no group “%s”", group_name);
	if (chown(name->sun_path, (uid_t)-1, group->gr_gid) < 0)
		return error_errno(
			error, -errno, "cannot give %s to the group “%s”", name->sun_path, group_name);
	return 0;
}

static void hear_event(void *self)
{
	struct ctl *ctl = self;

	clients_wake(&ctl->clients);
}

static int start(struct ctl *ctl, struct error *error)
{
	int r;

	ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ctl->fd < 0)
		return error_errno(error, -errno, "cannot make a socket");
	r = bind_socket(ctl->fd, &ctl->name, error);
	if (r >= 0)
		r = give_to_group(&ctl->name, ctl->views.status->model->control_group, error);
	if (r < 0)
		return r;
	r = sd_event_add_io(ctl->event, &ctl->source, ctl->fd, EPOLLIN, on_connection, ctl);
	if (r >= 0) /* now: when it is needed there may be no descriptor for a timer either */
		r = sd_event_add_time(
			ctl->event, &ctl->pause, CLOCK_MONOTONIC, 0, PAUSE_US / 10, resume, ctl);
	if (r >= 0)
		r = sd_event_source_set_enabled(ctl->pause, SD_EVENT_OFF);
	if (r < 0)
		return error_errno(error, r, "cannot watch the control socket");
	ctl->views.events->heard = hear_event;
	ctl->views.events->heard_by = ctl;
	return 0;
}

int ctl_open(sd_event *event, const char *run_dir, const struct ctl_views *views,
	const struct ctl_hooks *hooks, struct ctl **ctl, struct error *error)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct ctl *opened;
	int r = set_name(&name, run_dir, error);

	if (r >= 0)
		r = remove_stale(&name, error);
	if (r < 0)
		return r;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return error_set(error, -ENOMEM, "no memory for the control socket");
	*opened = (struct ctl){.event = event, .fd = -1, .name = name, .views = *views, .hooks = *hooks};
	r = start(opened, error);
	if (r < 0) {
		ctl_close(opened);
		return r;
	}
	*ctl = opened;
	return 0;
}

void ctl_interrupt(struct ctl *ctl)
{
	clients_interrupt(&ctl->clients);
}

int ctl_regroup(struct ctl *ctl, struct error *error)
{
	const char *group = ctl->views.status->model->control_group;

	return give_to_group(&ctl->name, group ? group : "root", error);
}

void ctl_close(struct ctl *ctl)
{
	if (!ctl)
		return;
	while (ctl->clients.first)
		client_close(ctl->clients.first);
	if (ctl->views.events->heard_by == ctl)
		ctl->views.events->heard = NULL;
	sd_event_source_disable_unref(ctl->pause);
	sd_event_source_disable_unref(ctl->source);
	if (ctl->fd >= 0) {
		unlink(ctl->name.sun_path);
		close(ctl->fd);
	}
	free(ctl);
}
