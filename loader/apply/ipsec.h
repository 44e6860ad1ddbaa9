/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPsec by strongSwan: IKEv2, and ESP in user space (its kernel-libipsec plugin), which any kernel with TUN devices bears.
 *
 *	ipsec.c         the tunnel: its interface and what charon is told of it
 *	ipsec_charon.c  the process: charon, strongSwan's daemon, and the device that it makes
 *	ipsec_render.c  what it is told, from the model; pure
 *	ipsec_sas.c     what it says of its security associations
 *	ipsec_words.c   what it complains of
 *	ipsec_talk.c    asking one that may hang
 *	vici.c          the protocol in which both happens
 *
 * charon is a child as wireguard-go is: it outlives gwd and is adopted by the next one, found behind its control socket.
 * RUN/ipsec (0700) holds that socket, charon's own configuration, and, mode 0600, what it was told of the tunnel, secrets
 * included: so what a tunnel runs with is compared with what it should, byte for byte, and an undoing tells it again.
 *
 * A tunnel carries all addresses (traffic selectors 0.0.0.0/0 and ::/0), as WireGuard's does: what a source may be is
 * decided, and counted, by the data plane. kernel-libipsec has one device for all peers and finds the peer by the packet's
 * addresses, so there can be one such tunnel (conf/check_ipsec.c).
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

/* What would make it fail later: strongSwan, TUN devices, IKE's ports, the files. */
int ipsec_check(
	struct apply *apply, const struct model *model, const struct model *in_force, struct error *error);
/* The item's tunnel and its files are read and told; an association that runs with other settings ends. */
int ipsec_configure(struct apply *apply, const struct item *item, struct error *error);
/* Notes in an observed item whether it runs with just what this model says of it. */
void ipsec_compare(struct apply *apply, const struct model *model, struct item *item);
/* What charon was told of the tunnel; empty when it knows nothing. The caller frees it. And: tell it that again. */
int ipsec_remember(struct apply *apply, const char *name, struct vici *told);
int ipsec_restore(struct apply *apply, const char *name, const struct vici *told, struct error *error);
/* Without an IPsec tunnel in the model (NULL: nothing is wanted): what one left that went while charon was dead. */
int ipsec_tidy(struct apply *apply, const struct model *model, struct error *error);
/* Begins what is not there and nobody else begins. At most once every few seconds. */
void ipsec_tend(struct apply *apply, const struct model *model);

/* ---- Among themselves -------------------------------------------------------------------------------------------- */

#define IPSEC_DRIVER "strongswan"

struct ipsec_file {
	uint8_t *bytes;
	size_t size;
};

/* What the tunnel's files hold; those that it does not have are empty. */
struct ipsec_files {
	struct ipsec_file psk, certificate, key, authority;
};

/* Adds the commands by which charon learns the tunnel. */
void ipsec_render(const struct tunnel *tunnel, const struct ipsec_files *files, struct vici *stream);

/* A path in RUN/ipsec; `text` of IPSEC_PATH_SIZE is returned. */
#define IPSEC_PATH_SIZE 108 /* a UNIX socket's */
const char *ipsec_path(const struct apply *apply, const char *file, char *text);
/* Also of one that hangs, or whose socket is gone. 0: it does not run. */
pid_t ipsec_charon_pid(const struct apply *apply);
/* Starts it; its device becomes the interface `name`, ours, and down. */
int ipsec_charon_start(struct apply *apply, const char *name, struct error *error);
/* Ends it and what belongs to it, but not an interface that nobody serves. 0 also when there is none. */
int ipsec_charon_end(struct apply *apply, struct error *error);
/* An earlier gwd started it. `word`: what the interface's alias says behind "homeward ". */
int ipsec_charon_adopt(struct apply *apply, const char *name, const char *word, struct error *error);

/*
 * As vici_tell() and vici_ask(), but one that was silent just now is not asked: -EAGAIN, as when it is silent now.
 * ipsec_heard() notes, and returns, how an exchange went.
 */
int ipsec_tell(struct apply *apply, const struct vici *stream, struct error *error);
int ipsec_ask(
	struct apply *apply, const struct vici *command, const char *event, vici_visit *visit, void *context);
int ipsec_heard(struct apply *apply, int result);
bool ipsec_is_silent(const struct apply *apply);
/* Once a look that found it silent: the third in a row kills it. `name`: the interface that it serves. */
void ipsec_bear_silence(struct apply *apply, const char *name);

/* Has charon tell what it says, if it does not yet; and: notes its last complaint. */
void ipsec_listen(struct apply *apply);
void ipsec_hear(struct apply *apply);
/* The best association of a tunnel; false: charon has none, or does not answer. */
bool ipsec_sas(struct apply *apply, const char *name, struct ipsec_status *status);

#endif
