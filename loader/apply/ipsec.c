// SPDX-License-Identifier: Apache-2.0
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/private.h"
#include "apply/tunnel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define FILE_MOST      65000                   /* a value of VICI's has 16 bits of length */
#define TOLD_MOST      (3 * FILE_MOST + 65536) /* all files of a tunnel and its settings */
#define TEND_EACH_MS   5000
#define SILENT_EACH_MS 2000
#define END_MS         800 /* less than vici_tell() waits for the answer */

/* ---- Its files --------------------------------------------------------------------------------------------------- */

static void forget_file(struct ipsec_file *file)
{
	if (file->bytes)
		sodium_memzero(file->bytes, file->size);
	free(file->bytes);
	*file = (struct ipsec_file){0};
}

static void forget_files(struct ipsec_files *files)
{
	forget_file(&files->psk);
	forget_file(&files->certificate);
	forget_file(&files->key);
	forget_file(&files->authority);
}

/* NULL: there is none, and nothing is read. A secret is for its owner's eyes only. */
static int read_bytes(
	const char *path, bool is_secret, size_t most, struct ipsec_file *file, struct error *error)
{
	_cleanup_close_ int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	struct stat status;
	ssize_t size;

	if (!path)
		return 0;
	if (descriptor < 0 || fstat(descriptor, &status) < 0)
		return error_errno(error, -errno, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s is not a regular file", path);
	if (is_secret && status.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(error, -EPERM, "%s is open to others (mode %04o); try: chmod 600 %s", path,
			status.st_mode & 07777, path);
	if (status.st_size == 0 || (size_t)status.st_size > most)
		return error_set(error, -EINVAL, "%s has %lld bytes: 1 to %zu are right", path,
			(long long)status.st_size, most);
	file->bytes = malloc(status.st_size);
	if (!file->bytes)
		return error_errno(error, -ENOMEM, "%s", path);
	size = read(descriptor, file->bytes, status.st_size);
	if (size < 0)
		return error_errno(error, -errno, "%s", path);
	file->size = size;
	return 0;
}

static int read_file(const char *path, bool is_secret, struct ipsec_file *file, struct error *error)
{
	return read_bytes(path, is_secret, FILE_MOST, file, error);
}

/* What is told is the line, without its end. */
static int read_psk(const char *path, struct ipsec_file *file, struct error *error)
{
	int result = read_file(path, true, file, error);

	if (result < 0 || !path)
		return result;
	if (file->size && file->bytes[file->size - 1] == '\n')
		file->size--;
	if (file->size == 0 || memchr(file->bytes, '\n', file->size))
		return error_set(error, -EINVAL, "%s must hold one line, the pre-shared key", path);
	return 0;
}

static int read_files(const struct ipsec *ipsec, struct ipsec_files *files, struct error *error)
{
	int result = read_psk(ipsec->psk_file, &files->psk, error);

	if (result == 0)
		result = read_file(ipsec->cert_file, false, &files->certificate, error);
	if (result == 0)
		result = read_file(ipsec->key_file, true, &files->key, error);
	if (result == 0)
		result = read_file(ipsec->ca_file, false, &files->authority, error);
	return result;
}

/* All that charon has to know of the tunnel. The caller frees the stream. */
static int render(const struct tunnel *tunnel, struct vici *stream, struct error *error)
{
	_cleanup_(forget_files) struct ipsec_files files = {0};
	int result = read_files(&tunnel->ipsec, &files, error);

	if (result < 0)
		return result;
	ipsec_render(tunnel, &files, stream);
	return stream->failure < 0 ? error_errno(error, stream->failure, "%s", tunnel->name) : 0;
}

/* ---- What charon was told ---------------------------------------------------------------------------------------- */

static int write_told(
	const struct apply *apply, const char *name, const struct vici *stream, struct error *error)
{
	char path[IPSEC_PATH_SIZE];
	_cleanup_close_ int descriptor = -1;

	unlink(ipsec_path(apply, name, path));
	descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (descriptor < 0 || write(descriptor, stream->bytes, stream->size) != (ssize_t)stream->size)
		return error_errno(error, descriptor < 0 ? -errno : -EIO, "%s", path);
	return 0;
}

static void read_told(const struct apply *apply, const char *name, struct vici *told)
{
	struct ipsec_file file = {0};
	char path[IPSEC_PATH_SIZE];

	if (read_bytes(ipsec_path(apply, name, path), true, TOLD_MOST, &file, NULL) == 0)
		*told = (struct vici){.bytes = file.bytes, .size = file.size, .room = file.size};
	else
		forget_file(&file);
}

static void note_connection(void *context, const char *path, const char *value)
{
	bool *found = context;

	(void)value;
	*found |= strchr(path, '/') != NULL;
}

/* 1 or 0: one that was started anew knows nothing, whatever the file says. -EAGAIN: it does not answer. */
static int knows(struct apply *apply, const char *name)
{
	_cleanup_(vici_free) struct vici command = {0};
	bool found = false;
	int result;

	vici_command(&command, "list-conns");
	vici_value(&command, "ike", name);
	result = ipsec_ask(apply, &command, "list-conn", note_connection, &found);
	return result == 0 ? found : result == -EAGAIN ? result : 0;
}

static void forget_credentials(struct apply *apply)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, "clear-creds");
	ipsec_tell(apply, &command, NULL);
}

