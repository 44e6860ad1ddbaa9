/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPsec by strongSwan (IKEv2), and ESP by one of two drivers:
 *
 *	ipsec_kernel.c  the kernel's, by an XFRM interface a tunnel, where the kernel has both
 *	ipsec_user.c    strongSwan's own in user space (its kernel-libipsec plugin), which any kernel with TUN devices bears
 *
 *	ipsec.c         the tunnel: its interface and what charon is told of it
 *	ipsec_told.c    what it was told, and how it forgets
 *	ipsec_files.c   the files with secrets and certificates
 *	ipsec_tend.c    tunnels that are down are begun anew, less and less often
 *	ipsec_charon.c  the process: charon, strongSwan's daemon
 *	ipsec_render.c  what it is told, from the model; pure
 *	ipsec_sas.c     what it says of its security associations
 *	ipsec_words.c   what it complains of
 *	ipsec_talk.c    asking one that may hang
 *	vici.c          the protocol in which both happens
 *
 * One charon serves all tunnels of the gateway. It is a child as wireguard-go is: it outlives gwd and is adopted by the next
 * one, found behind its control socket. RUN/ipsec (0700) holds that socket, charon's own configuration, and a file a tunnel,
 * NAME.told, mode 0600, with what it was told of it, secrets included: so what a tunnel runs with is compared with what it
 * should, byte for byte, and an undoing tells it again. What is told of a tunnel bears its name, and touches no other.
 *
 * A tunnel carries all addresses (traffic selectors 0.0.0.0/0 and ::/0), as WireGuard's does: what a source may be is
 * decided, and counted, by the data plane. So the peer of a packet is known by its interface alone. The kernel looks it up
 * so: policies and states bear the number of their XFRM interface (if_id). kernel-libipsec has one device for all peers and
 * finds the peer by the packet's addresses: there a gateway has one such tunnel. Which driver it is, is tried where an
 * interface is made, as with WireGuard, and seen from the interface ever after.
 */
#ifndef APPLY_IPSEC_H
#define APPLY_IPSEC_H

#include <stdbool.h>
#include <sys/types.h>

#include "apply/link.h"
#include "apply/vici.h"
#include "plan/plan.h"
#include "status.h"

struct apply;
struct tunnel_kind;

extern const struct tunnel_kind tunnel_ipsec;

/* What would make it fail later: strongSwan, what its driver needs, how many tunnels that bears, IKE's ports, the files. */
int ipsec_check(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error);
/* The item's tunnel and its files are read and told; an association that runs with other settings ends. */
int ipsec_configure(struct apply *apply, const struct item *item, struct error *error);
/* Notes in an observed item whether it runs with just what this model says of it. */
void ipsec_compare(struct apply *apply, const struct model *model, struct item *item);
/*
 * What charon was told of the tunnel, empty when it knows nothing, and the number that this names; the caller frees it. And:
 * tell it that again.
 */
void ipsec_remember(struct apply *apply, const char *name, struct vici *told, uint32_t *if_id);
int ipsec_restore(struct apply *apply, const char *name, const struct vici *told, struct error *error);
/* Without an IPsec tunnel in the model (NULL: nothing is wanted): what one left that went while charon was dead. */
int ipsec_tidy(struct apply *apply, const struct model *model, struct error *error);
/* Begins what is not there and nobody else begins. */
void ipsec_tend(struct apply *apply, const struct model *model);

/* ---- Among themselves -------------------------------------------------------------------------------------------- */

#define IPSEC_CHILD \
	"charon" /* where it serves the kernel's ESP; else the child bears the interface's name, and goes with it */

struct ipsec_driver {
	const char *name;
	/* What charon's configuration says for it: plugins, a line of its own, settings of plugins. */
	const char *plugins, *settings, *plugin_settings;
	bool one_tunnel;   /* it bears no second one */
	uint32_t mtu_most; /* 0: it has no bound of its own */
	/* Could it work here? Makes nothing that stays. */
	int (*check)(struct apply *apply, struct error *error);
	/* The interface is there, marked as ours, and down. */
	int (*create)(struct apply *apply, const char *name, struct error *error);
	/* charon runs, so that it can be told. */
	int (*serve)(struct apply *apply, struct error *error);
	/* The interface goes, after charon was told to forget it. */
	int (*remove)(struct apply *apply, const char *name, struct error *error);
	/* An earlier gwd made it. */
	int (*adopt)(struct apply *apply, const struct link *link, struct error *error);
	/* charon has ended: what it left in the kernel goes. */
	int (*clean)(struct apply *apply, struct error *error);
};

extern const struct ipsec_driver ipsec_kernel, ipsec_user;

/* NULL: an interface of another kind. */
const struct ipsec_driver *ipsec_driver_of(const struct link *link);

struct ipsec_file {
	uint8_t *bytes;
	size_t size;
};

