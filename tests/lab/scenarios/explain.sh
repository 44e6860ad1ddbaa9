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
	steer 1 1 4 to "${LOOPBACK[4]}"
	inject device spoof 1 "${LOOPBACK[4]}" 203.0.113.99
	expect_told drops source_not_provider began "not in the provider's prefixes"
	gateway_stop 1
	expect_told gateway "" stopping "gateway stop"
}
