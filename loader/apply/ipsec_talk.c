// SPDX-License-Identifier: Apache-2.0
/*
 * A charon that hangs holds nobody up for long: who finds it silent remembers that, and for a while nobody asks it anything.
 * That it is silent is no word on its tunnel, which may well go on; but one that stays so is killed, and another started. That
 * costs every tunnel of it some seconds, and one that only gets no processor is silent too: so it has time to come back.
 */
#include "apply/ipsec.h"

#include <errno.h>
#include <string.h>

#include "apply/private.h"
#include "base/clock.h"
#include "base/log.h"

#define SILENCE_MS    1500 /* shorter than until the next look */
#define SILENCES_MOST 10   /* of looks 2 s apart */

bool ipsec_is_silent(const struct apply *apply)
{
	return now_ms() < apply->ipsec_silent_until_ms;
}

int ipsec_heard(struct apply *apply, int result)
{
	if (result == -EAGAIN) {
		apply->ipsec_silent_until_ms = now_ms() + SILENCE_MS;
	} else if (result == 0) {
		apply->ipsec_silent_until_ms = 0;
		apply->ipsec_silences = 0;
	}
	return result;
}

int ipsec_tell(struct apply *apply, const struct vici *stream, struct error *error)
{
	char path[IPSEC_PATH_SIZE];

	if (ipsec_is_silent(apply))
		return error_set(error, -EAGAIN, "charon does not answer");
	return ipsec_heard(apply, vici_tell(ipsec_path(apply, "vici", path), stream, error));
}

int ipsec_ask(
	struct apply *apply, const struct vici *command, const char *event, vici_visit *visit, void *context)
{
	char path[IPSEC_PATH_SIZE];

	if (ipsec_is_silent(apply))
		return -EAGAIN;
	return ipsec_heard(
		apply, vici_ask(ipsec_path(apply, "vici", path), command, event, visit, context, NULL));
}

void ipsec_bear_silence(struct apply *apply)
{
	if (++apply->ipsec_silences >= SILENCES_MOST)
		ipsec_end_silence(apply);
}

void ipsec_end_silence(struct apply *apply)
{
	pid_t pid = ipsec_charon_pid(apply);

	if (pid <= 0)
		return;
	log_warning("charon (pid %d) does not answer: it is killed, and another started where there "
		    "is a tunnel",
		pid);
	process_kill(pid, 0);
	apply->ipsec_silences = 0;
	apply->ipsec_silent_until_ms = 0;
}
