# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What a gateway stands on is taken away while it runs: an uplink, home0, BIRD's answers. gwd says so, goes on with the
# rest, and makes whole again what comes back. Traffic, identity and events are those of the files beside this one.

events() { # EDGE: all that it remembers, as one list
	gwctl "edge-gw-0$1" -j events --no-follow | jq -cs .
}

# What is asked from now on is about events that are news.
events_mark() { # EDGE
	mark=$(events "$1" | jq '.[-1].number // 0')
}

news() { # EDGE OBJECT NAME EVENT CAUSE: there is one, whose cause contains these words
	events "$1" | jq -e --argjson mark "$mark" --arg object "$2" --arg name "$3" --arg event "$4" --arg cause "$5" \
		'any(.[]; .number > $mark and .object == $object and (.name // "") == $name and .event == $event and (.cause | contains($cause)))' \
		>/dev/null
}

expect_news() { # EDGE OBJECT NAME EVENT CAUSE
	within 20 news "$@" || fail "no event: $*; there were: $(events "$1" | jq -c --argjson mark "$mark" '.[] | select(.number > $mark) | [.object, .name, .event, .cause]')"
}

degraded_by() { # EDGE WORDS: status says that this is not as it should be
	{ gwctl "edge-gw-0$1" -j status || true; } | jq -e --arg words "$2" '.degraded | any(contains($words))' >/dev/null
}

# A response surfaces at edge-gw-01's uplink and reaches the device that asked for it.
expect_inside_response() { # ADDRESS FAMILY DEVICE_PORT
	listen "$1" "$2" "$3" 9000 '?'
	inject inside response "$(edge_mac 1)" "${LOOPBACK[$2]}" 9000 "$1" "$3" 321
	within 8 heard 321 || fail "the inside host's response did not reach the device"
}

# ---- An uplink -------------------------------------------------------------------------------------------------------

# Lost: an event, and all else is served, healed and configured as before. Back: its programs hang on it again.
scenario_uplink_lost_and_back() { # FAMILY
	local family=$1 address
	address=$(device_address "$family" 27)
	steer 1 1 "$family" from "$address"
	expect_inside_response "$address" "$family" 4101
	events_mark 1
	disturb
	trap uplink_plug EXIT
	on edge-gw-01 ip link del eth0
	expect_news 1 uplink eth0 lost "there is no such interface"
	within 5 degraded_by 1 "uplink eth0 is gone" || fail "status does not say that the uplink is gone"
	expect "without it the page says" edge-gw-01 "$(fetch "$address" "$family" /)"
	on edge-gw-01 ip link del acme-lgw-02
	within 20 edge_ready 1 || fail "without the uplink a tunnel is not made again"
	{ gateway_config 1 "$ATTACH" && echo "log: debug"; } >"$LAB/edge-gw-01/lab/log.yaml"
	config apply /run/lab/log.yaml
	config rollback
	uplink_plug
	expect_news 1 uplink eth0 back ""
	within 5 programs_on_uplink edge-gw-01 || fail "the uplink has no programs again"
	! news 1 gateway "" heal_failed "" || fail "healing failed meanwhile"
	expect_inside_response "$address" "$family" 4102
	expect "degraded" "" "$(gwctl edge-gw-01 -j status | jq -r '.degraded[]')"
}

uplink_plug() { # edge-gw-01's, unless it is there
	on edge-gw-01 ip link show eth0 >/dev/null 2>&1 ||
		plug inside edge-gw-01 br0 - edge-gw-01 eth0 10.0.0.11/16 fd00:10::11/64
}

programs_on_uplink() { # MACHINE: both; that the second works an inside response shows
	on "$1" ip -d link show eth0 | grep -q 'prog/xdp id' || return
	# shellcheck disable=SC2016
	on "$1" sh -c 'test -e "$1/links/uplink_ingress-$(cat /sys/class/net/eth0/ifindex)"' sh "$PIN_DIR" ||
		on "$1" tc filter show dev eth0 ingress | grep -q uplink_ingress
}

# ---- BIRD ------------------------------------------------------------------------------------------------------------

# It hangs: gwctl goes on being answered, another BIRD is started in its place; and a stop does not wait for one that hangs.
scenario_bird_hangs() {
	local pid
	pid=$(on edge-gw-01 pidof bird)
	events_mark 1
	disturb
	on edge-gw-01 kill -STOP "$pid"
	within 40 bird_is_another_and_gwd_answers "$pid" || fail "the BIRD that hangs is not replaced"
	expect_news 1 bird "" lost "does not answer"
	expect_news 1 bird "" back ""
	on edge-gw-01 kill -STOP "$(on edge-gw-01 pidof bird)"
	gateway_stop 1
	expect "BIRDs that are left" "" "$(on edge-gw-01 pidof bird || true)"
}

bird_is_another_and_gwd_answers() { # PID
	local status=0
	gwctl edge-gw-01 --timeout 2s -j tunnel list >/dev/null || status=$?
	[ $status = 0 ] || fail "gwd does not answer while BIRD hangs: gwctl ended with $status"
	bird_is_another edge-gw-01 "$1"
}
