// SPDX-License-Identifier: Apache-2.0
/* Between the prober and health: what is remembered of probes, and what happens when they cannot ask. */
#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

static struct address addresses[] = {{.bytes = {[10] = 0xff, 0xff, 192, 0, 2, 1}}};
static struct loopback loopbacks[] = {{.name = "control", .addresses = addresses, .address_count = 1}};

/* One probe that is not to ask before the test is over. */
static struct probe probe(const char *regex)
{
	return (struct probe){.name = "web",
		.loopback = loopbacks,
		.http = {.enabled = true,
			.url = "http://127.0.0.1:1/",
			.to = {.bytes = {[10] = 0xff, 0xff, 127, 0, 0, 1}},
			.port = 1,
			.regex = (char *)regex},
		.interval_ms = 3600000,
		.timeout_ms = 1000,
		.rise = 1,
		.fall = 1};
}

static struct probe probes[1];
static struct model model = {.loopbacks = loopbacks, .loopback_count = 1, .probes = probes, .probe_count = 1};

static void start(struct daemon *daemon, const char *run_dir)
{
	struct error error;

	*daemon = (struct daemon){.model = &model, .heal_at_ms = UINT64_MAX};
	snprintf(daemon->run_dir, sizeof(daemon->run_dir), "%s", run_dir);
	daemon->health = health_new(&model, 0);
	CU_ASSERT_FATAL(sd_event_new(&daemon->event) >= 0);
	CU_ASSERT_EQUAL_FATAL(status_open(&daemon->status, &model, &error), 0);
}

static void end(struct daemon *daemon)
{
	probes_close(daemon);
	free(daemon->probes_remembered);
	status_close(&daemon->status);
	health_free(daemon->health);
	sd_event_source_disable_unref(daemon->heal_timer);
	sd_event_unref(daemon->event);
}

static void expect_file(const char *path, const char *wanted)
{
	char text[256] = "";
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	CU_ASSERT_STRING_EQUAL(text, wanted);
}

/* The folder is not there at first: what was not written is not taken for remembered. */
static void what_could_not_be_remembered_is_tried_again(void)
{
	static const char wanted[] = "loopback control\nprobe web new starting\n";
	char folder[] = "/tmp/probes-test-XXXXXX", run_dir[64], path[80];
	struct daemon daemon;
	struct error error;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(run_dir, sizeof(run_dir), "%s/run", folder);
	snprintf(path, sizeof(path), "%s/probes", run_dir);
	probes[0] = probe(NULL);
	start(&daemon, run_dir);
	CU_ASSERT_EQUAL_FATAL(probes_open(&daemon, &error), 0);
	probes_follow(&daemon);
	CU_ASSERT_TRUE(daemon.remembering_fails);
	CU_ASSERT_PTR_NULL(daemon.probes_remembered);
	CU_ASSERT_EQUAL_FATAL(mkdir(run_dir, 0700), 0);
	probes_follow(&daemon);
	CU_ASSERT_FALSE(daemon.remembering_fails);
	expect_file(path, wanted);
	CU_ASSERT_PTR_NOT_NULL_FATAL(daemon.probes_remembered);
	CU_ASSERT_STRING_EQUAL(daemon.probes_remembered, wanted);
	probes_forget(&daemon);
	CU_ASSERT_EQUAL(rmdir(run_dir), 0);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
	end(&daemon);
}

static void probes_that_cannot_be_begun_are_begun_later(void)
{
	struct daemon daemon;
	struct error error;

	probes[0] = probe("(never read by conf)(");
	start(&daemon, "/nonexistent");
	probes_reload(&daemon, &model);
	CU_ASSERT_PTR_NULL(daemon.prober);
	CU_ASSERT_NOT_EQUAL(daemon.heal_at_ms, UINT64_MAX);
	CU_ASSERT(probes_heal(&daemon, &error) < 0);
	probes[0].http.regex = NULL;
	CU_ASSERT_EQUAL(probes_heal(&daemon, &error), 0);
	CU_ASSERT_PTR_NOT_NULL(daemon.prober);
	CU_ASSERT_EQUAL(probes_heal(&daemon, &error), 0);
	end(&daemon);
}

UNIT_TESTS("probes",
	{"what could not be remembered is tried again", what_could_not_be_remembered_is_tried_again},
	{"probes that cannot be begun are begun later", probes_that_cannot_be_begun_are_begun_later})
