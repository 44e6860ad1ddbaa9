# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Figure 2: the way breaks. Requests flow again through the other gateway, and a device that is silent while its tunnel
# dies is served by the gateway's other one.

served_by() { # FAMILY ADDRESS MACHINE
	[ "$(fetch "$2" "$1" / --max-time 1)" = "$3" ]
}

before_and_after() { # FAMILY ADDRESS BREAK…: served by edge-gw-01, then, when it is broken, by edge-gw-02
	local family=$1 address=$2
	shift 2
	served_by "$family" "$address" edge-gw-01 || fail "edge-gw-01 does not serve to begin with"
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

scenario_silent_stream() { # FAMILY: a UDP stream of 6 s, asked for once
	local family=$1 address heard=$LAB/device/lab/stream
	address=$(device_address "$family" 36)
	steer 1 1 "$family" from "$address"
	background device "$heard" "${ASK[@]}" "$address" "${LOOPBACK[$family]}" stream 60 100
	within 10 grep -qx 10 "$heard" || fail "the stream does not start"
	expect_home "$address" 1 1
	cut 1 1
	witness_mark
	within 20 grep -qx 59 "$heard" || fail "the stream ended with number $(tail -1 "$heard")"
	expect "tunnels of the stream after the cut" "1 2" "$(homes_of "$address" | paste -sd,)"
	expect "the device's packets after the cut" "" "$(ways_of "$address")"
	echo "of 60 datagrams $(wc -l <"$heard") arrived"
}

scenario_silent_download() { # FAMILY: TCP; every acknowledgement dies with the tunnel
	local family=$1 address job
	address=$(device_address "$family" 37)
	steer 1 1 "$family" from "$address"
	fetch_big "$address" "$family" /slow &
	job=$!
	within 10 test_nonempty homes_of "$address" || fail "the download does not start"
	cut 1 1
	witness_mark
	within 20 came_by "$address" "1 2" || fail "the gateway does not use its other tunnel"
	expect "tunnels of the device's packets" "1 1" "$(ways_of "$address" | paste -sd,)"
	unsteer # the provider notices at last
	steer 1 2 "$family" from "$address"
	wait $job || fail "the download did not survive"
}

came_by() { # ADDRESS "EDGE LOCAL"
	homes_of "$1" | grep -qx "$2"
}
