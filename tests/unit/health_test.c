// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/cleanup.h"
#include "health/health.h"

/* Number 1 has BGP and BFD, 2 has BGP alone, 3 neither. */
static struct tunnel tunnels[] = {
	{.name = "both", .number = 1, .bgp = {.enabled = true, .bfd = {.enabled = true}}},
	{.name = "bgp", .number = 2, .bgp = {.enabled = true}},
	{.name = "plain", .number = 3},
};
static struct address control[] = {{.bytes = {1}}, {.bytes = {2}}}, media[] = {{.bytes = {3}}};
static struct loopback loopbacks[] = {{.name = "control", .addresses = control, .address_count = 2},
	{.name = "media", .addresses = media, .address_count = 1}};
static const struct model model = {
	.tunnels = tunnels, .tunnel_count = 3, .loopbacks = loopbacks, .loopback_count = 2};

enum event { PROBES, NO_PROBES, LINK, NO_LINK, BFD, NO_BFD, BGP, NO_BGP, LOST, BACK, TICK, ADOPT };

/* A time table: what happens when to which tunnel, and whether that tunnel is usable then and since when. */
struct row {
	uint64_t at;
	enum event event;
	uint16_t tunnel;
	bool usable;
	uint64_t since;
	const char *cause;
};

static void happen(struct health *health, const struct row *row)
{
	switch (row->event) {
	case LOST:
		health_bird_lost(health, row->at);
		return;
	case BACK:
		health_bird_back(health, row->at);
		return;
	case TICK:
		health_tick(health, row->at);
		return;
	case ADOPT:
		health_adopt(health, row->tunnel);
		return;
	case PROBES:
	case NO_PROBES:
		health_report(health, row->tunnel, HEALTH_PROBES, row->event == PROBES, row->at);
		return;
	case LINK:
	case NO_LINK:
		health_report(health, row->tunnel, HEALTH_LINK, row->event == LINK, row->at);
		return;
	case BFD:
	case NO_BFD:
		health_report(health, row->tunnel, HEALTH_BFD, row->event == BFD, row->at);
		return;
	default:
		health_report(health, row->tunnel, HEALTH_BGP, row->event == BGP, row->at);
	}
}

static void follow(const struct model *of, const struct row *rows, size_t count)
{
	struct health *health = health_new(of, 0);

	for (size_t i = 0; i < count; i++) {
		const struct health_tunnel *state = &health_tunnels(health)[rows[i].tunnel - 1];

		happen(health, &rows[i]);
		if (state->usable != rows[i].usable || state->since_ms != rows[i].since ||
			strcmp(health_cause(state), rows[i].cause) != 0)
			printf("row %zu: at %lu usable %d since %lu, %s\n", i, rows[i].at, state->usable,
				state->since_ms, health_cause(state));
		CU_ASSERT_EQUAL(state->usable, rows[i].usable);
		CU_ASSERT_EQUAL(state->since_ms, rows[i].since);
		CU_ASSERT_STRING_EQUAL(health_cause(state), rows[i].cause);
	}
	health_free(health);
}

#define FOLLOW_IN(of, ...)                                      \
	do {                                                    \
		static const struct row rows[] = {__VA_ARGS__}; \
		follow(of, rows, ARRAY_SIZE(rows));             \
	} while (0)
#define FOLLOW(...) FOLLOW_IN(&model, __VA_ARGS__)

static void needs_what_is_configured(void)
{
	FOLLOW({10, LINK, 1, false, 0, "BFD down"}, {20, BGP, 1, false, 0, "BFD down"},
		{30, BFD, 1, true, 30, "all well"}, {40, BFD, 1, true, 30, "all well"});
	FOLLOW({10, BFD, 2, false, 0, "link gone"}, {20, LINK, 2, false, 0, "BGP down"},
		{30, BGP, 2, true, 30, "all well"});
	FOLLOW({10, LINK, 3, true, 10, "all well"});
	FOLLOW({10, BFD, 3, false, 0, "link gone"}, {20, BGP, 3, false, 0, "link gone"});
}

static void any_loss_ends_it_at_once(void)
{
	FOLLOW({1, LINK, 1, false, 0, "BFD down"}, {2, BGP, 1, false, 0, "BFD down"},
		{3, BFD, 1, true, 3, "all well"}, {4, NO_BFD, 1, false, 4, "BFD down"},
		{5, NO_BGP, 1, false, 4, "BFD down"}, {6, BFD, 1, false, 4, "BGP down"},
		{7, BGP, 1, true, 7, "all well"}, {8, NO_BGP, 1, false, 8, "BGP down"},
		{9, BGP, 1, true, 9, "all well"}, {10, NO_LINK, 1, false, 10, "link gone"},
		{11, LINK, 1, true, 11, "all well"});
	FOLLOW({1, LINK, 2, false, 0, "BGP down"}, {2, BGP, 2, true, 2, "all well"},
		{3, NO_BFD, 2, true, 2, "all well"}, {4, NO_BGP, 2, false, 4, "BGP down"});
	FOLLOW({1, LINK, 3, true, 1, "all well"}, {2, NO_LINK, 3, false, 2, "link gone"});
}

