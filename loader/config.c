// SPDX-License-Identifier: Apache-2.0
/*
 * Configurations as texts: the one in force, the one before, the one that waits to be confirmed.
 *
 *	FILE                  what the daemon was told to read; replaced by a rename after an apply that succeeded
 *	FILE.previous         what was in force before that
 *	RUN/config.applied    what is in force now: a daemon that starts compares what it finds with this
 *
 * What is applied for a time only (--confirm) leaves FILE alone until it is confirmed. So whatever happens meanwhile, a
 * crash, a restart, a power failure, the next daemon reads the old text, and the machine goes back by itself: no state
 * that could be lost leads there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/conf.h"
#include "daemon.h"

#define APPLIED       "config.applied"
#define TRY_AGAIN_MS  5000
#define SUFFIXED_SIZE (PATH_MAX + 16)

/* ---- Files ------------------------------------------------------------------------------------------------------------ */

/* The caller's to free; NULL, with words, when it cannot be read. */
static char *read_text(const char *path, struct error *error)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *bytes = malloc(CONF_SIZE_MAX + 2);
	size_t size = 0;

	if (file && bytes)
		size = fread(bytes, 1, CONF_SIZE_MAX + 1, file);
	if (!file || !bytes || ferror(file)) {
		error_errno(error, file && bytes ? -EIO : -errno, "%s", path);
		return NULL;
	}
	if (size > CONF_SIZE_MAX || memchr(bytes, 0, size)) {
		error_set(error, -EBADMSG, "%s: too large, or no text", path);
		return NULL;
	}
	bytes[size] = '\0';
	return TAKE_PTR(bytes);
}

static int write_text(int file, const char *text)
{
	size_t size = strlen(text);

	while (size > 0) {
		ssize_t written = write(file, text, size);

		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return fsync(file) < 0 ? -errno : 0;
}

/* A new file beside the one that it is to replace, with the mode of `like`. */
static int stage(const char *path, const char *like, const char *text, struct error *error)
{
	_cleanup_close_ int file = -1;
	struct stat status = {.st_mode = 0600};
	int r;

	stat(like, &status);
	unlink(path);
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, status.st_mode & 0666);
	if (file < 0)
		return error_errno(error, -errno, "cannot write %s", path);
	fchmod(file, status.st_mode & 0666);
	r = write_text(file, text);
	if (r < 0)
		unlink(path);
	return r < 0 ? error_errno(error, r, "cannot write %s", path) : 0;
}

static const char *suffixed(const char *path, const char *suffix, char *text)
{
	snprintf(text, SUFFIXED_SIZE, "%s%s", path, suffix);
	return text;
}

/* All of it or nothing, whoever looks whenever. */
static int replace_file(const char *path, const char *like, const char *text, struct error *error)
{
	char new[SUFFIXED_SIZE];
	int r = stage(suffixed(path, ".new", new), like, text, error);

	if (r == 0 && rename(new, path) < 0)
		r = error_errno(error, -errno, "cannot replace %s", path);
	return r;
}

static int stage_file(const struct daemon *daemon, const char *text, struct error *error)
{
	char new[SUFFIXED_SIZE];

	return stage(suffixed(daemon->config.path, ".new", new), daemon->config.path, text, error);
}

/* The staged text becomes the file, and what was in force before becomes the one to go back to. */
static int commit_file(const struct daemon *daemon, const char *before, struct error *error)
{
	const char *path = daemon->config.path;
	char new[SUFFIXED_SIZE], previous[SUFFIXED_SIZE];
	int r = 0;

	if (before && strcmp(before, daemon->config.text) != 0)
		r = replace_file(suffixed(path, ".previous", previous), path, before, error);
	if (r == 0 && rename(suffixed(path, ".new", new), path) < 0)
		r = error_errno(error, -errno, "the configuration is in force, but cannot replace %s", path);
	return r;
}

static void unstage_file(const struct daemon *daemon)
{
	char new[SUFFIXED_SIZE];

	unlink(suffixed(daemon->config.path, ".new", new));
}

static const char *applied_path(const struct daemon *daemon, char *text)
{
	snprintf(text, SUFFIXED_SIZE, "%s/" APPLIED, daemon->run_dir);
	return text;
}

static void remember_applied(struct daemon *daemon)
{
	char path[SUFFIXED_SIZE];
	struct error error;

	applied_path(daemon, path);
	if (replace_file(path, path, daemon->config.text, &error) < 0)
		log_error("%s", error.text);
}

/* ---- From a text to a model ---------------------------------------------------------------------------------------------- */

static void say_problems(const struct conf_problems *problems, const struct ctl_listener *listener)
{
	_cleanup_free_ char *text = NULL;
	char *rest = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return;
	conf_problems_print(problems, stream);
	fclose(stream);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		listener->say(listener->to, "problem", line);
}

