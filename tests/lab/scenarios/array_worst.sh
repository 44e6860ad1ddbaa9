# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The array at its worst: members that cannot hear each other, hear a third less and in disorder, hear too late, all begin at
# once, or hear strangers. Connections go on, nobody is reset who has a living gateway, and in the end all tables are equal.

CROWD=100 # flows of a crowd

crowd() { # FAMILY NUMBER EDGE: many flows of one address by one gateway
	local address
	address=$(device_address "$1" "$2")
	move "$3" 1 "$1" from "$address"
	ask "$address" "$1" crowd $CROWD
}

download_begins() { # FAMILY NUMBER EDGE: a slow one by that gateway; adds its job to `downloads`
	local address
	address=$(device_address "$1" "$2")
	witness_mark
	move "$3" 1 "$1" from "$address"
	fetch_big "$address" "$1" /slow &
	downloads+=($!)
	within 10 came_by "$address" "$3 1" || fail "the download of $address does not start"
}

downloads_end() { # every one whole: none was reset
	local job
	for job in "${downloads[@]}"; do
		wait "$job" || fail "a download did not survive: $(grep -h curl "$LAB/scenario.log" | tail -n 1)"
	done
}

# ---- Partition ----------------------------------------------------------------------------------------------------------

# The members hear the inside, and the inside them, but not each other: heartbeats, relays, nothing.
part() {
	local edge
	disturb
	for edge in "${EDGES[@]}"; do
		on inside bridge link set dev "edge-gw-0$edge" isolated on
	done
}

join() {
	local edge
	for edge in "${EDGES[@]}"; do
		on inside bridge link set dev "edge-gw-0$edge" isolated off
	done
}

# Each takes the other for dead at last, and serves whoever comes by it. What they learned meanwhile they tell when they can.
scenario_array_partition() {
	local downloads=()
	trap join EXIT
	expect_member 1 alive
	expect_member 2 alive
	download_begins 4 33 1
	download_begins 6 33 2
	part
	expect_member 1 dead
	expect_member 2 dead
	crowd 4 34 1
	crowd 6 34 2
	if tables_equal $CROWD; then fail "the tables are equal though nobody could tell the other"; fi
	join
	expect_member 1 alive
	expect_member 2 alive
	expect_equal_tables $((2 * CROWD))
	downloads_end
}

# ---- One that lags --------------------------------------------------------------------------------------------------------

gwd_signal() { # EDGE SIGNAL
	# shellcheck disable=SC2016
	on "edge-gw-0$1" sh -c 'kill -$1 $(cat /run/lab/gwd.pid)' sh "$2"
}

# A gwd that stands still reads nothing and says nothing, for as long as we like; its programs go by what it knew. A flow that
# comes to them while its owner cannot be reached waits, and is not reset.
scenario_array_lags() {
	local downloads=() address
	address=$(device_address 4 35)
	trap 'gwd_signal 2 CONT; join' EXIT
	expect_member 2 alive
	download_begins 4 35 1
	gwd_signal 2 STOP
	part
	witness_mark
	move 2 1 4 from "$address"
	within 10 test_nonempty ways_of "$address" || fail "the move was not seen"
	crowd 6 36 1
	join
	within 20 came_by "$address" "2 1" || fail "no response came by edge-gw-02, whose gwd stands still"
	crowd 4 36 1
	gwd_signal 2 CONT
	expect_member 1 alive
	expect_member 2 alive
	expect_equal_tables $((2 * CROWD))
	downloads_end
}

# ---- A bad network ----------------------------------------------------------------------------------------------------------

torment() { # EDGE LOSS DOUBLED DELAYED MILLISECONDS: what comes by its channel
	local machine=edge-gw-0$1
	background "$machine" "$LAB/$machine/lab/torment" /usr/bin/python3 "$ROOT/tests/lab/tools/torment.py" "10.0.0.1$1" "${@:2}"
	within 5 grep -q ready "$LAB/$machine/lab/torment" || fail "nobody torments $machine"
	printf 'table inet lab_array { chain in { type filter hook prerouting priority raw; iifname eth0 udp dport 6082 udp dport set 6083\n}\n}\n' |
		on "$machine" nft -f -
}

