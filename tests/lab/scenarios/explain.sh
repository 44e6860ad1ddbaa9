# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What gwctl says about it all is what happens: events with their causes.

told() { # OBJECT NAME EVENT CAUSE: in the file of a follower, that event, whose cause contains these words
	jq -es --arg object "$1" --arg name "$2" --arg event "$3" --arg cause "$4" \
		'any(.[]; .object == $object and (.name // "") == $name and .event == $event and (.cause | contains($cause)))' \
		"$LAB/edge-gw-01/lab/events" >/dev/null
}

expect_told() { # OBJECT NAME EVENT CAUSE
	within 20 told "$@" || fail "no event: $*; there were: $(jq -c '[.object, .name, .event, .cause]' "$LAB/edge-gw-01/lab/events")"
}

scenario_events_tell_causes() {
	background edge-gw-01 "$LAB/edge-gw-01/lab/events" "$GWCTL" --run-dir "$RUN_DIR" -j events
	expect_told gateway edge-gw-01 started "2 tunnels"
	expect_told bird "" back ""
	: >"$LAB/edge-gw-01/lab/events" # from here on; the follower goes on behind a hole
	background_end
	background edge-gw-01 "$LAB/edge-gw-01/lab/events" "$GWCTL" --run-dir "$RUN_DIR" -j events
	cut 1 1
	expect_told tunnel acme-lgw-01 not_usable " down" # BFD or BGP, whichever BIRD tells first
	expect_told bfd acme-lgw-01 down ""
	mend
	on edge-gw-01 ip link del acme-lgw-02
	expect_told tunnel acme-lgw-02 not_usable "link gone"
	# shellcheck disable=SC2153 # topology.sh has it
	steer 1 1 4 to "${LOOPBACK[4]}"
	inject device spoof 1 "${LOOPBACK[4]}" 203.0.113.99
	expect_told drops source_not_provider began "not in the provider's prefixes"
	gateway_stop 1
	expect_told gateway "" stopping "gateway stop"
}

explained() { # EDGE JQ_FILTER ARGUMENT…: a field of flow explain's answer
	gwctl "edge-gw-0$1" -j flow explain "${@:3}" | jq -r "$2"
}

at() { # ADDRESS PORT
	case $1 in
	*:*) echo "[$1]:$2" ;;
	*) echo "$1:$2" ;;
	esac
}

# What gwctl says will become of a packet is what becomes of it, as the witnesses in the provider's network and the counters
# see it. Every reason, in every program: tests/bpf, where each row asks first.
scenario_explain_foretells() { # FAMILY
	local family=$1 address loopback=${LOOPBACK[$1]} before
	local -A stranger=([4]=203.0.113.99 [6]=2001:db8:ffff::1)
	address=$(device_address "$family" 39)
	steer 1 2 "$family" from "$address"
	expect "before, the response" home_provider "$(explained 1 .response.reason udp "$(at "$loopback" 17)" "$(at "$address" 4390)")"
	expect "UDP is answered by" edge-gw-01 "$(ask "$address" "$family" name 4390)"
	expect "the flow's response" "home_flow acme-lgw-02" \
		"$(explained 1 '"\(.response.reason) \(.response.tunnel)"' udp "$(at "$loopback" 17)" "$(at "$address" 4390)")"
	expect "another port's response" "home_device acme-lgw-02" \
		"$(explained 1 '"\(.response.reason) \(.response.tunnel)"' udp "$(at "$loopback" 17)" "$(at "$address" 1)")"
	expect "an error about the request" "home_flow acme-lgw-02" \
		"$(explained 1 '"\(.response.reason) \(.response.tunnel)"' udp "$(at "$address" 4390)" "$(at "$loopback" 17)" --icmp-error)"
	expect_home "$address" 1 2
	expect "a spoofed request" source_not_provider \
		"$(explained 1 '.requests[].reason' udp "${stranger[$family]}" "$loopback" --from-tunnel acme-lgw-01)"
	steer 1 1 "$family" to "$loopback"
	before=$(counter 1 source_not_provider)
	inject device spoof 1 "$loopback" "${stranger[$family]}"
	within 8 counter_grew 1 source_not_provider "$before" || fail "the spoofed request was not dropped for that"
}

counter_grew() { # EDGE REASON BEFORE
	[ "$(counter "$1" "$2")" -gt "$3" ]
}

# ---- The doctor ------------------------------------------------------------------------------------------------------

examined() { # JQ_FILTER: of what the doctor says of edge-gw-01, problems (status 1) or not
	{ on edge-gw-01 "$GWCTL" -j doctor /run/lab/gateway.yaml || true; } | jq -r "$1"
}

# On a gateway that runs: no problem, and nothing is changed by asking. Then a fault is made, told, and mended.
scenario_doctor_looks_and_touches_nothing() {
	local before
	before=$(snapshot edge-gw-01)
	expect "problems" "" "$(examined '.findings[] | select(.level == "problem") | "\(.check): \(.finding)"')"
	expect "how the uplink's XDP runs" "$(gwctl edge-gw-01 -j status | jq -r .gateway.xdp)" \
		"$(examined '.findings[] | select(.check == "uplinks") | .finding' | grep -o -m 1 'native\|generic')"
	expect "the tunnels' ports" "51811 51812" "$(examined '[.firewall[] | select(.for == "WireGuard") | .port] | join(" ")')"
	expect_unchanged edge-gw-01 "$before"
	on edge-gw-01 sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 1 >/proc/sys/net/ipv4/conf/acme-lgw-01/rp_filter'
	trap 'on edge-gw-01 sh -c "echo 0 >/proc/sys/net/ipv4/conf/acme-lgw-01/rp_filter"' EXIT
	examined '.findings[] | select(.check == "rp_filter" and .level == "problem") | .finding' | grep -q "tunnel acme-lgw-01: strict"
	on edge-gw-01 "$GWCTL" doctor /run/lab/gateway.yaml && fail "the doctor says that all is well"
	return 0
}
