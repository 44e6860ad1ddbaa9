// SPDX-License-Identifier: Apache-2.0
#include "bird/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "bird/render.h"

#define STAGE "new"

extern char **environ;

bool bird_is_wanted(const struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].bgp.enabled)
			return true;
	return model->router_count > 0;
}

/* ---- Names ------------------------------------------------------------------------------------------------------ */

/* The first `bird` of PATH or of where distributions put it: a daemon's PATH often lacks the sbin folders. */
static int find_program(char *program)
{
	char folders[PATH_MAX], *rest = folders;
	const char *path = getenv("PATH"), *folder;

	snprintf(folders, sizeof(folders), "%s:/usr/local/sbin:/usr/sbin:/sbin", path ? path : "");
	while ((folder = strsep(&rest, ":"))) {
		int length = snprintf(program, BIRD_PATH_SIZE, "%s/bird", folder);

		if (folder[0] == '/' && length < BIRD_PATH_SIZE && access(program, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int name_file(char *path, const char *directory, const char *name, struct error *error)
{
	if (snprintf(path, BIRD_PATH_SIZE, "%s/%s", directory, name) >= BIRD_PATH_SIZE)
		return error_set(error, -ENAMETOOLONG,
			"%s/%s: a socket's path has at most %d bytes; use a shorter --run-dir", directory,
			name, BIRD_PATH_SIZE - 1);
	return 0;
}

int bird_daemon_init(struct bird_daemon *daemon, const char *run_dir, struct error *error)
{
	int result;

	memset(daemon, 0, sizeof(*daemon));
	if (find_program(daemon->program) < 0)
		return error_set(
			error, -ENOENT, "no BIRD: `bird` is not in PATH; install it (Debian: bird2)");
	if ((result = name_file(daemon->directory, run_dir, "bird", error)) < 0 ||
		(result = name_file(daemon->config, daemon->directory, "bird.conf", error)) < 0 ||
		(result = name_file(daemon->log, daemon->directory, "bird.log", error)) < 0 ||
		(result = name_file(daemon->socket, daemon->directory, "bird.ctl", error)) < 0)
		return result;
	memcpy(daemon->argv,
		(char *[]){daemon->program, "-f", "-c", daemon->config, "-s", daemon->socket, NULL},
		7 * sizeof(daemon->argv[0]));
	return 0;
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static int write_all(int file, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(file, text, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return fsync(file) < 0 ? -errno : 0;
}

static int write_file(int folder, const char *name, mode_t mode, const char *text, struct error *error)
{
	_cleanup_close_ int file = -1;
	int result;

	if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
		return error_errno(error, -errno, "BIRD's %s", name);
	file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (file < 0)
		return error_errno(error, -errno, "BIRD's %s", name);
	result = write_all(file, text, strlen(text));
	return result < 0 ? error_errno(error, result, "BIRD's %s", name) : 0;
}

/* Takes the text, which is wiped: it may be a secret. */
static int write_rendered(int folder, const char *name, mode_t mode, char *text, struct error *error)
{
	int result = write_file(folder, name, mode, text, error);

	explicit_bzero(text, strlen(text));
	free(text);
	return result;
}

static int open_folder(int parent, const char *path, struct error *error)
{
	int folder;

	if (mkdirat(parent, path, 0700) < 0 && errno != EEXIST)
		return error_errno(error, -errno, "BIRD's directory %s", path);
	folder = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return folder < 0 ? error_errno(error, -errno, "BIRD's directory %s", path) : folder;
}

/* Calls `act` on every file; the folder may change meanwhile. */
static int for_each_file(int folder, int (*act)(int folder, const char *name, void *context), void *context)
{
	int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	const struct dirent *entry;
	DIR *listing;

	if (copy < 0)
		return -errno;
	listing = fdopendir(copy);
	if (!listing) {
		close(copy);
		return -ENOMEM;
	}
	while (result == 0 && (entry = readdir(listing)))
		if (entry->d_type != DT_DIR)
			result = act(folder, entry->d_name, context);
	closedir(listing);
	return result;
}

static int remove_file(int folder, const char *name, void *context)
{
	(void)context;
	return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static bool is_password_file(const char *name)
{
	return strncmp(name, "password-", 9) == 0;
}

static int remove_password(int folder, const char *name, void *context)
{
	return is_password_file(name) ? remove_file(folder, name, context) : 0;
}

/* ---- Passwords -------------------------------------------------------------------------------------------------- */

/* All of a file that only its owner may read, but for a newline at its end: bird_render_password() judges the rest. */
static int read_secret(const char *path, char *secret, size_t size, struct error *error)
{
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	ssize_t length;

	if (file < 0 || fstat(file, &status) < 0)
		return error_errno(error, -errno, "BGP password file %s", path);
	if (!S_ISREG(status.st_mode) || status.st_mode & 077)
		return error_set(
			error, -EPERM, "BGP password file %s: others may read it; chmod 600 %s", path, path);
	length = read(file, secret, size - 1);
	if (length < 0)
		return error_errno(error, -errno, "BGP password file %s", path);
	secret[length] = '\0';
	if (length > 0 && secret[length - 1] == '\n')
		secret[length - 1] = '\0';
	return strlen(secret) + 1 < (size_t)length
		       ? error_set(error, -EINVAL, "BGP password file %s: a zero byte in it", path)
		       : 0;
}

static int write_password(int folder, const struct bgp *bgp, const char *name, struct error *error)
{
	char secret[256], *text = NULL;
	struct error reason = {0};
	int result = read_secret(bgp->password_file, secret, sizeof(secret), error);

	if (result < 0)
		return result;
	result = bird_render_password(secret, &text, &reason);
	explicit_bzero(secret, sizeof(secret));
	if (result < 0)
		return error_set(error, result, "%s: %s", bgp->password_file, reason.text);
	return write_rendered(folder, name, 0600, text, error);
}

static int write_passwords(int folder, const struct model *model, struct error *error)
{
	char name[BIRD_NAME_SIZE];
	int result = 0;

	for (size_t i = 0; i < model->tunnel_count && result == 0; i++) {
		const struct bgp *bgp = &model->tunnels[i].bgp;

		if (bgp->enabled && bgp->password_file)
			result = write_password(
				folder, bgp, bird_password_file(model->tunnels[i].number, name), error);
	}
	for (size_t i = 0; i < model->router_count && result == 0; i++) {
		const struct bgp *bgp = &model->routers[i].bgp;

		if (bgp->password_file)
			result = write_password(
				folder, bgp, bird_router_password_file(model->routers[i].name, name), error);
	}
	return result;
}

/* ---- Stage, check, install -------------------------------------------------------------------------------------- */

static int stage_files(const struct bird_daemon *daemon, int stage, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	char *node = NULL, *tunnels = NULL, *routers = NULL, *announce = NULL;
	int result;

	if ((result = bird_render_node(model, daemon->log, &node, error)) < 0 ||
		(result = write_rendered(stage, "node.conf", 0640, node, error)) < 0 ||
		(result = bird_render_tunnels(model, &tunnels, error)) < 0 ||
		(result = write_rendered(stage, "tunnels.conf", 0640, tunnels, error)) < 0 ||
		(result = bird_render_routers(model, &routers, error)) < 0 ||
		(result = write_rendered(stage, "routers.conf", 0640, routers, error)) < 0 ||
		(result = bird_render_announce(model, announcement, &announce, error)) < 0 ||
		(result = write_rendered(stage, "announce.conf", 0640, announce, error)) < 0 ||
		(result = write_file(stage, "bird.conf", 0640, bird_template, error)) < 0)
		return result;
	return write_passwords(stage, model, error);
}

/* Runs a program to its end and keeps the beginning of what it says. Its exit status, or a negative errno. */
static int run_program(const char *const *argv, char *said, size_t size)
{
	posix_spawn_file_actions_t actions;
	int ends[2], status, result;
	_cleanup_fclose_ FILE *stream = NULL;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	result = -posix_spawn(&child, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	stream = fdopen(ends[0], "r");
	if (result < 0)
		return result;
	said[fread(said, 1, size - 1, stream)] = '\0';
	while (fgetc(stream) != EOF)
		;
	if (waitpid(child, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int check(const struct bird_daemon *daemon, struct error *error)
{
	char config[BIRD_PATH_SIZE + 16], said[512] = "";
	const char *const argv[] = {daemon->program, "-p", "-c", config, NULL};
	int result;

	snprintf(config, sizeof(config), "%s/" STAGE "/bird.conf", daemon->directory);
	result = run_program(argv, said, sizeof(said));
	if (result < 0)
		return error_errno(error, result, "%s -p", daemon->program);
	said[strcspn(said, "\n")] = '\0';
	return result > 0 ? error_set(error, -EINVAL, "BIRD refuses its configuration: %s", said) : 0;
}

/* All but bird.conf, which goes last: what it includes is there by then. */
static int move_included(int stage, const char *name, void *context)
{
	const int *folder = context;

	if (strcmp(name, "bird.conf") == 0)
		return 0;
	return renameat(stage, name, *folder, name) < 0 ? -errno : 0;
}

static int install(int stage, int folder, struct error *error)
{
	int result;

	result = for_each_file(folder, remove_password, NULL);
	if (result == 0)
		result = for_each_file(stage, move_included, &folder);
	if (result == 0 && renameat(stage, "bird.conf", folder, "bird.conf") < 0)
		result = -errno;
	if (result < 0)
		return error_errno(error, result, "BIRD's configuration");
	unlinkat(folder, STAGE, AT_REMOVEDIR);
	return 0;
}

/* What is staged and accepted stays in `stage`; what is refused too, for people to look at, but for passwords. */
static int stage_and_check(const struct bird_daemon *daemon, int stage, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	int result = for_each_file(stage, remove_file, NULL);

	if (result < 0)
		return error_errno(error, result, "BIRD's directory %s/" STAGE, daemon->directory);
	result = stage_files(daemon, stage, model, announcement, error);
	if (result == 0)
		result = check(daemon, error);
	if (result < 0)
		for_each_file(stage, remove_password, NULL);
	return result;
}

static int open_folders(const struct bird_daemon *daemon, int *folder, int *stage, struct error *error)
{
	*folder = open_folder(AT_FDCWD, daemon->directory, error);
	if (*folder < 0)
		return *folder;
	*stage = open_folder(*folder, STAGE, error);
	return *stage < 0 ? *stage : 0;
}

int bird_daemon_check(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	_cleanup_close_ int folder = -1, stage = -1;
	int result = open_folders(daemon, &folder, &stage, error);

	if (result == 0)
		result = stage_and_check(daemon, stage, model, announcement, error);
	if (result == 0)
		for_each_file(stage, remove_file, NULL);
	return result;
}

int bird_daemon_install(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	_cleanup_close_ int folder = -1, stage = -1;
	int result = open_folders(daemon, &folder, &stage, error);

	if (result == 0)
		result = stage_and_check(daemon, stage, model, announcement, error);
	return result == 0 ? install(stage, folder, error) : result;
}

int bird_daemon_install_announced(const struct bird_daemon *daemon, const struct model *model,
	const struct announcement *announcement, struct error *error)
{
	_cleanup_close_ int folder = open_folder(AT_FDCWD, daemon->directory, error);
	char *text = NULL;
	int result;

	if (folder < 0)
		return folder;
	if ((result = bird_render_announce(model, announcement, &text, error)) < 0 ||
		(result = write_rendered(folder, "announce.conf.new", 0640, text, error)) < 0)
		return result;
	if (renameat(folder, "announce.conf.new", folder, "announce.conf") < 0)
		return error_errno(error, -errno, "BIRD's announce.conf");
	return 0;
}

void bird_daemon_remove(const struct bird_daemon *daemon)
{
	_cleanup_close_ int folder = open(daemon->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int stage = -1;

	if (folder < 0)
		return;
	stage = openat(folder, STAGE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (stage >= 0)
		for_each_file(stage, remove_file, NULL);
	unlinkat(folder, STAGE, AT_REMOVEDIR);
	for_each_file(folder, remove_file, NULL);
	rmdir(daemon->directory);
}
