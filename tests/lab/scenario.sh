# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Scenarios: functions named scenario_NAME in scenarios/*.sh, called with a family (4 or 6) on the standing lab. One runs
# in a shell of its own under `set -e`: the first command that fails ends it, `fail` says why. Whatever a scenario steers,
# cuts or kills, it may leave so: scenario_run brings the lab back before the next one.

# shellcheck disable=SC2034 # sequence, device: read by the scenarios
scenario_run() { # NAME FAMILY LABEL: prints PASS or FAIL and why
	local log=$LAB/scenario.log label=$3 started=$SECONDS status drops
	witness_mark
	/usr/bin/python3 "$ROOT/tests/lab/tools/drops.py" "$LAB" "$PATIENCE" >"$LAB/drops" &
	drops=$!
	(
		set -eE -o pipefail
		trap 'scenario_why "${FUNCNAME[@]}"' ERR
		"scenario_$1" "$2"
	) >"$log" 2>&1
	status=$?
	kill $drops
	wait $drops || true
	if [ $status = 0 ]; then
		echo "PASS $label ($((SECONDS - started)) s)"
	else
		echo "FAIL $label: $(head -1 "$LAB/scenario.why" 2>/dev/null || echo "status $status: $(tail -n 1 "$log")")"
		scenario_evidence
	fi
	rm -f "$LAB/scenario.why"
	scenario_reset || die "the lab does not recover from $label"
	return $status
}

fail() { # WHY: the scenario ends
	echo "$*" | tee "$LAB/scenario.why"
	exit 1
}

