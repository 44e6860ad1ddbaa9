# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Figure 2: the way breaks. Requests flow again through the other gateway, and a device that is silent while its tunnel
# dies is served by the gateway's other one.

served_by() { # FAMILY ADDRESS MACHINE
	[ "$(fetch "$2" "$1" / --max-time "$PATIENCE")" = "$3" ]
}

before_and_after() { # FAMILY ADDRESS BREAK…: served by edge-gw-01, then, when it is broken, by edge-gw-02
	local family=$1 address=$2
	shift 2
	within 10 served_by "$family" "$address" edge-gw-01 || fail "edge-gw-01 does not serve to begin with"
	"$@"
	within 30 served_by "$family" "$address" edge-gw-02 || fail "edge-gw-02 does not take over"
}

# The path through local-gw-01 goes silent: no link goes down, no process ends.
scenario_path_silent() { # FAMILY
	before_and_after "$1" "$(device_address "$1" 33)" cut 1 1 2 1
	within 5 route_leads ixp-router "$1" local-gw-02 || fail "the ixp-router did not move to local-gw-02"
}

# The provider's WireGuard of one tunnel is killed.
scenario_tunnel_gone() { # FAMILY
	before_and_after "$1" "$(device_address "$1" 34)" provider_tunnel_kill 1 1
}

# A gateway loses its power, and serves again when it is back.
scenario_gateway_off() { # FAMILY
	local address
	address=$(device_address "$1" 35)
	before_and_after "$1" "$address" machine_off edge-gw-01
	edge_power_on 1
	gateway_start 1 "$ATTACH"
	within 30 served_by "$1" "$address" edge-gw-01 || fail "edge-gw-01 does not come back"
}

# ---- Silent devices --------------------------------------------------------------------------------------------------
#
# The provider holds the device's packets on the tunnel that dies, so nothing from the device can teach a new way.

scenario_silent_stream() { # UDP streams of 6 s (times PATIENCE), asked for once
	local family address
	for family in 4 6; do
		address=$(device_address $family 36)
		steer 1 1 $family from "$address"
		background device "$LAB/device/lab/stream.$family" "${ASK[@]}" "$address" "${LOOPBACK[$family]}" stream 60 $((100 * PATIENCE))
	done
	for family in 4 6; do
		within 10 grep -qx 10 "$LAB/device/lab/stream.$family" || fail "the stream does not start, v$family"
		expect_home "$(device_address $family 36)" 1 1
	done
	cut 1 1
	sleep 0.2 # what is on its way arrives
	witness_mark
	for family in 4 6; do
		stream_came_to_its_end $family "$(device_address $family 36)"
	done
}

stream_came_to_its_end() { # FAMILY ADDRESS
	local heard=$LAB/device/lab/stream.$1
	within 20 grep -qx 59 "$heard" || fail "the stream ended with number $(tail -n 1 "$heard"), v$1"
	expect "tunnels of the stream after the cut" "1 2" "$(homes_of "$2" | paste -sd,)"
	expect "the device's packets after the cut" "" "$(ways_of "$2")"
	echo "of 60 datagrams $(wc -l <"$heard") arrived, v$1"
}

scenario_silent_download() { # TCP; every acknowledgement dies with the tunnel
	local family address downloads=()
	for family in 4 6; do
		download_begins $family 37 1
	done
	cut 1 1
	witness_mark
	for family in 4 6; do
		address=$(device_address $family 37)
		within 20 came_by "$address" "1 2" || fail "the gateway does not use its other tunnel, v$family"
		within 5 test_nonempty ways_of "$address" || fail "the device acknowledges nothing, v$family"
		expect "tunnels of the device's packets" "1 1" "$(ways_of "$address" | paste -sd,)"
	done
	unsteer # the provider notices at last
	for family in 4 6; do
		steer 1 2 $family from "$(device_address $family 37)"
	done
	downloads_end
}

came_by() { # ADDRESS "EDGE LOCAL"
	homes_of "$1" | grep -qx "$2"
}
