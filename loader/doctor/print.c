// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>

#include "doctor/doctor.h"

#define SCHEMA 1

const char *finding_level_name(enum finding_level level)
{
	static const char *const names[] = {
		[FINDING_OK] = "ok", [FINDING_WARNING] = "warning", [FINDING_PROBLEM] = "problem"};

	return names[level];
}

void diagnosis_print(const struct diagnosis *diagnosis, FILE *stream)
{
	for (size_t i = 0; i < diagnosis->finding_count; i++) {
		const struct finding *finding = &diagnosis->findings[i];

		fprintf(stream, "%-8s %-10s  %s\n", finding_level_name(finding->level), finding->check,
			finding->finding);
		if (finding->advice[0])
			fprintf(stream, "%-8s %-10s  → %s\n", "", "", finding->advice);
	}
	if (diagnosis->passage_count > 0)
		fprintf(stream, "\nA firewall must let pass, in and out:\n");
	for (size_t i = 0; i < diagnosis->passage_count; i++) {
		const struct passage *passage = &diagnosis->passages[i];

		fprintf(stream, "  %s/%-5u  %-16s %s\n", passage->protocol, passage->port,
			passage->interface[0] ? passage->interface : "any interface", passage->what);
	}
}

static json_t *finding_object(const struct finding *finding)
{
	return json_pack("{s:s, s:s, s:s, s:s?}", "check", finding->check, "level",
		finding_level_name(finding->level), "finding", finding->finding, "advice",
		finding->advice[0] ? finding->advice : NULL);
}

static json_t *passage_object(const struct passage *passage)
{
	return json_pack("{s:s, s:i, s:s?, s:s}", "protocol", passage->protocol, "port", passage->port,
		"interface", passage->interface[0] ? passage->interface : NULL, "for", passage->what);
}

void diagnosis_print_json(const struct diagnosis *diagnosis, FILE *stream)
{
	json_t *findings = json_array(), *firewall = json_array(), *document;

	for (size_t i = 0; i < diagnosis->finding_count; i++)
		json_array_append_new(findings, finding_object(&diagnosis->findings[i]));
	for (size_t i = 0; i < diagnosis->passage_count; i++)
		json_array_append_new(firewall, passage_object(&diagnosis->passages[i]));
	document = json_pack("{s:i, s:o, s:o}", "schema", SCHEMA, "findings", findings, "firewall", firewall);
	json_dumpf(document, stream, JSON_COMPACT);
	fputc('\n', stream);
	json_decref(document);
}
