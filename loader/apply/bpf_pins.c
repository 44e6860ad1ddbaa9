// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf_pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xdp/libxdp.h>

#include "apply/bpf.h"
#include "base/cleanup.h"
#include "bpf/gateway.skel.h"
#include "bpf/uplink_xdp.skel.h"

/* A path that is too long becomes none, which every user of it refuses. */
static struct pin __attribute__((format(printf, 2, 3))) pin_at(const char *directory, const char *format, ...)
{
	struct pin pin;
	va_list arguments;
	int used = snprintf(pin.path, sizeof(pin.path), "%s/", directory), more = -1;

	va_start(arguments, format);
	if (used < (int)sizeof(pin.path))
		more = vsnprintf(pin.path + used, sizeof(pin.path) - used, format, arguments);
	va_end(arguments);
	if (more < 0 || used + more >= (int)sizeof(pin.path))
		pin.path[0] = 0;
	return pin;
}

struct pin pin_map(const char *pin_dir, const char *map)
{
	return pin_at(pin_dir, "%s", map);
}

static uint64_t digest(void)
{
	crypto_generichash_state state;
	size_t gateway_size, uplink_size;
	const void *gateway = gateway_bpf__elf_bytes(&gateway_size);
	const void *uplink = uplink_xdp_bpf__elf_bytes(&uplink_size);
	uint64_t result;

	crypto_generichash_init(&state, NULL, 0, sizeof(result));
	crypto_generichash_update(&state, gateway, gateway_size);
	crypto_generichash_update(&state, uplink, uplink_size);
	crypto_generichash_final(&state, (unsigned char *)&result, sizeof(result));
	return result;
}

struct pin pin_programs(const char *pin_dir)
{
	static uint64_t known;

	if (!known)
		known = digest();
	return pin_at(pin_dir, "programs-%016" PRIx64, known);
}

struct pin pin_program(const char *pin_dir, const char *program)
{
	return pin_at(pin_programs(pin_dir).path, "%s", program);
}

struct pin pin_link(const char *pin_dir, const char *program, unsigned index)
{
	return pin_at(pin_dir, LINKS_DIRECTORY "/%s-%u", program, index);
}

int pin_open(const struct pin *pin, struct error *error)
{
	int descriptor = bpf_obj_get(pin->path);

	return descriptor < 0 ? error_errno(error, -errno, "%s", pin->path) : descriptor;
}

/*
 * Both libraries print through a callback without a context, hence the one static buffer. What stands last matters most:
 * the verifier's verdict comes behind its trace, all in one message of libbpf's that may have megabytes.
 */
static char kept[2048];

static void keep(const char *format, va_list arguments)
{
	_cleanup_free_ char *message = NULL, *all = NULL;
	int size;

	if (vasprintf(&message, format, arguments) < 0)
		return;
	size = asprintf(&all, "%s%s", kept, message);
	if (size >= 0)
		snprintf(kept, sizeof(kept), "%s",
			size < (int)sizeof(kept) ? all : all + size + 1 - sizeof(kept));
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

static struct pin libxdp_directory(void)
{
	const char *bpffs = getenv("LIBXDP_BPFFS");

	return bpffs ? pin_at(bpffs, "xdp") : (struct pin){0};
}

void bpf_pins_ready(void)
{
	mkdir(libxdp_directory().path, S_IRWXU);
}

void bpf_pins_tidy(void)
{
	rmdir(libxdp_directory().path);
}