/* Tunnels 1 and 2 are links of a group with two destinations; of 2 whatever it announces counts. */
static struct prefix destinations[2];
static struct egress_link links[] = {
	{.tunnel = &tunnels[0]}, {.tunnel = &tunnels[1], .announce = ANNOUNCE_IGNORED}};
static struct egress_group groups[] = {{.name = "platform",
	.destinations = destinations,
	.destination_count = 2,
	.links = links,
	.link_count = 2}};
static const struct model linked = {
	.tunnels = tunnels, .tunnel_count = 3, .egress = groups, .egress_count = 1};

/* As many routes to destinations by tunnel 1; `leaving`: all of them. */
static void tell_routes(struct health *health, size_t count, bool leaving, uint64_t now_ms)
{
	struct told_route routes[2];

	CU_ASSERT_FATAL(prefix_parse("192.0.2.1/32", &destinations[0]) == 0 &&
			prefix_parse("2001:db8::1/128", &destinations[1]) == 0);
	for (size_t i = 0; i < count; i++)
		routes[i] = (struct told_route){1, destinations[i], leaving};
	health_told(health, routes, count, now_ms);
}

static struct health *link_up(const struct model *of)
{
	struct health *health = health_new(of, 0);

	for (uint16_t tunnel = 1; tunnel <= 2; tunnel++)
		for (enum health_need need = HEALTH_LINK; need <= HEALTH_BGP; need++)
			health_report(health, tunnel, need, true, 1);
	return health;
}

/* "usable announces cause" of the first tunnel. */
static void expect_link(const struct health *health, const char *wanted)
{
	const struct health_tunnel *row = &health_tunnels(health)[0];
	char text[128];

	snprintf(text, sizeof(text), "%d %s %s", row->usable, announces_name(row->announces),
		health_cause(row));
	CU_ASSERT_STRING_EQUAL(text, wanted);
}

#define SAYS_NOTHING \
	"its neighbor announces no destination of its egress group, or bgp.import.maximum is reached"

static void a_link_needs_a_destination(void)
{
	struct health *health = link_up(&linked);

	CU_ASSERT_TRUE(health_tunnels(health)[1].usable);
	expect_link(health, "0 nothing " SAYS_NOTHING);
	tell_routes(health, 1, false, 2);
	expect_link(health, "1 some all well");
	tell_routes(health, 2, false, 3);
	expect_link(health, "1 all all well");
	tell_routes(health, 2, true, 4);
	expect_link(health, "1 leaving all well");
	tell_routes(health, 0, false, 5);
	expect_link(health, "0 nothing " SAYS_NOTHING);
	tell_routes(health, 2, false, 6);
	health_report(health, 1, HEALTH_BGP, false, 7); /* and with it the routes */
	health_report(health, 1, HEALTH_BGP, true, 8);
	expect_link(health, "0 nothing " SAYS_NOTHING);
	CU_ASSERT_TRUE(health_tunnels(health)[1].usable);
	health_free(health);
}

/* Neither a BIRD without sessions nor one that has heard of one family alone takes the link away. */
static void what_is_announced_is_frozen_too(void)
{
	struct health *health = link_up(&linked);

	tell_routes(health, 2, false, 2);
	health_bird_lost(health, 10);
	expect_link(health, "1 all all well");
	health_bird_back(health, 20);
	tell_routes(health, 0, false, 21);
	expect_link(health, "1 all all well");
	health_report(health, 1, HEALTH_BGP, true, 22);
	tell_routes(health, 1, false, 23);
	expect_link(health, "1 all all well");
	CU_ASSERT_TRUE(health_tunnels(health)[0].frozen);
	tell_routes(health, 2, false, 24);
	CU_ASSERT_FALSE(health_tunnels(health)[0].frozen);
	health_bird_lost(health, 30);
	health_bird_back(health, 40);
	health_report(health, 1, HEALTH_BGP, true, 50);
	tell_routes(health, 1, false, 51);
	health_tick(health, 40 + HEALTH_CONVERGE_MS);
	expect_link(health, "1 some all well");
	health_free(health);
}

