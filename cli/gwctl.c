// SPDX-License-Identifier: Apache-2.0
/* gwctl: parse, run, repeat, exit. Everything else is in the tables and the nouns: command.h. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "cli/report.h"

static void wait_ms(uint32_t milliseconds)
{
	struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static int run(const struct invocation *invocation)
{
	const char *clear = isatty(STDOUT_FILENO) && !invocation->json ? "\033[H\033[2J" : "";
	int code;

	if (invocation->watch_ms == 0)
		return invocation->command->run(invocation);
	do {
		fputs(clear, stdout);
		code = invocation->command->run(invocation);
		fflush(stdout);
		wait_ms(invocation->watch_ms);
	} while ((code == REPLY_FINE || code == REPLY_DEGRADED) && !ferror(stdout));
	return code;
}

int main(int count, char **arguments)
{
	struct invocation invocation;
	struct error error;
	enum reply_code code;

	if (count > 1 && strcmp(arguments[1], "--complete") == 0)
		return complete(arguments + 2, stdout);
	code = arguments_parse(arguments + (count > 0), &invocation, &error);
	if (code != REPLY_FINE) {
		report(&invocation, code, &error);
		if (!invocation.json)
			fputs("gwctl --help says what there is\n", stderr);
		return code;
	}
	if (invocation.help) {
		help_print(stdout, invocation.object, invocation.command);
		return REPLY_FINE;
	}
	return run(&invocation);
}