static int read_model(const char *name, const char *text, const struct ctl_listener *listener,
	struct model **model, struct error *error)
{
	_cleanup_(conf_problems_free) struct conf_problems problems = {0};
	int r = conf_parse(text, strlen(text), name, model, &problems);

	if (r == 0) {
		conf_problems_free(&problems);
		r = conf_check_files(*model, name, &problems);
	}
	if (r == 0)
		return 0;
	say_problems(&problems, listener);
	model_free(*model);
	*model = NULL;
	return error_set(error, -EBADMSG, "%s is refused: %zu problem%s", name, problems.count,
		problems.count == 1 ? "" : "s");
}

/* ---- What is in force ------------------------------------------------------------------------------------------------------ */

/* On success *before is the text that was in force, the caller's to free; on an error nothing has changed. */
static int put_in_force(struct daemon *daemon, const char *name, const char *text,
	const struct ctl_listener *listener, char **before, struct error *error)
{
	_cleanup_(model_free_pointer) struct model *model = NULL;
	_cleanup_free_ char *copy = strdup(text);
	int r = copy ? read_model(name, text, listener, &model, error)
		     : error_errno(error, -ENOMEM, "%s", name);

	if (r == 0)
		r = daemon_reload(daemon, model, listener, error);
	if (r < 0) {
		tell(daemon, EVENT_CONFIG_REFUSED, NULL, "%s", error->text);
		return r;
	}
	model = NULL;
	*before = daemon->config.text;
	daemon->config.text = TAKE_PTR(copy);
	remember_applied(daemon);
	return 0;
}

static void wait_no_more(struct config *config)
{
	config->timer = sd_event_source_disable_unref(config->timer);
	free(config->before);
	config->before = NULL;
}

/* What is in force stays: nothing waits any more that could bring another one back. */
static void settle(struct daemon *daemon)
{
	wait_no_more(&daemon->config);
	disabled_keep(daemon);
}

/* Back to what was in force before the one that waits to be confirmed. The file has it still. */
static int take_back(
	struct daemon *daemon, const struct ctl_listener *listener, const char *why, struct error *error)
{
	_cleanup_free_ char *undone = NULL;
	int r = put_in_force(daemon, daemon->config.path, daemon->config.before, listener, &undone, error);

	if (r < 0)
		return r;
	settle(daemon);
	tell(daemon, EVENT_CONFIG_UNDONE, NULL, "%s", why);
	return 0;
}

static void say_to_log(void *to, const char *what, const char *words)
{
	(void)to;
	if (strcmp(what, "problem") == 0)
		log_error("%s", words);
}

static const struct ctl_listener log_listener = {NULL, say_to_log};

