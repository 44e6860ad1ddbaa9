# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Promise 6, operating it loses nothing. In each family a thousand numbered packets a second go each way through edge-gw-01,
# and a TCP download goes across it, while its gwd is killed, started, replaced by another build. What the next gwd finds it adopts:
# the same interfaces, programs, processes, BGP sessions, handshakes. And when no next one comes, the guard withdraws.

NUMBERS=$BUILD/lab/numbers
UPGRADE=$BUILD/upgrade/gwd # the same gwd with other programs
RATE=$((1000 / PATIENCE))  # numbered packets a second, in each family
RUN_SECONDS=$((BIG * PATIENCE / 1048576 + 1)) # what the download of /slow takes, and a little more

# ---- Traffic ------------------------------------------------------------------------------------------------------------

# TCP fills a queue until something in it is lost, and then the lost ones may be numbered: so its window is a small one.
small_window() { # FAMILY
	local -A router=([4]=100.64.1.1 [6]=2001:db8:100:1::1)
	device ip "-$1" route replace "${LOOPBACK[$1]}" via "${router[$1]}" window 16384
}

traffic_start() { # NUMBER of the device's address: in both families at a time
	local family
	rm -f "$LAB"/*/lab/numbers.* # of the scenario before, which also say "ready"
	downloads=()
	for family in 4 6; do
		traffic_of $family "$(device_address $family "$1")"
	done
	within 10 downloads_run || fail "the downloads do not start"
}

traffic_of() { # FAMILY ADDRESS
	local family=$1 address=$2
	small_window "$family"
	answer_numbers 1 "$family"
	within 5 grep -q ready "$LAB/edge-gw-01/lab/numbers.$family" || fail "nobody is there to answer"
	background device "$LAB/device/lab/numbers.$family" "$NUMBERS" ask "$address" "${LOOPBACK[$family]}" 9100 $RATE $RUN_SECONDS
	fetch_big "$address" "$family" /slow &
	downloads+=($!)
	within 10 grep -q running "$LAB/device/lab/numbers.$family" || fail "the numbered packets do not come back"
}

answer_numbers() { # EDGE FAMILY
	background "edge-gw-0$1" "$LAB/edge-gw-0$1/lab/numbers.$2" "$NUMBERS" serve "${LOOPBACK[$2]}" 9100
}

downloads_run() {
	[ "$(find "$LAB/device/lab" -name 'got-*' -size +100k | wc -l)" = 2 ]
}

traffic_end() { # nothing was lost, and the downloads came whole
	local family numbers download
	for download in "${downloads[@]}"; do
		wait "$download" || fail "a download broke"
	done
	for family in 4 6; do
		numbers=$LAB/device/lab/numbers.$family
		within 30 grep -q sent "$numbers" || fail "the numbered packets do not end"
		grep -e lost -e sent "$numbers"
		expect "numbered packets, v$family" "sent $((RATE * RUN_SECONDS)) answered $((RATE * RUN_SECONDS)) twice 0" \
			"$(grep -o 'sent .* twice [0-9]*' "$numbers")"
		device ip "-$family" route del "${LOOPBACK[$family]}" 2>/dev/null || true
	done
	background_end
}

# ---- Killing and starting -------------------------------------------------------------------------------------------------

gwd_kill() { # EDGE SIGNAL
	# shellcheck disable=SC2016
	on "edge-gw-0$1" sh -c 'kill -$1 $(cat /run/lab/gwd.pid)' sh "$2"
	within 10 gateway_gone "edge-gw-0$1" || fail "gwd of edge-gw-0$1 does not end by signal $2"
}

# What the next gwd must find and leave as it is.
identity() { # MACHINE
	# shellcheck disable=SC2016
	on "$1" sh -c '
		ip -j link | jq -c ".[] | [.ifindex, .ifname]"
		for link in "$1"/links/*; do bpftool -j link show pinned "$link" | jq -c "[.id, .prog_id]"; done
		for i in home0 acme-lgw-01 acme-lgw-02 eth0; do tc filter show dev $i ingress; tc filter show dev $i egress; done
		ip -d link show eth0 | grep -o "prog/xdp id [0-9]*"
		for map in flows_2 devices_2 settings; do bpftool -j map show pinned "$1/current/$map" | jq .id; done
		ps -eo pid=,comm= | grep -e wireguard-go -e bird -e gwd-guard' sh "$PIN_DIR"
	sessions
}

sessions() { # how often the provider's BGP sessions with edge-gw-01 came and went
	local lgw
	for lgw in "${LOCALS[@]}"; do
		frr "local-gw-0$lgw" "show bgp neighbors 169.254.1$lgw.1 json" |
			jq -c '.[] | [.bgpState, .connectionsEstablished, .connectionsDropped]'
	done
}

handshakes() { # MACHINE: name and second of each tunnel's last one
	on "$1" wg show all latest-handshakes | awk '{ print $1, $3 }'
}

# A handshake is renewed every two minutes by itself; any other renewal was ours.
expect_handshakes_kept() { # BEFORE AFTER
	local name was now
	while read -r name was; do
		now=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$2")
		[ "$now" = "$was" ] || [ $((now - was)) -ge 100 ] || fail "the handshake of $name was at $was and is at $now"
	done <<<"$1"
}

expect_adopted() { # BEFORE-IDENTITY
	local after
	after=$(identity edge-gw-01)
	[ "$1" = "$after" ] || fail "not adopted: $(diff <(echo "$1") <(echo "$after") | grep '^[<>]' | head -8)"
}

restart_under_traffic() { # SIGNAL…: after each a new gwd
	local before hands signal
	before=$(identity edge-gw-01)
	hands=$(handshakes edge-gw-01)
	traffic_start 22
	for signal in "$@"; do
		gwd_kill 1 "$signal"
		sleep 0.5
		gateway_start 1 "$ATTACH"
	done
	traffic_end
	expect_adopted "$before"
	expect_handshakes_kept "$hands" "$(handshakes edge-gw-01)"
	within 5 edge_ready 1 || fail "the tunnels are not usable"
}

# What the lab itself loses: if this fails, the others say nothing.
scenario_no_restart() { restart_under_traffic; }
scenario_restart_again_and_again() { restart_under_traffic KILL KILL TERM KILL KILL; }

# ---- Other programs, other tables -------------------------------------------------------------------------------------------

programs() { # MACHINE: the ids of what is attached to the tunnels and home0
	# shellcheck disable=SC2016
	on "$1" sh -c '
		for link in "$1"/links/*; do bpftool -j link show pinned "$link" | jq -c .prog_id; done
		for i in home0 acme-lgw-01; do tc filter show dev $i ingress; tc filter show dev $i egress; done |
			grep -o "id [0-9]*" || true' sh "$PIN_DIR"
}

map_id() { # MACHINE MAP
	on "$1" bpftool -j map show pinned "$PIN_DIR/current/$2" | jq .id
}

scenario_upgrade() { # to a build with other programs, and back
	local before flows
	before=$(programs edge-gw-01)
	flows=$(map_id edge-gw-01 flows_2)
	traffic_start 23
	gwd_kill 1 TERM
	GWD=$UPGRADE gateway_start 1 "$ATTACH"
	[ "$before" != "$(programs edge-gw-01)" ] || fail "the programs are still those of the old build"
	expect "the flow table" "$flows" "$(map_id edge-gw-01 flows_2)"
	gwd_kill 1 KILL
	gateway_start 1 "$ATTACH"
	expect "generations" 1 "$(on edge-gw-01 ls "$PIN_DIR" | grep -c generation)"
	traffic_end
}

scenario_tables_grow() { # a new table is filled from the old one
	local family flows kept
	flows=$(map_id edge-gw-01 flows_2)
	for family in 4 6; do
		steer 1 2 $family from "$(device_address $family 24)" ipproto udp
	done
	traffic_start 24
	gwd_kill 1 TERM
	CONFIG_EXTRA='tables: {flows: 524288, devices: 131072}' gateway_start 1 "$ATTACH"
	[ "$flows" != "$(map_id edge-gw-01 flows_2)" ] || fail "the flow table is still the old one"
	expect "lines" 524288 "$(on edge-gw-01 bpftool -j map show pinned "$PIN_DIR/current/flows_2" | jq .max_entries)"
	traffic_end
	for family in 4 6; do
		kept=$(gwctl edge-gw-01 -j flow list --port 9100 --address "$(device_address $family 24)" | jq '[.flows[].request.packets] | add')
		[ "$kept" -gt 8000 ] || fail "the flow's counters were not carried over: $kept of 9000 packets, v$family"
	done
	gwd_kill 1 TERM
	gateway_start 1 "$ATTACH"
}

# Two dumps of one state are one text, whoever's they are: also those of the gwd before and the one after.
scenario_dumps_are_equal() { # FAMILY
	local dump edge lab=$LAB/edge-gw-01/lab
	for edge in "${EDGES[@]}"; do # the next gwd is told what another gateway still has
		gwctl "edge-gw-0$edge" flow flush --all
	done
	ask "$(device_address "$1" 28)" "$1" name
	ask "$(device_address "$1" 29)" "$1" name
	for dump in one two; do
		gwctl edge-gw-01 map dump >"$lab/$dump"
	done
	gwd_kill 1 KILL
	gateway_start 1 "$ATTACH"
	gwctl edge-gw-01 map dump >"$lab/three"
	grep -q "$(device_address "$1" 29)" "$lab/one" || fail "a flow is missing in the dump: $(cat "$lab/one")"
	cmp "$lab/one" "$lab/two"
	cmp "$lab/one" "$lab/three"
	on edge-gw-01 "$GWCTL" map diff /run/lab/one /run/lab/three
	ask "$(device_address "$1" 27)" "$1" name
	gwctl edge-gw-01 map dump >"$lab/more"
	expect_exit 1 on edge-gw-01 "$GWCTL" map diff /run/lab/one /run/lab/more
}

# ---- BIRD ---------------------------------------------------------------------------------------------------------------------

# The routes go with BIRD, so what the provider sends by them goes elsewhere until it is back; what has its way goes on.
scenario_bird_killed() {
	local family pid
	for family in 4 6; do
		steer 1 1 $family from "$(device_address $family 25)"
	done
	pid=$(on edge-gw-01 pidof bird)
	traffic_start 25
	on edge-gw-01 kill -KILL "$pid"
	within 10 bird_is_another edge-gw-01 "$pid" || fail "BIRD is not started again"
	traffic_end
	lab_wait
}

bird_is_another() { # MACHINE PID
	local now
	now=$(on "$1" pidof bird) && [ "$now" != "$2" ]
}

# ---- The guard ------------------------------------------------------------------------------------------------------------------

# Announced for as long as `guard` says, then not; the other gateway serves; and the next gwd announces again.
scenario_guard_withdraws() { # FAMILY
	local family=$1 address guard killed guarded
	address=$(device_address "$family" 26)
	disturb
	gwd_kill 1 TERM
	CONFIG_EXTRA='guard: 4s' gateway_start 1 "$ATTACH"
	guard=$(on edge-gw-01 pgrep -x gwd-guard)
	on edge-gw-01 kill -KILL "$guard" # with it the announcement went, until another one is started
	within 5 guard_is_another "$guard" || fail "no other guard is started"
	guard=$(on edge-gw-01 pgrep -x gwd-guard)
	sleep 5
	expect "the guard, longer than its time, while gwd lives" "$guard" "$(on edge-gw-01 pgrep -x gwd-guard)"
	lab_wait
	expect "the page says" edge-gw-01 "$(fetch "$address" "$family" /)"
	killed=${EPOCHREALTIME/./}
	gwd_kill 1 KILL
	expect "without gwd the page says" edge-gw-01 "$(fetch "$address" "$family" /)"
	within 10 route_leads local-gw-01 "$family" edge-gw-02 || fail "the guard did not withdraw"
	guarded=$((${EPOCHREALTIME/./} - killed))
	[ $guarded -ge 3500000 ] || fail "withdrawn after $((guarded / 1000)) ms, before the guard's time was over"
	expect "after the guard's time the page says" edge-gw-02 "$(fetch "$address" "$family" /)"
	CONFIG_EXTRA='guard: 4s' gateway_start 1 "$ATTACH"
	within 20 route_leads local-gw-01 "$family" edge-gw-01 || fail "the next gwd does not announce again"
	gwd_kill 1 TERM
	gateway_start 1 "$ATTACH"
}

guard_is_another() { # PID
	local now
	now=$(on edge-gw-01 pgrep -x gwd-guard) && [ "$now" != "$1" ]
}
