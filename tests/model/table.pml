/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of the one-line table (bpf/table.h, whose names are used here) for the model checker spin: every order of
 * single looks and compare-and-swaps of two or three writers, from every table that the rules allow. The fuzzer `race` runs the
 * code itself, in the orders that it is led to; this runs a model of it, in all. Each atomic block is one access to a
 * shared word and what its process makes of it.
 *
 * Left out: hashes (a flow is its own, so the tag tells the key), stamps, merges; and tunnels, so a packet takes any
 * half-open line, not only the crowd's.
 *
 * Time has no numbers. A line is ALIVE, past its lifetime (EXPIRED), or past its grace too (GRACE_OVER); a dead one is past
 * its grace or not. It may grow older at any moment, but for what the grace is there for: who was at work when the
 * lifetime ended is not at work any more when the grace is over.
 *
 *	TWO      a flow has two lines in service, be one of them expired
 *	TAKEN    an established line is taken that a packet of its flow found alive and is at work with. (table.h grants one
 *	         exception: the flow has just come back to this line, which was its own and had expired.)
 *	UNFOUND  a flow gets a line behind a free one, where nobody looks for it
 *	FOREIGN  who claimed a line is not the only one to write it
 *	STUCK    all are done, and a claim is left
 */
#ifndef FLOW_OF_1
#define FLOW_OF_1 1 /* packet 0 is of flow 1, and so is packet 1, or it is of flow 2 */
#endif
#ifndef TICKS
#define TICKS 1 /* how often a line grows older while they are at work */
#endif
#if defined PACKET_2 || defined SWEEP /* one of flow 2, or gwd's sweep */
#define WRITERS 3
#else
#define WRITERS 2
#endif
#define LINES  3
#define WINDOW 2 /* flow 1 has the first two lines, flow 2 the last two */
#define NONE   15

mtype = { FREE, CLAIMED, HALF_OPEN, ESTABLISHED, CLOSING, DEAD };
mtype = { ALIVE, EXPIRED, GRACE_OVER };

/* How readily a line gives its place. */
#define NEVER          0
#define RANK_CLOSING   1
#define RANK_HALF_OPEN 2
#define RANK_FREE      3
#define RANK_DEAD      4

typedef line {
	mtype state; /* with flow: the tag */
	byte flow;
	mtype age; /* with turn: the home word */
	bool turn; /* tells a home word from the one before */
	/* Not in the real one: */
	byte busy; /* who was at work when the lifetime ended, a bit each */
	bool born; /* turns over when a flow gets the line */
}

line lines[LINES];
byte at_work;  /* a bit each */
byte holds[3]; /* the established line that a packet found alive, or NONE */
byte ended;

#define HOME(flow, step) (flow - 1 + step)
#define IN_SERVICE(s)    (s == HALF_OPEN || s == ESTABLISHED || s == CLOSING)
#define HAS_TAG(l, s, f) (lines[l].state == s && lines[l].flow == f)
#define SERVES(l, f)     (lines[l].flow == f && IN_SERVICE(lines[l].state))
#define HAS_TWO(f)       ((SERVES(0, f) && SERVES(1, f)) || (SERVES(1, f) && SERVES(2, f)))
#define IS_HELD(l)       (holds[0] == l || holds[1] == l || holds[2] == l)

inline write_home(l)
{
	lines[l].age = ALIVE;
	lines[l].turn = !lines[l].turn;
	lines[l].busy = 0
}

inline begin()
{
	at_work = at_work | (1 << me);
	step = 0
}

inline end()
{
	at_work = at_work & ~(1 << me);
	lines[0].busy = lines[0].busy & ~(1 << me);
	lines[1].busy = lines[1].busy & ~(1 << me);
	lines[2].busy = lines[2].busy & ~(1 << me);
	holds[me] = NONE;
	step = 0; l = 0; chosen = 0; turn = false; age = ALIVE; state = FREE; was = FREE; whose = 0; best = NEVER
}

