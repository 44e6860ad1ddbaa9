/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: gateway.yaml becomes a model, or a list of everything that is wrong with it.
 *
 *	bytes ─► yaml.c ─► schema.c ─► read.c ─► check.c ─► order.c ─► struct model ─► print.c
 *	         keys,     libcyaml    scalars   what must  sorted                    canonical
 *	         kinds     into slots  to values fit                                  YAML
 *
 * One table, settings.c, says which keys there are, of which type, with which limits and default; all of these
 * passes and the printer walk it. Nobody stops at the first error: yaml.c cuts out what it has reported, libcyaml
 * (which would stop, with a misleading line) gets the rest, and a value that could not be read is left empty and
 * passed over by later checks. Only what is no YAML of ours at all (syntax, a tag, an anchor, a second document)
 * ends the review at once.
 *
 * Problems never quote what stands in a key or password file, nor a value that should have been the name of one.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stddef.h>
#include <stdio.h>

#include "model.h"

#define CONF_SIZE_MAX (1024 * 1024) /* bytes of a configuration */

struct conf_problem {
	unsigned line; /* 1..; 0: about the file as a whole */
	char *key;     /* "tunnels[1].wireguard.listen_port"; "": about no key */
	char *text;    /* what is wrong, and what to write instead */
};

struct conf_problems {
	char *file;
	struct conf_problem *items; /* sorted by line */
	size_t count;
};

/*
 * Both answer 0 and a model that the caller owns (model_free()), or -EINVAL and the problems, or another negative
 * errno (the file cannot be read, no memory) and one problem that says so; *model is NULL then. `problems` is
 * filled in any case and is the caller's to free. conf_parse() touches no file: `name` is what problems call the
 * bytes.
 */
int conf_read(const char *path, struct model **model, struct conf_problems *problems);
int conf_parse(const char *bytes, size_t size, const char *name, struct model **model,
	struct conf_problems *problems);

/*
 * Looks at the files a model names: each is there, a regular file, for its owner alone (0600 or less), and a
 * WireGuard key is 32 bytes in base64. 0, or -EINVAL and the problems (their lines are 0). Contents are never
 * shown.
 */
int conf_check_files(const struct model *model, const char *name, struct conf_problems *problems);

/* Canonical YAML: every key in the table's order, defaults written out. Parses to the same model. 0, or -EIO. */
int conf_print(const struct model *model, FILE *out);

/* "file:line: key: text", a line a problem. */
void conf_problems_print(const struct conf_problems *problems, FILE *out);
void conf_problems_free(struct conf_problems *problems);

#endif
