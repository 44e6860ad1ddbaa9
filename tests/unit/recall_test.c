// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "health/recall.h"

static struct address first[] = {{.bytes = {1}}, {.bytes = {2}}}, second[] = {{.bytes = {3}}};
static struct loopback loopbacks[] = {{.name = "control", .addresses = first, .address_count = 2},
	{.name = "media", .addresses = second, .address_count = 1}};

static struct probe asks(const char *name, const struct loopback *loopback, const char *url)
{
	return (struct probe){.name = (char *)name,
		.loopback = loopback,
		.http = {.enabled = true, .url = (char *)url, .verify = true}};
}

static struct model with(struct loopback *what, size_t count, struct probe *probes, size_t probe_count)
{
	return (struct model){
		.loopbacks = what, .loopback_count = count, .probes = probes, .probe_count = probe_count};
}

#define HEALTH "http://192.0.2.1/health"
#define OTHER  "http://192.0.2.1/helth"

static void what_is_written_is_read(void)
{
	struct probe probes[] = {asks("cwmp", &loopbacks[0], HEALTH), asks("deep", &loopbacks[0], OTHER),
		asks("fresh", &loopbacks[1], HEALTH)};
	const struct model model = with(loopbacks, 2, probes, 3);
	const struct probe_state were[] = {{.was_up = true, .told = PROBE_DOWN},
		{.excused = true, .told = PROBE_DOWN}, {.told = PROBE_STARTING}};
	struct probe_state are[3] = {0};
	bool kept_back[2];
	_cleanup_free_ char *text = recall_write(&model, were, (const bool[]){false, true});

	CU_ASSERT_STRING_EQUAL(text, "loopback media\nprobe cwmp proven down\nprobe deep excused down\n"
				     "probe fresh new starting\n");
	recall_read(text, &model, &model, are, kept_back);
	CU_ASSERT(!kept_back[0] && kept_back[1]);
	for (size_t i = 0; i < ARRAY_SIZE(are); i++) {
		CU_ASSERT_EQUAL(are[i].was_up, were[i].was_up);
		CU_ASSERT_EQUAL(are[i].excused, were[i].excused);
		CU_ASSERT_EQUAL(are[i].told, were[i].told);
	}
}

static void a_loopback_without_a_probe_is_not_kept_back(void)
{
	struct probe probe = asks("cwmp", &loopbacks[0], HEALTH);
	const struct model former = with(loopbacks, 2, &probe, 1), now = with(loopbacks, 2, NULL, 0);
	bool kept_back[] = {true, true};

	recall_read("loopback control\n", &former, &now, NULL, kept_back);
	CU_ASSERT(!kept_back[0] && !kept_back[1]);
	recall_read("loopback control\n", NULL, &now, NULL, kept_back);
	CU_ASSERT(!kept_back[0]);
}

static void another_question_never_succeeded(void)
{
	struct probe right = asks("cwmp", &loopbacks[0], HEALTH),
		     mistaken = asks("cwmp", &loopbacks[0], OTHER);
	const struct model former = with(loopbacks, 1, &right, 1), now = with(loopbacks, 1, &mistaken, 1);
	struct probe_state state = {0};
	bool kept_back[1];

	recall_read("probe cwmp proven up\n", &former, &now, &state, kept_back);
	CU_ASSERT(!state.was_up && state.told == PROBE_STARTING && !kept_back[0]);
	recall_read("probe cwmp proven up\n", NULL, &now, &state, kept_back); /* nobody knows what it asked */
	CU_ASSERT(state.was_up && state.told == PROBE_UP && !kept_back[0]);
}

static void a_loopback_that_was_not_there_has_yet_to_succeed(void)
{
	struct probe probes[] = {asks("cwmp", &loopbacks[0], HEALTH), asks("rtp", &loopbacks[1], HEALTH)};
	const struct model former = with(loopbacks, 1, probes, 1), now = with(loopbacks, 2, probes, 2);
	struct probe_state states[2] = {0};
	bool kept_back[2];

	recall_read("probe cwmp proven up\n", &former, &now, states, kept_back);
	CU_ASSERT(!kept_back[0] && kept_back[1]);
	recall_read("", NULL, &now, states, kept_back); /* not known what was there: nothing is torn */
	CU_ASSERT(!kept_back[0] && !kept_back[1]);
}