/* It may be refused: there may be none. */
static void end_associations(struct apply *apply, const char *name)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, "terminate");
	vici_value(&command, "ike", name);
	vici_value(&command, "force", "yes");
	vici_number(&command, "timeout", END_MS);
	ipsec_tell(apply, &command, NULL);
}

static int begin(struct apply *apply, const char *name, struct error *error)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, "initiate");
	vici_value(&command, "ike", name);
	vici_value(&command, "child", name);
	vici_value(&command, "timeout", "-1"); /* that it was begun is enough */
	return ipsec_tell(apply, &command, error);
}

/* It may be refused half-way: what was told before is told again, and nothing else has changed. */
static int try(struct apply *apply, const char *name, const struct vici *wanted, struct error *error)
{
	_cleanup_(vici_free) struct vici told = {0};
	int result = ipsec_tell(apply, wanted, error);

	if (result == 0 || result == -EAGAIN)
		return result;
	forget_credentials(apply);
	read_told(apply, name, &told);
	if (told.size)
		ipsec_tell(apply, &told, NULL);
	return result;
}

/* What is told takes the place of what was; the secrets of before would stay. */
int ipsec_restore(struct apply *apply, const char *name, const struct vici *told, struct error *error)
{
	int result = try(apply, name, told, error);

	if (result < 0)
		return result;
	forget_credentials(apply);
	result = ipsec_tell(apply, told, error);
	if (result == 0)
		result = write_told(apply, name, told, error);
	if (result == 0)
		end_associations(apply, name);
	apply->ipsec_due_ms = 0;
	return result;
}

int ipsec_configure(struct apply *apply, const struct item *item, struct error *error)
{
	_cleanup_(vici_free) struct vici stream = {0};
	int result = render(item->ipsec.tunnel, &stream, error);

	return result < 0 ? result : ipsec_restore(apply, item->interface, &stream, error);
}

int ipsec_remember(struct apply *apply, const char *name, struct vici *told)
{
	if (knows(apply, name) != 0)
		read_told(apply, name, told);
	return told->size ? 0 : -ENOENT;
}

/* ---- The interface ----------------------------------------------------------------------------------------------- */

static bool serves(const struct link *link)
{
	return *link->word;
}

static int create(struct apply *apply, const char *name, struct error *error)
{
	char path[IPSEC_PATH_SIZE];

	unlink(ipsec_path(apply, name, path));
	return ipsec_charon_start(apply, name, error);
}

static int remove_tunnel(struct apply *apply, const char *name, struct error *error)
{
	struct link link = {0};
	char path[IPSEC_PATH_SIZE];
	int result;

	unlink(ipsec_path(apply, name, path));
	result = ipsec_charon_end(apply, error);
	/* The interface goes with charon; one that nobody serves is removed by name. */
	if (result == 0 && link_find(apply->netlink, name, &link, NULL) == 0)
		result = link_remove(apply->netlink, name, error);
	return result;
}

static int adopt(struct apply *apply, const struct link *link, struct error *error)
{
	return ipsec_charon_adopt(apply, link->name, link->word, error);
}

static int open_tunnel(struct apply *apply, const char *name, struct error *error)
{
	return link_set_up(apply->netlink, name, true, error);
}

/* The secrets in the files too are what they were. */
static bool runs_with(const struct apply *apply, const struct tunnel *tunnel)
{
	_cleanup_(vici_free) struct vici told = {0}, wanted = {0};

	read_told(apply, tunnel->name, &told);
	return tunnel->ipsec.enabled && render(tunnel, &wanted, NULL) == 0 && wanted.size == told.size &&
	       sodium_memcmp(wanted.bytes, told.bytes, told.size) == 0;
}