/* What the tunnel's files hold; those that it does not have are empty. Of the certificates the first is the file's owner. */
struct ipsec_files {
	struct ipsec_file psk, key, certificate, authority;
};

/* A secret must be for its owner's eyes only. `path` NULL: there is none, and nothing is read. */
int ipsec_file_read(
	const char *path, bool is_secret, size_t most, struct ipsec_file *file, struct error *error);
int ipsec_files_read(const struct ipsec *ipsec, struct ipsec_files *files, struct error *error);
void ipsec_file_forget(struct ipsec_file *file);
void ipsec_files_forget(struct ipsec_files *files);
/* The certificates of a file, which they lie in: PEM blocks, or else all of it. Answers how many, at most CERTIFICATES_MOST. */
size_t ipsec_blocks(const struct ipsec_file *file, struct ipsec_file blocks[CERTIFICATES_MOST]);

/* Adds the commands by which charon learns the tunnel. `if_id`: of its XFRM interface, 0: it has none. */
void ipsec_render(
	const struct tunnel *tunnel, const struct ipsec_files *files, uint32_t if_id, struct vici *stream);

/* A path in RUN/ipsec; `text` of IPSEC_PATH_SIZE is returned. */
#define IPSEC_PATH_SIZE 108 /* a UNIX socket's */
const char *ipsec_path(const struct apply *apply, const char *file, char *text);
/* Also of one that hangs, or whose socket is gone. 0: it does not run. */
pid_t ipsec_charon_pid(const struct apply *apply);
/* Ends what there is of another and starts one, as the child of that name; it answers. Its pid, or a negative errno. */
pid_t ipsec_charon_start(
	struct apply *apply, const struct ipsec_driver *driver, const char *child, struct error *error);
/* Ends it and what belongs to it, but not an interface that nobody serves. 0 also when there is none. */
int ipsec_charon_end(struct apply *apply, struct error *error);
/* An earlier gwd started it: it is watched under that name. 0 also when there is none. */
int ipsec_charon_adopt(struct apply *apply, const char *child, struct error *error);

/*
 * As vici_tell() and vici_ask(), but one that was silent just now is not asked: -EAGAIN, as when it is silent now.
 * ipsec_heard() notes, and returns, how an exchange went.
 */
int ipsec_tell(struct apply *apply, const struct vici *stream, struct error *error);
int ipsec_ask(
	struct apply *apply, const struct vici *command, const char *event, vici_visit *visit, void *context);
int ipsec_heard(struct apply *apply, int result);
bool ipsec_is_silent(const struct apply *apply);
/* Once a look that found it silent: the tenth in a row, after some 20 s, kills it. And: does so at once. */
void ipsec_bear_silence(struct apply *apply);
void ipsec_end_silence(struct apply *apply);

/* What it was told of a tunnel, as its file says; empty: nothing. */
void ipsec_told_read(const struct apply *apply, const char *name, struct vici *told);
int ipsec_told_write(
	const struct apply *apply, const char *name, const struct vici *told, struct error *error);
void ipsec_told_remove(const struct apply *apply, const char *name);
/* charon forgets the credentials of `former` that neither `now` has nor another tunnel. */
void ipsec_told_forget(
	struct apply *apply, const char *name, const struct vici *former, const struct vici *now);

/* Has charon tell what it says, if it does not yet; and: notes its last complaint of each tunnel. */
void ipsec_listen(struct apply *apply);
void ipsec_hear(struct apply *apply);
/* The best association of a tunnel; false: charon has none, or does not answer. */
bool ipsec_sas(struct apply *apply, const char *name, struct ipsec_status *status);
/* 1 or 0: one that was started anew knows nothing, whatever the file says. -EAGAIN: it does not answer, or waits to be started. */
int ipsec_knows(struct apply *apply, const char *name);

/* What is kept of a tunnel while it is tended. */
struct ipsec_care {
	char name[IFNAMSIZ];
	uint64_t due_ms, begin_ms; /* when it is looked at next; not begun before */
	uint32_t wait_ms;          /* the last wait for that; 0: it was well */
	char error[128];           /* charon's last complaint; empty: none */
};

/* Made where there is none; NULL: no memory. Valid until the next call. */
struct ipsec_care *ipsec_care(struct apply *apply, const char *name);
void ipsec_care_forget(struct apply *apply, const char *name);
/*
 * Pure: whether a tunnel is to be begun now, by its best association (NULL: it has none) and the care that was taken of it,
 * which is noted. `chance` is any number: tunnels that fail together are not begun together. And: when to look again.
 */
bool ipsec_is_due(struct ipsec_care *care, const struct ipsec_status *status, uint64_t now, uint32_t chance);
uint64_t ipsec_next_look(const struct ipsec_care *care, uint64_t now);

#endif
