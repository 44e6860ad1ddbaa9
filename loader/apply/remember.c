// SPDX-License-Identifier: Apache-2.0
/*
 * A plan names keys by their files and leaves the settings of an interface to the interface, so it does not hold
 * all that undoing needs: a key file may have been written anew since its key was set, a peer may have roamed, and
 * an interface that is removed takes its settings along. This is remembered from the device itself, for as long as
 * the plan runs.
 */
#include <errno.h>
#include <sodium.h>

#include "apply/private.h"

static bool destroys(const struct step *step, enum link_role role, enum item_kind kind)
{
	if (step->item.kind == ITEM_LINK)
		return step->action == STEP_REMOVE && step->item.role == role;
	return step->item.kind == kind && step->action == STEP_CHANGE;
}

int memory_take(struct apply *apply, const struct step *step, struct memory *memory, struct error *error)
{
	const char *name = step->item.interface;

	/* A device that does not answer has nothing that could be kept: it is often why it is removed. */
	if (destroys(step, LINK_IPSEC, ITEM_IPSEC))
		ipsec_remember(apply, name, &memory->ipsec, &memory->if_id);
	if (destroys(step, LINK_TUNNEL, ITEM_WIREGUARD))
		memory->has_wireguard =
			wireguard_remember(apply->netlink, name, &memory->wireguard, NULL) == 0;
	if (step->item.kind != ITEM_LINK || step->action != STEP_REMOVE)
		return 0;
	if (observe_interface(apply, name, &memory->properties) < 0)
		return error_errno(error, -ENOMEM, "remembering %s", name);
	return 0;
}

void memory_forget(struct memory *memory)
{
	sodium_memzero(&memory->wireguard, sizeof(memory->wireguard));
	memory->has_wireguard = false;
	vici_free(&memory->ipsec);
	items_free(&memory->properties);
}