static void a_successor_asks_what_is_announced(void)
{
	struct health *health = health_new(&linked, 0);

	health_adopt(health, 1);
	for (enum health_need need = HEALTH_LINK; need <= HEALTH_BGP; need++)
		health_report(health, 1, need, true, 1);
	health_bird_back(health, 2);
	expect_link(health, "1 unknown all well");
	CU_ASSERT_TRUE(health_tunnels(health)[0].frozen);
	tell_routes(health, 1, false, 3);
	expect_link(health, "1 some all well");
	CU_ASSERT_FALSE(health_tunnels(health)[0].frozen);
	health_free(health);
}

/* One that becomes a link goes on until BIRD has said what it announces; one that is none any more needs nothing. */
static void another_model_may_ask_more(void)
{
	struct health *was = link_up(&model), *is = health_new(&linked, 10), *next = health_new(&model, 20);

	health_carry(is, was, 10);
	expect_link(is, "1 all all well");
	tell_routes(is, 0, false, 11);
	expect_link(is, "0 nothing " SAYS_NOTHING);
	health_carry(next, is, 20);
	expect_link(next, "1 all all well");
	health_free(was);
	health_free(is);
	health_free(next);
}

/* Tunnel 3 has a probe: what comes by it is told to no router before that is up, nor when it fell. */
static void what_probes_do_not_prove_is_told_to_nobody(void)
{
	static struct probe probes[] = {{.name = "far", .tunnel = &tunnels[2]}};
	static const struct model probed = {
		.tunnels = tunnels, .tunnel_count = 3, .probes = probes, .probe_count = 1};
	struct health *health = health_new(&probed, 0), *next = NULL, *without = NULL;
	const bool *unproven = health_announcement(health).unproven;

	CU_ASSERT_TRUE(!unproven[0] && !unproven[1] && unproven[2]);
	health_report(health, 3, HEALTH_PROBES, true, 10);
	CU_ASSERT_FALSE(unproven[2]);
	CU_ASSERT_TRUE(health_next_announcement(health));
	health_report(health, 3, HEALTH_PROBES, true, 11);
	CU_ASSERT_FALSE(health_next_announcement(health));
	health_report(health, 3, HEALTH_PROBES, false, 20);
	CU_ASSERT_TRUE(unproven[2] && health_next_announcement(health));
	next = health_new(&probed, 30);
	health_carry(next, health, 30);
	CU_ASSERT_TRUE(health_announcement(next).unproven[2]);
	without = health_new(&model, 40);
	health_carry(without, health, 40);
	CU_ASSERT_FALSE(health_announcement(without).unproven[2]);
	health_free(health);
	health_free(next);
	health_free(without);
	health = health_new(&probed, 50);
	health_adopt(health, 3); /* what an earlier daemon had in use goes on being told */
	CU_ASSERT_FALSE(health_announcement(health).unproven[2]);
	health_free(health);
}

/* What an earlier daemon left: neither a black hole while nothing is known, nor believed for ever. */
static void a_successor_adopts_the_bits(void)
{
	struct health_tunnel change;
	struct health *health = health_new(&model, 0);

	health_adopt(health, 1);
	CU_ASSERT_FALSE(health_next_change(health, &change)); /* the map says so already */
	health_report(health, 1, HEALTH_LINK, false, 5);
	CU_ASSERT(health_next_change(health, &change));
	CU_ASSERT_FALSE(change.usable);
	health_free(health);
	/* BFD is heard of before the link is. */
	FOLLOW({0, ADOPT, 1, true, 0, "all well"}, {1, BFD, 1, true, 0, "all well"},
		{2, LINK, 1, true, 0, "all well"}, {3, BACK, 1, true, 0, "all well"},
		{4, BGP, 1, true, 0, "all well"}, {5, NO_BFD, 1, false, 5, "BFD down"});
	/* It died meanwhile, and nobody says so. */
	FOLLOW({0, ADOPT, 1, true, 0, "all well"}, {2, LINK, 1, true, 0, "all well"},
		{3, BACK, 1, true, 0, "all well"}, {4, BGP, 1, true, 0, "all well"},
		{15003, TICK, 1, false, 15003, "BFD down"});
	FOLLOW({0, ADOPT, 3, true, 0, "all well"}, {1, NO_LINK, 3, false, 1, "link gone"});
	FOLLOW({0, ADOPT, 2, true, 0, "all well"}, {1, LINK, 3, true, 1, "all well"});
}

// clang-format off
#define UP_1 {1, LINK, 1, false, 0, "BFD down"}, {2, BGP, 1, false, 0, "BFD down"}, {3, BFD, 1, true, 3, "all well"}
// clang-format on

