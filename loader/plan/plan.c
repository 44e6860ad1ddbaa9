// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/*
 * What happens to a kind of item when the thing is there with another value, and when it is not wanted any
 * more. A property is set in place and goes with its interface; the others are things of their own.
 */
static const struct {
	bool in_place; /* a new value replaces the old one in one step */
	bool property; /* never removed by itself */
} kinds[ITEM_KINDS] = {
	[ITEM_SYSCTL] = {.in_place = true, .property = true},
	[ITEM_WIREGUARD] = {.in_place = true, .property = true},
	[ITEM_IPSEC] = {.in_place = true, .property = true},
	[ITEM_MTU] = {.in_place = true, .property = true},
	[ITEM_UP] = {.in_place = true, .property = true},
	[ITEM_OBJECT] = {.in_place = true},
	[ITEM_ENTRIES] = {.in_place = true, .property = true},
	[ITEM_ATTACHMENT] = {.in_place = true}, /* but for its mode: must_go() */
	[ITEM_NEIGHBOUR] = {.in_place = true},
	[ITEM_ROUTE] = {.in_place = true},
};

static int grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room ? 2 * *room : 64;
	void *larger;

	if (count < *room)
		return 0;
	larger = reallocarray(*array, wanted, size);
	if (!larger)
		return -ENOMEM;
	*array = larger;
	*room = wanted;
	return 0;
}

int items_add(struct items *items, const struct item *item)
{
	int result = grow((void **)&items->items, items->count, &items->room, sizeof(*item));

	if (result == 0)
		items->items[items->count++] = *item;
	return result;
}

void items_free(struct items *items)
{
	free(items->items);
	*items = (struct items){0};
}

static bool rules_equal(const struct item *one, const struct item *other)
{
	return one->rule.priority == other->rule.priority && one->rule.table == other->rule.table &&
	       address_equal(&one->rule.from, &other->rule.from) && one->rule.has_to == other->rule.has_to &&
	       (!one->rule.has_to || (one->rule.to.length == other->rule.to.length &&
					     address_equal(&one->rule.to.address, &other->rule.to.address)));
}

/* Is it the same thing, whatever its value? */
static bool same_thing(const struct item *one, const struct item *other)
{
	if (one->kind != other->kind || strcmp(one->interface, other->interface) != 0)
		return false;
	switch (one->kind) {
	case ITEM_SYSCTL:
		return strcmp(one->sysctl.name, other->sysctl.name) == 0 &&
		       strcmp(one->sysctl.family, other->sysctl.family) == 0;
	case ITEM_ADDRESS:
		return one->address.length == other->address.length &&
		       address_equal(&one->address.address, &other->address.address);
	case ITEM_ATTACHMENT:
		return one->attachment.program == other->attachment.program;
	case ITEM_NEIGHBOUR:
		return address_equal(&one->neighbour.address, &other->neighbour.address);
	case ITEM_ROUTE:
	case ITEM_WAY:
		return one->route.table == other->route.table &&
		       address_is_v4(&one->route.gateway) == address_is_v4(&other->route.gateway);
	case ITEM_RULE:
		return rules_equal(one, other);
	default:
		return true;
	}
}

/* The peer may have roamed, which is well; what changed is seen only by what the configurations say. */
static bool endpoint_fits(const struct item_wireguard *observed, const struct item_wireguard *wanted)
{
	const struct wireguard *old, *new;

	if (!wanted->has_endpoint)
		return true;
	if (!observed->has_endpoint || !observed->tunnel)
		return observed->has_endpoint;
	old = &observed->tunnel->wireguard;
	new = &wanted->tunnel->wireguard;
	return old->has_endpoint &&
	       old->endpoint_port ==
		       new->endpoint_port &&address_equal(&old->endpoint_address, &new->endpoint_address);
}

