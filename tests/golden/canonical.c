// SPDX-License-Identifier: Apache-2.0
/*
 * canonical FILE: the configuration in its canonical form on standard output, or its problems on standard error and
 * status 6. What `gwd --check FILE --print` does, but for the files that the configuration names: golden files have
 * none.
 */
#include "conf/conf.h"

#define STATUS_INVALID 6

int main(int argc, char **argv)
{
	struct conf_problems problems;
	struct model *model;
	int r;

	if (argc != 2)
		return 2;
	r = conf_read(argv[1], &model, &problems);
	conf_problems_print(&problems, stderr);
	conf_problems_free(&problems);
	if (r == 0)
		r = conf_print(model, stdout);
	model_free(model);
	return r < 0 ? STATUS_INVALID : 0;
}
