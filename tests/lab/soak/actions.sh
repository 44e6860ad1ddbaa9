# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What happens during a soak. An action is a function act_NAME, called with an edge, a local gateway, a number and a
# pause (seconds), all drawn in the same order for the same seed; it runs like a scenario, under `set -e`, and ends when
# what it did is over. What it must excuse it notes itself, as a line in $OUT/excused:
#
#     BEGIN END TALKER WHY        seconds of CLOCK_REALTIME
#
# Excused are the datagrams that the provider sent into a path that was dead before anybody could know, and nothing else:
# those of a talker whose path was cut, or lost a process, from then until the provider sends it by another path, which
# must come within $NOTICED_S seconds.
#
# Connections outlive all of it, also those that BGP moves to the other gateway and back in mid-flight. gwd's own end and
# its return, every configuration, every question, BIRD's death and the guard's excuse nothing.

# The same gwd as a whole soak's worth of days, so that leaks add up: only edge-gw-01's is ended and started.
ENDED_EDGE=1
NOTICED_S=20

# A name as often as it is to be drawn.
ACTIONS=(
	apply apply apply apply apply_refused apply_refused apply_lapses apply_lapses apply_confirmed rollback rollback
	hangup hangup_refused spare_tunnel_removed
	gwd_terminated gwd_terminated gwd_killed gwd_killed gwd_killed_unconfirmed gwd_upgraded
	path_silent path_silent path_silent local_gateway_silent tunnel_process_killed tunnel_process_killed
	provider_process_killed bird_killed guard_killed
	questions questions questions dumps
)

excuse() { # BEGIN TALKER WHY…: until now
	echo "$1 $EPOCHREALTIME ${*:2}" >>"$OUT/excused"
}

# ---- Configurations ----------------------------------------------------------------------------------------------------

VARIANTS=36 # 0 is the lab's own

variant() { # EDGE NUMBER: a valid configuration, none of which concerns who talks
	local number=$2 more prefixes tables log
	more=$((number % 3)) number=$((number / 3))
	tables=$((number % 3)) number=$((number / 3))
	prefixes=$((number % 2)) log=$((number / 2))
	CONFIG_EXTRA=$(variant_tables $tables) gateway_config "$1" "$ATTACH" | variant_prefixes $prefixes | variant_more "$1" $more
	[ $log = 0 ] || echo "log: debug"
}

variant_tables() { # 0-2
	case $1 in
	1) echo 'tables: {timeouts: {udp: 90s, established: 48h, closing: 20s}}' ;;
	2) echo 'tables: {timeouts: {udp: 40s, device: 2h}, devices: 131072}' ;;
	esac
}

variant_prefixes() { # 0-1
	case $1 in
	0) cat ;;
	1) sed "s|prefixes: \[${DEVICES[4]}|&, 198.18.0.0/15, \"2001:db8:9000::/40\"|" ;;
	esac
}

# A further provider, whose name comes first, with a tunnel on one of two ports.
variant_more() { # EDGE 0-2
	if [ "$2" = 0 ]; then
		cat
		return
	fi
	sed 's|^providers:|&\n  - {name: aardvark, prefixes: [10.99.0.0/16, "2001:db8:9900::/48"]}|'
	cat <<-END
		  - name: aardvark-1
		    number: ${1}90
		    provider: aardvark
		    wireguard: {private_key_file: /run/lab/wg.key, listen_port: $((51989 + $2)), peer: {public_key: "$(cat "$LAB/keys/nobody.pub")"}}
		    addresses: [169.254.99.1/30, "fd00:99::1/126"]
	END
}

variants_prepare() { # the peer of the further tunnel
	wg genkey | wg pubkey >"$LAB/keys/nobody.pub"
}

config_of() { # EDGE ARGUMENT…
	gwctl "edge-gw-0$1" config "${@:2}"
}

next_variant() { # EDGE NUMBER: as /run/lab/next.yaml of the edge
	variant "$1" "$2" >"$LAB/edge-gw-0$1/lab/next.yaml"
}

in_force() { # EDGE: next.yaml
	config_of "$1" diff /run/lab/next.yaml >/dev/null
}

expect_in_force() { # EDGE
	in_force "$1" || fail "what was applied at edge-gw-0$1 is not in force"
}

expect_status() { # WANTED COMMAND…
	local status=0
	"${@:2}" || status=$?
	expect "exit status of ${*:2}" "$1" "$status"
}

act_apply() { # EDGE LOCAL NUMBER PAUSE
	next_variant "$1" "$3"
	config_of "$1" apply /run/lab/next.yaml
	expect_in_force "$1"
}

