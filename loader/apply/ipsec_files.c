// SPDX-License-Identifier: Apache-2.0
/*
 * A tunnel's files. charon gets their content, never their names, so that what it was told can be compared with what they
 * hold now. It takes one certificate from a text, so those of a file are cut apart here: in the certificate's file ours
 * comes first and behind it whoever vouches for it, as TLS servers want it; in the authority's stand those that may vouch
 * for the peer.
 */
#include "apply/ipsec.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILE_MOST 65000 /* a value of VICI's has 16 bits of length */

void ipsec_file_forget(struct ipsec_file *file)
{
	if (file->bytes)
		sodium_memzero(file->bytes, file->size);
	free(file->bytes);
	*file = (struct ipsec_file){0};
}

void ipsec_files_forget(struct ipsec_files *files)
{
	ipsec_file_forget(&files->psk);
	ipsec_file_forget(&files->certificate);
	ipsec_file_forget(&files->key);
	ipsec_file_forget(&files->authority);
}

int ipsec_file_read(
	const char *path, bool is_secret, size_t most, struct ipsec_file *file, struct error *error)
{
	_cleanup_close_ int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	struct stat status;
	ssize_t size;

	if (!path)
		return 0;
	if (descriptor < 0 || fstat(descriptor, &status) < 0)
		return error_errno(error, -errno, "%s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s is not a regular file", path);
	if (is_secret && status.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(error, -EPERM, "%s is open to others (mode %04o); try: chmod 600 %s", path,
			status.st_mode & 07777, path);
	if (status.st_size == 0 || (size_t)status.st_size > most)
		return error_set(error, -EINVAL, "%s has %lld bytes: 1 to %zu are right", path,
			(long long)status.st_size, most);
	file->bytes = malloc(status.st_size);
	if (!file->bytes)
		return error_errno(error, -ENOMEM, "%s", path);
	size = read(descriptor, file->bytes, status.st_size);
	if (size < 0)
		return error_errno(error, -errno, "%s", path);
	file->size = size;
	return 0;
}

/* What is told is the line, without its end. */
static int read_psk(const char *path, struct ipsec_file *file, struct error *error)
{
	int result = ipsec_file_read(path, true, FILE_MOST, file, error);

	if (result < 0 || !path)
		return result;
	if (file->size && file->bytes[file->size - 1] == '\n')
		file->size--;
	if (file->size == 0 || memchr(file->bytes, '\n', file->size))
		return error_set(error, -EINVAL, "%s must hold one line, the pre-shared key", path);
	return 0;
}

int ipsec_files_read(const struct ipsec *ipsec, struct ipsec_files *files, struct error *error)
{
	int result = read_psk(ipsec->psk_file, &files->psk, error);

	if (result == 0)
		result = ipsec_file_read(ipsec->cert_file, false, FILE_MOST, &files->certificate, error);
	if (result == 0)
		result = ipsec_file_read(ipsec->key_file, true, FILE_MOST, &files->key, error);
	if (result == 0)
		result = ipsec_file_read(ipsec->ca_file, false, FILE_MOST, &files->authority, error);
	return result;
}

/* Where the next block begins, at `from` or behind it; NULL: there is none. DER has none of these words. */
static uint8_t *find_block(const struct ipsec_file *file, uint8_t *from)
{
	static const char begin[] = "-----BEGIN ";

	return memmem(from, file->bytes + file->size - from, begin, strlen(begin));
}

size_t ipsec_blocks(const struct ipsec_file *file, struct ipsec_file blocks[CERTIFICATES_MOST])
{
	uint8_t *block = file->size ? find_block(file, file->bytes) : NULL;
	size_t count = 0;

	if (!block && file->size) {
		blocks[0] = *file;
		return 1;
	}
	while (block && count < CERTIFICATES_MOST) {
		uint8_t *next = find_block(file, block + 1);

		blocks[count].bytes = block;
		blocks[count++].size = (next ?: file->bytes + file->size) - block;
		block = next;
	}
	return count;
}