static void a_lost_bird_freezes(void)
{
	/* Whatever its end makes of the sessions, the bit stays, until all is well again, and then events count. */
	FOLLOW(UP_1, {10, LOST, 1, true, 3, "all well"}, {11, NO_BGP, 1, true, 3, "all well"},
		{12, NO_BFD, 1, true, 3, "all well"}, {2000, BACK, 1, true, 3, "all well"},
		{2100, BFD, 1, true, 3, "all well"}, {3000, BGP, 1, true, 3, "all well"},
		{3001, NO_BFD, 1, false, 3001, "BFD down"});
	/* The marker was never touched: BFD is not reported again, and need not be. */
	FOLLOW(UP_1, {10, LOST, 1, true, 3, "all well"}, {2000, BACK, 1, true, 3, "all well"},
		{3000, BGP, 1, true, 3, "all well"}, {20000, TICK, 1, true, 3, "all well"});
	/* A link that goes is the kernel's word. */
	FOLLOW(UP_1, {10, LOST, 1, true, 3, "all well"}, {20, NO_LINK, 1, false, 20, "link gone"},
		{30, LINK, 1, false, 20, "BGP down"}, {40, BACK, 1, false, 20, "BGP down"},
		{50, BGP, 1, true, 50, "all well"});
	/* What was down stays down. */
	FOLLOW({1, LINK, 1, false, 0, "BFD down"}, {10, LOST, 1, false, 0, "BFD down"},
		{20, BACK, 1, false, 0, "BFD down"}, {30, BFD, 1, false, 0, "BGP down"},
		{40, BGP, 1, true, 40, "all well"});
	/* Without BGP a tunnel does not care. */
	FOLLOW({1, LINK, 3, true, 1, "all well"}, {10, LOST, 3, true, 1, "all well"},
		{20, NO_LINK, 3, false, 20, "link gone"}, {30, LINK, 3, true, 30, "all well"});
}

static void the_frozen_thaw_in_bounded_time(void)
{
	FOLLOW(UP_1, {10, LOST, 1, true, 3, "all well"}, {60000, TICK, 1, true, 3, "all well"},
		{100000, BACK, 1, true, 3, "all well"},
		{100000 + HEALTH_CONVERGE_MS - 1, TICK, 1, true, 3, "all well"},
		{100000 + HEALTH_CONVERGE_MS, TICK, 1, false, 100000 + HEALTH_CONVERGE_MS, "BGP down"});
	/* BIRD dies again meanwhile: the clock starts anew. */
	FOLLOW(UP_1, {10, LOST, 1, true, 3, "all well"}, {1000, BACK, 1, true, 3, "all well"},
		{2000, LOST, 1, true, 3, "all well"},
		{1000 + HEALTH_CONVERGE_MS, TICK, 1, true, 3, "all well"},
		{30000, BACK, 1, true, 3, "all well"}, {30500, BACK, 1, true, 3, "all well"},
		{30000 + HEALTH_CONVERGE_MS, TICK, 1, false, 30000 + HEALTH_CONVERGE_MS, "BGP down"});
}

static void the_deadline_is_told(void)
{
	struct health *health = health_new(&model, 0);

	CU_ASSERT_EQUAL(health_deadline(health), UINT64_MAX);
	health_bird_lost(health, 10);
	CU_ASSERT_EQUAL(health_deadline(health), UINT64_MAX);
	health_bird_back(health, 20);
	CU_ASSERT_EQUAL(health_deadline(health), 20 + HEALTH_CONVERGE_MS);
	health_tick(health, health_deadline(health));
	CU_ASSERT_EQUAL(health_deadline(health), UINT64_MAX);
	health_free(health);
}

static void changes_are_told_once(void)
{
	struct health *health = health_new(&model, 0);
	struct health_tunnel change;

	CU_ASSERT_FALSE(health_next_change(health, &change));
	health_report(health, 3, HEALTH_LINK, true, 10);
	health_report(health, 2, HEALTH_LINK, true, 11);
	health_report(health, 2, HEALTH_BGP, true, 12);
	CU_ASSERT(health_next_change(health, &change));
	CU_ASSERT_EQUAL(change.tunnel, 2);
	CU_ASSERT(change.usable);
	CU_ASSERT_EQUAL(change.since_ms, 12);
	CU_ASSERT(health_next_change(health, &change));
	CU_ASSERT_EQUAL(change.tunnel, 3);
	CU_ASSERT_FALSE(health_next_change(health, &change));
	health_report(health, 3, HEALTH_LINK, false, 20);
	health_report(health, 3, HEALTH_LINK, true, 21);
	CU_ASSERT_FALSE(health_next_change(health, &change));
	health_report(health, 99, HEALTH_LINK, true, 30);
	CU_ASSERT_FALSE(health_next_change(health, &change));
	health_free(health);
}

