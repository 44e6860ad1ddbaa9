/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of a running BIRD: two connections to its control socket, no forked birdc.
 *
 * On the first, commands: one outstanding at a time, since BIRD drops a connection with more. What is wanted
 * meanwhile is remembered as a flag, not queued: ten announcements in a burst become two `configure`s, the last of
 * which reads the newest file. An accepted `configure` is believed only when BIRD's table of announced routes shows
 * what was asked for, and, of a tunnel or router that is to hear nothing, that it exports nothing.
 *
 * On the second, BIRD pushes what it logs ("echo all"), so that a session's end is heard at once. Those lines are words
 * without a promise and may be lost, so they only make us ask: the truth about sessions is the reply to
 * `show protocols`, and about what neighbours announce to links of egress groups, that to `show route`. A state in a pushed line is passed on at once all the same: it is early, never wrong for long.
 *
 * Nothing here blocks but bird_client_open() and bird_client_wait(), and nothing here knows the time: main calls
 * bird_client_refresh() once a second, which heals what was missed.
 */
#ifndef BIRD_CLIENT_H
#define BIRD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/announcement.h"
#include "base/error.h"
#include "model.h"

struct bird_client;

/* Whose session it is. */
struct bird_peer {
	uint16_t tunnel;    /* 0: a router's */
	const char *router; /* its name, valid during the call; NULL: a tunnel's */
};

struct bird_handler {
	/*
	 * A BGP session as it is now; also called when nothing changed. `words` is BIRD's own name of the
	 * state ("Established", "Active", …), or NULL when it has not said it yet: keep the one before.
	 */
	void (*session)(void *context, const struct bird_peer *peer, bool established, const char *words);
	/*
	 * All that tunnels' neighbours announce of egress groups' destinations, when it may have changed, and once a second;
	 * never called when no link needs it. The routes are valid during the call.
	 */
	void (*told)(void *context, const struct told_route *routes, size_t count);
	/* What a router's BFD says, once a second; a tunnel's is known by its marker. */
	void (*bfd)(void *context, const struct address *neighbor, const char *interface, bool up);
	/*
	 * A `configure` has ended, or what it announced was looked at again: 0 when the announced set is in force;
	 * -EAGAIN when BIRD is still about it or shows other routes, -ESTALE when it was in force and is not any more (the
	 * next refresh tries again); -EINVAL when BIRD refused the files and goes on with what it had.
	 */
	void (*configured)(void *context, int result, const char *words);
	void *context;
};

/*
 * Connects, trying again until BIRD answers or the time is over: a BIRD that was just started needs some
 * milliseconds. Asks for the sessions; the answer comes by bird_client_read().
 */
int bird_client_open(struct bird_client **client, const char *socket_path, const struct bird_handler *handler,
	unsigned timeout_ms, struct error *error);
/* NULL is fine. */
void bird_client_close(struct bird_client *client);

/* Readable when bird_client_read() has something to do. */
int bird_client_fd(const struct bird_client *client);
/* Does it. On an error the connection is of no more use: close it, see whether BIRD lives, open it again. */
int bird_client_read(struct bird_client *client, struct error *error);

/* BIRD is to read its files again, and then to announce this; what of it is needed is copied. */
int bird_client_configure(struct bird_client *client, const struct model *model,
	const struct announcement *announcement, struct error *error);

/*
 * Asks for all sessions and for what is announced, and configures again when the last time did not end well. To be called once a second;
 * -ETIMEDOUT: BIRD has not answered for BIRD_PATIENCE calls, treat it as lost.
 */
#define BIRD_PATIENCE 5
int bird_client_refresh(struct bird_client *client, struct error *error);

/*
 * Reads until nothing is outstanding and the announced set is in force. 0, what `configured` would be told, -ETIMEDOUT,
 * or the connection's error. The handler is called as ever.
 */
int bird_client_wait(struct bird_client *client, unsigned timeout_ms, struct error *error);

#endif
