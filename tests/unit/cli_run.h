/* SPDX-License-Identifier: Apache-2.0 */
/* gwctl as a test calls it: a command line in one string, run against a server in a child, its words in two texts. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "unit.h"

#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "control_world.h"

#define OUTPUT_SIZE (1 << 20)
#define WORDS       16

static char output[OUTPUT_SIZE], complaints[OUTPUT_SIZE];

/* Splits at blanks; the texts live until the next call. */
static inline enum reply_code parse(const char *line, struct invocation *invocation, struct error *error)
{
	static char copy[512];
	char *words[WORDS + 1] = {0}, *rest = copy;
	size_t count = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; count < WORDS && (word = strsep(&rest, " "));)
		if (*word)
			words[count++] = word;
	return arguments_parse(words, invocation, error);
}

static pid_t server;

/* In a child, since gwctl waits for it. Its own event loop: one does not survive a fork. */
static inline void start_server(void)
{
	int ready[2];
	char byte;

	CU_ASSERT_FATAL(pipe(ready) == 0);
	fflush(NULL);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that ends early leaves none behind */
		world_listen();
		close(ready[1]);
		sd_event_loop(world.event);
		_exit(0);
	}
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 0);
	close(ready[0]);
}

static inline void stop_server(void)
{
	char name[128];

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(name, sizeof(name), "%s/%s", world.run_dir, CONTROL_SOCKET);
	unlink(name);
	world_close();
}

static inline void read_back(FILE *file, char *text)
{
	rewind(file);
	text[fread(text, 1, OUTPUT_SIZE - 1, file)] = '\0';
	fclose(file);
}

/* Runs a command as gwctl would; what it says is in output and complaints. */
static inline int run(const char *line)
{
	struct invocation invocation;
	struct error error;
	FILE *out = tmpfile(), *err = tmpfile();
	int saved_out, saved_err, code = (int)parse(line, &invocation, &error);

	CU_ASSERT_EQUAL_FATAL(code, REPLY_FINE);
	if (strcmp(invocation.run_dir, RUN_DIR_DEFAULT) == 0)
		invocation.run_dir = world.run_dir;
	fflush(NULL);
	saved_out = dup(STDOUT_FILENO);
	saved_err = dup(STDERR_FILENO);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	code = invocation.command->run(&invocation);
	fflush(NULL);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(out, output);
	read_back(err, complaints);
	return code;
}

static inline bool is_one_document(const char *text)
{
	json_t *document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	bool fine = json_integer_value(json_object_get(document, "schema")) == PROTOCOL_SCHEMA;

	json_decref(document);
	return fine;
}

static inline void write_file(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(name, "w");

	fputs(text, file);
}

#endif
