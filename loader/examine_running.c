// SPDX-License-Identifier: Apache-2.0
/* gwd --doctor asks the gwd that runs, as gwctl would. It may well run none, or one that does not answer: no finding. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "ctl/protocol.h"
#include "doctor/doctor.h"
#include "examine.h"

#define PATIENCE_S 2

static FILE *connect_running(const char *run_dir)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int size = snprintf(name.sun_path, sizeof(name.sun_path), "%s/%s", run_dir, CONTROL_SOCKET);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *stream = NULL;

	if (fd < 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (size > 0 && (size_t)size < sizeof(name.sun_path) &&
		connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0)
		stream = fdopen(fd, "r+");
	if (!stream)
		close(fd);
	return stream;
}

static struct member_facts *facts_of(const struct model *model, const char *name, struct facts *facts)
{
	const struct member *member = name ? model_member_by_name(model, name) : NULL;

	return member ? &facts->members[member - model->array.members] : NULL;
}

/* A row of gateway.list. False: it is the reply's last line, or of a gwd that is another gateway. */
static bool take_row(const struct model *model, json_t *row, struct facts *facts)
{
	const char *name = json_string_value(json_object_get(row, "gateway"));
	const char *state = json_string_value(json_object_get(row, "state"));
	struct member_facts *member = facts_of(model, name, facts);

	if (!name || !state)
		return false;
	if (strcmp(state, "self") == 0 && strcmp(name, model->gateway) != 0) {
		memset(facts->members, 0, model->array.member_count * sizeof(*facts->members));
		return false;
	}
	if (member && strcmp(state, "alive") == 0) {
		member->skew_known = true;
		member->skew_ms = json_integer_value(json_object_get(row, "clock_skew_ms"));
	}
	return true;
}

void examine_running(const struct model *model, const char *run_dir, struct facts *facts)
{
	_cleanup_fclose_ FILE *stream = connect_running(run_dir);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool more = true;

	if (!stream || fprintf(stream, "{\"method\": \"%s\"}\n", METHOD_GATEWAY_LIST) < 0 || fflush(stream))
		return;
	while (more && getline(&line, &size, stream) > 0) {
		json_t *row = json_loads(line, 0, NULL);

		more = take_row(model, row, facts);
		json_decref(row);
	}
}
