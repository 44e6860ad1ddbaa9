// SPDX-License-Identifier: Apache-2.0
#include "apply/ipsec.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply/private.h"
#include "apply/tunnel.h"
#include "base/cleanup.h"

/* ---- Its driver -------------------------------------------------------------------------------------------------- */

/* By its kind, or by what charon's device is known by. */
const struct ipsec_driver *ipsec_driver_of(const struct link *link)
{
	if (link->if_id)
		return &ipsec_kernel;
	return *link->word ? &ipsec_user : NULL;
}

static int find_running(const struct link *link, void *context)
{
	const struct ipsec_driver **running = context, *driver = ipsec_driver_of(link);

	if (link->ours && driver && strcmp(link->name, PROBE_INTERFACE) != 0)
		*running = driver;
	return 0;
}

/* What is there goes on as it is, and one charon cannot serve both: it is the kernel's ESP where nothing else runs. */
static const struct ipsec_driver *choose_driver(struct apply *apply, struct error *error)
{
	const struct ipsec_driver *running = NULL;

	if (link_each(apply->netlink, find_running, &running, error) < 0)
		return NULL;
	if (running)
		return running;
	return ipsec_kernel.check(apply, NULL) < 0 ? &ipsec_user : &ipsec_kernel;
}

/* Of the interface of that name; NULL, and why in *result. */
static const struct ipsec_driver *find_driver(
	struct apply *apply, const char *name, struct link *link, int *result, struct error *error)
{
	const struct ipsec_driver *driver;

	*result = link_find(apply->netlink, name, link, error);
	if (*result == -ENODEV)
		error_set(error, *result, "there is no interface %s", name);
	if (*result < 0)
		return NULL;
	driver = ipsec_driver_of(link);
	if (!driver)
		*result = error_set(error, -EINVAL, "%s is no interface of IPsec but %s", name, link->kind);
	return driver;
}

/* ---- What charon is told ------------------------------------------------------------------------------------------ */

/* All that charon has to know of the tunnel. The caller frees the stream. */
static int render(const struct tunnel *tunnel, uint32_t if_id, struct vici *stream, struct error *error)
{
	_cleanup_(ipsec_files_forget) struct ipsec_files files = {0};
	int result = ipsec_files_read(&tunnel->ipsec, &files, error);

	if (result < 0)
		return result;
	ipsec_render(tunnel, &files, if_id, stream);
	return stream->failure < 0 ? error_errno(error, stream->failure, "%s", tunnel->name) : 0;
}

static void note_connection(void *context, const char *path, const char *value)
{
	bool *found = context;

	(void)value;
	*found |= strchr(path, '/') != NULL;
}

int ipsec_knows(struct apply *apply, const char *name)
{
	_cleanup_(vici_free) struct vici command = {0};
	bool found = false;
	int result;

	if (!child_is_due(apply->children, IPSEC_CHILD))
		return -EAGAIN;
	vici_command(&command, "list-conns");
	vici_value(&command, "ike", name);
	result = ipsec_ask(apply, &command, "list-conn", note_connection, &found);
	return result == 0 ? found : result == -EAGAIN ? result : 0;
}

/*
 * At once: one DELETE is sent, and not waited for, since a dead peer's answer would outlast vici_tell()'s patience, and charon,
 * taken for one that hangs, all tunnels. It may be refused: there may be none.
 */
static int end_associations(struct apply *apply, const char *name)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, "terminate");
	vici_value(&command, "ike", name);
	vici_value(&command, "force", "yes");
	return ipsec_tell(apply, &command, NULL);
}

/* Before the associations are ended, so that nobody begins them again. */
static int unload_connection(struct apply *apply, const char *name)
{
	_cleanup_(vici_free) struct vici command = {0};

	vici_command(&command, "unload-conn");
	vici_value(&command, "name", name);
	return ipsec_tell(apply, &command, NULL);
}

/*
 * It may be refused half-way: what was told before is told again, and nothing else has changed. While charon is told, and when it
 * does not answer, nobody knows what it knows: nothing is noted, so whoever looks next tells it again.
 */
