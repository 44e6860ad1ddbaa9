# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What gateways tell each other: tables become equal, a newcomer is told all, who is not heard is suspected and at last
# dead, and nobody else can tell them anything.

# ---- What they know ---------------------------------------------------------------------------------------------------

# The tables without what nobody has answered yet, which is told to nobody.
array_dump() { # EDGE
	gwctl "edge-gw-0$1" map dump | grep -v state=half_open >"$LAB/dump-$1"
}

tables_equal() { # LINES: more than so many, the same in all
	local edge
	for edge in "${EDGES[@]}"; do
		array_dump "$edge"
		"$GWCTL" map diff "$LAB/dump-1" "$LAB/dump-$edge" || return
	done
	[ "$(wc -l <"$LAB/dump-1")" -gt "$1" ]
}

expect_equal_tables() { # LINES
	within 10 tables_equal "$1" ||
		fail "the tables differ, or have not more than $1 lines: $(wc -l "$LAB"/dump-? | paste -sd,) $(diff "$LAB"/dump-[12] | head -4)"
}

other_than() { # EDGE: of two
	echo $((3 - $1))
}

member() { # EDGE FIELD [OTHER]: of the other one, as this one sees it
	gwctl "edge-gw-0$1" -j gateway list |
		jq -r --arg other "edge-gw-0${3:-$(other_than "$1")}" --arg field "$2" '.gateways[] | select(.gateway == $other) | .[$field]'
}

member_is() { # EDGE STATE [OTHER]
	[ "$(member "$1" state "${@:3}")" = "$2" ]
}

expect_member() { # EDGE STATE [OTHER]
	within 20 member_is "$@" || fail "edge-gw-0$1 takes ${3:-the other} for $(member "$1" state "${@:3}"), not for $2"
}

expect_members() { # STATE OTHER: all others see it so
	local edge
	for edge in "${EDGES[@]}"; do
		[ "$edge" = "$2" ] || expect_member "$edge" "$1" "$2"
	done
}

array_mark() { # EDGE: what it says from now on is new
	wc -l <"$LAB/edge-gw-0$1/lab/gwd.log" >"$LAB/array.mark-$1"
}

states_since_mark() { # EDGE: which the other one was in, in order
	tail -n "+$(($(<"$LAB/array.mark-$1") + 1))" "$LAB/edge-gw-0$1/lab/gwd.log" |
		sed -n 's/^<[0-9]>member [^ ]* \(alive\|suspect\|dead\):.*/\1/p' | paste -sd' '
}

said_since_mark() { # EDGE: of readiness and announcing
	tail -n "+$(($(<"$LAB/array.mark-$1") + 1))" "$LAB/edge-gw-0$1/lab/gwd.log" |
		sed -n 's/^<[0-9]>\(array ready\|loopback control announced\):.*/\1/p' | paste -sd,
}

announced_since_mark() { # EDGE
	[[ $(said_since_mark "$1") == *announced ]]
}

# Flows of every kind by all gateways, from a few addresses.
array_traffic() { # FAMILY
	local family=$1 edge address
	unsteer
	for edge in "${EDGES[@]}"; do
		address=$(device_address "$family" $((20 + edge)))
		steer "$edge" $(((edge - 1) % 2 + 1)) "$family" from "$address"
		fetch "$address" "$family" / >/dev/null
		device ping -c 1 -W 2 -q -I "$address" "${LOOPBACK[$family]}" >/dev/null
		ask "$address" "$family" name 4000 >/dev/null
	done
}

# ---- Scenarios ----------------------------------------------------------------------------------------------------------

scenario_array_tables_equal() { # FAMILY
	array_traffic "$1"
	expect_equal_tables 4
	expect_member 1 alive
	expect_member 2 alive
	grep -q "gateway=edge-gw-01" "$LAB/dump-2" || fail "edge-gw-02 does not know edge-gw-01's flows"
	grep -q "gateway=edge-gw-02" "$LAB/dump-1" || fail "edge-gw-01 does not know edge-gw-02's flows"
}

