// SPDX-License-Identifier: Apache-2.0
/*
 * Model to canonical YAML, by the table of settings: sections in block style, lists of scalars on one line.
 */
#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/settings.h"

static void print_section(
	const struct section *section, const void *base, unsigned depth, bool is_item, FILE *out);
static bool is_set(const struct setting *setting, const void *base);

/* A text of these characters is a plain scalar anywhere in YAML; any other is quoted. None has a control character. */
static bool is_plain(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=";

	return *text && !strchr("._-+=", *text) && !text[strspn(text, safe)];
}

static void print_text(const char *text, FILE *out)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static const char *item_at(const struct setting *setting, const void *base, size_t index)
{
	return *(char *const *)setting_field(setting, base) + index * setting->size;
}

static void print_scalar(const struct setting *setting, const void *field, FILE *out)
{
	char buffer[SHOWN_SIZE];

	print_text(setting->type->show(setting, field, buffer), out);
}

static void print_scalars(const struct setting *setting, const void *base, FILE *out)
{
	fputs(" [", out);
	for (size_t i = 0; i < *setting_count(setting, base); i++) {
		if (i)
			fputs(", ", out);
		print_scalar(setting, item_at(setting, base, i), out);
	}
	fputs("]\n", out);
}

static void print_sections(const struct setting *setting, const void *base, unsigned depth, FILE *out)
{
	size_t count = *setting_count(setting, base);

	fputs(count ? "\n" : " []\n", out);
	for (size_t i = 0; i < count; i++)
		print_section(setting->section, item_at(setting, base, i), depth + 2, true, out);
}

/* What follows a key and its colon. */
static void print_value(const struct setting *setting, const void *base, unsigned depth, FILE *out)
{
	if (setting->list && setting->section) {
		print_sections(setting, base, depth, out);
	} else if (setting->list) {
		print_scalars(setting, base, out);
	} else if (setting->section) {
		fputc('\n', out);
		print_section(setting->section, setting_field(setting, base), depth + 1, false, out);
	} else {
		fputc(' ', out);
		print_scalar(setting, setting_field(setting, base), out);
		fputc('\n', out);
	}
}

static bool section_is_set(const struct section *section, const void *base)
{
	for (size_t i = 0; i < section->count; i++)
		if (is_set(&section->settings[i], base))
			return true;
	return false;
}

/* A list is always shown, if empty as []. A section with nothing in it is not there. */
static bool is_set(const struct setting *setting, const void *base)
{
	char buffer[SHOWN_SIZE];

	if (setting->list)
		return true;
	if (!setting->section)
		return setting->type->show(setting, setting_field(setting, base), buffer) != NULL;
	if (setting->has_flag)
		return *setting_flag(setting, base);
	return section_is_set(setting->section, setting_field(setting, base));
}

/* An item of a list has its dash in the place of the last two blanks before its first key. */
static void print_section(
	const struct section *section, const void *base, unsigned depth, bool is_item, FILE *out)
{
	const struct setting *setting;

	for (size_t i = 0; i < section->count; i++) {
		setting = &section->settings[i];
		if (!is_set(setting, base))
			continue;
		fprintf(out, "%*s%s:", (int)(2 * depth), is_item ? "- " : "", setting->key);
		print_value(setting, base, depth, out);
		is_item = false;
	}
}

int conf_print(const struct model *model, FILE *out)
{
	print_section(&settings, model, 0, false, out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