act_apply_refused() { # by its own fault, or by the machine's
	local before
	before=$(config_of "$1" show)
	variant "$1" "$3" | grep -v 'provider: acme' >"$LAB/edge-gw-0$1/lab/bad.yaml"
	expect_status 6 config_of "$1" apply /run/lab/bad.yaml
	variant "$1" "$3" | sed 's/^uplinks:.*/uplinks: [eth0, nosuch0]/' >"$LAB/edge-gw-0$1/lab/bad.yaml"
	expect_status 1 config_of "$1" apply /run/lab/bad.yaml
	expect "the configuration in force" "$before" "$(config_of "$1" show)"
}

act_apply_lapses() {
	local before
	before=$(config_of "$1" show)
	next_variant "$1" "$3"
	config_of "$1" apply --confirm 2s /run/lab/next.yaml
	expect_in_force "$1"
	within 20 config_is "$1" "$before" || fail "the configuration that nobody confirmed is not undone"
}

config_is() { # EDGE TEXT
	[ "$(config_of "$1" show)" = "$2" ]
}

act_apply_confirmed() {
	next_variant "$1" "$3"
	config_of "$1" apply --confirm 60s /run/lab/next.yaml
	sleep "$4"
	config_of "$1" confirm
	expect_in_force "$1"
}

act_rollback() {
	local before
	before=$(config_of "$1" show)
	next_variant "$1" "$3"
	config_of "$1" apply /run/lab/next.yaml
	config_of "$1" rollback
	config_is "$1" "$before" || fail "rollback did not bring the configuration back"
}

# The tunnel by which nobody goes is taken away, and comes back since nobody confirms.
act_spare_tunnel_removed() {
	local before
	before=$(config_of "$1" show)
	gateway_config "$1" "$ATTACH" | sed "/name: acme-lgw-0$((3 - $1))/,/bgp:/d" >"$LAB/edge-gw-0$1/lab/next.yaml"
	config_of "$1" apply --confirm 3s /run/lab/next.yaml
	expect "tunnels of acme" 1 "$(gwctl "edge-gw-0$1" -j tunnel list | jq '.tunnels | length')"
	within 20 config_is "$1" "$before" || fail "the configuration that nobody confirmed is not undone"
}

hang_up() { # EDGE
	# shellcheck disable=SC2016
	on "edge-gw-0$1" sh -c 'kill -HUP $(cat /run/lab/gwd.pid)'
}

act_hangup() {
	next_variant "$1" "$3"
	cp "$LAB/edge-gw-0$1/lab/next.yaml" "$LAB/edge-gw-0$1/lab/gateway.yaml"
	hang_up "$1"
	within 10 in_force "$1" || fail "SIGHUP does not put the file in force"
}

act_hangup_refused() {
	local before lab=$LAB/edge-gw-0$1/lab
	before=$(config_of "$1" show)
	cp "$lab/gateway.yaml" "$lab/good.yaml"
	echo "nonsense: yes" >>"$lab/gateway.yaml"
	hang_up "$1"
	sleep 1 # it says so in its log and changes nothing: there is nothing to wait for
	config_is "$1" "$before" || fail "SIGHUP put a broken file in force"
	cp "$lab/good.yaml" "$lab/gateway.yaml"
}

# ---- gwd ends and starts ------------------------------------------------------------------------------------------------

gwd_again() { # SIGNAL PAUSE
	gwd_kill $ENDED_EDGE "$1"
	sleep "$2"
	gateway_launch $ENDED_EDGE
}

act_gwd_terminated() { gwd_again TERM "$4"; }
act_gwd_killed() { gwd_again KILL "$4"; }

# With another configuration in force that nobody has confirmed: the next one reads the file, which is the old one.
act_gwd_killed_unconfirmed() {
	local before
	before=$(config_of $ENDED_EDGE show)
	next_variant $ENDED_EDGE "$3"
	config_of $ENDED_EDGE apply --confirm 60s /run/lab/next.yaml
	gwd_again KILL "$4"
	config_is $ENDED_EDGE "$before" || fail "the next gwd goes by a configuration that nobody confirmed"
}

act_gwd_upgraded() { # to a build with other programs, and back
	GWD=$UPGRADE gwd_again TERM 0
	sleep "$4"
	gwd_again KILL 0
}

# ---- Paths and processes die ----------------------------------------------------------------------------------------------

