// SPDX-License-Identifier: Apache-2.0
/*
 * What charon was told of each tunnel, in a file of its own. All tunnels' credentials lie in one heap in charon, and its word
 * for emptying that would leave the others without, whose next authentication then fails. So they are taken out one by one:
 * a pre-shared key by the name under which it was told, the tunnel's; a private key by the number that charon calls it by,
 * which it tells whoever loads that key (again: it keeps one). One that several tunnels have stays with them, whatever the
 * bytes are in which each was told it. Certificates cannot be taken out; those that stay mean nothing, since each connection
 * names its own, and the peer's authority.
 */
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TOLD_MOST   (4 * 65536 + 65536) /* all files of a tunnel and its settings */
#define KEY_ID_SIZE 64
#define SUFFIX      ".told" /* whatever a tunnel is called, its file is none of charon's: socket, configuration */

static const char *told_path(const struct apply *apply, const char *name, char *text)
{
	char file[IFNAMSIZ + sizeof(SUFFIX)];

	snprintf(file, sizeof(file), "%.15s" SUFFIX, name);
	return ipsec_path(apply, file, text);
}

int ipsec_told_write(
	const struct apply *apply, const char *name, const struct vici *told, struct error *error)
{
	char path[IPSEC_PATH_SIZE];
	_cleanup_close_ int descriptor = -1;

	unlink(told_path(apply, name, path));
	descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (descriptor < 0 || write(descriptor, told->bytes, told->size) != (ssize_t)told->size)
		return error_errno(error, descriptor < 0 ? -errno : -EIO, "%s", path);
	return 0;
}

void ipsec_told_read(const struct apply *apply, const char *name, struct vici *told)
{
	struct ipsec_file file = {0};
	char path[IPSEC_PATH_SIZE];

	if (ipsec_file_read(told_path(apply, name, path), true, TOLD_MOST, &file, NULL) == 0)
		*told = (struct vici){.bytes = file.bytes, .size = file.size, .room = file.size};
	else
		ipsec_file_forget(&file);
}

void ipsec_told_remove(const struct apply *apply, const char *name)
{
	char path[IPSEC_PATH_SIZE];

	unlink(told_path(apply, name, path));
}

/* ---- Forgetting -------------------------------------------------------------------------------------------------- */

static void note_id(void *context, const char *path, const char *value)
{
	if (strcmp(path, "id") == 0)
		snprintf(context, KEY_ID_SIZE, "%.63s", value);
}

/* By loading it. `id` is returned; empty: charon takes no such key, or does not answer. */
static const char *key_id(struct apply *apply, const struct vici *command, char id[KEY_ID_SIZE])
{
	*id = '\0';
	ipsec_ask(apply, command, NULL, note_id, id);
	return id;
}

static bool holds_key(struct apply *apply, const struct vici *stream, const char *id)
{
	struct vici command;
	char other[KEY_ID_SIZE];

	for (size_t at = 0; vici_next(stream, &at, &command);)
		if (vici_is(&command, "load-key") && strcmp(key_id(apply, &command, other), id) == 0)
			return true;
	return false;
}

static bool has_secret(const struct vici *stream)
{
	struct vici command;

	for (size_t at = 0; vici_next(stream, &at, &command);)
		if (vici_is(&command, "load-shared"))
			return true;
	return false;
}

/* Of which tunnel a file says what was told. False: it is none of these. */
static bool tunnel_of(const char *file, char name[IFNAMSIZ])
{
	const char *suffix = strrchr(file, '.');

	if (!suffix || strcmp(suffix, SUFFIX) != 0 || suffix - file >= IFNAMSIZ)
		return false;
	snprintf(name, IFNAMSIZ, "%.*s", (int)(suffix - file), file);
	return true;
}

static bool others_hold_key(struct apply *apply, const char *name, const char *id)
{
	char path[IPSEC_PATH_SIZE];
	_cleanup_closedir_ DIR *directory = opendir(ipsec_path(apply, "", path));
	const struct dirent *entry;
	char other[IFNAMSIZ];

	while (directory && (entry = readdir(directory))) {
		_cleanup_(vici_free) struct vici told = {0};

		if (!tunnel_of(entry->d_name, other) || strcmp(other, name) == 0)
			continue;
		ipsec_told_read(apply, other, &told);
		if (holds_key(apply, &told, id))
			return true;
	}
	return false;
}

static void unload(struct apply *apply, const char *what, const char *id)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, what);
	vici_value(&command, "id", id);
	ipsec_tell(apply, &command, NULL);
}

static void forget_key(
	struct apply *apply, const char *name, const struct vici *command, const struct vici *now)
{
	char id[KEY_ID_SIZE];

	if (*key_id(apply, command, id) && !holds_key(apply, now, id) && !others_hold_key(apply, name, id))
		unload(apply, "unload-key", id);
}

void ipsec_told_forget(
	struct apply *apply, const char *name, const struct vici *former, const struct vici *now)
{
	struct vici command;

	for (size_t at = 0; vici_next(former, &at, &command);) {
		if (vici_is(&command, "load-shared") && !has_secret(now))
			unload(apply, "unload-shared", name);
		else if (vici_is(&command, "load-key"))
			forget_key(apply, name, &command, now);
	}
}
