// SPDX-License-Identifier: Apache-2.0
/* The configuration, changed: gwctl sends the file's bytes, gwd judges and applies them. Its words come row by row. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "cli/nouns.h"
#include "cli/report.h"

#define FILE_SIZE_MAX (1024 * 1024) /* more than that is no configuration: gwd would refuse it */

/* ---- The file --------------------------------------------------------------------------------------------------------- */

static json_t *read_file(const char *path, struct error *error)
{
	_cleanup_fclose_ FILE *opened = strcmp(path, "-") == 0 ? NULL : fopen(path, "re");
	FILE *file = strcmp(path, "-") == 0 ? stdin : opened;
	_cleanup_free_ char *bytes = malloc(FILE_SIZE_MAX + 1);
	json_t *text;
	size_t size;

	if (!file || !bytes) {
		error_errno(error, -errno, "%s", path);
		return NULL;
	}
	size = fread(bytes, 1, FILE_SIZE_MAX + 1, file);
	if (size > FILE_SIZE_MAX || ferror(file)) {
		error_set(error, 0, "%s: %s", path,
			size > FILE_SIZE_MAX ? "larger than any configuration" : strerror(errno));
		return NULL;
	}
	text = json_stringn(bytes, size);
	if (!text)
		error_set(error, 0, "%s is not UTF-8", path);
	return text;
}

static json_t *arguments_of(const struct invocation *invocation, struct error *error)
{
	const char *path = invocation->selector[0];
	json_t *text = read_file(path, error), *arguments;

	if (!text)
		return NULL;
	arguments = json_pack("{s:o, s:s}", "config", text, "file", path);
	if (arguments && invocation->confirm_ms)
		json_object_set_new(arguments, "confirm_ms", json_integer(invocation->confirm_ms));
	if (!arguments)
		error_set(error, 0, "the file's name is not UTF-8");
	return arguments;
}

/* ---- Apply, confirm, rollback --------------------------------------------------------------------------------------------- */

/* Steps and problems are told while they happen. */
static void tell_row(void *to, json_t *row)
{
	const struct invocation *invocation = to;
	const char *problem = json_string_value(json_object_get(row, "problem"));

	if (invocation->json)
		print_document(row);
	else
		fprintf(stderr, "%s\n", problem ? problem : text_of(row, "step"));
	fflush(stdout);
}

static enum reply_code change(const struct invocation *invocation, const char *method, json_t *arguments)
{
	struct error error = {0};
	enum reply_code code =
		ask(invocation, method, arguments, tell_row, (struct invocation *)invocation, &error);

	return (enum reply_code)report(invocation, code, &error);
}

int run_config_apply(const struct invocation *invocation)
{
	struct error error = {0};
	json_t *arguments = arguments_of(invocation, &error);
	enum reply_code code;

	if (!arguments)
		return report(invocation, REPLY_INVALID, &error);
	code = change(invocation, METHOD_CONFIG_APPLY, arguments);
	if (code == REPLY_FINE && invocation->confirm_ms && !invocation->json)
		fprintf(stderr, "in force for %u s; to keep it: gwctl config confirm\n",
			invocation->confirm_ms / 1000);
	return code;
}

int run_config_confirm(const struct invocation *invocation)
{
	return change(invocation, METHOD_CONFIG_CONFIRM, NULL);
}

int run_config_rollback(const struct invocation *invocation)
{
	return change(invocation, METHOD_CONFIG_ROLLBACK, NULL);
}

/* ---- Diff -------------------------------------------------------------------------------------------------------------- */

struct difference {
	const struct invocation *invocation;
	json_t *texts, *steps;
};

static void take_row(void *to, json_t *row)
{
	struct difference *difference = to;
	json_t *step = json_object_get(row, "step");

	if (step)
		json_array_append(difference->steps, step);
	else if (json_object_get(row, "before"))
		difference->texts = json_incref(row);
	else
		tell_row((struct invocation *)difference->invocation, row);
}

/* A text as a file without a name, which a child inherits: its descriptor. */
static int text_file(const char *text)
{
	int file = memfd_create("configuration", 0);

	if (file >= 0 && write(file, text, strlen(text)) < 0) {
		close(file);
		return -1;
	}
	return file;
}

/* What diff(1) says of the two texts; NULL: it cannot be run. */
static char *unified_diff(const char *before, const char *after, const char *name)
{
	_cleanup_close_ int one = text_file(before), other = text_file(after);
	char paths[2][40], *said = NULL;
	size_t size = 0, used;
	int pipes[2], status = -1;
	_cleanup_fclose_ FILE *stream = NULL;
	pid_t child;

	if (one < 0 || other < 0 || pipe(pipes) < 0)
		return NULL;
	snprintf(paths[0], sizeof(paths[0]), "/proc/self/fd/%d", one);
	snprintf(paths[1], sizeof(paths[1]), "/proc/self/fd/%d", other);
	child = fork();
	if (child == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execlp("diff", "diff", "-u", "--label", "in force", "--label", name, paths[0], paths[1],
			(char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	stream = fdopen(pipes[0], "r");
	used = stream && getdelim(&said, &size, 0, stream) > 0 ? strlen(said) : 0;
	if (child > 0)
		waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) < 2 && used)
		return said;
	free(said);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? strdup("") : NULL;
}

static void print_difference(const struct difference *difference, const char *diff)
{
	size_t i;
	json_t *step;

	if (difference->invocation->json) {
		json_t *body =
			json_pack("{s:b, s:s, s:O}", "differs", *diff || json_array_size(difference->steps),
				"diff", diff, "steps", difference->steps);

		print_document(body);
		json_decref(body);
		return;
	}
	fputs(diff, stdout);
	if (json_array_size(difference->steps))
		printf("%ssteps:\n", *diff ? "\n" : "");
	json_array_foreach (difference->steps, i, step)
		printf("  %s\n", json_string_value(step));
}

static int show_difference(const struct difference *difference)
{
	const struct invocation *invocation = difference->invocation;
	_cleanup_free_ char *diff = unified_diff(text_of(difference->texts, "before"),
		text_of(difference->texts, "after"), invocation->selector[0]);
	struct error error = {0};

	if (!diff) {
		error_set(&error, 0, "cannot run diff (Debian: diffutils): %s", strerror(errno));
		return report(invocation, REPLY_UNREACHABLE, &error);
	}
	print_difference(difference, diff);
	return *diff || json_array_size(difference->steps) ? REPLY_DEGRADED : REPLY_FINE;
}

int run_config_diff(const struct invocation *invocation)
{
	struct difference difference = {.invocation = invocation, .steps = json_array()};
	struct error error = {0};
	json_t *arguments = arguments_of(invocation, &error);
	enum reply_code code = REPLY_INVALID;

	if (arguments)
		code = ask(invocation, METHOD_CONFIG_DIFF, arguments, take_row, &difference, &error);
	code = (enum reply_code)(
		difference.texts ? show_difference(&difference) : report(invocation, code, &error));
	json_decref(difference.texts);
	json_decref(difference.steps);
	return code;
}