static void loopbacks_are_announced_until_withdrawn(void)
{
	struct health *health = health_new(&model, 0);

	CU_ASSERT(health_announced(health)[0]);
	CU_ASSERT(health_announced(health)[1]);
	health_withdraw_all(health);
	CU_ASSERT_FALSE(health_announced(health)[0]);
	CU_ASSERT_FALSE(health_announced(health)[1]);
	health_free(health);
}

static void close_health(struct health **health)
{
	health_free(*health);
}

/* Tunnel 1 stays, 2 gets BFD, 3 becomes another tunnel of the same number, 4 is new. */
static struct tunnel next_tunnels[] = {
	{.name = "both", .number = 1, .bgp = {.enabled = true, .bfd = {.enabled = true}}},
	{.name = "bgp", .number = 2, .bgp = {.enabled = true, .bfd = {.enabled = true}}},
	{.name = "other", .number = 3},
	{.name = "new", .number = 4},
};
static struct loopback next_loopbacks[] = {{.name = "media"}, {.name = "fresh"}};
static const struct model next_model = {
	.tunnels = next_tunnels, .tunnel_count = 4, .loopbacks = next_loopbacks, .loopback_count = 2};

static struct health *all_usable(void)
{
	struct health *health = health_new(&model, 0);
	struct health_tunnel change;

	for (uint16_t tunnel = 1; tunnel <= 3; tunnel++)
		for (enum health_need need = 0; need < HEALTH_NEEDS; need++)
			if (tunnel != 2 || need != HEALTH_BFD)
				health_report(health, tunnel, need, true, 7);
	while (health_next_change(health, &change))
		;
	return health;
}

static void what_stays_is_carried(void)
{
	_cleanup_(close_health) struct health *old = all_usable(), *health = health_new(&next_model, 100);
	const struct health_tunnel *rows = health_tunnels(health);
	struct health_tunnel change;

	health_carry(health, old, 100);
	CU_ASSERT(rows[0].usable && rows[0].since_ms == 7);
	CU_ASSERT(!rows[1].usable && rows[1].missing == HEALTH_BFD && rows[1].since_ms == 100);
	CU_ASSERT(!rows[2].usable && rows[2].missing == HEALTH_LINK);
	CU_ASSERT(!rows[3].usable && rows[3].missing == HEALTH_LINK);
	CU_ASSERT_FATAL(health_next_change(health, &change)); /* only what really changed is told */
	CU_ASSERT_EQUAL(change.tunnel, 2);
	CU_ASSERT_FALSE(health_next_change(health, &change));
	health_report(health, 2, HEALTH_BFD, true, 101);
	CU_ASSERT(rows[1].usable);
}

static void a_lost_bird_is_carried(void)
{
	_cleanup_(close_health) struct health *old = all_usable(), *health = health_new(&next_model, 100);
	const struct health_tunnel *rows = health_tunnels(health);

	health_bird_lost(old, 50);
	health_bird_back(old, 60);
	health_carry(health, old, 100);
	CU_ASSERT(rows[0].usable && rows[0].frozen);
	CU_ASSERT_EQUAL(health_deadline(health), 60 + HEALTH_CONVERGE_MS);
	health_tick(health, 60 + HEALTH_CONVERGE_MS);
	CU_ASSERT_FALSE(rows[0].usable);
}

static void what_stands_against_announcing_is_carried(void)
{
	_cleanup_(close_health) struct health *old = all_usable(), *health = health_new(&next_model, 100);

	health_withdraw_all(old);
	health_carry(health, old, 100);
	CU_ASSERT_FALSE(health_announced(health)[0]);
	CU_ASSERT_FALSE(health_announced(health)[1]); /* one that comes with the new model as little */
	CU_ASSERT(health_next_announcement(health));  /* nobody was told of it yet */
	CU_ASSERT_FALSE(health_next_announcement(health));
}

/* What is announced and why not, as a row: "announced leaving serving deadline obstacle". */
static void expect_announcement(struct health *health, bool changed, const char *wanted)
{
	char text[128];
	uint64_t deadline = health_deadline(health);

	snprintf(text, sizeof(text), "%d%d %s %s %lld %s", health_announced(health)[0],
		health_announced(health)[1], health_is_leaving(health) ? "leaving" : "-",
		health_is_serving(health) ? "serving" : "-",
		deadline == UINT64_MAX ? -1 : (long long)deadline, health_obstacle(health) ?: "-");
	CU_ASSERT_STRING_EQUAL(text, wanted);
	CU_ASSERT_EQUAL(health_next_announcement(health), changed);
}

/* One tunnel as a row: "usable voice cause", and when something is due. */
static void expect_tunnel(struct health *health, uint64_t deadline, const char *wanted)
{
	static const char *const voices[] = {"speaks", "leaves", "silent"};
	const struct health_tunnel *row = &health_tunnels(health)[0];
	char text[128];

	snprintf(text, sizeof(text), "%d %s %s", row->usable, voices[health_announcement(health).tunnels[0]],
		health_cause(row));
	CU_ASSERT_STRING_EQUAL(text, wanted);
	CU_ASSERT_EQUAL(health_deadline(health), deadline);
}