# A command that was expected to succeed did not: the functions it was called by, and its last word.
scenario_why() { # FUNCTION…
	local chain=()
	while [ $# -gt 0 ] && [ "$1" != scenario_run ]; do
		chain=("$1" "${chain[@]}")
		shift
	done
	echo "in ${chain[*]}: $(tail -n 1 "$LAB/scenario.log")" >>"$LAB/scenario.why"
}

scenario_evidence() {
	local edge
	sed 's/^/    /' "$LAB/scenario.log" | tail -n 25
	echo "    --- what kernels counted as dropped (time, machine, counter, more)"
	tail -n 25 "$LAB/drops" | sed 's/^/    /'
	echo "    --- what the provider saw last (local gateway, time, interface)"
	witness | tail -n 12 | sed 's/^/    /'
	for edge in "${EDGES[@]}"; do
		echo "    --- edge-gw-0$edge: gwd's last words, drops"
		[ -e "$LAB/edge-gw-0$edge.init" ] || continue
		tail -n 5 "$LAB/edge-gw-0$edge/lab/gwd.log" 2>/dev/null | sed 's/^/    /'
		gwctl "edge-gw-0$edge" -j stats 2>/dev/null | jq -c '.. | objects | select(.packets? > 0)' | sed 's/^/    /'
	done
}

# Machines and tunnels back to where lab_up left them. Most scenarios only steer: these leave little to be waited for.
scenario_reset() {
	background_end
	unsteer
	[ ! -e "$LAB/disturbed" ] || scenario_repair || return
	lab_wait_edges
}

scenario_repair() {
	local edge lgw
	rm -f "$LAB/disturbed"
	[ ! -e "$LAB/spare.pid" ] || machine_off spare
	mend
	unmark_ways
	[ ! -e "$LAB/impartial" ] || provider_prefers 200
	rm -f "$LAB/impartial"
	on ixp-router ip link set devices mtu 1500
	[ "$PROVIDER" != homeward ] || locals_repair
	for edge in "${EDGES[@]}"; do
		[ -e "$LAB/edge-gw-0$edge.pid" ] || edge_power_on "$edge"
		release_array "$edge"
		enable_tunnels "edge-gw-0$edge"
		if gateway_gone "edge-gw-0$edge"; then
			gateway_start "$edge" "$ATTACH"
		fi
		for lgw in "${LOCALS[@]}"; do
			on "local-gw-0$lgw" ip link show "edge-gw-0$edge" >/dev/null 2>&1 || provider_tunnel_up "$edge" "$lgw"
		done
	done
	ipsec_repair
	rm -f "$LAB/disturbed"
	lab_wait
}

locals_repair() { # of ours: gwd runs, and nothing of theirs is out of service
	local lgw
	for lgw in "${LOCALS[@]}"; do
		if gateway_gone "local-gw-0$lgw"; then
			gwd_launch "local-gw-0$lgw"
		fi
		gwctl "local-gw-0$lgw" gateway undrain
		enable_tunnels "local-gw-0$lgw"
	done
}

enable_tunnels() { # MACHINE
	local name
	[ -s "$LAB/$1/homeward/disabled" ] || return 0
	for name in $(<"$LAB/$1/homeward/disabled"); do
		gwctl "$1" tunnel enable "$name"
	done
}

edge_power_on() { # EDGE: the machine with its links, not yet gwd
	local machine=edge-gw-0$1
	machine_start "$machine"
	topology_plug "$machine"
	topology_routes "$machine"
	wireguard_keys "$machine"
}

# ---- What scenarios say ----------------------------------------------------------------------------------------------

device() { on device "$@"; }

ASK=(/usr/bin/python3 "$ROOT/tests/lab/tools/ask.py")

ask() { # SOURCE FAMILY ARGUMENT…: tools/ask.py on the device
	local source=$1 family=$2
	shift 2
	device "${ASK[@]}" "$source" "${LOOPBACK[$family]}" "$@"
}

# A device that asks once and listens in the background, until the scenario ends.
listen() { # SOURCE FAMILY FROM_PORT TO_PORT TEXT
	background device "$LAB/device/lab/heard" "${ASK[@]}" "$1" "${LOOPBACK[$2]}" listen "$3" "$4" "$5"
	within 5 heard asked || fail "the device did not ask"
	within 5 test_nonempty ways_of "$1" || fail "the question of $1 went into no tunnel"
}

heard() { # LINE: a size
	grep -qx "$1" "$LAB/device/lab/heard"
}

edge_mac() { # EDGE: of its uplink
	on "edge-gw-0$1" cat /sys/class/net/eth0/address
}

inject() { # MACHINE ARGUMENT…: tools/inject.py (scapy): packets that no honest stack would send
	local machine=$1
	shift
	on "$machine" /usr/bin/python3 "$ROOT/tests/lab/tools/inject.py" "$@"
}

fetch() { # SOURCE FAMILY PATH [CURL_ARGUMENT…]
	local source=$1 family=$2 path=$3
	shift 3
	device curl -sS --max-time $((20 * PATIENCE)) --interface "$source" "$@" "$(url "$family" "$path")"
}

fetch_big() { # SOURCE FAMILY [PATH]: the big file, every byte right
	fetch "$1" "$2" "${3:-/big}" --max-time $((60 * PATIENCE)) -o /run/lab/got-"$1"
	cmp "$LAB/device/lab/big" "$LAB/device/lab/got-$1" || fail "the big file came damaged to $1"
	rm -f "$LAB/device/lab/got-$1"
}

expect() { # WHAT WANTED GOT
	[ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

# All responses to the device's address since the mark came by one tunnel, and so did its requests.
expect_home() { # ADDRESS EDGE LOCAL
	within 5 test_nonempty homes_of "$1" || fail "no response to $1 came out of any tunnel"
	expect "tunnels (edge, local gateway) of the requests of $1" "$2 $3" "$(ways_of "$1" | paste -sd,)"
	expect "tunnels (edge, local gateway) of the responses to $1" "$2 $3" "$(homes_of "$1" | paste -sd,)"
}

test_nonempty() { # COMMAND…
	[ -n "$("$@")" ]
}

counter() { # EDGE REASON: packets that met it
	gwctl "edge-gw-0$1" -j stats | jq --arg name "$2" '[.. | objects | select((.reason? // .name?) == $name) | .packets] | add // 0'
}
