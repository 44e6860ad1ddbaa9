# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Hours of a gateway's life on the lab: mixed traffic all the time, and something done to the gateways and their paths
# again and again, in an order that SEED repeats. It ends with an account of every packet and connection and of what
# grew. Whatever is not as it must be is a line of $OUT/findings.
#
#   talkers.sh   who talks                        ledger.py    which losses are excused, and which are not
#   actions.sh   what is done, what it excuses    leaks.sh     what must not grow or stay; the tables
#
# Sourced by soak/run, and by the scenario that keeps all this from rotting.

# shellcheck source-path=SCRIPTDIR
{
	source "$ROOT/tests/lab/soak/talkers.sh"
	source "$ROOT/tests/lab/soak/actions.sh"
	source "$ROOT/tests/lab/soak/leaks.sh"
}

finding() { # WORDS…: something is not as it must be; the soak goes on
	say "FOUND $*"
	echo "$*" >>"$OUT/findings"
}

# ---- One action after the other -------------------------------------------------------------------------------------------

# All draws of an action, whatever it uses of them: the order must not depend on how things went.
draw() {
	action=${ACTIONS[RANDOM % ${#ACTIONS[@]}]}
	edge=${EDGES[RANDOM % ${#EDGES[@]}]}
	lgw=${LOCALS[RANDOM % ${#LOCALS[@]}]}
	number=$((RANDOM % VARIANTS))
	pause=$((RANDOM % 4))
}

act() { # NAME EDGE LOCAL NUMBER PAUSE: fails when nothing more can be done to this lab
	local status
	echo "$EPOCHREALTIME $*" >>"$OUT/actions"
	(
		set -eE -o pipefail
		trap 'echo "(in ${FUNCNAME[*]})"' ERR
		"act_$1" "${@:2}"
	) >"$OUT/action.log" 2>&1
	status=$?
	if [ $status != 0 ]; then
		finding "$*: $(tail -n 2 "$OUT/action.log" | paste -sd' ')"
		rm -f "$LAB/scenario.why"
		keep_as_before
		(scenario_repair) || return
	fi
	say "$*"
	(lab_wait) 2>>"$OUT/state" && return
	finding "the lab does not converge after $*"
	return 1
}

actions() { # until SECONDS
	while [ $SECONDS -lt "$1" ]; do
		draw
		act "$action" "$edge" "$lgw" "$number" "$pause" || return
		tables_judge
		note_kernel_objects
		sleep $((pause / 2))
	done
}

# A restart at the edge that knows them, a configuration with everything in it, every question, a dead path; and in the end
# the lab's own configuration. Loading programs takes a megabyte of heap for good, so both gwd have done that at the end.
warm_up() {
	local edge number
	act gwd_terminated 1 1 0 0
	for edge in "${EDGES[@]}"; do
		for number in 35 0; do
			act apply "$edge" 1 $number 0
		done
		act questions "$edge" 1 0 0
	done
	act path_silent 1 1 0 0
}

configurations_as_at_first() {
	local edge
	for edge in "${EDGES[@]}"; do
		act apply "$edge" 1 0 0
	done
}

census_of_both() {
	local edge
	for edge in "${EDGES[@]}"; do
		census "$edge"
	done
}

# ---- The account ------------------------------------------------------------------------------------------------------------

strangers_judge() {
	local edge dropped=0 sent answered
	sent=$(cat "$OUT"/noise.* | awk '{ sum += $2 } END { print sum + 0 }')
	for edge in "${EDGES[@]}"; do
		dropped=$((dropped + $(counter "$edge" source_not_provider)))
		[ "$(counter "$edge" internal)" = 0 ] || finding "edge-gw-0$edge counts packets that met a defect of ours"
	done
	answered=$(strangers_answered)
	echo "  strangers: $sent packets sent, $dropped dropped and counted, $(grep -c . <<<"$answered") answered"
	[ $dropped -gt 0 ] || finding "no spoofed packet was dropped"
	[ -z "$answered" ] || finding "a stranger was answered: $(head -1 <<<"$answered")"
}

strangers_answered() { # what came out of a tunnel to an address that is no device's
	witness | awk '$4 == "In" && $8 !~ /^(100\.64\.1\.|2001:db8:100:1::)/'
}

account() {
	echo "seed $SEED, $(wc -l <"$OUT/actions") actions: $(awk '{ n[$2]++ } END { for (a in n) print a, n[a] }' "$OUT/actions" | sort | paste -sd, | sed 's/,/, /g')"
	/usr/bin/python3 "$ROOT/tests/lab/soak/ledger.py" "$OUT" || finding "not everything that was lost is excused"
	strangers_judge
	leaks_judge
}

# What the kernels count beside, for who wonders where a datagram was lost.
drops_start() {
	/usr/bin/python3 "$ROOT/tests/lab/tools/drops.py" "$LAB" >"$OUT/drops" &
	drops=$!
}

drops_end() {
	kill "$drops"
}

# ---- All of it ----------------------------------------------------------------------------------------------------------------

soak() { # SECONDS, beside the warm-up: on the standing lab, which it leaves as it was
	local drops
	rm -rf "$OUT"
	mkdir -p "$OUT"
	touch "$OUT/actions" "$OUT/excused" "$OUT/findings"
	RANDOM=$SEED
	variants_prepare
	witness_mark
	drops_start
	talkers_start
	warm_up
	census_of_both >"$OUT/census.first"
	actions $((SECONDS + $1)) || lab_state >>"$OUT/state" 2>&1
	configurations_as_at_first
	talkers_end
	drops_end
	tables_judge_quiet
	census_of_both >"$OUT/census.last"
	account
}
