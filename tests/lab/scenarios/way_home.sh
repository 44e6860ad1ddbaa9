# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Promise 1, same way home: whatever a device asks for, the answer leaves by the tunnel that the question came in by. The
# provider steers an address of the device into each tunnel in turn, and its witnesses tell what came out where.

every_tunnel() { # FAMILY COMMAND…: called with FAMILY ADDRESS EDGE LOCAL, each tunnel with an address of its own
	local family=$1 edge lgw address
	shift
	for edge in "${EDGES[@]}"; do
		for lgw in "${LOCALS[@]}"; do
			address=$(device_address "$family" $((10 + 2 * edge + lgw))) # 13 to 16
			steer "$edge" "$lgw" "$family" from "$address"
			"$@" "$family" "$address" "$edge" "$lgw"
			expect_home "$address" "$edge" "$lgw"
		done
	done
}

# ---- One kind of traffic after the other -----------------------------------------------------------------------------

scenario_tcp() { every_tunnel "$1" tcp_once; }

tcp_once() { # FAMILY ADDRESS EDGE LOCAL
	expect "the page says" "edge-gw-0$3" "$(fetch "$2" "$1" /)"
	fetch_big "$2" "$1"
}

scenario_udp() { every_tunnel "$1" udp_once; }

udp_once() { # FAMILY ADDRESS EDGE LOCAL
	expect "UDP is answered by" "edge-gw-0$3" "$(ask "$2" "$1" name)"
	ask "$2" "$1" echo 1 100 1000
}

scenario_ping() { every_tunnel "$1" ping_once; }

ping_once() { # FAMILY ADDRESS EDGE LOCAL
	device ping -n -q -c 3 -i 0.1 -W 5 -I "$2" "${LOOPBACK[$1]}"
}

# ---- All at once -----------------------------------------------------------------------------------------------------

# Both gateways serve the same device at the same time, and each answer goes its own way.
scenario_both_gateways_at_once() { # FAMILY
	local family=$1 edge job jobs=() address
	for edge in "${EDGES[@]}"; do
		address=$(device_address "$family" $((16 + edge)))
		steer "$edge" 1 "$family" from "$address"
		fetch_big "$address" "$family" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || fail "a download failed while the other gateway served one too"
	done
	for edge in "${EDGES[@]}"; do
		expect_home "$(device_address "$family" $((16 + edge)))" "$edge" 1
	done
}

# A flow that came in by local-gw-01 and waits for its answer; since then the device was heard by local-gw-02, so its
# newest way is not the flow's.
two_ways() { # FAMILY ADDRESS PORT TEXT: what the waiting flow asks of which port
	steer 1 1 "$1" from "$2" ipproto udp sport 4201
	steer 1 2 "$1" from "$2" ipproto udp sport 4202
	listen "$2" "$1" 4201 "$3" "$4"
	expect "UDP is answered by" edge-gw-01 "$(ask "$2" "$1" name 4202)"
	within 5 came_by "$2" "1 2" || fail "the newest way is not the device's"
	expect "tunnels of both flows so far" "1 2" "$(homes_of "$2" | paste -sd,)"
	witness_mark
}

# It is the flow that knows the way, not the device.
scenario_two_ways_of_one_device() { # FAMILY
	local address
	address=$(device_address "$1" 19)
	two_ways "$1" "$address" 23 "100 $((4000 * PATIENCE))"
	within 12 heard 100 || fail "the late answer did not arrive"
	within 5 came_by "$address" "1 1" || fail "the late answer did not go by its flow's tunnel"
	expect "tunnels of the late answer" "1 1" "$(homes_of "$address" | paste -sd,)"
}

# The proof that it is our program that does it: without it nothing comes home.
scenario_fails_without_return_egress() { # FAMILY
	local family=$1 address
	address=$(device_address "$family" 20)
	steer 1 2 "$family" from "$address"
	expect "the page says" edge-gw-01 "$(fetch "$address" "$family" /)"
	disturb
	return_egress_detach edge-gw-01
	if fetch "$address" "$family" / --max-time $((2 * PATIENCE)); then
		fail "the answer came home although return_egress is detached"
	fi
	gateway_stop 1
	gateway_start 1 "$ATTACH"
	lab_wait
	expect "attached again, the page says" edge-gw-01 "$(fetch "$address" "$family" /)"
}

return_egress_detach() { # MACHINE: whatever way it is attached
	# shellcheck disable=SC2016
	on "$1" sh -c '
		detached=1
		for pin in $(find "$1" -type f); do
			if bpftool link show pinned "$pin" 2>/dev/null | grep -q . && case $pin in *return_egress*|*home0*) ;; *) false ;; esac; then
				bpftool link detach pinned "$pin" && detached=0
			fi
		done
		if tc filter show dev home0 egress 2>/dev/null | grep -q bpf; then
			tc filter del dev home0 egress && detached=0
		fi
		exit $detached' sh "$PIN_DIR" || fail "found no return_egress to detach"
}

# ---- From the inside -------------------------------------------------------------------------------------------------

# A backend answers in the loopback's name; its packet surfaces at the uplink and still goes home by the flow's tunnel.
scenario_inside_response() { # FAMILY
	local family=$1 address job
	address=$(device_address "$family" 21)
	steer 1 2 "$family" from "$address"
	listen "$address" "$family" 4100 9000 '?'
	inject inside response "$(edge_mac 1)" "${LOOPBACK[$family]}" 9000 "$address" 4100 321
	within 8 heard 321 || fail "the inside host's response did not reach the device"
	expect_home "$address" 1 2
}
