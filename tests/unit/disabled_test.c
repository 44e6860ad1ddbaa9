// SPDX-License-Identifier: Apache-2.0
/* What is remembered of disabled tunnels: by a name, in a file, for configurations that come and go. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

static char folder[] = "/tmp/disabled-test-XXXXXX", path[sizeof(folder) + 16];
static struct tunnel tunnels[] = {{.name = "one", .number = 101}, {.name = "two", .number = 102}},
		     renumbered[] = {{.name = "two", .number = 202}};
static struct model both = {.tunnels = tunnels, .tunnel_count = 2},
		    without = {.tunnels = tunnels + 1, .tunnel_count = 1},
		    other = {.tunnels = renumbered, .tunnel_count = 1};

/* Is the first tunnel of a model disabled that takes the place of another one? */
static bool first_is_disabled(const struct daemon *daemon, const struct model *model)
{
	struct health *health = health_new(model, 0);
	struct error error;
	bool disabled;

	health_carry(health, daemon->health, 0);
	CU_ASSERT_EQUAL(disabled_adopt(daemon, model, health, &error), 0);
	disabled = health_tunnels(health)[0].disabled;
	CU_ASSERT_EQUAL(health_tunnels(health)[0].has[HEALTH_ENABLED], !disabled);
	health_free(health);
	return disabled;
}

static void remembered_are(const char *names)
{
	char text[64] = "";
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	CU_ASSERT_STRING_EQUAL(text, names);
}

static void start(struct daemon *daemon, const struct model *model, const char *names)
{
	FILE *file;
	struct error error;

	if (!*path)
		snprintf(path, sizeof(path), "%s/disabled", mkdtemp(folder));
	file = fopen(path, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(names, file);
	fclose(file);
	*daemon = (struct daemon){.model = model};
	snprintf(daemon->run_dir, sizeof(daemon->run_dir), "%s", folder);
	daemon->health = health_new(model, 0);
	CU_ASSERT_EQUAL(disabled_adopt(daemon, model, daemon->health, &error), 0);
}

/* Until the configuration without it is there for good. */
static void a_tunnel_that_comes_back_is_disabled_still(void)
{
	struct daemon daemon;

	start(&daemon, &without, "one\n");
	CU_ASSERT_FALSE(health_tunnels(daemon.health)[0].disabled);
	CU_ASSERT(first_is_disabled(&daemon, &both));
	disabled_keep(&daemon);
	remembered_are("");
	CU_ASSERT_FALSE(first_is_disabled(&daemon, &both));
	health_free(daemon.health);
}

static void a_tunnel_with_another_number_is_disabled_still(void)
{
	struct daemon daemon;

	start(&daemon, &both, "two\n");
	CU_ASSERT(health_tunnels(daemon.health)[1].disabled);
	CU_ASSERT(first_is_disabled(&daemon, &other));
	CU_ASSERT(first_is_disabled(&daemon, &without));
	disabled_keep(&daemon);
	remembered_are("two\n");
	health_free(daemon.health);
}

static void it_is_forgotten_by_a_stop(void)
{
	struct daemon daemon;

	start(&daemon, &both, "one\ntwo\n");
	disabled_forget(&daemon);
	CU_ASSERT(access(path, F_OK) < 0);
	health_free(daemon.health);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
}

UNIT_TESTS("disabled",
	{"a tunnel that comes back is disabled still", a_tunnel_that_comes_back_is_disabled_still},
	{"a tunnel with another number is disabled still", a_tunnel_with_another_number_is_disabled_still},
	{"it is forgotten by a stop", it_is_forgotten_by_a_stop})
