/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors, and how they travel.
 *
 * Inside, a function answers 0 or a negative errno. What a person has to know (what failed, on which thing,
 * in the kernel's or the daemon's own words, and what to try) travels beside it in a `struct error`, which
 * the caller owns and the function that knows most fills once. The edges (main, gwctl, the log) print it;
 * nobody in between adds to it twice.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_TEXT_SIZE 1024

struct error {
	char text[ERROR_TEXT_SIZE];
};

/*
 * Writes the text and returns `negative_errno`, so that `return error_set(...)` is the whole error path.
 * `error` may be NULL when the caller does not care for words.
 */
int error_set(struct error *error, int negative_errno, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": " and the words of strerror() behind the text. */
int error_errno(struct error *error, int negative_errno, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
