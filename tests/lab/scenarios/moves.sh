# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Promise 4, any gateway, any time: the provider moves a flow to another gateway in mid-connection, as often as it likes,
# and the connection goes on, since whoever gets a packet carries it to whom it belongs. Requests are steered packet by
# packet (provider.sh), so a move has an order and no time.

# ---- Steering what goes on -------------------------------------------------------------------------------------------

move() { # EDGE LOCAL FAMILY SELECTOR…: as `steer`, for what was steered elsewhere until now
	local edge=$1 lgw=$2 family=$3 machine
	shift 3
	for machine in local-gw-01 local-gw-02; do
		move_on $machine "$edge" "$family" "$@"
	done
	move_on ixp-router "$lgw" "$family" "$@"
}

move_on() { # MACHINE TABLE FAMILY SELECTOR…
	local machine=$1 table=$2 family=$3
	shift 3
	printf 'rule del pref %s %s\nrule add pref %s %s lookup %s\n' "$STEER" "$*" "$STEER" "$*" "$table" |
		on "$machine" ip "-$family" -force -batch - 2>/dev/null || true # there was no such rule the first time
}

# One packet of a flow by one gateway and another by the other: nft marks what fits, and the mark leads to a table. A last
# rule wins, so EXPRESSION '' marks all that no later one does.
mark_ways() { # FAMILY ADDRESS [EDGE EXPRESSION]…: by local-gw-01
	local family=$1 address=$2 words=ip
	[ "$family" = 4 ] || words=ip6
	shift 2
	{
		echo 'table inet lab_marks { chain ways { type filter hook prerouting priority mangle; policy accept;'
		while [ $# -gt 0 ]; do
			echo "$words saddr $address $2 meta mark set $1"
			shift 2
		done
		printf '}\n}\n'
	} | on local-gw-01 nft -f -
	steer 1 1 "$family" from "$address" fwmark 1
	steer 2 1 "$family" from "$address" fwmark 2
	on ixp-router ip "-$family" rule add pref "$STEER" from "$address" lookup 1
}

unmark_ways() {
	on local-gw-01 nft delete table inet lab_marks 2>/dev/null || true
}

MOVES=${MOVES:-10}

# So many moves of the address that has this number in both families, each waited for until responses come home by it.
move_again_and_again() { # NUMBER JOB…
	local n edge family job
	for ((n = 1; n <= MOVES; n++)); do
		edge=$((n % 2 + 1))
		witness_mark
		for family in 4 6; do
			move $edge 1 $family from "$(device_address $family "$1")"
		done
		for family in 4 6; do
			within 10 came_by "$(device_address $family "$1")" "$edge 1" ||
				fail "after move $n no response came by edge-gw-0$edge, v$family"
		done
		for job in "${@:2}"; do
			kill -0 "$job" 2>/dev/null || fail "a connection ended before move $n was over"
		done
	done
}

# ---- TCP ----------------------------------------------------------------------------------------------------------------

scenario_moved_download() { # one connection in each family, every byte right
	local family downloads=()
	for family in 4 6; do
		download_begins $family 23 1
	done
	move_again_and_again 23 "${downloads[@]}"
	downloads_end
}

scenario_moved_upload() {
	local family address jobs=()
	for family in 4 6; do
		address=$(device_address $family 24)
		move 1 1 $family from "$address"
		ask "$address" $family upload $((60 * PATIENCE)) &
		jobs+=($!)
		within 10 test_nonempty homes_of "$address" || fail "the upload does not start, v$family"
	done
	move_again_and_again 24 "${jobs[@]}"
	device pkill -TERM -f "ask.py .* upload"
	for family in 0 1; do
		wait "${jobs[$family]}" || fail "an upload did not survive"
	done
}

# The move comes before anybody could tell: the SYN goes to edge-gw-01, all that follows to edge-gw-02, and neither hears the
# other's replication.
scenario_moved_at_once() { # FAMILY
	local address
	address=$(device_address "$1" 25)
	disturb
	hold_array 1
	hold_array 2
	mark_ways "$1" "$address" 2 '' 1 'tcp flags & (syn | ack) == syn'
	expect "the page says" edge-gw-01 "$(fetch "$address" "$1" /)"
	within 5 went_by "$address" "2 1" || fail "nothing went by edge-gw-02"
	expect "gateways of the requests" "1 1,2 1" "$(ways_of "$address" | paste -sd,)"
	fetch_big "$address" "$1"
}

# ---- UDP and ping -------------------------------------------------------------------------------------------------------

scenario_moved_udp() { # FAMILY: a client on a fixed port is answered by one gateway, by whichever way it asks
	local address n edge
	address=$(device_address "$1" 26)
	for ((n = 1; n <= MOVES; n++)); do
		edge=$((n % 2 + 1))
		witness_mark
		move $edge 1 "$1" from "$address"
		expect "UDP is answered by" edge-gw-02 "$(ask "$address" "$1" name 4300)"
		expect_home "$address" $edge 1
	done
}

scenario_moved_ping() { # one echo id in each family, moved between requests
	local family address jobs=()
	for family in 4 6; do
		address=$(device_address $family 27)
		move 1 1 $family from "$address"
		device ping -n -q -c 30 -i 0.2 -W 5 -I "$address" "${LOOPBACK[$family]}" >"$LAB/device/lab/ping.$family" &
		jobs+=($!)
	done
	for family in 4 6; do
		address=$(device_address $family 27)
		within 10 came_by "$address" "1 1"
		move 2 1 $family from "$address"
		within 10 came_by "$address" "2 1" || fail "no answer came by edge-gw-02, v$family"
	done
	wait "${jobs[0]}" || fail "answers were lost: $(tail -n 2 "$LAB/device/lab/ping.4")"
	wait "${jobs[1]}" || fail "answers were lost: $(tail -n 2 "$LAB/device/lab/ping.6")"
}

# The first fragment goes to one gateway, the others to the other.
scenario_moved_fragments() { # FAMILY
	local address later='ip frag-off & 0x1fff != 0'
	[ "$1" = 4 ] || later='frag frag-off != 0'
	address=$(device_address "$1" 28)
	disturb
	mark_ways "$1" "$address" 1 '' 2 "$later"
	ask "$address" "$1" echo 100 4000 8000
	within 5 went_by "$address" "2 1" || fail "no fragment went by edge-gw-02"
	expect "gateways of the requests" "1 1,2 1" "$(ways_of "$address" | paste -sd,)"
}

# ---- When something dies ------------------------------------------------------------------------------------------------

# All tunnels of a gateway die, but it lives: its silent client's download goes on through the other one.
scenario_gateway_cut_off() {
	local family downloads=()
	for family in 4 6; do
		download_begins $family 29 1
	done
	cut 1 1 1 2
	witness_mark
	for family in 4 6; do
		within 20 came_by "$(device_address $family 29)" "2 [12]" || fail "no response came by edge-gw-02's tunnels, v$family"
	done
	unsteer
	downloads_end
}

# A gateway loses its power: its connection is reset when the device next sends, and does not hang.
scenario_gateway_dies() { # FAMILY
	local address job
	address=$(device_address "$1" 30)
	move 1 1 "$1" from "$address"
	ask "$address" "$1" upload 60 >"$LAB/device/lab/upload" 2>&1 &
	job=$!
	within 10 test_nonempty homes_of "$address" || fail "the upload does not start"
	disturb
	machine_off edge-gw-01
	unsteer
	within 30 job_gone $job || fail "the connection of a dead gateway hangs"
	grep -q 'reset' "$LAB/device/lab/upload" || fail "the device was told: $(cat "$LAB/device/lab/upload")"
	within 10 served_by "$1" "$address" edge-gw-02 || fail "edge-gw-02 does not serve"
}

job_gone() { # JOB
	! kill -0 "$1" 2>/dev/null
}

# A gateway is taken out of service, since the other one can serve: new requests go to the other one, not one is lost, and what it began it ends. A client
# of UDP that keeps its port has no connection to lose: it finds the application that is in service.
scenario_gateway_drained() {
	local family
	disturb
	for family in 4 6; do
		move 1 1 $family from "$(device_address $family 33)"
		expect_udp_served $family edge-gw-01
	done
	traffic_start 32
	answer_numbers 2 4
	answer_numbers 2 6
	gwctl edge-gw-01 gateway switch --to edge-gw-02 --wait=60s 2>"$LAB/edge-gw-01/lab/switch"
	provider_leads_to edge-gw-02
	traffic_end
	grep -qx "in service: edge-gw-02" "$LAB/edge-gw-01/lab/switch" || fail "who serves? $(cat "$LAB/edge-gw-01/lab/switch")"
	gwctl edge-gw-02 gateway switch 2>"$LAB/edge-gw-02/lab/switch" && fail "nobody serves any more"
	grep -q "nobody can take over: edge-gw-01: it announces nothing" "$LAB/edge-gw-02/lab/switch" ||
		fail "refused, and not why: $(cat "$LAB/edge-gw-02/lab/switch")"
	gateway_announces edge-gw-02 || fail "edge-gw-02 was drained all the same"
	expect "announced by edge-gw-01" false "$(gwctl edge-gw-01 -j status | jq '[.loopbacks[].announced] | any')"
	for family in 4 6; do
		move 2 1 $family from "$(device_address $family 33)"
		expect_udp_served $family edge-gw-02
	done
	gwctl edge-gw-01 gateway undrain
	provider_leads_to edge-gw-01
}

# One tunnel goes out of service: announced there as leaving, then not at all; the traffic comes by the other gateway, and a
# gwd that starts anew remembers, and so does one that takes a configuration without the tunnel back. Nothing is lost, and the
# session stays.
scenario_tunnel_disabled() {
	local family down
	disturb
	down=$(sessions_lost edge-gw-01)
	traffic_start 34
	gwctl edge-gw-01 tunnel disable acme-lgw-01 --wait=60s
	expect_tunnel_1 "disabled false disabled by an operator up"
	provider_leads_to edge-gw-02
	expect "sessions lost" "$down" "$(sessions_lost edge-gw-01)"
	gwd_kill 1 KILL
	gateway_launch 1
	within 20 gateway_announces edge-gw-01 || fail "the loopback is not announced through the other tunnel"
	expect_tunnel_1 "disabled false disabled by an operator up"
	provider_leads_to edge-gw-02
	traffic_end
	config_without_tunnel_1 "$LAB/edge-gw-01/lab/cut.yaml"
	config apply --confirm 60s /run/lab/cut.yaml
	config rollback
	within 30 tunnel_1_has_session || fail "the session does not come back"
	expect_tunnel_1 "disabled false disabled by an operator up"
	gwctl edge-gw-01 tunnel enable acme-lgw-01
	provider_leads_to edge-gw-01
	within 10 edge_ready 1 || fail "the tunnel is not usable again"
	gwctl edge-gw-01 tunnel disable acme-lgw-01
	gateway_stop 1
	on edge-gw-01 test ! -e "$RUN_DIR/disabled" || fail "a stop does not forget"
}

expect_tunnel_1() { # "SERVICE USABLE CAUSE BGP"
	expect "service, usable, cause and session" "$1" \
		"$(gwctl edge-gw-01 -j tunnel get acme-lgw-01 | jq -r '.tunnels[] | "\(.service) \(.usable) \(.cause) \(.bgp)"')"
}

tunnel_1_has_session() {
	gwctl edge-gw-01 -j tunnel get acme-lgw-01 | jq -en 'input | .tunnels[0].bgp == "up"'
}

sessions_lost() { # MACHINE: how often, as its gwd tells
	gwctl "$1" -j events --no-follow | jq -s '[.[] | select(.object == "bgp" and .event == "down")] | length'
}

gateway_announces() { # MACHINE: itself, by whichever tunnel
	gwctl "$1" -j gateway get "$1" | jq -en 'input | .gateways[0].announced'
}

# The gateways' own words decide between them: prepended, the path through edge-gw-01 is the worse, and so with a larger MED.
# Each change moves the traffic and resets no session; nothing is lost.
scenario_preference_moves() {
	local down
	disturb
	provider_prefers 100
	prefer 2 "med: 50"
	provider_leads_to edge-gw-01
	down="$(sessions_lost edge-gw-01) $(sessions_lost edge-gw-02)"
	traffic_start 34
	prefer 1 "prepend: 2"
	provider_leads_to edge-gw-02
	prefer 1 "prepend: 0"
	provider_leads_to edge-gw-01
	prefer 1 "med: 60"
	provider_leads_to edge-gw-02
	traffic_end
	prefer 1 "med: 0"
	prefer 2 "med: 0"
	expect "sessions lost" "$down" "$(sessions_lost edge-gw-01) $(sessions_lost edge-gw-02)"
}

prefer() { # EDGE SETTING of its tunnels' bgp
	gateway_config "$1" "$ATTACH" | sed "s/bgp: {/&$2, /" >"$LAB/edge-gw-0$1/lab/preferred.yaml"
	gwctl "edge-gw-0$1" config apply /run/lab/preferred.yaml
}

expect_udp_served() { # FAMILY EDGE_MACHINE: a client that keeps its port
	expect "UDP is answered, v$1, by" "$2" "$(ask "$(device_address "$1" 33)" "$1" name 4301)"
}

provider_leads_to() { # EDGE_MACHINE: by what BGP says, in both families
	local family
	for family in 4 6; do
		within 20 route_leads local-gw-01 $family "$1" || fail "the provider's router did not move to $1, v$family"
	done
}

# ---- What a gateway opens -----------------------------------------------------------------------------------------------

# A process on either gateway calls a device (TR-069's Connection Request, SNMP, ping), whose answers go to either gateway.
scenario_gateway_calls() { # FAMILY
	local family=$1 opener by address target
	address=$(device_address "$family" 31)
	target=$address
	[ "$family" = 4 ] || target="[$address]"
	background device "$LAB/device/lab/cwmp" socat "TCP$family-LISTEN:7547,bind=$target,fork,reuseaddr" EXEC:cat
	background device "$LAB/device/lab/snmp" socat "UDP$family-LISTEN:161,bind=$target,fork" EXEC:cat
	for by in "${EDGES[@]}"; do
		move "$by" 1 "$family" from "$address"
		ask "$address" "$family" name >/dev/null # so that the array has seen it
		for opener in "${EDGES[@]}"; do
			witness_mark
			call "$opener" "$family" "$target"
			within 5 came_by "$address" "$by 1" || fail "edge-gw-0$opener's call did not go by the device's way"
		done
	done
}

call() { # OPENER FAMILY TARGET: TCP, UDP, ping, each answered
	local ours=${LOOPBACK[$2]}
	[ "$2" = 4 ] || ours="[$ours]"
	expect "edge-gw-0$1 by TCP" hello "$(echo hello | on "edge-gw-0$1" timeout 10 socat -t 5 - "TCP$2:$3:7547,bind=$ours")"
	expect "edge-gw-0$1 by UDP" hello "$(on "edge-gw-0$1" timeout 10 socat -T 5 "UDP$2:$3:161,bind=$ours" SYSTEM:'echo hello; head -n 1 >&2' 2>&1)"
	on "edge-gw-0$1" ping -n -q -c 3 -i 0.1 -W 5 -I "${LOOPBACK[$2]}" "$(tr -d '[]' <<<"$3")"
}
