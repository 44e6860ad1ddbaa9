/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a gwd that does not listen just now of one line, again and again, until its ring of changes has no room left.
 *
 *     stuff RING
 */
#include <errno.h>
#include <stdio.h>

#include "tests/teller.h"

#define AT_ONCE 1024
#define MOST    (1 << 20) /* more changes than any ring takes */

int main(int argc, char **argv)
{
	const struct change change = {CHANGE_FLOW, 0};
	int ring = argc == 2 ? bpf_obj_get(argv[1]) : -1, program = ring < 0 ? -1 : load_teller(ring);
	int room = program < 0 ? -1 : 1;

	for (int told = 0; room > 0 && told < MOST; told += AT_ONCE)
		room = run_teller(program, &change, AT_ONCE);
	if (room < 0)
		fprintf(stderr, "stuff: %s: %s\n", argc == 2 ? argv[1] : "which ring?", strerror(errno));
	return room != 0;
}