# What it did: the torment was one.
expect_tormented() { # EDGE
	local done=$LAB/edge-gw-0$1/lab/torment
	within 5 grep -q heard "$done" || fail "the torment of edge-gw-0$1 does not end"
	grep -Eq 'heard [0-9]{3,} lost [0-9]{2,} doubled [1-9][0-9]* overtaken [1-9]' "$done" || fail "a mild torment: $(tail -n 1 "$done")"
}

# Both gateways know the same way home of all that is the address's, and it is this one.
way_is_known() { # ADDRESS EDGE
	array_dump 1 && array_dump 2
	! cat "$LAB/dump-1" "$LAB/dump-2" | grep -w "$1" | grep -v "gateway=edge-gw-0$2 " &&
		[ "$(cat "$LAB/dump-1" "$LAB/dump-2" | grep -cw "$1")" -ge 4 ] # the device and its flow, twice
}

# A third is lost, a tenth comes twice, the others in any order; devices move meanwhile. Neither gateway has a wrong way home
# for longer than it takes to ask again a few times, and the tables are equal while the torment goes on.
scenario_array_tormented() {
	local downloads=() four six n edge
	four=$(device_address 4 37) six=$(device_address 6 37)
	expect_member 1 alive
	expect_member 2 alive
	download_begins 4 37 1
	download_begins 6 37 2
	disturb
	torment 1 30 10 50 30
	torment 2 30 10 50 30
	for n in {0..5}; do
		edge=$((n % 2 + 1))
		witness_mark
		move $((3 - edge)) 1 4 from "$four"
		move $edge 1 6 from "$six"
		within 10 came_by "$four" "$((3 - edge)) 1" || fail "after move $n no response came to $four"
		within 10 came_by "$six" "$edge 1" || fail "after move $n no response came to $six"
		within 5 way_is_known "$four" $((3 - edge)) || fail "after move $n: $(cat "$LAB"/dump-[12] | grep -w "$four")"
		within 5 way_is_known "$six" $edge || fail "after move $n: $(cat "$LAB"/dump-[12] | grep -w "$six")"
	done
	crowd 4 38 1
	crowd 6 38 2
	downloads_end
	expect_equal_tables $((2 * CROWD))
	background_end
	expect_tormented 1
	expect_tormented 2
}

# ---- A gateway whose own uplink is dead ----------------------------------------------------------------------------------------

happened() { # EDGE EVENT: to the gateway itself, since the mark
	tail -n "+$(($(<"$LAB/array.mark-$1") + 1))" "$LAB/edge-gw-0$1/lab/gwd.log" | grep "^<[0-9]>gateway edge-gw-0$1 $2:"
}

went_by() { # ADDRESS "EDGE LOCAL"
	ways_of "$1" | grep -x "$2"
}

# It hears nobody since it cannot: it takes nobody for dead, resets nobody's connection, and traffic goes to the other one.
scenario_array_isolated() {
	local uploads=() family
	local -A address=([4]=$(device_address 4 39) [6]=$(device_address 6 39))
	trap 'on inside ip link set edge-gw-01 up' EXIT
	expect_member 1 alive
	array_mark 1
	disturb
	for family in 4 6; do
		move 2 1 $family from "${address[$family]}"
		ask "${address[$family]}" $family upload 60 &
		uploads+=($!)
		within 10 came_by "${address[$family]}" "2 1" || fail "the upload of ${address[$family]} does not start"
	done
	on inside ip link set edge-gw-01 down
	within 10 happened 1 isolated || fail "edge-gw-01 does not know that it is"
	for family in 4 6; do
		within 10 route_leads local-gw-01 $family edge-gw-02 || fail "the provider's router does not leave edge-gw-01"
	done
	sleep 4 # longer than it takes to be dead
	expect "announced by edge-gw-01 still" true "$(gwctl edge-gw-01 -j gateway list | jq '.gateways[] | select(.state == "self") | .announced')"
	witness_mark
	for family in 4 6; do # by the isolated one, which cannot relay it, and back
		move 1 1 $family from "${address[$family]}"
		within 10 went_by "${address[$family]}" "1 1" || fail "nothing of the upload went by edge-gw-01"
		move 2 1 $family from "${address[$family]}"
		within 30 came_by "${address[$family]}" "2 1" || fail "no response came by edge-gw-02"
	done
	on inside ip link set edge-gw-01 up
	expect_member 1 alive
	within 10 happened 1 rejoined || fail "edge-gw-01 believes to be alone still"
	within 20 route_leads local-gw-01 4 edge-gw-01 || fail "the provider's router did not come back"
	device pkill -TERM -f "upload 60"
	for family in 0 1; do
		wait "${uploads[$family]}" || fail "an upload did not survive"
	done
	expect "what edge-gw-01 saw of the other" "suspect alive" "$(states_since_mark 1)"
	expect_equal_tables 1
}

