/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tools that look into a gateway's pinned tables while programs and gwd write them. Include it before all else. What
 * cannot be opened ends the tool.
 */
#ifndef LAB_TABLES_H
#define LAB_TABLES_H

#define bpf_map_lookup_elem lookup_in_array /* libbpf has a function of that name */
#include "tests/bpf/user_space.h"

#include "bpf/table.h"
#undef bpf_map_lookup_elem

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct pinned_table {
	struct line *lines;
	__u32 mask;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(2);
}

static int pinned(const char *folder, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	return fd;
}

static struct settings settings_of(const char *folder)
{
	struct settings settings;
	__u32 key = 0;
	int fd = pinned(folder, MAP_SETTINGS);

	if (bpf_map_lookup_elem(fd, &key, &settings))
		die(MAP_SETTINGS);
	close(fd);
	return settings;
}

static struct pinned_table table_open(const char *folder, const char *name)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = pinned(folder, name);
	struct pinned_table table;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		die(name);
	table.mask = info.max_entries - 1;
	table.lines = mmap(
		NULL, info.max_entries * sizeof(*table.lines), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table.lines == MAP_FAILED)
		die(name);
	close(fd);
	return table;
}

#endif
