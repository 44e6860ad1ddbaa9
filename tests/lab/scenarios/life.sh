# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# gwd's own life: what it refuses to start on, and that it leaves nothing behind, on purpose or not. The family does not
# matter to most of these; they run once.

# What a machine consists of, so that what gwd leaves behind shows as a difference. Services of the lab are left out.
snapshot() { # MACHINE
	# shellcheck disable=SC2016
	on "$1" sh -c '
		strip="del(.. | .operstate?, .flags?, .preferred_life_time?, .valid_life_time?)"
		ip -d -j link | jq -cS ".[] | $strip"
		ip -j addr | jq -cS ".[] | {ifname, addr_info} | $strip"
		for family in -4 -6; do
			ip $family -j rule | jq -cS ".[]"
			ip $family -j route show table all | jq -cS ".[] | $strip" | sort
			ip $family -j neigh show nud permanent | jq -cS ".[]"
		done
		tc qdisc show
		find /sys/fs/bpf -mindepth 1
		find /run/homeward 2>/dev/null
		find /run/wireguard -mindepth 1 2>/dev/null
		ps -eo stat=,comm= | awk "\$1 !~ /Z/ { print \$2 }" | sort |
			grep -v -x -e ps -e awk -e sort -e grep -e sh -e ip -e tail -e nginx -e python3'
}

expect_unchanged() { # MACHINE BEFORE
	local after
	after=$(snapshot "$1")
	[ "$2" = "$after" ] || fail "something is left behind in $1: $(diff <(echo "$2") <(echo "$after") | grep '^[<>]' | head -5)"
}

# ---- Bad starts, on a machine of their own ---------------------------------------------------------------------------

spare_up() { # a third gateway's machine, with edge-gw-01's configuration
	machine_start spare
	plug inside spare br0 - spare eth0 10.0.0.13/16 fd00:10::13/64
	wireguard_keys spare
	array_key spare
	gateway_config 1 "$ATTACH" >"$LAB/spare/lab/gateway.yaml"
}

LAUNCH=() # what starts gwd

expect_refused() { # MACHINE WORDS…: gwd ends by itself with an error that says so, and nothing is left
	local machine=$1 before said word status=0
	shift
	before=$(snapshot "$machine")
	# Into a file: children that it leaves behind would keep a pipe open.
	on "$machine" "${LAUNCH[@]}" timeout 20 "$GWD" -c /run/lab/gateway.yaml --run-dir "$RUN_DIR" --pin-dir "$PIN_DIR" \
		>"$LAB/refused" 2>&1 || status=$?
	said=$(<"$LAB/refused")
	case $status in
	0) fail "gwd started and ended well: $said" ;;
	124) fail "gwd started: $said" ;;
	esac
	echo "gwd said: $said"
	for word in "$@"; do
		grep -qi -e "$word" <<<"$said" || fail "the error does not say '$word': $said"
	done
	expect_unchanged "$machine" "$before"
}

scenario_refuses_key_for_all() {
	spare_up
	chmod 644 "$LAB/spare/lab/wg.key"
	expect_refused spare /run/lab/wg.key 0600
}

scenario_refuses_missing_key() {
	spare_up
	rm "$LAB/spare/lab/wg.key"
	expect_refused spare /run/lab/wg.key
}

scenario_refuses_without_bpffs() {
	spare_up
	on spare umount /sys/fs/bpf
	expect_refused spare /sys/fs/bpf mount
}

scenario_refuses_without_bird() {
	spare_up
	on spare mount --bind /dev/null "$(command -v bird)"
	expect_refused spare bird
}

# It accepts its configuration and ends as soon as it is started: all that was made until then is undone.
scenario_refuses_bird_that_ends() {
	local bird
	spare_up
	bird=$(command -v bird)
	cp "$bird" "$LAB/spare/lab/bird"
	printf '#!/bin/sh\n[ "$1" != -p ] || exec /run/lab/bird "$@"\necho "stub: no BIRD today"\nexit 3\n' >"$LAB/spare/lab/stub"
	chmod 755 "$LAB/spare/lab/stub"
	on spare mount --bind /run/lab/stub "$bird"
	expect_refused spare "stub: no BIRD today" "bird ended as soon as it was started"
}

scenario_refuses_without_tun() {
	spare_up
	on spare mount -t tmpfs none /dev/net
	expect_refused spare /dev/net/tun "modprobe tun"
}

scenario_refuses_without_capability() {
	spare_up
	LAUNCH=(setpriv --bounding-set -bpf,-sys_admin)
	expect_refused spare "gwd needs CAP_BPF"
}

# The run directory is another's: a network namespace of its own is not enough.
scenario_refuses_run_dir_of_another() {
	local before
	before=$(on edge-gw-01 pgrep -l 'bird|gwd')
	# shellcheck disable=SC2016
	LAUNCH=(unshare -n sh -c 'ip link add eth0 type veth peer name other && exec "$@"' sh)
	expect_refused edge-gw-01 "another gwd" "$RUN_DIR"
	expect "the processes of the first" "$before" "$(on edge-gw-01 pgrep -l 'bird|gwd')"
	expect "after that, the page says" edge-gw-01 "$(fetch "$(device_address 4 38)" 4 /)"
	gwd_kill 1 KILL # its lock is where it was: the next one finds what is there
	gateway_start 1 "$ATTACH"
}

