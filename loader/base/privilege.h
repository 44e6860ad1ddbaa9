/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process may do, and what it may leave behind. gwd begins as root and keeps a few capabilities
 * (capabilities(7)); its children get the same few and no more, since an exec as root takes what the bounding set
 * still has.
 *
 * CAP_SYS_ADMIN is not among them, and yet the kernel lets nobody else ask for a program by its id, which is how
 * one learns what hangs on an interface. So gwd holds it permitted but not effective, and raises it around that
 * question.
 */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct privilege {
	int capability; /* the kernel's number */
	const char *name, *words;
	bool needed; /* else only some configurations want it */
};

extern const struct privilege privileges[];
extern const size_t privilege_count;

/* All of the table as bits. */
uint64_t privilege_kept(void);

/*
 * Gives up every other capability, for this process and its children. -EPERM with words when one that is needed is not
 * there. Call it once, before there are threads.
 */
int privilege_limit(struct error *error);

/*
 * No core dump of this process will hold keys, and nobody but root may look into it. Children have no core dumps
 * either.
 */
void privilege_no_core(void);

/* Makes CAP_SYS_ADMIN effective; true when that has changed something, which privilege_lower() then changes back. */
bool privilege_raise(void);
void privilege_lower(const bool *raised);
#define _cleanup_privilege_ __attribute__((cleanup(privilege_lower)))

#endif
