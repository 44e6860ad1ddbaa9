/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleanup by scope: a variable marked `_cleanup_(f)` is given to f when it leaves its scope, whatever the way
 * out. A function that succeeds moves the value to its caller with TAKE_PTR or TAKE_FD, on its last line.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

#define TAKE(variable, empty)                             \
	({                                                \
		__typeof__(variable) taken_ = (variable); \
		(variable) = (empty);                     \
		taken_;                                   \
	})
#define TAKE_PTR(pointer)   TAKE(pointer, NULL)
#define TAKE_FD(descriptor) TAKE(descriptor, -1)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

static inline void close_descriptor(const int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
}

static inline void close_stream(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}

static inline void close_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

#define _cleanup_free_     _cleanup_(free_pointer)
#define _cleanup_close_    _cleanup_(close_descriptor)
#define _cleanup_fclose_   _cleanup_(close_stream)
#define _cleanup_closedir_ _cleanup_(close_directory)

#endif