# One that starts empty is told what the other knows, and announces nothing before.
scenario_array_newcomer() { # FAMILY
	array_traffic "$1"
	expect_equal_tables 4
	gateway_stop 2
	expect_member 1 dead
	gwctl edge-gw-01 gateway switch 2>"$LAB/switch" && fail "handed over to a dead gateway"
	grep -q "nobody can take over: edge-gw-02: it is dead" "$LAB/switch" || fail "and not why: $(cat "$LAB/switch")"
	array_mark 2
	gateway_start 2 "$ATTACH"
	expect_equal_tables 3
	within 20 announced_since_mark 2 || fail "it does not announce"
	expect "what came first" "array ready,loopback control announced" "$(said_since_mark 2)"
	expect_member 1 alive
}

hold_array() { # EDGE: hears nobody
	printf 'table inet lab_array { chain in { type filter hook input priority 0; udp dport 6082 drop\n}\n}\n' |
		on "edge-gw-0$1" nft -f -
}

release_array() { # EDGE
	on "edge-gw-0$1" nft delete table inet lab_array 2>/dev/null || true # nothing is held
}

# Silence is suspicious, then it is death; whoever is heard again lives.
scenario_array_silence() {
	expect_member 1 alive
	array_mark 1
	hold_array 1
	expect_member 1 dead
	expect "how it died" "suspect dead" "$(states_since_mark 1)"
	array_traffic 4 # which the other one cannot tell
	release_array 1
	expect_member 1 alive
	expect "and came back" "suspect dead alive" "$(states_since_mark 1)"
	expect_equal_tables 4
}

# A gwd that is away for longer than it takes to die: the machine is there, and that is seen.
scenario_array_gwd_away() {
	expect_member 1 alive
	array_mark 1
	gwd_kill 2 KILL
	expect_member 1 suspect
	array_traffic 4
	sleep 5 # longer than it takes to be dead
	gateway_launch 2
	expect_member 1 alive
	expect "what edge-gw-01 saw" "suspect alive" "$(states_since_mark 1)"
	expect_equal_tables 4
}

datagrams() { # ARGUMENT…
	on inside /usr/bin/python3 "$ROOT/tests/lab/tools/datagrams.py" "$@"
}

unbelieved() { # COUNT: at least so many more
	local counted
	counted=$(member 1 refused)
	[ "$counted" -ge $((refused_before + $1)) ]
}

# COMMAND sends that many datagrams which edge-gw-01 counts and does not believe.
expect_unbelieved() { # DATAGRAM_ARGUMENT…
	local sent refused_before
	refused_before=$(member 1 refused)
	sent=$(datagrams "$@")
	[ "$sent" -gt 0 ] || fail "nothing was sent by $*"
	# Noise names no sender and is counted for none: two of three forgeries are.
	within 10 unbelieved $((sent / 2)) || fail "of $sent datagrams ($*) only $(($(member 1 refused) - refused_before)) were refused"
	expect_member 1 alive
	expect_equal_tables 4
}

# Nobody else can tell them anything: neither what is made up, nor what one of them said before, be it an hour or a restart ago.
scenario_array_forged() {
	array_traffic 4
	expect_equal_tables 4
	datagrams record edge-gw-01 10.0.0.11 /run/lab/datagrams 30
	expect_unbelieved replay edge-gw-01 /run/lab/datagrams
	expect_unbelieved forge edge-gw-01 /run/lab/datagrams
	expect_equal_tables 4
	gwd_kill 1 KILL
	gateway_launch 1
	expect_member 1 alive
	expect_unbelieved replay edge-gw-01 /run/lab/datagrams
}

array_keys() { # LINE…: on both, read again
	local edge
	for edge in "${EDGES[@]}"; do
		printf '%s\n' "$@" >"$LAB/edge-gw-0$edge/lab/array.key"
		# shellcheck disable=SC2016 # expanded in there
		on "edge-gw-0$edge" sh -c 'kill -HUP $(cat /run/lab/gwd.pid)'
		within 10 keys_applied "$edge" || fail "edge-gw-0$edge does not read its keys again"
	done
}

keys_applied() { # EDGE
	[ "$(grep -c 'config applied' "$LAB/edge-gw-0$1/lab/gwd.log")" -gt "${applied[$1]}" ] || return 1
	applied[$1]=$(grep -c 'config applied' "$LAB/edge-gw-0$1/lab/gwd.log")
}

