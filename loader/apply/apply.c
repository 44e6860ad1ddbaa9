// SPDX-License-Identifier: Apache-2.0
#include "apply/apply.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bpf.h"
#include "apply/link.h"
#include "apply/private.h"
#include "apply/route.h"
#include "apply/sysctl.h"
#include "apply/tunnel.h"
#include "apply/wireguard.h"
#include "base/cleanup.h"
#include "base/log.h"

/* ---- Life -------------------------------------------------------------------------------------------------------- */

int apply_open(const char *pin_dir, const char *run_dir, struct apply **apply, struct error *error)
{
	_cleanup_(apply_close_pointer) struct apply *made = NULL;
	int result = -ENOMEM;

	if (sodium_init() < 0)
		return error_set(error, -EIO, "libsodium does not start: no source of random numbers?");
	made = calloc(1, sizeof(*made));
	if (made) {
		made->pin_dir = strdup(pin_dir);
		made->run_dir = strdup(run_dir);
		made->ipsec_log = -1;
		made->children = children_new();
	}
	if (made && made->pin_dir && made->run_dir && made->children)
		result = netlink_open(NETLINK_ROUTE, 0, &made->netlink);
	if (result < 0)
		return error_errno(error, result, "netlink");
	bpf_pins_here(pin_dir);
	*apply = TAKE_PTR(made);
	return 0;
}

void apply_close(struct apply *apply)
{
	if (!apply)
		return;
	netlink_close(apply->netlink);
	children_free(apply->children);
	close_descriptor(&apply->ipsec_log);
	free(apply->ipsec_cares);
	free(apply->pin_dir);
	free(apply->run_dir);
	free(apply);
}

struct children *apply_children(struct apply *apply)
{
	return apply->children;
}

const char *apply_pin_dir(const struct apply *apply)
{
	return apply->pin_dir;
}

/* ---- Effects: what each kind of item does ------------------------------------------------------------------------ */

typedef int effect(struct apply *apply, const struct item *item, struct error *error);

static int make_link(struct apply *apply, const struct item *item, struct error *error)
{
	if (item->role == LINK_HOME)
		return link_add_home(apply->netlink, item->interface, error);
	return tunnel_kind(item->role)->create(apply, item->interface, error);
}

static int remove_link(struct apply *apply, const struct item *item, struct error *error)
{
	if (item->role == LINK_HOME)
		return link_remove(apply->netlink, item->interface, error);
	return tunnel_kind(item->role)->remove(apply, item->interface, error);
}

static int set_sysctl(struct apply *apply, const struct item *item, struct error *error)
{
	(void)apply;
	return sysctl_write(
		item->sysctl.family, item->interface, item->sysctl.name, item->sysctl.value, error);
}

static int set_wireguard(struct apply *apply, const struct item *item, struct error *error)
{
	return wireguard_configure(apply->netlink, item, error);
}

static int set_ipsec(struct apply *apply, const struct item *item, struct error *error)
{
	return ipsec_configure(apply, item, error);
}

static int set_mtu(struct apply *apply, const struct item *item, struct error *error)
{
	return link_set_mtu(apply->netlink, item->interface, item->mtu, error);
}

static int set_up(struct apply *apply, const struct item *item, struct error *error)
{
	return link_set_up(apply->netlink, item->interface, true, error);
}

static int set_down(struct apply *apply, const struct item *item, struct error *error)
{
	return link_set_up(apply->netlink, item->interface, false, error);
}

static int open_tunnel(struct apply *apply, const struct item *item, struct error *error)
{
	return tunnel_open(apply, item->interface, error);
}

static int add_address(struct apply *apply, const struct item *item, struct error *error)
{
	return address_add(apply->netlink, item->interface, &item->address, error);
}

/* A tunnel that was closed may have lost it: conf/all/keep_addr_on_down = -1 overrules our setting. */
static int remove_address(struct apply *apply, const struct item *item, struct error *error)
{
	int result = address_remove(apply->netlink, item->interface, &item->address, error);

	return result == -EADDRNOTAVAIL ? 0 : result;
}

static int load_object(struct apply *apply, const struct item *item, struct error *error)
{
	return bpf_load(apply->pin_dir, item, error);
}

