/* SPDX-License-Identifier: Apache-2.0 */
/* Key files: 32 bytes in base64 on one line, as `wg genkey` writes them, for the owner's eyes only. */
#ifndef APPLY_KEY_H
#define APPLY_KEY_H

#include <stdint.h>

#include "base/error.h"

#define KEY_SIZE 32

/*
 * The caller overwrites `key` (sodium_memzero) when it has used it. 0 or a negative errno with words; never the
 * content.
 */
int key_file_read(const char *path, uint8_t key[KEY_SIZE], struct error *error);
/* Text to bytes: 0 or -EINVAL. */
int key_parse(const char *text, uint8_t key[KEY_SIZE]);

#endif
