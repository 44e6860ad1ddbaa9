// SPDX-License-Identifier: Apache-2.0
/*
 * Why a tunnel does not come up, charon says in its log alone: it is listened to, and its last complaint of each tunnel kept.
 * Of a peer whose first words fit no connection it cannot say whose they were: that is everybody's who is not well.
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

/* A line of the log: whose it is stands before its words. */
struct line {
	struct apply *apply;
	char name[64];
};

static void blame(const struct line *line, const char *words)
{
	bool is_known = false;

	for (size_t i = 0; i < line->apply->ipsec_care_count; i++)
		is_known |= strcmp(line->apply->ipsec_cares[i].name, line->name) == 0;
	for (size_t i = 0; i < line->apply->ipsec_care_count; i++) {
		struct ipsec_care *care = &line->apply->ipsec_cares[i];

		if (!is_known || strcmp(care->name, line->name) == 0)
			snprintf(care->error, sizeof(care->error), "%.127s", words);
	}
}

static void note_words(void *context, const char *path, const char *value)
{
	struct line *line = context;

	if (strcmp(path, "group") == 0) /* the first of a line */
		*line->name = '\0';
	else if (strcmp(path, "ikesa-name") == 0)
		snprintf(line->name, sizeof(line->name), "%.63s", value);
	else if (strcmp(path, "msg") == 0 && complains(value))
		blame(line, value);
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

/*
 * charon keeps for its listener what that has not read, however much it is, and any stranger makes it talk. So who is behind
 * hangs up, and listens again when tunnels are looked at next (ipsec_tend()).
 */
void ipsec_hear(struct apply *apply)
{
	struct line line = {.apply = apply};

	if (apply->ipsec_log >= 0 && vici_hear(apply->ipsec_log, note_words, &line) != 0)
		stop_listening(apply);
}
