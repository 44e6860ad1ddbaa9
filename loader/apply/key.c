// SPDX-License-Identifier: Apache-2.0
#include "apply/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int key_parse(const char *text, uint8_t key[KEY_SIZE])
{
	size_t size;

	if (sodium_base642bin(key, KEY_SIZE, text, strlen(text), "\n", &size, NULL,
		    sodium_base64_VARIANT_ORIGINAL) < 0 ||
		size != KEY_SIZE)
		return -EINVAL;
	return 0;
}

int key_file_read(const char *path, uint8_t key[KEY_SIZE], struct error *error)
{
	_cleanup_close_ int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char text[64];
	ssize_t size;
	int result;

	if (descriptor < 0 || fstat(descriptor, &status) < 0)
		return error_errno(error, -errno, "key file %s", path);
	if (status.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(error, -EPERM,
			"key file %s is open to others (mode %04o); try: chmod 600 %s", path,
			status.st_mode & 07777, path);
	size = read(descriptor, text, sizeof(text) - 1);
	if (size < 0)
		return error_errno(error, -errno, "key file %s", path);
	text[size] = 0;
	result = key_parse(text, key);
	sodium_memzero(text, sizeof(text));
	if (result < 0)
		return error_set(error, result,
			"key file %s holds no key (44 characters of base64; see wg genkey)", path);
	return 0;
}