scenario_refuses_small_uplink() {
	spare_up
	on spare ip link set eth0 mtu 1400
	expect_refused spare eth0 1400 MTU
}

scenario_refuses_missing_uplink() {
	spare_up
	on spare ip link del eth0
	expect_refused spare eth0
}

scenario_refuses_second_gwd() {
	expect_refused edge-gw-01 "another gwd"
	expect "after that, the page says" edge-gw-01 "$(fetch "$(device_address 4 38)" 4 /)"
}

# ---- A good end ------------------------------------------------------------------------------------------------------

# It withdraws first: the provider's route is gone before any tunnel is; and then all it made is gone.
scenario_stop_withdraws_first() { # FAMILY
	local family=$1 withdrawn removed before
	gateway_stop 1
	before=$(snapshot edge-gw-01)
	gateway_start 1 "$ATTACH"
	lab_wait
	background local-gw-01 "$LAB/routes" ip -ts "-$family" monitor route
	background edge-gw-01 "$LAB/links" ip -ts monitor link
	sleep 0.3 # ip monitor does not say when it listens
	gateway_stop 1
	within 10 route_leads local-gw-01 "$family" edge-gw-02 || fail "local-gw-01 did not move to edge-gw-02"
	withdrawn=$(grep "${LOOPBACK[$family]}" "$LAB/routes" | grep -m 1 -o '^\[[^]]*\]')
	removed=$(grep Deleted "$LAB/links" | grep -m 1 -e acme-lgw | grep -o '^\[[^]]*\]')
	background_end
	test -n "$withdrawn" -a -n "$removed" || fail "saw no route change, or no tunnel removed"
	echo "withdrawn $withdrawn, removed $removed"
	[[ $withdrawn < $removed ]] || fail "a tunnel was removed at $removed, before the route was gone at $withdrawn"
	expect_unchanged edge-gw-01 "$before"
	expect_unchanged_since_boot edge-gw-01
}

# The stop above compared with an earlier stop; this compares with a machine on which gwd never ran.
expect_unchanged_since_boot() { # MACHINE
	# An empty folder is libxdp's, where all who use it in a machine meet.
	expect "pins" "" "$(on "$1" find /sys/fs/bpf -mindepth 1 ! -path /sys/fs/bpf/xdp ! -path '/sys/fs/bpf/*.debug')"
	expect "interfaces" "eth0 eth1 lo" "$(on "$1" ls /sys/class/net | sort | paste -sd' ')"
	expect "rules" "$(on internet ip rule; on internet ip -6 rule)" "$(on "$1" ip rule; on "$1" ip -6 rule)"
	expect "programs on eth0" "" "$(on "$1" ip -d link show eth0 | grep -e xdp || true; on "$1" tc qdisc show dev eth0 | grep clsact || true)"
	expect "addresses of lo" "127.0.0.1 ::1" "$(on "$1" ip -j addr show lo | jq -r '[.[].addr_info[].local] | join(" ")')"
}

# ---- The demo --------------------------------------------------------------------------------------------------------

# ^C in the middle of it: no machine, no folder, no mount, no process is left.
scenario_demo_interrupted() {
	local demo=$LAB-demo said=$LAB/demo.log pid
	LAB=$demo setsid env --default-signal=INT "$ROOT/tests/lab/demo" >"$said" 2>&1 &
	pid=$!
	within 60 grep -q "gwd on the edge gateways" "$said" || fail "the demo does not get that far: $(cat "$said")"
	pgrep -f "$demo" >/dev/null || fail "the demo has no processes: the test cannot fail"
	kill -INT -- -"$pid"
	within 60 process_dead "$pid" || fail "the demo does not end"
	expect "what is left of it" "" "$(ls -d "$demo" 2>/dev/null; pgrep -a -f "$demo"; grep "$demo" /proc/mounts)"
}

# A host that lost its power leaves a lab's folder, with the numbers of processes that are other people's by now.
scenario_lab_cut_off() {
	local left=$LAB-left beside
	sleep 60 &
	beside=$!
	mkdir -p "$left/device/lab"
	touch "$left/.lab"
	echo "$beside" | tee "$left/device.pid" >"$left/device.init"
	(LAB=$left && lab_claim && topology_down) || fail "the next lab cannot have its folder"
	expect "what is left of it" "" "$(ls -d "$left" 2>/dev/null)"
	kill "$beside" || fail "a process of somebody else was ended"
	expect "who wants the folder of this lab" "a lab stands already in $LAB; tests/lab/lab down ends it" "$( (lab_claim) 2>&1)"
	mkdir "$left" && touch "$left/mine"
	expect "who wants a folder of somebody" "$left is no lab's folder: LAB=… names another" "$( (LAB=$left && lab_claim) 2>&1)"
	rm -r "$left"
}
