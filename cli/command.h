/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gwctl's commands. Two tables say everything: the commands (command.c) and the flags (arguments.c). The parser checks
 * against them, the help is printed from them, so that neither can drift from what is done.
 *
 *	gwctl.c      parse, run, repeat (--watch), exit
 *	command.c    the table of commands       arguments.c   the table of flags, the parser
 *	help.c       help at every level         connection.c  a request to gwd and its rows
 *	complete.c   completion for the shell
 *	view.c       rows into aligned text      report.c      JSON documents, and errors in words or JSON
 *	status.c flow.c explain.c device.c tunnel.c bgp.c probe.c map.c config.c gateway.c stats.c
 *	events.c doctor.c apply.c    a noun each (apply.c changes the configuration);   gwd.c   what is asked of the program gwd itself
 *
 * gwctl knows gwd by ctl/protocol.h only. Names of states, reasons and everything else come from gwd in JSON.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "ctl/protocol.h"

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

#define SELECTOR_MAX 3

/* What the command line says. Texts are borrowed from argv. */
struct invocation {
	const struct command *command; /* NULL: help was asked for, of `object` or of everything */
	const char *object;
	const char *selector[SELECTOR_MAX];
	size_t selector_count;
	bool help, json, no_headers, volatile_too, all, no_follow, from_uplink, icmp_error;
	const char *run_dir;
	uint32_t timeout_ms; /* 0: the command's own */
	uint32_t watch_ms;   /* 0: once */
	uint32_t confirm_ms; /* 0: for good */
	uint32_t wait_ms;    /* 0: not at all */
	enum color_mode color;
	const char *provider, *tunnel, *gateway, *address, *port, *state;
	const char *to;
	const char *from_tunnel, *from_lan, *fragment, *size, *hops; /* numbers are checked to be such */
};

/* Sets of flags that a command takes; every command takes FLAGS_ALWAYS. */
enum flag_set {
	FLAGS_ALWAYS = 1,
	FLAGS_DAEMON = 2, /* asks the daemon */
	FLAGS_WATCH = 4,
	FLAGS_TABLE = 8, /* has headings */
	FLAGS_PROVIDER = 16,
	FLAGS_WAY = 32,
	FLAGS_FLOW = 64,
	FLAGS_VOLATILE = 128,
	FLAGS_ALL = 256,
	FLAGS_FOLLOW = 1024,
	FLAGS_PACKET = 2048,
	FLAGS_CONFIRM = 4096,
	FLAGS_WAIT = 8192,
	FLAGS_TO = 16384,
};

struct command {
	const char *object;
	const char *verb; /* NULL: the object stands alone */
	const char *
		selector; /* as the help shows it, a word an argument; in brackets: may be left out; NULL: none */
	unsigned flags;                                  /* enum flag_set */
	uint32_t timeout_ms;                             /* how long gwd may say nothing */
	int (*run)(const struct invocation *invocation); /* answers an enum reply_code: the exit status */
	const char *words;
};

struct flag {
	const char *name;  /* without its dashes */
	const char *value; /* as the help shows it; NULL: takes none; "[=…]": may be left out */
	int (*apply)(struct invocation *invocation, const char *value, struct error *error);
	const char *words;
	enum flag_set set;
	char letter; /* 0: none */
};

extern const struct command commands[];
extern const size_t command_count;
extern const struct flag flags[];
extern const size_t flag_count;

/* NULL: there is none. An object without verbs is found whatever the verb (NULL: none was said). */
const struct command *command_find(const char *object, const char *verb);
/* The flag of --name, --name=value or -l, and the value in it, else NULL. */
const struct flag *flag_find(const char *argument, const char **value);
bool flag_value_optional(const struct flag *flag);

/* How many words the selector takes. */
size_t command_selector_count(const struct command *command);

/* REPLY_FINE, or REPLY_USAGE with words. The arguments, without the program's name, end with NULL. */
enum reply_code arguments_parse(char **arguments, struct invocation *invocation, struct error *error);

/* The whole of gwctl (object NULL), one object, or one command. */
void help_print(FILE *stream, const char *object, const struct command *command);

#endif
