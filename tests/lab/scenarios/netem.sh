# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Networks as they are: what the tunnels go through, and what the gateways tell and relay each other by, delays packets by
# more and by less, so that they overtake each other, loses some and brings others twice. It takes a kernel that has netem.

NETEM="delay 20ms 15ms loss 2% duplicate 2%"

netem_is_there() { # asked of a network of its own
	unshare -n sh -c 'ip link set lo up && tc qdisc add dev lo root netem delay 1ms' 2>/dev/null
}

netem_ports() { # "MACHINE INTERFACE" a line: towards the edges, on the tunnels' outside and on the array's switch
	local edge
	for edge in "${EDGES[@]}"; do
		echo "internet edge-gw-0$edge"
		echo "inside edge-gw-0$edge"
	done
}

netem_begins() {
	local machine interface
	disturb
	while read -r machine interface; do
		# shellcheck disable=SC2086 # words
		on "$machine" tc qdisc add dev "$interface" root netem $NETEM
	done < <(netem_ports)
}

netem_ends() {
	local machine interface
	while read -r machine interface; do
		on "$machine" tc qdisc del dev "$interface" root 2>/dev/null || true
	done < <(netem_ports)
}

netem_lost() { # MACHINE: packets
	on "$1" tc -s -j qdisc | jq '[.[] | select(.kind == "netem") | .drops] | add'
}

# Connections of both families go on through it, by their own tunnel and then by the other gateway, every byte right; UDP that
# asks again is answered; tunnels, sessions and members stay; and the tables are equal in the end.
scenario_netem() {
	local family address jobs=() lost
	trap netem_ends EXIT
	expect_member 1 alive
	expect_member 2 alive
	lost=$(sessions_lost edge-gw-01)
	netem_begins
	for family in 4 6; do
		address=$(device_address $family 32)
		move 1 1 $family from "$address"
		ask "$address" $family upload $((60 * PATIENCE)) &
		jobs+=($!)
		within 20 came_by "$address" "1 1" || fail "the upload does not start, v$family"
	done
	for family in 4 6; do
		address=$(device_address $family 32)
		for edge in 2 1 2; do
			witness_mark
			move $edge 1 $family from "$address"
			within 20 came_by "$address" "$edge 1" || fail "no response to $address came by edge-gw-0$edge"
		done
		address=$(device_address $family 33)
		move 1 2 $family from "$address"
		ask "$address" $family echo 100 1300 4000
		expect_home "$address" 1 2
		fetch "$address" $family / --max-time $((60 * PATIENCE)) >/dev/null
	done
	device pkill -TERM -f "ask.py .* upload"
	wait "${jobs[0]}" || fail "the upload by IPv4 did not survive"
	wait "${jobs[1]}" || fail "the upload by IPv6 did not survive"
	expect_equal_tables 4
	[ "$(netem_lost internet)" -gt 0 ] || fail "this shows nothing: the internet lost no packet"
	[ "$(netem_lost inside)" -gt 0 ] || fail "this shows nothing: the array's switch lost no packet"
	expect "sessions lost" "$lost" "$(sessions_lost edge-gw-01)"
}