static int replace(struct apply *apply, const char *name, const struct vici *wanted, struct error *error)
{
	_cleanup_(vici_free) struct vici former = {0};
	int result;

	if (ipsec_is_silent(apply))
		return ipsec_tell(apply, wanted, error);
	ipsec_told_read(apply, name, &former);
	ipsec_told_remove(apply, name);
	result = ipsec_tell(apply, wanted, error);
	if (result == -EAGAIN)
		return result;
	if (result < 0) {
		ipsec_told_forget(apply, name, wanted, &former);
		if (former.size && ipsec_tell(apply, &former, NULL) == 0)
			ipsec_told_write(apply, name, &former, NULL);
		return result;
	}
	ipsec_told_forget(apply, name, &former, wanted);
	return 0;
}

int ipsec_restore(struct apply *apply, const char *name, const struct vici *told, struct error *error)
{
	struct link link = {0};
	int result;
	const struct ipsec_driver *driver = find_driver(apply, name, &link, &result, error);

	if (!driver)
		return result;
	result = driver->serve(apply, error);
	if (result == 0)
		result = replace(apply, name, told, error);
	if (result < 0)
		return result;
	/* What was told is noted last: whoever is killed before is followed by one that ends them again. */
	end_associations(apply, name);
	ipsec_care_forget(apply, name);
	apply->ipsec_due_ms = 0;
	return ipsec_told_write(apply, name, told, error);
}

int ipsec_configure(struct apply *apply, const struct item *item, struct error *error)
{
	_cleanup_(vici_free) struct vici stream = {0};
	struct link link = {0};
	int result;

	if (!find_driver(apply, item->interface, &link, &result, error))
		return result;
	result = render(item->ipsec.tunnel, link.if_id, &stream, error);
	return result < 0 ? result : ipsec_restore(apply, item->interface, &stream, error);
}

void ipsec_remember(struct apply *apply, const char *name, struct vici *told, uint32_t *if_id)
{
	struct link link = {0};

	if (ipsec_knows(apply, name) != 0)
		ipsec_told_read(apply, name, told);
	link_find(apply->netlink, name, &link, NULL); /* zeros when there is none */
	*if_id = link.if_id;
}

/* ---- The interface ----------------------------------------------------------------------------------------------- */

static bool serves(const struct link *link)
{
	return ipsec_driver_of(link) != NULL;
}

static int create(struct apply *apply, const char *name, struct error *error)
{
	const struct ipsec_driver *driver = choose_driver(apply, error);

	ipsec_told_remove(apply, name);
	return driver ? driver->create(apply, name, error) : -EIO;
}

/* charon forgets it, and whoever is the last takes charon along (ipsec_tidy()). False: it does not answer. */
static bool forget(struct apply *apply, const char *name)
{
	static const struct vici nothing;
	_cleanup_(vici_free) struct vici told = {0};
	bool answers;

	ipsec_told_read(apply, name, &told);
	answers = unload_connection(apply, name) != -EAGAIN && end_associations(apply, name) != -EAGAIN;
	ipsec_told_forget(apply, name, &told, &nothing);
	ipsec_told_remove(apply, name);
	ipsec_care_forget(apply, name);
	return answers && !ipsec_is_silent(apply);
}

static int remove_tunnel(struct apply *apply, const char *name, struct error *error)
{
	struct link link = {0};
	int result;
	const struct ipsec_driver *driver = find_driver(apply, name, &link, &result, error);
	bool is_forgotten = forget(apply, name);

	if (driver)
		result = driver->remove(apply, name, error);
	else if (result == -ENODEV)
		result = 0;
	/* Its policies would be the next one's whose interface has the number; whoever follows charon removes them. */
	if (!is_forgotten)
		ipsec_end_silence(apply);
	return result;
}

static int adopt(struct apply *apply, const struct link *link, struct error *error)
{
	return ipsec_driver_of(link)->adopt(apply, link, error);
}

static int open_tunnel(struct apply *apply, const char *name, struct error *error)
{
	return link_set_up(apply->netlink, name, true, error);
}

/*
 * The secrets in the files too are what they were. Those that cannot be read now are taken for it: an apply has read them before
 * (ipsec_check()), and healing has other things to heal.
 */
static bool runs_with(const struct apply *apply, const struct tunnel *tunnel, const struct link *link)
{
	_cleanup_(vici_free) struct vici told = {0}, wanted = {0};

	ipsec_told_read(apply, tunnel->name, &told);
	if (!tunnel->ipsec.enabled || told.size == 0)
		return false;
	return render(tunnel, link->if_id, &wanted, NULL) < 0 ||
	       (wanted.size == told.size && sodium_memcmp(wanted.bytes, told.bytes, told.size) == 0);
}