# Another key, while they talk: known to all, then used by all, then the only one. Nobody misses a word.
scenario_array_rotation() {
	local -A refused=()
	local old new edge
	declare -gA applied=() # also in the trap
	old=$(<"$LAB/keys/array.key")
	new="7 $(wg genkey)"
	for edge in "${EDGES[@]}"; do
		applied[$edge]=$(grep -c 'config applied' "$LAB/edge-gw-0$edge/lab/gwd.log" || true)
		refused[$edge]=$(member "$edge" refused)
		array_mark "$edge"
	done
	# shellcheck disable=SC2064 # they are locals
	trap "array_keys '$new' '$old'; array_keys '$old'" EXIT
	array_traffic 4
	array_keys "$old" "$new"
	array_keys "$new" "$old"
	array_traffic 4
	array_keys "$new"
	array_traffic 4
	expect_equal_tables 4
	for edge in "${EDGES[@]}"; do
		expect "what edge-gw-0$edge saw of the other" "" "$(states_since_mark "$edge")"
		expect "what edge-gw-0$edge refused" "${refused[$edge]}" "$(member "$edge" refused)"
	done
}

# A configuration without the other one forgets it; with it again, it is known again.
scenario_array_member_leaves() {
	expect_member 1 alive
	gateway_config 1 "$ATTACH" | sed '/name: edge-gw-02/d' >"$LAB/edge-gw-01/lab/alone.yaml"
	gwctl edge-gw-01 config apply /run/lab/alone.yaml
	expect "who is in the array" edge-gw-01 "$(gwctl edge-gw-01 -j gateway list | jq -r '.gateways[].gateway')"
	expect_member 2 suspect
	gwctl edge-gw-01 config rollback
	expect_member 1 alive
	expect_member 2 alive
	array_traffic 4
	expect_equal_tables 4
}

# What the other one told of itself, as packets see it.
told_by_the_other() { # EDGE
	on "edge-gw-0$1" bpftool -j map dump pinned "$PIN_DIR/current/providers" | jq -c 'sort_by(.key)[] | [.key, .value]'
	on "edge-gw-0$1" bpftool -j map lookup pinned "$PIN_DIR/current/members" key $((3 - $1)) 0 0 0 | jq -c .value
}

told_again() { # WHAT
	[ "$(told_by_the_other 1)" = "$1" ]
}

# What fills the maps anew knows the configuration alone: what the other one told is entered again.
scenario_array_maps_filled_anew() {
	local before maps=$PIN_DIR/current
	expect_member 1 alive
	before=$(told_by_the_other 1)
	# shellcheck disable=SC2046 # numbers
	on edge-gw-01 bpftool map update pinned "$maps/members" key 2 0 0 0 value $(printf '0 %.0s' {1..24})
	on edge-gw-01 bpftool map delete pinned "$maps/providers" key 1 0 0 0
	on edge-gw-01 ip link del home0
	within 10 told_again "$before" || fail "$(diff <(echo "$before") <(told_by_the_other 1))"
}

# The other one is heard, but nothing of what it knows.
hold_snapshot() { # EDGE
	printf 'table inet lab_array { chain in { type filter hook input priority 0; udp dport 6082 @th,88,8 7 drop\n}\n}\n' |
		on "edge-gw-0$1" nft -f -
}

# One that is killed while it waits for the other's tables leaves everything, but knows nothing: the next one waits too.
scenario_array_newcomer_killed() {
	array_traffic 4
	expect_equal_tables 4
	gateway_stop 2
	expect_member 1 dead
	array_mark 2
	hold_snapshot 2
	gateway_launch 2
	gwd_kill 2 KILL
	expect "what the first one said" "" "$(said_since_mark 2)"
	gateway_launch 2
	expect "what the next one said" "" "$(said_since_mark 2)"
	release_array 2
	within 20 announced_since_mark 2 || fail "it does not announce"
	expect "what came first" "array ready,loopback control announced" "$(said_since_mark 2)"
	expect_member 1 alive
	expect_equal_tables 3
}
