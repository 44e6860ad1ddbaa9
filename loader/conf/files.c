// SPDX-License-Identifier: Apache-2.0
/*
 * The files a model names: keys and passwords. Looked at, never shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array/array.h"
#include "base/cleanup.h"
#include "conf/review.h"
#include "conf/types.h"

#define PERMISSIONS_OF_OTHERS (S_IRWXG | S_IRWXO)
#define PASSWORD_MAX          80 /* TCP_MD5SIG_MAXKEYLEN */
#define FILE_MOST             65536
#define PSK_MIN               16
#define PSK_MAX               512

struct secret_file {
	struct review *review;
	const char *key, *path;
	char text[FILE_MOST];
	size_t size;
};

/* A description of the file's content by what it is for; NULL: fine. */
typedef const char *(*content_check)(const struct secret_file *file);

static size_t without_newline(const struct secret_file *file)
{
	return file->size && file->text[file->size - 1] == '\n' ? file->size - 1 : file->size;
}

static const char *wireguard_key_fault(const struct secret_file *file)
{
	char key[45] = "";

	if (without_newline(file) == 44)
		memcpy(key, file->text, 44);
	bool good = key_is_base64(key);
	explicit_bzero(key, sizeof(key));
	return good ? NULL : "holds no WireGuard key: make one with `(umask 077; wg genkey >FILE)`";
}

static const char *password_fault(const struct secret_file *file)
{
	size_t length = without_newline(file);

	if (length == 0 || length > PASSWORD_MAX)
		return "must hold one line of 1 to 80 characters";
	if (memchr(file->text, '\n', length) || memchr(file->text, '\0', length))
		return "must hold one line, the password";
	return NULL;
}

/* Only a text without NUL is read whole. The reason that is told is a line's number, never what stands there. */
static const char *array_key_fault(const struct secret_file *file)
{
	struct array_keys keys;
	struct error error;
	char text[sizeof(file->text) + 1];
	int r;

	memcpy(text, file->text, file->size);
	text[file->size] = '\0';
	r = array_keys_parse(text, &keys, &error);
	array_keys_forget(&keys);
	explicit_bzero(text, sizeof(text));
	return r < 0 ? "holds no array key: make one with `(umask 077; echo \"1 $(wg genkey)\" >FILE)`; "
		       "while keys are "
		       "exchanged, two lines"
		     : NULL;
}

/* Opens without waiting, so that a FIFO cannot hold us. The descriptor, or -errno after reporting. */
static int open_file(const struct secret_file *file, mode_t forbidden)
{
	_cleanup_close_ int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0) {
		review_problem_at(file->review, 0, file->key, "%s: %s%s", file->path, strerror(errno),
			errno == ENOENT ? ": make it, or correct the path" : "");
		return -EINVAL;
	}
	if (!S_ISREG(status.st_mode)) {
		review_problem_at(file->review, 0, file->key, "%s is not a regular file", file->path);
		return -EINVAL;
	}
	if (status.st_mode & forbidden) {
		review_problem_at(file->review, 0, file->key,
			"%s has mode %04o, so others than its owner have access: chmod 0600 %s", file->path,
			status.st_mode & 07777, file->path);
		return -EINVAL;
	}
	return TAKE_FD(fd);
}

static void look_into(
	struct review *review, const char *key, const char *path, mode_t forbidden, content_check fault_of)
{
	struct secret_file file = {.review = review, .key = key, .path = path};
	_cleanup_close_ int fd = path ? open_file(&file, forbidden) : -1;
	const char *fault;
	ssize_t size;

	if (fd < 0)
		return;
	size = read(fd, file.text, sizeof(file.text));
	if (size < 0) {
		review_problem_at(review, 0, key, "%s: %s", path, strerror(errno));
		return;
	}
	file.size = (size_t)size;
	fault = fault_of(&file);
	explicit_bzero(file.text, sizeof(file.text));
	if (fault)
		review_problem_at(review, 0, key, "%s %s", path, fault);
}

static void check_file(struct review *review, const char *key, const char *path, content_check fault_of)
{
	look_into(review, key, path, PERMISSIONS_OF_OTHERS, fault_of);
}

static const char *psk_fault(const struct secret_file *file)
{
	size_t length = without_newline(file);

	if (length < PSK_MIN || length > PSK_MAX)
		return "must hold one line of 16 to 512 characters: "
		       "make one with `(umask 077; wg genkey >FILE)`";
	if (memchr(file->text, '\n', length) || memchr(file->text, '\0', length))
		return "must hold one line, the pre-shared key";
	return NULL;
}

/* What is in it is strongSwan's business. */
static const char *private_key_fault(const struct secret_file *file)
{
	return file->size == 0 ? "is empty" : NULL;
}

/* Of a block whose name begins here. */
static bool is_certificate(const char *name, size_t size)
{
	static const char *const names[] = {
		"CERTIFICATE-----", "X509 CERTIFICATE-----", "TRUSTED CERTIFICATE-----"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (size >= strlen(names[i]) && memcmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* DER has none of these words. */
static const char *certificate_fault(const struct secret_file *file)
{
	static const char begin[] = "-----BEGIN ";
	const char *at = file->text, *end = file->text + file->size;
	size_t count = 0;

	if (file->size == 0)
		return "is empty";
	for (; (at = memmem(at, end - at, begin, strlen(begin))); count++) {
		at += strlen(begin);
		if (!is_certificate(at, end - at))
			return "holds something else beside certificates, a key perhaps: take it out";
	}
	_Static_assert(CERTIFICATES_MOST == 8, "the words below say how many");
	return count > CERTIFICATES_MOST ? "holds more than 8 certificates" : NULL;
}

static void check_ipsec_files(struct review *review, const struct tunnel *tunnel)
{
	char key[KEY_PATH_SIZE];

	snprintf(key, sizeof(key), "tunnels[%s].ipsec.psk_file", tunnel->name);
	check_file(review, key, tunnel->ipsec.psk_file, psk_fault);
	snprintf(key, sizeof(key), "tunnels[%s].ipsec.certificate.key_file", tunnel->name);
	check_file(review, key, tunnel->ipsec.key_file, private_key_fault);
	snprintf(key, sizeof(key), "tunnels[%s].ipsec.certificate.cert_file", tunnel->name);
	look_into(review, key, tunnel->ipsec.cert_file, 0, certificate_fault);
	snprintf(key, sizeof(key), "tunnels[%s].ipsec.certificate.ca_file", tunnel->name);
	look_into(review, key, tunnel->ipsec.ca_file, 0, certificate_fault);
}

static void check_tunnel_files(struct review *review, const struct tunnel *tunnel)
{
	char key[KEY_PATH_SIZE];

	snprintf(key, sizeof(key), "tunnels[%s].wireguard.private_key_file", tunnel->name);
	check_file(review, key, tunnel->wireguard.private_key_file, wireguard_key_fault);
	check_ipsec_files(review, tunnel);
	snprintf(key, sizeof(key), "tunnels[%s].bgp.password_file", tunnel->name);
	check_file(review, key, tunnel->bgp.password_file, password_fault);
}

int conf_check_files(const struct model *model, const char *name, struct conf_problems *problems)
{
	struct review review = {.problems = problems};

	*problems = (struct conf_problems){.file = strdup(name)};
	check_file(&review, "array.replication.key_file", model->array.key_file, array_key_fault);
	for (size_t i = 0; i < model->tunnel_count; i++)
		check_tunnel_files(&review, &model->tunnels[i]);
	review_end(&review);
	return review.error ?: problems->count ? -EINVAL : 0;
}
