// SPDX-License-Identifier: Apache-2.0
/*
 * BIRD as the daemon sees it: started, adopted, lost and found again; what it says of sessions goes to health and into the
 * status. Tunnels' BFD is heard from the kernel (watch.c), which is quicker; routers' from BIRD.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "apply/child.h"
#include "base/log.h"
#include "daemon.h"

#define BIRD_STEP_MS    200 /* for which healing waits: gwctl and the kernel's news wait meanwhile */
#define BIRD_TIMEOUT_MS 5000

/* ---- What it says ------------------------------------------------------------------------------------------------ */

static struct router_status *router_of(struct daemon *daemon, const char *name)
{
	const struct router *router = model_router_by_name(daemon->model, name);

	return router ? &daemon->status.routers[router - daemon->model->routers] : NULL;
}

static void tell_session(struct daemon *daemon, const char *name, bool established)
{
	tell(daemon, established ? EVENT_BGP_UP : EVENT_BGP_DOWN, name,
		established ? "the session is established" : "the session is closed");
}

static void router_session(struct daemon *daemon, const char *router, bool established, const char *words)
{
	struct router_status *status = router_of(daemon, router);
	enum session_state state = established ? SESSION_UP : SESSION_DOWN;

	if (!status)
		return;
	if (words)
		snprintf(status->bgp_text, sizeof(status->bgp_text), "%s", words);
	if (status->bgp == state)
		return;
	status->bgp = state;
	status->bgp_since_ms = now_ms();
	tell_session(daemon, router, established);
}

/* The same address may be another router's on another interface, or a tunnel's neighbour's. */
static void bird_bfd(void *context, const struct address *neighbor, const char *interface, bool up)
{
	struct daemon *daemon = context;

	for (size_t i = 0; i < daemon->model->router_count; i++) {
		struct router_status *status = &daemon->status.routers[i];
		enum session_state state = up ? SESSION_UP : SESSION_DOWN;

		if (!address_equal(&status->router->bgp.neighbor, neighbor) ||
			strcmp(status->router->interface, interface) != 0 || status->bfd == SESSION_OFF ||
			status->bfd == state)
			continue;
		status->bfd = state;
		tell(daemon, up ? EVENT_BFD_UP : EVENT_BFD_DOWN, status->router->name,
			up ? "it answers" : "it said nothing in time");
	}
}

static void tunnel_session(struct daemon *daemon, uint16_t tunnel, bool established, const char *words)
{
	struct tunnel_status *status = watch_tunnel(daemon, tunnel);
	bool changed;

	if (!status)
		return;
	changed = (status->bgp == SESSION_UP) != established;
	if (changed)
		status->bgp_since_ms = now_ms();
	if (words)
		snprintf(status->bgp_text, sizeof(status->bgp_text), "%s", words);
	health_report(daemon->health, tunnel, HEALTH_BGP, established, now_ms());
	watch_changes(daemon);
	if (changed)
		tell_session(daemon, status->tunnel->name, established);
}

static void bird_session(void *context, const struct bird_peer *peer, bool established, const char *words)
{
	if (peer->router)
		router_session(context, peer->router, established, words);
	else
		tunnel_session(context, peer->tunnel, established, words);
}

static void bird_told(void *context, const struct told_route *routes, size_t count)
{
	struct daemon *daemon = context;

	if (daemon->bird_is_ahead)
		return;
	health_told(daemon->health, routes, count, now_ms());
	watch_changes(daemon);
}

static void bird_configured(void *context, int result, const char *words)
{
	struct daemon *daemon = context;

	if (result == -EINVAL)
		log_error("BIRD refused its configuration and goes on with what it had: %s", words);
	if (result != -EAGAIN)
		daemon->announced_in_force = result == 0;
	daemon->announcement_verified = result == 0;
	watch_changes(daemon);
}

void watch_bird_lost(struct daemon *daemon, const char *why)
{
	if (!daemon->bird_client)
		return;
	daemon->bird_source = sd_event_source_disable_unref(daemon->bird_source);
	bird_client_close(daemon->bird_client);
	daemon->bird_client = NULL;
	daemon->bird_waited_for_ms = now_ms();
	daemon->announced_in_force = false;
	health_bird_lost(daemon->health, now_ms());
	for (size_t i = 0; i < daemon->model->router_count; i++)
		router_session(daemon, daemon->model->routers[i].name, false, "");
	watch_changes(daemon);
	tell(daemon, EVENT_BIRD_LOST, NULL, "%s; the data plane stays as it is", why);
	daemon_heal_soon(daemon);
}