static void a_disabled_tunnel_leaves_then_is_silent(void)
{
	_cleanup_(close_health) struct health *health = all_usable(), *next = health_new(&model, 0);

	CU_ASSERT(!health_next_announcement(health));
	health_disable(health, 1, true, false, 1000);
	expect_tunnel(health, 4000, "1 leaves all well");
	CU_ASSERT(health_next_announcement(health));
	health_disable(health, 1, true, false, 2000); /* asked again: no longer time */
	health_carry(next, health, 3999);
	expect_tunnel(next, 4000, "1 leaves all well");
	health_tick(health, 4000);
	expect_tunnel(health, UINT64_MAX, "0 silent disabled by an operator");
	CU_ASSERT(health_next_announcement(health));
	CU_ASSERT(health_announced(health)[0] && !health_announcement(health).withdrawn);
	health_report(health, 1, HEALTH_LINK, false, 4500); /* the operator's word explains more */
	expect_tunnel(health, UINT64_MAX, "0 silent disabled by an operator");
	health_report(health, 1, HEALTH_LINK, true, 4600);
	health_disable(health, 1, false, false, 5000);
	expect_tunnel(health, UINT64_MAX, "1 speaks all well");
	CU_ASSERT(health_next_announcement(health));
	health_disable(health, 99, true, false, 6000);
	CU_ASSERT(!health_next_announcement(health));
}

/* On a provider's side: what its tunnels import is withdrawn as well. */
static void a_gateway_without_loopbacks_is_drained(void)
{
	struct model bare = model;
	_cleanup_(close_health) struct health *health = NULL;

	bare.loopback_count = 0;
	health = health_new(&bare, 0);
	health_drain(health, true, false, 1000);
	CU_ASSERT(health_announcement(health).leaving && !health_announcement(health).withdrawn);
	CU_ASSERT(health_next_announcement(health));
	health_tick(health, 1000 + HEALTH_LEAVING_MS);
	CU_ASSERT(!health_announcement(health).leaving && health_announcement(health).withdrawn);
	CU_ASSERT(health_next_announcement(health));
	health_drain(health, false, false, 9000);
	CU_ASSERT(!health_announcement(health).withdrawn && health_next_announcement(health));
	health_array_ready(health, false);
	CU_ASSERT(health_announcement(health).withdrawn && health_next_announcement(health));
	health_array_ready(health, true);
	CU_ASSERT(!health_announcement(health).withdrawn && health_next_announcement(health));
}

static void a_disabled_tunnel_is_disabled_without_bird_too(void)
{
	_cleanup_(close_health) struct health *health = all_usable();

	health_bird_lost(health, 500);
	health_disable(health, 1, true, true, 1000);
	expect_tunnel(health, UINT64_MAX, "0 silent disabled by an operator");
	health_disable(health, 1, false, false, 2000);
	CU_ASSERT_FALSE(health_tunnels(health)[0].usable); /* nothing is known of its session */
}

static void a_drained_gateway_leaves_then_withdraws(void)
{
	_cleanup_(close_health) struct health *health = health_new(&model, 0), *next = health_new(&model, 0);

	expect_announcement(health, false, "11 - serving -1 -");
	health_drain(health, true, false, 1000);
	expect_announcement(health, true, "11 leaving - 4000 the gateway is drained");
	health_drain(health, true, false, 2000); /* asked again: no longer time */
	health_tick(health, 3999);
	expect_announcement(health, false, "11 leaving - 4000 the gateway is drained");
	health_carry(next, health, 3999);
	expect_announcement(next, false, "11 leaving - 4000 the gateway is drained");
	health_tick(health, 4000);
	expect_announcement(health, true, "00 - - -1 the gateway is drained");
	health_drain(health, false, false, 5000);
	expect_announcement(health, true, "11 - serving -1 -");
	health_drain(health, true, false, 6000);
	health_drain(health, false, false, 6001); /* undone in time: only what is said of it changes */
	expect_announcement(health, true, "11 - serving -1 -");
}