void ipsec_compare(struct apply *apply, const struct model *model, struct item *item)
{
	const struct tunnel *tunnel = model ? model_tunnel_by_name(model, item->interface) : NULL;
	struct link link = {0};

	if (tunnel && link_find(apply->netlink, item->interface, &link, NULL) == 0 &&
		runs_with(apply, tunnel, &link))
		item->ipsec.tunnel = tunnel;
}

static int observe(
	struct apply *apply, const struct link *link, const struct tunnel *wanted, struct item *item)
{
	*item = (struct item){.kind = ITEM_IPSEC};
	snprintf(item->interface, sizeof(item->interface), "%s", link->name);
	/* One that is silent is taken for what it was told: what it carries may go on. */
	if (ipsec_knows(apply, link->name) == 0)
		return -ENOENT;
	if (wanted && runs_with(apply, wanted, link))
		item->ipsec.tunnel = wanted;
	return 0;
}

static void refresh(struct apply *apply, const struct link *link, struct tunnel_status *status)
{
	struct ipsec_care *care = ipsec_care(apply, link->name);

	status->driver = ipsec_driver_of(link)->name;
	ipsec_hear(apply);
	if (ipsec_sas(apply, link->name, &status->ipsec) && *status->ipsec.esp) {
		status->handshake_age_ms = status->ipsec.esp_age_ms;
		if (care)
			*care->error = '\0';
	}
	if (ipsec_is_silent(apply))
		snprintf(status->ipsec_error, sizeof(status->ipsec_error), "strongSwan does not answer");
	else if (care)
		snprintf(status->ipsec_error, sizeof(status->ipsec_error), "%s", care->error);
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
	_cleanup_closedir_ DIR *directory = opendir(path);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		unlinkat(dirfd(directory), entry->d_name, 0);
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

/* Both the first words of IKE, and the rest. */
static int check_ports(struct error *error)
{
	int result = check_port(IKE_PORT, error);

	return result < 0 ? result : check_port(IPSEC_PORT, error);
}

static int check_files(const struct model *model, struct error *error)
{
	int result = 0;

	for (size_t i = 0; i < model->tunnel_count && result == 0; i++) {
		_cleanup_(vici_free) struct vici stream = {0};

		if (model->tunnels[i].ipsec.enabled)
			result = render(&model->tunnels[i], 0, &stream, error);
	}
	return result;
}

static size_t count_tunnels(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->tunnel_count; i++)
		count += model->tunnels[i].ipsec.enabled;
	return count;
}

/* A configuration does not know what a kernel has, so it cannot be refused before. */
static int check_limits(const struct ipsec_driver *driver, const struct model *model, struct error *error)
{
	if (driver->one_tunnel && count_tunnels(model) > 1)
		return error_set(error, -EOPNOTSUPP,
			"%s and other tunnels are IPsec, which this gateway does in user space, where "
			"strongSwan has one interface for all peers: one such tunnel is possible; try: a "
			"kernel with ESP and XFRM interfaces (and gwctl gateway stop before, if one runs so "
			"already), WireGuard for the others, or other gateways",
			first_of(model)->name);
	if (driver->mtu_most && model->array.mtu > driver->mtu_most)
		return error_set(error, -EMSGSIZE,
			"array.mtu: %u is too large beside the IPsec tunnel %s: strongSwan in user space "
			"(kernel-libipsec) carries packets of %u bytes at most; try: array.mtu: %u",
			model->array.mtu, first_of(model)->name, driver->mtu_most, driver->mtu_most);
	return 0;
}

int ipsec_check(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error)
{
	const struct ipsec_driver *driver;
	int result;

	if (!first_of(model))
		return 0;
	driver = choose_driver(apply, error);
	if (!driver)
		return -EIO;
	result = driver == &ipsec_kernel ? 0
					 : driver->check(apply, error); /* or it would not have been chosen */
	if (result == 0)
		result = check_limits(driver, model, error);
	if (result == 0)
		result = check_files(model, error);
	/* Who holds the ports then is our own. */
	if (result < 0 || (in_force && first_of(in_force)) || ipsec_charon_pid(apply) > 0)
		return result;
	return check_ports(error);
}
