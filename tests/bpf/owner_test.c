// SPDX-License-Identifier: Apache-2.0
/*
 * Whose flow is it, and what becomes of its requests? A table of decisions: what is known of the flow, what of the
 * member that may have it, the packet; then the verdict, what is known of the flow afterwards, and whether gwd is told.
 * What a table cannot say in one step: owner_opened_test.c, owner_asked_test.c.
 */
#include "tests/bpf/owned.h"
#include "tests/bpf/scene_test.h"

struct decision {
	const char *shows;
	struct flow before;
	int member;      /* gateway 2's state */
	unsigned drains; /* how many do not serve: it, then we too */
	struct shape in; /* by tunnel 101 */
	int verdict;
	enum reason reason;
	struct flow after;
	bool told; /* of the flow */
};

static const struct decision decisions[] = {
	/* The first packet of a flow. */
	{"a SYN makes us the owner", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = SYN), OURS, HALF_OPEN(1),
		false},
	{"so does UDP", NO_LINE, MEMBER_ALIVE, false, DATAGRAM(), OURS, HALF_OPEN(1), false},
	{"and a ping", NO_LINE, MEMBER_ALIVE, false, PING, OURS, HALF_OPEN(1), false},
	{"UDP to our slice is ours", NO_LINE, MEMBER_ALIVE, false, DATAGRAM(.to_port = OUR_PORT), OURS,
		HALF_OPEN(1), false},
	{"UDP to a member's slice is the member's", NO_LINE, MEMBER_ALIVE, false,
		DATAGRAM(.to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"although it does not serve", NO_LINE, MEMBER_ALIVE, true, DATAGRAM(.to_port = THEIR_PORT), THEIRS,
		HALF_OPEN(2), false},
	{"or is suspect", NO_LINE, MEMBER_SUSPECT, false, DATAGRAM(.to_port = THEIR_PORT), THEIRS,
		HALF_OPEN(2), false},
	{"unless it is dead", NO_LINE, MEMBER_DEAD, false, DATAGRAM(.to_port = THEIR_PORT), OURS,
		HALF_OPEN(1), false},
	{"or was never heard", NO_LINE, NEVER_HEARD, false, DATAGRAM(.to_port = THEIR_PORT), OURS,
		HALF_OPEN(1), false},
	{"a SYN to a member's slice is the member's", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"if it is known to live", NO_LINE, MEMBER_SUSPECT, false,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), OURS, HALF_OPEN(1), false},
	{"the answer to its SYN too", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"while it is suspect too", NO_LINE, MEMBER_SUSPECT, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"but is asked for where it was never heard", NO_LINE, NEVER_HEARD, false,
		SEGMENT(.flags = SYN | ACK, .to_port = THEIR_PORT), ASKS, ASKED(0), false},

	/* What goes on without a line. */
	{"a segment of an unknown flow: members are asked", NO_LINE, MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), ASKS, ASKED(0), false},
	{"a suspect one too", NO_LINE, MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), ASKS, ASKED(0), false},
	{"a dead one is not", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS, HALF_OPEN(1), false},
	{"where nobody relays nobody is", NO_LINE, WITHOUT_RELAY, false, SEGMENT(.flags = ACK), OURS,
		HALF_OPEN(1), false},
	{"a FIN of an unknown flow too", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), ASKS,
		ASKED(0), false},
	{"with nobody to ask it leaves no line", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = FIN | ACK),
		OURS, NO_LINE, false},
	{"a RST of one is asked for, and leaves none", NO_LINE, MEMBER_ALIVE, false, SEGMENT(.flags = RST),
		ASKS, NO_LINE, false},
	{"to the stack when all are dead", NO_LINE, MEMBER_DEAD, false, SEGMENT(.flags = RST), OURS, NO_LINE,
		false},
	{"an unknown echo reply is asked for", NO_LINE, MEMBER_ALIVE, false, PONG, ASKS, ASKED(0), false},
	{"with nobody to ask it is ours", NO_LINE, MEMBER_DEAD, false, PONG, OURS, HALF_OPEN(1), false},

	/* Asked a while ago. */
	{"nobody has answered yet: asked again", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), ASKS,
		ASKED(100), false},
	{"nor in the first round, which may have been lost", ASKED(900), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), ASKS, ASKED_AGAIN(0), false},
	{"nor in the second yet", ASKED_AGAIN(100), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), ASKS,
		ASKED_AGAIN(100), false},
	{"nobody has it: ours, to be reset", ASKED_AGAIN(900), MEMBER_ALIVE, false, SEGMENT(.flags = ACK),
		OURS, HALF_OPEN(1), false},
	{"a FIN too, to be told that there is nothing to end", ASKED_AGAIN(900), MEMBER_ALIVE, false,
		SEGMENT(.flags = FIN | ACK), OURS, HALF_OPEN(1), false},
	{"a RST calls for nothing", ASKED_AGAIN(900), MEMBER_ALIVE, false, SEGMENT(.flags = RST), ASKS,
		ASKED_AGAIN(900), false},
	{"a suspect member may have it: begun anew", ASKED(900), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK),
		ASKS, ASKED(0), false},
	{"from the second round too", ASKED_AGAIN(900), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), ASKS,
		ASKED(0), false},
	{"until it is dead", ASKED(100), MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS, HALF_OPEN(1),
		false},
	{"a SYN meanwhile makes us the owner", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = SYN), OURS,
		HALF_OPEN(1), false},
	{"a FIN meanwhile does not", ASKED(100), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), ASKS,
		ASKED(100), false},
	{"an echo reply is asked for again and again", ASKED(900), MEMBER_ALIVE, false, PONG, ASKS,
		ASKED(900), false},
	{"a ping of that id makes us the owner", ASKED(100), MEMBER_ALIVE, false, PING, OURS, HALF_OPEN(1),
		false},

	/* Flows of ours. */
	{"our flow is ours", ESTABLISHED(1), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), OURS, ESTABLISHED(1),
		false},
	{"it moved to another tunnel: told", LINE(ESTABLISHED, 1, 1, 102, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"or came back from a member", LINE(ESTABLISHED, 1, 2, 103, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"half-open flows are nobody's business", LINE(HALF_OPEN, 1, 1, 102, 0), MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN), OURS, HALF_OPEN(1), false},
	{"its end is told", ESTABLISHED(1), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK), OURS,
		CLOSING(1), true},
	{"not without relays", ESTABLISHED(1), WITHOUT_RELAY, false, SEGMENT(.flags = FIN | ACK), OURS,
		CLOSING(1), false},

	/* Flows of a member. */
	{"a member's connection: relayed, and told that it moved here", BY_THEM(ESTABLISHED), MEMBER_ALIVE,
		false, SEGMENT(.flags = ACK), THEIRS, ESTABLISHED(2), true},
	{"told once", ESTABLISHED(2), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), THEIRS, ESTABLISHED(2),
		false},
	{"while it is suspect too", ESTABLISHED(2), MEMBER_SUSPECT, false, SEGMENT(.flags = ACK), THEIRS,
		ESTABLISHED(2), false},
	{"and while it drains", ESTABLISHED(2), MEMBER_ALIVE, true, SEGMENT(.flags = ACK), THEIRS,
		ESTABLISHED(2), false},
	{"dead: ours, to be reset, and told", ESTABLISHED(2), MEMBER_DEAD, false, SEGMENT(.flags = ACK), OURS,
		ESTABLISHED(1), true},
	{"a half-open one is relayed", BY_THEM(HALF_OPEN), MEMBER_ALIVE, false, SEGMENT(.flags = ACK), THEIRS,
		HALF_OPEN(2), false},
	{"a SYN of a living connection is the owner's to answer", ESTABLISHED(2), MEMBER_ALIVE, false,
		SEGMENT(.flags = SYN), THEIRS, ESTABLISHED(2), false},
	{"a SYN behind the end of one too, which the owner alone can know of", BY_THEM(CLOSING), MEMBER_ALIVE,
		false, SEGMENT(.flags = SYN), THEIRS, HALF_OPEN(2), false},
	{"it is a new flow, ours, when the owner does not serve", BY_THEM(CLOSING), MEMBER_ALIVE, 1,
		SEGMENT(.flags = SYN), OURS, HALF_OPEN(1), false},
	{"unless we do not either", BY_THEM(CLOSING), MEMBER_ALIVE, 2, SEGMENT(.flags = SYN), THEIRS,
		HALF_OPEN(2), false},
	{"or it is to the owner's slice", BY_THEM(CLOSING), MEMBER_ALIVE, 1,
		SEGMENT(.flags = SYN, .to_port = THEIR_PORT), THEIRS, HALF_OPEN(2), false},
	{"and when the owner is dead", BY_THEM(CLOSING), MEMBER_DEAD, false, SEGMENT(.flags = SYN), OURS,
		HALF_OPEN(1), false},
	{"a FIN is relayed, and told", ESTABLISHED(2), MEMBER_ALIVE, false, SEGMENT(.flags = FIN | ACK),
		THEIRS, CLOSING(2), true},
	{"UDP is relayed", ESTABLISHED(2), MEMBER_ALIVE, false, DATAGRAM(), THEIRS, ESTABLISHED(2), false},
	{"to a suspect member too", ESTABLISHED(2), MEMBER_SUSPECT, false, DATAGRAM(), THEIRS, ESTABLISHED(2),
		false},
	{"UDP lapses when the owner does not serve", ESTABLISHED(2), MEMBER_ALIVE, true, DATAGRAM(), OURS,
		ESTABLISHED(1), true},
	{"and we do", ESTABLISHED(2), MEMBER_ALIVE, 2, DATAGRAM(), THEIRS, ESTABLISHED(2), false},
	{"and when it is dead", ESTABLISHED(2), MEMBER_DEAD, 2, DATAGRAM(), OURS, ESTABLISHED(1), true},
	{"but not what answers the owner", ESTABLISHED(2), MEMBER_ALIVE, true,
		DATAGRAM(.to_port = THEIR_PORT), THEIRS, ESTABLISHED(2), false},
	{"a ping lapses", ESTABLISHED(2), MEMBER_ALIVE, true, PING, OURS, ESTABLISHED(1), true},
	{"its answer does not", ESTABLISHED(2), MEMBER_ALIVE, true, PONG, THEIRS, ESTABLISHED(2), false},
	{"a gateway that is no member owns nothing", ESTABLISHED(NOT_MEMBER), MEMBER_ALIVE, false,
		SEGMENT(.flags = ACK), OURS, ESTABLISHED(1), true},
	{"nor anybody where nobody relays", ESTABLISHED(2), WITHOUT_RELAY, false, SEGMENT(.flags = ACK), OURS,
		ESTABLISHED(1), false},
};