/* A packet: table_find(), and then line_touch() and line_become(), or table_insert(). */
proctype packet(byte me; byte flow)
{
	byte step, l, chosen, whose, claimed_from;
	mtype state = FREE, was = FREE;
	mtype age = ALIVE;
	byte best, rank;
	bool turn, born, now_born;

	d_step { begin() };
find:	atomic {
		if
		:: step == WINDOW -> goto insert
		:: else
		fi;
		l = HOME(flow, step);
		step++;
		if
		:: lines[l].state == FREE -> goto insert
		:: SERVES(l, flow) -> state = lines[l].state
		:: else -> goto find
		fi
	};
	d_step { age = lines[l].age; turn = lines[l].turn };
	atomic {
		if
		:: !HAS_TAG(l, state, flow) || age != ALIVE -> goto find
		:: else -> holds[me] = (state == ESTABLISHED -> l : NONE)
		fi
	};
	d_step {
		if
		:: lines[l].turn == turn -> write_home(l)
		:: else
		fi
	};
	atomic {
		if
		:: HAS_TAG(l, state, flow) ->
			if
			:: state == HALF_OPEN -> lines[l].state = ESTABLISHED
			:: state == ESTABLISHED -> lines[l].state = CLOSING; holds[me] = NONE
			:: state == CLOSING -> lines[l].state = HALF_OPEN
			:: true
			fi
		:: else
		fi;
		goto over
	};
insert:	step = 0;
choose:	atomic {
		if
		:: step == WINDOW -> goto claim
		:: else
		fi;
		l = HOME(flow, step);
		step++;
		state = lines[l].state;
		whose = lines[l].flow
	};
	atomic {
		age = lines[l].age;
		now_born = lines[l].born;
		if
		:: state == FREE -> rank = RANK_FREE
		:: state == CLAIMED -> rank = NEVER
		:: state != FREE && state != CLAIMED && age == GRACE_OVER -> rank = RANK_DEAD
		:: state == HALF_OPEN && age != GRACE_OVER -> rank = RANK_HALF_OPEN
		:: state == CLOSING && age != GRACE_OVER -> rank = RANK_CLOSING
		:: (state == ESTABLISHED || state == DEAD) && age != GRACE_OVER -> rank = NEVER
		fi;
		if
		:: rank > best || best == NEVER -> best = rank; chosen = l; was = state; claimed_from = whose; born = now_born
		:: rank == best && best != NEVER -> chosen = l; was = state; claimed_from = whose; born = now_born /* the longer idle */
		:: rank <= best
		fi;
		rank = NEVER;
		now_born = false;
		if
		:: state == FREE -> goto claim
		:: else -> goto choose
		fi
	};
claim:	atomic {
		step = 0;
		if
		:: best == NEVER -> goto over
		:: best != NEVER && !HAS_TAG(chosen, was, claimed_from) -> goto over
		:: best != NEVER && HAS_TAG(chosen, was, claimed_from) ->
#ifndef SWEEP /* flow_kill() writes when a line died before it says that it did: an expired one lives for that moment */
			assert(!(was == ESTABLISHED && IS_HELD(chosen) && born == lines[chosen].born)); /* TAKEN */
#endif
			lines[chosen].state = CLAIMED;
			lines[chosen].flow = flow
		fi;
		if
		:: best == RANK_CLOSING -> goto bury
		:: else
		fi
	};
rival:	atomic {
		if
		:: step == WINDOW -> goto publish
		:: else
		fi;
		l = HOME(flow, step);
		step++;
		if
		:: lines[l].state == FREE -> goto publish
		:: l == chosen || lines[l].flow != flow || lines[l].state == DEAD -> goto rival
		:: l != chosen && HAS_TAG(l, CLAIMED, flow) -> goto bury
		:: l != chosen && SERVES(l, flow) -> state = lines[l].state
		fi
	};
	atomic {
		age = lines[l].age;
		turn = lines[l].turn;
		if
		:: age == ALIVE -> goto bury
		:: else
		fi
	};
	atomic { /* retire() */
		if
		:: HAS_TAG(l, state, flow) -> lines[l].state = DEAD
		:: else -> goto bury
		fi
	};
	atomic {
		if
		:: lines[l].turn == turn -> write_home(l)
		:: else
		fi;
		goto rival
	};
bury:	atomic { write_home(chosen) };
	atomic {
		assert(HAS_TAG(chosen, CLAIMED, flow)); /* FOREIGN */
		lines[chosen].state = DEAD;
		goto over
	};
publish:
	atomic { write_home(chosen) };
	atomic {
		assert(HAS_TAG(chosen, CLAIMED, flow)); /* FOREIGN */
		if
		:: lines[chosen].state = HALF_OPEN
		:: lines[chosen].state = ESTABLISHED
		fi;
		lines[chosen].born = !lines[chosen].born;
		assert(!HAS_TWO(flow)); /* TWO */
		assert(chosen == HOME(flow, 0) || lines[HOME(flow, 0)].state != FREE) /* UNFOUND */
	};
over:	atomic { end(); claimed_from = 0; born = false; ended++ }
}

