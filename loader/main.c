// SPDX-License-Identifier: Apache-2.0
/*
 * gwd, the daemon of one gateway: what its command line asks for, and no more. What it does while it runs stands in
 * daemon.c. Exit statuses are gwctl's (ctl/protocol.h): 0 fine, 1 failed, 2 usage, 6 configuration invalid or unreadable.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ctl/protocol.h"
#include "daemon.h"
#include "model.h"

struct options {
	const char *config, *run_dir, *pin_dir;
	bool check, print;
};

/* The one list of options: getopt's table and the help come from it. */
static const struct option_row {
	const char *name, *argument, *words;
	char letter;
} option_rows[] = {
	{"config", "FILE", "the configuration (default /etc/homeward/gateway.yaml)", 'c'},
	{"run-dir", "DIR", "control socket and generated files (default /run/homeward)", 'r'},
	{"pin-dir", "DIR", "BPF maps and links, on a bpffs (default /sys/fs/bpf/homeward)", 'p'},
	{"check", "FILE", "say everything that is wrong with a configuration and exit: 0 valid, 6 not", 'k'},
	{"print", NULL, "with --check: also print it in its canonical form", 'P'},
	{"help", NULL, "this text", 'h'},
	{"version", NULL, "the version", 'V'},
};

static void print_help(void)
{
	printf("gwd: the daemon of a Homeward gateway\n\nusage: gwd [-c FILE] [--run-dir DIR] [--pin-dir "
	       "DIR]\n"
	       "       gwd --check FILE [--print]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++)
		printf("  --%-8s %-5s %s\n", option_rows[i].name,
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

static int parse_options(int argc, char **argv, struct options *options)
{
	struct option table[ARRAY_SIZE(option_rows) + 1] = {0};
	int letter, status;

	for (size_t i = 0; i < ARRAY_SIZE(option_rows); i++)
		table[i] = (struct option){option_rows[i].name,
			option_rows[i].argument ? required_argument : no_argument, NULL,
			option_rows[i].letter};
	while ((letter = getopt_long(argc, argv, "c:h", table, NULL)) != -1) {
		status = take_option(options, letter);
		if (status == REPLY_USAGE)
			fprintf(stderr, "try: gwd --help\n");
		if (status >= 0)
			return status;
	}
	if (optind == argc && (options->check || !options->print))
		return -1;
	if (optind < argc)
		fprintf(stderr, "gwd: unexpected argument \"%s\"; try: gwd --help\n", argv[optind]);
	else
		fprintf(stderr, "gwd: --print goes with --check FILE\n");
	return REPLY_USAGE;
}

/* The model of a file whose named key files are in order too; NULL when the problems were printed. */
static struct model *read_configuration(const char *path)
{
	struct conf_problems problems;
	struct model *model;
	int r = conf_read(path, &model, &problems);

	if (r == 0) {
		conf_problems_free(&problems);
		r = conf_check_files(model, path, &problems);
	}
	conf_problems_print(&problems, stderr);
	conf_problems_free(&problems);
	if (r < 0) {
		model_free(model);
		return NULL;
	}
	return model;
}

int main(int argc, char **argv)
{
	struct options options = {
		.config = "/etc/homeward/gateway.yaml",
		.run_dir = "/run/homeward",
		.pin_dir = "/sys/fs/bpf/homeward",
	};
	_cleanup_(model_free_pointer) struct model *model = NULL;
	struct error error;
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	model = read_configuration(options.config);
	if (!model)
		return REPLY_INVALID;
	if (options.check)
		return options.print && conf_print(model, stdout) < 0 ? REPLY_DEGRADED : REPLY_FINE;
	log_set_level(model->log);
	if (daemon_run(model, options.run_dir, options.pin_dir, &error) < 0) {
		log_error("%s", error.text);
		return REPLY_DEGRADED;
	}
	return REPLY_FINE;
}