static const char *wrong_stamp(const struct decision *decision, const struct line *line)
{
	const struct flow *before = &decision->before, *after = &decision->after;
	bool unproved = before->state == LINE_HALF_OPEN && before->owner && decision->in.kind == TCP;

	if (after->state == LINE_HALF_OPEN && !after->owner)
		return was_asked(line, after->asked_ms, after->again) ? NULL : "when it was asked";
	if (unproved || (before->state && !memcmp(before, after, sizeof(struct flow))))
		return line->stamp == STAMP_TIMES ? NULL : "a stamp that nothing changed";
	return is_now(line->stamp) ? NULL : "the stamp of the change";
}

static const char *wrong_line(const struct decision *decision)
{
	const struct flow *after = &decision->after;
	const struct line *line = only_flow();

	if (!after->state)
		return line ? "there is a line" : NULL;
	if (!line)
		return "there is no line";
	if (TAG_STATE(line->tag) != after->state)
		return "the line's state";
	if (HOME_OWNER(line->home) != after->owner)
		return "the owner";
	if (HOME_GATEWAY(line->home) != after->gateway || HOME_TUNNEL(line->home) != after->tunnel)
		return "the way home";
	return wrong_stamp(decision, line);
}

/* What is wrong, or NULL. */
static const char *decide(const struct decision *decision, enum family family)
{
	struct outcome outcome;
	uint64_t counted;

	scene_reset();
	plant(&decision->before, &decision->in, family);
	array_with(decision->member, decision->drains, family);
	listen_to_changes();
	counted = scene_count(decision->reason);
	outcome = run_tunnel(&decision->in, family);
	hear_changes();
	if (outcome.verdict != decision->verdict)
		return "the verdict";
	if (outcome.reason != decision->reason || scene_count(decision->reason) != counted + 1)
		return "the reason";
	if (told[CHANGE_FLOW] != decision->told)
		return decision->told ? "gwd was not told, or twice" : "gwd was told";
	if (decision->told && &scene.flows[last.line] != only_flow())
		return "gwd was told of another line";
	return wrong_line(decision);
}

static void a_request_goes_to_its_flows_owner(void)
{
	unsigned failed = 0;

	for (enum family family = V4; family <= V6; family += 2)
		for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
			const char *wrong = decide(&decisions[i], family);

			if (wrong)
				printf("     v%d: %s: %s\n", family, decisions[i].shows, wrong);
			failed += wrong != NULL;
		}
	CU_ASSERT_EQUAL(failed, 0);
}

SCENE_TESTS("bpf owner", {"a request goes to its flow's owner", a_request_goes_to_its_flows_owner})