static int remove_object(struct apply *apply, const struct item *item, struct error *error)
{
	(void)item;
	return bpf_remove(apply->pin_dir, error);
}

static int fill_entries(struct apply *apply, const struct item *item, struct error *error)
{
	return bpf_fill(apply->pin_dir, apply->netlink, item->model, error);
}

static int attach_program(struct apply *apply, const struct item *item, struct error *error)
{
	return bpf_attach(apply->pin_dir, item, error);
}

static int detach_program(struct apply *apply, const struct item *item, struct error *error)
{
	return bpf_detach(apply->pin_dir, item, error);
}

static int add_neighbour(struct apply *apply, const struct item *item, struct error *error)
{
	return neighbour_add(apply->netlink, item, error);
}

static int remove_neighbour(struct apply *apply, const struct item *item, struct error *error)
{
	return neighbour_remove(apply->netlink, item, error);
}

static int add_route(struct apply *apply, const struct item *item, struct error *error)
{
	return route_add(apply->netlink, item, error);
}

static int remove_route(struct apply *apply, const struct item *item, struct error *error)
{
	return route_remove(apply->netlink, item, error);
}

static int add_rule(struct apply *apply, const struct item *item, struct error *error)
{
	return rule_add(apply->netlink, item, error);
}

static int remove_rule(struct apply *apply, const struct item *item, struct error *error)
{
	return rule_remove(apply->netlink, item, error);
}

/* `unmake` NULL: it goes with its interface or its map. */
static const struct {
	effect *make, *unmake;
} effects[ITEM_KINDS] = {
	[ITEM_LINK] = {make_link, remove_link},
	[ITEM_SYSCTL] = {set_sysctl, NULL},
	[ITEM_WIREGUARD] = {set_wireguard, NULL},
	[ITEM_IPSEC] = {set_ipsec, NULL},
	[ITEM_MTU] = {set_mtu, NULL},
	[ITEM_UP] = {set_up, set_down},
	[ITEM_ADDRESS] = {add_address, remove_address},
	[ITEM_OBJECT] = {load_object, remove_object},
	[ITEM_ENTRIES] = {fill_entries, NULL},
	[ITEM_ATTACHMENT] = {attach_program, detach_program},
	[ITEM_NEIGHBOUR] = {add_neighbour, remove_neighbour},
	[ITEM_ROUTE] = {add_route, remove_route},
	[ITEM_RULE] = {add_rule, remove_rule},
	[ITEM_OPEN] = {open_tunnel, set_down},
	[ITEM_WAY] = {add_route, remove_route},
};

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static int perform(struct apply *apply, effect *act, const struct item *item, struct error *error)
{
	return act ? act(apply, item, error) : 0;
}

static int do_step(struct apply *apply, const struct step *step, struct error *error)
{
	if (step->action == STEP_REMOVE)
		return perform(apply, effects[step->item.kind].unmake, &step->item, error);
	return perform(apply, effects[step->item.kind].make, &step->item, error);
}

/* What an interface is set to by a kind of item that does not hold it. */
static bool is_remembered(enum item_kind kind)
{
	return kind == ITEM_WIREGUARD || kind == ITEM_IPSEC;
}

static int restore_settings(
	struct apply *apply, const char *name, const struct memory *memory, struct error *error)
{
	if (memory->ipsec.size)
		return ipsec_restore(apply, name, &memory->ipsec, error);
	if (!memory->has_wireguard)
		return 0;
	return wireguard_restore(apply->netlink, name, &memory->wireguard, error);
}

/* What is told of a tunnel again names its interface by the number. */
static int remake_link(
	struct apply *apply, const struct item *link, const struct memory *memory, struct error *error)
{
	if (memory->if_id)
		return link_add_xfrm(apply->netlink, link->interface, memory->if_id, error);
	return make_link(apply, link, error);
}

/* An interface that was removed, with its settings in the order in which they are made. */
static int restore_link(
	struct apply *apply, const struct item *link, const struct memory *memory, struct error *error)
{
	int result = remake_link(apply, link, memory, error);

