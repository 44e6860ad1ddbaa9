// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf_pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

#include "apply/bpf.h"
#include "base/cleanup.h"

struct pin pin_map(const char *pin_dir, const char *map)
{
	struct pin pin;

	snprintf(pin.path, sizeof(pin.path), "%s/%s", pin_dir, map);
	return pin;
}

struct pin pin_program(const char *pin_dir, const char *program)
{
	struct pin pin;

	snprintf(pin.path, sizeof(pin.path), "%s/" PROGRAMS_DIRECTORY "/%s", pin_dir, program);
	return pin;
}

struct pin pin_link(const char *pin_dir, const char *program, unsigned index)
{
	struct pin pin;

	snprintf(pin.path, sizeof(pin.path), "%s/" LINKS_DIRECTORY "/%s-%u", pin_dir, program, index);
	return pin;
}

int pin_open(const struct pin *pin, struct error *error)
{
	int descriptor = bpf_obj_get(pin->path);

	return descriptor < 0 ? error_errno(error, -errno, "%s", pin->path) : descriptor;
}

/* Both libraries print through a callback without a context, hence the one static buffer. What stands last matters most:
 * the verifier's verdict comes behind its trace. */
static char kept[8192];

static void keep(const char *format, va_list arguments)
{
	size_t used = strlen(kept);

	if (used > sizeof(kept) / 2) {
		memmove(kept, kept + used / 2, used - used / 2 + 1);
		used = strlen(kept);
	}
	vsnprintf(kept + used, sizeof(kept) - used, format, arguments);
}

static int keep_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN)
		keep(format, arguments);
	return 0;
}

static int keep_libxdp(enum libxdp_print_level level, const char *format, va_list arguments)
{
	if (level == LIBXDP_WARN)
		keep(format, arguments);
	return 0;
}

void bpf_words_keep(void)
{
	kept[0] = 0;
	libbpf_set_print(keep_libbpf);
	libxdp_set_print(keep_libxdp);
}

/* Lines become one. */
static void join_lines(char *text)
{
	size_t size = strlen(text);

	while (size > 0 && text[size - 1] == '\n')
		text[--size] = 0;
	for (; *text; text++)
		if (*text == '\n')
			*text = ';';
}

int bpf_words_error(struct error *error, int negative_errno, const char *what)
{
	size_t used = strlen(kept);
	const size_t most = 600;

	if (used == 0)
		return error_errno(error, negative_errno, "%s", what);
	join_lines(kept);
	return error_set(error, negative_errno, "%s: %s: %s", what, strerror(-negative_errno),
		used > most ? kept + used - most : kept);
}

void bpf_pins_here(const char *pin_dir)
{
	_cleanup_free_ char *copy = strdup(pin_dir);

	if (copy)
		setenv("LIBXDP_BPFFS", dirname(copy), false);
}