/* gwd's sweep, or somebody who flushes: flow_read() and flow_kill() of one line, alive or not. */
proctype sweep(byte me)
{
	byte step, l, chosen, whose;
	mtype state = FREE, was = FREE;
	mtype age = ALIVE;
	byte best;
	bool turn;

	atomic {
		begin();
		if
		:: l = 0
		:: l = 1
		fi;
		if
		:: IN_SERVICE(lines[l].state) -> state = lines[l].state; whose = lines[l].flow
		:: else -> goto over
		fi
	};
	turn = lines[l].turn;
	atomic {
		if
		:: HAS_TAG(l, state, whose)
		:: else -> goto over
		fi
	};
	atomic {
		if
		:: lines[l].turn == turn -> write_home(l)
		:: else -> goto over
		fi
	};
	d_step {
		if
		:: HAS_TAG(l, state, whose) -> lines[l].state = DEAD
		:: else
		fi
	};
over:	atomic { end(); ended++ }
}

#define MAY_AGE(l)                                                   \
	(lines[l].state != FREE && lines[l].state != CLAIMED &&      \
		(lines[l].age == ALIVE || (lines[l].age == EXPIRED && lines[l].busy == 0)))

inline grow_old(l)
{
	if
	:: lines[l].age == ALIVE -> lines[l].age = EXPIRED; lines[l].busy = at_work
	:: else -> lines[l].age = GRACE_OVER
	fi
}

proctype time()
{
	byte ticks;

	do
	:: d_step { ticks < TICKS && MAY_AGE(0) -> grow_old(0); ticks++ }
	:: d_step { ticks < TICKS && MAY_AGE(1) -> grow_old(1); ticks++ }
	:: d_step { ticks < TICKS && MAY_AGE(2) -> grow_old(2); ticks++ }
	:: ended == WRITERS -> break
	od
}

/* A line as the rules allow it: behind no free one of its flow's window, and of each flow one in service at most. */
inline begin_with(l, a_flow)
{
	lines[l].flow = a_flow;
	if
	:: lines[l].state = DEAD
	:: !has_line[a_flow] ->
		has_line[a_flow] = true;
		if
		:: lines[l].state = HALF_OPEN
		:: lines[l].state = ESTABLISHED
		:: lines[l].state = CLOSING
		fi
	fi;
	if
	:: lines[l].age = ALIVE
	:: lines[l].state != DEAD -> lines[l].age = EXPIRED
	:: lines[l].age = GRACE_OVER
	fi
}

init
{
	bool has_line[3]; /* by flow */
	byte i;

	atomic {
		for (i : 0 .. LINES - 1) {
			lines[i].state = FREE;
			lines[i].age = ALIVE;
			holds[i] = NONE
		}
		if
		:: true
		:: begin_with(0, 1)
		fi;
		if
		:: true
		:: lines[0].state != FREE -> begin_with(1, 1)
		:: begin_with(1, 2)
		fi;
#if FLOW_OF_1 == 2 || defined PACKET_2
		if
		:: true
		:: lines[1].state != FREE -> begin_with(2, 2)
		fi;
#endif
		has_line[1] = false;
		has_line[2] = false;
		i = 0;
		run packet(0, 1);
		run packet(1, FLOW_OF_1);
#ifdef PACKET_2
		run packet(2, 2);
#endif
#ifdef SWEEP
		run sweep(2);
#endif
		run time()
	}
	atomic {
		ended == WRITERS;
		assert(lines[0].state != CLAIMED && lines[1].state != CLAIMED && lines[2].state != CLAIMED) /* STUCK */
	}
}