void ipsec_compare(struct apply *apply, const struct model *model, struct item *item)
{
	const struct tunnel *tunnel = model ? model_tunnel_by_name(model, item->interface) : NULL;

	if (tunnel && runs_with(apply, tunnel))
		item->ipsec.tunnel = tunnel;
}

static int observe(
	struct apply *apply, const struct link *link, const struct tunnel *wanted, struct item *item)
{
	*item = (struct item){.kind = ITEM_IPSEC};
	snprintf(item->interface, sizeof(item->interface), "%s", link->name);
	/* One that is silent is taken for what it was told: what it carries may go on. */
	if (knows(apply, link->name) == 0)
		return -ENOENT;
	if (wanted && runs_with(apply, wanted))
		item->ipsec.tunnel = wanted;
	return 0;
}

static void refresh(struct apply *apply, const struct link *link, struct tunnel_status *status)
{
	status->driver = IPSEC_DRIVER;
	ipsec_hear(apply);
	if (ipsec_sas(apply, link->name, &status->ipsec) && *status->ipsec.esp) {
		status->handshake_age_ms = status->ipsec.esp_age_ms;
		*apply->ipsec_error = '\0';
	}
	snprintf(status->ipsec_error, sizeof(status->ipsec_error), "%s", apply->ipsec_error);
}

const struct tunnel_kind tunnel_ipsec = {
	.role = LINK_IPSEC,
	.serves = serves,
	.create = create,
	.remove = remove_tunnel,
	.adopt = adopt,
	.open = open_tunnel,
	.observe = observe,
	.refresh = refresh,
};

/* ---- Tending ----------------------------------------------------------------------------------------------------- */

static bool is_under_way(const struct ipsec_status *status)
{
	return *status->esp || strcmp(status->ike, "ESTABLISHED") != 0;
}

static void tend(struct apply *apply, const struct tunnel *tunnel)
{
	static const struct address nowhere;
	struct ipsec_status status = {0};
	struct error error;
	int known = knows(apply, tunnel->name);

	if (known < 0) {
		apply->ipsec_due_ms = now_ms() + SILENT_EACH_MS;
		ipsec_bear_silence(apply, tunnel->name);
	}
	if (known <= 0 || address_equal(&tunnel->ipsec.remote, &nowhere))
		return;
	if (ipsec_sas(apply, tunnel->name, &status) && is_under_way(&status))
		return;
	if (!ipsec_is_silent(apply) && begin(apply, tunnel->name, &error) < 0)
		log_warning("%s: %s", tunnel->name, error.text);
}

void ipsec_tend(struct apply *apply, const struct model *model)
{
	ipsec_hear(apply);
	if (now_ms() < apply->ipsec_due_ms)
		return;
	apply->ipsec_due_ms = now_ms() + TEND_EACH_MS;
	ipsec_listen(apply);
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].ipsec.enabled)
			tend(apply, &model->tunnels[i]);
}

/* ---- What nobody needs any more ----------------------------------------------------------------------------------- */

static const struct tunnel *first_of(const struct model *model)
{
	for (size_t i = 0; i < model->tunnel_count; i++)
		if (model->tunnels[i].ipsec.enabled)
			return &model->tunnels[i];
	return NULL;
}

static void unlink_all(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(path);
}

int ipsec_tidy(struct apply *apply, const struct model *model, struct error *error)
{
	char path[IPSEC_PATH_SIZE];
	int result;

	if ((model && first_of(model)) || access(ipsec_path(apply, "", path), F_OK) < 0)
		return 0;
	result = ipsec_charon_end(apply, error);
	unlink_all(path);
	return result;
}

/* ---- Would it work? ---------------------------------------------------------------------------------------------- */

static int check_port(uint16_t port, struct error *error)
{
	_cleanup_close_ int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	return error_errno(error, -errno,
		"udp/%u, which IPsec needs (try: systemctl disable --now strongswan, if that is it)", port);
}

int ipsec_check(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error)
{
	const struct tunnel *tunnel = first_of(model);
	_cleanup_(vici_free) struct vici stream = {0};
	int result;

	if (!tunnel)
		return 0;
	result = render(tunnel, &stream, error);
	/* Who holds the ports then is our own. */
	if (result < 0 || (in_force && first_of(in_force)) || ipsec_charon_pid(apply) > 0)
		return result;
	result = check_port(500, error);
	return result < 0 ? result : check_port(4500, error);
}
