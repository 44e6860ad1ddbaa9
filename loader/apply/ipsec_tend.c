// SPDX-License-Identifier: Apache-2.0
/*
 * Tending: charon begins by itself what it lost, but gives up where the peer refuses, and after a close. Such a tunnel is
 * begun anew, less and less often, from a second on to a minute, and never in step with others: a peer whose configuration is
 * wrong is not to be asked for ever at the rate of one that just restarts. Another configuration, or success, begins anew.
 */
#include "apply/ipsec.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "apply/private.h"
#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define LOOK_EACH_MS   5000 /* at one that is well, or being begun */
#define SILENT_EACH_MS 2000

struct ipsec_care *ipsec_care(struct apply *apply, const char *name)
{
	struct ipsec_care *cares;

	for (size_t i = 0; i < apply->ipsec_care_count; i++)
		if (strcmp(apply->ipsec_cares[i].name, name) == 0)
			return &apply->ipsec_cares[i];
	cares = reallocarray(apply->ipsec_cares, apply->ipsec_care_count + 1, sizeof(*cares));
	if (!cares)
		return NULL;
	apply->ipsec_cares = cares;
	cares += apply->ipsec_care_count++;
	*cares = (struct ipsec_care){0};
	snprintf(cares->name, sizeof(cares->name), "%s", name);
	return cares;
}

void ipsec_care_forget(struct apply *apply, const char *name)
{
	for (size_t i = 0; i < apply->ipsec_care_count; i++)
		if (strcmp(apply->ipsec_cares[i].name, name) == 0) {
			apply->ipsec_cares[i] = apply->ipsec_cares[--apply->ipsec_care_count];
			return;
		}
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

static bool is_under_way(const struct ipsec_status *status)
{
	return *status->esp || strcmp(status->ike, "ESTABLISHED") != 0;
}

bool ipsec_is_due(struct ipsec_care *care, const struct ipsec_status *status, uint64_t now, uint32_t chance)
{
	if (status && is_under_way(status)) {
		if (*status->esp)
			care->wait_ms = 0;
		return false;
	}
	if (now < care->begin_ms)
		return false;
	care->wait_ms = backoff_next(care->wait_ms, 0);
	care->begin_ms = now + care->wait_ms + chance % care->wait_ms;
	return true;
}

uint64_t ipsec_next_look(const struct ipsec_care *care, uint64_t now)
{
	uint64_t next = now + LOOK_EACH_MS;

	return care->begin_ms > now && care->begin_ms < next ? care->begin_ms : next;
}

static void tend(struct apply *apply, const struct tunnel *tunnel, struct ipsec_care *care)
{
	struct ipsec_status status = {0};
	struct error error;
	bool is_there;

	if (!address_is_set(&tunnel->ipsec.remote))
		return;
	is_there = ipsec_sas(apply, tunnel->name, &status);
	if (!is_there && ipsec_is_silent(apply))
		return;
	if (ipsec_is_due(care, is_there ? &status : NULL, now_ms(), randombytes_random()) &&
		begin(apply, tunnel->name, &error) < 0)
		log_warning("%s: %s", tunnel->name, error.text);
}

/* False: charon is silent, and there is no use in asking on. */
static bool look(struct apply *apply, const struct tunnel *tunnel)
{
	struct ipsec_care *care = ipsec_care(apply, tunnel->name);
	int known;

	if (!care || now_ms() < care->due_ms)
		return true;
	known = ipsec_knows(apply, tunnel->name);
	if (known > 0)
		tend(apply, tunnel, care);
	care->due_ms = known < 0 ? 0 : ipsec_next_look(care, now_ms());
	return known >= 0;
}

void ipsec_tend(struct apply *apply, const struct model *model)
{
	ipsec_hear(apply);
	if (now_ms() < apply->ipsec_due_ms)
		return;
	ipsec_listen(apply);
	for (size_t i = 0; i < model->tunnel_count; i++) {
		if (!model->tunnels[i].ipsec.enabled || look(apply, &model->tunnels[i]))
			continue;
		apply->ipsec_due_ms = now_ms() + SILENT_EACH_MS;
		ipsec_bear_silence(apply);
		break;
	}
}
