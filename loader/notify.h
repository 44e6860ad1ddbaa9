/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager hears of gwd (sd_notify(3)): that it is ready, alive, going, and how it is in one line,
 * which `systemctl status` shows. Without a service manager all of this does nothing.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stddef.h>
#include <systemd/sd-event.h>

#include "status.h"

/* It runs; from now on the event loop itself says that it is alive, as often as the manager wants to hear it. */
void notify_ready(sd_event *event, const struct status *status);
/* It is alive, though what it does keeps it from its event loop. */
void notify_alive(void);
/* How it is; the manager hears only what is new. */
void notify_status(const struct status *status);
void notify_stopping(void);

/* The line: "2 of 3 tunnels usable, announced: control, voice". Returns `text`. */
const char *notify_words(const struct status *status, char *text, size_t size);

#endif
