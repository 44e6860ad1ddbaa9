/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's headers, compiled for user space, where ASan and a fuzzer can look at them: include this before
 * them. A packet is a struct buffer behind the pointer that they take for an skb.
 */
#ifndef BPF_USER_SPACE_H
#define BPF_USER_SPACE_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __BPF_HELPERS__ /* instead of <bpf/bpf_helpers.h>, whose helpers only the kernel has */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

struct buffer {
	const uint8_t *bytes;
	size_t length;
};

struct __sk_buff;

static inline int load_bytes(const struct __sk_buff *skb, uint32_t offset, void *to, uint32_t length)
{
	const struct buffer *buffer = (const struct buffer *)skb;

	if (offset > buffer->length || length > buffer->length - offset)
		return -1;
	memcpy(to, buffer->bytes + offset, length);
	return 0;
}

#endif