# The provider notices that paths are dead, and sends who went by them another way. What was lost till then is excused.
ways_lost() { # BEGIN WHY EDGE LOCAL…
	local begin=$1 why=$2
	shift 2
	while [ $# -gt 0 ]; do
		if [ "$1" = "$2" ]; then
			within $NOTICED_S tunnel_unusable "$1" "$2" || fail "edge-gw-0$1 does not notice that a path is dead"
			keep_by_the_other "$1"
			excuse "$begin" "edge-$1" "$why"
		fi
		if [ "$1$2" = 11 ]; then
			within $NOTICED_S bgp_left || fail "BGP does not leave a dead path"
			excuse "$begin" bgp "$why"
		fi
		shift 2
	done
}

ways_back() { # all is mended, and everybody goes where he went before
	within 40 lab_ready || fail "the lab does not converge after that"
	keep_as_before
}

tunnel_unusable() { # EDGE LOCAL
	gwctl "edge-gw-0$1" -j tunnel get "acme-lgw-0$2" | jq -en 'input | any(.. | objects | select(has("usable")); .usable | not)'
}

bgp_left() { # the path from local-gw-01 to edge-gw-01
	bgp_goes_to 2 1 || bgp_goes_to 2 2
}

silent() { # WHY PAUSE EDGE LOCAL…
	local begin=$EPOCHREALTIME why=$1 pause=$2
	shift 2
	cut "$@"
	ways_lost "$begin" "$why" "$@"
	sleep "$pause"
	mend
	ways_back
}

act_path_silent() { silent "path of edge-gw-0$1 and local-gw-0$2 silent" "$4" "$1" "$2"; }
act_local_gateway_silent() { silent "all paths of local-gw-0$2 silent" "$4" 1 "$2" 2 "$2"; }

# gwd starts WireGuard's process again, and the tunnel is a new interface.
act_tunnel_process_killed() {
	local begin=$EPOCHREALTIME why="wireguard-go of edge-gw-0$1 to local-gw-0$2 killed"
	on "edge-gw-0$1" pkill -KILL -f -x "wireguard-go -f acme-lgw-0$2"
	ways_lost "$begin" "$why" "$1" "$2"
	ways_back
}

act_provider_process_killed() {
	local begin=$EPOCHREALTIME why="wireguard-go of local-gw-0$2 to edge-gw-0$1 killed"
	provider_tunnel_kill "$1" "$2"
	ways_lost "$begin" "$why" "$1" "$2"
	sleep "$4"
	provider_tunnel_up "$1" "$2"
	ways_back
}

# The routes go with BIRD, but the gateway goes on: BGP's traffic is moved and nothing is lost.
act_bird_killed() {
	local pid
	pid=$(on "edge-gw-0$1" pidof bird)
	on "edge-gw-0$1" kill -KILL "$pid"
	within 10 bird_is_another "edge-gw-0$1" "$pid" || fail "BIRD is not started again"
	ways_back
}

act_guard_killed() {
	local pid
	pid=$(on "edge-gw-0$1" pgrep -x gwd-guard)
	on "edge-gw-0$1" kill -KILL "$pid"
	within 10 guard_of_is_another "edge-gw-0$1" "$pid" || fail "no other guard is started"
	ways_back
}

guard_of_is_another() { # MACHINE PID
	local now
	now=$(on "$1" pgrep -x gwd-guard) && [ "$now" != "$2" ]
}

# ---- Questions --------------------------------------------------------------------------------------------------------------

QUESTIONS=("status" "flow list" "flow list --provider acme" "flow count" "device list" "tunnel list" "tunnel get acme-lgw-01"
	"bgp list" "bgp get acme-lgw-02" "map dump" "map dump --volatile" "config show" "events --no-follow" "stats" "version")

act_questions() {
	local question address=${LOOPBACK[4]}:7
	for question in "${QUESTIONS[@]}"; do
		# shellcheck disable=SC2086 # words
		gwctl "edge-gw-0$1" $question >/dev/null
		# shellcheck disable=SC2086
		gwctl "edge-gw-0$1" -j $question | jq -e . >/dev/null
	done
	gwctl "edge-gw-0$1" flow explain udp "$(talker_address "edge-$1" 4):40000" "$address" --from-tunnel "acme-lgw-0$2"
	gwctl "edge-gw-0$1" -j device get "$(talker_address "edge-$1" 6)" | jq -e .
	gwctl "edge-gw-0$1" -j flow list --address "$(talker_address "edge-$1" 6)" | jq -e '.flows | length > 0'
}

act_dumps() {
	local lab=$LAB/edge-gw-0$1/lab count
	for _ in 1 2 3 4 5; do
		gwctl "edge-gw-0$1" map dump >"$lab/dump"
		count=$(sort <"$lab/dump" | uniq -d | wc -l)
		expect "entries that the dump has twice" 0 "$count"
	done
}