/* Who is cut off from the array says that it leaves, and goes on serving whoever has no other way. */
static void an_isolated_gateway_is_announced_as_leaving(void)
{
	_cleanup_(close_health) struct health *health = health_new(&model, 0), *next = health_new(&model, 0);

	health_isolated(health, false);
	expect_announcement(health, false, "11 - serving -1 -");
	health_isolated(health, true);
	expect_announcement(health, true, "11 leaving serving -1 -");
	health_isolated(health, true);
	health_carry(next, health, 50);
	expect_announcement(next, false, "11 leaving serving -1 -");
	health_drain(health, true, false, 100); /* both: it leaves, and goes */
	expect_announcement(health, true, "11 leaving - 3100 the gateway is drained");
	health_tick(health, 3100);
	CU_ASSERT_FALSE(health_announced(health)[0]);
	health_drain(health, false, false, 3200);
	expect_announcement(health, true, "11 leaving serving -1 -");
	health_isolated(health, false);
	expect_announcement(health, true, "11 - serving -1 -");
}

/* The same, with probes of the first and the third tunnel and of the first loopback. */
static struct probe probes[] = {
	{.name = "far", .tunnel = &tunnels[0]},
	{.name = "plain", .tunnel = &tunnels[2]},
	{.name = "cwmp", .loopback = &loopbacks[0]},
};
static const struct model probed_model = {.tunnels = tunnels,
	.tunnel_count = 3,
	.loopbacks = loopbacks,
	.loopback_count = 2,
	.probes = probes,
	.probe_count = 3};

static void a_tunnel_needs_its_probes(void)
{
	FOLLOW_IN(&probed_model, {1, LINK, 3, false, 0, "a probe is down"},
		{2, PROBES, 3, true, 2, "all well"}, {3, NO_PROBES, 3, false, 3, "a probe is down"},
		{4, NO_LINK, 3, false, 3, "link gone"});
	FOLLOW_IN(&probed_model, {1, LINK, 2, false, 0, "BGP down"}, {2, BGP, 2, true, 2, "all well"});
	/* While BIRD is lost, what we asked ourselves is known, and believed. */
	FOLLOW_IN(&probed_model, {1, LINK, 1, false, 0, "BFD down"}, {2, BGP, 1, false, 0, "BFD down"},
		{3, BFD, 1, false, 0, "a probe is down"}, {4, PROBES, 1, true, 4, "all well"},
		{5, LOST, 1, true, 4, "all well"}, {6, NO_PROBES, 1, false, 6, "a probe is down"});
	/* What an earlier daemon found good goes on until its probes say otherwise. */
	FOLLOW_IN(&probed_model, {0, ADOPT, 3, true, 0, "all well"}, {1, LINK, 3, true, 0, "all well"},
		{2, NO_PROBES, 3, false, 2, "a probe is down"});
}

static void a_loopback_is_announced_while_its_probes_allow_it(void)
{
	_cleanup_(close_health) struct health *health = health_new(&probed_model, 0);

	expect_announcement(health, false, "01 - serving -1 -");
	health_probed(health, 0, true);
	expect_announcement(health, true, "11 - serving -1 -");
	CU_ASSERT_FALSE(health_is_forbidden(health, 0));
	health_probed(health, 0, true);
	expect_announcement(health, false, "11 - serving -1 -");
	health_drain(health, true, false, 100);
	expect_announcement(health, true, "11 leaving - 3100 the gateway is drained");
	health_probed(health, 0, false); /* what does not work any more leaves at once */
	expect_announcement(health, true, "01 leaving - 3100 the gateway is drained");
	health_drain(health, false, false, 200);
	expect_announcement(health, true, "01 - serving -1 -");
	CU_ASSERT(health_is_forbidden(health, 0));
	health_probed(health, 1, false);
	expect_announcement(health, true, "00 - - -1 -"); /* nothing is left that it could serve */
}

static void what_probes_decided_is_carried(void)
{
	_cleanup_(close_health) struct health *plain = health_new(&model, 0),
					      *probed = health_new(&probed_model, 10),
					      *down = health_new(&probed_model, 20),
					      *after = health_new(&model, 30);
	struct health_tunnel change;

	health_report(plain, 3, HEALTH_LINK, true, 5);
	while (health_next_change(plain, &change))
		;
	health_carry(probed, plain, 10); /* a probe that comes takes nothing out of service by coming */
	expect_announcement(probed, false, "11 - serving -1 -");
	CU_ASSERT(health_tunnels(probed)[2].usable);
	CU_ASSERT_FALSE(health_next_change(probed, &change));
	health_carry(down, probed, 12); /* and again, when more is known */
	health_probed(probed, 0, false);
	health_report(probed, 3, HEALTH_PROBES, false, 15);
	expect_announcement(probed, true, "01 - serving -1 -");
	health_carry(down, probed, 20);
	expect_announcement(down, false, "01 - serving -1 -");
	CU_ASSERT_FALSE(health_tunnels(down)[2].usable);
	health_carry(after, down, 30); /* one that goes stands in nothing's way */
	expect_announcement(after, false, "11 - serving -1 -");
	CU_ASSERT(health_tunnels(after)[2].usable);
}

