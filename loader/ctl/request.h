/* SPDX-License-Identifier: Apache-2.0 */
/* Inside ctl: a request on its way from a line of JSON to its last row. */
#ifndef CTL_REQUEST_H
#define CTL_REQUEST_H

#include <jansson.h>
#include <sys/types.h>

#include "ctl/ctl.h"
#include "ctl/output.h"
#include "ctl/protocol.h"

#define REQUEST_MORE (-1) /* a step's answer: call me again when there is room */
#define REQUEST_WAIT (-2) /* a step's answer: call me again when an event has come */

/* The arguments of all methods, checked and looked up; zero where not given. */
struct arguments {
	uint32_t given; /* bits by enum argument_id */
	const struct provider *provider;
	const struct tunnel *tunnel;
	const struct router *router;
	const struct member *gateway;
	const struct egress_group *egress;
	const struct probe *probe;
	struct prefix address;
	uint16_t port;
	enum line_state state;
	uint8_t protocol;
	struct address source, destination;
	uint16_t source_port, destination_port;
	const struct tunnel *from_tunnel;
	const char *from_lan; /* the model's name of the interface */
	bool from_uplink, icmp_error;
	uint32_t fragment, size;
	uint8_t hops;
	bool follow;
	char *config, *file; /* owned: arguments_free() */
	uint32_t confirm_ms;
};

void arguments_free(struct arguments *arguments);

#define GIVEN(arguments, name) ((arguments)->given & 1U << ARGUMENT_##name)

struct request {
	const struct ctl_views *views;
	const struct ctl_hooks *hooks;
	const struct method *method;
	struct arguments arguments;
	struct error error;    /* words for the last line, empty: none */
	struct output *output; /* where rows go */
	uint32_t index, phase; /* how far the steps have come; both start at 0 */
	uint64_t count, device_count;
	struct owned {
		uint32_t flows, connections; /* connections: TCP, not closing */
	} owned[GATEWAY_NUMBERS];            /* by the owner's number */
	uint64_t next_event;                 /* the number that comes next; 0: the oldest */
	bool stopped;                        /* the gateway is no more: the daemon exits behind this reply */
};

/* One method: a row of the one table. `step` answers an enum reply_code, REQUEST_MORE or REQUEST_WAIT. */
struct method {
	const char *name;
	bool changes;      /* only root may */
	uint32_t required; /* arguments, bits by enum argument_id */
	uint32_t optional;
	int (*step)(struct request *request);
	const char *words;
};

extern const struct method ctl_methods[];
extern const size_t ctl_method_count;

/*
 * Reads one line. Fills method, arguments and, when the answer is not REPLY_FINE, error. `views` must be set.
 * A method that changes something is refused to anybody but root.
 */
enum reply_code request_read(struct request *request, const char *line, size_t size, uid_t who);

/* A row takes over the reference to `object`. A NULL (no memory, or a text that is not UTF-8) is left out and
 * logged. */
void request_row(struct request *request, json_t *object);
/* The same of an object's text without its line end; empty: left out and logged. */
void request_text(struct request *request, const char *text, size_t size);
/* There is no room for more rows at the moment: answer REQUEST_MORE. */
bool request_full(const struct request *request);
/* Sends what is written already, as far as the socket takes it: for a step that takes its time. */
void request_flush(struct request *request);

#endif
