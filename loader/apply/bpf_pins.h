/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are pinned, and libbpf's own words: shared by the bpf*.c files alone. */
#ifndef APPLY_BPF_PINS_H
#define APPLY_BPF_PINS_H

#include <stdint.h>

#include "base/error.h"

#define PIN_PATH_SIZE   256
#define LINKS_DIRECTORY "links"
#define CURRENT         "current" /* a symbolic link to the directory of the current generation */

struct pin {
	char path[PIN_PATH_SIZE];
};

struct pin pin_in(const char *directory, const char *name);
/* Of the current generation (apply/bpf_generation.h). */
struct pin pin_map(const char *pin_dir, const char *map);
struct pin pin_program(const char *pin_dir, const char *program);
/* By index: an interface's name may hold a dot, which bpffs does not take. */
struct pin pin_link(const char *pin_dir, const char *program, unsigned index);

int make_directory(const char *path, struct error *error);
/* With all that is in it. One that is not there is removed already. */
int remove_directory(const char *path, struct error *error);

/* Where its dispatcher works, libxdp makes its directory beside ours once a process, and misses it ever after. */
void bpf_pins_ready(void);
/* It leaves that directory behind: away with it, unless somebody else uses it. */
void bpf_pins_tidy(void);

/* A descriptor of a pinned object, or a negative errno with words. */
int pin_open(const struct pin *pin, struct error *error);

/* A descriptor of a program that may be pinned nowhere; -ENOENT: there is none. */
int bpf_program_by_id(uint32_t id);

/* From now on libbpf and libxdp keep their words instead of printing them. */
void bpf_words_keep(void);
/* error_errno() with the last of those words behind it. */
int bpf_words_error(struct error *error, int negative_errno, const char *what);

#endif
