// SPDX-License-Identifier: Apache-2.0
/*
 * libcyaml: text into memory. Its schema is made from the table of settings: each section a mapping of slots, each
 * scalar a string (its own numbers take "65000abc" and read "010" as 8), each key optional (yaml.c has said what is
 * missing).
 */
#include "conf/schema.h"

#include <assert.h>
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdlib.h>

#define FIELDS_MAX  256 /* keys of all sections, and an end for each section */
#define ENTRIES_MAX 32  /* lists of sections */

struct schema {
	cyaml_schema_value_t top;
	cyaml_schema_field_t fields[FIELDS_MAX];
	cyaml_schema_value_t entries[ENTRIES_MAX];
	size_t field_count, entry_count;
};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_config_t config = {.mem_fn = cyaml_mem, .flags = CYAML_CFG_NO_ALIAS};

static const cyaml_schema_field_t *add_section(struct schema *schema, const struct section *section);

static cyaml_schema_value_t mapping(
	struct schema *schema, const struct section *section, enum cyaml_flag flags)
{
	return (cyaml_schema_value_t){
		.type = CYAML_MAPPING,
		.flags = flags,
		.data_size = (uint32_t)(section->count * sizeof(struct slot)),
		.mapping = {.fields = add_section(schema, section)},
	};
}

static cyaml_schema_value_t list_of(const cyaml_schema_value_t *entry, uint32_t size)
{
	return (cyaml_schema_value_t){
		.type = CYAML_SEQUENCE,
		.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		.data_size = size,
		.sequence = {.entry = entry, .min = 0, .max = CYAML_UNLIMITED},
	};
}

static cyaml_schema_value_t value_of(struct schema *schema, const struct setting *setting)
{
	cyaml_schema_value_t *entry;

	if (!setting->section && !setting->list)
		return (cyaml_schema_value_t){CYAML_VALUE_STRING(
			CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, CYAML_UNLIMITED)};
	if (!setting->section)
		return list_of(&text_entry, sizeof(char *));
	if (!setting->list)
		return mapping(schema, setting->section, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
	assert(schema->entry_count < ENTRIES_MAX);
	entry = &schema->entries[schema->entry_count++];
	*entry = mapping(schema, setting->section, CYAML_FLAG_DEFAULT);
	return list_of(entry, entry->data_size);
}

/* The fields of a section stand together, so they are set aside before those of the sections within it. */
static const cyaml_schema_field_t *add_section(struct schema *schema, const struct section *section)
{
	cyaml_schema_field_t *fields = &schema->fields[schema->field_count];

	schema->field_count += section->count + 1;
	assert(schema->field_count <= FIELDS_MAX);
	for (size_t i = 0; i < section->count; i++)
		fields[i] = (cyaml_schema_field_t){
			.key = section->settings[i].key,
			.data_offset = (uint32_t)(i * sizeof(struct slot)),
			.count_offset = (uint32_t)(i * sizeof(struct slot) + offsetof(struct slot, count)),
			.count_size = sizeof(((struct slot *)0)->count),
			.value = value_of(schema, &section->settings[i]),
		};
	return fields;
}

int raw_load(struct review *review, const char *text, size_t size, struct raw *raw)
{
	struct schema *schema = calloc(1, sizeof(*schema));
	cyaml_data_t *data = NULL;
	cyaml_err_t error;

	raw->schema = schema;
	if (!schema)
		return -ENOMEM;
	schema->top = mapping(schema, &settings, CYAML_FLAG_POINTER);
	error = cyaml_load_data((const uint8_t *)text, size, &config, &schema->top, &data, NULL);
	raw->top = data;
	if (error == CYAML_ERR_OOM)
		return -ENOMEM;
	if (error == CYAML_OK)
		return 0;
	review_problem_at(review, 1, "", "libcyaml refuses it, although its keys and kinds are right: %s",
		cyaml_strerror(error));
	return -EINVAL;
}

void raw_free(struct raw *raw)
{
	if (raw->top)
		cyaml_free(&config, &raw->schema->top, raw->top, 0);
	free(raw->schema);
}
