/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BIRD as a process: its files, and how it is started. main spawns and supervises it; bird/client.h talks
 * with it.
 *
 *	RUN/bird/bird.conf  node.conf  tunnels.conf  routers.conf  announce.conf     0640
 *	RUN/bird/password-*.conf                                                    0600
 *	RUN/bird/bird.log  bird.log.1                                  BIRD's own log, 1 MiB each at most
 *	RUN/bird/bird.ctl                                              its control socket
 *	RUN/bird/new/                                                  files being checked, or refused by BIRD
 *
 * A new configuration is written beside the old one and shown to `bird -p`; only what BIRD accepts replaces
 * the old files, one rename each. A running BIRD reads them when it is told to: bird_client_configure().
 */
#ifndef BIRD_DAEMON_H
#define BIRD_DAEMON_H

#include <stdbool.h>

#include "base/announcement.h"
#include "base/error.h"
#include "model.h"

/* A UNIX socket's address holds no more, its end included. */
#define BIRD_PATH_SIZE 108

struct bird_daemon {
	char program[BIRD_PATH_SIZE]; /* the bird that was found */
	char directory[BIRD_PATH_SIZE];
	char config[BIRD_PATH_SIZE];
	char socket[BIRD_PATH_SIZE];
	char log[BIRD_PATH_SIZE];
	char *argv[8]; /* to start it in the foreground, NULL at the end; points into this struct */
};

/* There is something for BIRD to do: some tunnel has a `bgp` section, or there is a router. */
bool bird_is_wanted(const struct model *model);

/* Finds the program and names the files; nothing is made yet. `daemon` must not move afterwards. `run_dir` is
 * absolute. */
int bird_daemon_init(struct bird_daemon *daemon, const char *run_dir, struct error *error);

/*
 * Writes and checks everything, and puts it in place; makes RUN/bird when it is not there (RUN must be). On
 * an error the old files stay as they were, and the text has BIRD's own words, with file and line.
 */
int bird_daemon_install(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error);

/* Would BIRD take it? Nothing of what is in place changes. */
int bird_daemon_check(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error);

/* The announced set alone, which needs no check: it is to be quick when it withdraws. */
int bird_daemon_install_announced(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error);

/* Removes what was made here; BIRD is to be gone by then. */
void bird_daemon_remove(const struct bird_daemon *daemon);

#endif
