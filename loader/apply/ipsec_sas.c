// SPDX-License-Identifier: Apache-2.0
/*
 * What charon says of its security associations. While one is exchanged for another there are several: the best is told,
 * one that stands with packets going by it, of those the newest.
 */
#include "apply/ipsec.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct search {
	struct ipsec_status now, best;
	bool any;
};

/* Paths are "NAME/state" and "NAME/child-sas/NAME-1/state". */
static void note_ike(struct ipsec_status *status, const char *key, const char *value)
{
	if (strcmp(key, "state") == 0)
		snprintf(status->ike, sizeof(status->ike), "%.23s", value);
	else if (strcmp(key, "established") == 0)
		status->ike_age_ms = strtoull(value, NULL, 10) * 1000;
	else if (strcmp(key, "rekey-time") == 0)
		status->ike_rekey_ms = strtoll(value, NULL, 10) * 1000;
	else if (strcmp(key, "reauth-time") == 0)
		status->reauthenticate_ms = strtoll(value, NULL, 10) * 1000;
}

static void note_child(struct ipsec_status *status, const char *key, const char *value)
{
	if (strcmp(key, "state") == 0)
		snprintf(status->esp, sizeof(status->esp), "%.23s", value);
	else if (strcmp(key, "install-time") == 0)
		status->esp_age_ms = strtoull(value, NULL, 10) * 1000;
	else if (strcmp(key, "rekey-time") == 0)
		status->esp_rekey_ms = strtoll(value, NULL, 10) * 1000;
	else if (strcmp(key, "bytes-in") == 0)
		status->received_bytes = strtoull(value, NULL, 10);
	else if (strcmp(key, "bytes-out") == 0)
		status->sent_bytes = strtoull(value, NULL, 10);
}

static unsigned rank(const struct ipsec_status *status)
{
	return (strcmp(status->ike, "ESTABLISHED") == 0 ? 2 : 0) +
	       (strcmp(status->esp, "INSTALLED") == 0 ? 1 : 0);
}

static void consider(struct search *search)
{
	struct ipsec_status *now = &search->now, *best = &search->best;

	if (!*best->ike || rank(now) > rank(best) ||
		(rank(now) == rank(best) && now->ike_age_ms < best->ike_age_ms))
		*best = *now;
}

static void note(void *context, const char *path, const char *value)
{
	struct search *search = context;
	const char *key = strrchr(path, '/');

	if (!key)
		return;
	key++;
	if (strstr(path, "/child-sas/")) {
		note_child(&search->now, key, value);
		return;
	}
	/* The first of each. */
	if (strcmp(key, "uniqueid") == 0) {
		if (search->any)
			consider(search);
		search->any = true;
		search->now = (struct ipsec_status){
			.ike_rekey_ms = -1, .reauthenticate_ms = -1, .esp_rekey_ms = -1};
	}
	note_ike(&search->now, key, value);
}

bool ipsec_sas(struct apply *apply, const char *name, struct ipsec_status *status)
{
	_cleanup_(vici_free) struct vici command = {0};
	struct search search = {0};

	vici_command(&command, "list-sas");
	vici_value(&command, "ike", name);
	if (ipsec_ask(apply, &command, "list-sa", note, &search) < 0 || !search.any)
		return false;
	consider(&search);
	*status = search.best;
	return true;
}