void watch_bird_read(struct daemon *daemon)
{
	struct error error;

	if (bird_client_read(daemon->bird_client, &error) < 0)
		watch_bird_lost(daemon, error.text);
}

static int hear_bird(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	watch_bird_read(userdata);
	return 0;
}

/* ---- Its life ---------------------------------------------------------------------------------------------------- */

static int start_bird_process(struct daemon *daemon, struct error *error)
{
	struct children *children = apply_children(daemon->apply);
	pid_t pid = process_behind(daemon->bird.socket);

	if (child_pid(children, BIRD_CHILD) > 0)
		return 0;
	daemon->bird_waited_for_ms = now_ms();
	if (pid > 0)
		return child_adopt(children, BIRD_CHILD, pid, error);
	pid = child_start(children, BIRD_CHILD, (char *const *)daemon->bird.argv, NULL, error);
	return pid < 0 ? pid : 0;
}

/* It runs and does not answer: it serves its neighbours no better. Its end is what brings a new one. */
static void end_hung_bird(struct daemon *daemon)
{
	struct children *children = apply_children(daemon->apply);
	pid_t pid = child_pid(children, BIRD_CHILD);

	if (pid > 0)
		process_end(children, pid, BIRD_HUNG_MS);
}

/* Until it answers, is gone, or the time is over. */
static int connect_bird(struct daemon *daemon, unsigned timeout_ms, struct error *error)
{
	const struct bird_handler handler = {.session = bird_session,
		.told = bird_told,
		.bfd = bird_bfd,
		.configured = bird_configured,
		.context = daemon};
	pid_t pid = child_pid(apply_children(daemon->apply), BIRD_CHILD);
	uint64_t deadline = now_ms() + timeout_ms;
	int r;

	do {
		replicate_hear(daemon);
		r = bird_client_open(
			&daemon->bird_client, daemon->bird.socket, &handler, BIRD_STEP_MS, error);
	} while (r < 0 && now_ms() < deadline && process_alive(pid));
	if (r == 0)
		return 0;
	if (!process_alive(pid))
		return error_set(error, -ESRCH,
			"%s ended as soon as it was started; its own words stand before this",
			daemon->bird.program);
	if (now_ms() - daemon->bird_waited_for_ms >= BIRD_TIMEOUT_MS)
		end_hung_bird(daemon);
	return r;
}

static int start_bird(struct daemon *daemon, unsigned timeout_ms, struct error *error)
{
	const struct announcement announcement = health_announcement(daemon->health);
	int r;

	r = bird_daemon_install(&daemon->bird, daemon->model, &announcement, error);
	if (r < 0)
		return r;
	r = start_bird_process(daemon, error);
	if (r < 0)
		return r;
	r = connect_bird(daemon, timeout_ms, error);
	if (r < 0)
		return r;
	r = sd_event_add_io(daemon->event, &daemon->bird_source, bird_client_fd(daemon->bird_client), EPOLLIN,
		hear_bird, daemon);
	if (r < 0)
		return error_errno(error, r, "cannot listen to BIRD");
	health_bird_back(daemon->health, now_ms());
	watch_changes(daemon);
	tell(daemon, EVENT_BIRD_BACK, NULL, "it answers at %s", daemon->bird.socket);
	return bird_client_configure(daemon->bird_client, daemon->model, &announcement, error);
}

int watch_bird_start(struct daemon *daemon, struct error *error)
{
	bool was_there = process_behind(daemon->bird.socket) > 0;
	int r = start_bird(daemon, BIRD_TIMEOUT_MS, error);

	/* One that an earlier gwd left hangs, and was ended for that. */
	return r == -ETIMEDOUT && was_there ? start_bird(daemon, BIRD_TIMEOUT_MS, error) : r;
}

int watch_bird_heal(struct daemon *daemon, struct error *error)
{
	return start_bird(daemon, BIRD_STEP_MS, error);
}
