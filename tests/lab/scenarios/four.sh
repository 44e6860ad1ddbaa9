# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The same with four gateways: what holds for two because "the other one" is meant must hold where there are several.

# Round all four, twice: an upload by IPv6, and a download by IPv4 for as long as it lasts, which is once round at least.
scenario_four_moved() {
	local download upload jobs=() n edge moved=0
	download=$(device_address 4 33)
	upload=$(device_address 6 34)
	move 1 1 4 from "$download"
	move 2 1 6 from "$upload"
	fetch_big "$download" 4 /slow &
	jobs+=($!)
	ask "$upload" 6 upload 60 &
	jobs+=($!)
	within 10 test_nonempty homes_of "$download" || fail "the download does not start"
	within 10 test_nonempty homes_of "$upload" || fail "the upload does not start"
	for n in {1..8}; do
		edge=$((n % 4 + 1))
		witness_mark
		move $edge 1 4 from "$download"
		move $edge 1 6 from "$upload"
		within 10 came_by "$upload" "$edge 1" || fail "after move $n no answer to the upload came by edge-gw-0$edge"
		kill -0 "${jobs[1]}" 2>/dev/null || fail "the upload ended before move $n was over"
		within 10 came_by_or_over "$download" "$edge 1" "${jobs[0]}" || fail "after move $n nothing came by edge-gw-0$edge"
		job_gone "${jobs[0]}" || moved=$n
	done
	device pkill -TERM -f "upload 60"
	wait "${jobs[1]}" || fail "the upload did not survive"
	wait "${jobs[0]}" || fail "the download did not survive"
	[ "$moved" -ge 4 ] || fail "the download was over after $moved moves"
	expect_equal_tables 2
}

came_by_or_over() { # ADDRESS WAY JOB
	came_by "$1" "$2" || job_gone "$3"
}

# One of four loses its power: its own connection is reset, one that only went by it goes on. It comes back empty, and is told.
scenario_four_lose_one() {
	local own through jobs=() edge other
	own=$(device_address 4 35)
	through=$(device_address 4 36)
	for edge in "${EDGES[@]}"; do
		expect_members alive "$edge"
	done
	move 4 1 4 from "$own"
	ask "$own" 4 upload 60 >"$LAB/device/lab/upload" 2>&1 &
	jobs+=($!)
	move 2 1 4 from "$through"
	fetch_big "$through" 4 /slow &
	jobs+=($!)
	within 10 test_nonempty homes_of "$own" || fail "the upload does not start"
	within 10 test_nonempty homes_of "$through" || fail "the download does not start"
	witness_mark
	move 4 1 4 from "$through"
	within 10 came_by "$through" "4 1" || fail "the download does not go by edge-gw-04"

	disturb
	machine_off edge-gw-04
	unsteer
	within 30 job_gone "${jobs[0]}" || fail "the connection of a dead gateway hangs"
	grep -q reset "$LAB/device/lab/upload" || fail "the device was told: $(cat "$LAB/device/lab/upload")"
	wait "${jobs[1]}" || fail "the download of edge-gw-02 did not survive"
	for edge in 1 2 3; do
		expect_member $edge dead 4
		for other in 1 2 3; do
			[ $edge = $other ] || expect_member $edge alive $other
		done
	done

	edge_power_on 4
	echo 0 >"$LAB/array.mark-4"
	gateway_start 4 "$ATTACH"
	within 30 announced_since_mark 4 || fail "it does not announce again"
	expect "what came first" "array ready,loopback control announced" "$(said_since_mark 4)"
	expect_members alive 4
	lab_wait
	array_traffic 4
	expect_equal_tables 8
}

paths_at() { # LOCAL COUNT: so many gateways announce the loopback there
	frr "local-gw-0$1" "show bgp ipv4 unicast ${LOOPBACK[4]}/32 json" |
		jq -en --argjson count "$2" 'input | [.paths[] | select(.valid and .aspath.string == "64500")] | length == $count'
}

serving() { # EDGE OTHER YES
	[ "$(member "$1" serving "$2")" = "$3" ]
}

# One of four is drained: all see it, its provider leaves it, and what it has begun it ends.
scenario_four_drained() {
	local address job edge
	address=$(device_address 4 37)
	disturb
	move 3 1 4 from "$address"
	fetch_big "$address" 4 /slow &
	job=$!
	within 10 test_nonempty homes_of "$address" || fail "the download does not start"
	gwctl edge-gw-03 gateway drain --wait=60s
	wait $job || fail "the download did not survive"
	for edge in 1 2 4; do
		within 10 serving $edge 3 false || fail "edge-gw-0$edge does not know that edge-gw-03 is drained"
		expect_member $edge alive 3
	done
	within 10 paths_at 1 3 || fail "the provider does not have three ways left"
	gwctl edge-gw-03 gateway undrain
	within 20 paths_at 1 4 || fail "the provider does not have four ways again"
	array_traffic 4
	expect_equal_tables 8
}
