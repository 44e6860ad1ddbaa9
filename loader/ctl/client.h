/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside ctl: one connection. Bytes come in, one request at a time is in work, bytes go out. A client lives
 * in its server's list and removes itself from there when it ends.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "ctl/request.h"

struct client;

struct client_list {
	struct client *first;
	unsigned count;
};

/* Takes over the descriptor, also when it fails. `views` and `hooks` are borrowed. */
int client_open(sd_event *event, int fd, const struct ctl_views *views, const struct ctl_hooks *hooks,
	struct client_list *list);
void client_close(struct client *client);
/* An event has come: whoever waits for one is told at once. Closes nobody. */
void clients_wake(struct client_list *list);
/* The model is about to be replaced: requests in work that hold parts of it end with an error. */
void clients_interrupt(struct client_list *list);
/* The client that for the longest time neither sent nor took a byte, and for how long; NULL: there is none.
 */
struct client *client_stalest(const struct client_list *list, uint64_t *idle_ms);

#endif
