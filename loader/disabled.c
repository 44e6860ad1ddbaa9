// SPDX-License-Identifier: Apache-2.0
/*
 * An operator takes a tunnel out of service, or back in. A file in the run directory has the names of those that are out,
 * a line each, for the next gwd: as with a drained gateway, no restart puts back what somebody works at, and a stop
 * forgets it. A tunnel is known by its name there, whatever its number. One that leaves the configuration is forgotten too,
 * but not before that configuration is there for good: an undoing may bring it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon.h"

#define DISABLED      "disabled"
#define DISABLED_SIZE (PATH_MAX + sizeof("/" DISABLED ".new"))

static const char *disabled_path(const struct daemon *daemon, const char *suffix, char path[DISABLED_SIZE])
{
	snprintf(path, DISABLED_SIZE, "%s/" DISABLED "%s", daemon->run_dir, suffix);
	return path;
}

/* As health knows it; with `changed`, that one as it is to be. */
static bool is_disabled(const struct daemon *daemon, size_t i, const struct tunnel *changed, bool disabled)
{
	return &daemon->model->tunnels[i] == changed ? disabled : health_tunnels(daemon->health)[i].disabled;
}

static bool next_name(FILE *file, char name[TUNNEL_NAME_MAX + 2])
{
	if (!fgets(name, TUNNEL_NAME_MAX + 2, file))
		return false;
	name[strcspn(name, "\n")] = '\0';
	return true;
}

/* Those of a configuration that may come back. */
static void write_others(const struct daemon *daemon, FILE *to)
{
	char path[DISABLED_SIZE], name[TUNNEL_NAME_MAX + 2];
	_cleanup_fclose_ FILE *from = fopen(disabled_path(daemon, "", path), "re");

	while (from && next_name(from, name))
		if (!model_tunnel_by_name(daemon->model, name))
			fprintf(to, "%s\n", name);
}

static int write_names(const struct daemon *daemon, FILE *file, const struct tunnel *changed, bool disabled)
{
	if (changed)
		write_others(daemon, file);
	for (size_t i = 0; i < daemon->model->tunnel_count; i++)
		if (is_disabled(daemon, i, changed, disabled))
			fprintf(file, "%s\n", daemon->model->tunnels[i].name);
	return fflush(file) == 0 && fsync(fileno(file)) == 0 ? 0 : -errno;
}

/* All of them; without `changed`, only those that the model has. */
static int remember(
	const struct daemon *daemon, const struct tunnel *changed, bool disabled, struct error *error)
{
	char path[DISABLED_SIZE], new[DISABLED_SIZE];
	_cleanup_fclose_ FILE *file = NULL;
	int r;

	disabled_path(daemon, "", path);
	file = fopen(disabled_path(daemon, ".new", new), "we");
	r = file ? write_names(daemon, file, changed, disabled) : -errno;
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	return r < 0 ? error_errno(error, r, "cannot remember it in %s", path) : 0;
}

/* A name that the model does not have (any more) is passed over. */
int disabled_adopt(
	const struct daemon *daemon, const struct model *to, struct health *health, struct error *error)
{
	char path[DISABLED_SIZE], name[TUNNEL_NAME_MAX + 2];
	_cleanup_fclose_ FILE *file = fopen(disabled_path(daemon, "", path), "re");
	const struct tunnel *tunnel;

	if (!file)
		return errno == ENOENT ? 0 : error_errno(error, -errno, "%s", path);
	while (next_name(file, name)) {
		tunnel = model_tunnel_by_name(to, name);
		if (tunnel)
			health_disable(health, tunnel->number, true, true, now_ms());
	}
	return 0;
}

void disabled_forget(const struct daemon *daemon)
{
	char path[DISABLED_SIZE];

	unlink(disabled_path(daemon, "", path));
}

void disabled_keep(const struct daemon *daemon)
{
	char path[DISABLED_SIZE];
	struct error error;

	if (access(disabled_path(daemon, "", path), F_OK) == 0 && remember(daemon, NULL, false, &error) < 0)
		log_error("%s", error.text);
}

int disabled_set(void *self, const struct tunnel *tunnel, bool disabled, struct error *error)
{
	struct daemon *daemon = self;
	size_t i = (size_t)(tunnel - daemon->model->tunnels);
	int r = remember(daemon, tunnel, disabled, error);

	if (r < 0 || health_tunnels(daemon->health)[i].disabled == disabled)
		return r;
	health_disable(daemon->health, tunnel->number, disabled, false, now_ms());
	if (disabled)
		tell(daemon, EVENT_TUNNEL_DISABLED, tunnel->name,
			health_tunnels(daemon->health)[i].usable
				? "by an operator: announced there as leaving, then not at all"
				: "by an operator: nothing is announced there");
	else
		tell(daemon, EVENT_TUNNEL_ENABLED, tunnel->name, "by an operator: announced there again");
	watch_changes(daemon);
	return 0;
}
