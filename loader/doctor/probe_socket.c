// SPDX-License-Identifier: Apache-2.0
/*
 * Who listens on every address: /proc/net/{udp,tcp}{,6} have each socket's address, state and inode; who holds the
 * inode is found among the open files of all processes.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "doctor/doctor.h"

#define STATE_LISTEN 10 /* of tcp; udp's unconnected sockets are in CLOSE */
#define STATE_CLOSE  7

struct search {
	struct facts *facts;
	unsigned long *inodes; /* of each listener; 0: already named, or not to be */
};

static bool is_wildcard(const char *hex)
{
	return strspn(hex, "0") == strlen(hex);
}

static bool is_known(const struct facts *facts, bool udp, unsigned port)
{
	for (size_t i = 0; i < facts->listener_count; i++)
		if (facts->listeners[i].udp == udp && facts->listeners[i].port == port)
			return true;
	return false;
}

static int add_listener(struct search *search, bool udp, unsigned port, unsigned long inode)
{
	struct facts *facts = search->facts;
	size_t count = facts->listener_count + 1;
	struct listener *listeners = realloc(facts->listeners, count * sizeof(*listeners));
	unsigned long *inodes;

	if (!listeners)
		return -ENOMEM;
	facts->listeners = listeners;
	inodes = realloc(search->inodes, count * sizeof(*inodes));
	if (!inodes)
		return -ENOMEM;
	search->inodes = inodes;
	listeners[count - 1] = (struct listener){.udp = udp, .port = (uint16_t)port};
	inodes[count - 1] = inode;
	facts->listener_count = count;
	return 0;
}

/* A line: "  12: 00000000:0044 00000000:0000 07 …:… …:… … uid timeout inode …", in network order as hex words. */
static int read_lines(struct search *search, FILE *file, bool udp)
{
	char line[512], local[64];
	unsigned port, state;
	unsigned long inode;
	int r = 0;

	while (r == 0 && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*u: %63[0-9A-F]:%x %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			    local, &port, &state, &inode) != 4)
			continue;
		if (state == (udp ? STATE_CLOSE : STATE_LISTEN) && is_wildcard(local) &&
			!is_known(search->facts, udp, port))
			r = add_listener(search, udp, port, inode);
	}
	return r;
}

static int read_sockets(struct search *search, const char *path, bool udp)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	return file ? read_lines(search, file, udp) : 0;
}

static void read_program(int pid, char *program, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	program[0] = '\0';
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(program, (int)size, file))
		program[strcspn(program, "\n")] = '\0';
	fclose(file);
}

static void name_holder(struct search *search, unsigned long inode, int pid)
{
	for (size_t i = 0; inode && i < search->facts->listener_count; i++) {
		struct listener *listener = &search->facts->listeners[i];

		if (search->inodes[i] != inode || listener->pid)
			continue;
		listener->pid = pid;
		read_program(pid, listener->program, sizeof(listener->program));
	}
}

static void search_process(struct search *search, int pid)
{
	char path[64], target[64];
	const struct dirent *entry;
	_cleanup_closedir_ DIR *directory = NULL;
	unsigned long inode;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
		if (size <= 0)
			continue;
		target[size] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			name_holder(search, inode, pid);
	}
}

static void name_holders(struct search *search)
{
	_cleanup_closedir_ DIR *directory = opendir("/proc");
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (isdigit((unsigned char)entry->d_name[0]))
			search_process(search, atoi(entry->d_name));
}

int probe_listeners(struct facts *facts)
{
	static const struct {
		const char *path;
		bool udp;
	} files[] = {{"/proc/net/udp", true}, {"/proc/net/udp6", true}, {"/proc/net/tcp", false},
		{"/proc/net/tcp6", false}};
	struct search search = {facts, NULL};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
		r = read_sockets(&search, files[i].path, files[i].udp);
	if (r == 0 && facts->listener_count > 0)
		name_holders(&search);
	free(search.inodes);
	return r;
}