# ---- All at once -----------------------------------------------------------------------------------------------------------------

scenario_array_boots_at_once() {
	local edge
	for edge in "${EDGES[@]}"; do
		gateway_stop "$edge"
		array_mark "$edge"
	done
	for edge in "${EDGES[@]}"; do
		gateway_launch "$edge" &
	done
	wait
	for edge in "${EDGES[@]}"; do
		within 20 announced_since_mark "$edge" || fail "edge-gw-0$edge does not announce"
		expect "what edge-gw-0$edge did first" "array ready,loopback control announced" "$(said_since_mark "$edge")"
		expect_member "$edge" alive
		expect "what edge-gw-0$edge saw of the other" "alive" "$(states_since_mark "$edge")"
	done
	lab_wait
	crowd 4 34 1
	crowd 6 34 2
	expect_equal_tables $((2 * CROWD))
}

# ---- Another array beside it ---------------------------------------------------------------------------------------------------------

# A gateway of another array, with a key of its own, at the same switch; it takes edge-gw-02 for a member of its own and itself
# for number 1, as a configuration that was copied would have it.
stranger_up() {
	machine_start spare
	plug inside spare br0 - spare eth0 10.0.0.13/16 fd00:10::13/64
	wireguard_keys spare
	(umask 077 && echo "1 $(wg genkey)" >"$LAB/spare/lab/array.key")
	gateway_config 1 "$ATTACH" | sed 's/10\.0\.0\.11/10.0.0.13/' >"$LAB/spare/lab/gateway.yaml"
	# shellcheck disable=SC2016
	on spare sh -c 'setsid "$@" >>/run/lab/gwd.log 2>&1 &' \
		sh "$GWD" -c /run/lab/gateway.yaml --run-dir "$RUN_DIR" --pin-dir "$PIN_DIR" </dev/null
	within 20 stranger_waits || fail "the stranger does not run: $(tail -n 3 "$LAB/spare/lab/gwd.log")"
}

# It has tried to be heard for long enough that it goes on without the other one.
stranger_waits() {
	gwctl spare -j gateway list | jq -en 'input | .gateways[] | select(.state == "self") | .announced'
}

strange_lines() { # how many its tables have
	gwctl spare map dump | grep -c state= || true
}

strange() { # FIELD: of edge-gw-02, as the stranger sees it
	gwctl spare -j gateway list | jq -r --arg field "$1" '.gateways[] | select(.gateway == "edge-gw-02") | .[$field]'
}

scenario_array_beside() {
	local before
	array_traffic 4
	expect_equal_tables 4
	before=$(member 2 refused)
	array_mark 2
	stranger_up
	[ "$(member 2 refused)" -gt "$before" ] || fail "edge-gw-02 refused nothing, so the stranger said nothing"
	expect "what edge-gw-02 saw of its member" "" "$(states_since_mark 2)"
	expect "what the stranger takes edge-gw-02 for" suspect "$(strange state)"
	expect "what the stranger received" 0 "$(strange received)"
	expect "what the stranger knows" 0 "$(strange_lines)"
	array_traffic 6
	expect_equal_tables 6
	expect "what the stranger knows now" 0 "$(strange_lines)"
}