static void a_loopback_goes_on_under_another_name(void)
{
	static struct address more[] = {{.bytes = {2}}, {.bytes = {7}}}, another[] = {{.bytes = {8}}};
	struct loopback renamed[] = {{.name = "acs", .addresses = more, .address_count = 2},
		{.name = "control", .addresses = another, .address_count = 1}};
	struct probe before = asks("cwmp", &loopbacks[0], HEALTH);
	struct probe probes[] = {asks("cwmp", &renamed[0], HEALTH), asks("new", &renamed[1], HEALTH)};
	const struct model former = with(loopbacks, 1, &before, 1), now = with(renamed, 2, probes, 2);
	struct probe_state states[2] = {0};
	bool kept_back[2];

	recall_read("probe cwmp proven up\n", &former, &now, states, kept_back);
	CU_ASSERT(!kept_back[0] && states[0].was_up);
	CU_ASSERT(kept_back[1] && !states[1].was_up);
	recall_read("loopback control\n", &former, &now, states, kept_back);
	CU_ASSERT(kept_back[0]);
}

static void what_differs_in_the_question(void)
{
	struct address elsewhere = {.bytes = {9}};
	uint16_t two[] = {200, 204}, others[] = {200, 503};
	const struct probe base = asks("cwmp", &loopbacks[0], HEALTH);
	struct probe rows[] = {base, base, base, base, base, base, base, base, base, base, base, base};
	struct probe patient = base, numbers = base;

	patient.interval_ms = 7, patient.timeout_ms = 3, patient.rise = 5, patient.fall = 9;
	CU_ASSERT(probe_asks_the_same(&base, &patient));
	rows[0].name = "other";
	rows[1].loopback = &loopbacks[1];
	rows[2].loopback = NULL;
	rows[3].through = "eth0";
	rows[4].http.url = OTHER;
	rows[5].http.body = "ok";
	rows[6].http.regex = "^ok";
	rows[7].http.verify = false;
	rows[8].http.server_name = "acs.example.net";
	rows[9].http.status = two, rows[9].http.status_count = 2;
	rows[10].http.enabled = false, rows[10].icmp.enabled = true, rows[10].icmp.to = elsewhere;
	rows[11].from = elsewhere;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_FALSE(probe_asks_the_same(&base, &rows[i]));
	numbers.http.status = others, numbers.http.status_count = 2;
	CU_ASSERT_FALSE(probe_asks_the_same(&rows[9], &numbers));
}

static void what_nobody_wrote_is_not_believed(void)
{
	static const char *const texts[] = {"", "\n\n", "loopback", "probe cwmp", "probe cwmp proven",
		"probe cwm proven up\n", "nonsense control\nloopback contro", "probe cwmp new flying\n"};
	struct probe probe = asks("cwmp", &loopbacks[0], HEALTH);
	const struct model model = with(loopbacks, 1, &probe, 1);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct probe_state state = {0};
		bool kept_back[1];

		recall_read(texts[i], &model, &model, &state, kept_back);
		CU_ASSERT_EQUAL(state.told, PROBE_STARTING);
		CU_ASSERT_FALSE(kept_back[0]);
	}
}

UNIT_TESTS("recall", {"what is written is read", what_is_written_is_read},
	{"a loopback without a probe is not kept back", a_loopback_without_a_probe_is_not_kept_back},
	{"another question never succeeded", another_question_never_succeeded},
	{"a loopback that was not there has yet to succeed",
		a_loopback_that_was_not_there_has_yet_to_succeed},
	{"a loopback goes on under another name", a_loopback_goes_on_under_another_name},
	{"what differs in the question", what_differs_in_the_question},
	{"what nobody wrote is not believed", what_nobody_wrote_is_not_believed})