/* Nobody who sends to a loopback knows what it is called: one with another name stays, another address has yet to succeed. */
static void a_loopback_is_known_by_its_addresses(void)
{
	static struct address more[] = {{.bytes = {2}}, {.bytes = {7}}}, another[] = {{.bytes = {8}}};
	static struct loopback called_otherwise[] = {{.name = "acs", .addresses = more, .address_count = 2},
		{.name = "control", .addresses = another, .address_count = 1}};
	static struct probe both[] = {{.name = "acs", .loopback = &called_otherwise[0]},
		{.name = "cwmp", .loopback = &called_otherwise[1]}};
	static const struct model renamed = {
		.loopbacks = called_otherwise, .loopback_count = 2, .probes = both, .probe_count = 2};
	_cleanup_(close_health) struct health *health = health_new(&probed_model, 0),
					      *next = health_new(&renamed, 10),
					      *back = health_new(&probed_model, 20);

	health_probed(health, 0, true);
	health_carry(next, health, 10);
	CU_ASSERT_FALSE(health_is_forbidden(next, 0));
	CU_ASSERT(health_is_forbidden(next, 1));
	health_probed(next, 0, false);
	health_carry(back, next, 20);
	CU_ASSERT(health_is_forbidden(back, 0));
	CU_ASSERT_FALSE(health_is_forbidden(back, 1)); /* nothing probes it */
}

/* An earlier daemon was drained: there is nothing to leave. */
static void one_that_starts_drained_announces_nothing(void)
{
	_cleanup_(close_health) struct health *health = health_new(&model, 0);

	health_drain(health, true, true, 0);
	expect_announcement(health, true, "00 - - -1 the gateway is drained");
}

static void nothing_is_announced_before_the_array_is_ready(void)
{
	_cleanup_(close_health) struct health *health = health_new(&model, 0);

	health_array_ready(health, false);
	expect_announcement(health, true, "00 - - -1 the array is not ready");
	health_drain(health, true, false, 10); /* nothing is announced that could leave */
	expect_announcement(health, true, "00 - - -1 the gateway is drained");
	health_array_ready(health, true);
	expect_announcement(health, false, "00 - - -1 the gateway is drained");
	health_drain(health, false, false, 20);
	expect_announcement(health, true, "11 - serving -1 -");
	health_withdraw_all(health);
	expect_announcement(health, true, "00 - - -1 the gateway stops");
	health_drain(health, true, false, 30);
	expect_announcement(health, true, "00 - - -1 the gateway stops");
}

UNIT_TESTS("health", {"a tunnel needs what is configured for it", needs_what_is_configured},
	{"any loss ends it at once", any_loss_ends_it_at_once},
	{"a link needs a destination to be announced", a_link_needs_a_destination},
	{"what is announced is frozen too", what_is_announced_is_frozen_too},
	{"a successor asks what is announced", a_successor_asks_what_is_announced},
	{"another model may ask more", another_model_may_ask_more},
	{"what probes do not prove is told to nobody", what_probes_do_not_prove_is_told_to_nobody},
	{"a successor adopts the bits", a_successor_adopts_the_bits},
	{"a lost BIRD freezes the bits", a_lost_bird_freezes},
	{"the frozen thaw in bounded time", the_frozen_thaw_in_bounded_time},
	{"the deadline is told", the_deadline_is_told}, {"changes are told once", changes_are_told_once},
	{"what is known of tunnels that stay is carried over", what_stays_is_carried},
	{"a lost BIRD is carried over", a_lost_bird_is_carried},
	{"what stands against announcing is carried over", what_stands_against_announcing_is_carried},
	{"a disabled tunnel leaves, then is silent", a_disabled_tunnel_leaves_then_is_silent},
	{"a gateway without loopbacks is drained", a_gateway_without_loopbacks_is_drained},
	{"a tunnel is disabled also while BIRD is lost", a_disabled_tunnel_is_disabled_without_bird_too},
	{"a drained gateway leaves, then withdraws", a_drained_gateway_leaves_then_withdraws},
	{"an isolated gateway is announced as leaving", an_isolated_gateway_is_announced_as_leaving},
	{"a tunnel needs its probes", a_tunnel_needs_its_probes},
	{"a loopback is announced while its probes allow it",
		a_loopback_is_announced_while_its_probes_allow_it},
	{"what probes decided is carried over", what_probes_decided_is_carried},
	{"a loopback is known by its addresses", a_loopback_is_known_by_its_addresses},
	{"one that starts drained announces nothing", one_that_starts_drained_announces_nothing},
	{"nothing is announced before the array is ready", nothing_is_announced_before_the_array_is_ready},
	{"loopbacks are announced until withdrawn", loopbacks_are_announced_until_withdrawn})