static bool wireguards_equal(const struct item_wireguard *observed, const struct item_wireguard *wanted)
{
	return observed->private_key_file &&
	       strcmp(observed->private_key_file, wanted->private_key_file) == 0 &&
	       observed->listen_port == wanted->listen_port && observed->keepalive_s == wanted->keepalive_s &&
	       endpoint_fits(observed, wanted) &&
	       strcmp(observed->peer_public_key, wanted->peer_public_key) == 0;
}

static bool mode_fits(const struct item *observed, const struct item *wanted)
{
	return wanted->attachment.mode == ATTACH_AUTO || observed->attachment.mode == wanted->attachment.mode;
}

/* The thing is there (same_thing() holds): has it the wanted value? */
static bool value_fits(const struct item *observed, const struct item *wanted)
{
	switch (observed->kind) {
	case ITEM_LINK:
		return observed->role == wanted->role;
	case ITEM_IPSEC:
		return observed->ipsec.tunnel == wanted->ipsec.tunnel;
	case ITEM_SYSCTL:
		return observed->sysctl.value == wanted->sysctl.value;
	case ITEM_WIREGUARD:
		return wireguards_equal(&observed->wireguard, &wanted->wireguard);
	case ITEM_MTU:
		return observed->mtu == wanted->mtu;
	case ITEM_ENTRIES:
		return observed->model == wanted->model;
	case ITEM_OBJECT:
		return !observed->object.outdated && observed->object.flows == wanted->object.flows &&
		       observed->object.devices == wanted->object.devices;
	case ITEM_ATTACHMENT:
		return !observed->attachment.outdated && mode_fits(observed, wanted);
	case ITEM_NEIGHBOUR:
		return memcmp(observed->neighbour.mac, wanted->neighbour.mac,
			       sizeof(wanted->neighbour.mac)) == 0;
	case ITEM_ROUTE:
		return address_equal(&observed->route.gateway, &wanted->route.gateway);
	default:
		return true;
	}
}

const struct item *items_find(const struct items *items, const struct item *thing)
{
	for (size_t i = 0; i < items->count; i++)
		if (same_thing(&items->items[i], thing))
			return &items->items[i];
	return NULL;
}

static int add_step(
	struct plan *plan, enum step_action action, const struct item *item, const struct item *before)
{
	int result = grow((void **)&plan->steps, plan->count, &plan->room, sizeof(*plan->steps));

	if (result < 0)
		return result;
	plan->steps[plan->count++] = (struct step){
		.action = action,
		.item = *item,
		.before = before ? *before : (struct item){.kind = item->kind},
	};
	return 0;
}

/*
 * New maps have to be filled, and what is attached then is replaced, in place, by what uses them. Entries that were there are
 * remembered all the same: most maps are the old generation's too.
 */
static bool programs_are_replaced(const struct items *observed, const struct items *wanted)
{
	static const struct item object = {.kind = ITEM_OBJECT};
	const struct item *old = items_find(observed, &object), *new = items_find(wanted, &object);

	return new && (!old || !value_fits(old, new));
}

/* Its interface is made anew, as another kind of tunnel: all that is on it goes and comes with it. */
static bool is_remade(const char *interface, const struct items *observed, const struct items *wanted)
{
	struct item link = {.kind = ITEM_LINK};
	const struct item *old, *new;

	memcpy(link.interface, interface, sizeof(link.interface));
	old = items_find(observed, &link);
	new = items_find(wanted, &link);
	return old && new && !value_fits(old, new);
}

/* The maps know interfaces by numbers, and one that is made gets a new one, whatever the maps said of it while it was gone. */
static bool links_are_made(const struct items *observed, const struct items *wanted)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (wanted->items[i].kind == ITEM_LINK &&
			(!items_find(observed, &wanted->items[i]) ||
				is_remade(wanted->items[i].interface, observed, wanted)))
			return true;
	return false;
}

static bool attachment_goes(const struct item *attachment, const struct items *wanted)
{
	const struct item *match = items_find(wanted, attachment);

	return !match || !mode_fits(attachment, match);
}

