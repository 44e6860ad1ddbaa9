// SPDX-License-Identifier: Apache-2.0
#include "apply/bpf_pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xdp/libxdp.h>

#include "apply/bpf.h"
#include "base/cleanup.h"

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

struct pin pin_in(const char *directory, const char *name)
{
	return pin_at(directory, "%s", name);
}

struct pin pin_map(const char *pin_dir, const char *map)
{
	return pin_at(pin_dir, CURRENT "/%s", map);
}

struct pin pin_program(const char *pin_dir, const char *program)
{
	return pin_at(pin_dir, CURRENT "/%s", program);
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

int bpf_program_by_id(uint32_t id)
{
	int descriptor = id ? bpf_prog_get_fd_by_id(id) : -1;

	return descriptor < 0 ? -ENOENT : descriptor;
}

int make_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_errno(error, -errno, "making %s", path);
	return 0;
}

int remove_directory(const char *path, struct error *error)
{
	_cleanup_closedir_ DIR *directory = opendir(path);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return errno == ENOENT ? 0 : error_errno(error, -errno, "%s", path);
	while (result == 0 && (entry = readdir(directory))) {
		struct pin inner = pin_in(path, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type == DT_DIR)
			result = remove_directory(inner.path, error);
		else if (unlink(inner.path) < 0)
			result = error_errno(error, -errno, "removing %s", inner.path);
	}
	if (result == 0 && rmdir(path) < 0)
		result = error_errno(error, -errno, "removing %s", path);
	return result;
}

/*
 * Both libraries print through a callback without a context, hence the one static buffer. What stands last matters
 * most: the verifier's verdict comes behind its trace, all in one message of libbpf's that may have megabytes.
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
