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
	expect_news 1 bfd acme-lgw-02 down "" # of a v4 route that goes with its link the kernel says nothing
	within 20 edge_ready 1 || fail "without the uplink a tunnel is not made again"
	{ gateway_config 1 "$ATTACH" && echo "log: debug"; } >"$LAB/edge-gw-01/lab/log.yaml"
	config apply /run/lab/log.yaml
	config rollback
	gwd_kill 1 KILL # the next one begins without it too
	gateway_launch 1
	events_mark 1
	within 20 degraded_by 1 "uplink eth0 is gone" || fail "no gwd starts without the uplink that the one before had lost"
	uplink_plug
	expect_news 1 uplink eth0 back ""
	within 5 programs_on_uplink edge-gw-01 || fail "the uplink has no programs again"
	! news 1 gateway "" heal_failed "" || fail "healing failed meanwhile"
	expect_inside_response "$address" "$family" 4102
	within 20 nothing_degraded 1 || expect "degraded" "" "$(gwctl edge-gw-01 -j status | jq -r '.degraded[]')"
}

nothing_degraded() { # EDGE
	gwctl "edge-gw-0$1" -j status | jq -en 'input | .degraded == []' >/dev/null
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

# A tunnel cannot be made again, since its key cannot be read; the other one has the same file and goes on, BIRD comes back.
scenario_heals_what_it_can() {
	local pid address
	address=$(device_address 4 23)
	steer 1 1 4 from "$address"
	pid=$(on edge-gw-01 pidof bird)
	events_mark 1
	disturb
	trap 'key_mode 600' EXIT
	key_mode 640
	on edge-gw-01 ip link del acme-lgw-02
	expect_news 1 gateway "" heal_failed "wg.key"
	on edge-gw-01 kill -KILL "$pid"
	within 20 bird_is_another edge-gw-01 "$pid" || fail "BIRD is not started again"
	within 20 route_leads local-gw-01 4 edge-gw-01 || fail "the loopback is not announced again"
	expect "the page says" edge-gw-01 "$(fetch "$address" 4 /)"
	key_mode 600
	expect_news 1 gateway "" healed ""
	within 20 edge_ready 1 || fail "the tunnel is not made again"
}

key_mode() { # MODE: of edge-gw-01's, which all its tunnels have
	chmod "$1" "$LAB/edge-gw-01/lab/wg.key"
}

bird_is_another_and_gwd_answers() { # PID
	local status=0
	# Less than the 5 s that a gwd which waits for BIRD would wait, and enough on a busy machine.
	gwctl edge-gw-01 --timeout 4s -j tunnel list >/dev/null || status=$?
	[ $status = 0 ] || fail "gwd does not answer while BIRD hangs: gwctl ended with $status"
	bird_is_another edge-gw-01 "$1"
}

# A loopback counts as announced while BIRD shows its routes: here their interface is taken from under them.
scenario_announced_when_seen() {
	events_mark 1
	disturb
	on edge-gw-01 ip link set hwguard0 down
	within 10 degraded_by 1 "loopback control is not announced" || fail "status says that the loopback is announced"
	expect_news 1 loopback control withdrawn "BIRD does not show"
	within 10 route_leads local-gw-01 4 edge-gw-02 || fail "the provider still has the route"
	on edge-gw-01 ip link set hwguard0 up
	expect_news 1 loopback control announced ""
	within 10 route_leads local-gw-01 4 edge-gw-01 || fail "the loopback is not announced again"
}

# ---- The return device -----------------------------------------------------------------------------------------------

scenario_home_lost() {
	local address
	address=$(device_address 4 30)
	steer 1 2 4 from "$address"
	expect "before, the page says" edge-gw-01 "$(fetch "$address" 4 /)"
	disturb
	on edge-gw-01 ip link del home0
	within 10 on edge-gw-01 ip route get 100.64.1.1 from "${LOOPBACK[4]}" || fail "no way leads to home0"
	within 10 home_is_attached || fail "return_egress is not attached to the new home0"
	expect "after, the page says" edge-gw-01 "$(fetch "$address" 4 /)"
	expect_home "$address" 1 2
}

home_is_attached() {
	gwctl edge-gw-01 -j status | jq -e '.gateway.attach != "none"'
}

# ---- Between nothing and everything ----------------------------------------------------------------------------------

# The host forwards, and out of the tunnel comes what it must not: into the inside. While gwd runs it is dropped and
# counted. While it starts and stops the tunnel must not be open without its program, not for one packet.
scenario_nothing_forwarded_meanwhile() {
	local seen=$LAB/inside/lab/seen
	disturb
	trap 'forwarding 0' EXIT
	forwarding 1
	config_with_keepalive
	gateway_stop 1
	gateway_start 1 "$ATTACH"
	background inside "$seen" tcpdump -i br0 -nn -l --immediate-mode 'src 169.254.11.2 or src fd00:11::2'
	on local-gw-01 sh -c 'ip route replace 10.0.0.100 dev edge-gw-01; ip -6 route replace fd00:10::100 dev edge-gw-01'
	background local-gw-01 /dev/null ping -q -i 0.005 10.0.0.100
	background local-gw-01 /dev/null ping -q -i 0.005 fd00:10::100
	expect_dropped "running"
	gateway_stop 1
	gateway_start 1 "$ATTACH"
	expect_dropped "after a stop and a start"
	expect "what the inside saw" "" "$(cat "$seen")"
	tunnel_ingress_detach
	within 10 test -s "$seen" || fail "the test cannot fail: nothing is forwarded without the program either"
}

forwarding() { # 0|1: edge-gw-01 as a router, and the routes of the test
	# shellcheck disable=SC2016
	on edge-gw-01 sh -c 'echo $1 >/proc/sys/net/ipv4/ip_forward; echo $1 >/proc/sys/net/ipv6/conf/all/forwarding' sh "$1"
	[ "$1" = 1 ] || on local-gw-01 sh -c 'ip route del 10.0.0.100 dev edge-gw-01; ip -6 route del fd00:10::100 dev edge-gw-01'
}

# With a keepalive the gateway begins the handshake as soon as its tunnel is open, and nothing has to be waited for.
config_with_keepalive() {
	eval "$(declare -f gateway_tunnel | sed '1s/gateway_tunnel/silent_tunnel/')"
	gateway_tunnel() {
		silent_tunnel "$@" | sed 's|endpoint: "[^"]*"|&, keepalive: 1s|'
	}
}

expect_dropped() { # WHEN: the packets of the test arrive, and are counted as what they are
	local before
	within 20 edge_ready 1 || fail "$1: the tunnels are not usable"
	before=$(counter 1 destination_not_loopback)
	within 20 counter_grew 1 destination_not_loopback "$((before + 100))" || fail "$1: the packets do not arrive"
}

tunnel_ingress_detach() { # from acme-lgw-01 of edge-gw-01, whatever way it is attached
	# shellcheck disable=SC2016
	on edge-gw-01 sh -c '
		pin=$1/links/tunnel_ingress-$(cat /sys/class/net/acme-lgw-01/ifindex)
		if [ -e "$pin" ]; then bpftool link detach pinned "$pin"; else tc qdisc del dev acme-lgw-01 clsact; fi' sh "$PIN_DIR"
}
