// SPDX-License-Identifier: Apache-2.0
/*
 * Why a tunnel does not come up, charon says in its log alone: it is listened to, and its last complaint kept. There is one
 * IPsec tunnel, so whatever it complains of is that tunnel's; also of a peer whose first words fit no connection.
 */
#include "apply/ipsec.h"

#include <string.h>
#include <unistd.h>

#include "apply/private.h"
#include "base/cleanup.h"

static const char *const signs[] = {"fail", "error", "mismatch", "giving up", "no matching", "not found",
	"no shared key", "no trusted", "unable to", "invalid", "no private key", "no proposal",
	"peer not responding", "NO_PROPOSAL"};

static bool complains(const char *words)
{
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (strcasestr(words, signs[i]))
			return true;
	return false;
}

static void note_words(void *context, const char *path, const char *value)
{
	struct apply *apply = context;

	if (strcmp(path, "msg") == 0 && complains(value))
		snprintf(apply->ipsec_error, sizeof(apply->ipsec_error), "%.127s", value);
}

static void stop_listening(struct apply *apply)
{
	close_descriptor(&apply->ipsec_log);
	apply->ipsec_log = -1;
}

void ipsec_listen(struct apply *apply)
{
	char path[IPSEC_PATH_SIZE];

	if (apply->ipsec_log < 0 && !ipsec_is_silent(apply) &&
		access(ipsec_path(apply, "vici", path), F_OK) == 0)
		apply->ipsec_log = vici_listen(path, "log");
	if (apply->ipsec_log < 0)
		ipsec_heard(apply, apply->ipsec_log);
}

void ipsec_hear(struct apply *apply)
{
	if (apply->ipsec_log >= 0 && vici_hear(apply->ipsec_log, note_words, apply) < 0)
		stop_listening(apply);
}