static int time_is_up(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *daemon = userdata;
	struct error error;

	if (take_back(daemon, &log_listener, "it was not confirmed in time", &error) == 0)
		return 0;
	sd_event_source_set_time(source, usec + TRY_AGAIN_MS * 1000ULL);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int wait_for_confirmation(struct daemon *daemon, uint32_t milliseconds, char *before)
{
	struct config *config = &daemon->config;
	uint64_t when = (now_ms() + milliseconds) * 1000;

	if (config->before)
		free(before); /* an earlier one waits: that is where to go back to */
	else
		config->before = before;
	if (config->timer) {
		sd_event_source_set_time(config->timer, when);
		return sd_event_source_set_enabled(config->timer, SD_EVENT_ONESHOT);
	}
	return sd_event_add_time(
		daemon->event, &config->timer, CLOCK_MONOTONIC, when, 1000, time_is_up, daemon);
}

/* ---- What gwctl asks for ----------------------------------------------------------------------------------------------------- */

static int print_model(const struct model *model, char **text, struct error *error)
{
	size_t size;
	FILE *stream = open_memstream(text, &size);
	int r = stream ? conf_print(model, stream) : -ENOMEM;

	if (stream)
		fclose(stream);
	return r < 0 ? error_errno(error, r, "cannot print the configuration") : 0;
}

int config_diff(void *self, const struct ctl_config *config, char **before, char **after,
	const struct ctl_listener *listener, struct error *error)
{
	struct daemon *daemon = self;
	_cleanup_(model_free_pointer) struct model *model = NULL;
	int r = read_model(config->file, config->text, listener, &model, error);

	if (r == 0)
		r = print_model(daemon->model, before, error);
	if (r == 0)
		r = print_model(model, after, error);
	return r == 0 ? daemon_plan_words(daemon, model, listener, error) : r;
}

static int apply_for_good(struct daemon *daemon, const char *name, const char *text,
	const struct ctl_listener *listener, struct error *error)
{
	_cleanup_free_ char *before = NULL;
	int r = stage_file(daemon, text, error); /* first what can still be refused */

	if (r == 0)
		r = put_in_force(daemon, name, text, listener, &before, error);
	if (r < 0) {
		unstage_file(daemon);
		return r;
	}
	r = commit_file(daemon, daemon->config.before ? daemon->config.before : before, error);
	settle(daemon);
	return r;
}

static int apply_for_a_time(struct daemon *daemon, const struct ctl_config *config,
	const struct ctl_listener *listener, struct error *error)
{
	char *before;
	int r = put_in_force(daemon, config->file, config->text, listener, &before, error);

	if (r < 0)
		return r;
	r = wait_for_confirmation(daemon, config->confirm_ms, before);
	return r < 0 ? error_errno(error, r, "cannot set the timer that would undo it") : 0;
}

int config_apply(
	void *self, const struct ctl_config *config, const struct ctl_listener *listener, struct error *error)
{
	struct daemon *daemon = self;
	int r = config->confirm_ms ? apply_for_a_time(daemon, config, listener, error)
				   : apply_for_good(daemon, config->file, config->text, listener, error);

	if (r == 0 && config->confirm_ms)
		tell(daemon, EVENT_CONFIG_APPLIED, NULL, "%s, for %u s unless it is confirmed", config->file,
			config->confirm_ms / 1000);
	else if (r == 0)
		tell(daemon, EVENT_CONFIG_APPLIED, NULL, "%s", config->file);
	return r;
}

int config_confirm(void *self, struct error *error)
{
	struct daemon *daemon = self;
	int r;

	if (!daemon->config.before)
		return error_set(error, -ENODATA,
			"nothing waits to be confirmed: it has been undone already, or the daemon was "
			"started since and has read %s",
			daemon->config.path);
	r = stage_file(daemon, daemon->config.text, error);
	if (r == 0)
		r = commit_file(daemon, daemon->config.before, error);
	if (r < 0)
		return r;
	settle(daemon);
	tell(daemon, EVENT_CONFIG_APPLIED, NULL, "it was confirmed");
	return 0;
}

int config_rollback(void *self, const struct ctl_listener *listener, struct error *error)
{
	struct daemon *daemon = self;
	_cleanup_free_ char *text = NULL;
	char previous[SUFFIXED_SIZE];
	int r;

	if (daemon->config.before)
		return take_back(daemon, listener, "rolled back before it was confirmed", error);
	if (access(suffixed(daemon->config.path, ".previous", previous), F_OK) < 0)
		return error_set(
			error, -ENODATA, "there is no configuration before this one: no %s", previous);
	text = read_text(previous, error);
	if (!text)
		return -EBADMSG;
	r = apply_for_good(daemon, previous, text, listener, error);
	if (r == 0)
		tell(daemon, EVENT_CONFIG_UNDONE, NULL, "rolled back to %s", previous);
	return r;
}

/* ---- SIGHUP, start, end ---------------------------------------------------------------------------------------------------- */

void config_reread(struct daemon *daemon)
{
	struct error error;
	_cleanup_free_ char *text = read_text(daemon->config.path, &error), *before = NULL;
	char previous[SUFFIXED_SIZE];

	if (!text) {
		tell(daemon, EVENT_CONFIG_REFUSED, NULL, "%s", error.text);
		return;
	}
	if (put_in_force(daemon, daemon->config.path, text, &log_listener, &before, &error) < 0)
		return;
	if (!daemon->config.before && strcmp(before, text) != 0 &&
		replace_file(suffixed(daemon->config.path, ".previous", previous), daemon->config.path,
			before, &error) < 0)
		log_error("%s", error.text);
	settle(daemon);
	tell(daemon, EVENT_CONFIG_APPLIED, NULL, "%s, read again", daemon->config.path);
}

/*
 * What cannot be read any more, of an older gwd's perhaps, is no loss: then only what is seen is compared. Else the maps were
 * filled by its names, and who has one of them still keeps its number.
 */
static void read_former(struct daemon *daemon)
{
	_cleanup_(conf_problems_free) struct conf_problems problems = {0};
	char path[SUFFIXED_SIZE];
	_cleanup_free_ char *text = read_text(applied_path(daemon, path), NULL);

	if (text)
		conf_parse(text, strlen(text), path, &daemon->former, &problems);
	if (!daemon->former)
		return;
	apply_number(daemon->apply, daemon->former);
	apply_number_after(daemon->apply, (struct model *)daemon->model, daemon->former);
}

int config_open(struct daemon *daemon, const char *path, struct error *error)
{
	if (!realpath(path, daemon->config.path))
		return error_errno(error, -errno, "%s", path);
	read_former(daemon);
	daemon->config.text = read_text(daemon->config.path, error);
	return daemon->config.text ? 0 : -EBADMSG;
}

void config_started(struct daemon *daemon)
{
	model_free(daemon->former);
	daemon->former = NULL;
	remember_applied(daemon);
}

void config_forget(const struct daemon *daemon)
{
	char path[SUFFIXED_SIZE];

	unlink(applied_path(daemon, path));
}

void config_close(struct daemon *daemon)
{
	wait_no_more(&daemon->config);
	free(daemon->config.text);
	model_free(daemon->former);
	model_free(daemon->owned);
}
