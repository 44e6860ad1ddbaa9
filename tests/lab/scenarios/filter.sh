# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Uplinks with a filter: all that the array serves goes on, what a stranger sends to nobody is dropped and counted, and no
# packet is lost when the filter comes and goes. The stranger is the router "internet", in both families at a time; the
# edge gateways' way to it is an uplink here.

STRANGER_LINK=2001:db8:77::

stranger_plug() {
	local edge
	for edge in 1 2; do
		on "edge-gw-0$edge" ip addr add "$STRANGER_LINK$edge:1/112" dev eth1 nodad
		on internet ip addr add "$STRANGER_LINK$edge:2/112" dev "edge-gw-0$edge" nodad
	done
	on internet ip route add "${LOOPBACK[4]}" via "${INTERNET_ADDRESS_OF_EDGE[1]}"
	on internet ip route add "${LOOPBACK[6]}" via "${STRANGER_LINK}1:1"
}

stranger_unplug() {
	local edge
	for edge in 1 2; do
		on "edge-gw-0$edge" ip addr del "$STRANGER_LINK$edge:1/112" dev eth1
		on internet ip addr del "$STRANGER_LINK$edge:2/112" dev "edge-gw-0$edge"
	done
	on internet ip route del "${LOOPBACK[4]}"
	on internet ip route del "${LOOPBACK[6]}" 2>/dev/null || true # gone with its address
}

filter_config() { # EDGE MODE: watch or drop
	gateway_config "$1" "$ATTACH" | sed 's/^uplinks:.*/uplinks: [eth0, eth1]/'
	echo "filter: {$2: [eth0, eth1], accept: {ports: [8080]}}"
}

filter_apply() { # EDGE [MODE]
	local file=$LAB/edge-gw-0$1/lab/filter.yaml
	if [ $# -gt 1 ]; then
		filter_config "$@" >"$file"
	else
		gateway_config "$1" "$ATTACH" >"$file"
	fi
	gwctl "edge-gw-0$1" config apply /run/lab/filter.yaml
}

# By UDP and TCP. Says in v4's and in v6's words: 0: connections are taken, 1: refused, 124: nobody answers in time.
stranger_asks() { # PORT SECONDS
	local address status
	for address in "${INTERNET_ADDRESS_OF_EDGE[1]}" "${STRANGER_LINK}1:1"; do
		status=0
		on internet bash -c "echo >/dev/udp/$address/$1" 2>/dev/null || true
		on internet timeout "$2" bash -c ": >/dev/tcp/$address/$1" 2>/dev/null || status=$?
		echo "$status"
	done
}

stranger_ends() { # STATUS PORT
	local seconds=5
	[ "$1" != 124 ] || seconds=1 # which always pass
	expect "how the stranger's connections to port $2 end, in each family" "$1 $1" "$(stranger_asks "$2" "$seconds" | xargs)"
}

stranger_is_served() { # PORT
	[ "$(stranger_asks "$1" 0.5 | xargs)" = "0 0" ]
}

# Connections to what accept.ports has, for as long as the filter comes, changes and goes: the stack refuses each.
refusals_begin() {
	# shellcheck disable=SC2016
	background internet "$LAB/internet/lab/refusals" bash -c 'while :; do
		for address; do
			timeout 5 bash -c ": >/dev/tcp/$address/8080" 2>/dev/null
			echo "$address $?"
			sleep 0.01
		done
	done' refusals "${INTERNET_ADDRESS_OF_EDGE[1]}" "${STRANGER_LINK}1:1"
}

expect_refusals() { # of all since refusals_begin
	expect "how connections to port 8080 ended all the time" \
		"$(printf '%s 1\n' "${INTERNET_ADDRESS_OF_EDGE[1]}" "${STRANGER_LINK}1:1" | sort)" \
		"$(sort -u "$LAB/internet/lab/refusals")"
}

stranger_spoofs() { # SOURCE-4 SOURCE-6 DESTINATION-4 DESTINATION-6: three packets each
	inject internet spoof 1 "$3" "$1"
	inject internet spoof 1 "$4" "$2"
}

grew_by() { # REASON LEAST BEFORE: of edge-gw-01
	[ "$(counter 1 "$1")" -ge $(($2 + $3)) ]
}

expect_counted() { # REASON LEAST COMMAND…: so many packets at least meet it by this
	local before
	before=$(counter 1 "$1")
	"${@:3}"
	within 5 grew_by "$1" "$2" "$before" || fail "$1: from $before to $(counter 1 "$1"), $2 more were wanted"
}

# The same port of the device: the flow stays edge-gw-01's, and is relayed to it.
expect_relayed_home() {
	local family address relayed
	for family in 4 6; do
		address=$(device_address $family 18)
		expect "who answers" edge-gw-01 "$(ask "$address" $family name 5077)"
		steer 2 2 $family from "$address"
		relayed=$(counter 2 relayed_request)
		expect "who answers then" edge-gw-01 "$(ask "$address" $family name 5077)"
		[ "$(counter 2 relayed_request)" -gt "$relayed" ] || fail "nothing was relayed"
	done
	unsteer
}

doctor_says() { # WORDS
	{ on edge-gw-01 "$GWCTL" doctor /run/lab/filter.yaml || true; } | grep "$1" || fail "doctor does not say: $1"
}

# A SYN that was dropped comes again and is refused then: only the counter tells.
expect_none_unserved() { # COMMAND…
	local before
	before=$(counter 1 filtered_unserved)
	"$@"
	expect "filtered_unserved after $*" "$before" "$(counter 1 filtered_unserved)"
}

scenario_filtered() {
	local RUN_SECONDS=$((2 * RUN_SECONDS)) # the last change too is to come while packets are counted
	stranger_plug
	background edge-gw-01 "$LAB/edge-gw-01/lab/listens" /usr/bin/python3 -c 'import socket, time
s = socket.create_server(("::", 2222), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
time.sleep(600)'
	traffic_start 36
	refusals_begin
	expect_none_unserved filter_apply 1 drop
	filter_apply 2 drop
	within 5 stranger_is_served 2222 || fail "what listens is not reached"
	expect_counted filtered_unserved 4 stranger_ends 124 9
	expect_counted filtered_stranger 2 stranger_ends 124 "${INTERNET_PORT[11]}"
	expect_counted filtered_outside 6 stranger_spoofs "$(device_address 4 11)" "$(device_address 6 11)" \
		"${LOOPBACK[4]}" "${LOOPBACK[6]}"
	expect_counted filtered_own_source 2 stranger_spoofs "${LOOPBACK[4]}" "${LOOPBACK[6]}" \
		"${INTERNET_ADDRESS_OF_EDGE[1]}" "${STRANGER_LINK}1:1"
	stranger_ends 1 8080
	on internet ping -c 1 -W 2 "${INTERNET_ADDRESS_OF_EDGE[1]}"
	on internet ping -c 1 -W 2 "${STRANGER_LINK}1:1"
	expect_relayed_home
	doctor_says "uplink eth1: its filter drops"
	doctor_says "filters have dropped .*filtered_stranger"
	expect_none_unserved filter_apply 1 watch
	expect_counted watched_unserved 4 stranger_ends 1 9
	edges_ready || fail "a tunnel did not stay usable"
	expect "the member" alive "$(gwctl edge-gw-01 -j gateway list | jq -r '.gateways[] | select(.gateway == "edge-gw-02").state')"
	filter_apply 1 drop
	expect_none_unserved filter_apply 1
	filter_apply 2
	traffic_end
	expect_refusals
	stranger_ends 1 9
	stranger_unplug
}
