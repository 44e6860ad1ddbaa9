/* SPDX-License-Identifier: Apache-2.0 */
/* gwd's command line: one table, from which getopt, the help and gwd(8) come. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
	const char *config, *run_dir, *pin_dir;
	bool check, print, doctor, json;
};

struct option_row {
	const char *name, *argument, *words;
	char letter; /* -c is --config */
};

extern const struct option_row option_rows[];
extern const size_t option_count;

/* -1: go on with what `options` says; else the exit status, and everything has been said. */
int options_parse(int argc, char **argv, struct options *options);

#endif
