// SPDX-License-Identifier: Apache-2.0
#include "bird/reply.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* "CCCC-" or "CCCC ": 0..9999, or -1. */
static int code_of(const char *line)
{
	int code = 0;

	for (size_t i = 0; i < 4; i++) {
		if (!is_digit(line[i]))
			return -1;
		code = code * 10 + (line[i] - '0');
	}
	return line[4] == '-' || line[4] == ' ' ? code : -1;
}

static void line_parse(struct bird_reader *reader, struct bird_line *line)
{
	int code = code_of(reader->line);
	size_t skip = 0;

	line->kind = BIRD_LINE_GARBAGE;
	line->last = false;
	line->code = 0;
	if (code >= 0) {
		line->kind = BIRD_LINE_REPLY;
		line->last = reader->line[4] == ' ';
		reader->code = (unsigned)code;
		reader->has_code = !line->last;
		skip = 5;
	} else if (reader->line[0] == '+') {
		line->kind = BIRD_LINE_PUSHED;
		skip = 1;
	} else if (reader->line[0] == ' ' && reader->has_code) {
		line->kind = BIRD_LINE_REPLY;
		skip = 1;
	}
	if (line->kind == BIRD_LINE_REPLY)
		line->code = reader->code;
	snprintf(line->text, sizeof(line->text), "%s", reader->line + skip);
}

bool bird_reader_next(struct bird_reader *reader, const char **bytes, size_t *size, struct bird_line *line)
{
	while (*size > 0) {
		char byte = *(*bytes)++;

		(*size)--;
		if (byte == '\n') {
			memset(reader->line + reader->used, 0, sizeof(reader->line) - reader->used);
			line_parse(reader, line);
			reader->used = 0;
			return true;
		}
		if (reader->used < sizeof(reader->line) - 1)
			reader->line[reader->used++] = byte;
	}
	return false;
}

bool bird_session_row(const char *text, struct bird_session_row *row)
{
	/* Name, protocol, table, state, since, and what the protocol itself says, whose first word is the
	 * session's state. */
	memset(row, 0, sizeof(*row));
	return sscanf(text, "%63s %*s %*s %15s %*s %47s", row->name, row->state, row->words) >= 2;
}

bool bird_route_row(const char *text, struct prefix *net, char protocol[64])
{
	const char *bracket = strchr(text, '[');
	char first[PREFIX_TEXT_SIZE];

	if (!bracket || text[0] == '\t' || sscanf(bracket, "[%63[^] ]", protocol) != 1)
		return false;
	if (text[0] == ' ')
		return true;
	return sscanf(text, "%49s", first) == 1 && prefix_parse(first, net) == 0;
}

bool bird_pushed_route(const char *text)
{
	char protocol[64], arrow[4];

	return sscanf(text, "%63s %3s", protocol, arrow) == 2 && strcmp(arrow, ">") == 0;
}

bool bird_pushed_state(const char *text, struct bird_session_row *row)
{
	memset(row, 0, sizeof(*row));
	return sscanf(text, "%63[^: ]: State changed to %15s", row->name, row->state) == 2;
}
