// SPDX-License-Identifier: Apache-2.0
#include "cli/row.h"

#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX  4
#define DIGITS_MAX 18 /* that many fit into json_int_t, whichever they are */
#define KEY_MAX    64

/* What is left of the text. */
struct rest {
	const char *at, *end;
};

static bool take(struct rest *rest, char expected)
{
	bool is = rest->at < rest->end && *rest->at == expected;

	rest->at += is;
	return is;
}

static bool take_word(struct rest *rest, const char *word)
{
	size_t size = strlen(word);
	bool is = (size_t)(rest->end - rest->at) >= size && memcmp(rest->at, word, size) == 0;

	rest->at += is ? size : 0;
	return is;
}

/* A text in quotes without anything that means something else, and of ASCII. Its first character; NULL: it is another. */
static const char *take_plain(struct rest *rest, size_t *size)
{
	const char *first = rest->at;

	for (; rest->at < rest->end; rest->at++) {
		unsigned char c = (unsigned char)*rest->at;

		if (c == '"') {
			*size = (size_t)(rest->at++ - first);
			return first;
		}
		if (c < ' ' || c >= 0x7f || c == '\\')
			break;
	}
	return NULL;
}

static json_t *read_text(struct rest *rest)
{
	size_t size;
	const char *text = take_plain(rest, &size);

	return text ? json_stringn_nocheck(text, size) : NULL;
}

/* Only what is not written otherwise: no fraction, no exponent, no zero in front. */
static json_t *read_number(struct rest *rest)
{
	bool negative = take(rest, '-');
	const char *first = rest->at;
	json_int_t number = 0;

	while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9' && rest->at - first < DIGITS_MAX)
		number = number * 10 + (*rest->at++ - '0');
	if (rest->at == first || (*first == '0' && (negative || rest->at - first > 1)) ||
		rest->at == rest->end || !strchr(",}", *rest->at))
		return NULL;
	return json_integer(negative ? -number : number);
}

static json_t *read_object(struct rest *rest, unsigned depth);

static json_t *read_value(struct rest *rest, unsigned depth)
{
	if (take(rest, '"'))
		return read_text(rest);
	if (take(rest, '{'))
		return depth < DEPTH_MAX ? read_object(rest, depth + 1) : NULL;
	if (take_word(rest, "null"))
		return json_null();
	if (take_word(rest, "true"))
		return json_true();
	if (take_word(rest, "false"))
		return json_false();
	return read_number(rest);
}

/* "key":value, into the object. */
static bool read_member(struct rest *rest, json_t *object, unsigned depth)
{
	const char *key;
	char name[KEY_MAX];
	size_t size;

	if (!take(rest, '"'))
		return false;
	key = take_plain(rest, &size);
	if (!key || size >= sizeof(name) || !take(rest, ':'))
		return false;
	memcpy(name, key, size);
	name[size] = '\0';
	return json_object_set_new_nocheck(object, name, read_value(rest, depth)) == 0;
}

static json_t *read_object(struct rest *rest, unsigned depth)
{
	json_t *object = json_object();
	bool fine;

	do
		fine = read_member(rest, object, depth);
	while (fine && take(rest, ','));
	if (fine && take(rest, '}'))
		return object;
	json_decref(object);
	return NULL;
}

json_t *row_read(const char *text, size_t size)
{
	struct rest rest = {text, text + size};
	json_t *row = take(&rest, '{') ? read_object(&rest, 0) : NULL;

	if (row && rest.at == rest.end)
		return row;
	json_decref(row);
	row = json_loadb(text, size, 0, NULL);
	if (json_is_object(row))
		return row;
	json_decref(row);
	return NULL;
}
