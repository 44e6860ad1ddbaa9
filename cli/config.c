// SPDX-License-Identifier: Apache-2.0
/* The configuration: gwd reads it, here as `gwd --check`, so that there is one opinion about what is valid. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "cli/gwd.h"
#include "cli/nouns.h"
#include "cli/report.h"

int run_config_show(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *row;
	enum reply_code code = ask_one(invocation, METHOD_CONFIG_SHOW, NULL, &row, &error);

	if (row && invocation->json)
		print_document(row);
	else if (row)
		fputs(text_of(row, "config"), stdout);
	json_decref(row);
	return report(invocation, code, &error);
}

/* Starts `gwd --check`; everything it says comes through *said. The child's id, or -1. */
static pid_t start_check(const char *file, FILE **said)
{
	int pipes[2];
	pid_t child;

	if (pipe(pipes) < 0)
		return -1;
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		exec_gwd((char *[]){"gwd", "--check", (char *)file, NULL});
	}
	close(pipes[1]);
	*said = fdopen(pipes[0], "r");
	return child;
}

/* gwd's lines as text; the priorities of its log ("<3>") are for journals, not for people. */
static char *read_all(FILE *said)
{
	_cleanup_free_ char *line = NULL;
	char *text = NULL;
	size_t size = 0, text_size;
	FILE *collected = open_memstream(&text, &text_size);

	while (said && getline(&line, &size, said) >= 0)
		fputs(line[0] == '<' && line[1] && line[2] == '>' ? line + 3 : line, collected);
	fclose(collected);
	if (text_size > 0 && text[text_size - 1] == '\n')
		text[text_size - 1] = '\0';
	return text;
}

static int tell_verdict(const struct invocation *invocation, int status, const char *words)
{
	bool ran = WIFEXITED(status) && WEXITSTATUS(status) != 127;
	bool valid = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	struct error error;

	if (!valid) {
		snprintf(error.text, sizeof(error.text), "%s", words);
		return report(invocation, ran ? REPLY_INVALID : REPLY_UNREACHABLE, &error);
	}
	if (invocation->json) {
		json_t *body = json_pack("{s:b}", "valid", 1);

		print_document(body);
		json_decref(body);
	} else
		fprintf(stderr, "%s%s", words, words[0] ? "\n" : "");
	return REPLY_FINE;
}

int run_config_check(const struct invocation *invocation)
{
	_cleanup_fclose_ FILE *said = NULL;
	_cleanup_free_ char *words = NULL;
	struct error error;
	pid_t child;
	int status;

	fflush(stdout);
	child = start_check(invocation->selector[0], &said);
	if (child < 0) {
		error_set(&error, 0, "cannot start gwd --check: %s", strerror(errno));
		return report(invocation, REPLY_UNREACHABLE, &error);
	}
	words = read_all(said);
	waitpid(child, &status, 0);
	return tell_verdict(invocation, status, words);
}
