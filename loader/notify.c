// SPDX-License-Identifier: Apache-2.0
#include "notify.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"

#define WORDS_SIZE 512

static void append(char *text, size_t size, const char *before, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", before, word);
}

const char *notify_words(const struct status *status, char *text, size_t size)
{
	size_t usable = 0;
	const char *before = "announced: ";

	for (size_t i = 0; i < status->model->tunnel_count; i++)
		usable += status->tunnels[i].usable;
	snprintf(text, size, "%zu of %zu tunnels usable, ", usable, status->model->tunnel_count);
	for (size_t i = 0; i < status->model->loopback_count; i++) {
		if (!status->loopbacks[i].announced)
			continue;
		append(text, size, before, status->loopbacks[i].loopback->name);
		before = ", ";
	}
	if (strcmp(before, ", ") != 0)
		append(text, size, "", "no loopback announced");
	return text;
}

void notify_ready(sd_event *event, const struct status *status)
{
	char words[WORDS_SIZE];
	int r = sd_event_set_watchdog(event, true);

	if (r < 0)
		log_warning("the service manager's watchdog cannot be fed: %s", strerror(-r));
	sd_notifyf(0, "READY=1\nSTATUS=%s", notify_words(status, words, sizeof(words)));
}

void notify_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void notify_status(const struct status *status)
{
	static char told[WORDS_SIZE];
	char words[WORDS_SIZE];

	if (strcmp(notify_words(status, words, sizeof(words)), told) == 0)
		return;
	memcpy(told, words, sizeof(told));
	sd_notifyf(0, "STATUS=%s", words);
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=the daemon goes, traffic goes on");
}
