/* SPDX-License-Identifier: Apache-2.0 */
/* What apply's own files share, and nobody else sees. */
#ifndef APPLY_PRIVATE_H
#define APPLY_PRIVATE_H

#include "apply/apply.h"
#include "apply/ipsec.h"
#include "apply/netlink.h"
#include "apply/wireguard.h"

struct apply {
	char *pin_dir, *run_dir;
	struct netlink *netlink;
	struct children *children;
	uint64_t ipsec_due_ms;          /* when charon is looked after again */
	uint64_t ipsec_silent_until_ms; /* charon did not answer: until then it is not asked again */
	unsigned ipsec_silences;        /* in how many looks in a row it did not */
	int ipsec_log;                  /* what charon says comes here; -1: not */
	struct ipsec_care *ipsec_cares; /* of each tunnel that was looked after */
	size_t ipsec_care_count;
	size_t fail_at; /* tests only: the step of this number (1..) fails; 0: none */
};

/* remember.c: what a step destroys and its plan does not know. Zeros: nothing. */
struct memory {
	bool has_wireguard;
	struct wireguard_settings wireguard; /* with the private key: memory_forget() wipes it */
	struct vici ipsec;                   /* with secrets, too; empty: nothing */
	uint32_t if_id;          /* of an XFRM interface, as `ipsec` says it; 0: of another kind */
	struct items properties; /* of an interface that is removed */
};

/* Before the step is done. 0, or a negative errno with words. */
int memory_take(struct apply *apply, const struct step *step, struct memory *memory, struct error *error);
void memory_forget(struct memory *memory);

/* observe.c: adds the interface and its settings; nothing when there is none of that name, or it is not ours. */
int observe_interface(struct apply *apply, const char *name, struct items *items);

#endif