	for (enum item_kind kind = ITEM_SYSCTL; kind <= ITEM_UP && result == 0; kind++) {
		if (kind == ITEM_WIREGUARD)
			result = restore_settings(apply, link->interface, memory, error);
		for (size_t i = 0; i < memory->properties.count && result == 0; i++)
			if (!is_remembered(kind) && memory->properties.items[i].kind == kind)
				result = perform(
					apply, effects[kind].make, &memory->properties.items[i], error);
	}
	return result;
}

static int undo_step(
	struct apply *apply, const struct step *step, const struct memory *memory, struct error *error)
{
	switch (step->action) {
	case STEP_ADD:
		return perform(apply, effects[step->item.kind].unmake, &step->item, error);
	case STEP_CHANGE:
		if (is_remembered(step->item.kind))
			return restore_settings(apply, step->item.interface, memory, error);
		return perform(apply, effects[step->item.kind].make, &step->before, error);
	case STEP_REMOVE:
		if (step->item.kind == ITEM_LINK)
			return restore_link(apply, &step->item, memory, error);
		return perform(apply, effects[step->item.kind].make, &step->item, error);
	}
	return 0;
}

/*
 * The maps name interfaces by their numbers, and one that was removed and made again has another: so these come
 * last.
 */
static int undo_entries(struct apply *apply, const struct plan *plan, struct error *error)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].item.kind == ITEM_ENTRIES && plan->steps[i].action == STEP_CHANGE)
			return fill_entries(apply, &plan->steps[i].before, error);
	return 0;
}

static bool changes_generation(const struct step *step)
{
	return step->item.kind == ITEM_OBJECT && step->action == STEP_CHANGE;
}

/*
 * Entries are written into the current generation's maps. The old settings have the masks of the old tables, which are not for
 * programs of the new one that could not be replaced: so where there is a new one it is switched back first.
 */
static int undo_in_turn(struct apply *apply, const struct plan *plan, size_t i, const struct memory *memory,
	struct error *error)
{
	const struct step *step = &plan->steps[i];
	int result;

	if (step->item.kind == ITEM_ENTRIES && i > 0 && changes_generation(step - 1))
		return 0;
	result = undo_step(apply, step, memory, error);
	return result == 0 && changes_generation(step) ? undo_entries(apply, plan, error) : result;
}

static void undo(struct apply *apply, const struct plan *plan, const struct memory *memories, size_t done)
{
	struct error error = {0};
	char text[STEP_TEXT_SIZE];

	while (done-- > 0)
		if (undo_in_turn(apply, plan, done, &memories[done], &error) < 0)
			log_warning("undoing \"%s\": %s", step_format(&plan->steps[done], text), error.text);
	if (undo_entries(apply, plan, &error) < 0)
		log_warning("undoing the map entries: %s", error.text);
}

static int run_step(
	struct apply *apply, const struct step *step, struct memory *memory, bool fails, struct error *error)
{
	int result = memory_take(apply, step, memory, error);

	if (result == 0 && fails)
		result = error_set(error, -EIO, "made to fail by a test");
	return result == 0 ? do_step(apply, step, error) : result;
}

static int run_steps(struct apply *apply, const struct plan *plan, struct memory *memories,
	void (*say)(void *to, const char *words), void *to, struct error *error)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct error cause = {0};
		char text[STEP_TEXT_SIZE];
		int result;

		step_format(&plan->steps[i], text);
		if (say)
			say(to, text);
		result = run_step(apply, &plan->steps[i], &memories[i], i + 1 == apply->fail_at, &cause);
		if (result == 0)
			continue;
		undo(apply, plan, memories, i);
		return error_set(error, result, "%s: %s", text, cause.text);
	}
	return bpf_settle(apply->pin_dir, error);
}

int apply_run(struct apply *apply, const struct plan *plan, void (*say)(void *to, const char *words),
	void *to, struct error *error)
{
	struct memory *memories = calloc(plan->count + 1, sizeof(*memories));
	int result;

	if (!memories)
		return error_errno(error, -ENOMEM, "running the plan");
	result = run_steps(apply, plan, memories, say, to, error);
	for (size_t i = 0; i < plan->count; i++)
		memory_forget(&memories[i]);
	free(memories);
	return result;
}

int apply_remove_birds_routes(struct apply *apply, const struct model *model, struct error *error)
{
	return routes_remove_birds(apply->netlink, model, error);
}