/* Between a program that goes and the one that comes nothing would admit what comes out of the tunnel. */
static bool tunnel_is_laid_bare(
	const char *interface, const struct items *observed, const struct items *wanted)
{
	static const enum program judges[] = {PROGRAM_TUNNEL_INGRESS, PROGRAM_LINK_INGRESS};
	struct item ingress = {.kind = ITEM_ATTACHMENT};
	const struct item *attached;

	memcpy(ingress.interface, interface, sizeof(ingress.interface));
	for (size_t i = 0; i < ARRAY_SIZE(judges); i++) {
		ingress.attachment.program = judges[i];
		attached = items_find(observed, &ingress);
		if (attached && attachment_goes(attached, wanted))
			return true;
	}
	return false;
}

/* The kernel takes the way along with its tunnel. */
static bool is_closed(const char *interface, const struct items *observed, const struct items *wanted)
{
	struct item open = {.kind = ITEM_OPEN};

	memcpy(open.interface, interface, sizeof(open.interface));
	return !items_find(wanted, &open) || tunnel_is_laid_bare(interface, observed, wanted);
}

static bool must_go(const struct item *item, const struct items *observed, const struct items *wanted)
{
	const struct item *match = items_find(wanted, item);

	if (item->foreign || kinds[item->kind].property)
		return false;
	if (is_remade(item->interface, observed, wanted))
		return true;
	if (item->kind == ITEM_ATTACHMENT)
		return attachment_goes(item, wanted);
	if (item->kind == ITEM_OPEN || item->kind == ITEM_WAY)
		return !match || is_closed(item->interface, observed, wanted);
	return !match || (!kinds[item->kind].in_place && !value_fits(item, match));
}

/* What is in the way goes first, in the reverse order of making. */
static int plan_removals(const struct items *observed, const struct items *wanted, struct plan *plan)
{
	for (int kind = ITEM_KINDS - 1; kind >= 0; kind--)
		for (size_t i = observed->count; i-- > 0;) {
			const struct item *item = &observed->items[i];
			int result = 0;

			if (item->kind == (enum item_kind)kind && must_go(item, observed, wanted))
				result = add_step(plan, STEP_REMOVE, item, NULL);
			if (result < 0)
				return result;
		}
	return 0;
}

static int plan_additions(
	const struct items *observed, const struct items *wanted, bool replaced, struct plan *plan)
{
	bool renumbered = links_are_made(observed, wanted);

	for (size_t i = 0; i < wanted->count; i++) {
		const struct item *item = &wanted->items[i];
		const struct item *old = items_find(observed, item);
		int result = 0;

		if (!old || must_go(old, observed, wanted) || is_remade(item->interface, observed, wanted))
			result = add_step(plan, STEP_ADD, item, NULL);
		else if (!value_fits(old, item) || (replaced && item->kind == ITEM_ATTACHMENT) ||
			 ((replaced || renumbered) && item->kind == ITEM_ENTRIES))
			result = add_step(plan, STEP_CHANGE, item, old);
		if (result < 0)
			return result;
	}
	return 0;
}

int plan_make(const struct items *observed, const struct model *model, struct plan *plan)
{
	_cleanup_(items_free) struct items wanted = {0};
	bool replaced;
	int result = 0;

	if (model)
		result = plan_wanted(model, &wanted);
	if (result < 0)
		return result;
	replaced = programs_are_replaced(observed, &wanted);
	result = plan_removals(observed, &wanted, plan);
	if (result == 0)
		result = plan_additions(observed, &wanted, replaced, plan);
	if (result < 0)
		plan_free(plan);
	return result;
}

void plan_leave_out(struct plan *plan, const char *interface)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->steps[i].item.interface, interface) != 0)
			plan->steps[kept++] = plan->steps[i];
	plan->count = kept;
}

void plan_free(struct plan *plan)
{
	free(plan->steps);
	*plan = (struct plan){0};
}
