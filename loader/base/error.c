// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int negative_errno, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return negative_errno;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return negative_errno;
}

int error_errno(struct error *error, int negative_errno, const char *format, ...)
{
	va_list arguments;
	size_t used;

	if (!error)
		return negative_errno;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, ": %s", strerror(-negative_errno));
	return negative_errno;
}
