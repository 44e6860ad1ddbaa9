// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "ctl/protocol.h"

const struct option_row option_rows[] = {
	{"config", "FILE", "the configuration (default /etc/homeward/gateway.yaml)", 'c'},
	{"run-dir", "DIR", "control socket and generated files (default /run/homeward)", 'r'},
	{"pin-dir", "DIR", "BPF maps and links, on a bpffs (default /sys/fs/bpf/homeward)", 'p'},
	{"check", "FILE", "say everything that is wrong with a configuration and exit: 0 valid, 6 not", 'k'},
	{"print", NULL, "with --check: also print it in its canonical form", 'P'},
	{"doctor", NULL,
		"say what in this machine would hurt a gateway of FILE, and exit: 0, or 1 with a problem",
		'd'},
	{"json", NULL, "with --doctor: as JSON", 'j'},
	{"help", NULL, "this text", 'h'},
	{"version", NULL, "the version", 'V'},
};
const size_t option_count = ARRAY_SIZE(option_rows);

static void print_help(void)
{
	printf("gwd: the daemon of a Homeward gateway\n\nusage: gwd [-c FILE] [--run-dir DIR] [--pin-dir "
	       "DIR]\n"
	       "       gwd --check FILE [--print]\n"
	       "       gwd --doctor [--json] [FILE]\n\n");
	for (size_t i = 0; i < option_count; i++)
		printf("  -%c, --%-8s %-5s %s\n", option_rows[i].letter, option_rows[i].name,
			option_rows[i].argument ? option_rows[i].argument : "", option_rows[i].words);
	printf("\nIt runs in the foreground and logs to standard error. `gwctl gateway stop` ends it and "
	       "removes all\n"
	       "that it made; a signal ends only the daemon, and traffic goes on.\n");
}

/* -1: go on; else the exit status. */
static int take_option(struct options *options, int letter)
{
	switch (letter) {
	case 'c':
		options->config = optarg;
		return -1;
	case 'r':
		options->run_dir = optarg;
		return -1;
	case 'p':
		options->pin_dir = optarg;
		return -1;
	case 'k':
		options->check = true;
		options->config = optarg;
		return -1;
	case 'P':
		options->print = true;
		return -1;
	case 'd':
		options->doctor = true;
		return -1;
	case 'j':
		options->json = true;
		return -1;
	case 'h':
		print_help();
		return REPLY_FINE;
	case 'V':
		puts(VERSION);
		return REPLY_FINE;
	default:
		return REPLY_USAGE;
	}
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct option table[ARRAY_SIZE(option_rows) + 1] = {0};
	char letters[2 * ARRAY_SIZE(option_rows) + 1] = "";
	int letter, status;

	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];

		table[i] = (struct option){
			row->name, row->argument ? required_argument : no_argument, NULL, row->letter};
		sprintf(letters + strlen(letters), row->argument ? "%c:" : "%c", row->letter);
	}
	while ((letter = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		status = take_option(options, letter);
		if (status == REPLY_USAGE)
			fprintf(stderr, "try: gwd --help\n");
		if (status >= 0)
			return status;
	}
	if (options->doctor && optind + 1 == argc)
		options->config = argv[optind++];
	if (optind == argc && options->check >= options->print && options->doctor >= options->json)
		return -1;
	if (optind < argc)
		fprintf(stderr, "gwd: unexpected argument \"%s\"; try: gwd --help\n", argv[optind]);
	else
		fprintf(stderr, "gwd: --print goes with --check FILE, --json with --doctor\n");
	return REPLY_USAGE;
}
