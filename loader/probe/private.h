/* SPDX-License-Identifier: Apache-2.0 */
/* Inside probe: an attempt, and the kinds of question. */
#ifndef PROBE_PRIVATE_H
#define PROBE_PRIVATE_H

#include <sys/socket.h>

#include "probe/prober.h"

struct http;
struct http_client;

/* One a probe; under way from question->begin() to question->end(). */
struct attempt {
	struct prober *prober;
	const struct probe *probe;
	const struct question *question;
	sd_event *event;
	sd_event_source *timer; /* while under way: its time runs out; else: the next one begins */
	bool under_way, had_more_time;
	unsigned steps_left; /* of its time */
	bool cannot_ask;     /* told once */
	uint64_t begun_us;
	int socket; /* icmp, tcp: or -1 */
	sd_event_source *io;
	uint16_t sequence; /* icmp */
	uint64_t token;
	struct http_client *client; /* http: all attempts have one */
	struct http *http;
};

struct question {
	/* 0: under way, and attempt_good() or attempt_bad() will be called; or a negative errno with words. */
	int (*begin)(struct attempt *attempt, struct error *error);
	/* Lets go of what begin() took, also halfway. */
	void (*end)(struct attempt *attempt);
};

extern const struct question icmp_question, tcp_question, http_question;

/* Each ends the attempt. */
void attempt_good(struct attempt *attempt, const char *format, ...) __attribute__((format(printf, 2, 3)));
void attempt_bad(struct attempt *attempt, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* So does an error of the system: of the path's or the target's it is bad; of our own making, then nobody was asked. */
void attempt_failed(struct attempt *attempt, int negative_errno, const char *words);

/* path.c. A non-blocking socket on the probe's path, or a negative errno with words. */
int path_socket(const struct probe *probe, int type, int protocol, struct error *error);
/* How long the address of `probe`'s target is; with its port, if it has one. */
socklen_t path_target(const struct probe *probe, uint16_t port, struct sockaddr_storage *target);
/* Opens attempt->socket there and connects it; `heard` is called on `events`. */
int path_connect(struct attempt *attempt, int type, int protocol, uint16_t port, uint32_t events,
	sd_event_io_handler_t heard, struct error *error);
/* Lets go of what path_connect() took. */
void path_close(struct attempt *attempt);

/* http.c */
int http_client_open(sd_event *event, struct http_client **client, struct error *error);
void http_client_close(struct http_client *client);
int http_open(const struct probe *probe, struct http **http, struct error *error);
void http_close(struct http *http);

#endif
