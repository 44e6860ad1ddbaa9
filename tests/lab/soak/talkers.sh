# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Who talks during a soak, and by which way the provider sends it:
#
#   edge-1   kept at edge-gw-01: by local-gw-01, and by local-gw-02 from when the provider knows that this path is dead
#            until it is mended
#   edge-2   the same at edge-gw-02: by local-gw-02, else by local-gw-01
#   bgp      goes where BGP says: by local-gw-01 to edge-gw-01, and while one of these cannot be had to edge-gw-02
#   stranger sources that are not the provider's: nobody may answer them
#
# Each has connections that go on for long; bgp's are moved to the other gateway and back while they last.

TALKERS=(edge-1 edge-2 bgp)
KINDS=(beat fresh ping fragment page download upload)
declare -A TALKER_NUMBER=([edge-1]=21 [edge-2]=22 [bgp]=23) # of the device's address
NOISE_A_SECOND=10

talker_address() { # TALKER FAMILY
	device_address "$2" "${TALKER_NUMBER[$1]}"
}

talkers_start() {
	local talker family
	device sh -c 'echo 0 0 >/proc/sys/net/ipv4/ping_group_range'
	for family in 4 6; do
		route_for_soak $family
		for edge in "${EDGES[@]}"; do
			keep_at "$edge" $family
		done
	done
	for talker in "${TALKERS[@]}"; do
		talker_start "$talker"
	done
	within 20 talkers_are_answered || die "the talkers get no answers to begin with"
	noise_start 4 203.0.113.99 100.128.0.1 10.0.0.100
	noise_start 6 2001:db8:ffff::1 2001:db8:200::1 fd00:10::100
}

talker_start() { # TALKER
	background device "$OUT/traffic.$1" /usr/bin/python3 "$ROOT/tests/lab/tools/talker.py" "$1" \
		"$(talker_address "$1" 4)" "$(talker_address "$1" 6)" "${LOOPBACK[4]}" "${LOOPBACK[6]}" "${KINDS[@]}"
}

# A small window, or TCP fills a queue until something in it is lost; and the tunnels' MTU from the first packet.
route_for_soak() { # FAMILY
	local -A router=([4]=100.64.1.1 [6]=2001:db8:100:1::1)
	device ip "-$1" route replace "${LOOPBACK[$1]}" via "${router[$1]}" window 16384 mtu "$ARRAY_MTU"
}

talkers_are_answered() {
	local edge
	for edge in "${EDGES[@]}"; do
		gwctl "edge-gw-0$edge" -j device get "$(talker_address "edge-$edge" 6)" || return
	done
}

noise_start() { # FAMILY SOURCE…
	background device "$OUT/noise.$1" /usr/bin/python3 "$ROOT/tests/lab/tools/inject.py" noise $NOISE_A_SECOND \
		"${LOOPBACK[$1]}" "${@:2}"
}

talkers_end() { # every answer has had its time, every connection has come to its end
	local talker
	background_end
	for talker in "${TALKERS[@]}"; do
		within 90 grep -qx done "$OUT/traffic.$talker" || finding "the talker $talker does not come to its end"
	done
	within 10 grep -q sent "$OUT/noise.4" && within 10 grep -q sent "$OUT/noise.6" || finding "the noise does not end"
}

# ---- The provider's way to a gateway -----------------------------------------------------------------------------------
#
# edge-E is sent by local-gw-0E as a rule, which a rule before it overrides for as long as that path is dead.

keep_at() { # EDGE FAMILY
	local address machine
	address=$(talker_address "edge-$1" "$2")
	for machine in "${LOCALS[@]/#/local-gw-0}" ixp-router; do
		on "$machine" ip "-$2" rule add pref $STEER from "$address" lookup "$1"
	done
}

keep_by_the_other() { # EDGE
	local family
	for family in 4 6; do
		on ixp-router ip -$family rule add pref $((STEER - 1)) from "$(talker_address "edge-$1" $family)" lookup $((3 - $1))
	done
}

keep_as_before() { # every edge
	# shellcheck disable=SC2016
	on ixp-router sh -c 'for f in -4 -6; do while ip $f rule del pref $1 2>/dev/null; do :; done; done' sh $((STEER - 1))
}

bgp_goes_to() { # EDGE LOCAL: in both families; by local-gw-01 as long as it lives
	local family
	for family in 4 6; do
		route_leads ixp-router $family "local-gw-0$2" && route_leads "local-gw-0$2" $family "edge-gw-0$1" || return
	done
}
